/* Any JSON as the clock of an owampd: refused, or what it says survives being printed. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_line(void *context, int level, const char *text)
{
	(void)context;
	(void)level;
	assert(text[0]);
}

static void print(const struct owamp_clock_status *status)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert(out);
	clock_report_text(out, status, true);
	fclose(out);
	assert(size > 0);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *object = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
	struct owamp_clock_status status, again;
	json_t *first, *second;

	if (!object || clock_report_parse(object, &status) != 0) {
		json_decref(object);
		return 0;
	}
	print(&status);
	clock_report_changes(NULL, &status, take_line, NULL);
	first = clock_report_json(&status);
	assert(first && clock_report_parse(first, &again) == 0);
	second = clock_report_json(&again);
	/* The only one that is not exact. */
	json_object_del(first, "since_s");
	json_object_del(second, "since_s");
	assert(json_equal(first, second));
	json_decref(first);
	json_decref(second);
	json_decref(object);
	return 0;
}
