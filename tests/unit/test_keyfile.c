#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "owamp/crypto.h"

/* The file under test is included so that its wiping can be watched. */
static void watched_wipe(void *octets, size_t size);
#define owamp_wipe watched_wipe
#include "engine/keyfile.c"
#undef owamp_wipe

#define WIPES_MAX 4096

static struct {
	uint8_t *octets;
	size_t size;
} wipes[WIPES_MAX];
static size_t wipe_count;

static void watched_wipe(void *octets, size_t size)
{
	assert_true(wipe_count < WIPES_MAX);
	wipes[wipe_count].octets = malloc(size);
	assert_non_null(wipes[wipe_count].octets);
	memcpy(wipes[wipe_count].octets, octets, size);
	wipes[wipe_count++].size = size;
	memset(octets, 0, size);
}

static int forget_wipes(void **state)
{
	(void)state;
	while (wipe_count > 0)
		free(wipes[--wipe_count].octets);
	return 0;
}

/* Has anything been wiped that held these octets? */
static bool was_wiped(const void *octets, size_t size)
{
	for (size_t i = 0; i < wipe_count; i++)
		if (memmem(wipes[i].octets, wipes[i].size, octets, size))
			return true;
	return false;
}

struct file {
	int fd;
	char path[64];
};

static struct file make_file(const void *octets, size_t size)
{
	struct file file = {.fd = memfd_create("keys", MFD_CLOEXEC)};

	assert_true(file.fd >= 0);
	assert_int_equal(write(file.fd, octets, size), size);
	snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.fd);
	return file;
}

static struct owamp_keyfile *load_good(const void *octets, size_t size)
{
	struct file file = make_file(octets, size);
	struct owamp_keyfile *keyfile;
	char error[512] = "";

	if (owamp_keyfile_load(&keyfile, file.path, error, sizeof(error)))
		fail_msg("%s", error);
	assert_string_equal(error, "");
	close(file.fd);
	return keyfile;
}

/* what: the error without the path. */
static void load_bad(const void *octets, size_t size, const char *what)
{
	struct file file = make_file(octets, size);
	struct owamp_keyfile *keyfile = (struct owamp_keyfile *)&file;
	char error[512] = "", wanted[512];

	snprintf(wanted, sizeof(wanted), "%s:%s", file.path, what);
	assert_int_equal(owamp_keyfile_load(&keyfile, file.path, error, sizeof(error)), OWAMP_EINVAL);
	assert_null(keyfile);
	assert_string_equal(error, wanted);
	close(file.fd);
}

#define LOAD_BAD(text, what) load_bad(text, sizeof(text) - 1, what)

static void test_reads_the_format(void **state)
{
	static const char text[] = "# comment\n"
				   "\n"
				   " \t\n"
				   "alice\t48656C6c6f\n"
				   "bob  \t 00ff00\r\n"
				   "  # indented comment\n"
				   "m\xc3\xbcller 7a"; /* no newline at the end */
	static const uint8_t hello[] = {'H', 'e', 'l', 'l', 'o'};
	static const uint8_t zeros[] = {0x00, 0xff, 0x00};
	struct owamp_keyfile *keyfile = load_good(text, sizeof(text) - 1);
	const uint8_t *secret;
	size_t size = 0;

	(void)state;
	assert_int_equal(owamp_keyfile_count(keyfile), 3);
	assert_string_equal(owamp_keyfile_identity(keyfile, 0), "alice");
	assert_string_equal(owamp_keyfile_identity(keyfile, 1), "bob");
	assert_string_equal(owamp_keyfile_identity(keyfile, 2), "m\xc3\xbcller");
	assert_null(owamp_keyfile_identity(keyfile, 3));

	secret = owamp_keyfile_find(keyfile, "alice", &size);
	assert_int_equal(size, 5);
	assert_memory_equal(secret, hello, 5);
	secret = owamp_keyfile_find(keyfile, "bob", &size);
	assert_int_equal(size, 3);
	assert_memory_equal(secret, zeros, 3);
	secret = owamp_keyfile_find(keyfile, "m\xc3\xbcller", &size);
	assert_int_equal(size, 1);
	assert_int_equal(secret[0], 'z');
	assert_null(owamp_keyfile_find(keyfile, "carol", &size));
	assert_null(owamp_keyfile_find(keyfile, "alic", &size));
	assert_null(owamp_keyfile_find(keyfile, "", &size));
	owamp_keyfile_free(keyfile);
}

