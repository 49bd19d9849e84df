/* What is said about the clock: amounts, the text for people, JSON and back, lines for a log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <syslog.h>

#include <owamp/error.h>

#include "clock/report.h"
#include "clock/report_words.h"

#define US   INT64_C(1000)
#define MS   INT64_C(1000000)
#define S    INT64_C(1000000000)
#define NOW  (100000 * S)
#define TEXT 8192

/* ptp in use, gps without a fix, chrony valid, the kernel silent. */
static struct owamp_clock_status good_status(void)
{
	return (struct owamp_clock_status){
		.snapshot = {.synchronized = true,
			     .bound_ns = 3100,
			     .sampled_at_mono = NOW - 412 * MS,
			     .drift_ppb = 1100,
			     .source = OWAMP_CLOCK_PTP,
			     .since_mono = NOW - 4320 * S,
			     .tai_utc = 37},
		.steering = OWAMP_CLOCK_STEERED_BY_PTP,
		.now_mono = NOW,
		.now_real = INT64_C(1795230021880) * MS, /* 2026-11-21T03:00:21.880Z */
		.bound_ns = 3200,
		.count = 4,
		.sources =
			{{.name = "eth0",
			  .kind = OWAMP_CLOCK_KIND_PTP,
			  .source = OWAMP_CLOCK_PTP,
			  .state = OWAMP_CLOCK_VALID,
			  .used = true,
			  .steers = true,
			  .measured = true,
			  .offset_ns = -310,
			  .error_ns = 2400,
			  .drift_ppb = 1100,
			  .bound_ns = 3200,
			  .age_ns = 412 * MS,
			  .text = "grandmaster 00:01, class 6"},
			 {.name = "gps",
			  .kind = OWAMP_CLOCK_KIND_GPS,
			  .source = OWAMP_CLOCK_NONE,
			  .state = OWAMP_CLOCK_DOUBTFUL,
			  .text = "no fix"},
			 {.name = "far away",
			  .kind = OWAMP_CLOCK_KIND_CHRONY,
			  .source = OWAMP_CLOCK_CHRONY,
			  .state = OWAMP_CLOCK_VALID,
			  .measured = true,
			  .offset_ns = 12 * US,
			  .error_ns = 800 * US,
			  .drift_ppb = -1,
			  .bound_ns = 812001,
			  .age_ns = 61 * S,
			  .text = ""},
			 {.name = "kernel",
			  .kind = OWAMP_CLOCK_KIND_KERNEL,
			  .source = OWAMP_CLOCK_KERNEL,
			  .state = OWAMP_CLOCK_ABSENT,
			  .text = "a reason that is so long that it does not fit into one line of a hundred "
				  "columns and has to go on in another one, with nothing cut"}},
	};
}

static struct owamp_clock_status lost_status(void)
{
	struct owamp_clock_status status = good_status();

	status.snapshot = (struct owamp_clock_snapshot){
		.bound_ns = 16 * S, .sampled_at_mono = NOW, .drift_ppb = 500000, .source = OWAMP_CLOCK_NONE};
	status.bound_ns = 16 * S;
	status.steering = OWAMP_CLOCK_STEERED_BY_NOBODY;
	status.sources[0].used = false;
	status.sources[0].state = OWAMP_CLOCK_ABSENT;
	status.count = 1;
	return status;
}

static void test_bound(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{0, "0 ns"},        {-5, "0 ns"},         {1, "1 ns"},          {999, "999 ns"},
		{1000, "1 us"},     {1001, "1.1 us"},     {3200, "3.2 us"},     {3201, "3.3 us"},
		{9900, "9.9 us"},   {9901, "10 us"},      {10000, "10 us"},     {10001, "11 us"},
		{999000, "999 us"}, {999001, "1 ms"},     {812 * MS, "812 ms"}, {811 * MS + 1, "812 ms"},
		{16 * S, "16 s"},   {16 * S + 1, "17 s"}, {1000 * S, "1000 s"}, {INT64_MAX, "9223372037 s"},
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(clock_report_bound(text, cases[i].ns), cases[i].text);
}

