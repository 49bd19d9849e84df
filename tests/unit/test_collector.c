#include "engine_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>

#include "engine/threads.h"

#define OVERDUE 1000000 /* milliseconds of work, in goes of 10000 */

/* The receive time is that of the arrival, however long nobody looked. */
static void test_kernel_stamp(void **state)
{
	struct link *link = *state;
	int64_t before, after;

	link_plan(link, 1, 1 * MS, 10000 * MS, 0);
	before = owamp_real_ns();
	after = link_send_packet(link, link->sender_fd, 0);
	link_run_for(link, 50 * MS);
	link_start_receiver(link);
	link_until(link_received(link) == 1);
	assert_int_equal(link_receive_health(link).unstamped, 0);
	assert_true(owamp_ntp_diff_ns(link->records[0].receive_time, owamp_ntp_from_unix_ns(before)) >= 0);
	assert_true(owamp_ntp_diff_ns(link->records[0].receive_time, owamp_ntp_from_unix_ns(after)) <= 0);
	assert_in_range(owamp_error_estimate_ns(link->records[0].receive_error), 1, 10);
}

/* Without the kernel's stamp it is the time of the reading, and the error covers the wait. */
static void test_no_kernel_stamp(void **state)
{
	struct link *link = *state;
	int64_t after, late;

	assert_int_equal(setsockopt(link->receiver_fd, SOL_SOCKET, SO_TIMESTAMPING, &(int){0}, sizeof(int)),
			 0);
	link_plan(link, 1, 1 * MS, 10000 * MS, 0);
	after = link_send_packet(link, link->sender_fd, 0);
	link_run_for(link, 50 * MS);
	link_start_receiver(link);
	link_until(link_received(link) == 1);
	assert_int_equal(link_receive_health(link).unstamped, 1);
	late = owamp_ntp_diff_ns(link->records[0].receive_time, owamp_ntp_from_unix_ns(after));
	assert_true(late >= 50 * MS);
	assert_true(owamp_error_estimate_ns(link->records[0].receive_error) >= late);
}

static void test_ttl(void **state)
{
	struct link *link = *state;

	link_plan(link, 2, 1 * MS, 10000 * MS, 0);
	link_start_receiver(link);
	assert_int_equal(setsockopt(link->sender_fd, IPPROTO_IP, IP_TTL, &(int){77}, sizeof(int)), 0);
	link_send_packet(link, link->sender_fd, 0);
	link_until(link_received(link) == 1);
	assert_int_equal(link->records[0].ttl, 77);
	/* What the kernel does not tell is 255, section 4.2. */
	assert_int_equal(setsockopt(link->receiver_fd, IPPROTO_IP, IP_RECVTTL, &(int){0}, sizeof(int)), 0);
	link_send_packet(link, link->sender_fd, 1);
	link_until(link_received(link) == 2);
	assert_int_equal(link->records[1].ttl, 255);
}

/* Section 6.2: only what comes from the sender's address and port is taken in. */
static void test_strangers(void **state)
{
	struct link *link = *state;
	struct sockaddr_in address;
	int stranger = link_socket(link, false, &address);

	link_plan(link, 10, 1 * MS, 10000 * MS, 0);
	link_start_receiver(link);
	link_send_packet(link, stranger, 0);
	link_send_packet(link, stranger, 1);
	link_send_packet(link, link->sender_fd, 2);
	link_until(link_received(link) == 1);
	assert_int_equal(link_receive_health(link).strangers, 2);
	assert_int_equal(link->record_count, 1);
	assert_int_equal(link->records[0].seq, 2);
	close(stranger);
}

/* Another address of the same host, with the port that is expected. */
static void test_stranger_with_right_port(void **state)
{
	struct link *link = *state;
	struct sockaddr_in address = link->sender_address;
	int stranger = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	assert_int_equal(bind(stranger, (struct sockaddr *)&address, sizeof address), 0);
	link_plan(link, 10, 1 * MS, 10000 * MS, 0);
	link_start_receiver(link);
	link_send_packet(link, stranger, 0);
	link_send_packet(link, link->sender_fd, 1);
	link_until(link_received(link) == 1);
	assert_int_equal(link_receive_health(link).strangers, 1);
	close(stranger);
}

static void test_any_port(void **state)
{
	struct link *link = *state;

	link->sender_address.sin_port = 0;
	link_plan(link, 10, 1 * MS, 10000 * MS, 0);
	link_start_receiver(link);
	link_send_packet(link, link->sender_fd, 0);
	link_until(link_received(link) == 1);
	assert_int_equal(link_receive_health(link).strangers, 0);
}

/* Nobody sends: all are lost, in order, with the time they were due, and then it is over. */
static void test_all_lost(void **state)
{
	struct link *link = *state;

	link_plan(link, 5, 10 * MS, 30 * MS, 0);
	link_start_receiver(link);
	link_run(link, 1);
	assert_int_equal(link->receiver_finished, 1);
	assert_int_equal(link->record_count, 5);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(link->records[i].seq, i);
		assert_true(owamp_record_lost(&link->records[i]));
		assert_int_equal(link->records[i].send_time, link_due(link, i));
	}
	assert_int_equal(link_receive_health(link).counters.lost, 5);
	assert_true(owamp_ntp_diff_ns(owamp_ntp_from_unix_ns(link->receiver_finished_at),
				      link_due(link, 4)) >= 30 * MS);
}

