/* Who listens where gpsd would: anybody can, but not anybody is believed. Only root can be somebody else. */
#include "gpsd_world.h"

#include <errno.h>

#include <owamp/error.h>

#include "clock/listener.h"

#define NOBODY 65534

#define REFUSED "... is kept by user nobody, neither root nor ours: user = NAME states that this is right"

/* Another's, at that address, in place of the test's. */
static void listen_as_nobody(struct world *w, const struct sockaddr *address, socklen_t size)
{
	int one = 1;

	close(w->listener);
	assert_int_equal(seteuid(NOBODY), 0);
	w->listener = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(seteuid(0), 0);
	assert_true(w->listener >= 0);
	assert_int_equal(setsockopt(w->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
	assert_int_equal(bind(w->listener, address, size), 0);
	assert_int_equal(listen(w->listener, 10), 0);
}

static void listen4(struct world *w, uint32_t address)
{
	const struct sockaddr_in four = {
		.sin_family = AF_INET,
		.sin_port = htons(w->config.gps.port),
		.sin_addr.s_addr = htonl(address),
	};

	listen_as_nobody(w, (const struct sockaddr *)&four, sizeof four);
}

static void listen6(struct world *w, const struct in6_addr *address)
{
	const struct sockaddr_in6 six = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(w->config.gps.port),
		.sin6_addr = *address,
	};

	listen_as_nobody(w, (const struct sockaddr *)&six, sizeof six);
}

static bool has_ipv6(void)
{
	const struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && bind(fd, (const struct sockaddr *)&six, sizeof six) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

/* Looked at, and not more: no connection beside the one that looks. */
static void assert_refused(struct world *w)
{
	int probe;

	assert_state(w, OWAMP_CLOCK_DOUBTFUL, REFUSED);
	assert_false(sample(w).measured);
	probe = accept(w->listener, NULL, NULL);
	assert_true(probe >= 0);
	close(probe);
	assert_false(is_connected_to(w));
}

static void test_stranger(void **state)
{
	struct world w;

	(void)state;
	if (geteuid() != 0)
		skip();
	begin(&w);
	listen4(&w, INADDR_LOOPBACK);
	assert_refused(&w);
	/* Also where it listens everywhere; then gpsd comes. */
	pass(&w, S);
	listen4(&w, INADDR_ANY);
	assert_refused(&w);
	close(w.listener);
	pass(&w, S);
	assert_state(&w, OWAMP_CLOCK_ABSENT, "nothing listens at ...: is gpsd running?");
	pass(&w, S);
	w.listener = new_listener(&w.config.gps.port, 10);
	connect_it(&w);
	end(&w);
}

static void test_stranger6(void **state)
{
	struct in6_addr mapped = {.s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
	struct world w;

	(void)state;
	if (geteuid() != 0 || !has_ipv6())
		skip();
	begin(&w);
	listen6(&w, &mapped);
	assert_refused(&w);
	pass(&w, S);
	listen6(&w, &in6addr_any);
	assert_refused(&w);
	pass(&w, S);
	strcpy(w.config.gps.host, "::1");
	snprintf(w.where, sizeof w.where, "[::1]:%u", w.config.gps.port);
	assert_refused(&w);
	pass(&w, S);
	listen6(&w, &in6addr_loopback);
	assert_refused(&w);
	end(&w);
}

/* localhost is two addresses: a stranger at the one does not keep gpsd from being found at the other. */
static void test_localhost(void **state)
{
	struct world w;
	int gpsd;

	(void)state;
	if (geteuid() != 0 || !has_ipv6())
		skip();
	begin(&w);
	strcpy(w.config.gps.host, "localhost");
	gpsd = dup(w.listener);
	listen6(&w, &in6addr_loopback);
	close(w.listener);
	w.listener = gpsd;
	connect_it(&w);
	end(&w);
}

static void test_named(void **state)
{
	struct world w;

	(void)state;
	if (geteuid() != 0)
		skip();
	begin_for(&w, "nobody");
	listen4(&w, INADDR_LOOPBACK);
	connect_it(&w);
	end(&w);
	begin_for(&w, "daemon");
	listen4(&w, INADDR_LOOPBACK);
	assert_refused(&w);
	end(&w);
}

/* As who runs this is. */
static void test_own(void **state)
{
	struct world w;

	(void)state;
	if (geteuid() != 0)
		skip();
	begin(&w);
	listen4(&w, INADDR_LOOPBACK);
	assert_int_equal(seteuid(NOBODY), 0);
	connect_it(&w);
	assert_int_equal(seteuid(0), 0);
	end(&w);
}

/* Also where another is named. */
static void test_root(void **state)
{
	struct world w;

	(void)state;
	if (geteuid() != 0)
		skip();
	begin_for(&w, "daemon");
	assert_int_equal(seteuid(NOBODY), 0);
	connect_it(&w);
	assert_int_equal(seteuid(0), 0);
	end(&w);
}

static void test_unknown_user(void **state)
{
	struct owamp_clock_source_config config;
	struct clock_source source;

	(void)state;
	owamp_clock_source_default(&config, OWAMP_CLOCK_KIND_GPS);
	strcpy(config.gps.user, "no such user");
	assert_int_not_equal(clock_gps_new(&source, &config), 0);
}

/* A user there is not, and one that would be minded nowhere. */
static void test_bad_user(void **state)
{
	struct owamp_clock_config config = {.drift_max_ppb = 1000, .count = 1};
	struct owamp_clock *clock;
	char error[200];

	(void)state;
	owamp_clock_source_default(&config.sources[0], OWAMP_CLOCK_KIND_SHM);
	strcpy(config.sources[0].shm.user, "no such user");
	assert_int_equal(owamp_clock_new(&clock, &config, error, sizeof error), OWAMP_EINVAL);
	assert_string_equal(error, "clock source \"shm\": its user is none of this host");
	owamp_clock_source_default(&config.sources[0], OWAMP_CLOCK_KIND_GPS);
	strcpy(config.sources[0].gps.user, "no such user");
	assert_int_equal(owamp_clock_new(&clock, &config, error, sizeof error), OWAMP_EINVAL);
	assert_string_equal(error, "clock source \"gps\": its user is none of this host");
	strcpy(config.sources[0].gps.user, "nobody");
	strcpy(config.sources[0].gps.host, "192.0.2.1");
	assert_int_equal(owamp_clock_new(&clock, &config, error, sizeof error), OWAMP_EINVAL);
	assert_string_equal(error, "clock source \"gps\": user needs a host of loopback");
	strcpy(config.sources[0].gps.host, "localhost");
	config.sources[0].gps.port = 1;
	assert_int_equal(owamp_clock_new(&clock, &config, error, sizeof error), 0);
	owamp_clock_free(clock);
}

static void test_local(void **state)
{
	static const char *const local[] = {"127.0.0.1", "127.9.8.7",        "0.0.0.0",       "::1",
					    "::",        "::ffff:127.0.0.1", "::ffff:0.0.0.0"};
	static const char *const others[] = {"192.0.2.1", "128.0.0.1",        "2001:db8::1", "fe80::1",
					     "::2",       "::ffff:192.0.2.1", "localhost",   ""};

	(void)state;
	for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
		assert_true(clock_listener_is_local(local[i]));
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		assert_false(clock_listener_is_local(others[i]));
}

/* The row of a listener and no other: a port of the same digits, an end of a connection. */
static void test_find(void **state)
{
	struct clock_listener first, second;
	struct world w;

	(void)state;
	begin(&w);
	assert_int_equal(clock_listener_find("127.0.0.1", w.config.gps.port, &first), 0);
	assert_int_equal(first.uid, geteuid());
	assert_int_equal(clock_listener_find("0.0.0.0", w.config.gps.port, &second), 0);
	assert_true(first.inode == second.inode);
	assert_int_equal(clock_listener_find("::ffff:127.0.0.1", w.config.gps.port, &second), 0);
	assert_true(first.inode == second.inode);
	assert_int_equal(clock_listener_find("127.0.0.2", w.config.gps.port, &second), ENOENT);
	assert_int_equal(clock_listener_find("::1", w.config.gps.port, &second), ENOENT);
	connect_it(&w);
	close(w.listener);
	assert_int_equal(clock_listener_find("127.0.0.1", w.config.gps.port, &second), ENOENT);
	w.listener = new_listener(&w.config.gps.port, 10);
	assert_int_equal(clock_listener_find("127.0.0.1", w.config.gps.port, &second), 0);
	assert_true(first.inode != second.inode);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stranger),     cmocka_unit_test(test_stranger6),
		cmocka_unit_test(test_localhost),    cmocka_unit_test(test_named),
		cmocka_unit_test(test_own),          cmocka_unit_test(test_root),
		cmocka_unit_test(test_unknown_user), cmocka_unit_test(test_bad_user),
		cmocka_unit_test(test_local),        cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
