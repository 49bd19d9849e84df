/*
 * The receivers of a gpsd: what each said last, and what may be believed of it.
 * Pure.
 */
#ifndef CLOCK_GPS_RECEIVERS_H
#define CLOCK_GPS_RECEIVERS_H

#include "gps_json.h"
#include "mark.h"

struct gps_receiver {
	struct gps_json_device device;
	bool heard;
	int64_t heard_mono; /* anything of it: not before */
	bool has_mode;      /* some devices only pulse */
	int mode;
	int64_t mode_mono;
	int32_t tai_utc;
	int precision; /* of the pulse */
	struct clock_mark pulse;
	struct clock_mark message;
};

struct gps_receivers {
	const struct owamp_clock_source_config *config;
	int64_t since_mono; /* nothing was heard before */
	bool set;           /* the clock was, and what comes may have been measured before */
	size_t count;
	struct gps_receiver list[GPS_JSON_DEVICES_MAX];
	/* The last message that made no sense. */
	char nonsense[OWAMP_CLOCK_TEXT_SIZE];
	int64_t nonsense_mono;
};

/* config must live as long. */
void gps_receivers_begin(struct gps_receivers *receivers, const struct owamp_clock_source_config *config,
			 int64_t mono_ns);

/* A message that came between since_mono and now. */
void gps_receivers_take(struct gps_receivers *receivers, const struct gps_json_message *message,
			const struct clock_now *now, int64_t since_mono);

/* A message that makes no sense, and why. */
void gps_receivers_wonder(struct gps_receivers *receivers, const char *why, int64_t mono_ns);

/* The clock was set: what was measured is void, as is all to come until gps_receivers_trust(). */
void gps_receivers_distrust(struct gps_receivers *receivers);
void gps_receivers_trust(struct gps_receivers *receivers);

/* DOUBTFUL or VALID. */
void gps_receivers_judge(const struct gps_receivers *receivers, const struct clock_now *now,
			 struct clock_reading *reading);

#endif