/* What waits in the socket's buffer when the collector first looks is in time if it arrived in time. */
static void test_arrived_in_time(void **state)
{
	struct link *link = *state;

	link_plan(link, 1000, 1, 20 * MS, 0);
	for (uint32_t i = 0; i < 1000; i++)
		link_send_packet(link, link->sender_fd, i);
	link_run_for(link, 60 * MS);
	link_start_receiver(link);
	link_run(link, 1);
	assert_int_equal(link_receive_health(link).counters.lost, 0);
	assert_int_equal(link_received(link), 1000);
	assert_int_equal(link->record_count, 1000);
}

/* Datagrams that do not fit into the socket's buffer are ours to report, not the network's. */
static void test_socket_drops(void **state)
{
	struct link *link = *state;
	uint64_t drops;

	assert_int_equal(setsockopt(link->receiver_fd, SOL_SOCKET, SO_RCVBUF, &(int){1}, sizeof(int)), 0);
	link_plan(link, 1000, 1, 10000 * MS, 0);
	for (uint32_t i = 0; i < 1000; i++)
		link_send_packet(link, link->sender_fd, i);
	link_start_receiver(link);
	link_until(link_received(link) > 0);
	drops = link_receive_health(link).socket_drops;
	assert_in_range(drops, 1, 999);
	link_until(link_received(link) == 1000 - drops);
}

/* The callback waits on the loop when the session ends: it must not come. */
static void test_end_before_callback(void **state)
{
	struct link *link = *state;

	link_plan(link, 1, 1 * MS, 1 * MS, 0);
	link_start_receiver(link);
	link_until(link_receive_health(link).counters.lost == 1);
	owamp_collector_end(link->collecting);
	link->collecting = NULL;
	link_run_for(link, 10 * MS);
	assert_int_equal(link->receiver_finished, 0);
}

/* Without a Stop-Sessions, what comes after the last packet that arrived says nothing (section 3.8). */
static void test_stop_without_stop_sessions(void **state)
{
	struct link *link = *state;
	uint32_t cut;

	link_plan(link, 10, 1 * MS, 10000 * MS, 0);
	link_start_receiver(link);
	link_send_packet(link, link->sender_fd, 0);
	link_send_packet(link, link->sender_fd, 4);
	link_until(link_received(link) == 2);
	assert_int_equal(owamp_collector_stop(link->collecting, NULL, &cut), 0);
	assert_int_equal(cut, 5);
	/* What comes now is not taken in. */
	link_send_packet(link, link->sender_fd, 5);
	link_run_for(link, 10 * MS);
	assert_int_equal(link_received(link), 2);
}

/* What has arrived before the stop is taken in, although the collector had no time for it yet. */
static void test_stop_takes_in(void **state)
{
	struct link *link = *state;
	uint32_t cut;

	link_plan(link, RECORDS, 1, 10000 * MS, 0);
	for (uint32_t i = 0; i < RECORDS; i++)
		link_send_packet(link, link->sender_fd, i);
	link_start_receiver(link);
	assert_int_equal(owamp_collector_stop(link->collecting, NULL, &cut), 0);
	assert_int_equal(cut, RECORDS);
	assert_int_equal(link->record_count, RECORDS);
}

struct onlooker {
	struct owamp_collector_session *session;
	atomic_uint looks;
	atomic_bool enough;
	/* As the thread that stops another session sees it, at its records. */
	pthread_t stopper;
	unsigned looks_before;
	unsigned records;
	unsigned occasions;
};

static void *look_on(void *context)
{
	struct onlooker *onlooker = context;

	while (!onlooker->enough) {
		struct owamp_receive_health health;

		owamp_collector_health(onlooker->session, &health);
		onlooker->looks++;
	}
	return NULL;
}

static void count_occasions(void *context, const struct owamp_record *record)
{
	struct onlooker *onlooker = context;
	unsigned looks = onlooker->looks;

	(void)record;
	if (!pthread_equal(pthread_self(), onlooker->stopper))
		return;
	onlooker->occasions += onlooker->records++ > 0 && looks != onlooker->looks_before;
	onlooker->looks_before = looks;
}

