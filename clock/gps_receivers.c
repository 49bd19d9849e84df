#include "gps_receivers.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)

/* 2D: of a receiver that knows where it is. */
#define MODE_FIX 2

/* How near a receiver is to telling the time. */
enum rank {
	RANK_INACTIVE,
	RANK_SILENT,
	RANK_NO_FIX,
	RANK_NO_TIME, /* a fix, but nothing that dates it */
	RANK_MESSAGE,
	RANK_PULSE,
};

void gps_receivers_begin(struct gps_receivers *receivers, const struct owamp_clock_source_config *config,
			 int64_t mono_ns)
{
	*receivers = (struct gps_receivers){.config = config, .since_mono = mono_ns};
}

static struct gps_receiver *find(struct gps_receivers *receivers, const char *path)
{
	for (size_t i = 0; i < receivers->count; i++) {
		if (strcmp(receivers->list[i].device.path, path) == 0)
			return &receivers->list[i];
	}
	return NULL;
}

/* NULL: there are too many. */
static struct gps_receiver *find_or_add(struct gps_receivers *receivers, const char *path)
{
	struct gps_receiver *receiver = find(receivers, path);

	if (receiver || receivers->count == GPS_JSON_DEVICES_MAX)
		return receiver;
	receiver = &receivers->list[receivers->count++];
	*receiver = (struct gps_receiver){.heard_mono = receivers->since_mono};
	memcpy(receiver->device.path, path, strlen(path) + 1);
	receiver->device.activated = true;
	return receiver;
}

/* Those that gpsd has now, in its order, with what is known of them. */
static void list(struct gps_receivers *receivers, const struct gps_json_message *message)
{
	struct gps_receivers now = *receivers;

	now.count = 0;
	for (size_t i = 0; i < message->device_count; i++) {
		const struct gps_receiver *known = find(receivers, message->devices[i].path);
		struct gps_receiver *receiver = find_or_add(&now, message->devices[i].path);

		if (known)
			*receiver = *known;
		receiver->device.activated = message->devices[i].activated;
	}
	*receivers = now;
}

static void take_mark(struct gps_receivers *receivers, struct clock_mark *mark,
		      const struct gps_json_message *message, const struct clock_now *now,
		      int64_t reference_ns, int64_t error_ns)
{
	if (!receivers->set)
		(void)clock_mark_set(mark, now, message->clock_ns, reference_ns, error_ns);
}

static bool is_recent(int64_t mono_ns, const struct clock_now *now)
{
	return now->mono_ns - mono_ns <= CLOCK_MARK_FRESH_NS;
}

static bool has_fix(const struct gps_receiver *receiver, const struct clock_now *now)
{
	return receiver->has_mode && receiver->mode >= MODE_FIX && is_recent(receiver->mode_mono, now);
}

/* What was dated without a fix does not become true by one. */
static void take_mode(struct gps_receivers *receivers, struct gps_receiver *receiver, int mode,
		      const struct clock_now *now)
{
	if (mode >= MODE_FIX && !has_fix(receiver, now)) {
		receiver->pulse.set = receiver->message.set = false;
		for (size_t i = 0; i < receivers->count; i++) {
			if (!receivers->list[i].has_mode)
				receivers->list[i].pulse.set = false;
		}
	}
	receiver->has_mode = true;
	receiver->mode = mode;
}

static void take_of(struct gps_receivers *receivers, struct gps_receiver *receiver,
		    const struct gps_json_message *message, const struct clock_now *now, int64_t since_mono)
{
	const struct owamp_clock_source_config *config = receivers->config;

	if (message->class == GPS_JSON_DEVICE) {
		receiver->device.activated = message->device.activated;
		return;
	}
	receiver->heard = true;
	receiver->heard_mono = since_mono;
	receiver->device.activated = true;
	if (message->class == GPS_JSON_TPV) {
		take_mode(receivers, receiver, message->mode, now);
		receiver->mode_mono = since_mono;
		receiver->tai_utc = message->tai_utc;
	} else if (message->class == GPS_JSON_PPS) {
		receiver->precision = message->precision;
		take_mark(receivers, &receiver->pulse, message, now, message->reference_ns,
			  clock_mark_add(message->error_ns, config->gps.pps_error_ns));
	} else {
		take_mark(receivers, &receiver->message, message, now,
			  clock_mark_add(message->reference_ns, config->gps.serial_offset_ns),
			  config->gps.serial_error_ns);
	}
}

