/* Leap seconds: the file as it comes, files that are damaged, and the smear against plain rational
 * arithmetic. */
#include "reference.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <owamp/error.h>

#include "clock/leap.h"

#define SECOND INT64_C(1000000000)
#define DAY    (86400 * SECOND)

/* date -u -d 2017-01-01 +%s, and 1972-01-01, 2015-07-01, 2026-06-28 */
#define Y2017  INT64_C(1483228800)
#define Y1972  INT64_C(63072000)
#define Y2015  INT64_C(1435708800)
#define EXPIRY INT64_C(1782604800)

/* As IERS publishes it, less what is between; five lines. */
#define HEAD                                                                                                 \
	"#\tATOMIC TIME\r\n#\n\n"                                                                            \
	"#$\t3960835200\n#@\t3991593600\n"
#define ENTRIES                                                                                              \
	"2272060800\t10\t# 1 Jan 1972\n"                                                                     \
	"2287785600      11      # 1 Jul 1972\n"                                                             \
	"  2303683200 12\n"

static int parse(struct leap_table *table, const char *text, char *error)
{
	memset(table, 0xff, sizeof *table);
	error[0] = '\0';
	return leap_parse(table, text, "leap.list", error, 200);
}

static void assert_refused(const char *text, const char *why)
{
	struct leap_table table;
	char error[200];

	assert_int_equal(parse(&table, text, error), OWAMP_EINVAL);
	assert_string_equal(error, why);
	assert_int_equal(table.count, 0);
	assert_int_equal(leap_tai_utc(&table, Y2017 * SECOND), 0);
}

static void test_parse(void **state)
{
	struct leap_table table;
	char error[200];

	(void)state;
	assert_int_equal(parse(&table, HEAD ENTRIES, error), 0);
	assert_string_equal(error, "");
	assert_int_equal(table.count, 3);
	assert_int_equal(table.entries[0].utc_s, Y1972);
	assert_int_equal(table.entries[0].tai_utc, 10);
	assert_int_equal(table.entries[2].tai_utc, 12);
	assert_int_equal(table.expires_s, EXPIRY);
	/* A second that is taken out; and no newline at the end. */
	assert_int_equal(parse(&table, HEAD ENTRIES "2335219200 11", error), 0);
	assert_int_equal(table.entries[3].tai_utc, 11);
}

static void test_refused(void **state)
{
	char many[8192] = HEAD;
	size_t length = strlen(many);

	(void)state;
	assert_refused("", "leap.list: there is no leap second in it");
	assert_refused("#@ 3991593600\n", "leap.list: there is no leap second in it");
	assert_refused(ENTRIES, "leap.list: there is no line #@ that says when it expires");
	assert_refused(HEAD "2272060800\n", "leap.list:6: expected TAI - UTC in seconds, in digits");
	assert_refused(HEAD "x\n", "leap.list:6: expected a time in seconds since 1900, in digits");
	assert_refused(HEAD "-5 10\n", "leap.list:6: expected a time in seconds since 1900, in digits");
	assert_refused(HEAD "2272060800 10 x\n",
		       "leap.list:6: expected nothing but a comment after TAI - UTC");
	assert_refused(HEAD "2272060800 10x\n",
		       "leap.list:6: expected nothing but a comment after TAI - UTC");
	assert_refused(HEAD ENTRIES "2303683200 13\n",
		       "leap.list:9: earlier than the line before: expected ascending times");
	assert_refused(HEAD ENTRIES "2335219200 14\n",
		       "leap.list:9: TAI - UTC goes from 12 to 14: expected one second more or less");
	assert_refused(HEAD ENTRIES "2335219200 12\n",
		       "leap.list:9: TAI - UTC goes from 12 to 12: expected one second more or less");
	assert_refused(HEAD "99999999999999999999999999 10\n",
		       "leap.list:6: a time in seconds since 1900 is beyond 9000000000");
	assert_refused(HEAD "2272060800 1001\n", "leap.list:6: TAI - UTC in seconds is beyond 1000");
	assert_refused("#@\n" ENTRIES, "leap.list:1: expected the time of expiry, in digits");
	assert_refused("#@ 1 2\n" ENTRIES, "leap.list:1: expected nothing after the time of expiry");
	assert_refused(HEAD "#@ 3991593600\n" ENTRIES, "leap.list:6: a second line #@");
	assert_refused(HEAD ENTRIES "#h 1 2 3 4\n",
		       "leap.list:9: expected a hash of 5 words of 8 hexadecimal digits");
	assert_refused(HEAD ENTRIES "#h 1 2 3 4 123456789\n",
		       "leap.list:9: expected a hash of 5 words of 8 hexadecimal digits");
	assert_refused(HEAD ENTRIES "#h 1 2 3 4 5 6\n", "leap.list:9: expected nothing after the hash");
	assert_refused(HEAD ENTRIES "#h 1 2 3 4 5\n",
		       "leap.list:9: the hash is not that of the times in the file: it is damaged");
	for (int i = 0; i <= LEAP_MAX; i++)
		length += (size_t)snprintf(many + length, sizeof many - length, "%d %d\n", 1000 + i, 10 + i);
	assert_refused(many, "leap.list:134: more than 128 leap seconds");
}

