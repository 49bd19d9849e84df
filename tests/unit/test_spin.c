/* What the pacer's waiting and its error estimate are made of: spinning within measure, a maximum that fades.
 */
#include "reference.h"

#include "engine/fading.h"
#include "engine/spin.h"

#define MS     INT64_C(1000000)
#define SECOND (1000 * MS)

static void test_no_window(void **state)
{
	struct spin spin;

	(void)state;
	spin_init(&spin, 0, 5);
	assert_false(spin_allowed(&spin, 5));
	spin_slept(&spin, 5, SECOND);
	assert_false(spin_allowed(&spin, SECOND));
}

/* 20 ms awake, and not a ns more; then three awake for each one asleep. */
static void test_credit(void **state)
{
	struct spin spin;

	(void)state;
	spin_init(&spin, 50000, SECOND);
	assert_true(spin_allowed(&spin, SECOND + 20 * MS - 1));
	assert_false(spin_allowed(&spin, SECOND + 20 * MS));
	spin_slept(&spin, SECOND + 30 * MS, SECOND + 31 * MS);
	assert_true(spin_allowed(&spin, SECOND + 34 * MS - 1));
	assert_false(spin_allowed(&spin, SECOND + 34 * MS));
	/* What was not used is kept: 3 - 1 + 3. */
	spin_slept(&spin, SECOND + 32 * MS, SECOND + 33 * MS);
	assert_true(spin_allowed(&spin, SECOND + 38 * MS - 1));
	assert_false(spin_allowed(&spin, SECOND + 38 * MS));
	/* A long sleep earns no more than there was at first. */
	spin_slept(&spin, SECOND + 38 * MS, INT64_MAX / 2);
	assert_true(spin_allowed(&spin, INT64_MAX / 2 + 20 * MS - 1));
	assert_false(spin_allowed(&spin, INT64_MAX / 2 + 20 * MS));
	/* Nor do short ones. */
	spin_init(&spin, 50000, 0);
	for (int i = 0; i < 100; i++)
		spin_slept(&spin, i * MS, (i + 1) * MS);
	assert_true(spin_allowed(&spin, 120 * MS - 1));
	assert_false(spin_allowed(&spin, 120 * MS));
}

/* Packets so often that there is always one to spin for: awake three quarters of the time. */
static void test_share(void **state)
{
	struct spin spin;
	int64_t now = SECOND, awake = 0;

	(void)state;
	spin_init(&spin, 50000, now);
	while (now < 11 * SECOND) {
		if (spin_allowed(&spin, now)) {
			awake += 10000;
		} else {
			spin_slept(&spin, now, now + 10000);
		}
		now += 10000;
	}
	assert_in_range(awake, 7500 * MS, 7530 * MS);
}

static void test_fading(void **state)
{
	struct fading fading = {.before_ns = 1000, .since_ns = 0};

	(void)state;
	assert_int_equal(fading_max(&fading), 1000);
	fading_note(&fading, 999 * MS, 10);
	assert_int_equal(fading_max(&fading), 1000);
	fading_note(&fading, 999 * MS + MS - 1, 400);
	assert_int_equal(fading_max(&fading), 1000);
	/* A second is over: halved. */
	fading_note(&fading, SECOND, 20);
	assert_int_equal(fading_max(&fading), 500);
	/* And again, but never below what the last second had: 20 and 300. */
	fading_note(&fading, SECOND + 5, 300);
	fading_note(&fading, 2 * SECOND, 1);
	assert_int_equal(fading_max(&fading), 300);
	fading_note(&fading, 3 * SECOND, 2);
	assert_int_equal(fading_max(&fading), 150);
	/* What is greater counts at once. */
	fading_note(&fading, 3 * SECOND + 1, 7000);
	assert_int_equal(fading_max(&fading), 7000);
	/* In full until a whole second after the one it was seen in. */
	fading_note(&fading, 4 * SECOND, 1);
	assert_int_equal(fading_max(&fading), 7000);
	fading_note(&fading, 5 * SECOND - 1, 1);
	assert_int_equal(fading_max(&fading), 7000);
	fading_note(&fading, 5 * SECOND, 1);
	assert_int_equal(fading_max(&fading), 3500);
}

/* An hour without a packet is no reason to believe that they leave faster. */
static void test_silence(void **state)
{
	struct fading fading = {.before_ns = 1000, .since_ns = 0};

	(void)state;
	fading_note(&fading, 1, 800);
	fading_note(&fading, 3600 * SECOND, 1);
	assert_int_equal(fading_max(&fading), 800);
	fading_note(&fading, 7200 * SECOND, 1);
	assert_int_equal(fading_max(&fading), 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_window), cmocka_unit_test(test_credit),
		cmocka_unit_test(test_share),     cmocka_unit_test(test_fading),
		cmocka_unit_test(test_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
