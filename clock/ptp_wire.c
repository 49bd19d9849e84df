#include "ptp_wire.h"

#include <stdio.h>
#include <string.h>

#include "protocol/wire.h"

/* Header, target, action. */
#define TYPE_MANAGEMENT    0x0d
#define VERSION            2
#define CONTROL_MANAGEMENT 4
#define INTERVAL_NONE      0x7f
#define ACTION_GET         0
#define ACTION_RESPONSE    2

#define AT_LENGTH        2
#define AT_DOMAIN        4
#define AT_SEQUENCE      30
#define AT_CONTROL       32
#define AT_INTERVAL      33
#define AT_TARGET        34
#define TARGET_SIZE      10
#define AT_ACTION        46
#define AT_TLV           48
#define AT_TLV_LENGTH    50
#define AT_TLV_ID        52
#define AT_DATA          54
#define TLV_MANAGEMENT   1
#define TLV_ERROR        2
#define AT_ERROR_ID      54
#define ERROR_SIZE_LEAST 4 /* the reason and the ID */

#define LOW_NIBBLE 0x0f

/* The first octets of TIME_PROPERTIES_DATA_SET's flags. */
#define FLAG_LEAP61         0x01
#define FLAG_LEAP59         0x02
#define FLAG_UTC_VALID      0x04
#define FLAG_PTP_TIMESCALE  0x08
#define FLAG_TIME_TRACEABLE 0x10

#define PORT_IDENTITY_SIZE 10

void ptp_wire_get(uint8_t get[PTP_GET_SIZE], uint8_t domain, uint16_t sequence, enum ptp_id id)
{
	memset(get, 0, PTP_GET_SIZE);
	get[0] = TYPE_MANAGEMENT;
	get[1] = VERSION;
	put_u16(get + AT_LENGTH, PTP_GET_SIZE);
	get[AT_DOMAIN] = domain;
	put_u16(get + AT_SEQUENCE, sequence);
	get[AT_CONTROL] = CONTROL_MANAGEMENT;
	get[AT_INTERVAL] = INTERVAL_NONE;
	memset(get + AT_TARGET, 0xff, TARGET_SIZE);
	get[AT_ACTION] = ACTION_GET;
	put_u16(get + AT_TLV, TLV_MANAGEMENT);
	put_u16(get + AT_TLV_LENGTH, sizeof(uint16_t));
	put_u16(get + AT_TLV_ID, (uint16_t)id);
}

/* A TimeInterval, in 2^-16 ns. */
static int64_t interval_at(const uint8_t *at)
{
	int64_t interval = (int64_t)get_u64(at), whole = interval / 65536;

	if (interval % 65536 != 0)
		whole += interval < 0 ? -1 : 1;
	return whole;
}

static uint16_t port_number_at(const uint8_t *identity)
{
	return get_u16(identity + PTP_CLOCK_ID_SIZE);
}

static bool decode_defaults(const uint8_t *data, struct ptp_answer *answer)
{
	answer->defaults.ports = get_u16(data + 2);
	return true;
}

static bool decode_current(const uint8_t *data, struct ptp_answer *answer)
{
	answer->current.steps_removed = get_u16(data);
	answer->current.path_delay_ns = interval_at(data + 10);
	return true;
}

static bool decode_parent(const uint8_t *data, struct ptp_answer *answer)
{
	answer->parent.clock_class = data[19];
	answer->parent.clock_accuracy = data[20];
	memcpy(answer->parent.grandmaster, data + 24, PTP_CLOCK_ID_SIZE);
	return true;
}

static bool decode_properties(const uint8_t *data, struct ptp_answer *answer)
{
	uint8_t flags = data[2];

	answer->properties = (struct ptp_properties){
		.utc_offset = (int16_t)get_u16(data),
		.leap61 = flags & FLAG_LEAP61,
		.leap59 = flags & FLAG_LEAP59,
		.utc_offset_valid = flags & FLAG_UTC_VALID,
		.ptp_timescale = flags & FLAG_PTP_TIMESCALE,
		.time_traceable = flags & FLAG_TIME_TRACEABLE,
	};
	return true;
}

static bool decode_port(const uint8_t *data, struct ptp_answer *answer)
{
	answer->port = (struct ptp_port_data){
		.number = port_number_at(data),
		.state = data[10],
		.peer_delay_ns = interval_at(data + 12),
		.log_sync_interval = (int8_t)data[22],
	};
	return true;
}

static bool decode_status(const uint8_t *data, struct ptp_answer *answer)
{
	answer->status.master_offset_ns = (int64_t)get_u64(data);
	answer->status.ingress_ns = (int64_t)get_u64(data + 8);
	return true;
}

/* A name that the kernel could have given out, and that can stand in a line for people. */
static bool is_interface(const uint8_t *name, size_t size)
{
	if (size >= PTP_INTERFACE_SIZE)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
			return false;
	}
	return true;
}

#define PORT_PROPERTIES_FIXED 13

static bool decode_port_properties(const uint8_t *data, size_t size, struct ptp_answer *answer)
{
	struct ptp_port_properties *properties = &answer->port_properties;
	size_t length = data[12];

	if (length > size - PORT_PROPERTIES_FIXED)
		return false;
	*properties = (struct ptp_port_properties){
		.number = port_number_at(data),
		.state = data[10],
		.timestamping = data[11],
	};
	if (is_interface(data + PORT_PROPERTIES_FIXED, length))
		memcpy(properties->interface, data + PORT_PROPERTIES_FIXED, length);
	return true;
}

