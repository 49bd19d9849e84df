/* Connections by their address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "owampd/peers.h"

static struct sockaddr_storage address(const char *text, uint16_t port)
{
	struct sockaddr_storage storage = {.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET};
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;
	struct sockaddr_in *in = (struct sockaddr_in *)&storage;

	if (storage.ss_family == AF_INET6) {
		assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
		in6->sin6_port = htons(port);
	} else {
		assert_int_equal(inet_pton(AF_INET, text, &in->sin_addr), 1);
		in->sin_port = htons(port);
	}
	return storage;
}

static unsigned count(const struct peers *peers, const char *text)
{
	struct sockaddr_storage storage = address(text, 9);

	return peers_count(peers, (struct sockaddr *)&storage);
}

static void add(struct peers *peers, const char *text, uint16_t port)
{
	struct sockaddr_storage storage = address(text, port);

	assert_int_equal(peers_add(peers, (struct sockaddr *)&storage), 0);
}

static void take(struct peers *peers, const char *text, uint16_t port)
{
	struct sockaddr_storage storage = address(text, port);

	peers_remove(peers, (struct sockaddr *)&storage);
}

static void assert_empty(const struct peers *peers)
{
	for (size_t i = 0; i < PEERS_BUCKETS; i++)
		assert_null(peers->buckets[i]);
}

static void test_each_address_is_counted(void **state)
{
	struct peers peers = {{NULL}};

	(void)state;
	assert_int_equal(count(&peers, "192.0.2.1"), 0);
	add(&peers, "192.0.2.1", 1);
	add(&peers, "192.0.2.1", 2);
	add(&peers, "192.0.2.2", 1);
	add(&peers, "2001:db8::1", 1);
	/* Its first four octets are those of 192.0.2.1, and nothing but zeros follows. */
	add(&peers, "c000:201::", 1);
	assert_int_equal(count(&peers, "192.0.2.1"), 2);
	assert_int_equal(count(&peers, "192.0.2.2"), 1);
	assert_int_equal(count(&peers, "2001:db8::1"), 1);
	assert_int_equal(count(&peers, "2001:db8::2"), 0);
	assert_int_equal(count(&peers, "c000:201::"), 1);
	take(&peers, "192.0.2.1", 2);
	assert_int_equal(count(&peers, "192.0.2.1"), 1);
	take(&peers, "192.0.2.1", 1);
	assert_int_equal(count(&peers, "192.0.2.1"), 0);
	assert_int_equal(count(&peers, "c000:201::"), 1);
	take(&peers, "192.0.2.2", 1);
	take(&peers, "2001:db8::1", 1);
	take(&peers, "c000:201::", 1);
	assert_empty(&peers);
}

/* More addresses than buckets, so that some share one, gone in another order than they came. */
static void test_shared_buckets(void **state)
{
	enum { ADDRESSES = 3 * PEERS_BUCKETS };
	struct peers peers = {{NULL}};
	char text[32];

	(void)state;
	for (int i = 0; i < ADDRESSES; i++) {
		snprintf(text, sizeof text, "10.0.%d.%d", i / 256, i % 256);
		for (int n = 0; n <= i % 3; n++)
			add(&peers, text, 1);
	}
	for (int first = 0; first < 2; first++) {
		for (int i = first; i < ADDRESSES; i += 2) {
			snprintf(text, sizeof text, "10.0.%d.%d", i / 256, i % 256);
			assert_int_equal(count(&peers, text), 1 + i % 3);
			for (int n = 0; n <= i % 3; n++)
				take(&peers, text, 1);
			assert_int_equal(count(&peers, text), 0);
		}
	}
	assert_empty(&peers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_address_is_counted),
		cmocka_unit_test(test_shared_buckets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
