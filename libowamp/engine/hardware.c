#include "hardware.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>

#include <owamp/error.h>

#include "clock/phc.h"

#define GAP_FADES 64

struct device {
	int index; /* of /dev/ptpN */
	struct clock_phc *phc;
	bool watched;
};

struct interface {
	char name[IFNAMSIZ];
	bool sends; /* can stamp what it sends */
	unsigned index;
	const struct clock_phc *phc;
	_Atomic int64_t gap_ns;
	_Atomic int64_t gap_second; /* of the monotonic clock, in which it last faded */
};

struct hardware {
	struct owamp_clock *clock;
	size_t count;
	struct interface *interfaces;
	/* Interfaces of one card share a clock. */
	size_t device_count;
	struct device *devices;
};

/* What is asked of the system; for tests others can be given. */
struct hardware_operations {
	unsigned (*index)(const char *interface); /* if_nametoindex() */
	/* Whether it lies on another interface, and on which. */
	bool (*stacked)(const char *interface, char lower[IFNAMSIZ]);
	int (*control)(int fd, unsigned long request, struct ifreq *ifreq); /* ioctl() */
	int (*open)(struct clock_phc **phc, unsigned index, char *error, size_t error_size);
};

/* The interface at hand, and where to complain. */
struct setup {
	const struct hardware_operations *operations;
	const char *name;
	int fd;
	struct ethtool_ts_info info;
	char *error;
	size_t error_size;
};

static const char *const filter_names[] = {
	[HWTSTAMP_FILTER_NONE] = "none",
	[HWTSTAMP_FILTER_ALL] = "all",
	[HWTSTAMP_FILTER_SOME] = "some",
	[HWTSTAMP_FILTER_PTP_V1_L4_EVENT] = "ptpv1-l4-event",
	[HWTSTAMP_FILTER_PTP_V1_L4_SYNC] = "ptpv1-l4-sync",
	[HWTSTAMP_FILTER_PTP_V1_L4_DELAY_REQ] = "ptpv1-l4-delay-req",
	[HWTSTAMP_FILTER_PTP_V2_L4_EVENT] = "ptpv2-l4-event",
	[HWTSTAMP_FILTER_PTP_V2_L4_SYNC] = "ptpv2-l4-sync",
	[HWTSTAMP_FILTER_PTP_V2_L4_DELAY_REQ] = "ptpv2-l4-delay-req",
	[HWTSTAMP_FILTER_PTP_V2_L2_EVENT] = "ptpv2-l2-event",
	[HWTSTAMP_FILTER_PTP_V2_L2_SYNC] = "ptpv2-l2-sync",
	[HWTSTAMP_FILTER_PTP_V2_L2_DELAY_REQ] = "ptpv2-l2-delay-req",
	[HWTSTAMP_FILTER_PTP_V2_EVENT] = "ptpv2-event",
	[HWTSTAMP_FILTER_PTP_V2_SYNC] = "ptpv2-sync",
	[HWTSTAMP_FILTER_PTP_V2_DELAY_REQ] = "ptpv2-delay-req",
	[HWTSTAMP_FILTER_NTP_ALL] = "ntp-all",
};

#define FILTERS (sizeof filter_names / sizeof filter_names[0])

static int refuse(const struct setup *setup, const char *what)
{
	snprintf(setup->error, setup->error_size, "%s: %s", setup->name, what);
	return OWAMP_ESYSTEM;
}

static int refuse_errno(const struct setup *setup, const char *doing)
{
	char what[128];

	snprintf(what, sizeof what, "%s %s", strerror(errno), doing);
	return refuse(setup, what);
}

static int control(const struct setup *setup, unsigned long request, void *data)
{
	struct ifreq ifreq = {.ifr_data = data};

	snprintf(ifreq.ifr_name, sizeof ifreq.ifr_name, "%s", setup->name);
	return setup->operations->control(setup->fd, request, &ifreq);
}

static bool offers(const struct ethtool_ts_info *info, int filter)
{
	return info->rx_filters >> filter & 1;
}

static int refuse_filters(const struct setup *setup)
{
	char what[400];
	const char *separator = "";
	size_t size = (size_t)snprintf(what, sizeof what, "hardware cannot stamp all packets (it offers: ");

	for (size_t i = HWTSTAMP_FILTER_NONE + 1; i < FILTERS; i++) {
		if (!offers(&setup->info, (int)i))
			continue;
		size += (size_t)snprintf(what + size, sizeof what - size, "%s%s", separator, filter_names[i]);
		separator = ", ";
	}
	snprintf(what + size, sizeof what - size, "%s)", *separator ? "" : "none");
	return refuse(setup, what);
}