static void test_offset(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{0, "0 ns"},       {-310, "-310 ns"},      {2449, "+2.4 us"},
		{2450, "+2.5 us"}, {-998 * US, "-998 us"}, {999499, "+999 us"},
		{999500, "+1 ms"}, {-5 * S, "-5 s"},       {INT64_MIN, "-9223372037 s"},
	};
	char text[CLOCK_WORDS_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(clock_words_offset(text, cases[i].ns), cases[i].text);
}

static void test_time(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{-1, "0.0 s"},
		{0, "0.0 s"},
		{412 * MS, "0.4 s"},
		{9999 * MS, "9.9 s"},
		{10 * S, "10 s"},
		{59 * S, "59 s"},
		{60 * S, "1 min 0 s"},
		{3599 * S, "59 min 59 s"},
		{4320 * S, "1 h 12 min"},
		{86399 * S, "23 h 59 min"},
		{86400 * S, "1 d 0 h"},
		{INT64_MAX, "106751 d 23 h"},
	};
	char text[CLOCK_WORDS_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(clock_words_time(text, cases[i].ns), cases[i].text);
}

static const char *print(const struct owamp_clock_status *status, bool colour, char text[TEXT])
{
	FILE *out = fmemopen(text, TEXT, "w");

	assert_non_null(out);
	clock_report_text(out, status, colour);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void test_text(void **state)
{
	struct owamp_clock_status status = good_status();
	char text[TEXT];

	(void)state;
	assert_string_equal(
		print(&status, false, text),
		"This host's clock is within 3.2 us of UTC (PTP), synchronized, for 1 h 12 min.\n"
		"  steered by   ptp4l, phc2sys or the like\n"
		"  grows by     1.1 us a second while nothing is measured\n"
		"  TAI - UTC    37 s\n"
		"\n"
		"  source   kind   state      offset   bound        age\n"
		"* eth0     ptp    valid     -310 ns  3.2 us      0.4 s\n"
		"      grandmaster 00:01, class 6; it steers the clock\n"
		"? gps      gps    doubtful        -       -          -\n"
		"      no fix\n"
		"+ far away chrony valid      +12 us  813 us  1 min 1 s\n"
		"? kernel   kernel absent          -       -          -\n"
		"      a reason that is so long that it does not fit into one line of a hundred columns and "
		"has to go\n"
		"      on in another one, with nothing cut\n"
		"\n"
		"* in use   + could be used   x contradicted by another   ? says nothing that counts\n");
}

static void test_text_trouble(void **state)
{
	struct owamp_clock_status status = lost_status();
	char text[TEXT];

	(void)state;
	status.count = 0;
	assert_string_equal(
		print(&status, false, text),
		"NOT synchronized: no source says how far this host's clock is from UTC; it may be any "
		"amount.\n"
		"  steered by   nobody that is known\n");
	status = good_status();
	status.count = 1;
	status.snapshot.synchronized = false;
	status.snapshot.disagreement = true;
	status.snapshot.leap = -1;
	status.bound_ns = 5 * S + 1;
	status.sources[0].contradicted = true;
	strcpy(status.sources[0].text, "a\tb");
	strcpy(status.alarm, "gps contradicts eth0");
	assert_string_equal(
		print(&status, false, text),
		"NOT synchronized: the sources contradict each other.\n"
		"This host's clock is taken to be within 5.1 s of UTC (PTP).\n"
		"ALARM: gps contradicts eth0\n"
		"  steered by   ptp4l, phc2sys or the like\n"
		"  grows by     1.1 us a second while nothing is measured\n"
		"  leap second  is left out at the end of the UTC day\n"
		"  TAI - UTC    37 s\n"
		"\n"
		"  source kind state   offset   bound    age\n"
		"x eth0   ptp  valid  -310 ns  3.2 us  0.4 s\n"
		"      a?b; it steers the clock\n"
		"\n"
		"* in use   + could be used   x contradicted by another   ? says nothing that counts\n");
}

static void test_text_step(void **state)
{
	struct owamp_clock_status status = lost_status();
	char text[TEXT];

	(void)state;
	status.count = 0;
	status.snapshot.steps = 2;
	status.step_ns = -5 * S;
	status.step_mono = NOW - 2 * S;
	assert_string_equal(
		print(&status, false, text),
		"NOT synchronized: the clock was set by -5 s, 2.0 s ago, and no source has confirmed it "
		"since.\n"
		"  steered by   nobody that is known\n"
		"  was set      2 times, the last time by -5 s, 2.0 s ago\n");
	status.step_mono = NOW - 60 * S;
	assert_non_null(strstr(print(&status, false, text), "NOT synchronized: no source says"));
}

static void test_text_holdover(void **state)
{
	struct owamp_clock_status status = good_status();
	char text[TEXT];

	(void)state;
	status.holdover = true;
	status.snapshot.sampled_at_mono = NOW - 32 * S;
	status.sources[0].state = OWAMP_CLOCK_HOLDOVER;
	assert_non_null(strstr(print(&status, false, text),
			       "for 1 h 12 min.\nHOLDOVER: the source was last heard 32 s ago; its last word "
			       "counts, and grows old.\n"));
	assert_non_null(strstr(text, "* eth0     ptp    holdover  -310 ns"));
}

/* Nothing but colours is different, and they always end. */
static void test_colour(void **state)
{
	struct owamp_clock_status status = good_status();
	char plain[TEXT], colored[TEXT], stripped[TEXT];
	size_t length = 0;
	bool on = false;

	(void)state;
	strcpy(status.alarm, "something");
	status.sources[2].contradicted = true;
	print(&status, false, plain);
	print(&status, true, colored);
	assert_null(strchr(plain, '\033'));
	assert_non_null(strstr(colored, "\033[31mALARM: something\033[0m"));
	for (const char *c = colored; *c; c++) {
		if (*c != '\033') {
			stripped[length++] = *c;
			continue;
		}
		on = strncmp(c, "\033[0m", 4) != 0;
		c += strcspn(c, "m");
	}
	stripped[length] = '\0';
	assert_false(on);
	assert_string_equal(stripped, plain);
}

/* No line is wider, whatever the names and reasons are. */
static void test_width(void **state)
{
	struct owamp_clock_status status = good_status();
	char text[TEXT];
	const char *line = text;

	(void)state;
	for (size_t i = 0; i < status.count; i++) {
		struct owamp_clock_source_status *source = &status.sources[i];

		memset(source->name, 'n', sizeof(source->name) - 1);
		source->source = OWAMP_CLOCK_GPS_SERIAL;
		source->state = OWAMP_CLOCK_DOUBTFUL;
		source->measured = true;
		source->offset_ns = -999 * MS;
		source->bound_ns = 999 * MS;
		source->age_ns = 59 * 60 * S + 59 * S;
		for (size_t c = 0; c < sizeof(source->text) - 1; c++)
			source->text[c] = c % 7 == 6 ? ' ' : 'r';
	}
	print(&status, false, text);
	while (*line) {
		size_t length = strcspn(line, "\n");

		assert_true(length <= 100);
		line += length + 1;
	}
}

static void assert_clean(const char *words, const char *wanted)
{
	char text[64];

	snprintf(text, sizeof(text), "%s", words);
	assert_ptr_equal(clock_report_clean(text), (void *)text);
	assert_string_equal(text, wanted);
}

/* U+009B is what ESC [ is, to some terminals; U+00A0, u with dots and a cut character are not. */
static void test_clean(void **state)
{
	(void)state;
	assert_clean("", "");
	assert_clean("all ~ of it", "all ~ of it");
	assert_clean("a\033[2Jb\r\n\t\a\177c", "a?[2Jb?????c");
	assert_clean("a\302\2332Jb\302\200\302\237", "a?2Jb??");
	assert_clean("\302\240 \303\274 \302", "\302\240 \303\274 \302");
}

/* Whoever sent it, or made a source say it. */
static void test_text_hostile(void **state)
{
	struct owamp_clock_status status = good_status(), parsed;
	json_t *object;
	char text[TEXT];

	(void)state;
	strcpy(status.alarm, "a\033]0;x\alarm");
	strcpy(status.sources[0].name, "e\033[31mth0");
	strcpy(status.sources[1].text, "no\033cfix");
	print(&status, false, text);
	assert_null(strpbrk(text, "\033\a"));
	assert_non_null(strstr(text, "ALARM: a?]0;x?larm\n"));
	assert_non_null(strstr(text, "* e?[31mth0 "));
	assert_non_null(strstr(text, "      no?cfix\n"));
	object = clock_report_json(&status);
	assert_int_equal(clock_report_parse(object, &parsed), 0);
	json_decref(object);
	assert_string_equal(parsed.alarm, "a?]0;x?larm");
	assert_string_equal(parsed.sources[0].name, "e?[31mth0");
	assert_string_equal(parsed.sources[1].text, "no?cfix");
}

static void assert_json_string(const char *words, const char *wanted)
{
	json_t *string = clock_report_string(words);

	assert_non_null(string);
	assert_string_equal(json_string_value(string), wanted);
	json_decref(string);
}

static void test_json_string(void **state)
{
	char longer[600], wanted[600];

	(void)state;
	assert_json_string("", "");
	assert_json_string("\303\274 is u", "\303\274 is u");
	assert_json_string("/tmp/\377\303\274x: no", "/tmp/???x: no");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	memcpy(wanted, longer, sizeof(wanted));
	longer[0] = '\377';
	wanted[0] = '?';
	assert_json_string(longer, wanted);
}

static void test_json(void **state)
{
	struct owamp_clock_status status = good_status();
	static const char wanted[] =
		"{\"time\": \"2026-11-21T03:00:21.880Z\", \"synchronized\": true, \"disagreement\": false, "
		"\"source\": \"ptp\", \"bound_ns\": 3200, \"drift_ppb\": 1100, \"age_ns\": 412000000, "
		"\"since_s\": 4320.0, \"holdover\": false, \"steered_by\": \"ptp4l, phc2sys or the like\", "
		"\"steps\": "
		"0, "
		"\"last_step_ns\": null, \"last_step_age_ns\": null, \"stepped_ns\": 0, \"leap\": 0, "
		"\"tai_utc\": 37, \"alarm\": null, \"sources\": ["
		"{\"name\": \"eth0\", \"kind\": \"ptp\", \"source\": \"ptp\", \"state\": \"valid\", "
		"\"used\": true, "
		"\"contradicted\": false, \"steers\": true, \"offset_ns\": -310, \"error_ns\": 2400, "
		"\"drift_ppb\": 1100, \"bound_ns\": 3200, \"age_ns\": 412000000, "
		"\"text\": \"grandmaster 00:01, class 6\"}, "
		"{\"name\": \"gps\", \"kind\": \"gps\", \"source\": \"none\", \"state\": \"doubtful\", "
		"\"used\": false, \"contradicted\": false, \"steers\": false, \"offset_ns\": null, "
		"\"error_ns\": null, \"drift_ppb\": null, \"bound_ns\": null, \"age_ns\": null, "
		"\"text\": \"no fix\"}]}";
	json_t *object;
	char *text;

	(void)state;
	status.count = 2;
	object = clock_report_json(&status);
	text = json_dumps(object, JSON_REAL_PRECISION(12));
	assert_string_equal(text, wanted);
	free(text);
	json_decref(object);
}

static json_t *dumped(const struct owamp_clock_status *status)
{
	json_t *object = clock_report_json(status);

	assert_non_null(object);
	return object;
}

/* There and back and there again: nothing that is in JSON is lost. */
static void assert_survives(const struct owamp_clock_status *status)
{
	struct owamp_clock_status parsed;
	json_t *first = dumped(status);
	json_t *second;

	assert_int_equal(clock_report_parse(first, &parsed), 0);
	second = dumped(&parsed);
	assert_true(json_equal(first, second));
	json_decref(first);
	json_decref(second);
}

static void test_parse(void **state)
{
	struct owamp_clock_status status = good_status();
	struct owamp_clock_status parsed;
	char text[TEXT], again[TEXT];
	json_t *object;

	(void)state;
	assert_survives(&status);
	object = dumped(&status);
	assert_int_equal(clock_report_parse(object, &parsed), 0);
	json_decref(object);
	assert_string_equal(print(&parsed, false, again), print(&status, false, text));
	/* Where it was measured 412 ms ago with 1100 ppb: 453.2 ns less. */
	assert_in_range(parsed.snapshot.bound_ns, 2746, 2747);
	assert_ptr_equal(parsed.snapshot.source, (const void *)parsed.sources[0].source);
	/* A time that has no exact value as a number of seconds. */
	status.snapshot.since_mono = NOW - 2006490279;
	assert_survives(&status);
	status = lost_status();
	assert_survives(&status);
	status.snapshot.steps = 3;
	status.step_ns = -5 * S;
	status.step_mono = NOW - 7 * S;
	status.stepped_ns = 6 * S;
	status.snapshot.leap = 1;
	status.snapshot.disagreement = true;
	status.holdover = true;
	strcpy(status.alarm, "ALARM");
	assert_survives(&status);
	status.now_real = 0;
	assert_survives(&status);
}

/* Each key away, and each of another type, and values that cannot be. */
static void test_parse_bad(void **state)
{
	static const char *const times[] = {
		"",
		"yesterday",
		"2026-11-21T03:00:21Z",
		"2026-11-21T03:00:21.88Z",
		"2026-11-21T03:00:21.880",
		"2026-11-21T03:00:21.880Z.",
		"1969-12-31T23:59:59.999Z",
		"-226-11-21T03:00:21.880Z",
		"9999-11-21T03:00:21.880Z",
	};
	static const char *const others[] = {"\"none of these\"", "7", "[]", "-4611686018427387905", "1e300"};
	struct owamp_clock_status status = good_status();
	struct owamp_clock_status parsed;
	json_t *object = dumped(&status);
	json_t *copy = json_deep_copy(object);
	const char *key;
	json_t *value;

	(void)state;
	json_object_foreach(copy, key, value)
	{
		json_object_del(object, key);
		assert_int_equal(clock_report_parse(object, &parsed), OWAMP_EINVAL);
		json_object_set_new(object, key, json_object());
		assert_int_equal(clock_report_parse(object, &parsed), OWAMP_EINVAL);
		for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
			json_object_set_new(object, key, json_loads(others[i], JSON_DECODE_ANY, NULL));
			(void)clock_report_parse(object, &parsed);
			assert_true(parsed.count <= OWAMP_CLOCK_SOURCES_MAX);
		}
		json_object_set(object, key, value);
		assert_int_equal(clock_report_parse(object, &parsed), 0);
	}
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		json_object_set_new(object, "time", json_string(times[i]));
		assert_int_equal(clock_report_parse(object, &parsed), OWAMP_EINVAL);
	}
	json_object_set_new(object, "time", json_null());
	assert_int_equal(clock_report_parse(object, &parsed), 0);
	for (int i = 0; i < 13; i++)
		json_array_append(json_object_get(object, "sources"),
				  json_array_get(json_object_get(object, "sources"), 0));
	assert_int_equal(clock_report_parse(object, &parsed), OWAMP_EINVAL);
	json_decref(object);
	json_decref(copy);
	assert_int_equal(clock_report_parse(NULL, &parsed), OWAMP_EINVAL);
	object = json_array();
	assert_int_equal(clock_report_parse(object, &parsed), OWAMP_EINVAL);
	json_decref(object);
}

