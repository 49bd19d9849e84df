#include "reference.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <time.h>

#include <owamp/error.h>
#include <owamp/socket.h>

/* Seconds from 1900 to 1970: section 4.1.2 counts from the former. */
#define UNIX_IN_NTP UINT64_C(2208988800)

static struct sockaddr_storage address_of(const char *text, uint16_t port)
{
	struct sockaddr_storage address = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)&address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;

	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
	}
	return address;
}

static const struct sockaddr *plain(const struct sockaddr_storage *address)
{
	return (const struct sockaddr *)address;
}

static void assert_text(const struct sockaddr_storage *address, const char *with, const char *without)
{
	char text[OWAMP_ADDRESS_TEXT];

	assert_ptr_equal(owamp_address_text(plain(address), true, text), text);
	assert_string_equal(text, with);
	owamp_address_text(plain(address), false, text);
	assert_string_equal(text, without);
}

static void test_text(void **state)
{
	struct sockaddr_storage v4 = address_of("192.0.2.1", 861);
	struct sockaddr_storage v6 = address_of("2001:db8::1", 8760);
	struct sockaddr_storage link_local = address_of("fe80::1", 65535);
	struct sockaddr_storage longest = address_of("2001:db8:1111:2222:3333:4444:5555:6666", 65535);

	(void)state;
	((struct sockaddr_in6 *)&link_local)->sin6_scope_id = if_nametoindex("lo");
	assert_text(&v4, "192.0.2.1:861", "192.0.2.1");
	assert_text(&v6, "[2001:db8::1]:8760", "2001:db8::1");
	assert_text(&link_local, "[fe80::1%lo]:65535", "fe80::1%lo");
	assert_text(&longest, "[2001:db8:1111:2222:3333:4444:5555:6666]:65535",
		    "2001:db8:1111:2222:3333:4444:5555:6666");
}

static void test_port_and_size(void **state)
{
	struct sockaddr_storage v4 = address_of("192.0.2.1", 861), v6 = address_of("2001:db8::1", 8760);

	(void)state;
	assert_int_equal(owamp_address_port(plain(&v4)), 861);
	assert_int_equal(owamp_address_port(plain(&v6)), 8760);
	assert_int_equal(owamp_address_size(plain(&v4)), sizeof(struct sockaddr_in));
	assert_int_equal(owamp_address_size(plain(&v6)), sizeof(struct sockaddr_in6));
	owamp_address_set_port((struct sockaddr *)&v4, 9960);
	owamp_address_set_port((struct sockaddr *)&v6, 65534);
	assert_text(&v4, "192.0.2.1:9960", "192.0.2.1");
	assert_text(&v6, "[2001:db8::1]:65534", "2001:db8::1");
}

static bool equal(const char *a, uint16_t a_port, const char *b, uint16_t b_port)
{
	struct sockaddr_storage x = address_of(a, a_port), y = address_of(b, b_port);

	return owamp_address_equal(plain(&x), plain(&y));
}

static void test_equal(void **state)
{
	(void)state;
	assert_true(equal("192.0.2.1", 1, "192.0.2.1", 2));
	assert_false(equal("192.0.2.1", 1, "192.0.2.2", 1));
	assert_true(equal("2001:db8::1", 1, "2001:db8::1", 2));
	assert_false(equal("2001:db8::1", 1, "2001:db8::2", 1));
	assert_false(equal("2001:db8::1", 1, "2001:db9::1", 1));
	assert_false(equal("0.0.0.0", 1, "::", 1));
}

static void assert_request(const char *text, int version, const char *hex)
{
	struct sockaddr_storage address = address_of(text, 861);
	uint8_t octets[16], expected[16];

	ref_hex(hex, expected, sizeof expected);
	memset(octets, 0xff, sizeof octets);
	assert_int_equal(owamp_address_to_request(plain(&address), octets), version);
	assert_memory_equal(octets, expected, sizeof octets);
}

