#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <owamp/error.h>

#include "owping/clock.h"
#include "owping/common.h"
#include "owping/options.h"

/* An argument that may be left out must not stand apart. */
static void test_usage(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	owping_usage(out, OWPING_PING);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "\n  -v[N], --verbose[=N]         print "));
	assert_non_null(strstr(text, "\n  -c, --count N                packets "));
	assert_non_null(strstr(text, "\n      --archive FILE           store "));
	assert_non_null(strstr(
		text, "\n      --hardware-timestamps LIST\n                               interfaces "));
	free(text);
}

/* Runs owping_begin() with stdout and stderr in a file; returns what they got. */
static char *begin(int *status, char **arguments, int count)
{
	struct owping_options options;
	FILE *file = tmpfile();
	int saved[2] = {dup(STDOUT_FILENO), dup(STDERR_FILENO)};
	char *text = calloc(4096, 1);

	assert_non_null(file);
	assert_non_null(text);
	fflush(stdout);
	dup2(fileno(file), STDOUT_FILENO);
	dup2(fileno(file), STDERR_FILENO);
	*status = owping_begin(&options, OWPING_PING, count, arguments);
	owping_options_free(&options);
	fflush(stdout);
	dup2(saved[0], STDOUT_FILENO);
	dup2(saved[1], STDERR_FILENO);
	close(saved[0]);
	close(saved[1]);
	rewind(file);
	assert_true(fread(text, 1, 4095, file) > 0);
	fclose(file);
	return text;
}

/* Programs that read JSON get it for a wrong command line too. */
static void test_usage_error(void **state)
{
	static char *const wrong[][5] = {
		{"owping", "-c", "0", "--json", NULL},
		{"owping", "--js", "-c", "0", NULL},
		{"owping", "-c", "0", "--", "--json"},
	};
	int status = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		char *arguments[6] = {wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3], wrong[i][4], NULL};
		char *text = begin(&status, arguments, arguments[4] != NULL ? 5 : 4);

		assert_int_equal(status, OWPING_EXIT_USAGE);
		assert_ptr_equal(strstr(text, "owping: -c 0: expected a number from 1 to 4294967295\n"
					      "Try 'owping --help'.\n"),
				 text);
		if (i < 2) {
			assert_non_null(strstr(text, "\"exit_status\": 2,"));
			assert_non_null(strstr(text, "\"target\": null,"));
			assert_non_null(strstr(text, "\"reason\": \"-c 0: expected a number from 1 to "
						     "4294967295\""));
		} else {
			assert_null(strchr(text, '{'));
		}
		free(text);
	}
}

#define CLOCK_ERROR "--clock cannot be used with -c: expected --clock-config and --json at most"

/* The document of a measurement is not what somebody who watches a clock reads. */
static void test_usage_error_clock(void **state)
{
	static char *const wrong[][4] = {
		{"owping", "--json", "--clock", "-c5"},
		{"owping", "--clock=3", "--json", "-c5"},
	};
	char *only_config[] = {"owping", "--json", "--clock-config", "x", "-c0", NULL};
	int status = 0;
	char *text;

	(void)state;
	for (int i = 0; i < 2; i++) {
		char *arguments[5] = {wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3], NULL};

		text = begin(&status, arguments, 4);
		assert_int_equal(status, OWPING_EXIT_USAGE);
		assert_string_equal(text, "owping: " CLOCK_ERROR "\n"
					  "Try 'owping --help'.\n"
					  "{\"clock\": null, \"error\": \"" CLOCK_ERROR "\"}\n");
		free(text);
	}
	text = begin(&status, only_config, 5);
	assert_non_null(strstr(text, "\"exit_status\": 2,"));
	free(text);
}

#define MS INT64_C(1000000)

/* The sampler hurries at first and after a step: four rounds a second. */
static void test_clock_lines(void **state)
{
	static const int rounds_ms[] = {250, 500, 750, 1000, 1250, 2010, 3000, 3020, 4190, 5000, 6000};
	static const int lines_ms[] = {1000, 2010, 3000, 4190, 5000, 6000};
	int64_t line = 100 * MS;
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rounds_ms) / sizeof(rounds_ms[0]); i++) {
		if (!owping_clock_is_line_due(line, (100 + rounds_ms[i]) * MS))
			continue;
		line = (100 + rounds_ms[i]) * MS;
		assert_true(count < sizeof(lines_ms) / sizeof(lines_ms[0]));
		assert_int_equal(line, (100 + lines_ms[count++]) * MS);
	}
	assert_int_equal(count, sizeof(lines_ms) / sizeof(lines_ms[0]));
}

/* Writes a key file; the caller removes it. */
static void write_keys(char path[32], const char *content)
{
	int fd;

	strcpy(path, "/tmp/owping-keys-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
}

static void test_credentials(void **state)
{
	struct owping_credentials credentials;
	struct owping_options options = {.program = OWPING_PING};
	char expected[128];
	char error[256] = "";
	char path[32];
	bool chosen = true;

	(void)state;
	assert_int_equal(owping_credentials_load(&credentials, &options, &chosen, error, sizeof(error)), 0);
	assert_null(credentials.key_id);
	assert_false(chosen);
	owping_credentials_free(&credentials);

	write_keys(path, "lena\t6869\n");
	options.key_file = path;
	assert_int_equal(owping_credentials_load(&credentials, &options, &chosen, error, sizeof(error)), 0);
	assert_true(chosen);
	assert_string_equal(credentials.key_id, "lena");
	assert_int_equal(credentials.secret_size, 2);
	assert_memory_equal(credentials.secret, "hi", 2);
	owping_credentials_free(&credentials);

	options.user = "otto";
	assert_int_equal(owping_credentials_load(&credentials, &options, &chosen, error, sizeof(error)),
			 OWAMP_EINVAL);
	snprintf(expected, sizeof(expected), "%s: no identity otto", path);
	assert_string_equal(error, expected);
	owping_credentials_free(&credentials);
	unlink(path);

	write_keys(path, "lena\t6869\notto\t61\n");
	options.user = NULL;
	assert_int_equal(owping_credentials_load(&credentials, &options, &chosen, error, sizeof(error)),
			 OWAMP_EINVAL);
	snprintf(expected, sizeof(expected), "%s: 2 identities; choose one with -u", path);
	assert_string_equal(error, expected);
	owping_credentials_free(&credentials);
	options.user = "otto";
	assert_int_equal(owping_credentials_load(&credentials, &options, &chosen, error, sizeof(error)), 0);
	assert_false(chosen);
	assert_memory_equal(credentials.secret, "a", 1);
	owping_credentials_free(&credentials);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_usage_error),
		cmocka_unit_test(test_usage_error_clock),
		cmocka_unit_test(test_clock_lines),
		cmocka_unit_test(test_credentials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
