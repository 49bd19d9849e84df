/*
 * linuxptp's ptp4l, asked over its management socket.
 *
 * It is polled: 3.1.1 has no subscription for who may only read, and an answer
 * takes some 20 us. What counts is the age of the last Sync (ingress_time): of
 * a dead master ptp4l goes on telling offset, delay and gmPresent.
 */
#include "phc_keep.h"
#include "ptp_view.h"
#include "source.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>

#include <owamp/engine.h>
#include <owamp/error.h>

#define SECOND_NS INT64_C(1000000000)

/* A clock that is further on than 2116 is none; so differences do not overflow. */
#define TIME_MOST_NS (INT64_MAX / 2)

/* A Sync may have come after the look at the clocks. */
#define FUTURE_NS SECOND_NS

#define ASK_MOST  5
#define DROP_MOST 64

/* What is asked of the system beside the opener; for tests others can be given. */
struct ptp_operations {
	int (*phc_index)(const char *interface); /* -1 with errno, ENODEV if it has none */
};

struct ptp {
	const struct owamp_clock_source_config *config;
	const struct clock_opener *opener;
	const struct ptp_operations *operations;
	int fd; /* -1: not connected */
	uint16_t sequence;
	struct ptp_view view;
	struct phc_keep keep;

	/* The latest measurement, so that the same one is told as the same. */
	bool measured;
	int64_t ingress_ns;
	int64_t mono_ns;
	int64_t offset_ns;
	int64_t phc_error_ns;

	/*
	 * What else was told when the latest Sync was first seen whose offset
	 * may not fit it: one from before a step, or for which ptp4l computed
	 * none as it knew no delay, or not by the same announcements.
	 */
	bool settled;
	int64_t void_ingress_ns;
	struct ptp_properties properties;
	uint8_t grandmaster[PTP_CLOCK_ID_SIZE];
};

/* Paths are as long as 107 octets, the text 159; the end says more than the beginning. */
static const char *path_tail(const char *path)
{
	const size_t most = 60;
	size_t length = strlen(path);

	return length > most ? path + length - most : path;
}

static void say_errno(const struct ptp *ptp, int error, struct clock_reading *reading)
{
	const char *path = path_tail(ptp->config->ptp.socket);
	char *text = reading->text;
	const size_t size = sizeof reading->text;

	reading->state = OWAMP_CLOCK_ABSENT;
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		(void)snprintf(text, size, "nothing listens at %s: is ptp4l running?", path);
		break;
	case EACCES:
	case EPERM:
		(void)snprintf(text, size,
			       "%.60s: permission denied: ptp4l's socket belongs to root; see "
			       "owamp-clock.conf(5), PRIVILEGES",
			       path);
		break;
	case EPIPE:
		(void)snprintf(text, size, "%s: the process that opens it as root is gone", path);
		break;
	case ETIMEDOUT:
		(void)snprintf(text, size, "%s: the process that opens it as root does not answer", path);
		break;
	default:
		(void)snprintf(text, size, "%s: %s", path, strerror(error));
		break;
	}
}

static void say_silent(const struct ptp *ptp, int error, struct clock_reading *reading)
{
	const struct ptp_view *view = &ptp->view;
	bool silent = !view->has_status && !view->has_current && !view->has_parent && !view->has_properties &&
		      !view->has_defaults;

	reading->state = OWAMP_CLOCK_ABSENT;
	if (error == EAGAIN)
		(void)snprintf(reading->text, sizeof reading->text,
			       "ptp4l does not read what it is asked (its queue is full): does it hang?");
	else if (silent)
		(void)snprintf(reading->text, sizeof reading->text,
			       "no answer in domain %u; is it ptp4l's domainNumber, or does it hang?",
			       ptp->config->ptp.domain);
	else
		(void)snprintf(reading->text, sizeof reading->text,
			       "ptp4l did not answer all in time (0x%04X)", ptp_view_missing(view));
}

/* With owampd's opener between, what ptp4l leaves behind is a pair of which one end hangs up. */
static int lost(int error)
{
	return error == EPIPE || error == ECONNRESET ? ECONNREFUSED : error;
}

