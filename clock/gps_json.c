#include "gps_json.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <owamp/error.h>

#include "mark.h"

/* TAI - GPS, for ever. */
#define TAI_GPS 19

#define LEAPSECONDS_MAX 1000

/* Of a period of the receiver's clock: nanoseconds; this is a nonsense limit. */
#define QERR_MAX_PS INT64_C(1000000000000)

static const struct {
	const char *name;
	enum gps_json_class class;
} classes[] = {
	{"VERSION", GPS_JSON_VERSION}, {"TPV", GPS_JSON_TPV},         {"PPS", GPS_JSON_PPS},
	{"TOFF", GPS_JSON_TOFF},       {"DEVICES", GPS_JSON_DEVICES}, {"DEVICE", GPS_JSON_DEVICE},
	{"ERROR", GPS_JSON_ERROR},
};

/* What others sent is shown on terminals and in logs. */
static void make_printable(char *text)
{
	for (; *text; text++) {
		if (*text < ' ' || *text > '~')
			*text = '?';
	}
}

__attribute__((format(printf, 2, 3))) static int refuse(struct gps_json_message *message, const char *format,
							...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(message->text, sizeof message->text, format, arguments);
	va_end(arguments);
	make_printable(message->text);
	return OWAMP_EINVAL;
}

static void read_string(const json_t *object, const char *key, char *text, size_t size)
{
	const char *value = json_string_value(json_object_get(object, key));

	(void)snprintf(text, size, "%s", value ? value : "");
	make_printable(text);
}

/* A whole number of these limits. */
static bool read_number(const json_t *object, const char *key, int64_t least, int64_t most, int64_t *number)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		return false;
	*number = json_integer_value(value);
	return *number >= least && *number <= most;
}

static int read_fix(const json_t *object, struct gps_json_message *message)
{
	int64_t mode, leapseconds;

	if (!read_number(object, "mode", 0, 3, &mode))
		return refuse(message, "TPV: mode must be a whole number from 0 to 3");
	message->mode = (int)mode;
	if (!json_object_get(object, "leapseconds"))
		return 0;
	if (!read_number(object, "leapseconds", 0, LEAPSECONDS_MAX, &leapseconds))
		return refuse(message, "TPV: leapseconds must be a whole number from 0 to %d",
			      LEAPSECONDS_MAX);
	message->tai_utc = (int32_t)leapseconds + TAI_GPS;
	return 0;
}

/* KEY_sec and KEY_nsec. */
static int read_time(const json_t *object, const char *class, const char *key,
		     struct gps_json_message *message, int64_t *ns)
{
	char sec_key[16], nsec_key[16];
	int64_t sec, nsec;

	(void)snprintf(sec_key, sizeof sec_key, "%s_sec", key);
	(void)snprintf(nsec_key, sizeof nsec_key, "%s_nsec", key);
	if (!read_number(object, sec_key, INT64_MIN, INT64_MAX, &sec) ||
	    !read_number(object, nsec_key, INT64_MIN, INT64_MAX, &nsec))
		return refuse(message, "%s: %s and %s must be whole numbers", class, sec_key, nsec_key);
	if (!clock_mark_time(sec, nsec, ns))
		return refuse(message, "%s: %s and %s must be a time from 1970 to 2106", class, sec_key,
			      nsec_key);
	return 0;
}

static int read_times(const json_t *object, const char *class, struct gps_json_message *message)
{
	int error = read_time(object, class, "real", message, &message->reference_ns);

	return error ? error : read_time(object, class, "clock", message, &message->clock_ns);
}

static int read_pulse(const json_t *object, struct gps_json_message *message)
{
	int64_t precision, qerr_ps = 0;
	int error = read_times(object, "PPS", message);

	if (error)
		return error;
	if (!read_number(object, "precision", INT8_MIN, INT8_MAX, &precision) ||
	    !clock_mark_precision(precision, &message->error_ns))
		return refuse(message, "PPS: precision must be a power of 2 below an hour");
	if (json_object_get(object, "qErr") &&
	    !read_number(object, "qErr", -QERR_MAX_PS, QERR_MAX_PS, &qerr_ps))
		return refuse(message, "PPS: qErr must be picoseconds, a second at most");
	message->precision = (int)precision;
	message->error_ns += ((qerr_ps < 0 ? -qerr_ps : qerr_ps) + 999) / 1000;
	return 0;
}

/* An inactive one has no "activated"; one that has just been given up has 0. */
static void read_device(const json_t *object, struct gps_json_device *device)
{
	const json_t *activated = json_object_get(object, "activated");

	read_string(object, "path", device->path, sizeof device->path);
	device->activated = json_is_string(activated) || json_number_value(activated) > 0;
}

static int read_devices(const json_t *object, struct gps_json_message *message)
{
	const json_t *devices = json_object_get(object, "devices");
	size_t count = json_array_size(devices);

	if (!json_is_array(devices))
		return refuse(message, "DEVICES: devices must be a list");
	for (size_t i = 0; i < count && i < GPS_JSON_DEVICES_MAX; i++)
		read_device(json_array_get(devices, i), &message->devices[message->device_count++]);
	return 0;
}

static enum gps_json_class class_of(const json_t *object)
{
	const char *name = json_string_value(json_object_get(object, "class"));

	for (size_t i = 0; name && i < sizeof classes / sizeof classes[0]; i++) {
		if (strcmp(name, classes[i].name) == 0)
			return classes[i].class;
	}
	return GPS_JSON_OTHER;
}

static int read_message(const json_t *object, struct gps_json_message *message)
{
	message->class = class_of(object);
	read_string(object, "device", message->device.path, sizeof message->device.path);
	switch (message->class) {
	case GPS_JSON_TPV:
		return read_fix(object, message);
	case GPS_JSON_PPS:
		return read_pulse(object, message);
	case GPS_JSON_TOFF:
		return read_times(object, "TOFF", message);
	case GPS_JSON_DEVICES:
		return read_devices(object, message);
	case GPS_JSON_DEVICE:
		read_device(object, &message->device);
		return 0;
	case GPS_JSON_ERROR:
		read_string(object, "message", message->text, sizeof message->text);
		return 0;
	case GPS_JSON_VERSION:
	case GPS_JSON_OTHER:
		break;
	}
	return 0;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int gps_json_next(const char **text, size_t *size, struct gps_json_message *message)
{
	json_error_t json_error;
	json_t *object;
	int error;

	memset(message, 0, sizeof *message);
	for (; *size > 0 && is_space(**text); ++*text)
		--*size;
	if (*size == 0)
		return 0;
	object = json_loadb(*text, *size, JSON_DISABLE_EOF_CHECK, &json_error);
	if (!object) {
		*text += *size;
		*size = 0;
		return refuse(message, "not JSON: %s", json_error.text);
	}
	*text += json_error.position;
	*size -= (size_t)json_error.position;
	error = json_is_object(object) ? read_message(object, message) : refuse(message, "not a JSON object");
	json_decref(object);
	return error ? error : 1;
}