static void test_parse_bad_source(void **state)
{
	struct owamp_clock_status status = good_status();
	struct owamp_clock_status parsed;
	json_t *object = dumped(&status);
	json_t *source = json_array_get(json_object_get(object, "sources"), 0);
	json_t *copy = json_deep_copy(source);
	const char *key;
	json_t *value;

	(void)state;
	json_object_foreach(copy, key, value)
	{
		json_object_set_new(source, key, json_object());
		assert_int_equal(clock_report_parse(object, &parsed), OWAMP_EINVAL);
		json_object_set(source, key, value);
		assert_int_equal(clock_report_parse(object, &parsed), 0);
	}
	json_object_set_new(source, "name", json_string("a name that has 32 octets, as one."));
	assert_int_equal(clock_report_parse(object, &parsed), OWAMP_EINVAL);
	json_decref(copy);
	json_decref(object);
}

/* Octets that are no UTF-8 must not lose the object. */
static void test_json_octets(void **state)
{
	struct owamp_clock_status status = good_status();
	json_t *object;

	(void)state;
	strcpy(status.alarm, "\xff alarm");
	strcpy(status.sources[0].text, "\xc3\x28");
	object = dumped(&status);
	assert_string_equal(json_string_value(json_object_get(object, "alarm")), "? alarm");
	object = (json_decref(object), dumped(&status));
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(object, "sources"), 0), "text")),
			    "?(");
	json_decref(object);
}

