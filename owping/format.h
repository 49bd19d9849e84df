/* Numbers, times and addresses as text. All functions return buffer. */
#ifndef OWPING_FORMAT_H
#define OWPING_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#define OWPING_TEXT_SIZE 80

/* "ns", "us", "ms", "s" for n, u, m, s. */
const char *owping_unit_name(char unit);

/*
 * A delay in a unit: to the microsecond, and below 0.1 ms to three significant
 * digits; no exponent, no trailing zeros.
 */
char *owping_format_delay(char buffer[OWPING_TEXT_SIZE], int64_t ns, char unit);

/* An error bound in a unit: three significant digits, rounded up. */
char *owping_format_bound(char buffer[OWPING_TEXT_SIZE], int64_t ns, char unit);

/* The same two with the unit that suits the size, "0.8 ms". */
char *owping_format_delay_auto(char buffer[OWPING_TEXT_SIZE], int64_t ns);
char *owping_format_bound_auto(char buffer[OWPING_TEXT_SIZE], int64_t ns);

/* Seconds with all nine decimals, "-0.000000001". */
char *owping_format_seconds(char buffer[OWPING_TEXT_SIZE], int64_t ns);

/* UTC, "2026-11-21T00:50:55.794", or "1795222255.794"; 0 to 9 decimals, cut off. */
char *owping_format_time(char buffer[OWPING_TEXT_SIZE], int64_t unix_ns, bool as_unix, unsigned decimals);

/* "192.0.2.1", "fe80::1%eth0", without the port. "?" if it is not an IP address. */
char *owping_format_host(char buffer[OWPING_TEXT_SIZE], const struct sockaddr *address);

/* "[192.0.2.1]:861". */
char *owping_format_endpoint(char buffer[OWPING_TEXT_SIZE], const struct sockaddr *address);

uint16_t owping_port(const struct sockaddr *address);

/* Whether file is a terminal that knows escape sequences. */
bool owping_terminal(FILE *file);

/* Whether to colour what goes to file: such a terminal, and NO_COLOR is not set. */
bool owping_colors(FILE *file);

#endif
