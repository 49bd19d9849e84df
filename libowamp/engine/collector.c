#include <owamp/collector.h>

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <owamp/engine.h>
#include <owamp/error.h>
#include <owamp/socket.h>

#include "heap.h"
#include "threads.h"

#define EVENTS_AT_ONCE  64
#define PACKETS_AT_ONCE 64

/* Losses are declared at most this late, so that a busy session is not looked at for each packet. */
#define EXPIRE_GRAIN_NS 10000000

/* Deadlines are UTC: a clock that steps is noticed within this. */
#define RECHECK_NS 1000000000

/*
 * As with the pacer, the lock is held while packets are taken in and free while
 * the thread sleeps. A session that ended stays on a list until the thread can
 * no longer hold an event that points to it.
 */
struct owamp_collector {
	struct owamp_loop *loop;
	const struct owamp_clock *clock;
	pthread_t thread;
	pthread_mutex_t lock;
	atomic_uint waiting;
	int epoll;
	int wake;
	int warm; /* a socket that keeps the kernel stamping packets */
	struct heap heap;
	struct owamp_collector_session *ended;
	int64_t previous_wake; /* mono: what was ready then has been read since */
	bool quit;
};

struct owamp_collector_session {
	struct owamp_due due; /* first member: the next deadline, on CLOCK_MONOTONIC */
	struct owamp_collector *collector;
	struct owamp_receiver *receiver;
	int fd;
	struct sockaddr_storage sender;
	uint64_t strangers;
	uint64_t unstamped;
	bool stopped;
	bool failed;
	bool finished_posted;
	void (*finished)(void *context);
	void *context;
	struct owamp_post post;
	struct owamp_collector_session *next_ended;
};

static void lock(struct owamp_collector *collector)
{
	collector->waiting++;
	pthread_mutex_lock(&collector->lock);
	collector->waiting--;
}

static void unlock(struct owamp_collector *collector)
{
	pthread_mutex_unlock(&collector->lock);
}

static void wake(struct owamp_collector *collector)
{
	const uint64_t one = 1;

	if (write(collector->wake, &one, sizeof one) < 0)
		return;
}

static void call_finished(struct owamp_post *post)
{
	struct owamp_collector_session *session = post->context;

	session->finished(session->context);
}

/* No more packets: done, or broken. */
static void finish(struct owamp_collector_session *session, bool failed)
{
	session->failed |= failed;
	heap_remove(&session->collector->heap, &session->due);
	if (session->finished_posted)
		return;
	session->finished_posted = true;
	owamp_loop_post(session->collector->loop, &session->post);
}

struct arrival {
	struct sockaddr_storage source;
	uint8_t octets[OWAMP_PACKET_SECURE]; /* padding is of no interest */
	size_t size;
	int64_t real_ns; /* 0: the kernel gave no stamp */
	uint8_t ttl;
};

static void read_control(struct msghdr *message, struct arrival *arrival)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		struct scm_timestamping stamps;
		int ttl;

		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING) {
			memcpy(&stamps, CMSG_DATA(c), sizeof stamps);
			arrival->real_ns = (int64_t)stamps.ts[0].tv_sec * 1000000000 + stamps.ts[0].tv_nsec;
		} else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
			   (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)) {
			memcpy(&ttl, CMSG_DATA(c), sizeof ttl);
			arrival->ttl = (uint8_t)ttl;
		}
	}
}

