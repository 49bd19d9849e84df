/*
 * The values of command line options, from text. All functions are pure,
 * accept the whole text or nothing, and return 0 or OWAMP_EINVAL.
 */
#ifndef OWPING_VALUES_H
#define OWPING_VALUES_H

#include <stddef.h>
#include <stdint.h>

#include <owamp/session.h>

/* The longest time that can be given: below OWAMP_SPAN_MAX. */
#define OWPING_SECONDS_MAX 500000000

/* An unsigned number, decimal or with 0x hexadecimal. */
int owping_parse_number(const char *text, uint32_t low, uint32_t high, uint32_t *value);

/* Seconds with up to nine decimals: "2", "0.1", ".5". No sign, no exponent. */
int owping_parse_seconds(const char *text, int64_t *ns);

/*
 * A schedule, "0.1e,0.05f,0f": seconds with e (exponential, also without a
 * letter) or f (fixed); not all of them 0, which would be all packets at once.
 * *slots is malloc'd. OWAMP_ENOMEM is possible.
 */
int owping_parse_schedule(const char *text, struct owamp_slot **slots, uint32_t *slot_count);

/* A DSCP by name (EF, AF11, CS3, LE, BE, ...; any case) or number 0 to 63. */
int owping_parse_dscp(const char *text, uint8_t *dscp);

/* "0" (any), "PORT" or "LOW-HIGH". */
int owping_parse_ports(const char *text, uint16_t *low, uint16_t *high);

/* Letters of A, E, O, each at most once, in order of preference (0-ended). */
int owping_parse_modes(const char *text, uint32_t *modes, uint32_t preference[4]);

/* Numbers above 0 and up to 100, comma separated; at most limit. */
int owping_parse_percentiles(const char *text, double *list, size_t limit, size_t *count);

/*
 * Names of network interfaces, each once, comma separated. *names, ended by
 * NULL, is malloc'd in one piece. OWAMP_ENOMEM is possible.
 */
int owping_parse_interfaces(const char *text, const char ***names);

/*
 * "host", "host:port", "[address]:port", "[address]" or a bare IPv6 address.
 * *port is left alone if the text has none.
 */
int owping_parse_target(const char *text, char *host, size_t host_size, uint16_t *port);

#endif
