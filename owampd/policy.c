#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "owamp/error.h"
#include "owamp/session.h"
#include "owampd/append.h"
#include "owampd/limits.h"
#include "owampd/policy.h"

#define NS_PER_S INT64_C(1000000000)

struct policy_class {
	const struct limits_class *limits;
	struct policy_class *parent; /* NULL: the root */
	uint64_t used[LIMITS_AGGREGATE];
};

struct policy {
	struct limits *limits;
	struct policy_class *classes; /* in the order of limits->classes */
	struct policy_grant *grants;  /* all that are open */
};

/* Integers, so that what is given back is exactly what was taken. */
struct policy_grant {
	struct policy *policy; /* NULL: the policy was freed first */
	struct policy_class *klass;
	uint64_t taken[LIMITS_AGGREGATE];
	struct policy_grant *next;
	struct policy_grant **link; /* what points to this grant */
};

/* Where a refusal goes. */
struct refusal {
	uint8_t *accept;
	char *reason;
	size_t reason_size;
};

int policy_load(struct policy **policy, const char *path, char *error, size_t error_size)
{
	struct policy *made = calloc(1, sizeof(*made));
	int result = OWAMP_ENOMEM;

	*policy = NULL;
	snprintf(error, error_size, "%s: out of memory", path ? path : "limits");
	if (!made)
		return result;
	if (path)
		result = limits_load(&made->limits, path, error, error_size);
	else
		result = limits_default(&made->limits, error, error_size);
	if (result)
		goto cleanup;
	made->classes = calloc(made->limits->class_count, sizeof(*made->classes));
	if (!made->classes) {
		result = OWAMP_ENOMEM;
		goto cleanup;
	}
	for (size_t i = 0; i < made->limits->class_count; i++) {
		made->classes[i].limits = &made->limits->classes[i];
		if (i > 0)
			made->classes[i].parent = &made->classes[made->limits->classes[i].parent];
	}
	*policy = made;
	made = NULL;
cleanup:
	policy_free(made);
	return result;
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	for (struct policy_grant *grant = policy->grants; grant; grant = grant->next)
		grant->policy = NULL;
	limits_free(policy->limits);
	free(policy->classes);
	free(policy);
}

static void link_grant(struct policy *policy, struct policy_grant *grant)
{
	grant->policy = policy;
	grant->next = policy->grants;
	grant->link = &policy->grants;
	if (grant->next)
		grant->next->link = &grant->next;
	policy->grants = grant;
}

static void unlink_grant(struct policy_grant *grant)
{
	*grant->link = grant->next;
	if (grant->next)
		grant->next->link = grant->link;
}

static void charge(struct policy_class *klass, const uint64_t taken[LIMITS_AGGREGATE])
{
	for (; klass; klass = klass->parent)
		for (unsigned i = 0; i < LIMITS_AGGREGATE; i++)
			klass->used[i] += taken[i];
}

/* What is taken of one kind becomes amount. */
static void set_taken(struct policy_grant *grant, enum limits_kind kind, uint64_t amount)
{
	uint64_t before = grant->taken[kind];

	grant->taken[kind] = amount;
	if (!grant->policy)
		return;
	for (struct policy_class *klass = grant->klass; klass; klass = klass->parent)
		klass->used[kind] = klass->used[kind] - before + amount;
}

static struct policy_class *class_by_name(struct policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->limits->class_count; i++)
		if (strcmp(policy->limits->classes[i].name, name) == 0)
			return &policy->classes[i];
	return &policy->classes[0];
}

void policy_adopt(struct policy *policy, struct policy *old)
{
	while (old->grants) {
		struct policy_grant *grant = old->grants;
		struct policy_class *klass = class_by_name(policy, grant->klass->limits->name);

		for (struct policy_class *from = grant->klass; from; from = from->parent)
			for (unsigned i = 0; i < LIMITS_AGGREGATE; i++)
				from->used[i] -= grant->taken[i];
		unlink_grant(grant);
		link_grant(policy, grant);
		grant->klass = klass;
		charge(klass, grant->taken);
	}
}

/* An IPv4-mapped address is IPv4. false: not an Internet address. */
static bool peer_address(const struct sockaddr *peer, int *family, uint8_t address[16])
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	*family = peer->sa_family;
	if (*family == AF_INET) {
		memcpy(&in, peer, sizeof(in));
		memcpy(address, &in.sin_addr, 4);
		return true;
	}
	if (*family != AF_INET6)
		return false;
	memcpy(&in6, peer, sizeof(in6));
	memcpy(address, &in6.sin6_addr, 16);
	if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
		*family = AF_INET;
		memmove(address, address + 12, 4);
	}
	return true;
}