/* IERS of August 2025: the figures are the file's, the hash that which IERS gave it. */
static const char *const real_times =
	"#$\t3960835200\n#@\t3991593600\n"
	"2272060800 10\n2287785600 11\n2303683200 12\n2335219200 13\n2366755200 14\n2398291200 15\n"
	"2429913600 16\n2461449600 17\n2492985600 18\n2524521600 19\n2571782400 20\n2603318400 21\n"
	"2634854400 22\n2698012800 23\n2776982400 24\n2840140800 25\n2871676800 26\n2918937600 27\n"
	"2950473600 28\n2982009600 29\n3029443200 30\n3076704000 31\n3124137600 32\n3345062400 33\n"
	"3439756800 34\n3550089600 35\n3644697600 36\n3692217600 37      # 1 Jan 2017\n"
	"#h\t49db2447 571e5e1b 2f002a53 9c8da8e4 39b8e49e\n";

static void load_real(struct leap_table *table)
{
	char error[200];

	assert_int_equal(parse(table, real_times, error), 0);
}

static void test_hash(void **state)
{
	struct leap_table table;
	char text[2048], error[200], *at;

	(void)state;
	load_real(&table);
	assert_int_equal(table.count, 28);
	/* Any digit that counts. */
	for (const char *start = real_times; *start && *start != 'h'; start++) {
		if (*start < '0' || *start > '9')
			continue;
		(void)snprintf(text, sizeof text, "%s", real_times);
		at = text + (start - real_times);
		*at = (char)(*at == '9' ? '8' : *at + 1);
		if (strstr(real_times, "# 1 Jan") < start)
			assert_int_equal(parse(&table, text, error), 0);
		else
			assert_int_equal(parse(&table, text, error), OWAMP_EINVAL);
	}
	/* Zeros in front of a word may be missing. printf %s%s%s 3960835203 3991593600
	 * 227206080010228778560011 | sha1sum */
	assert_int_equal(parse(&table,
			       "#$ 3960835203\n#@ 3991593600\n2272060800 10\n2287785600 11\n"
			       "#h 7fb14fd2 4c3e353a 44eb2fb 591c478f 7828E5A2\n",
			       error),
			 0);
}

static void test_tai_utc(void **state)
{
	struct leap_table table;

	(void)state;
	load_real(&table);
	assert_int_equal(leap_tai_utc(&table, Y1972 * SECOND - 1), 0);
	assert_int_equal(leap_tai_utc(&table, Y1972 * SECOND), 10);
	assert_int_equal(leap_tai_utc(&table, Y2015 * SECOND - 1), 35);
	assert_int_equal(leap_tai_utc(&table, Y2015 * SECOND), 36);
	assert_int_equal(leap_tai_utc(&table, Y2017 * SECOND - 1), 36);
	assert_int_equal(leap_tai_utc(&table, Y2017 * SECOND), 37);
	assert_int_equal(leap_tai_utc(&table, EXPIRY * SECOND - 1), 37);
	assert_int_equal(leap_tai_utc(&table, EXPIRY * SECOND), 0);
	assert_int_equal(leap_tai_utc(&table, INT64_MAX), 0);
	assert_int_equal(leap_tai_utc(&table, INT64_MIN), 0);
}

/* The file of this machine's tzdata, whatever its age: before it was written all is known. */
static void test_installed(void **state)
{
	static const char path[] = "/usr/share/zoneinfo/leap-seconds.list";
	struct leap_table table;
	char error[200];

	(void)state;
	if (access(path, R_OK))
		skip();
	assert_int_equal(leap_load(&table, path, error, sizeof error), 0);
	assert_true(table.count >= 28);
	assert_int_equal(leap_tai_utc(&table, Y2017 * SECOND), 37);
}

