#include "pacer_internal.h"

#include <errno.h>
#include <stdlib.h>

#include <owamp/clock.h>
#include <owamp/engine.h>

#include "instant.h"

/* What a departure takes, before anything was measured. */
#define FIRST_GAP_NS 100000

/* An error estimate serves all packets that leave so soon after each other; it is of the last of them. */
#define ESTIMATE_NS 100000

/* Stamps asked for by the whole pacer: one in so long, or as many at once as were not asked for before. */
#define STAMP_INTERVAL_NS INT64_C(1000000)
#define STAMP_BURST_NS    (100 * STAMP_INTERVAL_NS)

void departure_init(struct owamp_pacer *pacer, int64_t now_ns)
{
	pacer->gap = (struct fading){.before_ns = FIRST_GAP_NS, .since_ns = now_ns};
}

/* What an estimate was made from holds no longer. */
static bool outdated(const struct owamp_pacer *pacer, const struct owamp_clock_snapshot *snapshot,
		     int64_t now, int64_t gap)
{
	return now >= pacer->error_until_ns || gap > pacer->error_gap_ns ||
	       snapshot->steps != pacer->error_steps || snapshot->synchronized != pacer->error_synchronized;
}

/*
 * Of a stamp that was taken already. So whoever finds what the clock's thread
 * has published since a step has taken it after the step, or sees a deviation.
 */
static uint16_t error_estimate(struct owamp_pacer_session *session, const struct instant *stamp)
{
	struct owamp_pacer *pacer = session->pacer;
	int64_t deviation = instant_deviation(stamp, pacer->clock), now = stamp->after_mono;
	int64_t gap = fading_max(&pacer->gap), bound;
	struct owamp_clock_snapshot snapshot;

	owamp_clock_read(pacer->clock, &snapshot);
	if (deviation != 0) {
		bound = owamp_clock_bound(&snapshot, now) + llabs(deviation);
		session_clock_note(&session->clock, &snapshot, bound);
		return owamp_clock_error_set(pacer->clock, now, gap, deviation);
	}
	if (outdated(pacer, &snapshot, now, gap)) {
		pacer->error_until_ns = now + ESTIMATE_NS;
		pacer->error_gap_ns = gap;
		pacer->error_steps = snapshot.steps;
		pacer->error_synchronized = snapshot.synchronized;
		pacer->error_bound_ns = owamp_clock_bound(&snapshot, pacer->error_until_ns);
		pacer->error_estimate = owamp_clock_error(pacer->clock, pacer->error_until_ns, gap);
	}
	session_clock_note(&session->clock, &snapshot, pacer->error_bound_ns);
	return pacer->error_estimate;
}

/*
 * The kernel's stamp says how long after the packet's own it left. Without it
 * the end of the send call bounds that (unless a queueing discipline holds
 * packets back: then the stamp comes late, and says so).
 */
static void note(struct owamp_pacer_session *session, int64_t lateness, int64_t before, int64_t after,
		 bool asked)
{
	int64_t gap = after - before;

	session->sent++;
	lateness_add(&session->lateness, lateness);
	if (gap > session->stamp_gap_max_ns)
		session->stamp_gap_max_ns = gap;
	if (asked) {
		session->asked_ns = before;
		session->asked_gap_ns = gap;
		session->pacer->pending = session;
	} else {
		fading_note(&session->pacer->gap, after, gap);
	}
}

int departure_send(struct owamp_pacer_session *session, int64_t due_ns, bool ask, int64_t *after_ns)
{
	for (int attempt = 0;; attempt++) {
		struct instant stamp;
		const uint8_t *packet;
		uint16_t estimate;
		size_t size;

		instant_read(&stamp, INSTANT_TRIES_FEW);
		estimate = error_estimate(session, &stamp);
		packet = owamp_sender_stamp(session->sender, owamp_ntp_from_unix_ns(stamp.real_ns), estimate,
					    &size);
		if (!packet)
			return EIO;
		if (transmit_send(&session->transmit, packet, size, ask, stamp.real_ns) == (ssize_t)size) {
			*after_ns = owamp_mono_ns();
			note(session, stamp.before_mono - due_ns, stamp.before_mono, *after_ns,
			     ask && session->transmit.waiting);
			return 0;
		}
		/* An ICMP error for an earlier packet is reported once, in place of sending. */
		if (attempt > 0 || (errno != ECONNREFUSED && errno != EHOSTUNREACH && errno != ENETUNREACH))
			return errno;
		ask = false;
	}
}

bool departure_may_ask(struct owamp_pacer_session *session, int64_t now_ns)
{
	struct owamp_pacer *pacer = session->pacer;

	if (!session->transmit.possible || pacer->pending || pacer->stamps_ns > now_ns)
		return false;
	if (pacer->stamps_ns < now_ns - STAMP_BURST_NS)
		pacer->stamps_ns = now_ns - STAMP_BURST_NS;
	pacer->stamps_ns += STAMP_INTERVAL_NS;
	/* The last one may have come meanwhile. */
	if (session->transmit.waiting)
		departure_read(session);
	return true;
}

void departure_read(struct owamp_pacer_session *session)
{
	struct owamp_pacer *pacer = session->pacer;
	bool pending = pacer->pending == session, known;
	int64_t gap, now;

	if (pending)
		pacer->pending = NULL;
	known = transmit_read(&session->transmit, &gap);
	now = owamp_mono_ns();
	/* Out of these bounds, the clock was stepped in between. */
	if (known && gap >= 0 && gap <= now - session->asked_ns)
		lateness_add(&session->kernel_gap, gap);
	else if (pending)
		gap = session->asked_gap_ns;
	else
		return;
	fading_note(&pacer->gap, now, gap);
}

void departure_health(const struct owamp_pacer_session *session, struct owamp_send_health *health)
{
	const struct lateness *lateness = &session->lateness, *gap = &session->kernel_gap;
	struct session_clock clock = session_clock_now(&session->clock, session->pacer->clock);

	*health = (struct owamp_send_health){
		.sent = session->sent,
		.send_errors = session->send_errors,
		.last_errno = session->last_errno,
		.lateness_p50_ns = lateness_percentile(lateness, 50),
		.lateness_p99_ns = lateness_percentile(lateness, 99),
		.lateness_p999_ns = lateness_percentile(lateness, 99.9),
		.lateness_max_ns = lateness->max_ns,
		.lateness_mean_ns = session->sent ? lateness->sum_ns / (double)session->sent : 0,
		.stamp_gap_max_ns = session->stamp_gap_max_ns,
		.kernel_stamps = gap->count,
		.kernel_gap_p50_ns = lateness_percentile(gap, 50),
		.kernel_gap_p99_ns = lateness_percentile(gap, 99),
		.kernel_gap_max_ns = gap->max_ns,
		.clock_steps = clock.steps,
		.clock_step_ns = clock.step_ns,
		.clock_bound_max_ns = clock.bound_max_ns,
		.clock_source = clock.source,
		.clock_contradiction = clock.contradiction,
	};
}
