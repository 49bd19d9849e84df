/* Times, spans and sizes as people write them. All functions are pure and take the whole text or nothing. */
#ifndef OWPING_STATS_WHEN_H
#define OWPING_STATS_WHEN_H

#include <stddef.h>
#include <stdint.h>

/* The longest span, 100 years. */
#define STATS_SPAN_MAX INT64_C(3155760000000000000)

/*
 * A point in time, in ns since 1970:
 *   2h, 90min, 1d12h, 1w       so long before now
 *   2026-11-20                 its begin
 *   2026-11-20T10:00, 2026-11-20 10:00:30.5, with Z or +02:00 behind it
 *   @1763632800, @1763632800.5 seconds since 1970
 *   now, today, yesterday      the latter two: the begin of that day
 * UTC unless a zone is given. OWAMP_EINVAL with what is wrong and what was
 * expected in error.
 */
int stats_when_parse(const char *text, int64_t now_ns, int64_t *ns, char *error, size_t error_size);

/* A span above 0, "1h30min"; units s, min (or m), h, d, w. OWAMP_EINVAL. */
int stats_when_span(const char *text, int64_t *ns);

/* Octets above 0, "10g"; k, m, g and t are powers of 1024. OWAMP_EINVAL. */
int stats_when_size(const char *text, uint64_t *octets);

#endif
