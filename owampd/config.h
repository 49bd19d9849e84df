/*
 * owampd's configuration: one file (libConfuse), with the options of the
 * command line laid over it. Read whole, checked whole, then used or not.
 */
#ifndef OWAMPD_CONFIG_H
#define OWAMPD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <owamp/clock.h>

struct config_address {
	struct sockaddr_storage address;
	socklen_t size;
	bool is_default; /* of all addresses: its family may be missing if the other is there */
};

/* All paths are absolute: relative ones are of the directory the process was started in. */
struct config {
	struct config_address *listen; /* default [::]:861 and 0.0.0.0:861 */
	size_t listen_count;
	uint16_t test_port_low; /* 0,0: any; default 8760-9960 */
	uint16_t test_port_high;
	uint32_t modes;    /* OWAMP_MODE_*; default all that keys allow */
	char *keys_path;   /* NULL: no keys, so open mode only */
	char *limits_path; /* NULL: the conservative defaults */
	char *user;        /* drop to this user; NULL: stay */
	char *group;
	char *pid_file;
	char *archive_path;                   /* NULL: results are kept in memory */
	char *status_socket;                  /* NULL: nobody can ask */
	uint32_t pbkdf2_count;                /* power of two, >= 1024; default 8192 */
	unsigned connections_max;             /* control connections; default 1000 */
	unsigned handshakes_max;              /* not yet authenticated; default 100 */
	unsigned connections_per_address_max; /* default 50 */
	int64_t handshake_timeout_ns;         /* for each step of the set-up; default 10 s */
	int64_t control_timeout_ns;           /* idle between commands; default 30 min */
	int64_t end_delay_ns;                 /* after Timeout, before Stop-Sessions; default 0.5 s */
	uint32_t slots_max;                   /* schedule slots in one request; default 1024 */
	uint32_t sessions_per_connection_max; /* default 1024 */
	uint32_t realtime_priority;           /* of the pacer, 1 to 99; 0: none; default 10 */
	bool lock_memory;                     /* default true */
	int64_t spin_ns;                      /* default OWAMP_SPIN_AUTO */
	int pacer_cpu;                        /* -1: any, the default */
	int collector_cpu;
	char **hardware_timestamps; /* interfaces, ended by NULL; NULL: none */
	uint32_t shared_test_port;  /* 0: none, the default */
	int64_t keep_ns;            /* packets of a session, from its end; default 1 day */
	int64_t keep_summaries_ns;  /* all else of it; default 400 days, or keep if it is longer */
	uint64_t archive_max;       /* octets of the file; 0: any; default 10 GiB */
	struct owamp_clock_config clock;
	int log_level;     /* syslog's numbers; default LOG_INFO */
	bool foreground;   /* log to stderr */
	bool check_only;   /* --check-config, which config_from_arguments() carries out */
	bool clock_status; /* --clock-status: asks, and serves nobody */
	bool json;         /* its answer */
};

/*
 * Parses the command line, then the file it names with --config (or, if there
 * is no --config, no file at all is read). On failure one or more lines
 * "FILE:LINE: ..." or "option --x: ..." are written to stderr and the result is
 * the exit status to use (2 for usage, 1 for a bad file) with *config NULL;
 * --help and --version print and give *exit_status 0 with *config NULL.
 * --check-config does its work and gives 0 or 1, also with *config NULL.
 */
struct config *config_from_arguments(int argc, char **argv, int *exit_status);

/*
 * For SIGHUP: the same command line again, with the file read anew, also after
 * a chdir(). NULL if anything is wrong; log() gets one line that says what.
 * Uses getopt(): not from two threads at a time.
 */
struct config *config_reload(int argc, char **argv, void (*log)(void *context, const char *line),
			     void *context);

void config_free(struct config *config);

/* Whether they come to the same; open and its context aside. */
bool config_same_clock(const struct owamp_clock_config *a, const struct owamp_clock_config *b);

#endif