/* 0 or an errno; EAGAIN: its queue is full. */
static int send_get(struct ptp *ptp, uint16_t sequence, enum ptp_id id)
{
	uint8_t get[PTP_GET_SIZE];

	ptp_wire_get(get, ptp->config->ptp.domain, sequence, id);
	if (send(ptp->fd, get, sizeof get, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof get)
		return 0;
	return errno == ENOBUFS ? EAGAIN : lost(errno);
}

/* One datagram, until the deadline. Not an answer that is waited for: passed over. */
static int take_answer(struct ptp *ptp, uint16_t first, const enum ptp_id *ids, size_t count,
		       int64_t deadline)
{
	struct pollfd pollfd = {.fd = ptp->fd, .events = POLLIN};
	int64_t left = deadline - owamp_mono_ns();
	struct timespec time = {.tv_nsec = left};
	uint8_t data[PTP_ANSWER_SIZE];
	struct ptp_answer answer;
	uint16_t index;
	ssize_t size;

	if (left <= 0)
		return ETIMEDOUT;
	if (ppoll(&pollfd, 1, &time, NULL) < 0)
		return errno == EINTR ? 0 : errno;
	size = recv(ptp->fd, data, sizeof data, MSG_DONTWAIT);
	if (size < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : lost(errno);
	if (size == 0 && (pollfd.revents & POLLHUP))
		return lost(EPIPE);
	if (!ptp_wire_decode(data, (size_t)size, ptp->config->ptp.domain, &answer))
		return 0;
	index = (uint16_t)(answer.sequence - first);
	if (index < count && ids[index] == answer.id)
		ptp_view_take(&ptp->view, &answer);
	return 0;
}

static bool has_all(const struct ptp_view *view, const enum ptp_id *ids, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!ptp_view_has(view, ids[i]))
			return false;
	}
	return true;
}

/* 0 or an errno. */
static int ask(struct ptp *ptp, const enum ptp_id *ids, size_t count, int64_t deadline)
{
	uint16_t first = ptp->sequence;
	int error = 0;

	ptp->sequence = (uint16_t)(first + count);
	for (size_t i = 0; i < count && !error; i++)
		error = send_get(ptp, (uint16_t)(first + i), ids[i]);
	while (!error && !ptp->view.refused && !has_all(&ptp->view, ids, count))
		error = take_answer(ptp, first, ids, count, deadline);
	return error;
}

/* Late ones. If nobody read them while its queue is full, ptp4l would end up waiting for us for ever. */
static void drop_answers(const struct ptp *ptp)
{
	uint8_t data[PTP_ANSWER_SIZE];

	for (int i = 0; i < DROP_MOST; i++) {
		if (recv(ptp->fd, data, sizeof data, MSG_DONTWAIT) < 0)
			return;
	}
}

/*
 * In turns: what every port answers is asked one after the other, as a queue
 * of datagrams holds eleven, and ptp4l waits while ours is full.
 */
static int ask_all(struct ptp *ptp)
{
	static const enum ptp_id once[ASK_MOST] = {
		PTP_TIME_STATUS_NP,           PTP_CURRENT_DATA_SET, PTP_PARENT_DATA_SET,
		PTP_TIME_PROPERTIES_DATA_SET, PTP_DEFAULT_DATA_SET,
	};
	static const enum ptp_id by_port[] = {PTP_PORT_DATA_SET, PTP_PORT_PROPERTIES_NP};
	int64_t deadline = owamp_mono_ns() + CLOCK_SOURCE_WAIT_NS;
	int error;

	memset(&ptp->view, 0, sizeof ptp->view);
	drop_answers(ptp);
	error = ask(ptp, once, ASK_MOST, deadline);
	for (size_t i = 0; i < sizeof by_port / sizeof by_port[0] && !error; i++)
		error = ask(ptp, &by_port[i], 1, deadline);
	return error;
}

static void disconnect(struct ptp *ptp)
{
	if (ptp->fd >= 0)
		close(ptp->fd);
	ptp->fd = -1;
}

/* False: the reading says why. */
static bool look(struct ptp *ptp, struct clock_reading *reading)
{
	int error = 0;

	if (ptp->fd < 0) {
		ptp->fd = clock_open(ptp->opener, OWAMP_CLOCK_OBJECT_SOCKET, ptp->config->ptp.socket);
		error = ptp->fd < 0 ? errno : 0;
	}
	if (!error)
		error = ask_all(ptp);
	if (ptp->fd >= 0 && (error == ETIMEDOUT || error == EAGAIN)) {
		say_silent(ptp, error, reading);
		return false;
	}
	if (error) {
		say_errno(ptp, error, reading);
		disconnect(ptp);
		ptp->settled = false;
		return false;
	}
	if (ptp->view.refused) {
		reading->state = OWAMP_CLOCK_ABSENT;
		(void)snprintf(reading->text, sizeof reading->text, "ptp4l refuses to answer 0x%04X",
			       ptp->view.refused);
		return false;
	}
	return true;
}

