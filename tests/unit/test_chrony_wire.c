/* chronyd's command protocol: octets of chronyd 4.3, and arithmetic with plain doubles. */
#include "reference.h"

#include <math.h>
#include <stdio.h>

#include "clock/chrony_wire.h"

#define SECOND INT64_C(1000000000)

#define SEQUENCE 0xdeadbeef

/* Synchronized to 192.0.2.1; chronyc -n -c tracking beside it, in test_report(). */
static const char *const synchronized = "06020000002100050000000000000000deadbeef0000000000000000"
					"c0000201c00002010000000000000000000000000001000000020000000000006b01"
					"e49b39f4797fdd668c24d547417cdcf06df7"
					"ff6f71e3f31d0a3c008552c0e28ea81bdeba9b1d0081718f";
static const char *const local = "06020000002100050000000000000000deadbeef0000000000000000"
				 "7f7f0101000000000000000000000000000000000000000000030000000000006b01e4a212b"
				 "41d5f000000000000000000000000"
				 "000000000000000000000000000000000000000000000000";
static const char *const bad_version = "06020000002100010012000000000000deadbeef0000000000000000";
static const char *const bad_length = "06020000002100010013000000000000deadbeef0000000000000000";
static const char *const unauthorised = "06020000003e00010002000000000000deadbeef0000000000000000";
static const char *const unknown = "0602000000fa00010003000000000000deadbeef0000000000000000";

static size_t octets_of(const char *text, uint8_t octets[256])
{
	ref_hex(text, octets, strlen(text) / 2);
	return strlen(text) / 2;
}

static enum chrony_reply decode(const char *text, struct chrony_tracking *tracking, unsigned *status)
{
	uint8_t octets[256];

	return chrony_reply_decode(octets, octets_of(text, octets), SEQUENCE, tracking, status);
}

static void test_request(void **state)
{
	uint8_t request[CHRONY_REQUEST_SIZE], expected[CHRONY_REQUEST_SIZE] = {0};

	(void)state;
	ref_hex("060100000021000001234567", expected, 12);
	chrony_request_encode(request, 0x01234567);
	assert_memory_equal(request, expected, sizeof expected);
}

static void test_report(void **state)
{
	struct chrony_tracking tracking;
	unsigned status = 5;

	(void)state;
	assert_int_equal(decode(synchronized, &tracking, &status), CHRONY_REPLY_TRACKING);
	assert_int_equal(status, 0);
	assert_int_equal(tracking.ref_id, 0xc0000201);
	assert_string_equal(tracking.address, "192.0.2.1");
	assert_int_equal(tracking.stratum, 2);
	assert_int_equal(tracking.leap, CHRONY_LEAP_NORMAL);
	/* 1795286171.972323199: chronyc */
	assert_int_equal(tracking.ref_time_ns, INT64_C(1795286171972323199));
	/* By Python: coefficient x 2.0 ** (exponent - 25), in ns or ppb. */
	assert_int_equal(tracking.correction_ns, -1143);
	assert_int_equal(tracking.correction_slack_ns, 1);
	assert_int_equal(tracking.freq_ppb, -141);
	/* 3.463 ppb, 260.397 ppb, 8502.6 ns, 2780.6 ns, and what the encoding may have taken. */
	assert_int_equal(tracking.residual_ppb, 3 + 1);
	assert_int_equal(tracking.skew_ppb, 260 + 1);
	assert_int_equal(tracking.root_delay_ns, 8503 + 1);
	assert_int_equal(tracking.root_dispersion_ns, 2781 + 1);
	assert_false(tracking.absurd);
}

static void test_local(void **state)
{
	struct chrony_tracking tracking;
	unsigned status;

	(void)state;
	assert_int_equal(decode(local, &tracking, &status), CHRONY_REPLY_TRACKING);
	assert_int_equal(tracking.ref_id, CHRONY_REF_LOCAL);
	assert_string_equal(tracking.address, "");
	assert_int_equal(tracking.stratum, 3);
	assert_int_equal(tracking.correction_ns, 0);
	assert_false(tracking.absurd);
}

