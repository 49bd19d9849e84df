/*
 * What owping reports as the delay of a path that takes next to nothing, against
 * what lies between the kernel's own stamps there: the difference is the meter's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bare.h"
#include "burners.h"
#include "client.h"
#include "network.h"

#define RATE          1000
#define PACKETS       3000
#define QUICK_PACKETS 300

#define PATIENCE_MS 60000

struct path {
	const char *name;
	int near; /* namespaces; -1: this one */
	int far;
	int home;
	const char *near_address; /* owampd's */
	const char *far_address;
};

static int bound_socket(const char *address)
{
	struct sockaddr_in local = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && inet_pton(AF_INET, address, &local.sin_addr) == 1 &&
	    bind(fd, (struct sockaddr *)&local, sizeof local) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool join(int fd, int other)
{
	struct sockaddr_in address;
	socklen_t size = sizeof address;

	return getsockname(other, (struct sockaddr *)&address, &size) == 0 &&
	       connect(fd, (struct sockaddr *)&address, size) == 0;
}

static bool open_sockets(const struct path *path, int *from, int *to)
{
	bool ok;

	*from = *to = -1;
	ok = path->far < 0 || network_enter(path->far);
	if (ok)
		*from = bound_socket(path->far_address);
	ok = ok && (path->near < 0 || network_enter(path->near));
	if (ok)
		*to = bound_socket(path->near_address);
	if (path->near >= 0)
		ok = network_enter(path->home) && ok;
	return ok && *from >= 0 && *to >= 0 && join(*from, *to) && join(*to, *from);
}

static bool measure_gap(const struct path *path, uint32_t packets, struct bare_gap *gap)
{
	int from, to;
	bool ok = open_sockets(path, &from, &to);

	if (!ok)
		(void)bench_fail("sockets on %s: %s", path->name, strerror(errno));
	ok = ok && bare_gap(gap, from, to, packets, RATE);
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return ok;
}

static bool measure_delay(struct bench *bench, const struct path *path, const struct server *server,
			  uint32_t packets, struct client_run *run)
{
	char count[16], wait[32];
	const char *const arguments[] = {"-t", "-c",  count, "-i",  wait, "-z", "0.3",
					 "-E", "0.1", "-L",  "0.5", "-a", "99", NULL};
	const struct client_config config = {.program = bench->owping,
					     .server = server,
					     .address = path->near_address,
					     .network = path->far,
					     .mode = "O",
					     .arguments = arguments,
					     .patience_ms = PATIENCE_MS};

	snprintf(count, sizeof count, "%u", packets);
	snprintf(wait, sizeof wait, "%.9fe", 1.0 / RATE);
	if (!client_run(bench, &config, run))
		return false;
	if (client_number(run, "summary.received") > 0)
		return true;
	client_free(run);
	return bench_fail("nothing was received on %s", path->name);
}

static void add_row(struct table *table, const struct path *path, bool busy, const struct client_run *run,
		    const struct bare_gap *gap)
{
	const json_t *p99 = json_array_get(json_object_get(run->test, "percentiles"), 0);
	double floor = client_number(run, "summary.delay_min_ns") / 1e3;
	double median = client_number(run, "summary.delay_median_ns") / 1e3;

	table_text(table, path->name);
	table_text(table, busy ? "busy" : "idle");
	table_number(table, client_number(run, "summary.received"));
	table_number(table, floor);
	table_number(table, median);
	table_number(table, json_number_value(json_object_get(p99, "delay_ns")) / 1e3);
	table_number(table, gap->min_us);
	table_number(table, gap->median_us);
	table_number(table, gap->p99_us);
	table_number(table, median - gap->median_us);
	table_number(table, client_number(run, "health.send.kernel_gap_p50_ns") / 1e3);
}

static bool measure(struct bench *bench, const struct path *path, const struct server *server, bool busy,
		    struct table *table)
{
	uint32_t packets = bench->quick ? QUICK_PACKETS : PACKETS;
	struct client_run run;
	struct bare_gap gap;
	bool ok;

	bench_progress("delay: %s, %s", path->name, busy ? "busy" : "idle");
	if (!measure_delay(bench, path, server, packets, &run))
		return false;
	ok = measure_gap(path, packets, &gap);
	if (ok)
		add_row(table, path, busy, &run, &gap);
	client_free(&run);
	return ok;
}

static bool measure_path(struct bench *bench, const struct path *path, struct table *table)
{
	const struct server_config config = {
		.program = bench->owampd, .address = path->near_address, .network = path->near};
	struct burners burners;
	struct server server;
	bool ok;

	if (!server_start(&server, &config))
		return false;
	ok = measure(bench, path, &server, false, table);
	if (ok && !bench->quick) {
		ok = burners_start(&burners);
		if (ok) {
			ok = measure(bench, path, &server, true, table);
			burners_end(&burners);
		}
	}
	ok = server_end(&server) && ok;
	server_remove(&server);
	return ok;
}

static bool measure_veth(struct bench *bench, struct table *table)
{
	struct network network;
	char reason[160];
	bool ok;

	if (!network_open(&network, reason, sizeof reason)) {
		if (process_interrupted())
			return false;
		fprintf(stderr, "bench: SKIPPED: delay on a veth link: %s\n", reason);
		table_note(table, "SKIPPED: a veth link between two namespaces: %s.", reason);
		return true;
	}
	ok = measure_path(bench,
			  &(const struct path){"veth", network.near, network.far, network.home,
					       NETWORK_NEAR_ADDRESS, NETWORK_FAR_ADDRESS},
			  table);
	network_close(&network);
	return ok;
}

static void set_columns(struct table *table)
{
	table_column(table, "path", "path", -1);
	table_column(table, "machine", "machine", -1);
	table_column(table, "packets", "packets", 0);
	table_column(table, "delay_min_us", "delay min us", 2);
	table_column(table, "delay_median_us", "median", 2);
	table_column(table, "delay_p99_us", "p99", 2);
	table_column(table, "kernel_min_us", "kernel min us", 2);
	table_column(table, "kernel_median_us", "median", 2);
	table_column(table, "kernel_p99_us", "p99", 2);
	table_column(table, "difference_us", "meter us", 2);
	table_column(table, "stamp_to_kernel_us", "send gap us", 2);
	table_note(table, "1,000 packets/s, Poisson, by owping -t. Kernel: between its software stamps at "
			  "transmission and reception, by a bare loop");
	table_note(table,
		   "on the same path. Meter: difference of the medians, which is what the meter adds. Send "
		   "gap: from the stamp in the packet");
	table_note(table,
		   "to the kernel's, median, as owping reports it. Aim: a difference of 5 us or less, idle "
		   "and busy.");
}

bool part_delay(struct bench *bench)
{
	static const struct path loopback = {"loopback", -1, -1, -1, "127.0.0.1", "127.0.0.1"};
	struct table *table = table_new("delay", "Reported one-way delay against the kernel's own stamps");
	bool ok;

	set_columns(table);
	ok = measure_path(bench, &loopback, table) && measure_veth(bench, table);
	bench_add(bench, table);
	return ok;
}
