/* Reading sockets, and what follows from it: packets to their sessions, drops, losses. */
#include "collector_internal.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <owamp/engine.h>
#include <owamp/error.h>
#include <owamp/socket.h>

/*
 * Losses are declared at most this late, so that a session costs little between
 * its packets. A clock that is set before the first of them is noticed within this too.
 */
#define LOOK_NS 1000000000

/* While nothing arrives, each look thinks of one more packet: not for each of a busy session. */
#define GRAIN_NS 10000000

/* A deadline has passed only after its instant. */
#define JUST_AFTER_NS 1000

/* In one go, where the packets' stamps do not say when it is enough. */
#define DRAIN_MAX 65536

/* An ICMP error on a socket that only receives says nothing, and the next read goes on. */
#define ERRORS_MAX 16

int inlet_open(struct inlet *inlet, struct owamp_collector *collector, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = inlet};
	int count = 1, stamps = ARRIVAL_SOFTWARE | ARRIVAL_HARDWARE;

	inlet->collector = collector;
	inlet->fd = fd;
	if (setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &count, sizeof count) ||
	    (collector->hardware && setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps)) ||
	    epoll_ctl(collector->epoll, EPOLL_CTL_ADD, fd, &event))
		return OWAMP_ESYSTEM;
	inlet->open = true;
	return 0;
}

void inlet_close(struct inlet *inlet)
{
	if (!inlet->open)
		return;
	inlet->open = false;
	(void)epoll_ctl(inlet->collector->epoll, EPOLL_CTL_DEL, inlet->fd, NULL);
}

/* From the count as last seen to this one, which may be older: a datagram that waited has an old one. */
static uint32_t growth(const struct inlet *inlet, uint32_t count)
{
	uint32_t grown = count - inlet->count;

	return grown <= INT32_MAX ? grown : 0;
}

static void note_drops(struct inlet *inlet, uint32_t count)
{
	uint32_t grown = growth(inlet, count);

	inlet->drops += grown;
	inlet->count += grown;
}

/* The kernel's count as it is now; the last one if it does not say. */
static uint32_t count_now(const struct inlet *inlet)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t size = sizeof info;

	if (getsockopt(inlet->fd, SOL_SOCKET, SO_MEMINFO, info, &size))
		return inlet->count;
	return info[SK_MEMINFO_DROPS];
}

uint64_t inlet_drops(const struct inlet *inlet)
{
	return inlet->drops + growth(inlet, count_now(inlet));
}

/*
 * A port's drops go to each of its sessions: whose datagrams they were, nobody
 * knows. A receiver takes no more for its own than it misses at that place, so
 * now and then a loss of the network is put down to us; one of ours is put down
 * to the network only if the network had brought the packet before one with a
 * lower number that got in. The same holds for datagrams of strangers that were
 * dropped, and for those with a wrong checksum.
 */
static void tell_drops(struct owamp_collector_session *session)
{
	uint64_t drops = session->inlet->drops;

	if (drops <= session->drops_told)
		return;
	drops -= session->drops_told;
	session->drops_told += drops;
	owamp_receiver_drops(session->receiver, drops < UINT32_MAX ? (uint32_t)drops : UINT32_MAX);
}

static void finish(struct owamp_collector_session *session, bool failed)
{
	heap_remove(&session->collector->heap, &session->due);
	if (failed) {
		session->failed = true;
		session_detach(session);
	}
	if (session->finished_posted)
		return;
	session->finished_posted = true;
	owamp_loop_post(session->collector->loop, &session->post);
}

static bool from_sender(const struct owamp_collector_session *session, const union arrival_address *source)
{
	uint16_t port = session->sender.in.sin_port; /* both families have it in the same place */

	return owamp_address_equal(&session->sender.any, &source->any) &&
	       (port == 0 || port == source->in.sin_port);
}

static struct owamp_collector_session *addressee(const struct inlet *inlet,
						 const union arrival_address *source)
{
	struct owamp_collector_session *session = inlet->session;

	if (!session)
		return collector_port_session(inlet->port, source);
	if (from_sender(session, source))
		return session;
	session->strangers++;
	return NULL;
}

/* The clocks when packets were read, or missed. */
struct reading {
	int64_t mono_ns;
	int64_t deviation_ns; /* by how much the clock was set without the sampler having noticed */
	struct owamp_clock_snapshot snapshot;
	int64_t bound_ns;
	uint16_t estimate; /* of a stamp that is as good as the clock */
};

/*
 * When the bound is larger: when the packet was read, or when it was stamped,
 * if it waited and the clock's latest sample is of that time.
 */
