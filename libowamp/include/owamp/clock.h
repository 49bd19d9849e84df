/*
 * How far the system clock may be from UTC, and who says so.
 *
 * One thread asks the sources once a second (ptp4l, hardware clocks, gpsd,
 * shared memory segments, chronyd, the kernel), weighs what they say and
 * publishes a snapshot; reading it takes no lock and no system call, so it can
 * be done for every packet. The bound is a bound, not an estimate: see RFC 4656
 * section 4.1.2 for what goes on the wire.
 *
 * Nothing here sets the clock or corrects a stamp. A source that measures the
 * clock bounds how wrong it is, whoever steers it.
 */
#ifndef OWAMP_CLOCK_H
#define OWAMP_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export.h"

struct owamp_clock;

/*
 * Offsets are CLOCK_REALTIME less UTC: positive if the clock is ahead. UTC as
 * POSIX counts it, without leap seconds.
 */
struct owamp_clock_snapshot {
	/*
	 * An external source of UTC vouches for the bound: as of the last round of
	 * samples, and for no stamp that is later than vouched_until_mono.
	 */
	bool synchronized;
	bool disagreement;          /* sources contradict each other; then it is not synchronized */
	int64_t bound_ns;           /* |CLOCK_REALTIME - UTC| at sampled_at_mono, at most */
	int64_t sampled_at_mono;    /* CLOCK_MONOTONIC, ns: when the source measured */
	int64_t drift_ppb;          /* by which the bound grows with age, and for stamps from before */
	int64_t vouched_until_mono; /* some rounds on, or a holdover's end; 0: not synchronized */
	const char *source;         /* what the bound comes from: owamp_clock_source_words(); static text */
	int64_t since_mono;         /* it has come from there since */
	int64_t real_less_mono_ns; /* CLOCK_REALTIME less CLOCK_MONOTONIC: changes only if the clock is set */
	uint32_t steps;            /* times it was set since owamp_clock_new(); leap seconds do not count */
	int32_t leap;              /* at the end of the day: 1 is inserted, -1 deleted, 0 neither */
	int32_t tai_utc;           /* s; 0: not known */
};

/* The tokens of snapshot.source, which the archive and JSON have too. */
#define OWAMP_CLOCK_NONE       "none"
#define OWAMP_CLOCK_PTP        "ptp"        /* ptp4l with software stamps, of CLOCK_REALTIME itself */
#define OWAMP_CLOCK_PTP_PHC    "ptp-phc"    /* ptp4l with hardware stamps, and the interface's clock */
#define OWAMP_CLOCK_PHC        "phc"        /* a hardware clock whose accuracy the configuration states */
#define OWAMP_CLOCK_GPS_PPS    "gps-pps"    /* gpsd, with pulses */
#define OWAMP_CLOCK_GPS_SERIAL "gps-serial" /* gpsd, only the arrival of its messages */
#define OWAMP_CLOCK_SHM        "shm"        /* an NTP shared memory segment, as gpsd writes */
#define OWAMP_CLOCK_CHRONY     "chrony"
#define OWAMP_CLOCK_KERNEL     "kernel" /* adjtimex() */

/* For people: "PTP", "NTP", "GPS with PPS", ..., "no source". Static text. */
OWAMP_API const char *owamp_clock_source_words(const char *source);

enum owamp_clock_kind {
	OWAMP_CLOCK_KIND_PTP,
	OWAMP_CLOCK_KIND_PHC,
	OWAMP_CLOCK_KIND_GPS,
	OWAMP_CLOCK_KIND_SHM,
	OWAMP_CLOCK_KIND_CHRONY,
	OWAMP_CLOCK_KIND_KERNEL,
	OWAMP_CLOCK_KINDS,
};

#define OWAMP_CLOCK_SOURCES_MAX 16
#define OWAMP_CLOCK_NAME_SIZE   32
#define OWAMP_CLOCK_PATH_SIZE   108 /* as in struct sockaddr_un */
#define OWAMP_CLOCK_TEXT_SIZE   256
#define OWAMP_CLOCK_USER_SIZE   32

/* What a hardware clock counts. */
enum owamp_clock_timescale {
	OWAMP_CLOCK_TAI,
	OWAMP_CLOCK_UTC,
};