/* A stop with very much to declare lost lets others in between, and is complete all the same. */
static void test_long_stop(void **state)
{
	struct link *link = *state, *other = calloc(1, sizeof *other);
	const struct owamp_receiver_config config = {.mode = OWAMP_MODE_OPEN, .request = &link->request};
	struct owamp_stop_session stop = {.next_seq = OVERDUE};
	struct onlooker onlooker = {.stopper = pthread_self()};
	struct owamp_receiver *receiver;
	pthread_t thread;
	uint32_t cut;

	assert_non_null(other);
	other->engine = link->engine;
	other->mode = OWAMP_MODE_OPEN;
	other->receiver_fd = link_socket(other, true, &other->receiver_address);
	other->sender_address = link->sender_address;
	link_plan(other, 10, 1000 * MS, 10000 * MS, 0);
	link_start_receiver(other);
	onlooker.session = other->collecting;
	assert_int_equal(pthread_create(&thread, NULL, look_on, &onlooker), 0);
	link_until(onlooker.looks > 0);
	/* All of them were due milliseconds ago; in a hundred goes they are declared lost. */
	link_plan(link, OVERDUE, 1, 1, -10 * MS);
	assert_int_equal(owamp_receiver_new(&receiver, &config, count_occasions, &onlooker), 0);
	assert_int_equal(owamp_collector_start(owamp_engine_collector(link->engine), receiver,
					       link->receiver_fd, (struct sockaddr *)&link->sender_address,
					       link_receiver_finished, link, &link->collecting),
			 0);
	assert_int_equal(owamp_collector_stop(link->collecting, &stop, &cut), 0);
	onlooker.enough = true;
	pthread_join(thread, NULL);
	assert_int_equal(cut, OVERDUE);
	assert_int_equal(link_receive_health(link).counters.lost, OVERDUE);
	/* Some of which the collector's own thread may have done. */
	assert_true(onlooker.occasions >= 3 || onlooker.records < 10 * 10000);
	owamp_collector_end(other->collecting);
	close(other->receiver_fd);
	free(other);
}

/* From the very first packet of the first session on, the kernel stamps. */
static void test_first_packet(void **state)
{
	(void)state;
	for (int round = 0; round < 50; round++) {
		void *fresh;
		struct link *link;

		link_set_up(&fresh);
		link = fresh;
		link_plan(link, 1, 1 * MS, 10000 * MS, 0);
		link_start_receiver(link);
		link_send_packet(link, link->sender_fd, 0);
		link_until(link_received(link) == 1);
		assert_int_equal(link_receive_health(link).unstamped, 0);
		link_tear_down(&fresh);
	}
}

/* In a child, in a network of its own where not even loopback is up. */
static int start_without_loopback(void)
{
	struct owamp_engine *engine;

	if (unshare(CLONE_NEWNET))
		return 77;
	if (owamp_engine_new(&engine, NULL, NULL, 0))
		return 1;
	owamp_engine_free(engine);
	return 0;
}

static void test_no_loopback(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	if (child == 0)
		_exit(start_without_loopback());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Of the thread of that name; 0 if there is none. */
static pid_t thread_id(const char *name)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	pid_t found = 0;

	assert_non_null(tasks);
	while (found == 0 && (task = readdir(tasks))) {
		char path[300], comm[32] = "";
		FILE *file;

		snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fgets(comm, sizeof comm, file) && strncmp(comm, name, strlen(name)) == 0)
			found = (pid_t)strtol(task->d_name, NULL, 10);
		fclose(file);
	}
	closedir(tasks);
	return found;
}

/* The last CPU that this process may use. */
static int last_cpu(void)
{
	cpu_set_t allowed;
	int cpu = CPU_SETSIZE - 1;

	assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
	while (!CPU_ISSET((size_t)cpu, &allowed))
		cpu--;
	return cpu;
}

static void test_pinned(void **state)
{
	struct owamp_engine_config config = OWAMP_ENGINE_CONFIG_INIT;
	struct owamp_engine *engine;
	struct owamp_collector *collector;
	cpu_set_t allowed;
	int cpu = last_cpu();

	(void)state;
	config.collector_cpu = cpu;
	assert_int_equal(owamp_engine_new(&engine, &config, NULL, 0), 0);
	assert_int_equal(sched_getaffinity(thread_id("owamp-collector"), sizeof allowed, &allowed), 0);
	assert_int_equal(CPU_COUNT(&allowed), 1);
	assert_true(CPU_ISSET((size_t)cpu, &allowed));
	/* One that is not there. */
	assert_int_equal(collector_new(&collector, owamp_engine_loop(engine), owamp_engine_clock(engine),
				       NULL, CPU_SETSIZE - 1),
			 OWAMP_ESYSTEM);
	assert_int_equal(errno, EINVAL);
	assert_null(collector);
	owamp_engine_free(engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(test_kernel_stamp),
		LINK_TEST(test_no_kernel_stamp),
		LINK_TEST(test_ttl),
		LINK_TEST(test_strangers),
		LINK_TEST(test_stranger_with_right_port),
		LINK_TEST(test_any_port),
		LINK_TEST(test_all_lost),
		LINK_TEST(test_arrived_in_time),
		LINK_TEST(test_socket_drops),
		LINK_TEST(test_end_before_callback),
		LINK_TEST(test_stop_without_stop_sessions),
		LINK_TEST(test_stop_takes_in),
		LINK_TEST(test_long_stop),
		cmocka_unit_test(test_first_packet),
		cmocka_unit_test(test_no_loopback),
		cmocka_unit_test(test_pinned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