struct log {
	size_t count;
	int levels[16];
	char lines[16][512];
};

static void note(void *context, int level, const char *text)
{
	struct log *log = context;

	assert_true(log->count < 16);
	log->levels[log->count] = level;
	strcpy(log->lines[log->count++], text);
}

static struct log changes(const struct owamp_clock_status *before, const struct owamp_clock_status *now)
{
	struct log log = {0};

	clock_report_changes(before, now, note, &log);
	return log;
}

static void assert_line(const struct log *log, size_t index, int level, const char *text)
{
	assert_true(index < log->count);
	assert_string_equal(log->lines[index], text);
	assert_int_equal(log->levels[index], level);
}

static void test_changes_first(void **state)
{
	struct owamp_clock_status status = good_status();
	struct log log;

	(void)state;
	status.count = 1;
	log = changes(NULL, &status);
	assert_int_equal(log.count, 2);
	assert_line(&log, 0, LOG_INFO, "clock: eth0 is valid: grandmaster 00:01, class 6");
	assert_line(&log, 1, LOG_NOTICE,
		    "clock: synchronized: within 3.2 us of UTC (PTP), by eth0: grandmaster 00:01, class 6");
	status = lost_status();
	log = changes(NULL, &status);
	assert_int_equal(log.count, 2);
	assert_line(&log, 0, LOG_INFO, "clock: eth0 is absent: grandmaster 00:01, class 6");
	assert_line(&log, 1, LOG_WARNING,
		    "clock: not synchronized: no source says how far this host's clock is from UTC; it may "
		    "be any "
		    "amount");
}