static const struct limits_net *longest_match(const struct limits *limits, const struct sockaddr *peer)
{
	const struct limits_net *best = NULL;
	uint8_t address[16];
	int family;

	if (!peer_address(peer, &family, address))
		return NULL;
	for (size_t i = 0; i < limits->net_count; i++) {
		const struct limits_net *net = &limits->nets[i];

		if (subnet_match(&net->subnet, family, address) &&
		    (!best || net->subnet.bits > best->subnet.bits))
			best = net;
	}
	return best;
}

const struct policy_class *policy_classify(const struct policy *policy, const struct sockaddr *peer,
					   const char *key_id, uint32_t mode)
{
	const struct limits *limits = policy->limits;
	const struct limits_net *net;

	/* In open mode a KeyID proves nothing. */
	if (mode != OWAMP_MODE_OPEN && key_id)
		for (size_t i = 0; i < limits->user_count; i++)
			if (strcmp(limits->users[i].name, key_id) == 0)
				return &policy->classes[limits->users[i].klass];
	net = longest_match(limits, peer);
	if (net)
		return &policy->classes[net->klass];
	return limits->has_default ? &policy->classes[limits->default_class] : NULL;
}

const char *policy_class_name(const struct policy_class *klass)
{
	return klass->limits->name;
}

bool policy_allows_open(const struct policy_class *klass)
{
	return klass->limits->allow_open_mode;
}

bool policy_delete_on_fetch(const struct policy_class *klass)
{
	return klass->limits->delete_on_fetch;
}

__attribute__((format(printf, 3, 4))) static int refuse(const struct refusal *refusal, uint8_t accept,
							const char *format, ...)
{
	va_list arguments;

	*refusal->accept = accept;
	va_start(arguments, format);
	vsnprintf(refusal->reason, refusal->reason_size, format, arguments);
	va_end(arguments);
	return OWAMP_ELIMIT;
}

static uint64_t round_up(double value)
{
	uint64_t whole = (uint64_t)value;

	return whole + ((double)whole < value);
}

/*
 * The demand in whole units of each limit. The wire rounds slot parameters to
 * 2^-32 s, so a rate is taken at the slowest that still gives the same slots:
 * 1 ms slots are 1000 packets/s, not 1000.00007. Fractions of a second of the
 * duration do not count, for the same reason.
 */
static int measure(const struct policy_demand *demand, uint64_t need[LIMITS_KINDS],
		   const struct policy_class *klass, const struct refusal *refusal)
{
	double rounding = 1 + demand->packet_rate * 0x1p-32;
	double bandwidth = demand->bandwidth_bps / rounding;
	double rate = demand->packet_rate / rounding;

	/* Written so that NaN, which infinity over infinity is, fails too. */
	if (!(bandwidth >= 0 && bandwidth <= (double)LIMITS_VALUE_MAX && rate >= 0 &&
	      rate <= (double)LIMITS_VALUE_MAX) ||
	    demand->stored_octets > LIMITS_VALUE_MAX)
		return refuse(refusal, OWAMP_ACCEPT_PERMANENT_RESOURCES,
			      "class %s: the schedule sends without end or pause, no class allows that "
			      "(%g packets/s, %g bit/s, %llu octets of results asked for)",
			      klass->limits->name, demand->packet_rate, demand->bandwidth_bps,
			      (unsigned long long)demand->stored_octets);

	need[LIMITS_BANDWIDTH] = round_up(bandwidth);
	need[LIMITS_DISK] = demand->stored_octets;
	need[LIMITS_SESSIONS] = 1;
	need[LIMITS_PACKET_RATE] = round_up(rate);
	need[LIMITS_TIMEOUT] =
		(uint64_t)(demand->timeout_ns / NS_PER_S + (demand->timeout_ns % NS_PER_S > 0));
	need[LIMITS_DURATION] = (uint64_t)(demand->duration_ns / NS_PER_S);
	return 0;
}

/* More than the class could ever grant, with nothing in use? */
static int check_alone(const struct policy_class *klass, const uint64_t need[LIMITS_KINDS], uint32_t burst,
		       const struct refusal *refusal)
{
	uint64_t rate = klass->limits->value[LIMITS_PACKET_RATE];

	for (unsigned i = 0; i < LIMITS_KINDS; i++) {
		uint64_t limit = klass->limits->value[i];

		if (limit != 0 && need[i] > limit)
			return refuse(refusal, OWAMP_ACCEPT_PERMANENT_RESOURCES,
				      "class %s: %s is limited to %llu %s, the session needs %llu",
				      klass->limits->name, limits_name(i), (unsigned long long)limit,
				      limits_unit(i), (unsigned long long)need[i]);
	}
	if (rate != 0 && burst > rate)
		return refuse(refusal, OWAMP_ACCEPT_PERMANENT_RESOURCES,
			      "class %s: max_packet_rate is limited to %llu packets/s, the session sends a "
			      "burst of "
			      "%lu packets back to back, more than one second's allowance",
			      klass->limits->name, (unsigned long long)rate, (unsigned long)burst);
	return 0;
}

