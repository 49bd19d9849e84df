/*
 * Receive stamps by the interfaces' own clocks: switches them on
 * (SIOCSHWTSTAMP, all packets) and converts them to UTC.
 */
#ifndef ENGINE_HARDWARE_H
#define ENGINE_HARDWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <owamp/clock.h>

struct hardware;

/* interfaces: ended by NULL. On failure error has one line, "INTERFACE: what and why". */
int hardware_new(struct hardware **hardware, const char *const *interfaces, struct owamp_clock *clock,
		 char *error, size_t error_size);

/* Before owamp_clock_free(). What was switched on stays so: others may have come to need it. */
void hardware_free(struct hardware *hardware);

/*
 * A raw stamp of the interface with that index (SCM_TIMESTAMPING_PKTINFO), as
 * CLOCK_REALTIME and how far that may be off. Any thread. False: it cannot be
 * converted now.
 */
bool hardware_convert(const struct hardware *hardware, unsigned ifindex, int64_t stamp_ns, int64_t *real_ns,
		      int64_t *error_ns);

/* Between the stamps of hardware and kernel for packets that have both: a maximum that fades slowly. */
void hardware_note_gap(struct hardware *hardware, unsigned ifindex, int64_t gap_ns);
/* The error of the kernel's stamp alone, where the hardware's could not be had. */
int64_t hardware_gap(const struct hardware *hardware, unsigned ifindex);

#endif
