/*
 * The vocabulary of RFC 4656 that all modules share: modes, Accept values,
 * the Request-Session fields, packet records and skip ranges.
 */
#ifndef OWAMP_SESSION_H
#define OWAMP_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "timestamp.h"

#define OWAMP_PORT          861
#define OWAMP_SID_SIZE      16
#define OWAMP_KEYID_SIZE    80
#define OWAMP_AES_KEY_SIZE  16
#define OWAMP_HMAC_KEY_SIZE 32
#define OWAMP_BLOCK_SIZE    16

/* Octets of a test packet before padding (section 4.1.2). */
#define OWAMP_PACKET_OPEN   14
#define OWAMP_PACKET_SECURE 48

/* The largest UDP payload over IPv4; padding may not go beyond it. */
#define OWAMP_PACKET_MAX 65507

/*
 * Slot parameters, schedule offsets and Timeouts go up to this, about 17 years:
 * differences of wrapping timestamps stay unambiguous.
 */
#define OWAMP_SPAN_MAX ((owamp_interval)1 << 61)

/* OWAMP-Modes, RFC 7718 section 3.2.4. */
enum owamp_mode {
	OWAMP_MODE_OPEN = 1, /* unauthenticated */
	OWAMP_MODE_AUTHENTICATED = 2,
	OWAMP_MODE_ENCRYPTED = 4,
	OWAMP_MODE_IKEV2_DERIVED = 16, /* bit position 4, RFC 7717 section 5 */
};
#define OWAMP_MODE_MASK 7U /* the three modes of which one is chosen */

/* "unauthenticated", "authenticated", "encrypted"; "none" for any other value. */
OWAMP_API const char *owamp_mode_name(uint32_t mode);

/*
 * Writes all set bits of a Modes value in words, comma separated, unknown ones
 * as "bit N"; always terminated. Returns text.
 */
OWAMP_API char *owamp_modes_text(uint32_t modes, char *text, size_t size);

/* Values of the Accept field, section 3.3 and RFC 7717 section 5.3. */
enum owamp_accept {
	OWAMP_ACCEPT_OK = 0,
	OWAMP_ACCEPT_FAILURE = 1,             /* reason unspecified */
	OWAMP_ACCEPT_INTERNAL = 2,            /* internal error */
	OWAMP_ACCEPT_UNSUPPORTED = 3,         /* some aspect is not supported */
	OWAMP_ACCEPT_PERMANENT_RESOURCES = 4, /* permanent resource limitation */
	OWAMP_ACCEPT_TEMPORARY_RESOURCES = 5, /* temporary resource limitation */
	OWAMP_ACCEPT_NO_IKE_SA = 6,           /* no matching IKEv2 SA */
};

/* A text for an Accept value; unknown ones read as FAILURE, as 3.3 demands. */
OWAMP_API const char *owamp_accept_text(uint8_t accept);

/* Schedule slots, section 3.6. */
enum owamp_slot_type {
	OWAMP_SLOT_EXPONENTIAL = 0, /* parameter: the mean */
	OWAMP_SLOT_FIXED = 1,       /* parameter: the wait itself */
};

struct owamp_slot {
	uint8_t type;            /* enum owamp_slot_type */
	owamp_interval interval; /* the slot parameter */
};

/* Request-Session, section 3.5. Addresses are in network byte order. */
struct owamp_request {
	uint8_t ipvn; /* 4 or 6 */
	bool conf_sender;
	bool conf_receiver;
	uint32_t packets;
	uint16_t sender_port;
	uint16_t receiver_port;
	uint8_t sender_address[16]; /* IPv4 in the first 4 octets */
	uint8_t receiver_address[16];
	uint8_t sid[OWAMP_SID_SIZE];
	uint32_t padding; /* octets appended to each test packet */
	owamp_ntp start;
	owamp_interval timeout;
	uint32_t type_p;
	uint32_t slot_count;
	struct owamp_slot *slots; /* whose memory: said where it is used */
};

/* Type-P descriptor for a DSCP (first two bits 00). */
OWAMP_API uint32_t owamp_type_p_from_dscp(uint8_t dscp);

/* The DSCP of a Type-P descriptor, or -1 if it is not of that form. */
OWAMP_API int owamp_type_p_dscp(uint32_t type_p);

/* A hole in the sending: packets first..last were never sent (section 3.8). */
struct owamp_skip_range {
	uint32_t first;
	uint32_t last;
};

/* One packet record, section 3.9. A lost packet has receive_time 0. */
#define OWAMP_RECORD_SIZE 25 /* octets on the wire */

struct owamp_record {
	owamp_ntp send_time;
	owamp_ntp receive_time;
	uint32_t seq;
	uint16_t send_error;
	uint16_t receive_error;
	uint8_t ttl;
	/* What our own receiver knows and the wire does not say: */
	bool duplicate; /* a further arrival of this packet */
	bool dropped;   /* lost, but at our own socket, not in the network */
};

static inline bool owamp_record_lost(const struct owamp_record *record)
{
	return record->receive_time == 0;
}

/* The 25 octets of the figure in section 3.9. */
OWAMP_API void owamp_record_encode(const struct owamp_record *record, uint8_t wire[OWAMP_RECORD_SIZE]);
OWAMP_API void owamp_record_decode(const uint8_t wire[OWAMP_RECORD_SIZE], struct owamp_record *record);

/* One session description of Stop-Sessions, section 3.8. */
struct owamp_stop_session {
	uint8_t sid[OWAMP_SID_SIZE];
	uint32_t next_seq;
	uint32_t skip_count;
	const struct owamp_skip_range *skips; /* in order, not overlapping */
};

/* Are they in order, and not overlapping? Otherwise the data are invalid (section 3.9). */
OWAMP_API bool owamp_skips_valid(const struct owamp_skip_range *skips, size_t count);

/* Of valid ranges: is the packet in one of them, and how many packets below limit are? */
OWAMP_API bool owamp_skips_contain(const struct owamp_skip_range *skips, size_t count, uint32_t seq);
OWAMP_API uint32_t owamp_skips_below(const struct owamp_skip_range *skips, size_t count, uint32_t limit);

/* 32 hexadecimal digits and a terminator. Returns text. */
OWAMP_API char *owamp_sid_text(const uint8_t sid[OWAMP_SID_SIZE], char text[33]);

/* Reads 32 hexadecimal digits, case-insensitive. OWAMP_EINVAL for anything else. */
OWAMP_API int owamp_sid_parse(const char *text, uint8_t sid[OWAMP_SID_SIZE]);

#endif
