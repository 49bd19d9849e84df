#include <owamp/receiver.h>

#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>
#include <owamp/schedule.h>

#include "test_packet.h"

#define WINDOW_MIN 16

/* Packets in one call: a session that begins in the past must not hold its caller up. */
#define EXPIRE_AT_ONCE 10000

/* The highest bits of a window entry. */
#define ARRIVED (UINT64_C(1) << 63)
#define DROPPED (UINT64_C(1) << 62) /* at our own socket, unless it turns up */
#define OFFSET  (DROPPED - 1)

_Static_assert(OWAMP_SPAN_MAX <= OFFSET, "offsets leave the marks alone");

/*
 * The window is a ring of scheduled offsets for the packets tail <= seq < head
 * whose Timeout has not passed. It is extended only as far as packets arrive
 * or deadlines require.
 */
struct owamp_receiver {
	struct owamp_schedule *schedule;
	struct test_packet_cipher cipher;
	owamp_record_fn *sink;
	void *context;
	owamp_ntp start;
	owamp_interval timeout;
	int64_t shift_ns;
	owamp_interval shift; /* the same, modulo 2^64 if it is negative */
	uint32_t packets;
	uint32_t tail;
	uint32_t head;
	uint64_t *window;
	uint32_t capacity;          /* a power of two */
	owamp_interval last_offset; /* of packet head - 1 */
	bool any_arrived;
	uint32_t max_seq; /* highest that arrived */
	uint32_t drops;   /* at our own socket, of packets above max_seq */
	/*
	 * The last gap with drops in it. Those below unmarked are marked or have
	 * arrived; the others are marked in place of marked ones that turn up.
	 */
	struct {
		uint32_t first;
		uint32_t unmarked;
		uint32_t end;
	} gap;
	struct owamp_receiver_counters counters;
};

const char *owamp_receive_result_name(enum owamp_receive_result result)
{
	static const char *const names[OWAMP_RECEIVE_RESULTS] = {
		"ok", "short", "hmac", "multiplier", "sequence", "time", "schedule", "late",
	};

	return (unsigned)result < OWAMP_RECEIVE_RESULTS ? names[result] : "unknown";
}

int owamp_receiver_new(struct owamp_receiver **receiver, const struct owamp_receiver_config *config,
		       owamp_record_fn *sink, void *context)
{
	const struct owamp_request *request = config->request;
	struct owamp_receiver *r;
	int error;

	*receiver = NULL;
	if (request->packets == 0 || request->timeout > OWAMP_SPAN_MAX)
		return OWAMP_EINVAL;
	r = calloc(1, sizeof *r);
	if (!r)
		return OWAMP_ENOMEM;
	r->sink = sink;
	r->context = context;
	r->start = request->start;
	r->timeout = request->timeout;
	r->packets = request->packets;
	r->capacity = WINDOW_MIN;
	r->window = calloc(r->capacity, sizeof *r->window);
	error = r->window ? 0 : OWAMP_ENOMEM;
	if (!error)
		error = owamp_schedule_new(&r->schedule, request->slots, request->slot_count, request->sid);
	if (!error)
		error = test_packet_cipher_init(&r->cipher, config->mode, config->control_keys, request->sid,
						false);
	if (error) {
		owamp_receiver_free(r);
		return error;
	}
	*receiver = r;
	return 0;
}

void owamp_receiver_free(struct owamp_receiver *receiver)
{
	if (!receiver)
		return;
	owamp_schedule_free(receiver->schedule);
	test_packet_cipher_free(&receiver->cipher);
	free(receiver->window);
	free(receiver);
}

static uint64_t *entry(const struct owamp_receiver *receiver, uint32_t seq)
{
	return &receiver->window[seq & (receiver->capacity - 1)];
}

static owamp_interval offset(const struct owamp_receiver *receiver, uint32_t seq)
{
	return *entry(receiver, seq) & OFFSET;
}

static int grow(struct owamp_receiver *receiver)
{
	uint32_t capacity = 2 * receiver->capacity;
	uint64_t *larger;

	if (capacity == 0)
		return OWAMP_ENOMEM;
	larger = malloc(capacity * sizeof *larger);
	if (!larger)
		return OWAMP_ENOMEM;
	for (uint32_t seq = receiver->tail; seq != receiver->head; seq++)
		larger[seq & (capacity - 1)] = *entry(receiver, seq);
	free(receiver->window);
	receiver->window = larger;
	receiver->capacity = capacity;
	return 0;
}

/* Adds the next packet of the schedule to the window. */
static int extend(struct owamp_receiver *receiver)
{
	if (receiver->head - receiver->tail == receiver->capacity) {
		int error = grow(receiver);

		if (error)
			return error;
	}
	receiver->last_offset = owamp_schedule_next(receiver->schedule);
	*entry(receiver, receiver->head) = receiver->last_offset;
	receiver->head++;
	return 0;
}

