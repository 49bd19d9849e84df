/* What the archive and the log say of a session during which the clock was set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "owampd/step_text.h"

static void says(const char *reason, uint32_t steps, int64_t step_ns, const char *wanted)
{
	char text[200] = "before";

	assert_ptr_equal(step_text(text, sizeof(text), reason, steps, step_ns), text);
	assert_string_equal(text, wanted);
}

static void test_text(void **state)
{
	(void)state;
	says(NULL, 1, 5000000000, "this host's clock was set by +5.000 s during the session");
	says(NULL, 1, -5000000000, "this host's clock was set by -5.000 s during the session");
	says(NULL, 1, 1000000, "this host's clock was set by +0.001 s during the session");
	says(NULL, 1, -999999, "this host's clock was set by -0.001000 s during the session");
	says(NULL, 1, 12300, "this host's clock was set by +0.000012 s during the session");
	says(NULL, 1, -42, "this host's clock was set by -0.000000042 s during the session");
	says(NULL, 3, 2500000000,
	     "this host's clock was set 3 times, by +2.500 s in all, during the session");
	says(NULL, 2, 0, "this host's clock was set 2 times, by +0.000000000 s in all, during the session");
	says("owampd was ended", 1, 5000000000,
	     "owampd was ended; this host's clock was set by +5.000 s during the session");
}

static void test_no_step(void **state)
{
	char text[20] = "before";

	(void)state;
	assert_null(step_text(text, sizeof(text), "reason", 0, 0));
	assert_string_equal(text, "before");
}

static void test_small_room(void **state)
{
	char text[20];

	(void)state;
	assert_non_null(step_text(text, sizeof(text), NULL, 1, 1));
	assert_string_equal(text, "this host's clock w");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_no_step),
		cmocka_unit_test(test_small_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
