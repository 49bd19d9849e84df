#include "reference.h"

#include "owamp/error.h"
#include "owamp/session.h"

static void test_mode_names(void **state)
{
	(void)state;
	assert_string_equal(owamp_mode_name(1), "unauthenticated");
	assert_string_equal(owamp_mode_name(2), "authenticated");
	assert_string_equal(owamp_mode_name(4), "encrypted");
	assert_string_equal(owamp_mode_name(0), "none");
	assert_string_equal(owamp_mode_name(3), "none");
	assert_string_equal(owamp_mode_name(8), "none");
	assert_string_equal(owamp_mode_name(0x80000000), "none");
}

static bool has_word(const char *text, const char *word)
{
	size_t size = strlen(word);

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
		bool begins = at == text || at[-1] == ' ' || at[-1] == ',';

		if (begins && (at[size] == '\0' || at[size] == ','))
			return true;
	}
	return false;
}

static void test_modes_in_words(void **state)
{
	(void)state;
	char text[1024];

	assert_ptr_equal(owamp_modes_text(7, text, sizeof(text)), text);
	assert_true(has_word(text, "unauthenticated"));
	assert_true(has_word(text, "authenticated"));
	assert_true(has_word(text, "encrypted"));
	owamp_modes_text(6, text, sizeof(text));
	assert_false(has_word(text, "unauthenticated"));
	assert_true(has_word(text, "authenticated"));
	owamp_modes_text(0x80000060, text, sizeof(text));
	assert_true(has_word(text, "bit 5"));
	assert_true(has_word(text, "bit 6"));
	assert_true(has_word(text, "bit 31"));
	/* Bit 4 is known: RFC 7717. */
	owamp_modes_text(16, text, sizeof(text));
	assert_null(strstr(text, "bit 4"));
	assert_true(strlen(text) > 0);
	owamp_modes_text(UINT32_MAX, text, sizeof(text));
	assert_true(has_word(text, "bit 31"));
}

static void test_modes_text_stays_inside(void **state)
{
	(void)state;
	for (size_t size = 1; size < 400; size++) {
		char *text = malloc(size);

		assert_non_null(text);
		memset(text, 'x', size);
		owamp_modes_text(UINT32_MAX, text, size);
		assert_non_null(memchr(text, '\0', size));
		free(text);
	}
}

static void test_accept_texts(void **state)
{
	(void)state;
	for (unsigned int a = 0; a < 7; a++) {
		assert_true(strlen(owamp_accept_text((uint8_t)a)) > 0);
		for (unsigned int b = 0; b < a; b++)
			assert_string_not_equal(owamp_accept_text((uint8_t)a), owamp_accept_text((uint8_t)b));
	}
	for (unsigned int a = 7; a < 256; a++)
		assert_string_equal(owamp_accept_text((uint8_t)a), owamp_accept_text(OWAMP_ACCEPT_FAILURE));
}

static void test_error_texts(void **state)
{
	(void)state;
	for (int error = OWAMP_EPARTIAL; error <= 0; error++) {
		assert_non_null(owamp_error_text(error));
		for (int other = OWAMP_EPARTIAL; other < error; other++)
			assert_string_not_equal(owamp_error_text(error), owamp_error_text(other));
	}
	assert_non_null(owamp_error_text(1));
	assert_non_null(owamp_error_text(OWAMP_EPARTIAL - 1));
	assert_non_null(owamp_error_text(INT32_MIN));
}

/* RFC 4656 section 3.5: two bits 00, then the DSCP; 01 is a PHB ID. */
static void test_type_p(void **state)
{
	(void)state;
	for (unsigned int dscp = 0; dscp < 64; dscp++) {
		assert_int_equal(owamp_type_p_from_dscp((uint8_t)dscp), dscp << 24);
		assert_int_equal(owamp_type_p_dscp(dscp << 24), dscp);
	}
	assert_int_equal(owamp_type_p_from_dscp(46), 0x2e000000);
	assert_int_equal(owamp_type_p_dscp(0x40000000), -1);
	assert_int_equal(owamp_type_p_dscp(0x6e000000), -1);
	assert_int_equal(owamp_type_p_dscp(0x80000000), -1);
	assert_int_equal(owamp_type_p_dscp(0xc0000000), -1);
}

