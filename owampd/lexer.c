#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "owamp/error.h"
#include "owampd/lexer.h"

int lexer_bad(const struct lexer *lexer, const char *format, ...)
{
	char what[384];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	snprintf(lexer->error, lexer->error_size, "%s:%u: %s", lexer->name, lexer->line, what);
	return OWAMP_EINVAL;
}

int lexer_init(struct lexer *lexer, const char *text, size_t size, const char *name, char *error,
	       size_t error_size)
{
	*lexer = (struct lexer){.next = text,
				.end = text + size,
				.name = name,
				.line = 1,
				.error = error,
				.error_size = error_size};
	/* Messages repeat words of the text. */
	for (const char *c = text; c < lexer->end; c++) {
		unsigned char octet = (unsigned char)*c;

		if (octet == '\n')
			lexer->line++;
		else if ((octet < 0x20 && octet != '\t') || octet == 0x7f)
			return lexer_bad(lexer, "control character 0x%02x, expected text with Unix line ends",
					 (unsigned)octet);
	}
	lexer->line = 1;
	return 0;
}

static void skip_blanks(struct lexer *lexer)
{
	while (lexer->next < lexer->end && (*lexer->next == ' ' || *lexer->next == '\t'))
		lexer->next++;
}

static int skip_continued(struct lexer *lexer)
{
	skip_blanks(lexer);
	while (lexer->next < lexer->end && *lexer->next == '\\') {
		if (lexer->end - lexer->next < 2 || lexer->next[1] != '\n')
			return lexer_bad(lexer, "a backslash is only allowed at the very end of a line");
		lexer->next += 2;
		lexer->line++;
		skip_blanks(lexer);
	}
	return 0;
}

int lexer_word(struct lexer *lexer, const char *ends, struct word *word)
{
	int result = skip_continued(lexer);

	word->text = lexer->next;
	while (lexer->next < lexer->end && !strchr(" \t\n\\", *lexer->next) && !strchr(ends, *lexer->next))
		lexer->next++;
	word->size = (size_t)(lexer->next - word->text);
	return result;
}

int lexer_take(struct lexer *lexer, char c, bool *taken)
{
	int result = skip_continued(lexer);

	*taken = lexer->next < lexer->end && *lexer->next == c;
	if (*taken)
		lexer->next++;
	return result;
}

int lexer_line_end(struct lexer *lexer, const char *expected, struct word last)
{
	int result = skip_continued(lexer);

	if (result || lexer->next == lexer->end || *lexer->next == '\n')
		return result;
	return lexer_bad(lexer, "expected %s after '%.*s'", expected, QUOTE(last));
}

bool lexer_next_line(struct lexer *lexer)
{
	for (;;) {
		skip_blanks(lexer);
		/* A comment ends with its own line, whatever its last character is. */
		if (lexer->next < lexer->end && *lexer->next == '#')
			while (lexer->next < lexer->end && *lexer->next != '\n')
				lexer->next++;
		if (lexer->next == lexer->end)
			return false;
		if (*lexer->next != '\n')
			return true;
		lexer->next++;
		lexer->line++;
	}
}

bool word_is(struct word word, const char *text)
{
	return word.size == strlen(text) && memcmp(word.text, text, word.size) == 0;
}
