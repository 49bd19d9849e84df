#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "owamp/crypto.h"
#include "owamp/error.h"
#include "owamp/keyfile.h"
#include "owamp/session.h"

/* Far more than anybody has; a wrong path (a log, a device) must not eat the memory. */
#define FILE_SIZE_MAX ((size_t)4 << 20)

struct entry {
	char key_id[OWAMP_KEYID_SIZE + 1];
	uint8_t *secret;
	size_t secret_size;
	unsigned line;
};

struct owamp_keyfile {
	struct entry *entries;
	size_t count;
	size_t room;
};

/* Secrets pass through this buffer only: stdio would leave copies behind. */
struct text {
	char *octets;
	size_t size;
	size_t room;
};

struct parser {
	const char *path;
	unsigned line;
	char *error;
	size_t error_size;
};

static void text_free(struct text *text)
{
	if (text->octets)
		owamp_wipe(text->octets, text->room);
	free(text->octets);
}

static int text_grow(struct text *text)
{
	size_t room = text->room ? 2 * text->room : 4096;
	char *octets = malloc(room);

	if (!octets)
		return OWAMP_ENOMEM;
	if (text->octets)
		memcpy(octets, text->octets, text->size);
	text_free(text);
	text->octets = octets;
	text->room = room;
	return 0;
}

