#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "owamp/error.h"
#include "owampd/subnet.h"

#define TEXT_SIZE (INET6_ADDRSTRLEN + 4)

static unsigned address_size(int family)
{
	return family == AF_INET6 ? 16 : 4;
}

/* Clears the host bits; true if there were any. */
static bool clear_host_bits(struct subnet *subnet)
{
	bool any = false;

	for (unsigned i = subnet->bits; i < 8 * address_size(subnet->family); i++) {
		uint8_t bit = (uint8_t)(0x80U >> i % 8);

		any = any || (subnet->address[i / 8] & bit);
		subnet->address[i / 8] &= (uint8_t)~bit;
	}
	return any;
}

static bool is_mapped(const struct subnet *subnet)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return subnet->family == AF_INET6 && subnet->bits >= 96 &&
	       memcmp(subnet->address, mapped, sizeof(mapped)) == 0;
}

/* Decimal digits and nothing else, not above most; or -1. */
static int parse_bits(const char *text, unsigned most)
{
	unsigned value = 0;
	const char *c;

	for (c = text; *c >= '0' && *c <= '9' && value <= most; c++)
		value = value * 10 + (unsigned)(*c - '0');
	return c == text || *c || value > most ? -1 : (int)value;
}

static bool parse_text(struct subnet *subnet, const char *text, size_t size)
{
	char copy[TEXT_SIZE];
	char *slash;
	int bits;

	if (size >= sizeof(copy))
		return false;
	memcpy(copy, text, size);
	copy[size] = '\0';
	slash = strchr(copy, '/');
	if (!slash)
		return false;
	*slash = '\0';
	subnet->family = strchr(copy, ':') ? AF_INET6 : AF_INET;
	bits = parse_bits(slash + 1, 8 * address_size(subnet->family));
	if (bits < 0)
		return false;
	subnet->bits = (unsigned)bits;
	return inet_pton(subnet->family, copy, subnet->address) == 1;
}

int subnet_parse(struct subnet *subnet, const char *text, size_t size, char *why, size_t why_size)
{
	int quote = size < 60 ? (int)size : 60;
	char meant[TEXT_SIZE];

	memset(subnet, 0, sizeof(*subnet));
	if (!parse_text(subnet, text, size)) {
		snprintf(why, why_size,
			 "'%.*s' is not a network, expected ADDRESS/BITS as in 192.0.2.0/24 or 2001:db8::/32",
			 quote, text);
		return OWAMP_EINVAL;
	}
	if (clear_host_bits(subnet)) {
		inet_ntop(subnet->family, subnet->address, meant, sizeof(meant));
		snprintf(why, why_size,
			 "'%.*s' has bits set after the first %u, expected a network such as %s/%u", quote,
			 text, subnet->bits, meant, subnet->bits);
		return OWAMP_EINVAL;
	}
	if (is_mapped(subnet)) {
		inet_ntop(AF_INET, subnet->address + 12, meant, sizeof(meant));
		snprintf(why, why_size, "'%.*s' is an IPv4-mapped network, expected %s/%u", quote, text,
			 meant, subnet->bits - 96);
		return OWAMP_EINVAL;
	}
	return 0;
}

bool subnet_match(const struct subnet *subnet, int family, const uint8_t *address)
{
	size_t whole = subnet->bits / 8;
	unsigned mask = 0xff00U >> subnet->bits % 8 & 0xffU;

	if (family != subnet->family || memcmp(subnet->address, address, whole) != 0)
		return false;
	return mask == 0 || ((unsigned)(subnet->address[whole] ^ address[whole]) & mask) == 0;
}

bool subnet_equal(const struct subnet *a, const struct subnet *b)
{
	return a->bits == b->bits && subnet_match(a, b->family, b->address);
}