static void test_empty_file_has_no_keys(void **state)
{
	struct owamp_keyfile *keyfile = load_good("", 0);
	size_t size;

	(void)state;
	assert_int_equal(owamp_keyfile_count(keyfile), 0);
	assert_null(owamp_keyfile_find(keyfile, "alice", &size));
	owamp_keyfile_free(keyfile);
	owamp_keyfile_free(NULL);
}

static void test_many_identities(void **state)
{
	char text[40000] = "", name[16];
	struct owamp_keyfile *keyfile;
	const uint8_t *secret;
	size_t size, at = 0;

	(void)state;
	for (unsigned i = 0; i < 2000; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "user%u\t%04x\n", i, 0x4000 + i);
	/* 0x..0a would be a newline in the secret. */
	for (char *c = text; (c = strstr(c, "0a\n")); c++)
		c[1] = 'b';
	keyfile = load_good(text, strlen(text));
	assert_int_equal(owamp_keyfile_count(keyfile), 2000);
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		assert_string_equal(owamp_keyfile_identity(keyfile, i), name);
		secret = owamp_keyfile_find(keyfile, name, &size);
		assert_non_null(secret);
		assert_int_equal(size, 2);
		assert_int_equal(secret[0], 0x40 + (i >> 8));
		assert_int_equal(secret[1], (i & 0xff) == 0x0a ? 0x0b : i & 0xff);
	}
	owamp_keyfile_free(keyfile);
}

static void test_key_id_length(void **state)
{
	char text[OWAMP_KEYID_SIZE + 16];
	struct owamp_keyfile *keyfile;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text + 80, "\tabcd", 6);
	keyfile = load_good(text, strlen(text));
	assert_int_equal(strlen(owamp_keyfile_identity(keyfile, 0)), 80);
	owamp_keyfile_free(keyfile);

	memset(text, 'x', sizeof(text));
	memcpy(text + 81, "\tabcd", 6);
	load_bad(text, strlen(text), "1: the identity has 81 octets, expected 1 to 80");
}

static void test_key_id_is_utf8(void **state)
{
	/* The largest of each length, and the edges of the surrogates. */
	static const char good[] =
		"\xc2\x80 41\n\xdf\xbf 42\n\xe0\xa0\x80 43\n\xed\x9f\xbf 44\n\xee\x80\x80 45\n"
		"\xf0\x90\x80\x80 46\n\xf4\x8f\xbf\xbf 47\n";
	struct owamp_keyfile *keyfile = load_good(good, sizeof(good) - 1);

	(void)state;
	assert_int_equal(owamp_keyfile_count(keyfile), 7);
	owamp_keyfile_free(keyfile);

	LOAD_BAD("a\xff 41\n", "1: octet 2 of the identity (0xff) is not printable UTF-8");
	LOAD_BAD("\n\xc0\x80 41\n", "2: octet 1 of the identity (0xc0) is not printable UTF-8");
	LOAD_BAD("\xc1\xbf 41\n", "1: octet 1 of the identity (0xc1) is not printable UTF-8");
	LOAD_BAD("\xe0\x9f\xbf 41\n", "1: octet 1 of the identity (0xe0) is not printable UTF-8");
	LOAD_BAD("\xf0\x8f\xbf\xbf 41\n", "1: octet 1 of the identity (0xf0) is not printable UTF-8");
	LOAD_BAD("\xed\xa0\x80 41\n", "1: octet 1 of the identity (0xed) is not printable UTF-8");
	LOAD_BAD("\xf4\x90\x80\x80 41\n", "1: octet 1 of the identity (0xf4) is not printable UTF-8");
	LOAD_BAD("\xe2\x82 41\n", "1: octet 1 of the identity (0xe2) is not printable UTF-8");
	LOAD_BAD("\xe2\x82", "1: octet 1 of the identity (0xe2) is not printable UTF-8");
	LOAD_BAD("\xc3(x 41\n", "1: octet 1 of the identity (0xc3) is not printable UTF-8");
	LOAD_BAD("\x80 41\n", "1: octet 1 of the identity (0x80) is not printable UTF-8");
	LOAD_BAD("a\0b 41\n", "1: octet 2 of the identity (0x00) is not printable UTF-8");
	LOAD_BAD("a\x1b 41\n", "1: octet 2 of the identity (0x1b) is not printable UTF-8");
}

