/*
 * Words and logical lines of the limits file: blanks separate, a backslash at
 * the end of a line continues it, a line that begins with '#' is a comment.
 */
#ifndef OWAMPD_LEXER_H
#define OWAMPD_LEXER_H

#include <stdbool.h>
#include <stddef.h>

struct lexer {
	const char *next;
	const char *end;
	const char *name;
	unsigned line;
	char *error;
	size_t error_size;
};

/* Points into the text, not terminated. */
struct word {
	const char *text;
	size_t size;
};

/* Arguments for "%.*s": as much of a word as a message repeats. */
#define WORD_QUOTE_MAX 60
#define QUOTE(word)    (int)((word).size < WORD_QUOTE_MAX ? (word).size : WORD_QUOTE_MAX), (word).text

/*
 * name stands for the text in messages, which go to error, one line. Fails
 * like all others with OWAMP_EINVAL and a message, on control characters.
 */
int lexer_init(struct lexer *lexer, const char *text, size_t size, const char *name, char *error,
	       size_t error_size);

/* "NAME:LINE: what is wrong"; OWAMP_EINVAL for the caller to return. */
__attribute__((format(printf, 2, 3))) int lexer_bad(const struct lexer *lexer, const char *format, ...);

/* The next word of the logical line; size 0 at its end. Characters in ends also end a word. */
int lexer_word(struct lexer *lexer, const char *ends, struct word *word);

/* Takes the character c if it comes next. */
int lexer_take(struct lexer *lexer, char c, bool *taken);

/* Fails if there is more on the logical line; what says what came before. */
int lexer_line_end(struct lexer *lexer, const char *expected, struct word last);

/* Goes to the first word of the next line that is no comment and not empty; false at the end. */
bool lexer_next_line(struct lexer *lexer);

bool word_is(struct word word, const char *text);

#endif