static uint64_t distance(owamp_ntp a, owamp_ntp b)
{
	int64_t diff = owamp_ntp_diff(a, b);

	return diff < 0 ? -(uint64_t)diff : (uint64_t)diff;
}

static bool within_timeout(const struct owamp_receiver *receiver, owamp_ntp a, owamp_ntp b)
{
	return distance(a, b) <= receiver->timeout;
}

/* Brings seq into the window if its time can be near at all. 1: it is there. */
static int reach(struct owamp_receiver *receiver, uint32_t seq, owamp_ntp arrival)
{
	while (receiver->head <= seq) {
		int64_t ahead;
		int error;

		/*
		 * A packet may be stamped a Timeout after now and scheduled a Timeout
		 * after that; from beyond, whoever sent it gets no memory of ours.
		 */
		ahead = owamp_ntp_diff(receiver->start + receiver->last_offset, arrival);
		if (ahead > 0 && (uint64_t)ahead / 2 > receiver->timeout)
			return 0;
		error = extend(receiver);
		if (error)
			return error;
	}
	return 1;
}

/*
 * Is the packet one to be recorded? The order tells the most about what is
 * wrong. If our clock was set, the sender's may have been set with it, as by a
 * leap second, or not: its stamp has to be right in one of the two cases.
 */
static int judge(struct owamp_receiver *receiver, const struct test_packet *packet, owamp_ntp receive_time)
{
	owamp_ntp arrival = receive_time - receiver->shift, scheduled;
	int reached;

	if (!owamp_error_estimate_valid(packet->error_estimate))
		return OWAMP_RECEIVE_MULTIPLIER;
	if (packet->seq >= receiver->packets)
		return OWAMP_RECEIVE_SEQ;
	if (!within_timeout(receiver, packet->time, receive_time) &&
	    !within_timeout(receiver, packet->time, arrival)) {
		receiver->counters.time_offset_ns = owamp_ntp_diff_ns(packet->time, receive_time);
		return OWAMP_RECEIVE_TIME;
	}
	if (packet->seq < receiver->tail)
		return OWAMP_RECEIVE_LATE;
	reached = reach(receiver, packet->seq, arrival);
	if (reached < 0)
		return reached;
	if (!reached)
		return OWAMP_RECEIVE_SCHEDULE;
	scheduled = receiver->start + offset(receiver, packet->seq);
	if (!within_timeout(receiver, packet->time, scheduled) &&
	    !within_timeout(receiver, packet->time - receiver->shift, scheduled))
		return OWAMP_RECEIVE_SCHEDULE;
	/* Lost, whether expire() has said so yet or not. */
	if (owamp_ntp_diff(arrival, scheduled + receiver->timeout) > 0)
		return OWAMP_RECEIVE_LATE;
	return OWAMP_RECEIVE_OK;
}

/* What was dropped since the highest before must be between that and seq, or was something else. */
static void mark_gap(struct owamp_receiver *receiver, uint32_t seq)
{
	uint32_t next = receiver->any_arrived ? receiver->max_seq + 1 : 0;

	if (receiver->drops == 0)
		return;
	if (next < receiver->tail)
		next = receiver->tail;
	receiver->gap.first = next;
	for (; next < seq && receiver->drops > 0; next++, receiver->drops--)
		*entry(receiver, next) |= DROPPED;
	receiver->gap.unmarked = next;
	receiver->gap.end = seq;
	receiver->drops = 0;
}

/* A packet that was marked is here: if it was of the last gap, another one of that was dropped. */
static void move_mark(struct owamp_receiver *receiver, uint32_t seq)
{
	uint32_t *next = &receiver->gap.unmarked;

	if (seq < receiver->gap.first)
		return;
	while (*next < receiver->gap.end && *entry(receiver, *next) & ARRIVED)
		++*next;
	if (*next < receiver->gap.end)
		*entry(receiver, (*next)++) |= DROPPED;
}

static void note_arrival(struct owamp_receiver *receiver, uint32_t seq)
{
	uint64_t *slot = entry(receiver, seq);

	if (*slot & DROPPED)
		move_mark(receiver, seq);
	*slot = (*slot & ~DROPPED) | ARRIVED;
	if (receiver->any_arrived && seq <= receiver->max_seq)
		return;
	mark_gap(receiver, seq);
	receiver->max_seq = seq;
	receiver->any_arrived = true;
}

void owamp_receiver_clock_shift(struct owamp_receiver *receiver, int64_t shift_ns)
{
	if (shift_ns == receiver->shift_ns)
		return;
	receiver->shift_ns = shift_ns;
	receiver->shift = owamp_interval_from_ns(shift_ns < 0 ? -(uint64_t)shift_ns : (uint64_t)shift_ns);
	if (shift_ns < 0)
		receiver->shift = -receiver->shift;
}

