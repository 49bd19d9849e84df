#include "leap.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>

#include <openssl/evp.h>

#include <owamp/error.h>

#define SECOND_NS INT64_C(1000000000)

/* The file counts seconds since 1900, without leap seconds. */
#define UNIX_SINCE_1900 INT64_C(2208988800)

/* Fits with room in an int64_t as ns since 1970, and is far away. */
#define SECONDS_MAX INT64_C(9000000000)

/* TAI - UTC that nobody will live to see. */
#define TAI_UTC_MAX 1000

#define FILE_MAX (1 << 20)

#define HASH_WORDS 5
#define HASH_SIZE  20

struct parser {
	struct leap_table *table;
	const char *name;
	int line;
	const char *at; /* in the line */
	const char *end;
	EVP_MD_CTX *digits; /* those that count, as they stand in the file */
	bool expires;
	int hash_line; /* 0: none */
	uint8_t hash[HASH_SIZE];
	char *error;
	size_t error_size;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct parser *parser, const char *format, ...)
{
	char what[160];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(what, sizeof what, format, arguments);
	va_end(arguments);
	if (parser->line > 0)
		(void)snprintf(parser->error, parser->error_size, "%s:%d: %s", parser->name, parser->line,
			       what);
	else
		(void)snprintf(parser->error, parser->error_size, "%s: %s", parser->name, what);
	return OWAMP_EINVAL;
}

static void skip_blanks(struct parser *parser)
{
	while (parser->at < parser->end && (*parser->at == ' ' || *parser->at == '\t' || *parser->at == '\r'))
		parser->at++;
}

static bool at_end(struct parser *parser)
{
	skip_blanks(parser);
	return parser->at == parser->end;
}

static int take_number(struct parser *parser, const char *what, int64_t most, int64_t *value)
{
	const char *start;

	skip_blanks(parser);
	start = parser->at;
	*value = 0;
	while (parser->at < parser->end && isdigit((unsigned char)*parser->at)) {
		*value = *value * 10 + (*parser->at++ - '0');
		if (*value > most)
			return refuse(parser, "%s is beyond %lld", what, (long long)most);
	}
	if (parser->at == start)
		return refuse(parser, "expected %s, in digits", what);
	if (EVP_DigestUpdate(parser->digits, start, (size_t)(parser->at - start)) != 1)
		return OWAMP_ECRYPTO;
	return 0;
}

static int take_time(struct parser *parser, const char *what, int64_t *unix_s)
{
	int error = take_number(parser, what, SECONDS_MAX, unix_s);

	*unix_s -= UNIX_SINCE_1900;
	return error;
}

/* #$ SECONDS and #@ SECONDS: when the file was updated, and when it expires. */
static int take_date(struct parser *parser, const char *what, int64_t *unix_s)
{
	int error;

	parser->at += 2;
	error = take_time(parser, what, unix_s);
	if (!error && !at_end(parser))
		return refuse(parser, "expected nothing after %s", what);
	return error;
}

