/*
 * Any text in place of what gpsd says, and what is believed of it in the end.
 *
 * A line "+" lets a second pass, "!" sets the clock, "." trusts what comes again.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clock/gps_receivers.h"

#define S INT64_C(1000000000)

/* CLOCK_REALTIME begins at 1000 s: an input needs no long numbers. */
#define START_NS (1000 * S)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct owamp_clock_source_config config;
	struct gps_receivers receivers;
	struct clock_now now;
	int64_t fix_mono; /* when anything last had one */
};

static void check_text(const char *text)
{
	size_t length = strnlen(text, OWAMP_CLOCK_TEXT_SIZE);

	assert(length < OWAMP_CLOCK_TEXT_SIZE);
	for (size_t i = 0; i < length; i++)
		assert(text[i] >= ' ' && text[i] <= '~');
}

static void check(const struct world *w)
{
	struct clock_reading reading = {.drift_ppb = -1};
	int64_t age;

	gps_receivers_judge(&w->receivers, &w->now, &reading);
	check_text(reading.text);
	assert(reading.text[0]);
	assert(reading.state == OWAMP_CLOCK_DOUBTFUL || reading.state == OWAMP_CLOCK_VALID);
	if (reading.measured) {
		age = w->now.mono_ns - reading.mono_ns;
		assert(age >= 0 && age <= 5 * S);
		assert(reading.error_ns > 0);
		assert(!w->receivers.set);
	}
	if (reading.state == OWAMP_CLOCK_VALID) {
		assert(reading.measured);
		assert(w->fix_mono >= 0 && w->now.mono_ns - w->fix_mono <= 5 * S);
	}
}

static void take(struct world *w, const char *text, size_t size)
{
	struct gps_json_message message;
	int result;

	while ((result = gps_json_next(&text, &size, &message)) != 0) {
		check_text(message.text);
		check_text(message.device.path);
		if (result < 0) {
			gps_receivers_wonder(&w->receivers, message.text, w->now.mono_ns);
			continue;
		}
		if (message.class == GPS_JSON_TPV && message.mode >= 2)
			w->fix_mono = w->now.mono_ns;
		gps_receivers_take(&w->receivers, &message, &w->now, w->now.mono_ns);
	}
	assert(size == 0);
}

/* As libgps has it: a text of its own, with an end. */
static void take_line(struct world *w, const char *line, size_t size)
{
	char *copy;

	if (size == 1 && line[0] == '+') {
		w->now.mono_ns += S;
		w->now.real_ns += S;
	} else if (size == 1 && line[0] == '!') {
		w->now.real_ns += 2 * S;
		gps_receivers_distrust(&w->receivers);
	} else if (size == 1 && line[0] == '.') {
		gps_receivers_trust(&w->receivers);
	} else if (size > 0) {
		copy = malloc(size);
		assert(copy);
		memcpy(copy, line, size);
		take(w, copy, size);
		free(copy);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = {.now = {.mono_ns = START_NS, .real_ns = START_NS}, .fix_mono = -1};
	const char *text = (const char *)data;

	owamp_clock_source_default(&w.config, OWAMP_CLOCK_KIND_GPS);
	if (size > 0 && text[0] == '/')
		strcpy(w.config.gps.device, "/dev/ttyS0");
	gps_receivers_begin(&w.receivers, &w.config, w.now.mono_ns);
	while (size > 0) {
		const char *end = memchr(text, '\n', size);
		size_t length = end ? (size_t)(end - text) : size;

		take_line(&w, text, length);
		check(&w);
		length += end != NULL;
		text += length;
		size -= length;
	}
	return 0;
}