/* One source. Errors are bounds, in ns. */
struct owamp_clock_source_config {
	enum owamp_clock_kind kind;
	char name[OWAMP_CLOCK_NAME_SIZE]; /* unique, not empty; for people and the archive */
	union {
		struct {
			char socket[OWAMP_CLOCK_PATH_SIZE]; /* ptp4l's uds_address */
			uint8_t domain;
			/*
			 * What the grandmaster's clockAccuracy stands for if it is "unknown"; 0:
			 * then the source does not vouch.
			 */
			int64_t accuracy_ns;
			/*
			 * For each boundary clock on the way, and the link before it; 0: not
			 * stated, so the source does not vouch behind any.
			 */
			int64_t hop_error_ns;
			/* clockClasses that are UTC even if timeTraceable is not set: bits 0 to 255. */
			uint64_t classes[4];
			/* ptp4l measures only (free_running): UNCALIBRATED is then the state to be in. */
			bool free_running;
		} ptp;
		struct {
			char device[OWAMP_CLOCK_PATH_SIZE]; /* /dev/ptpN */
			enum owamp_clock_timescale timescale;
			int64_t accuracy_ns; /* of the clock against UTC; 0: not known, so it does not vouch
					      */
		} phc;
		struct {
			char host[64]; /* numeric, or localhost */
			uint16_t port;
			char device[OWAMP_CLOCK_PATH_SIZE]; /* one of gpsd's; "": whichever it has */
			int64_t pps_error_ns;               /* latency of the pulse's interrupt */
			int64_t serial_error_ns;            /* of the messages' arrival */
			int64_t serial_offset_ns;           /* by which they usually are late */
			/*
			 * Who listens at a host of loopback has to be root, who runs this, or
			 * this user; "": nobody else.
			 */
			char user[OWAMP_CLOCK_USER_SIZE];
		} gps;
		struct {
			unsigned unit;
			int64_t error_ns; /* beside the precision the segment states */
			/* Whose it may be beside root and who runs this; "": nobody else's. */
			char user[OWAMP_CLOCK_USER_SIZE];
		} shm;
		struct {
			char host[64]; /* numeric, or localhost; "": socket */
			uint16_t port;
			char socket[OWAMP_CLOCK_PATH_SIZE]; /* chronyd's bindcmdaddress, if host is empty */
		} chrony;
	};
};

/* What the source has to be given that needs privileges. */
enum owamp_clock_object {
	OWAMP_CLOCK_OBJECT_SOCKET, /* a datagram socket with a name of its own, connected to path */
	OWAMP_CLOCK_OBJECT_DEVICE, /* path, open for reading */
};

struct owamp_clock_config {
	/* In order of preference: of two bounds about as good the first one's is taken. */
	struct owamp_clock_source_config sources[OWAMP_CLOCK_SOURCES_MAX];
	size_t count;
	/* The clock never runs off by more, when no source tells; ppb. */
	int64_t drift_max_ppb;
	/*
	 * While nothing is heard of a source, what it said last counts as long as
	 * the bound is within this (or within twice what it was), and for so long.
	 */
	int64_t holdover_ns;
	int64_t holdover_time_ns; /* since it was last valid; 0: its last word does not count */
	/*
	 * The sources smear leap seconds over so long, centred on them (linear), so
	 * that their time is not UTC in between; 0: they do not. leap_file is a
	 * leap-seconds.list, which is needed to know when; "": none. One that cannot
	 * be used is an error, but for OWAMP_CLOCK_LEAP_FILE where nothing is smeared.
	 */
	int64_t smear_ns;
	char leap_file[OWAMP_CLOCK_PATH_SIZE];
	/*
	 * For who has given up privileges: opens path on behalf of the clock's
	 * thread, from which it is called. The descriptor, or -1 with errno. NULL:
	 * opened with what privileges there are. Must live until owamp_clock_free().
	 */
	int (*open)(void *context, enum owamp_clock_object object, const char *path);
	void *open_context;
};

#define OWAMP_CLOCK_DRIFT_MAX_PPB    100000
#define OWAMP_CLOCK_HOLDOVER_NS      1000000
#define OWAMP_CLOCK_HOLDOVER_TIME_NS INT64_C(600000000000)
#define OWAMP_CLOCK_PPS_ERROR_NS     20000
#define OWAMP_CLOCK_SERIAL_ERROR_NS  500000000
#define OWAMP_CLOCK_SHM_ERROR_NS     500000000 /* gpsd states 2^-20 s for its messages too */
#define OWAMP_CLOCK_PTP_SOCKET       "/var/run/ptp4l"
#define OWAMP_CLOCK_LEAP_FILE        "/usr/share/zoneinfo/leap-seconds.list"

/* A source with its kind's name and defaults. */
OWAMP_API void owamp_clock_source_default(struct owamp_clock_source_config *source,
					  enum owamp_clock_kind kind);

/*
 * What can be found without being told: ptp4l's usual socket, gpsd and chronyd
 * on this host, the kernel.
 */
OWAMP_API void owamp_clock_config_default(struct owamp_clock_config *config);

/* "ptp", "phc", "gps", "shm", "chrony", "kernel". Static text. */
OWAMP_API const char *owamp_clock_kind_name(enum owamp_clock_kind kind);

/* What struct owamp_clock_config's open does if it is NULL: with the privileges there are. */
OWAMP_API int owamp_clock_open_path(enum owamp_clock_object object, const char *path);

/*
 * Takes first samples and starts the sampler thread. config is copied; NULL:
 * the default. OWAMP_EINVAL: error says what of it cannot be. A source that is
 * not there is no error: it may come.
 */
