/*
 * What is derived from a session's records while they come in: exact figures
 * for each minute, histograms for each hour, and the losses in a row, all by
 * the packets' send time. Fed with the records in the order of arrival.
 *
 * The same code sums up live (the writer), from the rows of a session whose
 * process died or that turned out to have skip ranges, and for a client's
 * archive. Used by one thread at a time; no I/O but in summary_store() and
 * summary_rebuild_*().
 */
#ifndef STORAGE_SUMMARY_H
#define STORAGE_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive.h"

struct summary;

/*
 * timeout_ns: how long after its end a minute may still change (2 s are added).
 * near_ns: the session's created_ns, for the NTP era; OWAMP_EINVAL if it is more
 * than 150 years from 1970.
 */
int summary_new(struct summary **summary, int64_t timeout_ns, int64_t near_ns);
void summary_free(struct summary *summary);

/*
 * A record. One with duplicate set is a further one of its packet: a further
 * arrival is counted as such and for nothing else, a further loss not at all.
 * OWAMP_ENOMEM: it is not counted, and the session must be summed up again, as
 * summary_is_stale() says.
 */
int summary_record(struct summary *summary, const struct owamp_record *record);

/*
 * Packets that do not count, whatever records say of them: those in skip ranges
 * (copied; OWAMP_EDATA if they overlap or are not in order), and those from
 * next_seq on. If records that should not have counted may have been counted
 * already, the session must be summed up again, as summary_is_stale() says.
 */
int summary_skips(struct summary *summary, const struct owamp_skip_range *skips, uint32_t count);
void summary_cut(struct summary *summary, uint32_t next_seq);

/*
 * Closes the minutes that can no longer change at now_ns (INT64_MAX: all) and
 * readies them for summary_store(). A record for a minute that was closed is
 * not counted any more but noted: summary_is_stale() says that the session must
 * be summed up again from its rows.
 */
int summary_close(struct summary *summary, int64_t now_ns);
bool summary_is_stale(const struct summary *summary);
bool summary_is_ready(const struct summary *summary); /* there is something to store */

/*
 * Writes what is ready into the tables minutes, histograms (added to what is
 * there) and losses (a row that has grown is written again), within the
 * caller's transaction. Nothing is forgotten before summary_stored(), so that
 * after a rollback the same is written again, to whatever archive it then is.
 *
 * A minute that is in the archive already stays as it is, and the summary is
 * stale: a commit that was reported as failed had worked after all.
 */
int summary_store(struct summary *summary, struct archive *archive, int64_t session_id);

/* What summary_store() has written is committed. What came since then stays ready. */
void summary_stored(struct summary *summary);

/* Octets of memory held. */
size_t summary_memory(const struct summary *summary);

/*
 * Sums a session that has ended up again from its rows, in steps that each take
 * their own transaction: of about max rows (at least a minute's), so that the
 * file is never locked for long. What had been derived before is removed first; the session's
 * summaries_due is set while this lasts and cleared at the end. Without the
 * packets (packets_kept is 0) what was derived stays, and only summaries_due is
 * cleared.
 *
 * A step that could not begin (the file is locked) can be tried again. After any
 * other error, or when the process ended, a new object begins anew and gives the
 * same. OWAMP_EDATA: there is no such session. OWAMP_ESTATE: packets were removed
 * or somebody else summed it up meanwhile, or the object has failed before.
 */
struct summary_rebuild;
int summary_rebuild_new(struct summary_rebuild **rebuild, struct archive *archive, int64_t session_id);
int summary_rebuild_step(struct summary_rebuild *rebuild, unsigned max, bool *more);
void summary_rebuild_free(struct summary_rebuild *rebuild);

#endif
