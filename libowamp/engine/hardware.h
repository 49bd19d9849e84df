/*
 * Receive stamps by the interfaces' own clocks: switches them on
 * (SIOCSHWTSTAMP, all packets) and converts them to UTC.
 *
 * The interfaces are the physical ones: a packet that came in through a VLAN,
 * bond or bridge is stamped by the hardware below, and its stamp says so
 * (SCM_TIMESTAMPING_PKTINFO), so one that lies on others is refused.
 *
 * Another program can switch the stamps off again (ptp4l asks for those of PTP
 * packets when it starts, unless its hwts_filter is "full" or "check"). Packets
 * then arrive without one: they have the kernel's stamp, with its larger error.
 */
#ifndef ENGINE_HARDWARE_H
#define ENGINE_HARDWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <owamp/clock.h>

struct hardware;

/*
 * interfaces: ended by NULL. All or none: on failure nothing is left, and
 * error has one line, "INTERFACE: what and why". Needs access to the /dev/ptpN
 * of each, and CAP_NET_ADMIN unless it stamps all packets already.
 */
int hardware_new(struct hardware **hardware, const char *const *interfaces, struct owamp_clock *clock,
		 char *error, size_t error_size);

/* Before owamp_clock_free(). What was switched on stays so: others may have come to need it. */
void hardware_free(struct hardware *hardware);

/*
 * A raw stamp of the interface with that index (SCM_TIMESTAMPING_PKTINFO), as
 * CLOCK_REALTIME and how far that may be off (see clock_phc_convert()). Any
 * thread. False: it cannot be converted now, or the index is none of ours.
 */
bool hardware_convert(const struct hardware *hardware, unsigned ifindex, int64_t stamp_ns, int64_t *real_ns,
		      int64_t *error_ns);

/* Assumed before there were packets to measure it with; it fades as if it had been measured. */
#define HARDWARE_FIRST_GAP_NS 100000

/* A larger one is not the way of a packet through the machine, but a clock that was set. It is not noted. */
#define HARDWARE_MAX_GAP_NS INT64_C(1000000000)

/*
 * The kernel's stamp less the hardware's for a packet that has both: of their
 * magnitudes a maximum is kept which loses 1/64 in each second that has such
 * packets (half in three quarters of a minute). One thread at a time.
 */
void hardware_note_gap(struct hardware *hardware, unsigned ifindex, int64_t gap_ns);

/* That maximum: the error of the kernel's stamp alone, where the hardware's could not be had. Any thread. */
int64_t hardware_gap(const struct hardware *hardware, unsigned ifindex);

#endif