void gps_receivers_take(struct gps_receivers *receivers, const struct gps_json_message *message,
			const struct clock_now *now, int64_t since_mono)
{
	struct gps_receiver *receiver;
	char why[OWAMP_CLOCK_TEXT_SIZE];

	switch (message->class) {
	case GPS_JSON_DEVICES:
		list(receivers, message);
		break;
	case GPS_JSON_TPV:
	case GPS_JSON_PPS:
	case GPS_JSON_TOFF:
	case GPS_JSON_DEVICE:
		receiver = find_or_add(receivers, message->device.path);
		if (receiver)
			take_of(receivers, receiver, message, now, since_mono);
		break;
	case GPS_JSON_ERROR:
		(void)snprintf(why, sizeof why, "error: %.150s", message->text);
		gps_receivers_wonder(receivers, why, now->mono_ns);
		break;
	case GPS_JSON_VERSION:
	case GPS_JSON_OTHER:
		break;
	}
}

void gps_receivers_wonder(struct gps_receivers *receivers, const char *why, int64_t mono_ns)
{
	(void)snprintf(receivers->nonsense, sizeof receivers->nonsense, "%s", why);
	receivers->nonsense_mono = mono_ns;
}

void gps_receivers_distrust(struct gps_receivers *receivers)
{
	receivers->set = true;
	for (size_t i = 0; i < receivers->count; i++)
		receivers->list[i].pulse.set = receivers->list[i].message.set = false;
}

void gps_receivers_trust(struct gps_receivers *receivers)
{
	receivers->set = false;
}

/*
 * Who says that the time is known: the receiver itself; of a device that only
 * pulses (/dev/pps0) gpsd dates the pulses by any of its receivers.
 */
static const struct gps_receiver *fix_for(const struct gps_receivers *receivers,
					  const struct gps_receiver *receiver, const struct clock_now *now)
{
	if (receiver->has_mode)
		return receiver;
	for (size_t i = 0; i < receivers->count; i++) {
		if (has_fix(&receivers->list[i], now))
			return &receivers->list[i];
	}
	return receiver;
}

static enum rank rank_of(const struct gps_receivers *receivers, const struct gps_receiver *receiver,
			 const struct clock_now *now)
{
	if (!receiver->device.activated)
		return RANK_INACTIVE;
	if (!is_recent(receiver->heard_mono, now))
		return RANK_SILENT;
	if (!has_fix(fix_for(receivers, receiver, now), now))
		return RANK_NO_FIX;
	if (clock_mark_is_fresh(&receiver->pulse, now))
		return RANK_PULSE;
	if (clock_mark_is_fresh(&receiver->message, now))
		return RANK_MESSAGE;
	return RANK_NO_TIME;
}

/*
 * gpsd numbers the pulses by the messages, sometimes a second wrong. What pulses
 * say must be within the error of the messages they are numbered by.
 */
static bool is_disputed(const struct gps_receivers *receivers, const struct gps_receiver *receiver,
			const struct clock_now *now, int64_t *apart_ns)
{
	const struct clock_mark *message = &fix_for(receivers, receiver, now)->message;

	*apart_ns = 0;
	if (!clock_mark_is_fresh(&receiver->pulse, now) || !clock_mark_is_fresh(message, now))
		return false;
	if (__builtin_sub_overflow(receiver->pulse.offset_ns, message->offset_ns, apart_ns))
		*apart_ns = INT64_MAX;
	if (*apart_ns < 0)
		*apart_ns = *apart_ns == INT64_MIN ? INT64_MAX : -*apart_ns;
	return *apart_ns > receivers->config->gps.serial_error_ns;
}

static bool is_wanted(const struct gps_receivers *receivers, const struct gps_receiver *receiver)
{
	const char *device = receivers->config->gps.device;

	return device[0] == '\0' || strcmp(device, receiver->device.path) == 0;
}

/* The best of those that may be taken, the first of its like; NULL: there is none. */
static const struct gps_receiver *choose(const struct gps_receivers *receivers, const struct clock_now *now)
{
	const struct gps_receiver *best = NULL;

	for (size_t i = 0; i < receivers->count; i++) {
		const struct gps_receiver *receiver = &receivers->list[i];

		if (!is_wanted(receivers, receiver))
			continue;
		if (!best || rank_of(receivers, receiver, now) > rank_of(receivers, best, now))
			best = receiver;
	}
	return best;
}

/* Behind what is there, as far as it has room. */
__attribute__((format(printf, 2, 3))) static void append(struct clock_reading *reading, const char *format,
							 ...)
{
	size_t length = strlen(reading->text);
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(reading->text + length, sizeof reading->text - length, format, arguments);
	va_end(arguments);
}

