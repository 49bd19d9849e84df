/* The source "shm" and segments that the test writes as NTP's driver 28 lays them out; the time is the
 * test's. */
#include "reference.h"

#include <sched.h>
#include <stdio.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock/source.h"

#define S  INT64_C(1000000000)
#define MS INT64_C(1000000)

#define BOOT_S INT64_C(1795286000)

/* 4e54 5030: "NTP0". */
#define KEY 0x4e545030

#define NOBODY 65534

/* In its words of 4 octets on this machine, time_t of 8: as the driver's page shows it. */
struct layout {
	int32_t mode;
	int32_t count;
	int64_t clock_sec;
	int32_t clock_usec;
	int32_t padding;
	int64_t receive_sec;
	int32_t receive_usec;
	int32_t leap;
	int32_t precision;
	int32_t samples;
	int32_t valid;
	uint32_t clock_nsec;
	uint32_t receive_nsec;
	int32_t dummy[8];
};

struct world {
	struct owamp_clock_source_config config;
	struct clock_source source;
	struct clock_now now;
	int id; /* -1: none */
	struct layout *segment;
};

static void create(struct world *w, size_t size, int permissions)
{
	w->id = shmget(KEY + (key_t)w->config.shm.unit, size, IPC_CREAT | IPC_EXCL | permissions);
	assert_true(w->id >= 0);
	w->segment = shmat(w->id, NULL, 0);
	assert_true((intptr_t)w->segment != -1);
	memset(w->segment, 0, size);
	if (size < sizeof *w->segment)
		return;
	w->segment->mode = 1;
	w->segment->precision = -20;
	w->segment->leap = 3;
}

static void remove_segment(struct world *w)
{
	if (w->id < 0)
		return;
	assert_int_equal(shmctl(w->id, IPC_RMID, NULL), 0);
	assert_int_equal(shmdt(w->segment), 0);
	w->id = -1;
}

/* With no segment yet. */
static void begin(struct world *w)
{
	*w = (struct world){.now = {.mono_ns = 100 * S, .real_ns = (BOOT_S + 100) * S}, .id = -1};
	owamp_clock_source_default(&w->config, OWAMP_CLOCK_KIND_SHM);
	w->config.shm.unit = 10000 + (unsigned)getpid() % 50000;
	assert_int_equal(clock_shm_new(&w->source, &w->config), 0);
}

static void end(struct world *w)
{
	w->source.ops->free(w->source.self);
	remove_segment(w);
}

static void pass(struct world *w, int64_t ns)
{
	w->now.mono_ns += ns;
	w->now.real_ns += ns;
}

static struct clock_reading sample(struct world *w)
{
	struct clock_reading reading = {.source = OWAMP_CLOCK_NONE, .drift_ppb = -1};
	struct layout before;

	if (w->id >= 0)
		memcpy(&before, w->segment, sizeof before);
	w->source.ops->sample(w->source.self, &w->now, &reading);
	/* It is somebody else's. */
	if (w->id >= 0)
		assert_memory_equal(w->segment, &before, sizeof before);
	assert_string_equal(reading.source, "shm");
	assert_int_not_equal(reading.text[0], '\0');
	return reading;
}

/* # of the text stands for the unit. */
static void assert_state(struct world *w, enum owamp_clock_state state, const char *format)
{
	struct clock_reading reading = sample(w);
	const char *rest = strchr(format, '#');
	char text[200];

	if (rest)
		snprintf(text, sizeof text, "%.*s%u%s", (int)(rest - format), format, w->config.shm.unit,
			 rest + 1);
	else
		snprintf(text, sizeof text, "%s", format);
	assert_string_equal(reading.text, text);
	assert_int_equal(reading.state, state);
}

/* As gpsd does: the event was ago_ns ago, and the clock offset_ns ahead of the reference then. */
static void put(struct world *w, int64_t ago_ns, int64_t offset_ns)
{
	struct layout *segment = w->segment;
	int64_t receive = w->now.real_ns - ago_ns, clock = receive - offset_ns;

	segment->valid = 0;
	segment->count++;
	segment->clock_sec = clock / S;
	segment->clock_usec = (int32_t)(clock % S / 1000);
	segment->clock_nsec = (uint32_t)(clock % S);
	segment->receive_sec = receive / S;
	segment->receive_usec = (int32_t)(receive % S / 1000);
	segment->receive_nsec = (uint32_t)(receive % S);
	segment->leap = 0;
	segment->count++;
	segment->valid = 1;
}