static void test_to_request(void **state)
{
	(void)state;
	assert_request("192.0.2.1", 4, "c0000201000000000000000000000000");
	assert_request("2001:db8::1", 6, "20010db8000000000000000000000001");
	assert_request("::ffff:192.0.2.1", 4, "c0000201000000000000000000000000");
}

static void assert_from_request(uint8_t version, const char *hex, const char *text)
{
	struct sockaddr_storage address;
	char without[OWAMP_ADDRESS_TEXT];
	uint8_t octets[16];

	ref_hex(hex, octets, sizeof octets);
	memset(&address, 0xff, sizeof address);
	owamp_address_from_request(version, octets, 9000, &address);
	assert_int_equal(address.ss_family, version == 4 ? AF_INET : AF_INET6);
	assert_text(&address, text, owamp_address_text(plain(&address), false, without));
}

/* Octets beyond an IPv4 address do not matter, section 3.5. */
static void test_from_request(void **state)
{
	(void)state;
	assert_from_request(4, "c0000201ffffffffffffffffffffffff", "192.0.2.1:9000");
	assert_from_request(6, "20010db8000000000000000000000001", "[2001:db8::1]:9000");
}

static uint64_t ntp_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return ((uint64_t)now.tv_sec + UNIX_IN_NTP) << 32 |
	       (((uint64_t)now.tv_nsec << 32) + 500000000) / 1000000000;
}

/* An IPv4 address of this host that is no loopback address, or NULL. */
static bool has_address(const uint8_t octets[4], bool *any)
{
	struct ifaddrs *all;
	bool found = false;

	*any = false;
	assert_int_equal(getifaddrs(&all), 0);
	for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
		if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET || one->ifa_flags & IFF_LOOPBACK)
			continue;
		*any = true;
		found |= memcmp(&((struct sockaddr_in *)one->ifa_addr)->sin_addr, octets, 4) == 0;
	}
	freeifaddrs(all);
	return found;
}

/* Section 3.5: 4 octets of an IPv4 address, 8 of the time, 4 random. */
static void test_sid(void **state)
{
	static const uint8_t expected[4] = {192, 0, 2, 9};
	struct sockaddr_storage local = address_of("192.0.2.9", 0);
	uint8_t sid[OWAMP_SID_SIZE] = {0}, second[OWAMP_SID_SIZE] = {0};
	uint64_t before = ntp_now(), time;

	(void)state;
	assert_int_equal(owamp_make_sid(plain(&local), sid), 0);
	time = ref_get(sid + 4, 8);
	assert_true(time >= before);
	assert_true(time <= ntp_now());
	assert_memory_equal(sid, expected, 4);
	assert_int_equal(owamp_make_sid(plain(&local), second), 0);
	assert_memory_not_equal(sid + 12, second + 12, 4);
}

/* A loopback address names no host: any other one of this host is better. */
static void test_sid_of_loopback(void **state)
{
	struct sockaddr_storage v4 = address_of("127.0.0.1", 0), v6 = address_of("2001:db8::c0de:cafe", 0);
	static const uint8_t v4_octets[4] = {127, 0, 0, 1}, v6_octets[4] = {0xc0, 0xde, 0xca, 0xfe};
	uint8_t sid[OWAMP_SID_SIZE];
	bool any, found;

	(void)state;
	assert_int_equal(owamp_make_sid(plain(&v4), sid), 0);
	found = has_address(sid, &any);
	if (any)
		assert_true(found);
	else
		assert_memory_equal(sid, v4_octets, 4);
	assert_int_equal(owamp_make_sid(plain(&v6), sid), 0);
	found = has_address(sid, &any);
	if (any)
		assert_true(found);
	else
		assert_memory_equal(sid, v6_octets, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_port_and_size),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_to_request),
		cmocka_unit_test(test_from_request),
		cmocka_unit_test(test_sid),
		cmocka_unit_test(test_sid_of_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
