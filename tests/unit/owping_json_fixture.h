/* The JSON document of the fixture's session, and how to look into it. */
#ifndef OWPING_JSON_FIXTURE_H
#define OWPING_JSON_FIXTURE_H

#include "owping_fixture.h"

#include <jansson.h>

#include "owping/report_json.h"

/* The document of a run with the fixture's report; it must be valid JSON. */
static inline json_t *document(struct fixture *f, const struct owping_json_run *run, unsigned reports)
{
	struct owping_report *list[2] = {f->report, f->report};
	json_error_t error;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	json_t *root;

	assert_non_null(out);
	assert_int_equal(owping_report_json(out, run, &f->options, list, reports), 0);
	fclose(out);
	assert_int_equal(text[size - 1], '\n');
	root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL)
		fail_msg("%s at line %d of:\n%s", error.text, error.line, text);
	free(text);
	return root;
}

/* Follows a path such as "tests.0.summary.sent". */
static inline json_t *at(json_t *value, const char *path)
{
	char copy[128];
	char *save = NULL;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *key = strtok_r(copy, ".", &save); key != NULL; key = strtok_r(NULL, ".", &save)) {
		value = json_is_array(value) ? json_array_get(value, (size_t)atoi(key))
					     : json_object_get(value, key);
		if (value == NULL)
			fail_msg("no %s in %s", key, path);
	}
	return value;
}

static inline void assert_number(json_t *root, const char *path, int64_t expected)
{
	assert_true(json_is_integer(at(root, path)));
	assert_int_equal(json_integer_value(at(root, path)), expected);
}

static inline void assert_text(json_t *root, const char *path, const char *expected)
{
	assert_true(json_is_string(at(root, path)));
	assert_string_equal(json_string_value(at(root, path)), expected);
}

static inline void assert_null_at(json_t *root, const char *path)
{
	assert_true(json_is_null(at(root, path)));
}

static inline void assert_true_at(json_t *root, const char *path)
{
	assert_true(json_is_true(at(root, path)));
}

static inline void assert_false_at(json_t *root, const char *path)
{
	assert_true(json_is_false(at(root, path)));
}

static inline void assert_size(json_t *root, const char *path, size_t expected)
{
	assert_true(json_is_array(at(root, path)));
	assert_int_equal(json_array_size(at(root, path)), expected);
}

static inline struct owping_json_run ordinary_run(const struct fixture *f)
{
	return (struct owping_json_run){
		.version = "9.8.7",
		.peer = (const struct sockaddr *)&f->result.receiver,
		.mode = OWAMP_MODE_ENCRYPTED,
		.server_start_ns = FIXTURE_START_NS,
		.connect_ns = 1500,
		.setup_ns = 2500,
		.exit_status = 3,
		.clock = &f->clock,
	};
}

/* Of the fixture as it was changed, after a run in which all went well. */
static inline json_t *ordinary_document(struct fixture *f, struct owping_json_run *run)
{
	fixture_report(f);
	*run = ordinary_run(f);
	return document(f, run, 1);
}

#endif
