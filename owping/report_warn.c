#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <owamp/error.h>

#include "clock/report.h"
#include "owping/format.h"
#include "owping/report.h"

/*
 * Above these the meter is worth a word. A packet that left late has a right
 * stamp all the same: many of them are another stream than the one asked for,
 * a single one is only if it was very late.
 */
#define LATENESS_NS  10000000
#define STALL_NS     100000000
#define STAMP_GAP_NS 1000000

/* No network holds packets back for so long; clocks that nobody sets differ by more. */
#define CLOCKS_DIFFER_NS INT64_C(10000000000)

__attribute__((format(printf, 2, 3))) static void warn(struct owping_report *report, const char *format, ...)
{
	va_list list;

	if (report->warning_count == OWPING_WARNINGS_MAX)
		return;
	va_start(list, format);
	vsnprintf(report->warnings[report->warning_count], OWPING_WARNING_SIZE, format, list);
	clock_report_clean(report->warnings[report->warning_count++]);
	va_end(list);
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "packet was" : "packets were";
}

static void warn_incomplete(struct owping_report *report)
{
	/* With OWAMP_EPARTIAL the result's reason says the same. */
	bool said = report->result->error == OWAMP_EPARTIAL;

	if (report->ended_early && !said)
		warn(report, "the session ended early, after %" PRIu32 " of %" PRIu32 " packets",
		     report->result->next_seq, report->result->request.packets);
	if (report->summary.skipped > 0 && !said)
		warn(report, "%" PRIu32 " %s skipped by the sender: never sent, not lost",
		     report->summary.skipped, plural(report->summary.skipped));
	if (report->unknown > 0)
		warn(report,
		     "of the last %" PRIu32
		     " %s sent the receiver has no valid record: neither sent nor lost here",
		     report->unknown, report->unknown == 1 ? "packet" : "packets");
	if (report->missing > 0)
		warn(report, "the receiver has no record of %" PRIu32 " %s: counted as lost", report->missing,
		     report->missing == 1 ? "packet" : "packets");
}

static void warn_delay(struct owping_report *report)
{
	const struct owamp_summary *summary = &report->summary;
	int64_t timeout_ns = owamp_interval_to_ns(report->result->request.timeout);
	char delay[OWPING_TEXT_SIZE];
	char bound[OWPING_TEXT_SIZE];

	if (summary->received == 0)
		return;
	owping_format_delay_auto(delay, summary->delay_min_ns);
	owping_format_bound_auto(bound, report->error_ns);
	if (summary->delay_min_ns < 0 && -summary->delay_min_ns > report->error_ns)
		warn(report,
		     "the minimum delay is %s, which the stated clock error of %s does not explain: "
		     "at least one clock is wrong",
		     delay, bound);
	else if (summary->delay_min_ns < 0)
		warn(report,
		     "the minimum delay is negative, %s: the clocks differ, within their stated "
		     "error of %s",
		     delay, bound);
	else if (timeout_ns > 0 && summary->delay_min_ns > timeout_ns)
		warn(report, "the minimum delay, %s, is above the timeout: at least one clock is wrong",
		     delay);
}

static void warn_set(struct owping_report *report, uint32_t steps, int64_t step_ns)
{
	char step[OWPING_TEXT_SIZE];

	owping_format_delay_auto(step, step_ns);
	if (steps == 1)
		warn(report,
		     "this host's clock was set by %s%s while the session ran: delays before and after "
		     "cannot be "
		     "compared",
		     step_ns > 0 ? "+" : "", step);
	else if (steps > 1)
		warn(report,
		     "this host's clock was set %" PRIu32
		     " times while the session ran, by %s%s in sum: delays "
		     "before and after cannot be compared",
		     steps, step_ns > 0 ? "+" : "", step);
}

static void warn_clock(struct owping_report *report)
{
	const struct owamp_result *result = report->result;

	if (result->has_send_health)
		warn_set(report, result->send_health.clock_steps, result->send_health.clock_step_ns);
	if (result->has_receive_health)
		warn_set(report, result->receive_health.clock_steps, result->receive_health.clock_step_ns);
}

