/*
 * One receiving test session: RFC 4656 sections 4.2, 3.8 and 3.9.
 *
 * Pure: the caller supplies packets with their receive time, and the time.
 * Records come out in the order of arrival; losses are reported when the
 * Timeout after the scheduled send time has passed. Memory follows
 * rate x Timeout (8 octets for each packet that may still arrive), never the
 * session's length. An object is used by one thread at a time.
 *
 * There are two times. Packets come with what the clock showed when they
 * arrived, and that is what the records say. What a session decides, above all
 * when a packet is lost, is decided by the clock as it ran when the session
 * began: were it set by 5 s, everything under way would be lost, or nothing
 * for 5 s. The caller says how far the two are apart.
 */
#ifndef OWAMP_RECEIVER_H
#define OWAMP_RECEIVER_H

#include <stddef.h>
#include <stdint.h>

#include "crypto.h"
#include "export.h"
#include "session.h"

struct owamp_receiver;

struct owamp_receiver_config {
	uint32_t mode;
	const struct owamp_request *request;   /* copied, sid included */
	const struct owamp_keys *control_keys; /* NULL in open mode */
};

/* What became of a packet. */
enum owamp_receive_result {
	OWAMP_RECEIVE_OK = 0,
	OWAMP_RECEIVE_SHORT,      /* too short to be a test packet */
	OWAMP_RECEIVE_HMAC,       /* authentication failed */
	OWAMP_RECEIVE_MULTIPLIER, /* error estimate with Multiplier 0 */
	OWAMP_RECEIVE_SEQ,        /* sequence number outside the session */
	OWAMP_RECEIVE_TIME,       /* send time more than Timeout away from now */
	OWAMP_RECEIVE_SCHEDULE,   /* send time more than Timeout away from the schedule */
	OWAMP_RECEIVE_LATE,       /* arrived after it had been declared lost */
	OWAMP_RECEIVE_RESULTS,    /* number of the above */
};

/* A word for a result, for logs and JSON: "short", "hmac", ... */
OWAMP_API const char *owamp_receive_result_name(enum owamp_receive_result result);

struct owamp_receiver_counters {
	uint64_t results[OWAMP_RECEIVE_RESULTS]; /* packets by enum owamp_receive_result */
	uint64_t duplicates;                     /* among the OK ones */
	uint64_t lost;                           /* lost records emitted, without those dropped here */
	uint64_t dropped;                        /* lost records of packets that our own socket dropped */
	/* The last OWAMP_RECEIVE_TIME packet: send time - receive time, ns. */
	int64_t time_offset_ns;
};

typedef void owamp_record_fn(void *context, const struct owamp_record *record);

/* The records go to sink, called from within packet() and expire(). */
OWAMP_API int owamp_receiver_new(struct owamp_receiver **receiver, const struct owamp_receiver_config *config,
				 owamp_record_fn *sink, void *context);
OWAMP_API void owamp_receiver_free(struct owamp_receiver *receiver);

/*
 * The clock that stamps what is passed in from here on has been set by so much
 * in sum since the session began: positive if it was set forward. A leap second
 * counts (one inserted is -1 s). 0 at first. A packet whose stamp was taken
 * before that needs the shift of then.
 *
 * Arrivals are judged by their stamp less the shift. The sender's stamp, which
 * section 4.2 compares with the time and with the schedule, may agree with
 * either of the receiver's times: only that can tell whether its clock was set
 * as well, as by a leap second. If the sender's clock alone is set by more than
 * Timeout, section 4.2 has its packets discarded (OWAMP_RECEIVE_TIME).
 */
OWAMP_API void owamp_receiver_clock_shift(struct owamp_receiver *receiver, int64_t shift_ns);

/*
 * The result, of enum owamp_receive_result; a negative value is an error of ours
 * (no memory, crypto), not of the packet. A receive time of 0, which once in 136
 * years is a time, is recorded as 1: 0 means lost.
 */
OWAMP_API int owamp_receiver_packet(struct owamp_receiver *receiver, const uint8_t *packet, size_t size,
				    owamp_ntp receive_time, uint16_t receive_error, uint8_t ttl);

/*
 * Our own socket dropped count datagrams between the packet passed in last and
 * the one that comes next (or now, at the end). They are taken for packets
 * between the highest that has arrived and the next that is above it: so many
 * of those, the first ones that do not turn up, are recorded as dropped here, so
 * that they are not taken for losses of the network. Drops beyond the packets
 * that are missing there were of something else, and are forgotten.
 */
OWAMP_API void owamp_receiver_drops(struct owamp_receiver *receiver, uint32_t count);

/*
 * Declares lost what was due more than Timeout before now: the time as the clock
 * would show it had it not been set since the session began. Packets that had
 * been received by now must have been passed in already. One call looks at a
 * bounded number of packets: if owamp_receiver_deadline() is still before now
 * and the session is not complete, call again.
 */
OWAMP_API int owamp_receiver_expire(struct owamp_receiver *receiver, owamp_ntp now, uint16_t error_estimate);

/*
 * When, on that same clock, expire() has something to do next: the deadline of
 * the oldest packet that may still arrive; the last deadline if there is none.
 * It only grows.
 */
OWAMP_API owamp_ntp owamp_receiver_deadline(const struct owamp_receiver *receiver);

/*
 * The deadline of the furthest packet that was thought of so far: the session is
 * not complete before. True: it is the session's last packet.
 */
OWAMP_API bool owamp_receiver_horizon(const struct owamp_receiver *receiver, owamp_ntp *deadline);

/* All packets were received or declared lost, and Timeout after the last has passed. */
OWAMP_API bool owamp_receiver_complete(const struct owamp_receiver *receiver);

/*
 * The session ends (section 3.8). Call expire() with the current time first.
 * Records with a sequence number of *cut or above must be discarded: with a
 * Stop-Sessions, those scheduled within Timeout of now and those the sender
 * never reached (next_seq); without one (stop NULL), those after the last
 * packet that was received. OWAMP_EDATA: a packet was received that the sender
 * says it never reached; the whole session must be considered invalid.
 */
OWAMP_API int owamp_receiver_end(const struct owamp_receiver *receiver, const struct owamp_stop_session *stop,
				 uint32_t *cut);

OWAMP_API const struct owamp_receiver_counters *
owamp_receiver_counters(const struct owamp_receiver *receiver);

/* Octets of memory held for the window. */
OWAMP_API size_t owamp_receiver_memory(const struct owamp_receiver *receiver);

#endif
