#include "network.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process.h"

#define PATIENCE_MS 10000

static int open_current(void)
{
	return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

bool network_enter(int place)
{
	return setns(place, CLONE_NEWNET) == 0;
}

static bool run_ip(int place, const char *const *argv)
{
	const struct process_config config = {.argv = argv, .network = place};
	struct process process;
	bool ended;

	if (!process_start(&process, &config))
		return false;
	ended = process_wait(&process, PATIENCE_MS);
	process_end(&process, 9, PATIENCE_MS);
	return ended && process_succeeded(&process);
}

static const char *find_ip(void)
{
	static const char *const paths[] = {"/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"};

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	}
	return NULL;
}

static bool configure(const struct network *network, const char *ip)
{
	char far[64];
	const char *const link[] = {ip,     "link", "add",   "link0", "type", "veth",
				    "peer", "name", "link0", "netns", far,    NULL};
	const char *const near_address[] = {ip,    "addr",  "add", NETWORK_NEAR_ADDRESS "/24",
					    "dev", "link0", NULL};
	const char *const far_address[] = {ip,    "addr",  "add", NETWORK_FAR_ADDRESS "/24",
					   "dev", "link0", NULL};
	const char *const up[] = {ip, "link", "set", "link0", "up", NULL};
	const char *const loopback[] = {ip, "link", "set", "lo", "up", NULL};

	snprintf(far, sizeof far, "/proc/%d/fd/%d", getpid(), network->far);
	return run_ip(network->near, link) && run_ip(network->near, near_address) &&
	       run_ip(network->far, far_address) && run_ip(network->near, up) && run_ip(network->far, up) &&
	       run_ip(network->near, loopback) && run_ip(network->far, loopback);
}

static bool make_namespace(const struct network *network, int *place)
{
	*place = unshare(CLONE_NEWNET) == 0 ? open_current() : -1;
	if (*place < 0)
		return false;
	return network_enter(network->home);
}

bool network_open(struct network *network, char *reason, size_t reason_size)
{
	const char *ip = find_ip();

	*network = (struct network){.home = open_current(), .near = -1, .far = -1};
	if (!ip)
		snprintf(reason, reason_size, "the program ip (iproute2) is not installed");
	else if (network->home < 0 || !make_namespace(network, &network->near) ||
		 !make_namespace(network, &network->far))
		snprintf(reason, reason_size, "no network namespace: %s", strerror(errno));
	else if (!configure(network, ip))
		snprintf(reason, reason_size, "no veth link could be made");
	else
		return true;
	network_close(network);
	return false;
}

void network_close(struct network *network)
{
	if (network->home >= 0)
		(void)network_enter(network->home);
	if (network->near >= 0)
		close(network->near);
	if (network->far >= 0)
		close(network->far);
	if (network->home >= 0)
		close(network->home);
	*network = (struct network){-1, -1, -1};
}
