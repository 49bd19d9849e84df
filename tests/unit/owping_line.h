/* Command lines, read as the programs read theirs. */
#ifndef OWPING_LINE_H
#define OWPING_LINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <owamp/error.h>

#include "owping/common.h"
#include "owping/options.h"

#define ARGUMENTS_MAX 64

/* The last command line that was read. */
struct line {
	struct owping_options options;
	char text[1024];
	char *arguments[ARGUMENTS_MAX];
	char error[512];
	int result;
};

/* Splits text at blanks and reads it as a command line of program. */
static void read_line(struct line *line, enum owping_program program, const char *text)
{
	int count = 0;
	char *save = NULL;

	memset(line, 0, sizeof(*line));
	assert_true(strlen(text) < sizeof(line->text));
	strcpy(line->text, text);
	line->arguments[count++] = line->text + strlen(text);
	for (char *word = strtok_r(line->text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
		assert_true(count < ARGUMENTS_MAX - 1);
		line->arguments[count++] = word;
	}
	line->result = owping_options_parse(&line->options, program, count, line->arguments, line->error,
					    sizeof(line->error));
}

static void assert_refused(enum owping_program program, const char *text, const char *error)
{
	struct line line;

	read_line(&line, program, text);
	assert_int_equal(line.result, OWAMP_EINVAL);
	assert_string_equal(line.error, error);
	owping_options_free(&line.options);
}

static void assert_accepted(struct line *line, enum owping_program program, const char *text)
{
	read_line(line, program, text);
	assert_string_equal(line->error, "");
	assert_int_equal(line->result, 0);
}

#endif