/* Reads all of fd. ESYSTEM leaves the reason in errno. */
static int text_read(struct text *text, int fd)
{
	for (;;) {
		ssize_t got;

		if (text->size == text->room && text_grow(text))
			return OWAMP_ENOMEM;
		got = read(fd, text->octets + text->size, text->room - text->size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return OWAMP_ESYSTEM;
		if (got == 0)
			return 0;
		text->size += (size_t)got;
		if (text->size > FILE_SIZE_MAX) {
			errno = EFBIG;
			return OWAMP_ESYSTEM;
		}
	}
}

__attribute__((format(printf, 2, 3))) static int bad(const struct parser *parser, const char *format, ...)
{
	char what[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	snprintf(parser->error, parser->error_size, "%s:%u: %s", parser->path, parser->line, what);
	return OWAMP_EINVAL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/*
 * The size of the UTF-8 sequence at text, or 0 if there is none: overlong
 * forms, surrogates, values above U+10FFFF and control characters count as none.
 */
static size_t utf8_sequence(const uint8_t *text, size_t size)
{
	static const uint32_t smallest[] = {0, 0x20, 0x80, 0x800, 0x10000};
	uint32_t value;
	size_t length, i;

	if (text[0] < 0x80)
		return text[0] >= 0x20 && text[0] != 0x7f;
	length = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	if (text[0] < 0xc2 || text[0] > 0xf4 || length > size)
		return 0;
	value = text[0] & (0x7fU >> length);
	for (i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (text[i] & 0x3fU);
	}
	if (value < smallest[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	return length;
}

static int check_key_id(const struct parser *parser, const char *key_id, size_t size)
{
	size_t i, length;

	if (size > OWAMP_KEYID_SIZE)
		return bad(parser, "the identity has %zu octets, expected 1 to %d", size, OWAMP_KEYID_SIZE);
	for (i = 0; i < size; i += length) {
		length = utf8_sequence((const uint8_t *)key_id + i, size - i);
		if (length == 0)
			return bad(parser, "octet %zu of the identity (0x%02x) is not printable UTF-8", i + 1,
				   (unsigned)(uint8_t)key_id[i]);
	}
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* No message may show what the secret is, so digits are named by their place. */
static int parse_secret(const struct parser *parser, struct entry *entry, const char *hex, size_t size)
{
	size_t i;

	if (size == 0)
		return bad(parser, "no secret for '%s', expected the identity, a tab and hexadecimal digits",
			   entry->key_id);
	for (i = 0; i < size; i++)
		if (hex_digit(hex[i]) < 0)
			return bad(parser, "character %zu of the secret is not a hexadecimal digit", i + 1);
	if (size % 2 != 0)
		return bad(parser, "the secret has %zu hexadecimal digits, expected an even number", size);

	entry->secret = malloc(size / 2);
	if (!entry->secret)
		return OWAMP_ENOMEM;
	entry->secret_size = size / 2;
	for (i = 0; i < size / 2; i++)
		entry->secret[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
	for (i = 0; i < size / 2; i++)
		if (entry->secret[i] == '\n')
			return bad(parser, "octet %zu of the secret is a newline (0a), RFC 4656 forbids it",
				   i + 1);
	return 0;
}

static struct entry *find(const struct owamp_keyfile *keyfile, const char *key_id)
{
	for (size_t i = 0; i < keyfile->count; i++)
		if (strcmp(keyfile->entries[i].key_id, key_id) == 0)
			return &keyfile->entries[i];
	return NULL;
}

static struct entry *add_entry(struct owamp_keyfile *keyfile)
{
	if (keyfile->count == keyfile->room) {
		size_t room = keyfile->room ? 2 * keyfile->room : 16;
		struct entry *entries = realloc(keyfile->entries, room * sizeof(*entries));

		if (!entries)
			return NULL;
		keyfile->entries = entries;
		keyfile->room = room;
	}
	memset(&keyfile->entries[keyfile->count], 0, sizeof(struct entry));
	return &keyfile->entries[keyfile->count++];
}

static int parse_line(struct owamp_keyfile *keyfile, const struct parser *parser, const char *line,
		      size_t size)
{
	char key_id[OWAMP_KEYID_SIZE + 1] = "";
	const struct entry *earlier;
	struct entry *entry;
	size_t id_size = 0;
	int result;

	while (size > 0 && is_blank(line[0]))
		line++, size--;
	while (size > 0 && is_blank(line[size - 1]))
		size--;
	if (size == 0 || line[0] == '#')
		return 0;

	while (id_size < size && !is_blank(line[id_size]))
		id_size++;
	result = check_key_id(parser, line, id_size);
	if (result)
		return result;
	memcpy(key_id, line, id_size);
	earlier = find(keyfile, key_id);
	if (earlier)
		return bad(parser, "identity '%s' is given twice, first in line %u", key_id, earlier->line);

	line += id_size;
	size -= id_size;
	while (size > 0 && is_blank(line[0]))
		line++, size--;
	entry = add_entry(keyfile);
	if (!entry)
		return OWAMP_ENOMEM;
	memcpy(entry->key_id, key_id, sizeof(key_id));
	entry->line = parser->line;
	return parse_secret(parser, entry, line, size);
}

static int parse(struct owamp_keyfile *keyfile, struct parser *parser, const struct text *text)
{
	size_t at = 0;

	while (at < text->size) {
		const char *line = text->octets + at;
		const char *end = memchr(line, '\n', text->size - at);
		size_t size = end ? (size_t)(end - line) : text->size - at;
		int result;

		parser->line++;
		result = parse_line(keyfile, parser, line, size);
		if (result)
			return result;
		at += size + 1;
	}
	return 0;
}

int owamp_keyfile_load(struct owamp_keyfile **keyfile, const char *path, char *error, size_t error_size)
{
	struct parser parser = {.path = path, .error = error, .error_size = error_size};
	struct owamp_keyfile *made = NULL;
	struct text text = {0};
	int result = OWAMP_ENOMEM;
	int fd = -1;

	*keyfile = NULL;
	snprintf(error, error_size, "%s: out of memory", path);
	made = calloc(1, sizeof(*made));
	if (!made)
		goto cleanup;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	result = fd < 0 ? OWAMP_ESYSTEM : text_read(&text, fd);
	if (result == OWAMP_ESYSTEM)
		snprintf(error, error_size, "%s: cannot read the key file: %s", path, strerror(errno));
	if (result)
		goto cleanup;
	result = parse(made, &parser, &text);
	if (result)
		goto cleanup;
	snprintf(error, error_size, "%s", "");
	*keyfile = made;
	made = NULL;
cleanup:
	text_free(&text);
	if (fd >= 0)
		close(fd);
	owamp_keyfile_free(made);
	return result;
}

void owamp_keyfile_free(struct owamp_keyfile *keyfile)
{
	if (!keyfile)
		return;
	for (size_t i = 0; i < keyfile->count; i++) {
		struct entry *entry = &keyfile->entries[i];

		if (entry->secret)
			owamp_wipe(entry->secret, entry->secret_size);
		free(entry->secret);
	}
	free(keyfile->entries);
	free(keyfile);
}

const uint8_t *owamp_keyfile_find(const struct owamp_keyfile *keyfile, const char *key_id,
				  size_t *secret_size)
{
	const struct entry *entry = find(keyfile, key_id);

	if (!entry)
		return NULL;
	*secret_size = entry->secret_size;
	return entry->secret;
}

size_t owamp_keyfile_count(const struct owamp_keyfile *keyfile)
{
	return keyfile->count;
}

const char *owamp_keyfile_identity(const struct owamp_keyfile *keyfile, size_t index)
{
	return index < keyfile->count ? keyfile->entries[index].key_id : NULL;
}