/* Time goes by, figures change: nothing to say. */
static void test_changes_none(void **state)
{
	struct owamp_clock_status before = good_status(), now = good_status();
	struct log log;

	(void)state;
	now.now_mono += S;
	now.bound_ns += 5;
	now.sources[0].offset_ns = 77;
	strcpy(now.sources[0].text, "grandmaster 00:01, class 7");
	log = changes(&before, &now);
	assert_int_equal(log.count, 0);
	before = now = lost_status();
	log = changes(&before, &now);
	assert_int_equal(log.count, 0);
}

static void test_changes_synchronization(void **state)
{
	struct owamp_clock_status good = good_status(), lost = lost_status();
	struct owamp_clock_status other = good_status();
	struct log log;

	(void)state;
	good.count = 1;
	log = changes(&good, &lost);
	assert_int_equal(log.count, 2);
	assert_line(&log, 0, LOG_INFO, "clock: eth0 is absent: grandmaster 00:01, class 6");
	assert_line(
		&log, 1, LOG_WARNING,
		"clock: no longer synchronized: no source says how far this host's clock is from UTC; it may "
		"be any amount");
	log = changes(&lost, &good);
	assert_int_equal(log.count, 2);
	assert_line(&log, 1, LOG_NOTICE,
		    "clock: synchronized: within 3.2 us of UTC (PTP), by eth0: grandmaster 00:01, class 6");
	good = good_status();
	other.sources[0].used = false;
	other.sources[2].used = true;
	other.snapshot.source = OWAMP_CLOCK_CHRONY;
	other.bound_ns = 812001;
	log = changes(&good, &other);
	assert_int_equal(log.count, 1);
	assert_line(&log, 0, LOG_NOTICE, "clock: another source: within 813 us of UTC (NTP), by far away");
}

