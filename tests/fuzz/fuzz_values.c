/* Any text as the value of an option of owping: refused, or within its bounds. The first octet says of which.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "owamp/error.h"
#include "owping/values.h"

#define NS_PER_SECOND INT64_C(1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void number(const char *text)
{
	uint32_t value, same;

	if (owping_parse_number(text, 3, 70000, &value))
		return;
	assert(value >= 3 && value <= 70000);
	assert(strtoul(text, NULL, 10) == value || strtoul(text, NULL, 16) == value);
	assert(owping_parse_number(text, value, value, &same) == 0 && same == value);
	assert(owping_parse_number(text, value + 1, UINT32_MAX, &same) == OWAMP_EINVAL);
	assert(owping_parse_number(text, 0, value - 1, &same) == OWAMP_EINVAL);
}

static void seconds(const char *text)
{
	int64_t ns;

	if (owping_parse_seconds(text, &ns))
		return;
	assert(ns >= 0 && ns <= (OWPING_SECONDS_MAX + 1) * NS_PER_SECOND);
	assert(strspn(text, "0123456789.") == strlen(text));
	assert(ns / NS_PER_SECOND == strtoll(text, NULL, 10));
}

static void schedule(const char *text)
{
	struct owamp_slot *slots;
	uint32_t count;
	size_t commas = 0;

	if (owping_parse_schedule(text, &slots, &count))
		return;
	for (const char *c = text; *c; c++)
		commas += *c == ',';
	assert(count == commas + 1);
	for (uint32_t i = 0; i < count; i++) {
		assert(slots[i].type <= OWAMP_SLOT_FIXED);
		assert(slots[i].interval <= OWAMP_SPAN_MAX);
	}
	free(slots);
}

static void dscp(const char *text)
{
	uint8_t value;

	if (owping_parse_dscp(text, &value) == 0)
		assert(value <= 63);
}

static void ports(const char *text)
{
	uint16_t low, high;

	if (owping_parse_ports(text, &low, &high) == 0)
		assert(low <= high && (low > 0 || high == 0));
}

static void modes(const char *text)
{
	uint32_t set, preference[4], seen = 0;

	if (owping_parse_modes(text, &set, preference))
		return;
	assert(preference[strlen(text)] == 0);
	for (size_t i = 0; i < strlen(text); i++) {
		assert(preference[i] && !(preference[i] & seen));
		seen |= preference[i];
	}
	assert(set == seen && set <= OWAMP_MODE_MASK);
}

static void percentiles(const char *text)
{
	double list[4];
	size_t count;

	if (owping_parse_percentiles(text, list, 4, &count))
		return;
	assert(count >= 1 && count <= 4);
	for (size_t i = 0; i < count; i++)
		assert(list[i] > 0 && list[i] <= 100);
}

static void target(const char *text)
{
	char *host = malloc(24);
	uint16_t port = 0;

	assert(host);
	if (owping_parse_target(text, host, 24, &port) == 0) {
		assert(host[0] && memchr(host, '\0', 24));
		assert(strstr(text, host));
		assert(port > 0 || !strchr(text, ':') || text[0] == '[' ||
		       strchr(text, ':') != strrchr(text, ':'));
	}
	free(host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const checks[])(const char *) = {
		number, seconds, schedule, dscp, ports, modes, percentiles, target,
	};
	char *text;

	if (size == 0)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	assert(text);
	checks[data[0] % 8](text);
	free(text);
	return 0;
}
