/* Receivers of a gpsd that say what a test wants; the time is the test's. */
#ifndef GPS_RECEIVERS_WORLD_H
#define GPS_RECEIVERS_WORLD_H

#include "reference.h"

#include "clock/gps_receivers.h"

#define S  INT64_C(1000000000)
#define MS INT64_C(1000000)

/* CLOCK_REALTIME at CLOCK_MONOTONIC 0. */
#define BOOT (INT64_C(1795286000) * S)

#define A "/dev/ttyS0"
#define B "/dev/ttyS1"
#define P "/dev/pps0"

struct world {
	struct owamp_clock_source_config config;
	struct gps_receivers receivers;
	struct clock_now now;
};

static inline struct world at_start(const char *device)
{
	struct world w = {.now = {.mono_ns = 100 * S, .real_ns = BOOT + 100 * S}};

	owamp_clock_source_default(&w.config, OWAMP_CLOCK_KIND_GPS);
	strcpy(w.config.gps.device, device);
	w.config.gps.pps_error_ns = 5000;
	w.config.gps.serial_error_ns = 200 * MS;
	w.config.gps.serial_offset_ns = 120 * MS;
	return w;
}

static inline void begin(struct world *w)
{
	gps_receivers_begin(&w->receivers, &w->config, w->now.mono_ns);
}

static inline void pass(struct world *w, int64_t ns)
{
	w->now.mono_ns += ns;
	w->now.real_ns += ns;
}

static inline void take(struct world *w, const struct gps_json_message *message)
{
	gps_receivers_take(&w->receivers, message, &w->now, w->now.mono_ns);
}

static inline struct gps_json_message of(enum gps_json_class class, const char *device)
{
	struct gps_json_message message = {.class = class};

	strcpy(message.device.path, device);
	return message;
}

static inline void fix(struct world *w, const char *device, int mode)
{
	struct gps_json_message message = of(GPS_JSON_TPV, device);

	message.mode = mode;
	message.tai_utc = mode >= 2 ? 37 : 0;
	take(w, &message);
}

/* A mark of ago_ns ago, of which the reference says that the clock is offset_ns ahead. */
static inline void mark(struct world *w, enum gps_json_class class, const char *device, int64_t ago_ns,
			int64_t offset_ns)
{
	struct gps_json_message message = of(class, device);

	message.clock_ns = w->now.real_ns - ago_ns;
	message.reference_ns = message.clock_ns - offset_ns;
	message.precision = -20;
	message.error_ns = 954;
	take(w, &message);
}

static inline void devices(struct world *w, const char *first, bool activated, const char *second)
{
	struct gps_json_message message = {.class = GPS_JSON_DEVICES};

	if (first) {
		strcpy(message.devices[message.device_count].path, first);
		message.devices[message.device_count++].activated = activated;
	}
	if (second) {
		strcpy(message.devices[message.device_count].path, second);
		message.devices[message.device_count++].activated = true;
	}
	take(w, &message);
}

static inline struct clock_reading judge(struct world *w)
{
	struct clock_reading reading = {.drift_ppb = -1};

	gps_receivers_judge(&w->receivers, &w->now, &reading);
	assert_false(reading.filtered);
	assert_false(reading.steers);
	assert_int_equal(reading.drift_ppb, -1);
	return reading;
}

static inline void assert_doubtful(struct world *w, const char *text)
{
	struct clock_reading reading = judge(w);

	assert_string_equal(reading.text, text);
	assert_int_equal(reading.state, OWAMP_CLOCK_DOUBTFUL);
}

static inline void assert_valid(struct world *w, const char *source, int64_t mono_ns, int64_t offset_ns,
				int64_t error_ns, const char *text)
{
	struct clock_reading reading = judge(w);

	assert_string_equal(reading.text, text);
	assert_int_equal(reading.state, OWAMP_CLOCK_VALID);
	assert_string_equal(reading.source, source);
	assert_true(reading.measured);
	assert_int_equal(reading.mono_ns, mono_ns);
	assert_int_equal(reading.offset_ns, offset_ns);
	assert_int_equal(reading.error_ns, error_ns);
}

#endif
