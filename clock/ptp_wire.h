/*
 * Management messages of IEEE 1588 as linuxptp speaks them over its local
 * socket: encoding of a GET, decoding of what answers it. Pure.
 *
 * Layouts: IEEE 1588-2008, 13.3 and 15.5; those of linuxptp's own IDs, 0xC000
 * and up, are pmc(8)'s. linuxptp 4 puts the minor version of 2019 into the
 * upper half of the version's octet.
 */
#ifndef CLOCK_PTP_WIRE_H
#define CLOCK_PTP_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ptp_id {
	PTP_DEFAULT_DATA_SET = 0x2000,
	PTP_CURRENT_DATA_SET = 0x2001,
	PTP_PARENT_DATA_SET = 0x2002,
	PTP_TIME_PROPERTIES_DATA_SET = 0x2003,
	PTP_PORT_DATA_SET = 0x2004,
	PTP_TIME_STATUS_NP = 0xC000,
	PTP_PORT_PROPERTIES_NP = 0xC004,
};

enum ptp_port_state {
	PTP_INITIALIZING = 1,
	PTP_FAULTY,
	PTP_DISABLED,
	PTP_LISTENING,
	PTP_PRE_MASTER,
	PTP_MASTER,
	PTP_PASSIVE,
	PTP_UNCALIBRATED,
	PTP_SLAVE,
	PTP_GRAND_MASTER, /* linuxptp's own */
};

/* linuxptp's enumeration; all but the first are by the interface's hardware clock. */
enum ptp_timestamping {
	PTP_SOFTWARE,
	PTP_HARDWARE,
	PTP_LEGACY_HARDWARE,
	PTP_ONE_STEP,
	PTP_P2P_ONE_STEP,
	PTP_TIMESTAMPING_UNKNOWN = 255, /* none of linuxptp's: it was not told */
};

#define PTP_CLOCK_ID_SIZE  8
#define PTP_INTERFACE_SIZE 16

struct ptp_default {
	uint16_t ports;
};

struct ptp_current {
	uint16_t steps_removed;
	int64_t path_delay_ns; /* rounded away from 0 */
};

struct ptp_parent {
	uint8_t grandmaster[PTP_CLOCK_ID_SIZE];
	uint8_t clock_class;
	uint8_t clock_accuracy;
};

struct ptp_properties {
	int16_t utc_offset; /* s, TAI - UTC */
	bool utc_offset_valid;
	bool leap61;
	bool leap59;
	bool ptp_timescale;
	bool time_traceable;
};

struct ptp_port_data {
	uint16_t number;
	uint8_t state;
	int64_t peer_delay_ns; /* rounded away from 0 */
	int8_t log_sync_interval;
};

struct ptp_time_status {
	int64_t master_offset_ns; /* slave less master */
	int64_t ingress_ns;       /* by the clock that stamps packets, when the last Sync came; 0: none did */
};

struct ptp_port_properties {
	uint16_t number;
	uint8_t state;
	uint8_t timestamping;
	char interface[PTP_INTERFACE_SIZE]; /* "" if it could not be one's name */
};

struct ptp_answer {
	uint16_t sequence;
	uint16_t id;
	bool refused; /* an error instead of the data */
	union {
		struct ptp_default defaults;
		struct ptp_current current;
		struct ptp_parent parent;
		struct ptp_properties properties;
		struct ptp_port_data port;
		struct ptp_time_status status;
		struct ptp_port_properties port_properties;
	};
};

#define PTP_GET_SIZE    54
#define PTP_ANSWER_SIZE 1500 /* none is longer */

/* A GET for the clock itself and all its ports. */
void ptp_wire_get(uint8_t get[PTP_GET_SIZE], uint8_t domain, uint16_t sequence, enum ptp_id id);

/* Whether it is what ptp_wire_get() makes, octet by octet, for some domain, sequence and one of the IDs
 * above. */
bool ptp_wire_is_get(const uint8_t *data, size_t size);

/* False: not an answer of this domain to a GET of one of the IDs above. */
bool ptp_wire_decode(const uint8_t *data, size_t size, uint8_t domain, struct ptp_answer *answer);

/* "SLAVE". Static text. */
const char *ptp_port_state_name(uint8_t state);

/* What clockAccuracy stands for (IEEE 1588-2019, table 5), rounded up; 0: nothing that is a bound. */
int64_t ptp_accuracy_ns(uint8_t clock_accuracy);

/* As linuxptp writes it: "0245d6.fffe.e0a5a8". */
#define PTP_CLOCK_ID_TEXT_SIZE 19
char *ptp_clock_id_text(char text[PTP_CLOCK_ID_TEXT_SIZE], const uint8_t id[PTP_CLOCK_ID_SIZE]);

#endif
