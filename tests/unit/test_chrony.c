/* The source "chrony" with a scripted chronyd on loopback. */
#include "reference.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <dirent.h>

#include <owamp/engine.h>

#include "clock/chrony.c"

/* From chronyd 4.3, synchronized to 192.0.2.1. */
static const char *const answer = "06020000002100050000000000000000deadbeef0000000000000000"
				  "c0000201c00002010000000000000000000000000001000000020000000000006b01e49b39"
				  "f4797fdd668c24d547417cdcf06df7"
				  "ff6f71e3f31d0a3c008552c0e28ea81bdeba9b1d0081718f";

/* What the scripted chronyd does with each request. */
enum act {
	ACT_ANSWER,
	ACT_SILENT,
	ACT_OTHERS_FIRST, /* another's answer, the last one again, garbage; then the answer */
	ACT_WRONG_SEQUENCE,
	ACT_CUT,
	ACT_UNAUTHORISED,
	ACT_VERSION,
	ACT_STRANGE,
};

struct server {
	int fd;
	enum act act;
	pthread_t thread;
	uint32_t sequences[16];
	int requests;
};

static void reply(const struct server *server, uint32_t sequence, size_t size, size_t at, uint8_t octet,
		  const struct sockaddr_storage *peer, socklen_t length)
{
	uint8_t octets[104];

	ref_hex(answer, octets, sizeof octets);
	ref_put(octets + 16, sequence, 4);
	octets[at] = octet;
	(void)!sendto(server->fd, octets, size, 0, (const struct sockaddr *)peer, length);
}

static void do_act(struct server *server, uint32_t sequence, const struct sockaddr_storage *peer,
		   socklen_t length)
{
	switch (server->act) {
	case ACT_SILENT:
		break;
	case ACT_OTHERS_FIRST:
		reply(server, sequence ^ 1, 104, 0, 6, peer, length);
		reply(server, server->sequences[0] + 1, 104, 0, 6, peer, length);
		reply(server, sequence, 7, 0, 6, peer, length);
		reply(server, sequence, 104, 1, 1, peer, length);
		reply(server, sequence, 104, 0, 6, peer, length);
		break;
	case ACT_WRONG_SEQUENCE:
		reply(server, sequence ^ 0x80000000, 104, 0, 6, peer, length);
		break;
	case ACT_CUT:
		reply(server, sequence, 103, 0, 6, peer, length);
		break;
	case ACT_UNAUTHORISED:
		reply(server, sequence, 28, 9, 2, peer, length);
		break;
	case ACT_VERSION:
		reply(server, sequence, 28, 0, 7, peer, length);
		break;
	case ACT_STRANGE:
		reply(server, sequence, 104, 7, 6, peer, length);
		break;
	case ACT_ANSWER:
		reply(server, sequence, 104, 0, 6, peer, length);
		break;
	}
}

/* Ends with a datagram of one octet. */
static void *serve(void *context)
{
	struct server *server = context;
	struct sockaddr_storage peer;
	uint8_t request[512];

	for (;;) {
		socklen_t length = sizeof peer;
		ssize_t size =
			recvfrom(server->fd, request, sizeof request, 0, (struct sockaddr *)&peer, &length);

		if (size == 1)
			return NULL;
		if (size != 104 || memcmp(request, "\6\1\0\0\0\41\0\0", 8) != 0 || server->requests == 16)
			return "not the request that is expected";
		server->sequences[server->requests++] = (uint32_t)ref_get(request + 8, 4);
		do_act(server, server->sequences[server->requests - 1], &peer, length);
	}
}

static uint16_t start(struct server *server, enum act what)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;

	*server = (struct server){.fd = socket(AF_INET, SOCK_DGRAM, 0), .act = what};
	assert_int_equal(bind(server->fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &length), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
	return ntohs(address.sin_port);
}

static void stop(struct server *server)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof address;
	int fd;
	void *complaint;

	assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &length), 0);
	fd = socket(address.ss_family, SOCK_DGRAM, 0);
	assert_int_equal(sendto(fd, "", 1, 0, (struct sockaddr *)&address, length), 1);
	assert_int_equal(pthread_join(server->thread, &complaint), 0);
	assert_null(complaint);
	close(fd);
	close(server->fd);
}

static struct clock_source new_source(const char *host, uint16_t port, const char *path)
{
	struct owamp_clock_source_config config;
	struct clock_source source;

	owamp_clock_source_default(&config, OWAMP_CLOCK_KIND_CHRONY);
	assert_string_equal(config.chrony.host, "127.0.0.1");
	assert_int_equal(config.chrony.port, 323);
	(void)snprintf(config.chrony.host, sizeof config.chrony.host, "%s", host);
	(void)snprintf(config.chrony.socket, sizeof config.chrony.socket, "%s", path);
	config.chrony.port = port;
	assert_int_equal(clock_chrony_new(&source, &config), 0);
	return source;
}

