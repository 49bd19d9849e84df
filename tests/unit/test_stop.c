/* Stop-Sessions of thousands of sessions, and of SIDs that a peer chose to be awkward. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <owamp/error.h>

#include "protocol/stop.h"
#include "protocol/stream.h"
#include "protocol/wire.h"

#define MANY 5000

typedef void make_sid(uint32_t number, uint8_t sid[OWAMP_SID_SIZE]);

/* Differing at the end, as those of one host do. */
static void make_usual(uint32_t number, uint8_t sid[OWAMP_SID_SIZE])
{
	memset(sid, 0x5a, OWAMP_SID_SIZE);
	put_u32(sid + 12, number * 2654435761U);
}

/* Both halves alike, so that whatever mixes them has little to go by. */
static void make_alike(uint32_t number, uint8_t sid[OWAMP_SID_SIZE])
{
	memset(sid, 0, OWAMP_SID_SIZE);
	put_u32(sid + 4, number);
	put_u32(sid + 12, number);
}

static void add(struct stop_list *list, make_sid *make, uint32_t number, bool peer_sends)
{
	uint8_t sid[OWAMP_SID_SIZE];

	make(number, sid);
	assert_int_equal(stop_list_add(list, sid, 1000 + number, peer_sends), 0);
}

static bool has(const struct stop_list *list, make_sid *make, uint32_t number)
{
	uint8_t sid[OWAMP_SID_SIZE];

	make(number, sid);
	return stop_list_has(list, sid);
}

static void check_membership(make_sid *make, uint32_t count)
{
	struct stop_list list = {0};

	assert_false(has(&list, make, 0));
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < count; i++) {
			assert_false(has(&list, make, i));
			add(&list, make, i, false);
			assert_true(has(&list, make, i));
		}
		for (uint32_t i = 0; i < count; i++)
			assert_true(has(&list, make, i));
		assert_false(has(&list, make, count));
		assert_int_equal(list.count, count);
		stop_list_clear(&list);
		assert_int_equal(list.count, 0);
	}
	stop_list_clear(&list);
	stop_list_free(&list);
}

static void test_membership(void **state)
{
	(void)state;
	check_membership(make_usual, MANY);
	check_membership(make_alike, 500);
}

/* What one side wrote is what the other side reads. */
static void hand_over(struct stream *from, struct stream *to)
{
	size_t size;
	const uint8_t *octets = stream_output(from, &size);

	assert_int_equal(stream_input(to, octets, size), 0);
	stream_sent(from, size);
}

/* Sessions of both directions; the message names ours from the last to the first. */
static void check_message(make_sid *make, uint32_t count)
{
	struct stop_list ours = {0}, theirs = {0};
	struct stream out = {0}, in = {0};
	struct stop_message message;
	struct owamp_stop_session *sessions = calloc(count, sizeof *sessions);
	const char *reason = NULL;

	assert_non_null(sessions);
	for (uint32_t i = 0; i < 2 * count; i++) {
		add(&ours, make, i, i % 2);
		add(&theirs, make, i, !(i % 2));
	}
	for (uint32_t i = 0; i < count; i++) {
		make(2 * (count - 1 - i), sessions[i].sid);
		sessions[i].next_seq = i % 1000;
	}
	assert_int_equal(stop_write(&out, &ours, 0, sessions, count), 0);
	hand_over(&out, &in);
	assert_int_equal(stop_read(&in, &theirs, 10, &message, &reason), 1);
	assert_null(reason);
	assert_int_equal(message.session_count, count);
	for (uint32_t i = 0; i < count; i++) {
		assert_memory_equal(message.sessions[i].sid, sessions[i].sid, OWAMP_SID_SIZE);
		assert_int_equal(message.sessions[i].next_seq, i % 1000);
	}
	stop_message_free(&message);
	free(sessions);
	stop_list_free(&ours);
	stop_list_free(&theirs);
	stream_free(&out);
	stream_free(&in);
}

static void test_message(void **state)
{
	(void)state;
	check_message(make_usual, MANY);
	check_message(make_alike, 300);
}

/* Each of ours once, and nothing else. */
static void test_must_account(void **state)
{
	static const struct {
		uint32_t first, second;
		int error;
	} cases[] = {
		{0, 2, 0}, {2, 0, 0}, {0, 0, OWAMP_EINVAL}, {0, 1, OWAMP_EINVAL}, {0, 7, OWAMP_EINVAL},
	};
	struct stop_list list = {0};
	struct stream out = {0};

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		add(&list, make_usual, i, i % 2);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct owamp_stop_session sessions[2] = {{.next_seq = 5}, {.next_seq = 6}};

		make_usual(cases[i].first, sessions[0].sid);
		make_usual(cases[i].second, sessions[1].sid);
		assert_int_equal(stop_write(&out, &list, 0, sessions, 2), cases[i].error);
	}
	stop_list_free(&list);
	stream_free(&out);
}

/* The one that was first is found: its packets bound what the message may say. */
static void test_two_of_one_sid(void **state)
{
	struct stop_list list = {0};
	struct owamp_stop_session session = {.next_seq = 1000};
	struct stop_list peer = {0};
	struct stream out = {0}, in = {0};
	struct stop_message message;
	const char *reason = NULL;
	uint8_t sid[OWAMP_SID_SIZE];

	(void)state;
	make_usual(0, sid);
	memcpy(session.sid, sid, sizeof sid);
	assert_int_equal(stop_list_add(&list, sid, 1000, true), 0);
	assert_int_equal(stop_list_add(&list, sid, 10, false), 0);
	/* Until the table has grown too. */
	for (uint32_t i = 1; i < 20; i++)
		add(&list, make_usual, i, false);
	assert_int_equal(stop_list_add(&peer, sid, 1000, false), 0);
	assert_int_equal(stop_write(&out, &peer, 0, &session, 1), 0);
	hand_over(&out, &in);
	assert_int_equal(stop_read(&in, &list, 10, &message, &reason), 1);
	stop_message_free(&message);
	stop_list_free(&list);
	stop_list_free(&peer);
	stream_free(&out);
	stream_free(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_membership),
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_must_account),
		cmocka_unit_test(test_two_of_one_sid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
