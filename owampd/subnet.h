/*
 * ADDRESS/BITS, as "assign net" has it. Internal to the limits file.
 */
#ifndef OWAMPD_SUBNET_H
#define OWAMPD_SUBNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct subnet {
	int family;          /* AF_INET or AF_INET6 */
	uint8_t address[16]; /* IPv4 in the first 4 octets */
	unsigned bits;
};

/*
 * Reads size characters of text. OWAMP_EINVAL, and in why what is wrong, for
 * anything that is no network: set host bits too, and IPv4-mapped networks,
 * which would never match because such peers count as IPv4.
 */
int subnet_parse(struct subnet *subnet, const char *text, size_t size, char *why, size_t why_size);

/* Do the first bits of address, of the given family, equal the network's? */
bool subnet_match(const struct subnet *subnet, int family, const uint8_t *address);

bool subnet_equal(const struct subnet *a, const struct subnet *b);

#endif
