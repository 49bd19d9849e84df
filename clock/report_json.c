#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <owamp/error.h>

#include "clock/report.h"

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS 1000000

/* The monotonic times of a status from JSON are those of a clock that stands here; ages are what counts. */
#define NOW_MONO  (INT64_C(1) << 62)
#define AGE_MAX   (INT64_C(1) << 61)
#define BOUND_MAX (INT64_C(1) << 62)

static json_t *number_if(bool known, int64_t value)
{
	return known ? json_integer(value) : json_null();
}

/* Sources quote what they hear, and paths are any octets; JSON is UTF-8. */
json_t *clock_report_string(const char *words)
{
	json_t *string = json_string(words);
	char *ascii = string ? NULL : strdup(words);

	for (char *c = ascii; c && *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	if (ascii)
		string = json_string(ascii);
	free(ascii);
	return string;
}

static json_t *time_or_null(int64_t unix_ns)
{
	time_t seconds = unix_ns / NS_PER_S;
	char second[32], whole[48];
	struct tm tm;

	if (unix_ns <= 0 || !gmtime_r(&seconds, &tm))
		return json_null();
	strftime(second, sizeof(second), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(whole, sizeof(whole), "%s.%03dZ", second, (int)(unix_ns % NS_PER_S / NS_PER_MS));
	return json_string(whole);
}

static json_t *since_or_null(const struct owamp_clock_status *status)
{
	int64_t since_mono = status->snapshot.since_mono;

	return since_mono ? json_real((double)(status->now_mono - since_mono) / (double)NS_PER_S)
			  : json_null();
}

static json_t *source_object(const struct owamp_clock_source_status *source)
{
	bool known = source->measured;

	return json_pack("{s:o, s:s, s:s, s:s, s:b, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
			 clock_report_string(source->name), "kind", owamp_clock_kind_name(source->kind),
			 "source", source->source, "state", owamp_clock_state_name(source->state), "used",
			 source->used, "contradicted", source->contradicted, "steers", source->steers,
			 "offset_ns", number_if(known, source->offset_ns), "error_ns",
			 number_if(known, source->error_ns), "drift_ppb", number_if(known, source->drift_ppb),
			 "bound_ns", number_if(known, source->bound_ns), "age_ns",
			 number_if(known, source->age_ns), "text", clock_report_string(source->text));
}

static json_t *sources(const struct owamp_clock_status *status)
{
	json_t *list = json_array();

	for (size_t i = 0; i < status->count; i++)
		json_array_append_new(list, source_object(&status->sources[i]));
	return list;
}

json_t *clock_report_json(const struct owamp_clock_status *status)
{
	const struct owamp_clock_snapshot *snapshot = &status->snapshot;
	bool known = strcmp(snapshot->source, OWAMP_CLOCK_NONE) != 0;
	bool set = snapshot->steps > 0;
	json_t *object = json_object();

	json_object_set_new(object, "time", time_or_null(status->now_real));
	json_object_set_new(object, "synchronized", json_boolean(snapshot->synchronized));
	json_object_set_new(object, "disagreement", json_boolean(snapshot->disagreement));
	json_object_set_new(object, "source", json_string(snapshot->source));
	json_object_set_new(object, "bound_ns", json_integer(status->bound_ns));
	json_object_set_new(object, "drift_ppb", json_integer(snapshot->drift_ppb));
	json_object_set_new(object, "age_ns", number_if(known, status->now_mono - snapshot->sampled_at_mono));
	json_object_set_new(object, "since_s", since_or_null(status));
	json_object_set_new(object, "holdover", json_boolean(status->holdover));
	json_object_set_new(object, "steered_by", json_string(owamp_clock_steering_words(status->steering)));
	json_object_set_new(object, "steps", json_integer(snapshot->steps));
	json_object_set_new(object, "last_step_ns", number_if(set, status->step_ns));
	json_object_set_new(object, "last_step_age_ns", number_if(set, status->now_mono - status->step_mono));
	json_object_set_new(object, "stepped_ns", json_integer(status->stepped_ns));
	json_object_set_new(object, "leap", json_integer(snapshot->leap));
	json_object_set_new(object, "tai_utc", number_if(snapshot->tai_utc != 0, snapshot->tai_utc));
	json_object_set_new(object, "alarm",
			    status->alarm[0] ? clock_report_string(status->alarm) : json_null());
	json_object_set_new(object, "sources", sources(status));
	return object;
}

/* One error for all that is missing or not of its type. */
struct reader {
	const json_t *object;
	bool wrong;
};

static bool take_bool(struct reader *reader, const char *key)
{
	const json_t *value = json_object_get(reader->object, key);

	reader->wrong |= !json_is_boolean(value);
	return json_is_true(value);
}

static int64_t take_number(struct reader *reader, const char *key, int64_t low, int64_t high)
{
	const json_t *value = json_object_get(reader->object, key);
	int64_t number = json_integer_value(value);

	if (json_is_integer(value) && number >= low && number <= high)
		return number;
	reader->wrong = true;
	return 0;
}

/* *known is false for null. */
static int64_t take_number_if(struct reader *reader, const char *key, int64_t low, int64_t high, bool *known)
{
	*known = !json_is_null(json_object_get(reader->object, key));
	return *known ? take_number(reader, key, low, high) : 0;
}

/* NULL for null. */
static const char *take_text(struct reader *reader, const char *key)
{
	const json_t *value = json_object_get(reader->object, key);

	reader->wrong |= !json_is_string(value) && !json_is_null(value);
	return json_string_value(value);
}

static void take_words(struct reader *reader, const char *key, char *words, size_t size)
{
	const char *value = take_text(reader, key);

	if (value && strlen(value) >= size)
		reader->wrong = true;
	else
		snprintf(words, size, "%s", value ? value : "");
	clock_report_clean(words);
}

/* The library's own word for it, which stays. */
static const char *take_token(struct reader *reader)
{
	static const char *const tokens[] = {
		OWAMP_CLOCK_NONE, OWAMP_CLOCK_PTP,     OWAMP_CLOCK_PTP_PHC,
		OWAMP_CLOCK_PHC,  OWAMP_CLOCK_GPS_PPS, OWAMP_CLOCK_GPS_SERIAL,
		OWAMP_CLOCK_SHM,  OWAMP_CLOCK_CHRONY,  OWAMP_CLOCK_KERNEL,
	};
	const char *value = take_text(reader, "source");

	for (size_t i = 0; value && i < sizeof(tokens) / sizeof(tokens[0]); i++)
		if (strcmp(value, tokens[i]) == 0)
			return tokens[i];
	reader->wrong = true;
	return OWAMP_CLOCK_NONE;
}

static const char *kind_word(unsigned value)
{
	return owamp_clock_kind_name((enum owamp_clock_kind)value);
}

static const char *state_word(unsigned value)
{
	return owamp_clock_state_name((enum owamp_clock_state)value);
}

static const char *steering_word(unsigned value)
{
	return owamp_clock_steering_words((enum owamp_clock_steering)value);
}

static unsigned take_choice(struct reader *reader, const char *key, unsigned last,
			    const char *(*word)(unsigned value))
{
	const char *value = take_text(reader, key);

	for (unsigned i = 0; value && i <= last; i++)
		if (strcmp(value, word(i)) == 0)
			return i;
	reader->wrong = true;
	return 0;
}

static bool take_source(const json_t *object, struct owamp_clock_source_status *source)
{
	struct reader reader = {.object = object};

	take_words(&reader, "name", source->name, sizeof(source->name));
	source->kind = take_choice(&reader, "kind", OWAMP_CLOCK_KINDS - 1, kind_word);
	source->source = take_token(&reader);
	source->state = take_choice(&reader, "state", OWAMP_CLOCK_HOLDOVER, state_word);
	source->used = take_bool(&reader, "used");
	source->contradicted = take_bool(&reader, "contradicted");
	source->steers = take_bool(&reader, "steers");
	source->offset_ns = take_number_if(&reader, "offset_ns", -BOUND_MAX, BOUND_MAX, &source->measured);
	if (source->measured) {
		source->error_ns = take_number(&reader, "error_ns", 0, BOUND_MAX);
		source->drift_ppb = take_number(&reader, "drift_ppb", -1, BOUND_MAX);
		source->bound_ns = take_number(&reader, "bound_ns", 0, BOUND_MAX);
		source->age_ns = take_number(&reader, "age_ns", -AGE_MAX, AGE_MAX);
	}
	take_words(&reader, "text", source->text, sizeof(source->text));
	return !reader.wrong;
}

static void take_sources(struct reader *reader, struct owamp_clock_status *status)
{
	const json_t *list = json_object_get(reader->object, "sources");

	status->count = json_array_size(list);
	if (!json_is_array(list) || status->count > OWAMP_CLOCK_SOURCES_MAX) {
		reader->wrong = true;
		return;
	}
	for (size_t i = 0; i < status->count; i++)
		reader->wrong |= !take_source(json_array_get(list, i), &status->sources[i]);
}

/* Before it grew with age, so that owamp_clock_bound() comes to the same. */
static int64_t ungrown(int64_t bound_ns, int64_t drift_ppb, int64_t age_ns)
{
	double grown_ns = age_ns > 0 ? (double)drift_ppb * (double)age_ns / (double)NS_PER_S : 0;

	return grown_ns < (double)bound_ns ? bound_ns - (int64_t)grown_ns : 0;
}

static int64_t take_since(struct reader *reader)
{
	const json_t *value = json_object_get(reader->object, "since_s");
	double seconds = json_number_value(value);

	if (json_is_null(value))
		return 0;
	reader->wrong |= !json_is_number(value) || !(seconds >= 0 && seconds <= (double)(AGE_MAX / NS_PER_S));
	return reader->wrong ? 0 : NOW_MONO - (int64_t)(seconds * (double)NS_PER_S + 0.5);
}

/* Of time_or_null()'s form, and after 1970. */
static void take_time(struct reader *reader, struct owamp_clock_status *status)
{
	const char *value = take_text(reader, "time");
	struct tm tm = {0};
	const char *end = value ? strptime(value, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int64_t seconds = end ? timegm(&tm) : 0;

	if (!value)
		return;
	if (end && *end == '.' && strspn(end + 1, "0123456789") == 3 && strcmp(end + 4, "Z") == 0 &&
	    seconds >= 0 && seconds < BOUND_MAX / NS_PER_S)
		status->now_real = seconds * NS_PER_S + strtol(end + 1, NULL, 10) * NS_PER_MS;
	else
		reader->wrong = true;
}

static void take_snapshot(struct reader *reader, struct owamp_clock_status *status)
{
	struct owamp_clock_snapshot *snapshot = &status->snapshot;
	int64_t age_ns;
	bool known;

	snapshot->synchronized = take_bool(reader, "synchronized");
	snapshot->disagreement = take_bool(reader, "disagreement");
	snapshot->source = take_token(reader);
	snapshot->drift_ppb = take_number(reader, "drift_ppb", 0, BOUND_MAX);
	snapshot->since_mono = take_since(reader);
	snapshot->steps = (uint32_t)take_number(reader, "steps", 0, UINT32_MAX);
	snapshot->leap = (int32_t)take_number(reader, "leap", -1, 1);
	snapshot->tai_utc = (int32_t)take_number_if(reader, "tai_utc", -INT32_MAX, INT32_MAX, &known);
	age_ns = take_number_if(reader, "age_ns", -AGE_MAX, AGE_MAX, &known);
	snapshot->sampled_at_mono = NOW_MONO - age_ns;
	snapshot->bound_ns = ungrown(status->bound_ns, snapshot->drift_ppb, age_ns);
}

int clock_report_parse(const json_t *object, struct owamp_clock_status *status)
{
	struct reader reader = {.object = object};
	bool known;

	*status = (struct owamp_clock_status){.now_mono = NOW_MONO};
	take_time(&reader, status);
	status->bound_ns = take_number(&reader, "bound_ns", 0, BOUND_MAX);
	take_snapshot(&reader, status);
	status->steering = take_choice(&reader, "steered_by", OWAMP_CLOCK_STEERED_BY_PTP, steering_word);
	status->step_ns = take_number_if(&reader, "last_step_ns", -BOUND_MAX, BOUND_MAX, &known);
	status->step_mono = NOW_MONO - take_number_if(&reader, "last_step_age_ns", -AGE_MAX, AGE_MAX, &known);
	status->stepped_ns = take_number(&reader, "stepped_ns", -BOUND_MAX, BOUND_MAX);
	status->holdover = take_bool(&reader, "holdover");
	take_words(&reader, "alarm", status->alarm, sizeof(status->alarm));
	take_sources(&reader, status);
	return reader.wrong ? OWAMP_EINVAL : 0;
}