/* Whether the interface could stamp all packets, and by which clock. */
static int examine(struct setup *setup)
{
	char lower[IFNAMSIZ], what[96];

	setup->info = (struct ethtool_ts_info){.cmd = ETHTOOL_GET_TS_INFO, .phc_index = -1};
	if (control(setup, SIOCETHTOOL, &setup->info))
		return refuse_errno(setup, "asking what its hardware can stamp");
	if (setup->info.phc_index < 0)
		return refuse(setup, "has no hardware clock");
	if (setup->operations->stacked(setup->name, lower)) {
		snprintf(what, sizeof what, "lies on another interface, which is to be named: %s", lower);
		return refuse(setup, what);
	}
	if (!(setup->info.so_timestamping & SOF_TIMESTAMPING_RX_HARDWARE))
		return refuse(setup, "hardware does not stamp what it receives");
	return offers(&setup->info, HWTSTAMP_FILTER_ALL) ? 0 : refuse_filters(setup);
}

static const char *filter_name(int filter)
{
	return (size_t)filter < FILTERS ? filter_names[filter] : "a filter unknown here";
}

/*
 * Leaves alone what is sent: ptp4l may rely on it. Old drivers do not tell how
 * they are set; stamps that nobody asks for do no harm then.
 */
static int switch_on(const struct setup *setup, bool sends)
{
	struct hwtstamp_config before = {.flags = 0}, config;
	bool known = control(setup, SIOCGHWTSTAMP, &before) == 0;
	char what[128];

	if (known && before.rx_filter == HWTSTAMP_FILTER_ALL)
		return 0;
	config = (struct hwtstamp_config){.tx_type = sends ? HWTSTAMP_TX_ON : HWTSTAMP_TX_OFF};
	if (known)
		config = before;
	config.rx_filter = HWTSTAMP_FILTER_ALL;
	if (control(setup, SIOCSHWTSTAMP, &config))
		return refuse_errno(setup, errno == EPERM ? "switching hardware stamps on (CAP_NET_ADMIN)"
							  : "switching hardware stamps on");
	if (config.rx_filter == HWTSTAMP_FILTER_ALL)
		return 0;
	snprintf(what, sizeof what, "hardware cannot stamp all packets (asked to, it chose: %s)",
		 filter_name(config.rx_filter));
	if (known)
		control(setup, SIOCSHWTSTAMP, &before);
	return refuse(setup, what);
}

static struct interface *find(const struct hardware *hardware, unsigned index)
{
	for (size_t i = 0; i < hardware->count; i++) {
		if (hardware->interfaces[i].index == index)
			return &hardware->interfaces[i];
	}
	return NULL;
}

/* Opens the interface's clock, unless another's is the same. */
static int find_device(struct hardware *hardware, const struct setup *setup, struct device **found)
{
	struct device *device = hardware->devices;
	char reason[160];
	int error;

	for (size_t i = 0; i < hardware->device_count; i++, device++) {
		if (device->index == setup->info.phc_index) {
			*found = device;
			return 0;
		}
	}
	error = setup->operations->open(&device->phc, (unsigned)setup->info.phc_index, reason, sizeof reason);
	if (error) {
		refuse(setup, reason);
		return error;
	}
	device->index = setup->info.phc_index;
	hardware->device_count++;
	*found = device;
	return 0;
}

static int add(struct hardware *hardware, struct setup *setup)
{
	unsigned index = strlen(setup->name) < IFNAMSIZ ? setup->operations->index(setup->name) : 0;
	struct interface *interface = &hardware->interfaces[hardware->count];
	struct device *device;
	int error;

	if (index == 0)
		return refuse(setup, "no such interface");
	if (find(hardware, index))
		return 0;
	error = examine(setup);
	if (!error)
		error = find_device(hardware, setup, &device);
	if (error)
		return error;
	snprintf(interface->name, sizeof interface->name, "%s", setup->name);
	interface->sends = setup->info.tx_types >> HWTSTAMP_TX_ON & 1;
	interface->index = index;
	interface->phc = device->phc;
	interface->gap_ns = HARDWARE_FIRST_GAP_NS;
	hardware->count++;
	return 0;
}

/* Nothing is switched on before all can be. */
static int set_up_all(struct hardware *hardware, struct setup *setup, const char *const *interfaces)
{
	int error = 0;

	for (size_t i = 0; interfaces[i] && !error; i++) {
		setup->name = interfaces[i];
		error = add(hardware, setup);
	}
	for (size_t i = 0; i < hardware->count && !error; i++) {
		setup->name = hardware->interfaces[i].name;
		error = switch_on(setup, hardware->interfaces[i].sends);
	}
	return error;
}