static void test_changes_alarm(void **state)
{
	struct owamp_clock_status before = good_status(), now = good_status(), more;
	struct log log;

	(void)state;
	now.sources[0].contradicted = now.sources[2].contradicted = true;
	now.snapshot.synchronized = false;
	now.snapshot.disagreement = true;
	strcpy(now.alarm, "far away contradicts\neth0 by 2 s");
	log = changes(&before, &now);
	assert_int_equal(log.count, 2);
	assert_line(&log, 0, LOG_ERR, "clock: ALARM: far away contradicts?eth0 by 2 s");
	assert_line(&log, 1, LOG_WARNING, "clock: no longer synchronized: the sources contradict each other");
	more = now;
	strcpy(more.alarm, "far away contradicts eth0 by 3 s");
	log = changes(&now, &more);
	assert_int_equal(log.count, 0);
	more.sources[1].contradicted = true;
	log = changes(&now, &more);
	assert_int_equal(log.count, 1);
	assert_line(&log, 0, LOG_ERR, "clock: ALARM: far away contradicts eth0 by 3 s");
	log = changes(&now, &before);
	assert_int_equal(log.count, 2);
	assert_line(&log, 0, LOG_NOTICE, "clock: the alarm is over");
}

static void test_changes_events(void **state)
{
	struct owamp_clock_status before = good_status(), now = good_status();
	struct log log;

	(void)state;
	now.snapshot.steps = 1;
	now.step_ns = 5 * S;
	now.snapshot.leap = 1;
	now.holdover = true;
	now.sources[0].state = OWAMP_CLOCK_HOLDOVER;
	log = changes(&before, &now);
	assert_int_equal(log.count, 4);
	assert_line(&log, 0, LOG_WARNING, "clock: this host's clock was set by +5 s");
	assert_line(&log, 1, LOG_NOTICE, "clock: a leap second is inserted at the end of the UTC day");
	assert_line(&log, 2, LOG_INFO, "clock: eth0 is holdover: grandmaster 00:01, class 6");
	assert_line(
		&log, 3, LOG_NOTICE,
		"clock: holdover: the last word of eth0 counts, and grows old: grandmaster 00:01, class 6");
	before = now;
	before.snapshot.steps = UINT32_MAX;
	log = changes(&before, &now);
	assert_int_equal(log.count, 1);
	assert_line(&log, 0, LOG_WARNING, "clock: this host's clock was set 2 times, the last time by +5 s");
	before = now;
	now = good_status();
	now.snapshot.steps = 1;
	log = changes(&before, &now);
	assert_int_equal(log.count, 3);
	assert_line(&log, 0, LOG_NOTICE, "clock: no leap second is announced any more");
	assert_line(&log, 2, LOG_NOTICE, "clock: no longer in holdover");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_offset),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_trouble),
		cmocka_unit_test(test_text_step),
		cmocka_unit_test(test_text_holdover),
		cmocka_unit_test(test_colour),
		cmocka_unit_test(test_width),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_text_hostile),
		cmocka_unit_test(test_json_string),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_octets),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_bad),
		cmocka_unit_test(test_parse_bad_source),
		cmocka_unit_test(test_changes_first),
		cmocka_unit_test(test_changes_none),
		cmocka_unit_test(test_changes_synchronization),
		cmocka_unit_test(test_changes_alarm),
		cmocka_unit_test(test_changes_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