static void test_files(void **state)
{
	char path[] = "/tmp/owamp-leap-XXXXXX", error[200], expected[200], blanks[1024];
	struct leap_table table = {.count = 5};
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "#\0#", 3), 3);
	assert_int_equal(leap_load(&table, path, error, sizeof error), OWAMP_EINVAL);
	(void)snprintf(expected, sizeof expected, "%s: this is no leap-seconds.list: it is no text", path);
	assert_string_equal(error, expected);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, real_times, strlen(real_times), 0), (ssize_t)strlen(real_times));
	assert_int_equal(lseek(fd, 0, SEEK_END), (off_t)strlen(real_times));
	assert_int_equal(leap_load(&table, path, error, sizeof error), 0);
	assert_int_equal(table.count, 28);
	memset(blanks, ' ', sizeof blanks);
	for (int i = 0; i < 1024; i++)
		assert_int_equal(write(fd, blanks, sizeof blanks), (ssize_t)sizeof blanks);
	assert_int_equal(leap_load(&table, path, error, sizeof error), OWAMP_EINVAL);
	assert_non_null(strstr(error, "larger than 1 MiB"));
	close(fd);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(leap_load(&table, path, error, sizeof error), OWAMP_ESYSTEM);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(table.count, 0);
	assert_non_null(strstr(error, "No such file"));
	assert_int_equal(leap_load(&table, "/tmp", error, sizeof error), OWAMP_ESYSTEM);
	assert_int_equal(errno, EISDIR);
}

/*
 * The smear by its definition alone: TAI is even, POSIX is TAI less an offset that
 * changes when the leap second begins, and the smeared clock runs evenly in TAI
 * from UTC to UTC. In 1/PART ns.
 */
#define PART (1 << 20)

static __int128 smeared_less_utc(int64_t leap_s, int before, int after, int64_t width, int64_t tai)
{
	__int128 start_tai = (__int128)leap_s * SECOND - width / 2 + before * SECOND;
	__int128 end_tai = (__int128)leap_s * SECOND + width / 2 + after * SECOND;
	__int128 start = start_tai - before * SECOND, end = end_tai - after * SECOND;
	/* When the clock that still has the old offset shows the leap second's name: 00:00:00, or 23:59:59.
	 */
	__int128 change = (__int128)leap_s * SECOND + (after > before ? before : after) * SECOND;
	__int128 posix = tai - (tai >= change ? after : before) * SECOND;
	__int128 smeared = start * PART + (tai - start_tai) * (end - start) * PART / (end_tai - start_tai);

	if (tai < start_tai || tai > end_tai)
		return 0;
	return smeared - posix * PART;
}

/* Each second and around the edges of two days about a leap second. */
static void check_smear(const struct leap_table *table, int64_t leap_s, int before, int after, int64_t width)
{
	for (int64_t s = -86400; s <= 86400; s += s > -10 && s < 10 ? 1 : 7) {
		int64_t tai = (leap_s + s) * SECOND + before * SECOND + s * 1237, utc, got;
		int64_t change = leap_s * SECOND + (after > before ? before : after) * SECOND;
		__int128 expected = smeared_less_utc(leap_s, before, after, width, tai), difference;

		utc = tai - (tai >= change ? after : before) * SECOND;
		/* POSIX has this second twice; the later one cannot be asked for. */
		if (tai >= change && utc < leap_s * SECOND)
			continue;
		got = leap_smear(table, width, utc);
		difference = (__int128)got * PART - expected;
		/* Away from 0, by less than 1 ns. */
		if (expected < 0)
			difference = -difference;
		assert_true(difference >= -2 && difference <= PART + 2);
		assert_true(expected != 0 || got == 0);
	}
}

static void test_smear(void **state)
{
	static const int64_t widths[] = {DAY, 20 * 3600 * SECOND, 2 * 3600 * SECOND, 1000 * SECOND,
					 2 * SECOND};
	struct leap_table table;
	char error[200];

	(void)state;
	load_real(&table);
	for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
		check_smear(&table, Y2017, 36, 37, widths[i]);
	/* One that is deleted. */
	assert_int_equal(parse(&table, "#@ 3991593600\n3644697600 36\n3692217600 35\n", error), 0);
	for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
		check_smear(&table, Y2017, 36, 35, widths[i]);
}

/* The known points of a day's smear from noon to noon. */
static void test_smear_by_hand(void **state)
{
	struct leap_table table;

	(void)state;
	load_real(&table);
	assert_int_equal(leap_smear(&table, DAY, Y2017 * SECOND - DAY / 2), 0);
	assert_int_equal(leap_smear(&table, DAY, Y2017 * SECOND + DAY / 2), 0);
	assert_int_equal(leap_smear(&table, DAY, Y2017 * SECOND + DAY), 0);
	assert_int_equal(leap_smear(&table, 0, Y2017 * SECOND), 0);
	/* 18:00: behind by 21600 / 86401 s; 06:00: ahead by as much. */
	assert_int_equal(leap_smear(&table, DAY, Y2017 * SECOND - DAY / 4), -INT64_C(249997107));
	assert_int_equal(leap_smear(&table, DAY, Y2017 * SECOND + DAY / 4), INT64_C(249997107));
	/* A ns before midnight and at it: half a second, less 43200.5 - 43200 in 86401. */
	assert_int_equal(leap_smear(&table, DAY, Y2017 * SECOND - 1), -INT64_C(499994214));
	assert_int_equal(leap_smear(&table, DAY, Y2017 * SECOND), INT64_C(499994214));
	/* The first entry is no leap second. */
	assert_int_equal(leap_smear(&table, DAY, Y1972 * SECOND), 0);
}