static void test_inet6(void **state)
{
	struct chrony_tracking tracking;
	uint8_t octets[256];
	unsigned status;

	(void)state;
	octets_of(synchronized, octets);
	ref_hex("20010db8000000000000000000000123", octets + 32, 16);
	octets[49] = 2;
	assert_int_equal(chrony_reply_decode(octets, 104, SEQUENCE, &tracking, &status),
			 CHRONY_REPLY_TRACKING);
	assert_string_equal(tracking.address, "2001:db8::123");
	/* A family that there is not. */
	octets[49] = 3;
	assert_int_equal(chrony_reply_decode(octets, 104, SEQUENCE, &tracking, &status),
			 CHRONY_REPLY_TRACKING);
	assert_string_equal(tracking.address, "");
}

static void assert_status(const char *text, unsigned expected, const char *words)
{
	struct chrony_tracking tracking;
	unsigned status = 4711;

	assert_int_equal(decode(text, &tracking, &status), CHRONY_REPLY_REFUSED);
	assert_int_equal(status, expected);
	assert_string_equal(chrony_status_words(status), words);
}

static void test_status(void **state)
{
	(void)state;
	assert_status(bad_version, 18, "it speaks another version of the protocol");
	assert_status(bad_length, 19, "wrong length of the request");
	assert_status(unauthorised, 2, "not authorised");
	assert_status(unknown, 3, "it does not know the request");
	assert_string_equal(chrony_status_words(4), "an unknown status");
	assert_string_equal(chrony_status_words(65535), "an unknown status");
}

static enum chrony_reply changed(size_t at, uint8_t octet, size_t size)
{
	struct chrony_tracking tracking;
	uint8_t octets[256];
	unsigned status;

	octets_of(synchronized, octets);
	octets[at] = octet;
	return chrony_reply_decode(octets, size, SEQUENCE, &tracking, &status);
}

static void test_others(void **state)
{
	(void)state;
	assert_int_equal(changed(0, 6, 104), CHRONY_REPLY_TRACKING);
	/* With more behind it, as a later version of chronyd may have. */
	assert_int_equal(changed(0, 6, 120), CHRONY_REPLY_TRACKING);
	for (size_t size = 0; size < 104; size++)
		assert_int_equal(changed(0, 6, size), size < 20 ? CHRONY_REPLY_OTHER : CHRONY_REPLY_CUT);
	assert_int_equal(changed(0, 5, 104), CHRONY_REPLY_VERSION);
	assert_int_equal(changed(1, 1, 104), CHRONY_REPLY_OTHER);
	for (size_t at = 16; at < 20; at++)
		assert_int_equal(changed(at, 0x55, 104), CHRONY_REPLY_OTHER);
	assert_int_equal(changed(5, 34, 104), CHRONY_REPLY_STRANGE);
	assert_int_equal(changed(7, 6, 104), CHRONY_REPLY_STRANGE);
}

/* Sign, exponent and size, against doubles, which hold all of it. */
static void test_floats(void **state)
{
	uint64_t seed = 6;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		uint32_t wire = (uint32_t)ref_random(&seed);
		int exponent = (int)(wire >> 25), coefficient = (int)(wire & 0x1ffffff);
		struct chrony_float value = chrony_float_decode(wire);
		int64_t scaled, slack;
		double real;

		if (exponent > 63)
			exponent -= 128;
		if (coefficient > 0xffffff)
			coefficient -= 0x2000000;
		assert_int_equal(value.coefficient, coefficient);
		assert_int_equal(value.exponent, exponent - 25);
		real = ldexp(coefficient, exponent - 25) * 1e9;
		scaled = chrony_float_scale(value, SECOND);
		slack = chrony_float_slack(value, SECOND);
		if (fabs(real) < 4e15) {
			assert_true(fabs((double)scaled - real) <= 0.5);
		} else if (fabs(real) < 0x1p63) {
			assert_true(fabs((double)scaled - real) <= fabs(real) * 1e-15);
		} else {
			assert_int_equal(scaled, real < 0 ? INT64_MIN : INT64_MAX);
		}
		/* One in the last place, and the rounding. */
		assert_true((double)slack >= ldexp(1, exponent - 25) * 1e9 || coefficient == 0 ||
			    slack == INT64_MAX);
		assert_true(slack >= 1);
	}
}