/* More than the class has left now? */
static int check_left(const struct policy_class *klass, const uint64_t need[LIMITS_KINDS],
		      const struct refusal *refusal)
{
	for (unsigned i = 0; i < LIMITS_AGGREGATE; i++) {
		uint64_t limit = klass->limits->value[i] ? klass->limits->value[i] : UINT64_MAX;
		uint64_t used = klass->used[i];

		/* A reload can have put the limit below what is in use. */
		if (need[i] > 0 && (used > limit || need[i] > limit - used))
			return refuse(
				refusal, OWAMP_ACCEPT_TEMPORARY_RESOURCES,
				"class %s: %s is limited to %llu %s, %llu are in use, the session needs %llu",
				klass->limits->name, limits_name(i), (unsigned long long)limit,
				limits_unit(i), (unsigned long long)used, (unsigned long long)need[i]);
	}
	return 0;
}

int policy_reserve(struct policy *policy, const struct policy_class *klass,
		   const struct policy_demand *demand, struct policy_grant **grant, uint8_t *accept,
		   char *reason, size_t reason_size)
{
	struct refusal refusal = {.accept = accept, .reason = reason, .reason_size = reason_size};
	uint64_t need[LIMITS_KINDS];
	const struct policy_class *at;
	int result = measure(demand, need, klass, &refusal);

	*grant = NULL;
	/* First what no waiting can help, in any class. */
	for (at = klass; !result && at; at = at->parent)
		result = check_alone(at, need, demand->burst, &refusal);
	for (at = klass; !result && at; at = at->parent)
		result = check_left(at, need, &refusal);
	if (result)
		return result;

	*grant = calloc(1, sizeof(**grant));
	if (!*grant) {
		refuse(&refusal, OWAMP_ACCEPT_INTERNAL, "class %s: out of memory", klass->limits->name);
		return OWAMP_ENOMEM;
	}
	(*grant)->klass = &policy->classes[klass - policy->classes];
	memcpy((*grant)->taken, need, sizeof((*grant)->taken));
	link_grant(policy, *grant);
	charge((*grant)->klass, need);
	return 0;
}

int policy_charge(struct policy *policy, const char *class_name, uint64_t stored_octets,
		  struct policy_grant **grant)
{
	*grant = calloc(1, sizeof(**grant));
	if (!*grant)
		return OWAMP_ENOMEM;
	(*grant)->klass = class_name ? class_by_name(policy, class_name) : &policy->classes[0];
	(*grant)->taken[LIMITS_DISK] = stored_octets;
	link_grant(policy, *grant);
	charge((*grant)->klass, (*grant)->taken);
	return 0;
}

void policy_release_network(struct policy_grant *grant)
{
	set_taken(grant, LIMITS_BANDWIDTH, 0);
	set_taken(grant, LIMITS_SESSIONS, 0);
}

void policy_settle_storage(struct policy_grant *grant, uint64_t stored_octets)
{
	set_taken(grant, LIMITS_DISK, stored_octets);
}

void policy_release(struct policy_grant *grant)
{
	if (!grant)
		return;
	policy_release_network(grant);
	policy_settle_storage(grant, 0);
	if (grant->policy)
		unlink_grant(grant);
	free(grant);
}

bool policy_assigns(const struct policy *policy)
{
	const struct limits *limits = policy->limits;

	return limits->has_default || limits->net_count > 0 || limits->user_count > 0;
}

void policy_users(const struct policy *policy, void (*fn)(void *context, const char *user, unsigned line),
		  void *context)
{
	for (size_t i = 0; i < policy->limits->user_count; i++)
		fn(context, policy->limits->users[i].name, policy->limits->users[i].line);
}

static void append_limit(char *line, size_t size, const struct policy_class *klass, enum limits_kind kind)
{
	unsigned long long limit = klass->limits->value[kind];

	append(line, size, ", %s ", limits_name(kind));
	if (kind < LIMITS_AGGREGATE)
		append(line, size, "%llu of ", (unsigned long long)klass->used[kind]);
	if (limit)
		append(line, size, "%llu %s", limit, limits_unit(kind));
	else
		append(line, size, "unlimited %s", limits_unit(kind));
}

void policy_describe(const struct policy *policy, void (*fn)(void *context, const char *line), void *context)
{
	for (size_t i = 0; i < policy->limits->class_count; i++) {
		const struct policy_class *klass = &policy->classes[i];
		char line[1024] = "";

		append(line, sizeof(line), "class %s (%s%s): open mode %s, delete on fetch %s",
		       klass->limits->name, klass->parent ? "parent " : "root",
		       klass->parent ? klass->parent->limits->name : "",
		       klass->limits->allow_open_mode ? "on" : "off",
		       klass->limits->delete_on_fetch ? "on" : "off");
		for (unsigned kind = 0; kind < LIMITS_KINDS; kind++)
			append_limit(line, sizeof(line), klass, kind);
		fn(context, line);
	}
}