int owamp_receiver_packet(struct owamp_receiver *receiver, const uint8_t *packet, size_t size,
			  owamp_ntp receive_time, uint16_t receive_error, uint8_t ttl)
{
	struct owamp_record record;
	struct test_packet opened;
	bool duplicate;
	int result;

	result = test_packet_open(&receiver->cipher, packet, size, &opened);
	if (result == OWAMP_EPROTO)
		result = OWAMP_RECEIVE_SHORT;
	else if (result == OWAMP_EAUTH)
		result = OWAMP_RECEIVE_HMAC;
	else if (result == 0)
		result = judge(receiver, &opened, receive_time);
	if (result < 0)
		return result;
	receiver->counters.results[result]++;
	if (result != OWAMP_RECEIVE_OK)
		return result;

	duplicate = *entry(receiver, opened.seq) & ARRIVED;
	receiver->counters.duplicates += duplicate;
	note_arrival(receiver, opened.seq);
	record = (struct owamp_record){
		.seq = opened.seq,
		.send_time = opened.time,
		.send_error = opened.error_estimate,
		/* All zero bits mean lost; the instant itself, once in 136 years, is moved by 2^-32 s. */
		.receive_time = receive_time ? receive_time : 1,
		.receive_error = receive_error,
		.ttl = ttl,
		.duplicate = duplicate,
	};
	receiver->sink(receiver->context, &record);
	return OWAMP_RECEIVE_OK;
}

void owamp_receiver_drops(struct owamp_receiver *receiver, uint32_t count)
{
	receiver->drops = count > UINT32_MAX - receiver->drops ? UINT32_MAX : receiver->drops + count;
}

/* Whose fault is it that the packet at the tail is missing? */
static bool was_dropped(struct owamp_receiver *receiver)
{
	if (*entry(receiver, receiver->tail) & DROPPED)
		return true;
	if (receiver->drops == 0 || (receiver->any_arrived && receiver->tail <= receiver->max_seq))
		return false;
	receiver->drops--;
	return true;
}

static void give_up(struct owamp_receiver *receiver, owamp_ntp scheduled, uint16_t error_estimate)
{
	const struct owamp_record record = {
		.seq = receiver->tail,
		.send_time = scheduled,
		.send_error = OWAMP_ERROR_LOST,
		.receive_error = error_estimate,
		.ttl = 255,
		.dropped = was_dropped(receiver),
	};

	if (record.dropped)
		receiver->counters.dropped++;
	else
		receiver->counters.lost++;
	receiver->sink(receiver->context, &record);
}

int owamp_receiver_expire(struct owamp_receiver *receiver, owamp_ntp now, uint16_t error_estimate)
{
	for (int i = 0; i < EXPIRE_AT_ONCE && receiver->tail < receiver->packets; i++) {
		owamp_ntp scheduled;

		if (receiver->tail == receiver->head) {
			int error = extend(receiver);

			if (error)
				return error;
		}
		scheduled = receiver->start + offset(receiver, receiver->tail);
		if (owamp_ntp_diff(now, scheduled + receiver->timeout) <= 0)
			break;
		if (!(*entry(receiver, receiver->tail) & ARRIVED))
			give_up(receiver, scheduled, error_estimate);
		receiver->tail++;
	}
	return 0;
}

owamp_ntp owamp_receiver_deadline(const struct owamp_receiver *receiver)
{
	if (receiver->tail < receiver->head)
		return receiver->start + offset(receiver, receiver->tail) + receiver->timeout;
	/* Unknown yet, but not before that of the packet before. */
	return receiver->start + receiver->last_offset + receiver->timeout;
}

bool owamp_receiver_horizon(const struct owamp_receiver *receiver, owamp_ntp *deadline)
{
	*deadline = receiver->start + receiver->last_offset + receiver->timeout;
	return receiver->head == receiver->packets;
}

bool owamp_receiver_complete(const struct owamp_receiver *receiver)
{
	return receiver->tail == receiver->packets;
}

int owamp_receiver_end(const struct owamp_receiver *receiver, const struct owamp_stop_session *stop,
		       uint32_t *cut)
{
	if (!stop) {
		*cut = receiver->any_arrived ? receiver->max_seq + 1 : 0;
		return 0;
	}
	*cut = receiver->tail;
	if (receiver->any_arrived && receiver->max_seq >= stop->next_seq) {
		*cut = 0;
		return OWAMP_EDATA;
	}
	if (stop->next_seq < *cut)
		*cut = stop->next_seq;
	return 0;
}

const struct owamp_receiver_counters *owamp_receiver_counters(const struct owamp_receiver *receiver)
{
	return &receiver->counters;
}

size_t owamp_receiver_memory(const struct owamp_receiver *receiver)
{
	return receiver->capacity * sizeof *receiver->window;
}