static int64_t nanoseconds(uint32_t wire)
{
	return chrony_float_scale(chrony_float_decode(wire), SECOND);
}

static void test_float_edges(void **state)
{
	(void)state;
	assert_int_equal(nanoseconds(0), 0);
	/* 1 s: 2^23 x 2^(1 - 24), as chronyd writes it: exponent 2, coefficient 2^23. */
	assert_int_equal(nanoseconds(2U << 25 | 1U << 23), SECOND);
	assert_int_equal(nanoseconds(2U << 25 | (0x2000000 - (1U << 23))), -SECOND);
	/* The smallest and the largest. */
	assert_int_equal(nanoseconds(0x40U << 25 | 1), 0);
	assert_int_equal(nanoseconds(0x40U << 25 | 0x1000000), 0);
	assert_int_equal(nanoseconds(0x3fU << 25 | 0xffffff), INT64_MAX);
	assert_int_equal(nanoseconds(0x3fU << 25 | 0x1000000), INT64_MIN);
	assert_int_equal(nanoseconds(0x3fU << 25), 0);
	/* 2^33 s with the smallest coefficient, which is 8.59e18 ns; 2^34 s is beyond. */
	assert_int_equal(nanoseconds(58U << 25 | 1), (INT64_C(1) << 33) * SECOND);
	assert_int_equal(nanoseconds(59U << 25 | 1), INT64_MAX);
	/* -1 in the last place of 2^-25 s: -29.8 ns. */
	assert_int_equal(nanoseconds(0x1ffffff), -30);
	assert_int_equal(chrony_float_slack(chrony_float_decode(0x1ffffff), SECOND), 31);
	assert_int_equal(chrony_float_slack(chrony_float_decode(0), SECOND), 1);
}

static bool absurd(size_t at, uint32_t wire)
{
	struct chrony_tracking tracking;
	uint8_t octets[256];
	unsigned status;

	octets_of(synchronized, octets);
	ref_put(octets + at, wire, 4);
	assert_int_equal(chrony_reply_decode(octets, 104, SEQUENCE, &tracking, &status),
			 CHRONY_REPLY_TRACKING);
	return tracking.absurd;
}

/* Below 0 what cannot be, a century, nanoseconds beyond a second. */
static void test_absurd(void **state)
{
	static const size_t floats[] = {68, 80, 84, 88, 92, 96};

	(void)state;
	for (size_t i = 0; i < sizeof floats / sizeof floats[0]; i++) {
		assert_true(absurd(floats[i], 0x3fU << 25 | 0xffffff));
		assert_false(absurd(floats[i], 2U << 25 | 1U << 23));
		assert_int_equal(absurd(floats[i], 2U << 25 | 0x1ffffff), floats[i] >= 88);
	}
	assert_true(absurd(56, 0x7ffffffe));
	assert_true(absurd(64, 1000000000));
	assert_false(absurd(64, 999999999));
	/* No upper half of the seconds. */
	assert_false(absurd(56, 0x7fffffff));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request), cmocka_unit_test(test_report),
		cmocka_unit_test(test_local),   cmocka_unit_test(test_inet6),
		cmocka_unit_test(test_status),  cmocka_unit_test(test_others),
		cmocka_unit_test(test_floats),  cmocka_unit_test(test_float_edges),
		cmocka_unit_test(test_absurd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
