/*
 * What the tests of the policy share: limits files in memory, and grants that
 * must be given, or refused in so many words.
 */
#ifndef POLICY_FIXTURE_H
#define POLICY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <math.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <unistd.h>

#include "owamp/error.h"
#include "owamp/session.h"
#include "owampd/policy.h"

#define S         INT64_C(1000000000)
#define OPEN      OWAMP_MODE_OPEN
#define ENCRYPTED OWAMP_MODE_ENCRYPTED
#define PERMANENT 4 /* RFC 4656 section 3.3 */
#define TEMPORARY 5
#define LINES_MAX 8
#define ROOT      "limit root with bandwidth=1m\n"
#define ROOT_ALL  "limit root with bandwidth=0, disk=0, test_sessions=0, max_packet_rate=0, "
#define ROOT_NONE ROOT_ALL "max_timeout=0, max_duration=0\n"

static inline struct policy *load(const char *text)
{
	int fd = memfd_create("limits", MFD_CLOEXEC);
	struct policy *policy;
	char path[64], error[512] = "";

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (policy_load(&policy, path, error, sizeof(error)))
		fail_msg("%s", error);
	close(fd);
	return policy;
}

static inline const struct policy_class *classify(const struct policy *policy, const char *peer,
						  const char *key_id, uint32_t mode)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_in in = {.sin_family = AF_INET};

	if (inet_pton(AF_INET, peer, &in.sin_addr) == 1)
		return policy_classify(policy, (struct sockaddr *)&in, key_id, mode);
	assert_int_equal(inet_pton(AF_INET6, peer, &in6.sin6_addr), 1);
	return policy_classify(policy, (struct sockaddr *)&in6, key_id, mode);
}

static inline const char *class_of(const struct policy *policy, const char *peer, const char *key_id,
				   uint32_t mode)
{
	const struct policy_class *klass = classify(policy, peer, key_id, mode);

	return klass ? policy_class_name(klass) : "(none)";
}

static inline const struct policy_class *user_class(const struct policy *policy, const char *user)
{
	return classify(policy, "192.0.2.1", user, ENCRYPTED);
}

/* A session that is small in every respect. */
static const struct policy_demand small = {
	.bandwidth_bps = 1000,
	.packet_rate = 1,
	.burst = 1,
	.stored_octets = 100,
	.timeout_ns = 2 * S,
	.duration_ns = 10 * S,
};

static inline struct policy_grant *grant(struct policy *policy, const struct policy_class *klass,
					 const struct policy_demand *demand)
{
	struct policy_grant *made = NULL;
	char reason[512] = "";
	uint8_t accept = 77;

	if (policy_reserve(policy, klass, demand, &made, &accept, reason, sizeof(reason)))
		fail_msg("%s", reason);
	assert_non_null(made);
	return made;
}

static inline void deny(struct policy *policy, const struct policy_class *klass,
			const struct policy_demand *demand, uint8_t wanted_accept, const char *wanted_reason)
{
	struct policy_grant *made = (struct policy_grant *)&made;
	char reason[512] = "";
	uint8_t accept = 77;

	assert_int_equal(policy_reserve(policy, klass, demand, &made, &accept, reason, sizeof(reason)),
			 OWAMP_ELIMIT);
	assert_null(made);
	assert_int_equal(accept, wanted_accept);
	assert_string_equal(reason, wanted_reason);
}

struct lines {
	char line[LINES_MAX][1024];
	unsigned count;
};

static inline void keep_line(void *context, const char *line)
{
	struct lines *lines = context;

	assert_true(lines->count < LINES_MAX);
	snprintf(lines->line[lines->count++], sizeof(lines->line[0]), "%s", line);
}

/* What is in use, as the description of the class says. */
static inline void assert_used(const struct policy *policy, unsigned index, unsigned long bandwidth,
			       unsigned long disk, unsigned long sessions)
{
	struct lines lines = {.count = 0};
	unsigned long used[3];
	const char *at;

	policy_describe(policy, keep_line, &lines);
	assert_true(index < lines.count);
	at = strstr(lines.line[index], "bandwidth ");
	assert_non_null(at);
	assert_int_equal(sscanf(at,
				"bandwidth %lu of %*s %*[^,], disk %lu of %*s %*[^,], test_sessions %lu of",
				&used[0], &used[1], &used[2]),
			 3);
	assert_int_equal(used[0], bandwidth);
	assert_int_equal(used[1], disk);
	assert_int_equal(used[2], sessions);
}

#endif