static int64_t worse_mono(const struct reading *reading, int64_t stamp_mono)
{
	int64_t sampled_mono = reading->snapshot.sampled_at_mono;

	return sampled_mono - stamp_mono > llabs(reading->mono_ns - sampled_mono) ? stamp_mono
										  : reading->mono_ns;
}

static int64_t bound_at(const struct reading *reading, int64_t mono_ns)
{
	return owamp_clock_bound(&reading->snapshot, mono_ns) + llabs(reading->deviation_ns);
}

/* sure: the stamp is not from before the clock was set. */
static uint16_t error_estimate(const struct owamp_collector *collector, const struct reading *reading,
			       int64_t mono_ns, int64_t extra_ns, bool sure)
{
	const struct setting *setting = &collector->setting;
	int64_t deviation = reading->deviation_ns;

	if (deviation == 0 && !sure)
		deviation = owamp_clock_deviation(collector->clock, 0, setting->before_ns, 0);
	if (deviation != 0)
		return owamp_clock_error_set(collector->clock, mono_ns, extra_ns, deviation);
	/* Vouched for when it was read. */
	if (mono_ns != reading->mono_ns && !owamp_error_estimate_synchronized(reading->estimate))
		return owamp_error_estimate((uint64_t)(bound_at(reading, mono_ns) + extra_ns), false);
	return owamp_clock_error(collector->clock, mono_ns, extra_ns);
}

/* Without a stamp it is the time now, with all the packet may have waited as its error. */
static void stamp_now(struct owamp_collector_session *session, struct arrival_stamp *stamp)
{
	stamp->error_ns = owamp_mono_ns() - session->collector->previous_wake;
	stamp->real_ns = owamp_real_ns();
	session->unstamped++;
}

/*
 * CLOCK_REALTIME less CLOCK_MONOTONIC as the session takes it to be. Its packets
 * show that it was right when they begin to arrive. Before that, a clock that is
 * set is more likely to become right.
 */
static int64_t own_shift(struct owamp_collector_session *session)
{
	if (owamp_receiver_counters(session->receiver)->results[OWAMP_RECEIVE_OK] == 0)
		session->shift0_ns = session->collector->setting.shift_ns;
	return session->shift0_ns;
}

/* The time as the session takes it to be. */
static owamp_ntp own_time(struct owamp_collector_session *session, int64_t mono)
{
	return owamp_ntp_from_unix_ns(mono + own_shift(session));
}

/* After all stamps that it is for have been taken: see the pacer's. */
static void look_at_clock(struct owamp_collector *collector, struct reading *reading)
{
	struct owamp_clock_snapshot *snapshot = &reading->snapshot;
	struct instant now;

	instant_read(&now, INSTANT_TRIES_FEW);
	setting_look(&collector->setting, &now);
	reading->mono_ns = now.after_mono;
	reading->deviation_ns = instant_deviation(&now, collector->clock);
	owamp_clock_read(collector->clock, snapshot);
	reading->bound_ns = bound_at(reading, now.after_mono);
	reading->estimate = error_estimate(collector, reading, now.after_mono, 0, true);
}

static void take_in(struct owamp_collector_session *session, unsigned i, const struct arrival_facts *facts,
		    const struct reading *reading)
{
	struct owamp_collector *collector = session->collector;
	struct arrivals *arrivals = &collector->arrivals;
	uint16_t estimate = reading->estimate;
	int64_t shift, mono_ns, bound_ns = reading->bound_ns;
	struct arrival_stamp stamp;
	bool sure;

	if (!arrival_stamp(facts, collector->hardware, &stamp))
		stamp_now(session, &stamp);
	session->hardware_stamped += stamp.hardware;
	shift = setting_shift(&collector->setting, stamp.real_ns, collector->previous_wake, &sure);
	mono_ns = worse_mono(reading, stamp.real_ns - shift);
	if (stamp.error_ns != 0 || !sure || mono_ns != reading->mono_ns)
		estimate = error_estimate(collector, reading, mono_ns, stamp.error_ns, sure);
	if (mono_ns != reading->mono_ns)
		bound_ns = bound_at(reading, mono_ns);
	session_clock_note(&session->clock, &reading->snapshot, bound_ns);
	tell_drops(session);
	owamp_receiver_clock_shift(session->receiver, shift - own_shift(session));
	if (owamp_receiver_packet(session->receiver, arrivals->octets[i], arrivals->headers[i].msg_len,
				  owamp_ntp_from_unix_ns(stamp.real_ns), estimate, facts->ttl) < 0)
		finish(session, true);
}

/* When the datagram arrived, if that is known for certain and later than *latest_mono. */
static void note_arrival(const struct owamp_collector *collector, int64_t kernel_ns, int64_t *latest_mono)
{
	bool sure;
	int64_t shift = setting_shift(&collector->setting, kernel_ns, collector->previous_wake, &sure);

	if (kernel_ns != 0 && sure && kernel_ns - shift > *latest_mono)
		*latest_mono = kernel_ns - shift;
}