static struct clock_reading look(struct clock_source *source)
{
	const struct clock_now now = {.mono_ns = owamp_mono_ns(), .real_ns = INT64_C(1795286172972000000)};
	struct clock_reading reading = {.source = OWAMP_CLOCK_NONE, .drift_ppb = -1};

	source->ops->sample(source->self, &now, &reading);
	assert_string_equal(reading.source, "chrony");
	if (reading.state == OWAMP_CLOCK_VALID)
		assert_int_equal(reading.mono_ns, now.mono_ns);
	else
		assert_false(reading.measured);
	return reading;
}

static void assert_said(const struct clock_reading *reading, enum owamp_clock_state state, const char *format,
			unsigned port)
{
	char expected[200];

	(void)snprintf(expected, sizeof expected, format, port);
	assert_string_equal(reading->text, expected);
	assert_int_equal(reading->state, state);
}

#define GOOD "chronyd, of 192.0.2.1, stratum 2, last measured 0 s ago"

static void check(enum act what, enum owamp_clock_state state, const char *format)
{
	struct server server;
	uint16_t port = start(&server, what);
	struct clock_source source = new_source("127.0.0.1", port, "");
	struct clock_reading reading = look(&source);

	assert_said(&reading, state, format, state == OWAMP_CLOCK_VALID ? 0 : port);
	/* And well again. */
	server.act = ACT_ANSWER;
	reading = look(&source);
	assert_said(&reading, OWAMP_CLOCK_VALID, GOOD "%.0u", 0);
	source.ops->free(source.self);
	stop(&server);
	assert_int_equal(server.requests, 2);
	assert_int_not_equal(server.sequences[0], server.sequences[1]);
}

static void test_answer(void **state)
{
	struct server server;
	uint16_t port = start(&server, ACT_ANSWER);
	struct clock_source source = new_source("localhost", port, "");
	struct clock_reading reading = look(&source);

	(void)state;
	assert_int_equal(reading.state, OWAMP_CLOCK_VALID);
	/* -1143 ns: the clock is ahead. Half of 8503 + 1, 2781 + 1, 1. */
	assert_int_equal(reading.offset_ns, 1143);
	assert_int_equal(reading.error_ns, 4252 + 2782 + 1);
	assert_true(reading.filtered);
	assert_true(reading.drift_ppb >= 1000 + 260);
	/* It is told of steps. */
	source.ops->stepped(source.self);
	reading = look(&source);
	assert_said(&reading, OWAMP_CLOCK_DOUBTFUL,
		    "the clock was set, and chronyd (of 192.0.2.1) has not measured since%.0u", 0);
	source.ops->free(source.self);
	stop(&server);
}

static void test_answers(void **state)
{
	(void)state;
	check(ACT_ANSWER, OWAMP_CLOCK_VALID, GOOD "%.0u");
	check(ACT_OTHERS_FIRST, OWAMP_CLOCK_VALID, GOOD "%.0u");
	check(ACT_CUT, OWAMP_CLOCK_DOUBTFUL, "the answer from 127.0.0.1:%u is cut short");
	check(ACT_UNAUTHORISED, OWAMP_CLOCK_DOUBTFUL,
	      "chronyd at 127.0.0.1:%u refuses: not authorised (status 2)");
	check(ACT_VERSION, OWAMP_CLOCK_DOUBTFUL,
	      "chronyd at 127.0.0.1:%u answers in version 7 of its protocol, not 6");
	check(ACT_STRANGE, OWAMP_CLOCK_DOUBTFUL, "the answer from 127.0.0.1:%u is not about tracking");
}

static void test_silence(void **state)
{
	static const char silence[] =
		"no answer from 127.0.0.1:%u in 100 ms: chronyd is busy, or cmddeny or a firewall forbids it";

	(void)state;
	check(ACT_SILENT, OWAMP_CLOCK_ABSENT, silence);
	check(ACT_WRONG_SEQUENCE, OWAMP_CLOCK_ABSENT, silence);
}

