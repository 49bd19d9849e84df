/*
 * This host's clock is set while packets come in. The clock is faked where the
 * C library reads it and where the kernel's stamps are handed over, so that what
 * waits in a socket's buffer keeps the stamp of before, as it does in a kernel.
 */
#include "engine_fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "engine/arrival.h"
#include "engine/collector_internal.h"

#define SECOND  (1000 * MS)
#define HOUR    (3600 * SECOND)
#define DAY     (24 * HOUR)
#define TIMEOUT (1500 * MS)
#define PACKETS 40

static const int64_t steps[] = {5 * SECOND, -HOUR, -5 * SECOND, HOUR, -SECOND};
#define STEPS 5

/* Of these also the end, which takes its time. */
#define STEPS_TO_THE_END 2

/* How far CLOCK_REALTIME is from the machine's own, until the machine's own shows set_at, and from then on.
 */
static struct {
	_Atomic int64_t before;
	_Atomic int64_t after;
	_Atomic int64_t set_at;
	atomic_bool leap; /* TAI goes on */
} fake;

static int64_t machine_ns(void)
{
	struct timespec now;

	assert_int_equal(syscall(SYS_clock_gettime, CLOCK_REALTIME, &now), 0);
	return now.tv_sec * SECOND + now.tv_nsec;
}

static int64_t fake_ns(int64_t machine)
{
	return machine + (machine < fake.set_at ? fake.before : fake.after);
}

/* In place of the C library's, as the next. */
int clock_gettime(clockid_t id, struct timespec *time)
{
	int error = (int)syscall(SYS_clock_gettime, id, time);
	int64_t ns = time->tv_sec * SECOND + time->tv_nsec;

	if (id == CLOCK_REALTIME)
		ns = fake_ns(ns);
	else if (id == CLOCK_TAI && !fake.leap)
		ns += fake_ns(machine_ns()) - machine_ns();
	time->tv_sec = ns / SECOND;
	time->tv_nsec = ns % SECOND;
	return error;
}

static void fake_stamp(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		struct scm_timestamping stamps;
		int64_t ns;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPING)
			continue;
		memcpy(&stamps, CMSG_DATA(c), sizeof stamps);
		ns = fake_ns(stamps.ts[0].tv_sec * SECOND + stamps.ts[0].tv_nsec);
		stamps.ts[0] = (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
		memcpy(CMSG_DATA(c), &stamps, sizeof stamps);
	}
}

int recvmmsg(int fd, struct mmsghdr *headers, unsigned size, int flags, struct timespec *timeout)
{
	int count = (int)syscall(SYS_recvmmsg, fd, headers, size, flags, timeout), saved = errno;

	for (int i = 0; i < count; i++)
		fake_stamp(&headers[i].msg_hdr);
	errno = saved;
	return count;
}

static void set_clock(int64_t by)
{
	fake.before = (int64_t)fake.after;
	fake.set_at = machine_ns();
	fake.after += by;
}

/* By a sender whose clock is the machine's own. When it was sent, on that. */
static int64_t send_one(const struct link *link, uint32_t seq)
{
	int64_t now = machine_ns();
	struct packet packet = {.seq = seq, .time = owamp_ntp_from_unix_ns(now), .error = 0x8001};
	uint8_t octets[OWAMP_PACKET_SECURE];
	size_t size = packet_seal(OWAMP_MODE_OPEN, &packet, octets);

	assert_int_equal(send(link->sender_fd, octets, size, 0), (ssize_t)size);
	return now;
}

static uint64_t rounds_now(const struct link *link)
{
	return owamp_clock_rounds(owamp_engine_clock(link->engine));
}

/* Since the clock was set, the sampler has done so much that it may be said to be good again. */
static bool is_measured(const struct link *link, uint64_t rounds)
{
	return rounds_now(link) > rounds + 1;
}

static void send_some(const struct link *link, uint32_t first, uint32_t end)
{
	for (uint32_t seq = first; seq < end; seq++)
		(void)send_one(link, seq);
}

