/*
 * What one result says: statistics, how complete it is, and what the user
 * must know about it before believing it. The base of all output formats.
 */
#ifndef OWPING_REPORT_H
#define OWPING_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include <owamp/client.h>
#include <owamp/clock.h>
#include <owamp/stats.h>

#include "owping/options.h"

#define OWPING_WARNINGS_MAX 24
#define OWPING_WARNING_SIZE 400

enum owping_outcome {
	OWPING_COMPLETE, /* all that was asked */
	OWPING_PARTIAL,  /* something was measured, something is missing */
	OWPING_FAILED,   /* nothing was measured */
};

struct owping_report {
	const struct owamp_result *result;
	bool fetched;      /* by SID: nothing in it was measured by this process */
	uint32_t first;    /* of the sequence numbers in question */
	uint32_t limit;    /* one beyond the last of them */
	int64_t near_ns;   /* Unix time, to know the NTP era */
	uint32_t unknown;  /* sent after limit, but there is no evidence of what became of them */
	uint32_t missing;  /* neither skipped nor recorded, though they should be */
	bool ended_early;  /* the sender did not reach the end of its schedule */
	bool synchronized; /* both clocks were, for all packets */
	int64_t error_ns;  /* bound of the delays' error, both clocks together */
	enum owping_outcome outcome;
	int error; /* of the result; or why it has nothing although it has no error */
	char reason[256];

	const struct owamp_clock_status *clock; /* this host's, at the end; NULL: not known */

	struct owamp_stats *stats;
	struct owamp_summary summary;
	uint32_t ttl_count[256]; /* of the packets received, duplicates included */
	unsigned ttl_values;     /* how many different ones */

	unsigned warning_count;
	char warnings[OWPING_WARNINGS_MAX][OWPING_WARNING_SIZE];
};

/*
 * Analyses result, which must outlive the report. Only packets from first_seq
 * to last_seq count: 0 and UINT32_MAX for all. Returns 0, OWAMP_ENOMEM, or
 * OWAMP_EDATA for contradictory skip ranges. owping_report_free() is due in
 * any case.
 */
int owping_report_new(struct owping_report **report, const struct owamp_result *result, bool fetched,
		      uint32_t first_seq, uint32_t last_seq, int64_t near_ns);
void owping_report_free(struct owping_report *report);

/* Adds the warnings; part of owping_report_new(). */
void owping_report_warn(struct owping_report *report);

/*
 * Adds a warning if this host's sources of UTC contradict each other or did while
 * the session ran, or programs fight for its clock: packets may have been stamped
 * as synchronized before that was known. After clock was set.
 */
void owping_report_doubt(struct owping_report *report);

/* Adds a warning for each thing that was asked of this host by name and did not come. granted NULL: not
 * known. */
void owping_report_wishes(struct owping_report *report, const struct owping_options *options,
			  const struct owamp_engine_granted *granted);

/* Packets of the sender that got as far as this host's receiver, with those that were then discarded. */
uint64_t owping_report_arrived(const struct owamp_receive_health *health);

/* Whether a packet is among those that the report is about. */
bool owping_report_covers(const struct owping_report *report, uint32_t seq);

/* "to server" or "from server". */
const char *owping_direction_text(enum owamp_direction direction);

/* Why a result is not complete, in words; the report's reason knows more. */
const char *owping_reason(const struct owamp_result *result);

#endif
