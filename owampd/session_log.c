/* What the log says of a test session at its end. */
#include "server.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "append.h"
#include "log.h"
#include "step_text.h"

struct missing {
	uint64_t lost;
	uint64_t dropped; /* by us, not the network */
};

/* What was never sent is not lost: packets beyond the sender's last, and those it skipped. */
static struct missing count_missing(const struct session *session,
				    const struct owamp_receiver_counters *counters, uint32_t cut)
{
	uint64_t received = counters->results[OWAMP_RECEIVE_OK] - counters->duplicates;
	uint64_t count = counters->lost + counters->dropped, skipped = 0, dropped = counters->dropped;

	if (session->stop_known && session->stop.next_seq == cut && received <= cut)
		count = cut - received;
	if (session->stop_known)
		skipped = owamp_skips_below(session->stop.skips, session->stop.skip_count, cut);
	count -= skipped < count ? skipped : count;
	if (dropped > count)
		dropped = count;
	return (struct missing){.lost = count - dropped, .dropped = dropped};
}

/* Datagrams that the kernel had no room for, where they are not just the packets counted already. */
static void append_drops(const struct session *session, const struct owamp_receive_health *health,
			 const struct missing *missing, char *line, size_t size)
{
	if (session->place && health->socket_drops)
		append(line, size, "; %" PRIu64 " dropped at the shared port for all its sessions",
		       health->socket_drops);
	else if (health->socket_drops > missing->dropped)
		append(line, size, "; %" PRIu64 " datagrams without room in its buffer",
		       health->socket_drops);
}

/* What went wrong is said only where something did. */
void session_log_receiver(const struct session *session, const struct owamp_receive_health *health,
			  uint32_t cut, const char *how, const char *reason)
{
	const struct owamp_receiver_counters *counters = &health->counters;
	uint64_t lost = store_lost(session->stored), left_out = store_left_out(session->stored);
	const struct missing missing = count_missing(session, counters, cut);
	char line[512] = "", early[64] = "", dropped[64] = "", hardware[64] = "";

	for (int i = OWAMP_RECEIVE_OK + 1; i < OWAMP_RECEIVE_RESULTS; i++) {
		if (counters->results[i])
			append(line, sizeof line, "; %" PRIu64 " discarded: %s", counters->results[i],
			       owamp_receive_result_name((enum owamp_receive_result)i));
	}
	if (counters->results[OWAMP_RECEIVE_TIME])
		append(line, sizeof line, " (send time %+.6f s from ours)",
		       (double)counters->time_offset_ns / 1e9);
	if (health->strangers)
		append(line, sizeof line, "; %" PRIu64 " from strangers", health->strangers);
	if (health->unstamped)
		append(line, sizeof line, "; %" PRIu64 " without a kernel timestamp", health->unstamped);
	append_drops(session, health, &missing, line, sizeof line);
	if (missing.dropped)
		append(dropped, sizeof dropped, ", %" PRIu64 " dropped at our own socket", missing.dropped);
	if (health->hardware_stamped)
		append(hardware, sizeof hardware, ", %" PRIu64 " stamped in hardware",
		       health->hardware_stamped);
	if (session->stop_known && session->stop.next_seq < session->request.packets)
		append(early, sizeof early, "; ended early, at packet %u of %u", session->stop.next_seq,
		       session->request.packets);
	if (reason)
		append(line, sizeof line, "; %s", reason);
	if (lost)
		append(line, sizeof line, "; %" PRIu64 " records could not be stored", lost);
	if (left_out)
		append(line, sizeof line, "; %" PRIu64 " duplicates left out", left_out);
	log_write(line[0] || dropped[0] ? LOG_WARNING : LOG_INFO,
		  "%s: session %s %s: %" PRIu64 " packets received, %" PRIu64 " lost%s, %" PRIu64
		  " duplicates%s%s%s",
		  session->connection->name, session->sid_text, how,
		  counters->results[OWAMP_RECEIVE_OK] - counters->duplicates, missing.lost, dropped,
		  counters->duplicates, hardware, early, line);
}

static double us(int64_t ns)
{
	return (double)ns / 1e3;
}

void session_log_sender(const struct session *session)
{
	struct owamp_send_health health;
	struct owamp_stop_session state;
	char line[256] = "", kernel[120] = "", clock[120];

	owamp_pacer_state(session->pacing, &state);
	owamp_pacer_health(session->pacing, &health);
	if (health.kernel_stamps)
		append(kernel, sizeof kernel, "; stamped %.1f us (p50), %.1f us (p99) before the kernel did",
		       us(health.kernel_gap_p50_ns), us(health.kernel_gap_p99_ns));
	if (state.skip_count)
		append(line, sizeof line, "; %u skip range%s", state.skip_count,
		       state.skip_count == 1 ? "" : "s");
	if (health.send_errors)
		append(line, sizeof line, "; %" PRIu64 " send errors, last: %s", health.send_errors,
		       strerror(health.last_errno));
	if (step_text(clock, sizeof clock, NULL, health.clock_steps, health.clock_step_ns))
		append(line, sizeof line, "; %s", clock);
	log_write(line[0] ? LOG_WARNING : LOG_INFO,
		  "%s: session %s ended: %" PRIu64
		  " of %u packets sent, late by %.1f us on average, %.1f us (p50), %.1f us (p99), "
		  "%.1f us (p99.9), %.1f us at most%s%s",
		  session->connection->name, session->sid_text, health.sent, session->request.packets,
		  health.lateness_mean_ns / 1e3, us(health.lateness_p50_ns), us(health.lateness_p99_ns),
		  us(health.lateness_p999_ns), us(health.lateness_max_ns), kernel, line);
}