static void test_bad_secrets(void **state)
{
	(void)state;
	LOAD_BAD("a\n", "1: no secret for 'a', expected the identity, a tab and hexadecimal digits");
	LOAD_BAD("a \t \n", "1: no secret for 'a', expected the identity, a tab and hexadecimal digits");
	LOAD_BAD("a 41\nb 414\n", "2: the secret has 3 hexadecimal digits, expected an even number");
	LOAD_BAD("a 41g1\n", "1: character 3 of the secret is not a hexadecimal digit");
	LOAD_BAD("a 41 41\n", "1: character 3 of the secret is not a hexadecimal digit");
	LOAD_BAD("a 4142430a44\n", "1: octet 4 of the secret is a newline (0a), RFC 4656 forbids it");
}

static void test_identity_twice(void **state)
{
	(void)state;
	LOAD_BAD("a 41\nb 42\n\na 43\n", "4: identity 'a' is given twice, first in line 1");
}

static void test_unreadable(void **state)
{
	struct owamp_keyfile *keyfile = (struct owamp_keyfile *)state;
	char error[256];

	assert_int_equal(owamp_keyfile_load(&keyfile, "/nonexistent/keys", error, sizeof(error)),
			 OWAMP_ESYSTEM);
	assert_null(keyfile);
	assert_string_equal(error, "/nonexistent/keys: cannot read the key file: No such file or directory");
	assert_int_equal(owamp_keyfile_load(&keyfile, "/", error, sizeof(error)), OWAMP_ESYSTEM);
	assert_null(keyfile);
	assert_string_equal(error, "/: cannot read the key file: Is a directory");
	assert_int_equal(owamp_keyfile_load(&keyfile, "/dev/zero", error, sizeof(error)), OWAMP_ESYSTEM);
	assert_string_equal(error, "/dev/zero: cannot read the key file: File too large");
}

static void test_secrets_are_wiped(void **state)
{
	static const char hex[] = "53656372657431";
	static const char text[] = "alice 53656372657431\n";
	struct owamp_keyfile *keyfile = load_good(text, sizeof(text) - 1);

	(void)state;
	/* The file's text right after reading, the secret with the keyfile. */
	assert_true(was_wiped(hex, sizeof(hex) - 1));
	assert_false(was_wiped("Secret1", 7));
	owamp_keyfile_free(keyfile);
	assert_true(was_wiped("Secret1", 7));
}

static void test_secrets_are_wiped_on_failure(void **state)
{
	(void)state;
	LOAD_BAD("alice 53656372657431\nbob\n",
		 "2: no secret for 'bob', expected the identity, a tab and hexadecimal digits");
	assert_true(was_wiped("53656372657431", 14));
	assert_true(was_wiped("Secret1", 7));
	forget_wipes(NULL);
	LOAD_BAD("alice 536563726574310a\n",
		 "1: octet 8 of the secret is a newline (0a), RFC 4656 forbids it");
	assert_true(was_wiped("Secret1\n", 8));
}

static void test_growing_leaves_nothing_behind(void **state)
{
	char text[10000];
	struct owamp_keyfile *keyfile;

	(void)state;
	memset(text, '#', sizeof(text));
	memcpy(text, "alice 53656372657431\n", 21);
	keyfile = load_good(text, sizeof(text));
	/* The buffers of 4096 and 8192 octets that were outgrown, and the last. */
	assert_int_equal(wipe_count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_memory_equal(wipes[i].octets, text, 21);
	owamp_keyfile_free(keyfile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_reads_the_format, forget_wipes),
		cmocka_unit_test_teardown(test_empty_file_has_no_keys, forget_wipes),
		cmocka_unit_test_teardown(test_key_id_length, forget_wipes),
		cmocka_unit_test_teardown(test_key_id_is_utf8, forget_wipes),
		cmocka_unit_test_teardown(test_bad_secrets, forget_wipes),
		cmocka_unit_test_teardown(test_identity_twice, forget_wipes),
		cmocka_unit_test_teardown(test_unreadable, forget_wipes),
		cmocka_unit_test_teardown(test_secrets_are_wiped, forget_wipes),
		cmocka_unit_test_teardown(test_secrets_are_wiped_on_failure, forget_wipes),
		cmocka_unit_test_teardown(test_growing_leaves_nothing_behind, forget_wipes),
		cmocka_unit_test_teardown(test_many_identities, forget_wipes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