/* Attached, and seen once. */
static void begin_attached(struct world *w)
{
	begin(w);
	create(w, sizeof(struct layout), 0666);
	put(w, 0, 0);
	assert_state(w, OWAMP_CLOCK_DOUBTFUL, "waiting for unit # to be written to");
	assert_false(sample(w).measured);
	pass(w, S);
}

static void test_valid(void **state)
{
	struct world w;
	struct clock_reading reading;

	(void)state;
	begin_attached(&w);
	put(&w, 250 * MS, -1234567);
	reading = sample(&w);
	assert_int_equal(reading.state, OWAMP_CLOCK_VALID);
	assert_true(reading.measured);
	assert_false(reading.filtered);
	assert_int_equal(reading.drift_ppb, -1);
	assert_int_equal(reading.mono_ns, 100 * S + 750 * MS);
	assert_int_equal(reading.offset_ns, -1234567);
	/* 2^-20 s and 20 us. */
	assert_int_equal(reading.error_ns, 954 + 20000);
	assert_int_equal(reading.leap, 0);
	assert_state(&w, OWAMP_CLOCK_VALID, "unit # (precision 2^-20 s)");
	/* The same, looked at later. */
	pass(&w, S);
	assert_int_equal(sample(&w).mono_ns, 100 * S + 750 * MS);
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_VALID);
	put(&w, 0, 5);
	assert_int_equal(sample(&w).offset_ns, 5);
	assert_int_equal(sample(&w).mono_ns, 102 * S);
	end(&w);
}

/* gpsd ended: nobody writes. Then somebody does who only changes the stamps, as before nanoseconds. */
static void test_stale(void **state)
{
	struct world w;

	(void)state;
	begin_attached(&w);
	put(&w, 0, 7);
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_VALID);
	pass(&w, 5 * S);
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_VALID);
	pass(&w, 2 * S);
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "nobody has written to unit # for 7 s");
	assert_false(sample(&w).measured);
	w.segment->clock_sec += 7;
	w.segment->receive_sec += 7;
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_VALID);
	end(&w);
}

/* Left behind by a gpsd of long ago, which the clock, set since, makes look new. */
static void test_left_behind(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	create(&w, sizeof(struct layout), 0666);
	put(&w, 0, 0);
	for (int i = 0; i < 4; i++) {
		assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "waiting for unit # to be written to");
		pass(&w, S);
	}
	pass(&w, 2 * S);
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "nobody has written to unit # for 6 s");
	end(&w);
}

/* Microseconds alone are cut off: a microsecond more for each stamp. */
static void test_microseconds(void **state)
{
	struct world w;

	(void)state;
	begin_attached(&w);
	put(&w, 0, -2500);
	w.segment->clock_nsec = 0;
	w.segment->receive_nsec = 77;
	assert_int_equal(w.segment->clock_usec, 2);
	/* 77 ns are 0 us, and fit; 0 ns are not 2 us. */
	assert_int_equal(sample(&w).offset_ns, 77 - 2000);
	assert_int_equal(sample(&w).error_ns, 954 + 20000 + 1000);
	put(&w, 0, -2500);
	w.segment->clock_nsec = 0;
	w.segment->receive_nsec = 5000;
	assert_int_equal(sample(&w).offset_ns, -2000);
	assert_int_equal(sample(&w).error_ns, 954 + 20000 + 2000);
	end(&w);
}