int inlet_read(struct inlet *inlet, int64_t *latest_mono)
{
	struct owamp_collector *collector = inlet->collector;
	struct arrivals *arrivals = &collector->arrivals;
	int count = arrivals_receive(arrivals, inlet->fd);
	struct reading reading;

	if (count <= 0)
		return count;
	look_at_clock(collector, &reading);
	for (unsigned i = 0; i < (unsigned)count && inlet->open; i++) {
		struct owamp_collector_session *session;
		struct arrival_facts facts;

		arrival_read_control(&arrivals->headers[i].msg_hdr, &facts);
		note_arrival(collector, facts.kernel_ns, latest_mono);
		note_drops(inlet, facts.drops);
		session = addressee(inlet, &arrivals->sources[i]);
		if (session)
			take_in(session, i, &facts, &reading);
	}
	return count;
}

/*
 * Takes in what had arrived by mono_ns: all there is, or up to the first that
 * came later, so that no rate keeps this going. False: nobody knows. What a
 * batch that came back short means is not enough here, an error may have cut it.
 * *empty: nothing waits that came before what was dropped last.
 */
static bool drain(struct inlet *inlet, int64_t mono_ns, bool *empty)
{
	unsigned errors = 0;

	*empty = false;
	for (unsigned packets = 0; packets < DRAIN_MAX;) {
		int64_t latest_mono = INT64_MIN;
		int count = inlet_read(inlet, &latest_mono);

		*empty = count == 0;
		if (count == 0 || latest_mono > mono_ns + SETTING_SLACK_NS || !inlet->open)
			return true;
		if (count > 0)
			packets += (unsigned)count;
		else if (++errors == ERRORS_MAX)
			return true;
		collector_make_way(inlet->collector);
		if (!inlet->open)
			return true;
	}
	return false;
}

/* When there is something to do again, unless packets come. */
static int64_t next_look(const struct owamp_receiver *receiver, owamp_ntp now)
{
	owamp_ntp horizon;
	bool last = owamp_receiver_horizon(receiver, &horizon);
	int64_t wait = owamp_ntp_diff_ns(horizon, now), least = last ? JUST_AFTER_NS : GRAIN_NS;

	if (owamp_ntp_diff(now, owamp_receiver_deadline(receiver)) > 0)
		return 0;
	if (wait < least)
		return least;
	return wait < LOOK_NS ? wait : LOOK_NS;
}

void session_expire(struct owamp_collector_session *session)
{
	struct owamp_collector *collector = session->collector;
	int64_t mono = owamp_mono_ns();
	/* Before reading: what is dropped from here on may be behind packets that nobody has read yet. */
	uint32_t count = count_now(session->inlet);
	struct reading reading;
	owamp_ntp now;
	bool empty;

	if (!drain(session->inlet, mono, &empty)) {
		/* What is still queued must not be called lost. */
		if (!session->stopped && !session->failed)
			(void)heap_set(&collector->heap, &session->due, mono + GRAIN_NS);
		return;
	}
	if (session->stopped || session->failed)
		return;
	/* While packets wait, those behind a gap bring its drops themselves: told now, they would be void. */
	if (empty)
		note_drops(session->inlet, count);
	tell_drops(session);
	look_at_clock(collector, &reading);
	now = own_time(session, mono);
	if (owamp_receiver_expire(session->receiver, now, reading.estimate))
		finish(session, true);
	else if (owamp_receiver_complete(session->receiver))
		finish(session, false);
	else
		(void)heap_set(&collector->heap, &session->due, mono + next_look(session->receiver, now));
}

static bool is_overdue(struct owamp_collector_session *session, int64_t mono)
{
	return owamp_ntp_diff(own_time(session, mono), owamp_receiver_deadline(session->receiver)) > 0;
}

void session_look(struct owamp_collector_session *session)
{
	struct owamp_collector *collector = session->collector;
	struct reading reading;

	look_at_clock(collector, &reading);
	/* Whose deadline is to come needs no system call. */
	if (is_overdue(session, reading.mono_ns))
		session_expire(session);
	else
		(void)heap_set(&collector->heap, &session->due,
			       reading.mono_ns +
				       next_look(session->receiver, own_time(session, reading.mono_ns)));
}

void session_expire_all(struct owamp_collector_session *session)
{
	int64_t mono = owamp_mono_ns();
	uint32_t rounds = 0;

	session_expire(session);
	while (!session->failed && !owamp_receiver_complete(session->receiver) &&
	       ++rounds < UINT32_MAX / 10000 && is_overdue(session, mono)) {
		collector_make_way(session->collector);
		session_expire(session);
	}
}
