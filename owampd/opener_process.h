/* The opener's process: what can be asked of it, how, and what it is. */
#ifndef OWAMPD_OPENER_PROCESS_H
#define OWAMPD_OPENER_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <owamp/clock.h>

/* What can be asked for: an index of targets, or for /dev/ptpN OWAMP_CLOCK_SOURCES_MAX + N. */
struct opener_targets {
	struct opener_target {
		enum owamp_clock_object object;
		char path[OWAMP_CLOCK_PATH_SIZE];
	} list[OWAMP_CLOCK_SOURCES_MAX];
	uint32_t count;
	bool devices; /* any /dev/ptpN: which one ptp4l uses, only ptp4l knows */
};

#define OPENER_DEVICE_PREFIX "/dev/ptp"
#define OPENER_DEVICES_MAX   1024

struct opener_request {
	uint32_t number;
	uint32_t index;
};

/* With the descriptor, if error is 0. Number 0 is the first, without a request: whether it could begin. */
struct opener_reply {
	uint32_t number; /* of the request: one that came too late must not be taken for the next one's */
	int32_t error;
};

/* What the new process does; fd: the other end of the requests' SOCK_SEQPACKET. */
__attribute__((noreturn)) void opener_process(const struct opener_targets *targets, int fd, pid_t parent);

#endif