/* Nobody there, for as long as it takes, and then somebody, at the same address. */
static void test_nobody(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct server server;
	uint16_t port = start(&server, ACT_ANSWER);
	struct clock_source source = new_source("127.0.0.1", port, "");
	struct clock_reading reading;

	(void)state;
	stop(&server);
	for (int i = 0; i < 3; i++) {
		reading = look(&source);
		assert_said(&reading, OWAMP_CLOCK_ABSENT,
			    "nothing answers at 127.0.0.1:%u: is chronyd running, its cmdport not 0?", port);
	}
	server = (struct server){.fd = socket(AF_INET, SOCK_DGRAM, 0)};
	address.sin_port = htons(port);
	assert_int_equal(bind(server.fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(pthread_create(&server.thread, NULL, serve, &server), 0);
	reading = look(&source);
	assert_int_equal(reading.state, OWAMP_CLOCK_VALID);
	source.ops->free(source.self);
	stop(&server);
}

static void test_no_address(void **state)
{
	struct clock_source source = new_source("example.org", 323, "");
	struct clock_reading reading = look(&source);

	(void)state;
	assert_said(&reading, OWAMP_CLOCK_ABSENT,
		    "'example.org' is no address: a numeric one or localhost is expected%.0u", 0);
	source.ops->free(source.self);
	source = new_source("::1", 1, "");
	reading = look(&source);
	assert_true(strstr(reading.text, "[::1]:1: ") != NULL);
	source.ops->free(source.self);
}

static int entries_of(const char *directory)
{
	DIR *dir = opendir(directory);
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

static mode_t mode_of(const char *path)
{
	struct stat status;

	assert_int_equal(lstat(path, &status), 0);
	return status.st_mode & 07777;
}

/* chronyd's user may write to the socket for its answer, whatever the umask. */
static void assert_open_to_all(const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	char path[512];
	int found = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "owamp-", 6) != 0)
			continue;
		found++;
		snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
		assert_int_equal(mode_of(path), 0666);
	}
	closedir(dir);
	assert_int_equal(found, 1);
}

/* Whoever owns the directory cannot have the mode of something else changed. */
static void test_planted(void **state)
{
	char directory[] = "/tmp/owamp-chrony-XXXXXX", file[64], own[64];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(file, sizeof file, "%s/secret", directory);
	snprintf(own, sizeof own, "%s/own", directory);
	fd = open(file, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlink(file, own), 0);
	assert_false(open_to_all(own));
	assert_int_equal(errno, ENOTSOCK);
	assert_int_equal(mode_of(file), 0600);
	assert_int_equal(unlink(own), 0);
	assert_int_equal(link(file, own), 0);
	assert_false(open_to_all(own));
	assert_int_equal(mode_of(file), 0600);
	assert_int_equal(unlink(own), 0);
	assert_int_equal(unlink(file), 0);
	assert_false(open_to_all(own));
	assert_int_equal(errno, ENOENT);
	/* Somebody else's socket, by a link of either kind. */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", file);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(chmod(file, 0600), 0);
	assert_int_equal(symlink(file, own), 0);
	assert_false(open_to_all(own));
	assert_int_equal(unlink(own), 0);
	assert_int_equal(link(file, own), 0);
	assert_false(open_to_all(own));
	assert_int_equal(errno, EMLINK);
	assert_int_equal(mode_of(file), 0600);
	assert_int_equal(unlink(own), 0);
	assert_true(open_to_all(file));
	assert_int_equal(mode_of(file), 0666);
	close(fd);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(rmdir(directory), 0);
}

static void start_local(struct server *server, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	*server = (struct server){.fd = socket(AF_UNIX, SOCK_DGRAM, 0)};
	assert_int_equal(bind(server->fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

/* The Unix socket: an answer needs a name, which is beside chronyd's while it is needed; and a restart. */
static void test_local(void **state)
{
	char directory[] = "/tmp/owamp-chrony-XXXXXX", path[64];
	struct clock_source source;
	struct clock_reading reading;
	struct server server;
	mode_t mask = umask(027);

	(void)state;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof path, "%s/chronyd.sock", directory);
	source = new_source("", 0, path);
	reading = look(&source);
	assert_int_equal(reading.state, OWAMP_CLOCK_ABSENT);
	assert_non_null(strstr(reading.text, "chronyd.sock: No such file or directory: is chronyd running?"));
	assert_int_equal(entries_of(directory), 0);
	for (int i = 0; i < 2; i++) {
		start_local(&server, path);
		reading = look(&source);
		assert_int_equal(reading.state, OWAMP_CLOCK_VALID);
		assert_int_equal(entries_of(directory), 2);
		assert_open_to_all(directory);
		stop(&server);
		reading = look(&source);
		assert_int_equal(reading.state, OWAMP_CLOCK_ABSENT);
		assert_non_null(strstr(reading.text, "nothing answers at /tmp/owamp-chrony-"));
		/* Its name is gone, and the dead one's is its own. */
		assert_int_equal(entries_of(directory), 1);
		reading = look(&source);
		assert_int_equal(reading.state, OWAMP_CLOCK_ABSENT);
		assert_non_null(strstr(reading.text, "Connection refused: is chronyd running?"));
		assert_int_equal(unlink(path), 0);
	}
	start_local(&server, path);
	reading = look(&source);
	assert_int_equal(reading.state, OWAMP_CLOCK_VALID);
	source.ops->free(source.self);
	assert_int_equal(entries_of(directory), 1);
	stop(&server);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
	umask(mask);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),     cmocka_unit_test(test_answers),
		cmocka_unit_test(test_silence),    cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_no_address), cmocka_unit_test(test_local),
		cmocka_unit_test(test_planted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
