/*
 * Who may do what, and how much: the limits file (perfSONAR's owampd.limits
 * format), the classes it defines, and the account of what is in use.
 *
 * Classes form a tree; what a session takes is charged to its class and to
 * every class above it (RFC 4656 section 6.5), and each of them must allow it.
 * So a limit that a class does not set is that of its parent; the root's
 * defaults are conservative.
 *
 * Used on the main thread only.
 */
#ifndef OWAMPD_POLICY_H
#define OWAMPD_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct policy;
struct policy_class;
struct policy_grant;

/*
 * Reads a limits file whole or not at all; path NULL gives the defaults: one
 * class "root" with the conservative limits. On failure error is one line,
 * "FILE:LINE: what is wrong, what was expected".
 */
int policy_load(struct policy **policy, const char *path, char *error, size_t error_size);

/* Grants that are still open stay valid, to be released later. Classes do not. */
void policy_free(struct policy *policy);

/*
 * After a reload: moves the open grants of old into policy (by class name; a
 * class that is gone becomes the root), so that nothing is counted twice or
 * forgotten. old holds no grants afterwards. Peers have to be classified anew:
 * a class belongs to its policy.
 */
void policy_adopt(struct policy *policy, struct policy *old);

/*
 * The class of a peer. key_id NULL: open mode. An "assign user" line wins over
 * networks, the longest matching prefix wins among networks, then the default;
 * with no assign line that fits, NULL: refuse. mode is one of OWAMP_MODE_*.
 * An IPv4-mapped IPv6 peer is matched as IPv4.
 */
const struct policy_class *policy_classify(const struct policy *policy, const struct sockaddr *peer,
					   const char *key_id, uint32_t mode);
const char *policy_class_name(const struct policy_class *klass);

/* May a peer of this class use open mode? */
bool policy_allows_open(const struct policy_class *klass);

/* Are a session's results deleted once they were fetched whole? */
bool policy_delete_on_fetch(const struct policy_class *klass);

/* What a session needs. */
struct policy_demand {
	/* INFINITY (slots of 0 s only) is refused by every class, limits or not. */
	double bandwidth_bps;   /* mean, IP octets included */
	double packet_rate;     /* mean packets/s */
	uint32_t burst;         /* packets that are late already and leave at once */
	uint64_t stored_octets; /* of results kept here; 0 for a session we send */
	int64_t timeout_ns;     /* the session's loss threshold */
	int64_t duration_ns;    /* nominal */
};

/*
 * Reserves what the session needs in its class and all above, or refuses:
 * returns OWAMP_ELIMIT with *accept (4: it could never be granted, 5: not now)
 * and reason, one line that names the class, the limit, its value, what is in
 * use and what was asked for. OWAMP_ENOMEM with *accept 2. klass must be of
 * this policy.
 */
int policy_reserve(struct policy *policy, const struct policy_class *klass,
		   const struct policy_demand *demand, struct policy_grant **grant, uint8_t *accept,
		   char *reason, size_t reason_size);

/* The session is over: network and session count are free again. Idempotent. */
void policy_release_network(struct policy_grant *grant);

/*
 * Charges results that are there already, as an earlier process left them:
 * beyond the limit too. A class_name that is NULL or no class is the root.
 */
int policy_charge(struct policy *policy, const char *class_name, uint64_t stored_octets,
		  struct policy_grant **grant);

/* The stored size is now known; what is more than was reserved is there all the same. */
void policy_settle_storage(struct policy_grant *grant, uint64_t stored_octets);

/* The results are gone: frees all that is left, and the grant. */
void policy_release(struct policy_grant *grant);

/* Is anybody assigned to a class? Otherwise every peer is refused. */
bool policy_assigns(const struct policy *policy);

/* Each user that the file assigns to a class, with the line that does. */
void policy_users(const struct policy *policy, void (*fn)(void *context, const char *user, unsigned line),
		  void *context);

/* One line a class with limits and what is in use, through fn. */
void policy_describe(const struct policy *policy, void (*fn)(void *context, const char *line), void *context);

#endif