/* Packets that are only late look just like clocks that differ, but for these signs. */
static bool is_clocks(const struct owamp_receiver_counters *counters)
{
	uint64_t untimely = counters->results[OWAMP_RECEIVE_TIME];

	if (counters->results[OWAMP_RECEIVE_OK] > untimely / 10)
		return false;
	return counters->time_offset_ns > 0 || counters->time_offset_ns < -CLOCKS_DIFFER_NS;
}

/* Of packets that were in time before, or after: the clocks did not differ all along. */
static bool is_mixed(const struct owamp_receiver_counters *counters)
{
	return counters->results[OWAMP_RECEIVE_OK] > 0;
}

static void warn_untimely(struct owping_report *report)
{
	const struct owamp_receiver_counters *counters = &report->result->receive_health.counters;
	uint64_t untimely = counters->results[OWAMP_RECEIVE_TIME];
	int64_t offset_ns = counters->time_offset_ns;
	char timeout[OWPING_TEXT_SIZE];
	char offset[OWPING_TEXT_SIZE];

	if (untimely == 0)
		return;
	owping_format_delay_auto(timeout, owamp_interval_to_ns(report->result->request.timeout));
	owping_format_delay_auto(offset, offset_ns < 0 ? -offset_ns : offset_ns);
	if (is_clocks(counters))
		warn(report,
		     "%" PRIu64 " %s discarded: stamped more than the timeout of %s away from their arrival; "
		     "the clocks of the two hosts differ by about %s%s",
		     untimely, plural(untimely), timeout, offset,
		     is_mixed(counters) ? "; probably the sender's was set in mid-session" : "");
	else
		warn(report,
		     "%" PRIu64 " %s discarded: stamped more than the timeout of %s away from their arrival, "
		     "such as %s; %s the clocks of the two hosts differ%s",
		     untimely, plural(untimely), timeout, offset,
		     offset_ns > 0 ? "a stamp is wrong, or" : "they came later than the timeout, or",
		     is_mixed(counters) ? ", or the sender's was set in mid-session" : "");
}

static void warn_discarded(struct owping_report *report)
{
	static const char *const why[OWAMP_RECEIVE_RESULTS] = {
		[OWAMP_RECEIVE_SHORT] = "too short to be a test packet",
		[OWAMP_RECEIVE_HMAC] = "failed authentication",
		[OWAMP_RECEIVE_MULTIPLIER] = "invalid error estimate, Multiplier 0",
		[OWAMP_RECEIVE_SEQ] = "sequence number outside the session",
		[OWAMP_RECEIVE_SCHEDULE] = "send time further than the timeout from the schedule",
		[OWAMP_RECEIVE_LATE] = "arrived after being declared lost",
	};
	const struct owamp_receiver_counters *counters = &report->result->receive_health.counters;

	warn_untimely(report);
	for (int i = 0; i < OWAMP_RECEIVE_RESULTS; i++) {
		if (why[i] != NULL && counters->results[i] > 0)
			warn(report, "%" PRIu64 " %s discarded: %s", counters->results[i],
			     plural(counters->results[i]), why[i]);
	}
}

/* Of some drops it is known which packets they were; the others may be among the lost ones, or not of the
 * session. */
static void warn_drops(struct owping_report *report)
{
	uint64_t drops = report->result->receive_health.socket_drops;
	uint32_t known = report->summary.dropped;

	if (known > 0)
		warn(report, "%" PRIu32 " %s dropped at this host's own socket: not counted as lost", known,
		     plural(known));
	if (drops <= known)
		return;
	drops -= known;
	warn(report,
	     "%" PRIu64 " %s%s dropped at this host's own socket: loss may be ours, not the network's", drops,
	     known > 0 ? "more " : "", plural(drops));
}

/* The kernel doubles what it is told, and compares that with its limit before. */
static void warn_buffer(struct owping_report *report)
{
	uint32_t wanted = report->result->receive_buffer_wanted;
	uint32_t octets = report->result->receive_buffer_octets;

	if (octets < wanted)
		warn(report,
		     "the receive buffer has %" PRIu32 " octets where this rate wants %" PRIu32
		     ": packets may be dropped at this host's own socket unless net.core.rmem_max is "
		     "%" PRIu32,
		     octets, wanted, wanted / 2 + wanted % 2);
}

