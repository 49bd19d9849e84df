#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TCP4 "/proc/thread-self/net/tcp"
#define TCP6 "/proc/thread-self/net/tcp6"

#define STATE_LISTEN 0x0a

/* As /proc writes addresses: in words, each as the machine reads it. */
#define ADDRESS4_DIGITS 8
#define ADDRESS6_DIGITS 32

static void print_words(const void *address, size_t size, char *text)
{
	for (size_t i = 0; i < size; i += sizeof(uint32_t)) {
		uint32_t word;

		memcpy(&word, (const char *)address + i, sizeof word);
		(void)snprintf(text + 2 * i, ADDRESS4_DIGITS + 1, "%08" PRIX32, word);
	}
}

/* What connect() makes of it: IPv4 mapped into IPv6 is IPv4, and no address is the first of loopback. */
static int parse(const char *host, struct in_addr *four, struct in6_addr *six)
{
	if (inet_pton(AF_INET, host, four) != 1) {
		if (inet_pton(AF_INET6, host, six) != 1)
			return AF_UNSPEC;
		if (!IN6_IS_ADDR_V4MAPPED(six)) {
			if (IN6_IS_ADDR_UNSPECIFIED(six))
				*six = in6addr_loopback;
			return AF_INET6;
		}
		memcpy(four, &six->s6_addr[12], sizeof *four);
	}
	if (four->s_addr == htonl(INADDR_ANY))
		four->s_addr = htonl(INADDR_LOOPBACK);
	return AF_INET;
}

bool clock_listener_is_local(const char *host)
{
	struct in_addr four;
	struct in6_addr six;

	switch (parse(host, &four, &six)) {
	case AF_INET:
		return ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(&six);
	default:
		return false;
	}
}

/* Listeners are listed first. 0, ENOENT or errno. */
static int find_row(const char *path, const char *address, uint16_t port, struct clock_listener *listener)
{
	char line[512], local[ADDRESS6_DIGITS + 1];
	unsigned local_port, state = STATE_LISTEN, uid;
	FILE *file = fopen(path, "re");
	int error = ENOENT;

	if (!file)
		return errno;
	/* The head. */
	(void)!fgets(line, sizeof line, file);
	while (error && state == STATE_LISTEN && fgets(line, sizeof line, file)) {
		uint64_t inode;

		if (sscanf(line,
			   " %*u: %32[0-9A-F]:%4x %*[0-9A-F]:%*x %2x %*x:%*x %*x:%*x %*x %u %*u %" SCNu64,
			   local, &local_port, &state, &uid, &inode) != 5) {
			error = EPROTO;
			break;
		}
		if (state == STATE_LISTEN && local_port == port && strcmp(local, address) == 0) {
			*listener = (struct clock_listener){.uid = uid, .inode = inode};
			error = 0;
		}
	}
	(void)fclose(file);
	return error;
}

static int find_row6(const struct in6_addr *address, uint16_t port, struct clock_listener *listener)
{
	char text[ADDRESS6_DIGITS + 1];

	print_words(address, sizeof *address, text);
	return find_row(TCP6, text, port, listener);
}

static int find_row4(struct in_addr address, uint16_t port, struct clock_listener *listener)
{
	char text[ADDRESS4_DIGITS + 1];

	print_words(&address, sizeof address, text);
	return find_row(TCP4, text, port, listener);
}

static int find4(struct in_addr four, uint16_t port, struct clock_listener *listener)
{
	struct in6_addr mapped = {.s6_addr[10] = 0xff, .s6_addr[11] = 0xff};
	int error = find_row4(four, port, listener);

	if (error != ENOENT)
		return error;
	memcpy(&mapped.s6_addr[12], &four, sizeof four);
	error = find_row6(&mapped, port, listener);
	if (error == ENOENT)
		error = find_row4((struct in_addr){.s_addr = htonl(INADDR_ANY)}, port, listener);
	return error == ENOENT ? find_row6(&in6addr_any, port, listener) : error;
}

/* In the order in which the kernel chooses: who has the address before who has all. */
int clock_listener_find(const char *host, uint16_t port, struct clock_listener *listener)
{
	struct in_addr four;
	struct in6_addr six;
	int error;

	switch (parse(host, &four, &six)) {
	case AF_INET:
		return find4(four, port, listener);
	case AF_INET6:
		error = find_row6(&six, port, listener);
		return error == ENOENT ? find_row6(&in6addr_any, port, listener) : error;
	default:
		return EINVAL;
	}
}