static const struct {
	enum ptp_id id;
	size_t size; /* at least */
	bool (*decode)(const uint8_t *data, struct ptp_answer *answer);
} data_sets[] = {
	{PTP_DEFAULT_DATA_SET, 20, decode_defaults}, {PTP_CURRENT_DATA_SET, 18, decode_current},
	{PTP_PARENT_DATA_SET, 32, decode_parent},    {PTP_TIME_PROPERTIES_DATA_SET, 4, decode_properties},
	{PTP_PORT_DATA_SET, 26, decode_port},        {PTP_TIME_STATUS_NP, 50, decode_status},
};

static bool decode_data(const uint8_t *data, size_t size, struct ptp_answer *answer)
{
	if (answer->id == PTP_PORT_PROPERTIES_NP)
		return size >= PORT_PROPERTIES_FIXED && decode_port_properties(data, size, answer);
	for (size_t i = 0; i < sizeof data_sets / sizeof data_sets[0]; i++) {
		if (data_sets[i].id == answer->id)
			return size >= data_sets[i].size && data_sets[i].decode(data, answer);
	}
	return false;
}

static bool is_known(uint16_t id)
{
	for (size_t i = 0; i < sizeof data_sets / sizeof data_sets[0]; i++) {
		if (data_sets[i].id == id)
			return true;
	}
	return id == PTP_PORT_PROPERTIES_NP;
}

bool ptp_wire_is_get(const uint8_t *data, size_t size)
{
	uint8_t get[PTP_GET_SIZE];
	uint16_t id;

	if (size != sizeof get)
		return false;
	id = get_u16(data + AT_TLV_ID);
	ptp_wire_get(get, data[AT_DOMAIN], get_u16(data + AT_SEQUENCE), (enum ptp_id)id);
	return is_known(id) && memcmp(get, data, sizeof get) == 0;
}

static bool is_response(const uint8_t *data, size_t size, uint8_t domain)
{
	size_t length;

	if (size < AT_DATA)
		return false;
	length = get_u16(data + AT_LENGTH);
	return (data[0] & LOW_NIBBLE) == TYPE_MANAGEMENT && (data[1] & LOW_NIBBLE) == VERSION &&
	       length >= AT_DATA && length <= size && data[AT_DOMAIN] == domain &&
	       (data[AT_ACTION] & LOW_NIBBLE) == ACTION_RESPONSE;
}

bool ptp_wire_decode(const uint8_t *data, size_t size, uint8_t domain, struct ptp_answer *answer)
{
	size_t tlv_size;
	uint16_t type;

	memset(answer, 0, sizeof *answer);
	if (!is_response(data, size, domain))
		return false;
	size = get_u16(data + AT_LENGTH);
	type = get_u16(data + AT_TLV);
	tlv_size = get_u16(data + AT_TLV_LENGTH);
	if (tlv_size > size - AT_TLV_ID)
		return false;
	answer->sequence = get_u16(data + AT_SEQUENCE);
	if (type == TLV_ERROR && tlv_size >= ERROR_SIZE_LEAST) {
		answer->refused = true;
		answer->id = get_u16(data + AT_ERROR_ID);
		return true;
	}
	answer->id = get_u16(data + AT_TLV_ID);
	return type == TLV_MANAGEMENT && tlv_size >= sizeof answer->id &&
	       decode_data(data + AT_DATA, tlv_size - sizeof answer->id, answer);
}

const char *ptp_port_state_name(uint8_t state)
{
	static const char *const names[] = {
		[PTP_INITIALIZING] = "INITIALIZING",
		[PTP_FAULTY] = "FAULTY",
		[PTP_DISABLED] = "DISABLED",
		[PTP_LISTENING] = "LISTENING",
		[PTP_PRE_MASTER] = "PRE_MASTER",
		[PTP_MASTER] = "MASTER",
		[PTP_PASSIVE] = "PASSIVE",
		[PTP_UNCALIBRATED] = "UNCALIBRATED",
		[PTP_SLAVE] = "SLAVE",
		[PTP_GRAND_MASTER] = "GRAND_MASTER",
	};

	return state < sizeof names / sizeof names[0] && names[state] ? names[state] : "in an unknown state";
}

int64_t ptp_accuracy_ns(uint8_t clock_accuracy)
{
	static const int64_t bounds_ns[] = {
		/* 0x17: 1 ps, 2.5 ps, 10 ps, 25 ps, 100 ps, 250 ps, 1 ns, 2.5 ns, 10 ns */
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		3,
		10,
		/* 0x20 */
		25,
		100,
		250,
		1000,
		2500,
		10000,
		25000,
		100000,
		250000,
		/* 0x29: from 1 ms to 10 s */
		1000000,
		2500000,
		10000000,
		25000000,
		100000000,
		250000000,
		1000000000,
		10000000000,
	};
	const unsigned first = 0x17;

	if (clock_accuracy < first || clock_accuracy - first >= sizeof bounds_ns / sizeof bounds_ns[0])
		return 0;
	return bounds_ns[clock_accuracy - first];
}

char *ptp_clock_id_text(char text[PTP_CLOCK_ID_TEXT_SIZE], const uint8_t id[PTP_CLOCK_ID_SIZE])
{
	(void)snprintf(text, PTP_CLOCK_ID_TEXT_SIZE, "%02x%02x%02x.%02x%02x.%02x%02x%02x", id[0], id[1],
		       id[2], id[3], id[4], id[5], id[6], id[7]);
	return text;
}