static void warn_receiver(struct owping_report *report)
{
	const struct owamp_receive_health *health = &report->result->receive_health;

	if (health->failed)
		warn(report, "this host ran out of memory while receiving: records are missing");
	warn_drops(report);
	warn_buffer(report);
	warn_discarded(report);
	if (health->strangers > 0)
		warn(report, "%" PRIu64 " %s discarded: not from the sender's address and port",
		     health->strangers, plural(health->strangers));
	if (health->unstamped > 0)
		warn(report, "%" PRIu64 " %s not stamped by the kernel: their receive times are less exact",
		     health->unstamped, plural(health->unstamped));
}

static void warn_lateness(struct owping_report *report)
{
	const struct owamp_send_health *health = &report->result->send_health;
	char most[OWPING_TEXT_SIZE];
	char some[OWPING_TEXT_SIZE];

	owping_format_bound_auto(most, health->lateness_max_ns);
	if (health->lateness_p99_ns >= LATENESS_NS)
		warn(report,
		     "this host is busy: packets left up to %s after their scheduled time, one in a hundred "
		     "%s or more",
		     most, owping_format_bound_auto(some, health->lateness_p99_ns));
	else if (health->lateness_max_ns >= STALL_NS)
		warn(report, "this host is busy: a packet left %s after its scheduled time", most);
}

static void warn_gap(struct owping_report *report)
{
	const struct owamp_send_health *health = &report->result->send_health;
	char time[OWPING_TEXT_SIZE];

	if (health->stamp_gap_max_ns >= STAMP_GAP_NS)
		warn(report,
		     "this host is busy: a packet left up to %s after its time stamp, which is part "
		     "of its delay",
		     owping_format_bound_auto(time, health->stamp_gap_max_ns));
	else if (health->kernel_gap_max_ns >= STAMP_GAP_NS)
		warn(report,
		     "this host's own queue held a packet for up to %s, which is part of its delay (of "
		     "%" PRIu64 " that were looked at)",
		     owping_format_bound_auto(time, health->kernel_gap_max_ns), health->kernel_stamps);
}

static void warn_sender(struct owping_report *report)
{
	const struct owamp_send_health *health = &report->result->send_health;

	if (health->send_errors > 0)
		warn(report, "%" PRIu64 " %s not accepted by this host's network: %s", health->send_errors,
		     plural(health->send_errors), strerror(health->last_errno));
	warn_lateness(report);
	warn_gap(report);
}

void owping_report_warn(struct owping_report *report)
{
	warn_incomplete(report);
	warn_delay(report);
	warn_clock(report);
	if (report->result->has_receive_health)
		warn_receiver(report);
	if (report->result->has_send_health)
		warn_sender(report);
}

static bool was_contradicted(const struct owamp_result *result)
{
	return (result->has_send_health && result->send_health.clock_contradiction) ||
	       (result->has_receive_health && result->receive_health.clock_contradiction);
}

void owping_report_doubt(struct owping_report *report)
{
	if (!report->fetched && report->clock != NULL && report->clock->alarm[0] != '\0')
		warn(report, "this host's clock: ALARM: %s; what vouched for it may be wrong",
		     report->clock->alarm);
	else if (was_contradicted(report->result))
		warn(report, "this host's clock: its sources contradicted each other during the session; "
			     "what vouched for it may be wrong");
}

void owping_report_wishes(struct owping_report *report, const struct owping_options *options,
			  const struct owamp_engine_granted *granted)
{
	const struct owamp_result *result = report->result;
	const struct owamp_receive_health *health = &result->receive_health;
	uint64_t arrived = owping_report_arrived(health);

	/* Only sending has a schedule to keep. */
	if (granted != NULL && options->realtime_given && options->realtime_priority > 0 &&
	    !granted->realtime && (result->has_send_health || !options->to_server))
		warn(report, "real-time scheduling with priority %d was asked for and refused: %s",
		     options->realtime_priority, strerror(granted->realtime_errno));
	if (options->hardware_interfaces != NULL && result->has_receive_health &&
	    health->hardware_stamped < arrived)
		warn(report,
		     "%" PRIu64 " of %" PRIu64 " packets were not stamped by an interface's clock, but by "
		     "the kernel: their receive times are less exact",
		     arrived - health->hardware_stamped, arrived);
}