/* Never less than what the smearing clock can be off by when it shows a time, or a second to either side. */
static void test_smear_most(void **state)
{
	struct leap_table table;

	(void)state;
	load_real(&table);
	for (int64_t s = -43300; s <= 43300; s++) {
		for (int64_t part = 0; part < SECOND; part += 250000000) {
			int64_t tai = (Y2017 + s) * SECOND + part + 36 * SECOND;
			__int128 off = smeared_less_utc(Y2017, 36, 37, DAY, tai);
			int64_t utc = tai - (tai >= (Y2017 + 36) * SECOND ? 37 : 36) * SECOND;
			int64_t smeared = utc + (int64_t)(off / PART),
				most = leap_smear_most(&table, DAY, smeared);
			int64_t size = (int64_t)((off < 0 ? -off : off) / PART);

			assert_true(most >= size);
			assert_true(leap_smear_most(&table, DAY, smeared - SECOND) >= size);
			assert_true(leap_smear_most(&table, DAY, smeared + SECOND) >= size);
			/* And not much more: 3 s of 11.6 us each. */
			assert_true(most <= size + 40000);
		}
	}
	assert_int_equal(leap_smear_most(&table, 0, Y2017 * SECOND), 0);
	assert_int_equal(leap_smear_most(&table, DAY, Y2017 * SECOND + DAY), 0);
}

/* What the file does not know any more may be smeared half a day before it. */
static void test_smear_expired(void **state)
{
	const int64_t end = EXPIRY * SECOND - DAY / 2 - 2 * SECOND;
	struct leap_table table, none = {0};

	(void)state;
	load_real(&table);
	assert_true(leap_smear_is_known(&table, DAY, end - 1));
	assert_int_equal(leap_smear_most(&table, DAY, end - 1), 0);
	assert_false(leap_smear_is_known(&table, DAY, end));
	/* At the end of a second that is deleted: 43201 s of 86399. */
	assert_int_equal(leap_smear_most(&table, DAY, end), INT64_C(500017362));
	assert_int_equal(leap_smear_most(&table, DAY, (EXPIRY + 86400 * 1000) * SECOND), INT64_C(500017362));
	assert_int_equal(leap_smear_most(&none, DAY, Y2017 * SECOND), INT64_C(500017362));
	assert_int_equal(leap_smear_most(&table, SECOND, EXPIRY * SECOND), SECOND);
	assert_int_equal(leap_smear_most(&table, 0, EXPIRY * SECOND), 0);
}

static void write_file(const char *path, const char *text, int64_t mtime_s)
{
	const struct timespec times[2] = {{.tv_sec = mtime_s}, {.tv_sec = mtime_s}};
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void test_reload(void **state)
{
	/* Of the same length, which cannot be told apart but by the time of change. */
	static const char other[] = HEAD "2272060800 10\n2287785600 11\n2303683200 10\n";
	char path[] = "/tmp/owamp-leap-XXXXXX";
	struct leap_table table = {.count = 0};
	struct leap_stamp stamp = {0};
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	write_file(path, HEAD "2272060800 10\n2287785600 11\n2303683200 12\n", 1000);
	leap_reload(&table, path, &stamp);
	assert_int_equal(table.count, 3);
	assert_int_equal(table.entries[2].tai_utc, 12);
	/* Nothing is read that has not changed. */
	table.entries[2].tai_utc = 4711;
	leap_reload(&table, path, &stamp);
	assert_int_equal(table.entries[2].tai_utc, 4711);
	write_file(path, other, 1001);
	leap_reload(&table, path, &stamp);
	assert_int_equal(table.entries[2].tai_utc, 10);
	/* One that is no good, and none. */
	write_file(path, "nonsense", 1002);
	leap_reload(&table, path, &stamp);
	assert_int_equal(table.entries[2].tai_utc, 10);
	assert_int_equal(unlink(path), 0);
	leap_reload(&table, path, &stamp);
	assert_int_equal(table.count, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),      cmocka_unit_test(test_refused),
		cmocka_unit_test(test_hash),       cmocka_unit_test(test_tai_utc),
		cmocka_unit_test(test_installed),  cmocka_unit_test(test_files),
		cmocka_unit_test(test_smear),      cmocka_unit_test(test_smear_by_hand),
		cmocka_unit_test(test_smear_most), cmocka_unit_test(test_smear_expired),
		cmocka_unit_test(test_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
