/*
 * The pacer: one thread that sends the packets of all sending sessions when
 * they are due. Schedules run on CLOCK_MONOTONIC, mapped to UTC when the
 * session starts, so a step of the clock does not shift them; the stamp in the
 * packet is UTC, taken last thing before the send. Each is compared with
 * CLOCK_MONOTONIC: of a clock that was set S is off at once.
 */
#ifndef OWAMP_PACER_H
#define OWAMP_PACER_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "export.h"
#include "loop.h"
#include "sender.h"

struct owamp_pacer;
struct owamp_pacer_session;

/* How a sending session went; all times in ns. */
struct owamp_send_health {
	uint64_t sent;
	uint64_t send_errors; /* packets the system refused to send */
	int last_errno;       /* of the last such */
	/* Departure after the scheduled time; the percentiles within 1/8 of themselves, or 8 ns. */
	int64_t lateness_p50_ns;
	int64_t lateness_p99_ns;
	int64_t lateness_p999_ns;
	int64_t lateness_max_ns;
	double lateness_mean_ns;
	int64_t stamp_gap_max_ns; /* from taking the stamp to the end of the send call */
	/*
	 * From the stamp in the packet to the kernel's own, taken when it hands the
	 * packet to the device: of a sample of the packets, as many as never slow the
	 * stream (a thousand a second of all sessions, none while the pacer is behind).
	 * The percentiles as above; all 0 if there are none.
	 */
	uint64_t kernel_stamps;
	int64_t kernel_gap_p50_ns;
	int64_t kernel_gap_p99_ns;
	int64_t kernel_gap_max_ns;
	/* What this host's clock did while the session sent. */
	uint32_t clock_steps;       /* times it was set; leap seconds do not count */
	int64_t clock_step_ns;      /* by how much, in sum */
	int64_t clock_bound_max_ns; /* the largest bound of a packet's stamp, without the act of stamping */
	const char *clock_source;   /* what the bound came from at the end: OWAMP_CLOCK_...; static text */
	bool clock_contradiction;   /* its sources contradicted each other, for a while at least */
};

/*
 * Starts sending through fd, a connected UDP socket; fd stays the caller's and
 * must stay open until owamp_pacer_end(), and its error queue is the pacer's. Takes the sender over. finished
 * runs on the loop's thread when all packets have been sent or skipped.
 */
OWAMP_API int owamp_pacer_start(struct owamp_pacer *pacer, struct owamp_sender *sender, int fd,
				void (*finished)(void *context), void *context,
				struct owamp_pacer_session **session);

/* No packet leaves after this. The state can be read until owamp_pacer_end(). */
OWAMP_API void owamp_pacer_stop(struct owamp_pacer_session *session);

/* After stop or finished: for Stop-Sessions. The pointer in it lives until end(). */
OWAMP_API void owamp_pacer_state(struct owamp_pacer_session *session, struct owamp_stop_session *state);

/* At any time. */
OWAMP_API void owamp_pacer_health(struct owamp_pacer_session *session, struct owamp_send_health *health);

/* Scheduled time of the last packet sent or skipped, in UTC (ntp). After finished. */
OWAMP_API owamp_ntp owamp_pacer_last(struct owamp_pacer_session *session);

/* The same on CLOCK_MONOTONIC: for waiting from there on, which a step of the clock must not change. */
OWAMP_API int64_t owamp_pacer_last_mono_ns(struct owamp_pacer_session *session);

/* Stops if need be, frees session and sender. finished is not called any more. */
OWAMP_API void owamp_pacer_end(struct owamp_pacer_session *session);

#endif
