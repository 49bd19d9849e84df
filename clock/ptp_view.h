/*
 * What a ptp4l says of itself in one round of answers, and what that is worth. Pure.
 */
#ifndef CLOCK_PTP_VIEW_H
#define CLOCK_PTP_VIEW_H

#include "ptp_wire.h"
#include "source.h"

/* Of one with more ports the rest are not looked at. */
#define PTP_PORTS_MAX 64

struct ptp_port {
	uint16_t number;
	bool has_data;
	bool has_properties;
	struct ptp_port_data data;
	struct ptp_port_properties properties;
};

struct ptp_view {
	bool has_defaults;
	bool has_current;
	bool has_parent;
	bool has_properties;
	bool has_status;
	bool refused_port_properties; /* which can be done without */
	uint16_t refused;             /* another ID; 0: none */
	struct ptp_default defaults;
	struct ptp_current current;
	struct ptp_parent parent;
	struct ptp_properties properties;
	struct ptp_time_status status;
	size_t port_count;
	struct ptp_port ports[PTP_PORTS_MAX];
};

void ptp_view_take(struct ptp_view *view, const struct ptp_answer *answer);

/* Whether all there is to come of this ID has come. */
bool ptp_view_has(const struct ptp_view *view, enum ptp_id id);

/* The first ID that has not, or 0. */
enum ptp_id ptp_view_missing(const struct ptp_view *view);

/* A measurement in the terms of the clock that stamps packets. */
struct ptp_measurement {
	const struct ptp_port *port; /* which measures; NULL: none does, and the reading says why */
	bool hardware;
	int64_t ingress_ns;       /* when */
	int64_t master_offset_ns; /* that clock less the grandmaster's */
	int64_t tai_utc;          /* s, by which the grandmaster's time is ahead of UTC, if hardware */
	int64_t fresh_ns;         /* a Sync comes at least so often */
};

/*
 * Of a view that is complete: source, steers, leap, tai_utc, error_ns without
 * what the hardware clock adds, text, and VALID if measurement->port, once it is
 * known when and on which clock it was, and is fresh, vouches; otherwise
 * DOUBTFUL. Leaves the rest alone.
 */
void ptp_view_judge(const struct ptp_view *view, const struct owamp_clock_source_config *config,
		    const struct clock_now *now, struct clock_reading *reading,
		    struct ptp_measurement *measurement);

/*
 * Of a reading that was measured, at the end: an offset that is TAI - UTC is
 * somebody's confusion of the two, not where the clock is. DOUBTFUL, and says so.
 */
void ptp_view_suspect(const struct clock_now *now, struct clock_reading *reading);

#endif
