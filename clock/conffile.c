#include "clock/conffile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

/* Far more than anybody has; a wrong path (a log, a device) must not eat the memory. */
#define SIZE_MAX_OCTETS ((size_t)4 << 20)

/* What ends an unquoted word. */
#define DELIMITERS " \t\r\n={},+()"

/* On an option that had a value: a bit that libConfuse leaves alone. */
#define FLAG_SEEN (1 << 24)

int conffile_read(const char *path, char **text, size_t *size, char *error, size_t error_size)
{
	FILE *file = fopen(path, "re");
	char *octets = malloc(SIZE_MAX_OCTETS + 1);
	int result = 0;

	*text = NULL;
	*size = file && octets ? fread(octets, 1, SIZE_MAX_OCTETS + 1, file) : 0;
	if (!file || ferror(file)) {
		snprintf(error, error_size, "%s: cannot read: %s", path, strerror(errno));
		result = OWAMP_ESYSTEM;
	} else if (!octets) {
		snprintf(error, error_size, "%s: out of memory", path);
		result = OWAMP_ENOMEM;
	} else if (*size > SIZE_MAX_OCTETS) {
		snprintf(error, error_size, "%s: the file is larger than 4 MiB", path);
		result = OWAMP_EINVAL;
	} else if (memchr(octets, '\0', *size)) {
		snprintf(error, error_size, "%s: the file holds a NUL octet, expected text", path);
		result = OWAMP_EINVAL;
	}
	if (file)
		fclose(file);
	if (result) {
		free(octets);
		return result;
	}
	octets[*size] = '\0';
	*text = octets;
	return 0;
}

bool conffile_seen(cfg_opt_t *option)
{
	bool seen = option->flags & FLAG_SEEN;

	option->flags |= FLAG_SEEN;
	return seen;
}

/*
 * libConfuse hands its error function no context, so the message is kept where
 * cfg_free() looks after it: in the comment of the section, unused without
 * CFGF_COMMENTS. The first message is the cause of all others.
 */
