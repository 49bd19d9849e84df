/* Segments that are written to, or not: what is believed of them, and for how long. */
#include "shm_world.h"

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
	/* 2^-20 s and 0.5 s. */
	assert_int_equal(reading.error_ns, 954 + 500000000);
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
	assert_int_equal(sample(&w).error_ns, 954 + 500000000 + 1000);
	put(&w, 0, -2500);
	w.segment->clock_nsec = 0;
	w.segment->receive_nsec = 5000;
	assert_int_equal(sample(&w).offset_ns, -2000);
	assert_int_equal(sample(&w).error_ns, 954 + 500000000 + 2000);
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

/* Made by a reader, as chronyd does: mode and valid are 0, but nobody took anything away. */
static void test_blank(void **state)
{
	struct world w;

	(void)state;
	begin_attached(&w);
	memset((void *)(intptr_t)w.segment, 0, sizeof *w.segment);
	for (int i = 0; i < 12; i++) {
		pass(&w, S);
		(void)sample(&w);
		assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "nobody has written to unit # yet");
	}
	w.segment->precision = -20;
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL,
		     "unit # is not in mode 1, and another reader takes away what is in it");
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
	assert_int_equal(sample(&w).error_ns, 500 * MS + 500000000);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid),        cmocka_unit_test(test_stale),
		cmocka_unit_test(test_left_behind),  cmocka_unit_test(test_microseconds),
		cmocka_unit_test(test_other_reader), cmocka_unit_test(test_mode_0),
		cmocka_unit_test(test_blank),        cmocka_unit_test(test_leap),
		cmocka_unit_test(test_nonsense),     cmocka_unit_test(test_set),
		cmocka_unit_test(test_absent),       cmocka_unit_test(test_recreated),
	};

	/* Where that is allowed nothing is left behind, and nobody else's is met. */
	(void)unshare(CLONE_NEWIPC);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
