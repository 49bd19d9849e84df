/* Any text as a time, a span or a size for owstats: refused with a reason, or within its bounds. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "owamp/error.h"
#include "owping/stats_when.h"

#define NS_PER_S   INT64_C(1000000000)
#define NS_PER_DAY (86400 * NS_PER_S)

/* 2026-11-21T12:00 */
#define NOON (1795262400 * NS_PER_S)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_when(const char *text)
{
	char error[300] = "", again[300] = "", small[8] = "";
	int64_t at_noon = 1, later = 1;
	int result = stats_when_parse(text, NOON, &at_noon, error, sizeof error);

	/* Pure: the same again, and a small buffer is no trouble. */
	assert(stats_when_parse(text, NOON + NS_PER_DAY, &later, again, sizeof again) == result);
	assert(strcmp(error, again) == 0);
	assert(stats_when_parse(text, NOON, &(int64_t){0}, small, sizeof small) == result);
	if (result) {
		assert(result == OWAMP_EINVAL && at_noon == 1 && strlen(error) > 0);
		return;
	}
	assert(error[0] == '\0');
	/* From now, or not. */
	assert(later == at_noon || later == at_noon + NS_PER_DAY);
	if (later == at_noon) {
		assert(at_noon >= -NS_PER_DAY);
		assert(text[0] == '@' || (strlen(text) >= 10 && text[4] == '-' && text[7] == '-'));
	} else {
		assert(at_noon <= NOON && at_noon >= NOON - STATS_SPAN_MAX);
	}
}

static void check_span(const char *text)
{
	char longer[200];
	int64_t ns = 0, more = 0, when = 0;
	char error[300];

	if (stats_when_span(text, &ns))
		return;
	assert(ns > 0 && ns <= STATS_SPAN_MAX);
	assert(stats_when_parse(text, NOON, &when, error, sizeof error) == 0 && when == NOON - ns);
	if (strlen(text) < sizeof longer - 3) {
		strcpy(longer, text);
		strcat(longer, "1s");
		if (stats_when_span(longer, &more) == 0)
			assert(more == ns + NS_PER_S);
		else
			assert(ns > STATS_SPAN_MAX - NS_PER_S);
	}
}

static void check_size(const char *text)
{
	uint64_t octets = 0;

	if (stats_when_size(text, &octets))
		return;
	assert(octets > 0 && octets <= INT64_MAX);
	assert(octets % strtoull(text, NULL, 10) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[120];

	if (size >= sizeof text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	check_when(text);
	check_span(text);
	check_size(text);
	return 0;
}