static void doubt(struct clock_reading *reading, const char *why)
{
	reading->state = OWAMP_CLOCK_DOUBTFUL;
	(void)snprintf(reading->text, sizeof reading->text, "%s", why);
}

static int system_phc_index(const char *interface)
{
	struct ethtool_ts_info info = {.cmd = ETHTOOL_GET_TS_INFO, .phc_index = -1};
	struct ifreq ifreq = {.ifr_data = (void *)&info};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int saved_errno = 0;

	if (fd < 0)
		return -1;
	(void)snprintf(ifreq.ifr_name, sizeof ifreq.ifr_name, "%s", interface);
	if (ioctl(fd, SIOCETHTOOL, &ifreq))
		saved_errno = errno;
	else if (info.phc_index < 0)
		saved_errno = ENODEV;
	close(fd);
	errno = saved_errno;
	return saved_errno ? -1 : info.phc_index;
}

/* The interface's clock, read. False: the reading says why it is not. */
static bool read_phc(struct ptp *ptp, const char *interface, const struct clock_now *now,
		     struct clock_reading *reading)
{
	int64_t phc_ns, real_ns, error_ns;
	char path[32];
	int index = ptp->operations->phc_index(interface);
	bool of_use = false;

	if (index < 0) {
		reading->state = OWAMP_CLOCK_DOUBTFUL;
		(void)snprintf(reading->text, sizeof reading->text, "the hardware clock of %s: %s", interface,
			       errno == ENODEV ? "there is none" : strerror(errno));
		return false;
	}
	(void)snprintf(path, sizeof path, "/dev/ptp%d", index);
	if (phc_keep_sample(&ptp->keep, path, now->mono_ns)) {
		of_use = clock_phc_latest(ptp->keep.phc, &phc_ns, &real_ns, &error_ns);
		phc_keep_note(&ptp->keep, of_use);
	}
	if (!of_use)
		doubt(reading, ptp->keep.why);
	return of_use;
}

/* When it was on CLOCK_REALTIME, and how far that is from UTC, by way of the interface's clock. */
static bool convert_hardware(struct ptp *ptp, const struct ptp_measurement *measurement,
			     const struct clock_now *now, struct clock_reading *reading)
{
	int64_t real_ns, error_ns;

	if (ptp->measured && ptp->ingress_ns == measurement->ingress_ns)
		return true;
	if (!clock_phc_convert(ptp->keep.phc, measurement->ingress_ns, &real_ns, &error_ns) || real_ns < 0 ||
	    real_ns > TIME_MOST_NS) {
		reading->state = OWAMP_CLOCK_DOUBTFUL;
		(void)snprintf(reading->text, sizeof reading->text,
			       "the last Sync does not fit what is known of %.40s: is that ptp4l's clock?",
			       ptp->keep.path);
		return false;
	}
	ptp->measured = true;
	ptp->ingress_ns = measurement->ingress_ns;
	ptp->mono_ns = now->mono_ns + (real_ns - now->real_ns);
	ptp->phc_error_ns = error_ns;
	ptp->offset_ns = real_ns - measurement->ingress_ns + measurement->tai_utc * SECOND_NS +
			 measurement->master_offset_ns;
	return true;
}

/* Software stamps are CLOCK_REALTIME's; ptp4l has converted the grandmaster's time to UTC. */
static void convert_software(struct ptp *ptp, const struct ptp_measurement *measurement,
			     const struct clock_now *now)
{
	phc_keep_close(&ptp->keep);
	if (ptp->measured && ptp->ingress_ns == measurement->ingress_ns)
		return;
	ptp->measured = true;
	ptp->ingress_ns = measurement->ingress_ns;
	ptp->mono_ns = now->mono_ns + (measurement->ingress_ns - now->real_ns);
	ptp->offset_ns = measurement->master_offset_ns;
	ptp->phc_error_ns = 0;
}

