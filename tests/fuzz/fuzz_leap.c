/* Any text as a leap-seconds.list: refused with a reason, or a table that is in order; and what smearing
 * makes of it. */
#include <assert.h>
#include <stdlib.h>

#include "clock/leap.h"
#include "input.h"
#include "owamp/error.h"

#define SECOND INT64_C(1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_table(const struct leap_table *table)
{
	assert(table->count > 0 && table->count <= LEAP_MAX);
	for (size_t i = 1; i < table->count; i++) {
		assert(table->entries[i].utc_s > table->entries[i - 1].utc_s);
		assert(abs(table->entries[i].tai_utc - table->entries[i - 1].tai_utc) == 1);
	}
}

static void check_times(const struct leap_table *table, int64_t smear_ns, int64_t utc_ns)
{
	int32_t tai_utc = leap_tai_utc(table, utc_ns);
	int64_t smear = leap_smear(table, smear_ns, utc_ns), most = leap_smear_most(table, smear_ns, utc_ns);

	assert(tai_utc >= 0 && tai_utc <= 1000);
	assert(tai_utc == 0 || utc_ns < table->expires_s * SECOND);
	assert(most >= 0);
	/* About half a second at the most, whatever is smeared over more than a few. */
	assert(smear_ns < 100 * SECOND || (llabs(smear) <= SECOND * 51 / 100 && most <= SECOND * 52 / 100));
	if (smear_ns >= 100 * SECOND && table->count == 2)
		assert(most >= llabs(smear));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct leap_table table, again;
	char text[4096], error[300] = "", small[8] = "";
	int result;

	if (size >= sizeof text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	result = leap_parse(&table, text, "f", error, sizeof error);
	assert(leap_parse(&again, text, "f", small, sizeof small) == result);
	if (result) {
		assert(result == OWAMP_EINVAL && table.count == 0 && strncmp(error, "f:", 2) == 0);
		assert(leap_tai_utc(&table, 0) == 0 && leap_smear(&table, 86400 * SECOND, 0) == 0);
		return 0;
	}
	assert(error[0] == '\0');
	check_table(&table);
	for (size_t i = 0; i < table.count; i++) {
		for (int64_t width = 1; width < 400 * SECOND; width *= 19) {
			check_times(&table, width, table.entries[i].utc_s * SECOND);
			check_times(&table, width, table.entries[i].utc_s * SECOND - 1);
			check_times(&table, width, table.entries[i].utc_s * SECOND - SECOND);
		}
		check_times(&table, 86400 * SECOND, table.entries[i].utc_s * SECOND + 3 * SECOND);
	}
	return 0;
}