/* #h and five words of up to eight hexadecimal digits; zeros in front may be missing. */
static int take_hash(struct parser *parser)
{
	parser->at += 2;
	if (parser->hash_line)
		return refuse(parser, "a second hash, after line %d", parser->hash_line);
	parser->hash_line = parser->line;
	for (int word = 0; word < HASH_WORDS; word++) {
		const char *start;
		uint32_t value = 0;

		skip_blanks(parser);
		start = parser->at;
		while (parser->at < parser->end && isxdigit((unsigned char)*parser->at)) {
			int digit = tolower((unsigned char)*parser->at++);

			value = value << 4 | (uint32_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
		}
		if (parser->at == start || parser->at - start > 8)
			return refuse(parser, "expected a hash of 5 words of 8 hexadecimal digits");
		for (int i = 0; i < 4; i++)
			parser->hash[word * 4 + i] = (uint8_t)(value >> (24 - 8 * i));
	}
	return at_end(parser) ? 0 : refuse(parser, "expected nothing after the hash");
}

static int append(struct parser *parser, int64_t utc_s, int64_t tai_utc)
{
	struct leap_table *table = parser->table;
	const struct leap_entry *last = table->count > 0 ? &table->entries[table->count - 1] : NULL;

	if (last && utc_s <= last->utc_s)
		return refuse(parser, "earlier than the line before: expected ascending times");
	if (last && llabs(tai_utc - last->tai_utc) != 1)
		return refuse(parser, "TAI - UTC goes from %d to %d: expected one second more or less",
			      (int)last->tai_utc, (int)tai_utc);
	if (table->count == LEAP_MAX)
		return refuse(parser, "more than %d leap seconds", LEAP_MAX);
	table->entries[table->count++] = (struct leap_entry){.utc_s = utc_s, .tai_utc = (int32_t)tai_utc};
	return 0;
}

/* SECONDS TAI-UTC, and perhaps a comment. */
static int take_entry(struct parser *parser)
{
	int64_t utc_s, tai_utc;
	int error = take_time(parser, "a time in seconds since 1900", &utc_s);

	if (!error)
		error = take_number(parser, "TAI - UTC in seconds", TAI_UTC_MAX, &tai_utc);
	if (error)
		return error;
	if (!at_end(parser) && *parser->at != '#')
		return refuse(parser, "expected nothing but a comment after TAI - UTC");
	return append(parser, utc_s, tai_utc);
}

static int take_line(struct parser *parser)
{
	int64_t updated;

	if (*parser->at != '#')
		return at_end(parser) ? 0 : take_entry(parser);
	if (parser->end - parser->at < 2)
		return 0;
	switch (parser->at[1]) {
	case '$':
		return take_date(parser, "the time of the last update", &updated);
	case '@':
		if (parser->expires)
			return refuse(parser, "a second line #@");
		parser->expires = true;
		return take_date(parser, "the time of expiry", &parser->table->expires_s);
	case 'h':
		return take_hash(parser);
	default:
		return 0;
	}
}

static int take_lines(struct parser *parser, const char *text)
{
	int error = 0;

	while (!error && *text) {
		const char *end = strchr(text, '\n');

		if (!end)
			end = text + strlen(text);
		parser->line++;
		parser->at = text;
		parser->end = end;
		error = take_line(parser);
		text = *end ? end + 1 : end;
	}
	return error;
}

static int check(struct parser *parser)
{
	uint8_t found[EVP_MAX_MD_SIZE];

	parser->line = 0;
	if (parser->table->count == 0)
		return refuse(parser, "there is no leap second in it");
	if (!parser->expires)
		return refuse(parser, "there is no line #@ that says when it expires");
	if (parser->hash_line == 0)
		return 0;
	if (EVP_DigestFinal_ex(parser->digits, found, NULL) != 1)
		return OWAMP_ECRYPTO;
	parser->line = parser->hash_line;
	if (memcmp(found, parser->hash, HASH_SIZE) != 0)
		return refuse(parser, "the hash is not that of the times in the file: it is damaged");
	return 0;
}

int leap_parse(struct leap_table *table, const char *text, const char *name, char *error, size_t error_size)
{
	struct parser parser = {.table = table,
				.name = name,
				.error = error,
				.error_size = error_size,
				.digits = EVP_MD_CTX_new()};
	int result = OWAMP_ECRYPTO;

	*table = (struct leap_table){0};
	if (parser.digits && EVP_DigestInit_ex(parser.digits, EVP_sha1(), NULL) == 1)
		result = take_lines(&parser, text);
	if (!result)
		result = check(&parser);
	if (result == OWAMP_ECRYPTO)
		(void)snprintf(error, error_size, "%s: SHA-1 is not to be had", name);
	if (result)
		table->count = 0;
	EVP_MD_CTX_free(parser.digits);
	return result;
}

/* A terminated copy of the file's text, or NULL with errno; EFBIG and EILSEQ: that cannot be such a file. */
static char *read_text(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = file ? malloc(FILE_MAX + 1) : NULL;
	size_t size = text ? fread(text, 1, FILE_MAX + 1, file) : 0;
	int problem = errno;

	if (text && ferror(file))
		goto failed;
	if (text && (size > FILE_MAX || memchr(text, '\0', size))) {
		problem = size > FILE_MAX ? EFBIG : EILSEQ;
		goto failed;
	}
	if (text)
		text[size] = '\0';
	if (file)
		(void)fclose(file);
	errno = problem;
	return text;

failed:
	(void)fclose(file);
	free(text);
	errno = problem;
	return NULL;
}

int leap_load(struct leap_table *table, const char *path, char *error, size_t error_size)
{
	char *text = read_text(path);
	int result, problem = errno;

	*table = (struct leap_table){0};
	if (!text && (problem == EFBIG || problem == EILSEQ)) {
		(void)snprintf(error, error_size, "%s: this is no leap-seconds.list: %s", path,
			       problem == EFBIG ? "it is larger than 1 MiB" : "it is no text");
		return OWAMP_EINVAL;
	}
	if (!text) {
		(void)snprintf(error, error_size, "%s: %s", path, strerror(problem));
		errno = problem;
		return OWAMP_ESYSTEM;
	}
	result = leap_parse(table, text, path, error, error_size);
	free(text);
	return result;
}

void leap_reload(struct leap_table *table, const char *path, struct leap_stamp *stamp)
{
	struct leap_table fresh;
	struct leap_stamp found;
	struct stat file;
	char error[256];

	if (stat(path, &file))
		return;
	found = (struct leap_stamp){
		.mtime_ns = (int64_t)file.st_mtim.tv_sec * SECOND_NS + file.st_mtim.tv_nsec,
		.size = file.st_size,
		.inode = file.st_ino,
	};
	if (found.mtime_ns == stamp->mtime_ns && found.size == stamp->size && found.inode == stamp->inode)
		return;
	*stamp = found;
	if (!leap_load(&fresh, path, error, sizeof error))
		*table = fresh;
}

int32_t leap_tai_utc(const struct leap_table *table, int64_t utc_ns)
{
	size_t i = table->count;

	if (i == 0 || utc_ns / SECOND_NS >= table->expires_s)
		return 0;
	while (i > 0 && utc_ns < table->entries[i - 1].utc_s * SECOND_NS)
		i--;
	return i > 0 ? table->entries[i - 1].tai_utc : 0;
}

/*
 * Let the leap second be d = +1 s (inserted) or -1 s (deleted), L the time from
 * which the new TAI - UTC holds, x = UTC - L as POSIX counts it, W the smear's
 * length, and t = TAI less TAI at L.
 *
 * POSIX goes back (or ahead) by d when the leap second begins, at t = -d if one
 * is inserted and t = 0 if one is deleted: before, x = t + d; from there on, x = t.
 *
 * The smeared clock S agrees with UTC at x = -W/2, t = -W/2 - d, and at x = W/2 =
 * t. In between it runs evenly: W on its face in W + d of TAI. So
 *
 *	S - L = (t + d/2) W / (W + d)
 *
 * which less x is
 *
 *	before (t = x - d):   (x - d/2) W / (W + d) - x  =  -d (x + W/2) / (W + d)
 *	from there on:        (x + d/2) W / (W + d) - x  =   d (W/2 - x) / (W + d)
 *
 * with d = 1 s as the unit. If one is inserted, S loses half a second before and,
 * UTC having gone back, is half a second ahead after, and loses that.
 */
static __int128 smear_scaled(int64_t d, int64_t smear_ns, int64_t x)
{
	return x < 0 ? -(__int128)d * (x + smear_ns / 2) : (__int128)d * (smear_ns / 2 - x);
}

/* numerator x 1 s / (W + d), away from 0. */
static int64_t smear_divided(__int128 numerator, int64_t d, int64_t smear_ns)
{
	__int128 denominator = (__int128)smear_ns + d * SECOND_NS;
	__int128 magnitude = (numerator < 0 ? -numerator : numerator) * SECOND_NS;
	int64_t ns;

	/* In a smear of less than a deleted second there is no even rate: all is possible. */
	if (denominator <= 0)
		return numerator < 0 ? -SECOND_NS : SECOND_NS;
	ns = (int64_t)((magnitude + denominator - 1) / denominator);
	return numerator < 0 ? -ns : ns;
}

/* The leap second within whose smear the time is, or before or after by up to slack_ns: its d, or 0. */
static int64_t find_smear(const struct leap_table *table, int64_t smear_ns, int64_t slack_ns, int64_t utc_ns,
			  int64_t *x)
{
	for (size_t i = 1; i < table->count; i++) {
		*x = utc_ns - table->entries[i].utc_s * SECOND_NS;
		if (llabs(*x) < smear_ns / 2 + slack_ns)
			return table->entries[i].tai_utc - table->entries[i - 1].tai_utc;
	}
	return 0;
}

int64_t leap_smear(const struct leap_table *table, int64_t smear_ns, int64_t utc_ns)
{
	int64_t x, d = find_smear(table, smear_ns, 0, utc_ns, &x);

	return d == 0 ? 0 : smear_divided(smear_scaled(d, smear_ns, x), d, smear_ns);
}

/*
 * The smearing clock's time is within a second of UTC's, and a second later that
 * is true of two: within this of the leap second, the largest there is, which is
 * that of the repeated second's beginning or the deleted one's end; otherwise, of
 * so much nearer to it.
 */
#define SLACK_NS (2 * SECOND_NS)

bool leap_smear_is_known(const struct leap_table *table, int64_t smear_ns, int64_t smeared_ns)
{
	return smeared_ns + smear_ns / 2 + SLACK_NS < table->expires_s * SECOND_NS;
}

/* Of a leap second that is deleted it is more: the same in less time. */
static int64_t smear_largest(int64_t smear_ns)
{
	return smear_divided((__int128)smear_ns / 2 + SECOND_NS, -1, smear_ns);
}

int64_t leap_smear_most(const struct leap_table *table, int64_t smear_ns, int64_t smeared_ns)
{
	int64_t x, d;

	if (smear_ns <= 0)
		return 0;
	if (!leap_smear_is_known(table, smear_ns, smeared_ns))
		return smear_largest(smear_ns);
	d = find_smear(table, smear_ns, SLACK_NS, smeared_ns, &x);
	if (d == 0)
		return 0;
	x = llabs(x) - SLACK_NS;
	if (x < 0)
		x = -SECOND_NS;
	return smear_divided((__int128)smear_ns / 2 - x, d, smear_ns);
}