static void explain_none(const struct gps_receivers *receivers, struct clock_reading *reading)
{
	const char *device = receivers->config->gps.device;

	append(reading, "gpsd has no receiver%s%s", device[0] ? " " : "", device);
	for (size_t i = 0; i < receivers->count; i++)
		append(reading, "%s %s", i == 0 ? ", only" : ",", receivers->list[i].device.path);
}

static void explain_no_fix(const struct gps_receivers *receivers, const struct gps_receiver *receiver,
			   const struct clock_now *now, struct clock_reading *reading)
{
	const struct gps_receiver *fix = fix_for(receivers, receiver, now);

	if (!receiver->heard)
		append(reading, "waiting for %s to say something", receiver->device.path);
	else if (!fix->has_mode)
		append(reading, "%s pulses, but no receiver of gpsd has a fix", receiver->device.path);
	else if (!is_recent(fix->mode_mono, now))
		append(reading, "%s has not said for %d s whether it has a fix", fix->device.path,
		       (int)((now->mono_ns - fix->mode_mono) / SECOND_NS));
	else
		append(reading, "no fix (mode %d)", fix->mode);
}

static void explain_no_time(const struct gps_receivers *receivers, const struct gps_receiver *receiver,
			    const struct clock_now *now, struct clock_reading *reading)
{
	if (receivers->set)
		append(reading, "the clock was set: waiting for what is measured since");
	else if (receivers->nonsense[0] && is_recent(receivers->nonsense_mono, now))
		append(reading, "what gpsd says cannot be used: %s", receivers->nonsense);
	else
		append(reading,
		       "%s has a fix, but gpsd tells neither its pulses (PPS) nor its messages (TOFF)",
		       receiver->device.path);
}

static void explain(const struct gps_receivers *receivers, const struct gps_receiver *receiver,
		    const struct clock_now *now, struct clock_reading *reading)
{
	const struct gps_receiver *fix = fix_for(receivers, receiver, now);
	int64_t apart_ns;

	switch (rank_of(receivers, receiver, now)) {
	case RANK_INACTIVE:
		append(reading, "gpsd does not have %s open: it is not there, or may not be read",
		       receiver->device.path);
		break;
	case RANK_SILENT:
		append(reading,
		       "nothing of %s has come from gpsd for %d s: the receiver is silent, or gpsd hangs",
		       receiver->device.path, (int)((now->mono_ns - receiver->heard_mono) / SECOND_NS));
		break;
	case RANK_NO_FIX:
		explain_no_fix(receivers, receiver, now, reading);
		break;
	case RANK_NO_TIME:
		explain_no_time(receivers, receiver, now, reading);
		break;
	case RANK_MESSAGE:
		append(reading, "%dD fix of %s, by the arrival of its messages", fix->mode,
		       receiver->device.path);
		break;
	case RANK_PULSE:
		if (is_disputed(receivers, receiver, now, &apart_ns)) {
			append(reading,
			       "pulse and messages disagree on the second: they are %.3f s apart, and "
			       "serial_error is %.3f s",
			       (double)apart_ns / SECOND_NS,
			       (double)receivers->config->gps.serial_error_ns / SECOND_NS);
			break;
		}
		append(reading, "%dD fix, pulses of %s (precision 2^%d s)", fix->mode, receiver->device.path,
		       receiver->precision);
		break;
	}
}

void gps_receivers_judge(const struct gps_receivers *receivers, const struct clock_now *now,
			 struct clock_reading *reading)
{
	const struct gps_receiver *receiver = choose(receivers, now);
	const struct clock_mark *mark;
	int64_t apart_ns;

	reading->state = OWAMP_CLOCK_DOUBTFUL;
	reading->source = OWAMP_CLOCK_GPS_SERIAL;
	reading->text[0] = '\0';
	if (!receiver) {
		explain_none(receivers, reading);
		return;
	}
	mark = clock_mark_is_fresh(&receiver->pulse, now) ? &receiver->pulse : &receiver->message;
	if (mark == &receiver->pulse)
		reading->source = OWAMP_CLOCK_GPS_PPS;
	if (clock_mark_is_fresh(mark, now))
		clock_mark_report(mark, reading);
	if (rank_of(receivers, receiver, now) >= RANK_MESSAGE &&
	    !is_disputed(receivers, receiver, now, &apart_ns))
		reading->state = OWAMP_CLOCK_VALID;
	reading->tai_utc = fix_for(receivers, receiver, now)->tai_utc;
	explain(receivers, receiver, now, reading);
}
