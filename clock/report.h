/*
 * What the clock's sources say, for people and for machines. For programs.
 */
#ifndef CLOCK_REPORT_H
#define CLOCK_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include <owamp/clock.h>

/* A paragraph about the clock, a line a source with a line below that says why, an alarm if there is one. */
void clock_report_text(FILE *out, const struct owamp_clock_status *status, bool colour);

/*
 * docs/owping-json.md, "clock". A new reference:
 *
 *	{"time": "2026-11-21T03:00:21.880Z", "synchronized": true, "disagreement": false, "source": "ptp",
 *	 "bound_ns": 3200, "drift_ppb": 1100, "age_ns": 412000000, "since_s": 86.2, "holdover": false,
 *	 "steered_by": "ptp4l, phc2sys or the like", "steps": 0, "last_step_ns": null, "last_step_age_ns": null,
 *	 "stepped_ns": 0, "leap": 0, "tai_utc": 37, "alarm": null,
 *	 "sources": [{"name": "ptp", "kind": "ptp", "source": "ptp", "state": "valid", "used": true,
 *	              "contradicted": false, "steers": true, "offset_ns": -310, "error_ns": 2400,
 *	              "drift_ppb": 1100, "bound_ns": 3200, "age_ns": 412000000, "text": "..."}]}
 *
 * bound_ns and ages are those of the time; null stands for what is not known.
 */
json_t *clock_report_json(const struct owamp_clock_status *status);

/*
 * The other way round, for who asks a running owampd. OWAMP_EINVAL: it is not
 * such an object. Its monotonic times are of a clock of their own: only their
 * differences mean something.
 */
int clock_report_parse(const json_t *object, struct owamp_clock_status *status);

/* "3.2 us", "812 ms", "16 s": two or three digits, rounded up; text has room for 32 octets. */
char *clock_report_bound(char *text, int64_t ns);

/*
 * Words of others for a terminal or a log: without control characters, in place
 * of which there is a '?'. In place; returns its argument.
 */
char *clock_report_clean(char *words);

/* A string, in which '?' stands for what cannot be in one if it is not UTF-8. */
json_t *clock_report_string(const char *words);

/*
 * What changed between two looks that belongs in a log, one line each, "clock: ...":
 * LOG_ERR an alarm; LOG_WARNING not synchronized any more, the clock was set;
 * LOG_NOTICE synchronized, another source, holdover, a leap second announced, the end of
 * an alarm; LOG_INFO a source's state. before NULL: the first look, of which all is told.
 */
void clock_report_changes(const struct owamp_clock_status *before, const struct owamp_clock_status *now,
			  void (*line)(void *context, int level, const char *text), void *context);

#endif