OWAMP_API int owamp_clock_new(struct owamp_clock **clock, const struct owamp_clock_config *config,
			      char *error, size_t error_size);
OWAMP_API void owamp_clock_free(struct owamp_clock *clock);

/* The latest snapshot; any thread. */
OWAMP_API void owamp_clock_read(const struct owamp_clock *clock, struct owamp_clock_snapshot *snapshot);

/* The bound of a snapshot at a time, later than the sample or earlier, rounded up. */
OWAMP_API int64_t owamp_clock_bound(const struct owamp_clock_snapshot *snapshot, int64_t now_mono);

/*
 * The Error Estimate for a stamp taken at now_mono with a further uncertainty
 * of extra_ns (of the act of stamping); S is off if nobody has looked at the
 * sources for so long that nobody vouches for that time. Any thread.
 */
OWAMP_API uint16_t owamp_clock_error(const struct owamp_clock *clock, int64_t now_mono, int64_t extra_ns);

/*
 * Whether CLOCK_REALTIME has been set since the sampler last looked: by how
 * much at most, or 0 if real_ns, read between the two readings of CLOCK_MONOTONIC,
 * fits what is known of the two clocks. Any thread.
 */
OWAMP_API int64_t owamp_clock_deviation(const struct owamp_clock *clock, int64_t before_mono, int64_t real_ns,
					int64_t after_mono);

/* As owamp_clock_error(), for a clock that was set by deviation_ns, not 0, a moment ago: never synchronized.
 */
OWAMP_API uint16_t owamp_clock_error_set(const struct owamp_clock *clock, int64_t now_mono, int64_t extra_ns,
					 int64_t deviation_ns);

/* Who sets or slews CLOCK_REALTIME, as far as can be told. */
enum owamp_clock_steering {
	OWAMP_CLOCK_STEERED_BY_NOBODY, /* that is known */
	OWAMP_CLOCK_STEERED_BY_CHRONY,
	OWAMP_CLOCK_STEERED_BY_NTP,  /* another daemon that keeps the kernel's account: ntpd, ntpsec */
	OWAMP_CLOCK_STEERED_BY_SNTP, /* one that does not: systemd-timesyncd */
	OWAMP_CLOCK_STEERED_BY_PTP,  /* ptp4l, phc2sys, or another that tells the kernel no error */
};

/* "chronyd", "ptp4l, phc2sys or the like", ..., "nobody that is known". Static text. */
OWAMP_API const char *owamp_clock_steering_words(enum owamp_clock_steering steering);

enum owamp_clock_state {
	OWAMP_CLOCK_ABSENT,   /* cannot be reached, or says nothing */
	OWAMP_CLOCK_DOUBTFUL, /* answers, but nobody vouches: no fix, not traceable, ... */
	OWAMP_CLOCK_VALID,
	OWAMP_CLOCK_HOLDOVER, /* ABSENT or DOUBTFUL by now: its last word counts, and grows old */
};

/* "absent", "doubtful", "valid", "holdover". Static text. */
OWAMP_API const char *owamp_clock_state_name(enum owamp_clock_state state);

struct owamp_clock_source_status {
	char name[OWAMP_CLOCK_NAME_SIZE];
	enum owamp_clock_kind kind;
	const char *source; /* token; static */
	enum owamp_clock_state state;
	bool used;         /* the snapshot's bound is this one's */
	bool contradicted; /* by another valid source */
	bool steers;       /* sets or slews the clock, by its own account */
	bool measured;     /* the following are known */
	int64_t offset_ns; /* by its latest measurement */
	int64_t error_ns;  /* of the offset, at most, when it was measured */
	int64_t drift_ppb;
	int64_t bound_ns;                 /* |offset| + error + what came with age */
	int64_t age_ns;                   /* of the latest measurement */
	char text[OWAMP_CLOCK_TEXT_SIZE]; /* why it is used, or is not: one line */
};

struct owamp_clock_status {
	struct owamp_clock_snapshot snapshot;
	enum owamp_clock_steering steering;
	int64_t now_mono; /* at which bounds and ages hold */
	int64_t now_real;
	int64_t bound_ns;   /* the snapshot's, now */
	int64_t step_ns;    /* the last one; 0: there was none */
	int64_t stepped_ns; /* the sum of all of them */
	int64_t step_mono;
	bool holdover;                     /* the used source is */
	char alarm[OWAMP_CLOCK_TEXT_SIZE]; /* who contradicts whom, and by how much; "": nobody */
	size_t count;
	struct owamp_clock_source_status sources[OWAMP_CLOCK_SOURCES_MAX];
};

/*
 * What the sources said at the last sample; its snapshot is synchronized only if
 * they vouch for the time of the call. Any thread; takes a lock.
 */
OWAMP_API void owamp_clock_status(struct owamp_clock *clock, struct owamp_clock_status *status);

/* How many rounds of samples were taken: one by owamp_clock_new(), then one a second and one after each step.
 */
OWAMP_API uint64_t owamp_clock_rounds(const struct owamp_clock *clock);

#endif
