/*
 * What a clock source is to the sampler: one small table of operations.
 *
 * A source is asked once a second, always by the same thread, and says what it
 * measured last; it does not wait for longer than CLOCK_SOURCE_WAIT_NS in all.
 * It keeps no history for the sake of its bound: select.c does that for all.
 * It comes back by itself when what it talks to does.
 */
#ifndef CLOCK_SOURCE_H
#define CLOCK_SOURCE_H

#include <owamp/clock.h>

struct timex;

#define CLOCK_SOURCE_WAIT_NS INT64_C(100000000)

/* One look at the system's clocks, to relate what a source says to CLOCK_MONOTONIC. */
struct clock_now {
	int64_t mono_ns;
	int64_t real_ns;
	int32_t tai_utc;           /* s, the kernel's, or else leap_file's; 0: not known */
	int32_t leap_file_tai_utc; /* s, whatever the kernel was told; 0: not known */
};

struct clock_reading {
	enum owamp_clock_state state; /* ABSENT, DOUBTFUL or VALID */
	const char *source;           /* token, OWAMP_CLOCK_*; static */
	bool steers;
	/*
	 * What was measured, also where nobody vouches for it. The same mono_ns as
	 * before: the same measurement.
	 */
	bool measured;
	int64_t mono_ns;
	int64_t offset_ns; /* CLOCK_REALTIME less UTC */
	int64_t error_ns;  /* of the offset, at most */
	/* The source has filtered it already: no allowance for its scatter is needed. */
	bool filtered;
	int64_t drift_ppb; /* how fast its bound grows; -1: it does not say */
	int32_t leap;      /* announced for the end of the day: 1, 0, -1 */
	int32_t tai_utc;   /* s; 0: not known */
	/* Of an ABSENT or DOUBTFUL one: why. Of a VALID one: what it is, such as "grandmaster 00...01, class
	 * 6". */
	char text[OWAMP_CLOCK_TEXT_SIZE];
};

struct clock_source_ops {
	void (*sample)(void *source, const struct clock_now *now, struct clock_reading *reading);
	/* The system clock was set: what was measured before means nothing now. May be NULL. */
	void (*stepped)(void *source);
	void (*free)(void *source);
};

struct clock_source {
	const struct clock_source_ops *ops;
	void *self;
};

/* Opens path as struct owamp_clock_config says it should be opened; -1 with errno. */
struct clock_opener {
	int (*open)(void *context, enum owamp_clock_object object, const char *path);
	void *context;
};
int clock_open(const struct clock_opener *opener, enum owamp_clock_object object, const char *path);

/*
 * One constructor a kind; nothing is opened yet, so all they can return is
 * OWAMP_ENOMEM, and OWAMP_EINVAL where a user is named that there is not. config
 * and opener must live as long as the source.
 */
int clock_ptp_new(struct clock_source *source, const struct owamp_clock_source_config *config,
		  const struct clock_opener *opener);
int clock_phc_source_new(struct clock_source *source, const struct owamp_clock_source_config *config,
			 const struct clock_opener *opener);
int clock_gps_new(struct clock_source *source, const struct owamp_clock_source_config *config);
int clock_shm_new(struct clock_source *source, const struct owamp_clock_source_config *config);
int clock_chrony_new(struct clock_source *source, const struct owamp_clock_source_config *config);
int clock_kernel_new(struct clock_source *source, const struct owamp_clock_source_config *config);

/* What adjtimex() says, as far as it is about the clock and not about UTC. */
struct clock_kernel_facts {
	enum owamp_clock_steering steering; /* NOBODY, NTP, SNTP or PTP: it cannot tell chronyd from others */
	/* The correction in force: of freq and tick, the kernel's loop, and adjtime(). */
	int64_t freq_ppb;
	int32_t leap;
	int32_t tai_utc;
};
/* OWAMP_ESYSTEM with errno. */
int clock_kernel_facts(struct clock_kernel_facts *facts);
/* Their judgement of what the kernel says; pure. adjusting_us: what adjtime() has left. */
void clock_kernel_classify(const struct timex *timex, int64_t adjusting_us, struct clock_kernel_facts *facts);
void clock_kernel_judge(const struct timex *timex, int64_t adjusting_us, const struct clock_now *now,
			struct clock_reading *reading);

#endif