/* ntpd and chronyd clear valid when they have read it. */
static void test_other_reader(void **state)
{
	struct world w;

	(void)state;
	begin_attached(&w);
	put(&w, 0, 9);
	w.segment->valid = 0;
	assert_int_equal(sample(&w).offset_ns, 9);
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_VALID);
	/* Half-way through: the count is odd, valid 0. */
	pass(&w, S);
	w.segment->count++;
	w.segment->clock_sec -= 1000;
	assert_int_equal(sample(&w).offset_ns, 9);
	w.segment->clock_sec += 1000;
	w.segment->count--;
	put(&w, 0, 10);
	/* Whole, by a writer who began with 1. */
	w.segment->count++;
	assert_int_equal(sample(&w).offset_ns, 10);
	end(&w);
}

/* Without a count nobody can tell between read and half written. */
static void test_mode_0(void **state)
{
	struct world w;

	(void)state;
	begin_attached(&w);
	w.segment->mode = 0;
	w.segment->count = 0;
	put(&w, 0, 11);
	w.segment->count = 0;
	assert_int_equal(sample(&w).offset_ns, 11);
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_VALID);
	for (int i = 0; i < 6; i++) {
		pass(&w, S);
		put(&w, 0, 12);
		w.segment->count = 0;
		w.segment->valid = 0;
		assert_int_equal(sample(&w).offset_ns, i < 5 ? 11 : 0);
	}
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL,
		     "unit # is not in mode 1, and another reader takes away what is in it");
	w.segment->valid = 1;
	assert_int_equal(sample(&w).offset_ns, 12);
	end(&w);
}

static void test_leap(void **state)
{
	struct world w;

	(void)state;
	begin_attached(&w);
	put(&w, 0, 0);
	w.segment->leap = 1;
	assert_int_equal(sample(&w).leap, 1);
	put(&w, 0, 0);
	w.segment->leap = 2;
	assert_int_equal(sample(&w).leap, -1);
	put(&w, 0, 0);
	w.segment->leap = 3;
	assert_int_equal(sample(&w).leap, 0);
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "unit #: the writer says that its clock is not set (leap 3)");
	assert_true(sample(&w).measured);
	end(&w);
}

static void test_nonsense(void **state)
{
	struct world w;

	(void)state;
	begin_attached(&w);
	put(&w, 0, 0);
	w.segment->precision = 30;
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "unit #: its precision is 2^30 s");
	w.segment->precision = -1;
	put(&w, 0, 0);
	assert_int_equal(sample(&w).error_ns, 500 * MS + 20000);
	put(&w, 0, 0);
	w.segment->mode = 2;
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "unit #: its mode is 2, neither 0 nor 1");
	w.segment->mode = 1;
	put(&w, 0, 0);
	w.segment->clock_sec = INT64_MAX;
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "unit #: its stamps are not times from 1970 to 2106");
	put(&w, 0, 0);
	w.segment->receive_usec = INT32_MIN;
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "unit #: its stamps are not times from 1970 to 2106");
	put(&w, 6 * S, 0);
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL,
		     "unit #: it was written just now with a time of receipt that is not now");
	put(&w, 0, 619315200 * S);
	assert_int_equal(sample(&w).offset_ns, 619315200 * S);
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_VALID);
	end(&w);
}

/* What is there when the clock is set, and what comes in the next two seconds. */
static void test_set(void **state)
{
	struct world w;

	(void)state;
	begin_attached(&w);
	put(&w, 0, 0);
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_VALID);
	w.now.real_ns += 2 * S;
	w.source.ops->stepped(w.source.self);
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "the clock was set: waiting for what is measured since");
	assert_false(sample(&w).measured);
	pass(&w, S);
	put(&w, 3 * S, 0);
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_DOUBTFUL);
	pass(&w, S);
	put(&w, 3 * S, 0);
	assert_false(sample(&w).measured);
	pass(&w, S);
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "waiting for unit # to be written to");
	put(&w, 0, 2 * S);
	assert_int_equal(sample(&w).offset_ns, 2 * S);
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_VALID);
	end(&w);
}