static bool same_announcements(const struct ptp *ptp)
{
	const struct ptp_properties *was = &ptp->properties, *is = &ptp->view.properties;

	return memcmp(ptp->grandmaster, ptp->view.parent.grandmaster, sizeof ptp->grandmaster) == 0 &&
	       was->ptp_timescale == is->ptp_timescale && was->utc_offset == is->utc_offset &&
	       was->utc_offset_valid == is->utc_offset_valid && was->time_traceable == is->time_traceable;
}

/* False: the latest Sync may be one of before all was as it is now. */
static bool is_settled(struct ptp *ptp, const struct ptp_measurement *measurement)
{
	if (!ptp->settled || !same_announcements(ptp))
		ptp->void_ingress_ns = measurement->ingress_ns;
	ptp->settled = true;
	ptp->properties = ptp->view.properties;
	memcpy(ptp->grandmaster, ptp->view.parent.grandmaster, sizeof ptp->grandmaster);
	return ptp->void_ingress_ns != measurement->ingress_ns;
}

static bool convert(struct ptp *ptp, const struct ptp_measurement *measurement, const struct clock_now *now,
		    struct clock_reading *reading)
{
	if (measurement->ingress_ns > TIME_MOST_NS) {
		doubt(reading, "ptp4l tells a time beyond 2116");
		return false;
	}
	if (measurement->hardware && !read_phc(ptp, measurement->port->properties.interface, now, reading))
		return false;
	if (!is_settled(ptp, measurement)) {
		doubt(reading, "waiting for the next Sync");
		return false;
	}
	if (measurement->hardware)
		return convert_hardware(ptp, measurement, now, reading);
	convert_software(ptp, measurement, now);
	return true;
}

/* A measurement that is too old does not vouch; from the future comes what was stamped before a step back. */
static void check_age(const struct ptp_measurement *measurement, const struct clock_now *now,
		      struct clock_reading *reading)
{
	int64_t age_ns = now->mono_ns - reading->mono_ns;

	if (age_ns < -FUTURE_NS) {
		reading->measured = false;
		doubt(reading, "the last Sync is from the future: a clock was set");
	} else if (age_ns > measurement->fresh_ns && reading->state == OWAMP_CLOCK_VALID) {
		reading->state = OWAMP_CLOCK_DOUBTFUL;
		(void)snprintf(reading->text, sizeof reading->text, "no Sync for %lld s",
			       (long long)(age_ns / SECOND_NS));
	}
}

static void sample(void *self, const struct clock_now *now, struct clock_reading *reading)
{
	struct ptp *ptp = self;
	struct ptp_measurement measurement;

	reading->source = OWAMP_CLOCK_PTP;
	reading->state = OWAMP_CLOCK_ABSENT;
	if (!look(ptp, reading))
		return;
	ptp_view_judge(&ptp->view, ptp->config, now, reading, &measurement);
	if (!measurement.port) {
		ptp->settled = false;
		return;
	}
	if (!convert(ptp, &measurement, now, reading))
		return;
	reading->measured = true;
	reading->mono_ns = ptp->mono_ns;
	reading->offset_ns = ptp->offset_ns;
	reading->error_ns += ptp->phc_error_ns;
	ptp_view_suspect(now, reading);
	check_age(&measurement, now, reading);
}

static void stepped(void *self)
{
	struct ptp *ptp = self;

	ptp->measured = false;
	ptp->settled = false;
}

static void free_source(void *self)
{
	struct ptp *ptp = self;

	disconnect(ptp);
	phc_keep_close(&ptp->keep);
	free(ptp);
}

static int new_with(struct clock_source *source, const struct owamp_clock_source_config *config,
		    const struct clock_opener *opener, const struct ptp_operations *operations)
{
	static const struct clock_source_ops ops = {
		.sample = sample,
		.stepped = stepped,
		.free = free_source,
	};
	struct ptp *ptp = calloc(1, sizeof *ptp);

	if (!ptp)
		return OWAMP_ENOMEM;
	ptp->config = config;
	ptp->opener = opener;
	ptp->operations = operations;
	ptp->fd = -1;
	phc_keep_init(&ptp->keep, opener);
	*source = (struct clock_source){.ops = &ops, .self = ptp};
	return 0;
}

int clock_ptp_new(struct clock_source *source, const struct owamp_clock_source_config *config,
		  const struct clock_opener *opener)
{
	static const struct ptp_operations operations = {.phc_index = system_phc_index};

	return new_with(source, config, opener, &operations);
}