static int watch(struct hardware *hardware, char *error_text, size_t error_size)
{
	for (size_t i = 0; i < hardware->device_count; i++) {
		struct device *device = &hardware->devices[i];
		int error = clock_watch_phc(hardware->clock, device->phc);

		if (error) {
			snprintf(error_text, error_size, "/dev/ptp%d: %s", device->index,
				 owamp_error_text(error));
			return error;
		}
		device->watched = true;
	}
	return 0;
}

static int new_with(struct hardware **hardware, const char *const *interfaces, struct owamp_clock *clock,
		    const struct hardware_operations *operations, char *error_text, size_t error_size)
{
	struct setup setup = {.operations = operations, .error = error_text, .error_size = error_size};
	struct hardware *h = calloc(1, sizeof *h);
	size_t count = 0;
	int error = OWAMP_ENOMEM;

	*hardware = NULL;
	while (interfaces[count])
		count++;
	setup.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(error_text, error_size, "hardware stamps: %s",
		 setup.fd < 0 ? strerror(errno) : owamp_error_text(error));
	if (!h || setup.fd < 0)
		goto cleanup;
	h->clock = clock;
	h->interfaces = calloc(count + 1, sizeof *h->interfaces);
	h->devices = calloc(count + 1, sizeof *h->devices);
	if (!h->interfaces || !h->devices)
		goto cleanup;
	error = set_up_all(h, &setup, interfaces);
	if (!error)
		error = watch(h, error_text, error_size);
cleanup:
	if (setup.fd >= 0)
		close(setup.fd);
	else
		error = OWAMP_ESYSTEM;
	if (error) {
		hardware_free(h);
		return error;
	}
	if (error_size > 0)
		error_text[0] = '\0';
	*hardware = h;
	return 0;
}

/* /sys/class/net/NAME/lower_NAME is there for each interface that this one lies on. */
static bool stacked(const char *interface, char lower[IFNAMSIZ])
{
	char path[64];
	struct dirent *entry;
	DIR *directory;
	bool found = false;

	snprintf(path, sizeof path, "/sys/class/net/%s", interface);
	directory = opendir(path);
	if (!directory)
		return false;
	while (!found && (entry = readdir(directory))) {
		found = strncmp(entry->d_name, "lower_", 6) == 0;
		if (found)
			snprintf(lower, IFNAMSIZ, "%s", entry->d_name + 6);
	}
	closedir(directory);
	return found;
}

static int system_control(int fd, unsigned long request, struct ifreq *ifreq)
{
	return ioctl(fd, request, ifreq);
}

int hardware_new(struct hardware **hardware, const char *const *interfaces, struct owamp_clock *clock,
		 char *error, size_t error_size)
{
	static const struct hardware_operations operations = {
		.index = if_nametoindex,
		.stacked = stacked,
		.control = system_control,
		.open = clock_phc_open,
	};

	return new_with(hardware, interfaces, clock, &operations, error, error_size);
}

void hardware_free(struct hardware *hardware)
{
	if (!hardware)
		return;
	for (size_t i = 0; i < hardware->device_count; i++) {
		if (hardware->devices[i].watched)
			clock_forget_phc(hardware->clock, hardware->devices[i].phc);
		clock_phc_free(hardware->devices[i].phc);
	}
	free(hardware->interfaces);
	free(hardware->devices);
	free(hardware);
}

bool hardware_convert(const struct hardware *hardware, unsigned ifindex, int64_t stamp_ns, int64_t *real_ns,
		      int64_t *error_ns)
{
	const struct interface *interface = find(hardware, ifindex);

	return interface && clock_phc_convert(interface->phc, stamp_ns, real_ns, error_ns);
}

static void note(struct interface *interface, int64_t gap_ns, int64_t second)
{
	int64_t gap = interface->gap_ns;

	if (gap_ns > HARDWARE_MAX_GAP_NS || gap_ns < -HARDWARE_MAX_GAP_NS)
		return;
	if (second != interface->gap_second) {
		gap -= (gap + GAP_FADES - 1) / GAP_FADES;
		interface->gap_second = second;
	}
	interface->gap_ns = llabs(gap_ns) > gap ? llabs(gap_ns) : gap;
}

void hardware_note_gap(struct hardware *hardware, unsigned ifindex, int64_t gap_ns)
{
	struct interface *interface = find(hardware, ifindex);
	struct timespec now;

	if (!interface)
		return;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	note(interface, gap_ns, now.tv_sec);
}

int64_t hardware_gap(const struct hardware *hardware, unsigned ifindex)
{
	const struct interface *interface = find(hardware, ifindex);

	return interface ? interface->gap_ns : HARDWARE_FIRST_GAP_NS;
}
