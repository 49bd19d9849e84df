/* Comma separated values, RFC 4180. */
#include <inttypes.h>
#include <string.h>

#include "owping/format.h"
#include "owping/stats_table.h"

/* The keys of points in time; all other ns are spans. */
static const char *const times[] = {
	"start_ns",  "end_ns",   "created_ns",      "first_ns",     "last_ns",
	"minute_ns", "begin_ns", "time_ns", "worst_minute_ns", "send_time_ns", "receive_time_ns",
};

static bool is_time(const char *key)
{
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		if (strcmp(times[i], key) == 0)
			return true;
	}
	return false;
}

void stats_csv_text(FILE *out, const char *text)
{
	if (!strpbrk(text, ",\"\r\n")) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++)
		fputs(*text == '"' ? "\"\"" : (char[]){*text, '\0'}, out);
	fputc('"', out);
}

void stats_csv_time(FILE *out, bool known, int64_t ns)
{
	char text[OWPING_TEXT_SIZE];

	if (known)
		fprintf(out, "%sZ", owping_format_time(text, ns, false, 9));
}

static bool is_flat(const json_t *value)
{
	return !json_is_object(value) && !json_is_array(value);
}

/* "start_time" for "start_ns". */
static void print_time_key(FILE *out, const char *key)
{
	int length = (int)(strlen(key) - strlen("_ns"));
	const char *suffix = length >= 4 && strncmp(key + length - 4, "time", 4) == 0 ? "" : "_time";

	fprintf(out, "%.*s%s,", length, key, suffix);
}

void stats_csv_header(FILE *out, json_t *object)
{
	const char *separator = "";
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		if (!is_flat(value))
			continue;
		fputs(separator, out);
		if (is_time(key))
			print_time_key(out, key);
		fputs(key, out);
		separator = ",";
	}
	fputs("\r\n", out);
}

static void print_value(FILE *out, const json_t *value)
{
	if (json_is_integer(value))
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		fprintf(out, "%.12g", json_real_value(value));
	else if (json_is_boolean(value))
		fputs(json_is_true(value) ? "true" : "false", out);
	else if (json_is_string(value))
		stats_csv_text(out, json_string_value(value));
}

static void print_row(FILE *out, json_t *object)
{
	const char *separator = "";
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		if (!is_flat(value))
			continue;
		fputs(separator, out);
		if (is_time(key)) {
			stats_csv_time(out, json_is_integer(value), json_integer_value(value));
			fputc(',', out);
		}
		print_value(out, value);
		separator = ",";
	}
	fputs("\r\n", out);
}

void stats_csv_print(FILE *out, json_t *list)
{
	size_t i;
	json_t *object;

	json_array_foreach(list, i, object)
	{
		if (i == 0)
			stats_csv_header(out, object);
		print_row(out, object);
	}
}