/* The figure in section 3.9, octet by octet. */
static const uint8_t figure[25] = {
	0x01, 0x02, 0x03, 0x04,                         /* Seq Number */
	0x11, 0x12,                                     /* Send Error Estimate */
	0x21, 0x22,                                     /* Receive Error Estimate */
	0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, /* Send Timestamp */
	0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, /* Receive Timestamp */
	0x51,                                           /* TTL */
};

static void test_record_figure(void **state)
{
	(void)state;
	const struct owamp_record record = {
		.seq = 0x01020304,
		.send_error = 0x1112,
		.receive_error = 0x2122,
		.send_time = 0x3132333435363738,
		.receive_time = 0x4142434445464748,
		.ttl = 0x51,
	};
	struct owamp_record back;
	uint8_t wire[27];

	memset(wire, 0xee, sizeof(wire));
	owamp_record_encode(&record, wire + 1);
	assert_memory_equal(wire + 1, figure, 25);
	assert_int_equal(wire[0], 0xee);
	assert_int_equal(wire[26], 0xee);

	memset(&back, 0, sizeof(back));
	owamp_record_decode(figure, &back);
	assert_int_equal(back.seq, record.seq);
	assert_int_equal(back.send_error, record.send_error);
	assert_int_equal(back.receive_error, record.receive_error);
	assert_int_equal(back.send_time, record.send_time);
	assert_int_equal(back.receive_time, record.receive_time);
	assert_int_equal(back.ttl, record.ttl);
	assert_int_equal(OWAMP_RECORD_SIZE, 25);
}

static void test_lost_record(void **state)
{
	(void)state;
	struct owamp_record record = {.send_time = 1, .ttl = 255};

	assert_true(owamp_record_lost(&record));
	record.receive_time = 1;
	assert_false(owamp_record_lost(&record));
}

static void test_sid_text(void **state)
{
	(void)state;
	const uint8_t sid[16] = {0x7f, 0x00, 0x00, 0x01, 0xee, 0xab, 0x69, 0x6e,
				 0xce, 0x8d, 0xda, 0x48, 0xb9, 0xec, 0x36, 0x19};
	uint8_t back[16];
	char text[33];

	memset(text, 'x', sizeof(text));
	assert_ptr_equal(owamp_sid_text(sid, text), text);
	assert_string_equal(text, "7f000001eeab696ece8dda48b9ec3619");
	assert_int_equal(owamp_sid_parse(text, back), 0);
	assert_memory_equal(back, sid, 16);
	memset(back, 0, sizeof(back));
	assert_int_equal(owamp_sid_parse("7F000001EEab696eCE8DDA48b9EC3619", back), 0);
	assert_memory_equal(back, sid, 16);
}

static void test_bad_sid_text(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"7f000001eeab696ece8dda48b9ec361",
		"7f000001eeab696ece8dda48b9ec36190",
		"7f000001eeab696ece8dda48b9ec361g",
		"0x000001eeab696ece8dda48b9ec3619",
		" f000001eeab696ece8dda48b9ec3619",
		"7f000001eeab696ece8dda48b9ec361 ",
		"7f000001eeab696ece8dda48b9ec3619 ",
		"+f-00001eeab696ece8dda48b9ec3619",
		"7f000001-eab696ece8dda48b9ec36:9",
		"7f000001`eab696ece8dda48b9ec36@9",
		"7f000001/eab696ece8dda48b9ec36G9",
	};
	uint8_t sid[16];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(owamp_sid_parse(bad[i], sid), OWAMP_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mode_names),
		cmocka_unit_test(test_modes_in_words),
		cmocka_unit_test(test_modes_text_stays_inside),
		cmocka_unit_test(test_accept_texts),
		cmocka_unit_test(test_error_texts),
		cmocka_unit_test(test_type_p),
		cmocka_unit_test(test_record_figure),
		cmocka_unit_test(test_lost_record),
		cmocka_unit_test(test_sid_text),
		cmocka_unit_test(test_bad_sid_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