static void plan(struct link *link)
{
	link_plan(link, PACKETS, 1 * MS, TIMEOUT, 0);
	/* By the sender's clock. */
	link->request.start = owamp_ntp_from_unix_ns(machine_ns());
}

/* Until the session is over by itself; that it is not too early. */
static void run_to_the_end(struct link *link, int64_t start_mono)
{
	link_run(link, 1);
	assert_int_equal(link->receiver_finished, 1);
	/* Intervals are in units of 2^-32 s. */
	assert_true(owamp_mono_ns() - start_mono >= TIMEOUT + PACKETS * MS - 1000);
	assert_int_equal(link_receive_health(link).counters.lost, 0);
	assert_int_equal(link_received(link), PACKETS);
	assert_int_equal(link->record_count, PACKETS);
}

/* That a record has the stamp of a clock so far off; and how good that is said to be. */
static void assert_stamp(const struct link *link, uint32_t seq, int64_t off_ns)
{
	const struct owamp_record *record = &link->records[seq];
	int64_t delay = owamp_ntp_diff_ns(record->receive_time, record->send_time);

	assert_int_equal(record->seq, seq);
	assert_true(delay >= off_ns);
	/* Within the test's own patience. */
	assert_true(delay < off_ns + TIMEOUT);
}

static void assert_good(const struct link *link, uint32_t seq)
{
	assert_true(owamp_error_estimate_synchronized(link->records[seq].receive_error));
}

/* measured: the clock was anew, by then. */
static void assert_bad(const struct link *link, uint32_t seq, int64_t least_ns, bool measured)
{
	uint16_t error = link->records[seq].receive_error;

	if (measured)
		return;
	assert_false(owamp_error_estimate_synchronized(error));
	assert_true(owamp_error_estimate_ns(error) >= least_ns);
}

/* Nothing is late that was not, nothing lost; the records say what the clock showed, and what that is worth.
 */
static void test_in_the_middle(void **state)
{
	for (size_t i = 0; i < STEPS_TO_THE_END; i++) {
		struct link *link;
		struct owamp_receive_health health;
		int64_t start, size = llabs(steps[i]);
		uint64_t rounds;
		bool measured;
		uint32_t cut;

		link_set_up(state);
		link = *state;
		plan(link);
		start = owamp_mono_ns();
		link_start_receiver(link);
		send_some(link, 0, 20);
		link_until(link_received(link) == 20);
		rounds = rounds_now(link);
		set_clock(steps[i]);
		send_some(link, 20, PACKETS);
		link_until(link_received(link) == PACKETS);
		measured = is_measured(link, rounds);
		run_to_the_end(link, start);
		for (uint32_t seq = 0; seq < 20; seq++) {
			assert_stamp(link, seq, 0);
			assert_good(link, seq);
		}
		for (uint32_t seq = 20; seq < PACKETS; seq++) {
			assert_stamp(link, seq, steps[i]);
			assert_bad(link, seq, size, measured);
		}
		assert_int_equal(owamp_collector_stop(link->collecting, NULL, &cut), 0);
		assert_int_equal(cut, PACKETS);
		/* What happens after the end is not the session's. */
		set_clock(HOUR);
		health = link_receive_health(link);
		assert_int_equal(health.clock_steps, 1);
		assert_true(llabs(health.clock_step_ns - steps[i]) < MS);
		assert_true(health.clock_bound_max_ns >= size - MS);
		assert_true(health.clock_bound_max_ns < 3 * size);
		link_tear_down(state);
		set_clock(-fake.after);
	}
	link_set_up(state);
}

/* Read after the step, in one go with what came after it: whose stamps are of before are not taken for
 * others. */
static void test_in_the_buffer(void **state)
{
	for (size_t i = 0; i < STEPS; i++) {
		struct owamp_collector *collector;
		struct link *link;
		uint64_t rounds;
		bool measured;

		link_set_up(state);
		link = *state;
		collector = owamp_engine_collector(link->engine);
		plan(link);
		link_start_receiver(link);
		send_some(link, 0, 10);
		link_until(link_received(link) == 10);
		collector_lock(collector);
		send_some(link, 10, 20);
		rounds = rounds_now(link);
		set_clock(steps[i]);
		send_some(link, 20, PACKETS);
		collector_unlock(collector);
		link_until(link_received(link) == PACKETS);
		measured = is_measured(link, rounds);
		for (uint32_t seq = 0; seq < PACKETS; seq++)
			assert_stamp(link, seq, seq < 20 ? 0 : steps[i]);
		for (uint32_t seq = 10; seq < PACKETS; seq++)
			assert_bad(link, seq, llabs(steps[i]), measured);
		link_tear_down(state);
		set_clock(-fake.after);
	}
	link_set_up(state);
}

