/*
 * What gpsd says, as far as it is about time. Pure.
 *
 * gpsd's own text is read, not what libgps makes of it: libgps 3.22 takes TOFF
 * for PPS, and drops the precision of a pulse up to now.
 */
#ifndef CLOCK_GPS_JSON_H
#define CLOCK_GPS_JSON_H

#include <owamp/clock.h>

#define GPS_JSON_DEVICES_MAX 8

/* Longest line worth keeping; libgps keeps no longer ones. */
#define GPS_JSON_LINE_SIZE 65536

enum gps_json_class {
	GPS_JSON_OTHER,
	GPS_JSON_VERSION,
	GPS_JSON_TPV,
	GPS_JSON_PPS,
	GPS_JSON_TOFF,
	GPS_JSON_DEVICES,
	GPS_JSON_DEVICE,
	GPS_JSON_ERROR,
};

struct gps_json_device {
	char path[OWAMP_CLOCK_PATH_SIZE]; /* cut off if longer; "": not named */
	bool activated;
};

struct gps_json_message {
	enum gps_json_class class;
	struct gps_json_device device; /* TPV, PPS, TOFF, DEVICE: of whom it is */
	int mode;                      /* TPV: 0 not known, 1 no fix, 2 2D, 3 3D */
	int32_t tai_utc;               /* TPV: s; 0: it does not say */
	int64_t reference_ns;          /* PPS, TOFF: real_*, since 1970 */
	int64_t clock_ns;              /* PPS, TOFF */
	int precision;                 /* PPS: of 2^precision s */
	int64_t error_ns;              /* PPS: that, and the pulse's own quantization */
	struct gps_json_device devices[GPS_JSON_DEVICES_MAX]; /* DEVICES: no more are looked at */
	size_t device_count;
	/* ERROR: what it says. Of what is refused: what is wrong with it. Printable. */
	char text[OWAMP_CLOCK_TEXT_SIZE];
};

/*
 * The next object of a text, which it is then taken from: 1. 0: there is none.
 * OWAMP_EINVAL: it is not JSON, and the rest of the text is lost, or not what
 * gpsd would say.
 */
int gps_json_next(const char **text, size_t *size, struct gps_json_message *message);

#endif