static void keep_error(cfg_t *cfg, const char *format, va_list arguments)
{
	if (cfg->comment)
		return;
	if (vasprintf(&cfg->comment, format, arguments) < 0) {
		cfg->comment = NULL;
		return;
	}
	/* It may quote the file: one line, whatever octets that has. */
	for (char *c = cfg->comment; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

static char *quoted_end(char *text)
{
	char *end = text + 1;

	while (*end && *end != *text)
		end += *end == '\\' && end[1] ? 2 : 1;
	return *end ? end + 1 : end;
}

/*
 * The end of a comment that begins at text, text if none does, NULL if it has
 * no end. In an unquoted word, such as a path, only '#' begins one.
 */
static char *comment_end(char *text, bool word)
{
	char *end;

	if (text[0] == '#' || (!word && text[0] == '/' && text[1] == '/'))
		return text + strcspn(text, "\n");
	if (word || text[0] != '/' || text[1] != '*')
		return text;
	end = strstr(text + 2, "*/");
	return end ? end + 2 : NULL;
}

static void blank(char *text, const char *end)
{
	for (; text < end; text++)
		if (*text != '\n')
			*text = ' ';
}

/*
 * libConfuse 3.3 counts some lines twice if there are comments and allows none
 * inside a list, so it gets the text with blanks in their place. Returns where
 * a comment without an end begins, or NULL.
 */
static const char *blank_comments(char *text)
{
	bool word = false;

	while (*text) {
		char *end = comment_end(text, word);

		if (!end)
			return text;
		blank(text, end);
		if (*text == '"' || *text == '\'') {
			text = quoted_end(text);
			word = false;
		} else if (end == text) {
			word = !strchr(DELIMITERS, *text++);
		} else {
			text = end;
		}
	}
	return NULL;
}

static char *token_end(char *token)
{
	size_t blanks = strspn(token, " \t\r\n");

	if (blanks > 0)
		return token + blanks;
	if (*token == '"' || *token == '\'')
		return quoted_end(token);
	if (strchr(DELIMITERS, *token))
		return token + 1;
	return token + strcspn(token, DELIMITERS "\"'");
}

static bool is_name(const char *token, const char *end, const char *name)
{
	size_t size = (size_t)(end - token);

	if ((*token == '"' || *token == '\'') && size >= 2) {
		token++;
		size -= 2;
	}
	return size == strlen(name) && memcmp(token, name, size) == 0;
}

/*
 * Blanks all but sections of that name, because CFGF_IGNORE_UNKNOWN would be
 * inherited by the section itself; name NULL: nothing. Returns a brace without an
 * end, which libConfuse does not mind at the end of the file, or one that ends
 * nothing, or NULL.
 */
static const char *blank_others(char *text, const char *name)
{
	const char *open = NULL; /* the outermost brace */
	unsigned depth = 0;
	bool is_value = false; /* the token at hand belongs to the one before */
	bool keep = false;

	for (char *token = text, *end; *token; token = end) {
		char kind = *token;

		end = token_end(token);
		if (strchr(" \t\r\n", kind))
			continue;
		if (depth == 0 && !is_value && !strchr("{=,+", kind))
			keep = !name || is_name(token, end, name);
		if (kind == '}' && depth == 0)
			return token;
		if (kind == '{' && depth++ == 0)
			open = token;
		if (kind == '}')
			depth--;
		if (!keep)
			blank(token, end);
		is_value = strchr("=,+", kind) != NULL;
	}
	return depth > 0 ? open : NULL;
}

static unsigned line_of(const char *text, const char *place)
{
	unsigned line = 1;

	for (; text < place; text++)
		line += *text == '\n';
	return line;
}

static int refuse_second(cfg_t *cfg, cfg_opt_t *section)
{
	if (!conffile_seen(section))
		return 0;
	cfg_error(cfg, "%s: is given twice, expected one section", section->name);
	return -1;
}

static bool is_section(const cfg_opt_t *option)
{
	return option->type == CFGT_SEC;
}

static void watch_sections(cfg_t *cfg)
{
	for (cfg_opt_t *option = cfg->opts; option->name; option++)
		if (is_section(option) && !(option->flags & CFGF_MULTI))
			option->validcb = refuse_second;
}

/* The section in which the error was, with its name and title in front of what was said there. */
static const cfg_t *find_error(const cfg_t *cfg, char *where, size_t where_size)
{
	if (cfg->comment)
		return cfg;
	for (cfg_opt_t *option = cfg->opts; option->name; option++) {
		for (unsigned i = 0; is_section(option) && i < cfg_opt_size(option); i++) {
			const cfg_t *section = cfg_opt_getnsec(option, i);
			size_t used = strlen(where);
			const cfg_t *found;

			if (section->title)
				snprintf(where + used, where_size - used, "%s \"%s\": ", section->name,
					 section->title);
			else
				snprintf(where + used, where_size - used, "%s: ", section->name);
			found = find_error(section, where, where_size);
			if (found)
				return found;
			where[used] = '\0';
		}
	}
	return NULL;
}

static int parse(cfg_t *cfg, const char *path, const char *text, char *error, size_t error_size)
{
	const cfg_t *place;
	char where[128] = "";

	cfg_set_error_function(cfg, keep_error);
	watch_sections(cfg);
	if (cfg_parse_buf(cfg, text) == CFG_SUCCESS)
		return 0;
	place = find_error(cfg, where, sizeof(where));
	snprintf(error, error_size, "%s:%d: %s%s", path, place ? place->line : cfg->line, where,
		 place ? place->comment : "syntax error");
	return OWAMP_EINVAL;
}

static int prepare(const char *path, char *text, const char *section, char *error, size_t error_size)
{
	const char *open = blank_comments(text);

	if (open) {
		snprintf(error, error_size, "%s:%u: comment without an end, expected */", path,
			 line_of(text, open));
		return OWAMP_EINVAL;
	}
	open = blank_others(text, section);
	if (open) {
		snprintf(error, error_size, "%s:%u: %s", path, line_of(text, open),
			 *open == '}' ? "unexpected closing brace" : "brace without an end, expected }");
		return OWAMP_EINVAL;
	}
	return 0;
}

int conffile_parse(cfg_t *cfg, const char *path, const char *section, char *error, size_t error_size)
{
	char *text;
	size_t size;
	/* Not cfg_parse(): its scanner ends the process if the file cannot be read. */
	int result = conffile_read(path, &text, &size, error, error_size);

	if (!result)
		result = prepare(path, text, section, error, error_size);
	if (!result)
		result = parse(cfg, path, text, error, error_size);
	free(text);
	return result;
}