static void test_absent(void **state)
{
	struct world w;
	char text[200];

	(void)state;
	begin(&w);
	snprintf(text, sizeof text,
		 "there is no segment of unit # (key 0x%08x): does gpsd run, started by root?",
		 KEY + w.config.shm.unit);
	assert_state(&w, OWAMP_CLOCK_ABSENT, text);
	create(&w, 40, 0666);
	struct clock_reading reading = {.source = OWAMP_CLOCK_NONE};

	w.source.ops->sample(w.source.self, &w.now, &reading);
	assert_int_equal(reading.state, OWAMP_CLOCK_ABSENT);
	assert_non_null(strstr(reading.text, "is too small to be NTP's"));
	end(&w);
	/* The one whose key would be that of a new segment (IPC_PRIVATE). */
	begin(&w);
	w.config.shm.unit = 0U - KEY;
	assert_state(&w, OWAMP_CLOCK_ABSENT, "unit #: Numerical result out of range");
	end(&w);
}

/* Removed, and created anew by another gpsd. */
static void test_recreated(void **state)
{
	struct world w;

	(void)state;
	begin_attached(&w);
	put(&w, 0, 13);
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_VALID);
	remove_segment(&w);
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_ABSENT);
	assert_false(sample(&w).measured);
	create(&w, sizeof(struct layout), 0666);
	pass(&w, S);
	put(&w, 0, 14);
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "waiting for unit # to be written to");
	pass(&w, S);
	put(&w, 0, 14);
	assert_int_equal(sample(&w).offset_ns, 14);
	/* Both between two samples. */
	remove_segment(&w);
	create(&w, sizeof(struct layout), 0666);
	put(&w, 0, 15);
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "waiting for unit # to be written to");
	end(&w);
}

/* In a process of its own; the exit status says what was wrong. */
static int as_nobody(void (*test)(struct world *), struct world *w)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
			_exit(99);
		test(w);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void read_as_nobody(struct world *w)
{
	struct clock_reading reading = {.source = OWAMP_CLOCK_NONE};
	struct clock_source late;

	/* Attached while there were privileges. */
	w->source.ops->sample(w->source.self, &w->now, &reading);
	pass(w, S);
	put(w, 0, 16);
	w->source.ops->sample(w->source.self, &w->now, &reading);
	if (reading.state != OWAMP_CLOCK_VALID || reading.offset_ns != 16)
		_exit(1);
	/* Not attached. */
	if (clock_shm_new(&late, &w->config))
		_exit(2);
	late.ops->sample(late.self, &w->now, &reading);
	if (reading.state != OWAMP_CLOCK_ABSENT)
		_exit(3);
	if (!strstr(reading.text, " may be read by its owner only, as gpsd's 0 and 1: start as root"))
		_exit(4);
	late.ops->free(late.self);
}

static void only_read_as_nobody(struct world *w)
{
	struct clock_reading reading = {.source = OWAMP_CLOCK_NONE};

	w->source.ops->sample(w->source.self, &w->now, &reading);
	if (reading.state != OWAMP_CLOCK_DOUBTFUL)
		_exit(1);
}

/* Permission to read is all that is needed. */
static void test_read_only(void **state)
{
	struct world w;

	(void)state;
	if (geteuid() != 0)
		skip();
	begin(&w);
	create(&w, sizeof(struct layout), 0644);
	put(&w, 0, 0);
	assert_int_equal(as_nobody(only_read_as_nobody, &w), 0);
	end(&w);
}

static void test_privileges(void **state)
{
	struct world w;

	(void)state;
	if (geteuid() != 0)
		skip();
	begin(&w);
	create(&w, sizeof(struct layout), 0600);
	w.source.ops->free(w.source.self);
	assert_int_equal(clock_shm_new(&w.source, &w.config), 0);
	put(&w, 0, 0);
	assert_int_equal(as_nobody(read_as_nobody, &w), 0);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid),        cmocka_unit_test(test_stale),
		cmocka_unit_test(test_left_behind),  cmocka_unit_test(test_microseconds),
		cmocka_unit_test(test_other_reader), cmocka_unit_test(test_mode_0),
		cmocka_unit_test(test_leap),         cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_set),          cmocka_unit_test(test_absent),
		cmocka_unit_test(test_recreated),    cmocka_unit_test(test_privileges),
		cmocka_unit_test(test_read_only),
	};

	/* Where that is allowed nothing is left behind, and nobody else's is met. */
	(void)unshare(CLONE_NEWIPC);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
