#include <owamp/socket.h>

#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>

#include <owamp/crypto.h>
#include <owamp/engine.h>

/* The first IPv4 address of this host that is not a loopback one. */
static bool find_ipv4(uint8_t octets[4])
{
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all))
		return false;
	for (const struct ifaddrs *one = all; one && !found; one = one->ifa_next) {
		if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET || one->ifa_flags & IFF_LOOPBACK)
			continue;
		memcpy(octets, &((const struct sockaddr_in *)one->ifa_addr)->sin_addr, 4);
		found = true;
	}
	freeifaddrs(all);
	return found;
}

int owamp_make_sid(const struct sockaddr *local, uint8_t sid[OWAMP_SID_SIZE])
{
	owamp_ntp now = owamp_ntp_from_unix_ns(owamp_real_ns());
	uint8_t address[16];
	int version = owamp_address_to_request(local, address);

	if ((version == 4 && address[0] != 127) || !find_ipv4(sid))
		memcpy(sid, version == 4 ? address : address + 12, 4);
	for (int i = 0; i < 8; i++)
		sid[4 + i] = (uint8_t)(now >> (56 - 8 * i));
	return owamp_random(sid + 12, 4);
}