/*
 * More than is read in one go waits when the clock is set back and the session
 * is stopped: what came before has stamps of the future, and is taken in all the same.
 */
static void test_stopped(void **state)
{
	struct link *link = *state;
	struct owamp_collector *collector = owamp_engine_collector(link->engine);
	struct owamp_stop_session stop = {.next_seq = 10 * ARRIVALS_AT_ONCE};
	uint32_t cut;

	link_plan(link, 10 * ARRIVALS_AT_ONCE, 1000, 1 * MS, 0);
	link->request.timeout = OWAMP_SECOND * 5;
	link_start_receiver(link);
	(void)send_one(link, 0);
	link_until(link_received(link) == 1);
	collector_lock(collector);
	send_some(link, 1, 10 * ARRIVALS_AT_ONCE);
	set_clock(-HOUR);
	collector_unlock(collector);
	assert_int_equal(owamp_collector_stop(link->collecting, &stop, &cut), 0);
	assert_int_equal(link_received(link), 10 * ARRIVALS_AT_ONCE);
}

/* A clock that was wrong when the session began, and is set right before the first packet comes. */
static void test_corrected(void **state)
{
	struct link *link = *state;
	int64_t start;

	set_clock(-HOUR);
	plan(link);
	start = owamp_mono_ns();
	link_start_receiver(link);
	link_run_for(link, 10 * MS);
	set_clock(HOUR);
	send_some(link, 0, PACKETS);
	link_until(link_received(link) == PACKETS);
	run_to_the_end(link, start);
	for (uint32_t seq = 0; seq < PACKETS; seq++)
		assert_stamp(link, seq, 0);
}

/* Of two hosts: our stamps and the sender's go back together, and it is no step. */
static void test_leap_second(void **state)
{
	struct link *link = *state;
	int64_t start;
	uint64_t rounds;

	plan(link);
	/* There is time for a round; less than the step, so that without care all would be off the schedule.
	 */
	link->request.timeout = OWAMP_SECOND * 5;
	link->request.start = link_now();
	start = owamp_mono_ns();
	link_start_receiver(link);
	for (uint32_t seq = 0; seq < 20; seq++)
		link_send_packet(link, link->sender_fd, seq);
	link_until(link_received(link) == 20);
	set_clock(-SECOND);
	rounds = rounds_now(link);
	link_until(is_measured(link, rounds));
	for (uint32_t seq = 20; seq < PACKETS; seq++)
		link_send_packet(link, link->sender_fd, seq);
	link_until(link_received(link) == PACKETS);
	run_to_the_end(link, start);
	for (uint32_t seq = 0; seq < PACKETS; seq++)
		assert_stamp(link, seq, 0);
	assert_int_equal(link_receive_health(link).clock_steps, 0);
	assert_int_equal(link_receive_health(link).clock_step_ns, 0);
}

/* A leap second is one at the end of a day only. */
static int set_up_at_midnight(void **state)
{
	fake.after = DAY - machine_ns() % DAY;
	fake.leap = true;
	return link_set_up(state);
}

static int undo(void **state)
{
	int error = link_tear_down(state);

	fake.before = fake.after = fake.set_at = 0;
	fake.leap = false;
	return error;
}

#define STEP_TEST(test) cmocka_unit_test_setup_teardown(test, link_set_up, undo)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_in_the_middle, undo),
		cmocka_unit_test_teardown(test_in_the_buffer, undo),
		STEP_TEST(test_stopped),
		STEP_TEST(test_corrected),
		cmocka_unit_test_setup_teardown(test_leap_second, set_up_at_midnight, undo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
