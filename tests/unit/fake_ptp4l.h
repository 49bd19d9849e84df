/*
 * A ptp4l for tests: a thread that answers at a path. What it says is the test's, between two samples, which
 * are taken by the test's own thread.
 */
#ifndef FAKE_PTP4L_H
#define FAKE_PTP4L_H

#include "reference.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock/ptp_wire.h"

#define FAKE_PORTS 12

struct fake_port {
	uint8_t state;
	uint8_t timestamping;
	const char *interface;
};

struct fake_ptp4l {
	char path[64];
	int fd;
	int quit;
	pthread_t thread;
	pthread_mutex_t lock; /* of the rest */
	unsigned asked;

	uint8_t version;
	uint8_t domain;
	uint16_t silent;  /* this ID is not answered */
	uint16_t refuses; /* this one with an error */
	bool stale;       /* each answer comes after one of an earlier round, with nonsense in it */
	bool swapped;     /* and before one to the same question with the next one's number */
	uint16_t port_count;
	struct fake_port ports[FAKE_PORTS];
	int64_t offset_ns;
	int64_t ingress_ns;
	int64_t delay_ns;
	uint8_t flags;       /* of TIME_PROPERTIES_DATA_SET */
	uint8_t grandmaster; /* the last octet of its ID */
	uint8_t clock_class;
	uint8_t accuracy;
};

static inline uint64_t fake_get(const uint8_t *octets, int size)
{
	uint64_t value = 0;

	for (int i = 0; i < size; i++)
		value = value << 8 | octets[i];
	return value;
}

/* IEEE 1588-2008, 15.5.3; linuxptp's own as pmc(8) shows them. */
static inline size_t fake_data(const struct fake_ptp4l *fake, uint16_t id, uint16_t number, uint8_t *data)
{
	const struct fake_port *port = &fake->ports[number > 0 ? number - 1 : 0];

	switch (id) {
	case 0x2000:
		data[0] = 3;
		ref_put(data + 2, fake->port_count, 2);
		return 20;
	case 0x2001:
		ref_put(data, 1, 2);
		ref_put(data + 2, (uint64_t)(fake->offset_ns * 65536), 8);
		ref_put(data + 10, (uint64_t)(fake->delay_ns * 65536), 8);
		return 18;
	case 0x2002:
		data[19] = fake->clock_class;
		data[20] = fake->accuracy;
		memcpy(data + 24, "\x02\x45\xd6\xff\xfe\xe0\xa5", 7);
		data[31] = fake->grandmaster;
		return 32;
	case 0x2003:
		ref_put(data, 37, 2);
		data[2] = fake->flags;
		data[3] = 0x20;
		return 4;
	case 0x2004:
		ref_put(data + 8, number, 2);
		data[10] = port->state;
		return 26;
	case 0xc000:
		ref_put(data, (uint64_t)fake->offset_ns, 8);
		ref_put(data + 8, (uint64_t)fake->ingress_ns, 8);
		ref_put(data + 38, 1, 4);
		return 50;
	default:
		assert_int_equal(id, 0xc004);
		ref_put(data + 8, number, 2);
		data[10] = port->state;
		data[11] = port->timestamping;
		data[12] = (uint8_t)strlen(port->interface);
		memcpy(data + 13, port->interface, strlen(port->interface));
		return 13 + strlen(port->interface) + (strlen(port->interface) + 1) % 2;
	}
}

static inline void fake_send(const struct fake_ptp4l *fake, const struct sockaddr_un *to, socklen_t to_size,
			     uint16_t sequence, uint16_t id, uint16_t number, bool refuses)
{
	uint8_t octets[256] = {0x0d, fake->version};
	size_t size = refuses ? 8 : 2 + fake_data(fake, id, number, octets + 54);

	octets[4] = fake->domain;
	ref_put(octets + 30, sequence, 2);
	octets[32] = 4;
	octets[33] = 0x7f;
	octets[46] = 2;
	octets[49] = refuses ? 2 : 1;
	ref_put(octets + 50, size, 2);
	ref_put(octets + (refuses ? 54 : 52), id, 2);
	ref_put(octets + 2, 52 + size, 2);
	/* Whoever has gone needs no answer. */
	(void)!sendto(fake->fd, octets, 52 + size, MSG_NOSIGNAL, (const struct sockaddr *)to, to_size);
}

static inline void fake_answer(struct fake_ptp4l *fake, const uint8_t *get, const struct sockaddr_un *to,
			       socklen_t to_size)
{
	uint16_t sequence = (uint16_t)fake_get(get + 30, 2), id = (uint16_t)fake_get(get + 52, 2);
	bool by_port = id == 0x2004 || id == 0xc004;
	struct fake_ptp4l nonsense = *fake;

	nonsense.ingress_ns ^= 1;
	nonsense.offset_ns = 424242;
	nonsense.delay_ns = 434343;
	for (int i = 0; i < FAKE_PORTS; i++)
		nonsense.ports[i] = (struct fake_port){.interface = "old0"};
	if (get[4] != fake->domain || id == fake->silent)
		return;
	for (uint16_t number = by_port; number <= (by_port ? fake->port_count : 0); number++) {
		if (fake->stale)
			fake_send(&nonsense, to, to_size, (uint16_t)(sequence - 7), id, number, false);
		fake_send(fake, to, to_size, sequence, id, number, id == fake->refuses);
		if (fake->swapped)
			fake_send(&nonsense, to, to_size, (uint16_t)(sequence + 1), id, number, false);
	}
}

static inline void *fake_run(void *context)
{
	struct fake_ptp4l *fake = context;
	struct pollfd fds[] = {{.fd = fake->fd, .events = POLLIN}, {.fd = fake->quit, .events = POLLIN}};

	while (poll(fds, 2, -1) > 0 && !fds[1].revents) {
		struct sockaddr_un from;
		socklen_t from_size = sizeof from;
		uint8_t get[256];
		ssize_t size = recvfrom(fake->fd, get, sizeof get, 0, (struct sockaddr *)&from, &from_size);

		pthread_mutex_lock(&fake->lock);
		fake->asked++;
		if (size == 54)
			fake_answer(fake, get, &from, from_size);
		pthread_mutex_unlock(&fake->lock);
	}
	return NULL;
}

static inline void fake_start(struct fake_ptp4l *fake)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof address.sun_path, "%s", fake->path);
	unlink(fake->path);
	fake->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	fake->quit = eventfd(0, EFD_CLOEXEC);
	assert_true(fake->fd >= 0 && fake->quit >= 0);
	assert_int_equal(bind(fake->fd, (const struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(pthread_create(&fake->thread, NULL, fake_run, fake), 0);
}

/* As by kill -9: the file stays. */
static inline void fake_stop(struct fake_ptp4l *fake)
{
	const uint64_t one = 1;

	assert_int_equal(write(fake->quit, &one, sizeof one), sizeof one);
	pthread_join(fake->thread, NULL);
	close(fake->fd);
	close(fake->quit);
}

#endif