/* 1: a datagram was read; 0: there is none; negative: the socket is broken. */
static int receive(struct owamp_collector_session *session, struct arrival *arrival)
{
	char control[256];
	struct iovec part = {.iov_base = arrival->octets, .iov_len = sizeof arrival->octets};
	struct msghdr message = {
		.msg_name = &arrival->source,
		.msg_namelen = sizeof arrival->source,
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof control,
	};
	ssize_t size = recvmsg(session->fd, &message, MSG_DONTWAIT);

	if (size < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	arrival->size = (size_t)size;
	arrival->real_ns = 0;
	arrival->ttl = 255; /* section 4.2: what is not known is 255 */
	read_control(&message, arrival);
	return 1;
}

static bool from_sender(const struct owamp_collector_session *session, const struct arrival *arrival)
{
	const struct sockaddr *expected = (const struct sockaddr *)&session->sender;
	const struct sockaddr *source = (const struct sockaddr *)&arrival->source;
	uint16_t port = owamp_address_port(expected);

	return owamp_address_equal(expected, source) && (port == 0 || port == owamp_address_port(source));
}

/* The stamp is the kernel's, or the time now with all the packet may have waited as its error. */
static int take_in(struct owamp_collector_session *session, const struct arrival *arrival, uint16_t estimate)
{
	struct owamp_collector *collector = session->collector;
	int64_t stamp_ns = arrival->real_ns;

	if (stamp_ns == 0) {
		int64_t now = owamp_mono_ns();

		stamp_ns = owamp_real_ns();
		estimate = owamp_clock_error(collector->clock, now, now - collector->previous_wake);
		session->unstamped++;
	}
	return owamp_receiver_packet(session->receiver, arrival->octets, arrival->size,
				     owamp_ntp_from_unix_ns(stamp_ns), estimate, arrival->ttl);
}

/* Reads at most max datagrams; false if there may be more. */
static bool drain(struct owamp_collector_session *session, unsigned max)
{
	uint16_t estimate = owamp_clock_error(session->collector->clock, owamp_mono_ns(), 0);
	struct arrival arrival;

	for (unsigned i = 0; i < max; i++) {
		int result = receive(session, &arrival);

		if (result == 0)
			return true;
		/* An ICMP error on a socket that only receives says nothing: the next read goes on. */
		if (result < 0)
			continue;
		if (!from_sender(session, &arrival)) {
			session->strangers++;
			continue;
		}
		if (take_in(session, &arrival, estimate) < 0) {
			finish(session, true);
			return true;
		}
	}
	return false;
}

/* Takes in what had arrived by now and declares lost what was due; sets the next deadline. */
static void expire(struct owamp_collector_session *session)
{
	struct owamp_collector *collector = session->collector;
	int64_t mono = owamp_mono_ns();
	owamp_ntp now = owamp_ntp_from_unix_ns(owamp_real_ns());
	uint16_t estimate = owamp_clock_error(collector->clock, mono, 0);
	int64_t wait;

	if (!drain(session, UINT16_MAX)) {
		/* Faster than we can read: what is still queued must not be called lost. */
		(void)heap_set(&collector->heap, &session->due, mono + EXPIRE_GRAIN_NS);
		return;
	}
	if (session->failed)
		return;
	if (owamp_receiver_expire(session->receiver, now, estimate)) {
		finish(session, true);
		return;
	}
	if (owamp_receiver_complete(session->receiver)) {
		finish(session, false);
		return;
	}
	wait = owamp_ntp_diff_ns(owamp_receiver_deadline(session->receiver), now);
	if (wait < EXPIRE_GRAIN_NS)
		wait = EXPIRE_GRAIN_NS;
	if (wait > RECHECK_NS)
		wait = RECHECK_NS;
	(void)heap_set(&collector->heap, &session->due, mono + wait);
}

/* The end: nothing that is due stays undeclared. */
static void expire_all(struct owamp_collector_session *session)
{
	owamp_ntp now = owamp_ntp_from_unix_ns(owamp_real_ns());
	uint32_t rounds = 0;

	do {
		expire(session);
	} while (!session->failed && !owamp_receiver_complete(session->receiver) &&
		 ++rounds < UINT32_MAX / 10000 &&
		 owamp_ntp_diff(now, owamp_receiver_deadline(session->receiver)) > 0);
}

static void free_ended(struct owamp_collector *collector)
{
	while (collector->ended) {
		struct owamp_collector_session *session = collector->ended;

		collector->ended = session->next_ended;
		owamp_receiver_free(session->receiver);
		free(session);
	}
}

static void make_way(struct owamp_collector *collector)
{
	if (collector->waiting == 0)
		return;
	unlock(collector);
	(void)sched_yield();
	pthread_mutex_lock(&collector->lock);
}

static int wait_for_events(struct owamp_collector *collector, struct epoll_event *events)
{
	const struct owamp_due *due = heap_first(&collector->heap);
	struct timespec timeout;
	int64_t ns = 0;
	int count;

	if (due) {
		ns = due->ns - owamp_mono_ns();
		if (ns < 0)
			ns = 0;
		timeout = (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
	}
	unlock(collector);
	count = epoll_pwait2(collector->epoll, events, EVENTS_AT_ONCE, due ? &timeout : NULL, NULL);
	/* Old kernels and sandboxes do not know it. */
	if (count < 0 && errno != EINTR)
		count = epoll_wait(collector->epoll, events, EVENTS_AT_ONCE,
				   due && ns < RECHECK_NS ? (int)(ns / 1000000) + 1 : RECHECK_NS / 1000000);
	pthread_mutex_lock(&collector->lock);
	return count;
}

static void *run(void *context)
{
	struct owamp_collector *collector = context;
	struct epoll_event events[EVENTS_AT_ONCE];

	(void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	(void)prctl(PR_SET_NAME, "owamp-collector", 0UL, 0UL, 0UL);
	pthread_mutex_lock(&collector->lock);
	while (!collector->quit) {
		int count = wait_for_events(collector, events);
		int64_t woken = owamp_mono_ns();
		bool all_read = count < EVENTS_AT_ONCE;
		struct owamp_due *due;

		for (int i = 0; i < count; i++) {
			struct owamp_collector_session *session = events[i].data.ptr;
			uint64_t drained;

			if (!session) {
				if (read(collector->wake, &drained, sizeof drained) < 0)
					continue;
			} else if (!session->stopped && !session->failed) {
				all_read &= drain(session, PACKETS_AT_ONCE);
			}
			make_way(collector);
		}
		while ((due = heap_first(&collector->heap)) && due->ns <= woken) {
			expire((struct owamp_collector_session *)due);
			make_way(collector);
		}
		if (all_read)
			collector->previous_wake = woken;
		free_ended(collector);
	}
	free_ended(collector);
	unlock(collector);
	return NULL;
}

/*
 * The kernel stamps packets only while a socket asks for it, and starts a while
 * after the first did: this one asks early and for good.
 */
static int open_warm_socket(void)
{
	struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct owamp_test_socket_config config = {.local = (struct sockaddr *)&loopback, .receive = true};
	uint16_t port;
	int fd;

	return owamp_socket_test(&fd, &config, &port) ? -1 : fd;
}

int collector_new(struct owamp_collector **collector, struct owamp_loop *loop,
		  const struct owamp_clock *clock, struct hardware *hardware, int cpu)
{
	struct owamp_collector *c = calloc(1, sizeof *c);
	struct epoll_event event = {.events = EPOLLIN};

	(void)hardware;
	(void)cpu;
	*collector = NULL;
	if (!c)
		return OWAMP_ENOMEM;
	c->loop = loop;
	c->clock = clock;
	c->previous_wake = owamp_mono_ns();
	c->warm = open_warm_socket();
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&c->lock, NULL);
	if (c->epoll >= 0 && c->wake >= 0 && epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->wake, &event) == 0 &&
	    pthread_create(&c->thread, NULL, run, c) == 0) {
		*collector = c;
		return 0;
	}
	if (c->epoll >= 0)
		close(c->epoll);
	if (c->wake >= 0)
		close(c->wake);
	if (c->warm >= 0)
		close(c->warm);
	pthread_mutex_destroy(&c->lock);
	free(c);
	return OWAMP_ESYSTEM;
}

void collector_free(struct owamp_collector *collector)
{
	if (!collector)
		return;
	lock(collector);
	collector->quit = true;
	unlock(collector);
	wake(collector);
	pthread_join(collector->thread, NULL);
	close(collector->epoll);
	close(collector->wake);
	if (collector->warm >= 0)
		close(collector->warm);
	heap_free(&collector->heap);
	pthread_mutex_destroy(&collector->lock);
	free(collector);
}

int owamp_collector_start(struct owamp_collector *collector, struct owamp_receiver *receiver, int fd,
			  const struct sockaddr *sender, void (*finished)(void *context), void *context,
			  struct owamp_collector_session **session)
{
	struct owamp_collector_session *s = calloc(1, sizeof *s);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
	int error;

	*session = NULL;
	if (!s)
		return OWAMP_ENOMEM;
	s->collector = collector;
	s->receiver = receiver;
	s->fd = fd;
	memcpy(&s->sender, sender, owamp_address_size(sender));
	s->finished = finished;
	s->context = context;
	s->post = (struct owamp_post){.call = call_finished, .context = s};
	lock(collector);
	error = heap_set(&collector->heap, &s->due, owamp_mono_ns());
	if (!error && epoll_ctl(collector->epoll, EPOLL_CTL_ADD, fd, &event)) {
		heap_remove(&collector->heap, &s->due);
		error = OWAMP_ESYSTEM;
	}
	unlock(collector);
	if (error) {
		free(s);
		return error;
	}
	wake(collector);
	*session = s;
	return 0;
}

/* With the lock held. */
static void stop_receiving(struct owamp_collector_session *session)
{
	if (session->stopped)
		return;
	session->stopped = true;
	heap_remove(&session->collector->heap, &session->due);
	(void)epoll_ctl(session->collector->epoll, EPOLL_CTL_DEL, session->fd, NULL);
}

int owamp_collector_stop(struct owamp_collector_session *session, const struct owamp_stop_session *stop,
			 uint32_t *cut)
{
	int error = 0;

	lock(session->collector);
	if (!session->stopped && !session->failed)
		expire_all(session);
	stop_receiving(session);
	if (session->failed)
		error = OWAMP_ENOMEM;
	else
		error = owamp_receiver_end(session->receiver, stop, cut);
	unlock(session->collector);
	return error;
}

/* Datagrams the kernel dropped because this socket's buffer was full. */
static uint64_t socket_drops(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t size = sizeof info;

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &size))
		return 0;
	return info[SK_MEMINFO_DROPS];
}

void owamp_collector_health(struct owamp_collector_session *session, struct owamp_receive_health *health)
{
	lock(session->collector);
	*health = (struct owamp_receive_health){
		.counters = *owamp_receiver_counters(session->receiver),
		.socket_drops = socket_drops(session->fd),
		.strangers = session->strangers,
		.unstamped = session->unstamped,
		.window_octets = owamp_receiver_memory(session->receiver),
		.failed = session->failed,
	};
	unlock(session->collector);
}

void owamp_collector_end(struct owamp_collector_session *session)
{
	struct owamp_collector *collector;

	if (!session)
		return;
	collector = session->collector;
	lock(collector);
	stop_receiving(session);
	/* Before the thread can free it. */
	owamp_loop_unpost(collector->loop, &session->post);
	session->next_ended = collector->ended;
	collector->ended = session;
	unlock(collector);
	wake(collector);
}
