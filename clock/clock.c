#include <owamp/clock.h>

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <owamp/engine.h>
#include <owamp/error.h>
#include <owamp/timestamp.h>

#include "latch.h"
#include "leap.h"
#include "phc.h"
#include "select.h"
#include "settings.h"
#include "step.h"

#define SECOND_NS INT64_C(1000000000)

#define INTERVAL_NS SECOND_NS

/* At the start and after a step a few rounds follow each other faster: nobody wants to wait for a verdict. */
#define HURRY_NS     (INTERVAL_NS / 4)
#define HURRY_ROUNDS 8

/* Stamps of a leap second's surroundings are ambiguous; rounds are a second apart. */
#define LEAPING_NS (2 * SECOND_NS)
#define DAY_S      86400

/* A round in which the clock was set is begun anew, but not for ever. */
#define ROUND_TRIES 5

/* A smaller change of CLOCK_REALTIME less CLOCK_MONOTONIC is the reading's. */
#define DEVIATION_NS 1000

/* A hardware clock to sample. */
struct watch {
	struct watch *next;
	struct clock_phc *phc;
	bool sampled; /* in this second */
};

struct owamp_clock {
	struct latch latch; /* of the snapshot */
	/* Of the offsets, for who needs no more: CLOCK_REALTIME less CLOCK_MONOTONIC. */
	_Atomic int64_t shift_ns;
	_Atomic int64_t shift_error_ns;
	atomic_uint_fast64_t rounds;

	struct owamp_clock_config config;
	struct clock_opener opener;
	struct leap_table leap;

	/* The sampling thread's, once there is one. */
	struct clock_source sources[OWAMP_CLOCK_SOURCES_MAX];
	size_t source_count;
	struct select *select;
	struct step_reading offsets; /* of the clocks, since the system clock was last set */
	int64_t leap_mono;           /* when a leap second was last seen; 0: never */
	unsigned hurry;              /* rounds to be taken in a hurry */

	pthread_t thread;
	int wake;      /* eventfd: something to do before the next round */
	int set_timer; /* -1: not to be had, so that steps are noticed in the next round only */
	pthread_mutex_t lock;
	pthread_cond_t idle; /* sampling has become NULL */
	bool quit;
	struct watch *watches;
	const struct clock_phc *sampling; /* by the thread, without the lock */
	struct owamp_clock_status status;
};

int clock_open(const struct clock_opener *opener, enum owamp_clock_object object, const char *path)
{
	return opener->open(opener->context, object, path);
}

static void publish(struct owamp_clock *clock)
{
	struct owamp_clock_snapshot snapshot;

	select_snapshot(clock->select, &snapshot);
	snapshot.real_less_mono_ns = clock->offsets.real_less_mono_ns;
	latch_write(&clock->latch, &snapshot, sizeof snapshot);
	pthread_mutex_lock(&clock->lock);
	select_status(clock->select, &clock->status);
	clock->status.snapshot.real_less_mono_ns = snapshot.real_less_mono_ns;
	pthread_mutex_unlock(&clock->lock);
}

static void forget_history(struct owamp_clock *clock)
{
	for (size_t i = 0; i < clock->source_count; i++) {
		if (clock->sources[i].ops->stepped)
			clock->sources[i].ops->stepped(clock->sources[i].self);
	}
	clock->hurry = HURRY_ROUNDS;
}

/* As long as nothing is set the offsets are the same: the closest reading of them is the best. */
static bool says_more(const struct step_reading *before, const struct step_reading *now)
{
	return now->uncertainty_ns < before->uncertainty_ns ||
	       llabs(now->tai_less_mono_ns - before->tai_less_mono_ns) > SECOND_NS / 2;
}

static void keep_offsets(struct owamp_clock *clock, const struct step_reading *reading)
{
	clock->offsets = *reading;
	clock->shift_ns = reading->real_less_mono_ns;
	clock->shift_error_ns = reading->uncertainty_ns;
}

/* What became of the clock since the last look; if it is not what it was, everybody knows. */
static enum step_kind look_for_step(struct owamp_clock *clock, struct step_reading *now)
{
	int64_t step_ns = 0;
	enum step_kind kind;

	step_read(now);
	kind = step_judge(&clock->offsets, now, &step_ns);
	if (kind != STEP_NONE || says_more(&clock->offsets, now))
		keep_offsets(clock, now);
	now->real_less_mono_ns = clock->offsets.real_less_mono_ns;
	if (kind == STEP_NONE)
		return kind;
	if (kind == STEP_LEAP)
		clock->leap_mono = now->mono_ns;
	else
		select_stepped(clock->select, now->mono_ns, step_ns);
	publish(clock);
	if (kind != STEP_LEAP)
		forget_history(clock);
	return kind;
}

static bool is_leaping(const struct owamp_clock *clock, const struct step_reading *now, int32_t announced)
{
	int64_t to_midnight = DAY_S * SECOND_NS - now->real_ns % (DAY_S * SECOND_NS);

	if (clock->leap_mono && now->mono_ns - clock->leap_mono < LEAPING_NS)
		return true;
	return announced != 0 && to_midnight < LEAPING_NS;
}

static void ask_kernel(const struct owamp_clock *clock, const struct step_reading *now,
		       struct select_facts *facts)
{
	*facts = (struct select_facts){
		.mono_ns = now->mono_ns,
		.real_ns = now->real_ns,
		.real_less_mono_ns = now->real_less_mono_ns,
	};
	(void)clock_kernel_facts(&facts->kernel);
	facts->leaping = is_leaping(clock, now, facts->kernel.leap);
	facts->smear_ns = llabs(leap_smear(&clock->leap, clock->config.smear_ns, now->real_ns));
	if (facts->kernel.tai_utc == 0)
		facts->kernel.tai_utc = leap_tai_utc(&clock->leap, now->real_ns);
}

/* What the sources say, all of it since the clock was last set. */
static void sample(struct owamp_clock *clock)
{
	struct clock_reading readings[OWAMP_CLOCK_SOURCES_MAX];
	struct step_reading now;
	struct select_facts facts;
	int tries = 0;

	(void)look_for_step(clock, &now);
	do {
		ask_kernel(clock, &now, &facts);
		for (size_t i = 0; i < clock->source_count; i++) {
			struct clock_now look = {.tai_utc = facts.kernel.tai_utc};

			look.mono_ns = owamp_mono_ns();
			look.real_ns = look.mono_ns + now.real_less_mono_ns;
			readings[i] = (struct clock_reading){.source = OWAMP_CLOCK_NONE, .drift_ppb = -1};
			clock->sources[i].ops->sample(clock->sources[i].self, &look, &readings[i]);
		}
	} while (look_for_step(clock, &now) != STEP_NONE && ++tries < ROUND_TRIES);
	facts.mono_ns = now.mono_ns;
	facts.real_ns = now.real_ns;
	facts.real_less_mono_ns = now.real_less_mono_ns;
	select_round(clock->select, &facts, readings);
	publish(clock);
	clock->rounds++;
}

static struct watch *unsampled(struct owamp_clock *clock)
{
	struct watch *watch = clock->watches;

	while (watch && watch->sampled)
		watch = watch->next;
	return watch;
}

/* Reading a clock may take long where its bus is slow: nobody waits for it but who wants to forget it. */
static void sample_watch(struct owamp_clock *clock, struct watch *watch)
{
	struct clock_phc *phc = watch->phc;

	watch->sampled = true;
	clock->sampling = phc;
	pthread_mutex_unlock(&clock->lock);
	clock_phc_sample(phc);
	pthread_mutex_lock(&clock->lock);
	clock->sampling = NULL;
	pthread_cond_broadcast(&clock->idle);
}

static void wake_up(struct owamp_clock *clock)
{
	const uint64_t one = 1;

	/* It cannot fail before 2^64 - 1 wake-ups. */
	(void)!write(clock->wake, &one, sizeof one);
}

/* Until then, until the clock is set, or until somebody wants something. True: it was set. */
static bool wait_until(struct owamp_clock *clock, int64_t mono_ns)
{
	struct pollfd fds[] = {{.fd = clock->wake, .events = POLLIN},
			       {.fd = clock->set_timer, .events = POLLIN}};
	int64_t left = mono_ns - owamp_mono_ns();
	struct timespec time = {.tv_sec = left / SECOND_NS, .tv_nsec = left % SECOND_NS};
	uint64_t count;

	if (left <= 0)
		return false;
	if (ppoll(fds, 2, &time, NULL) <= 0)
		return false;
	if (fds[0].revents)
		(void)!read(clock->wake, &count, sizeof count);
	return fds[1].revents && step_noticed(clock->set_timer);
}

/* The rounds that a stopped process missed are not made up for. */
static int64_t after(int64_t due, int64_t interval)
{
	int64_t now = owamp_mono_ns();

	due += interval;
	return due > now ? due : now + interval;
}

static int64_t next_round(struct owamp_clock *clock, int64_t due)
{
	if (clock->hurry == 0)
		return after(due, INTERVAL_NS);
	clock->hurry--;
	return after(due, HURRY_NS);
}

static void begin_second(struct owamp_clock *clock)
{
	for (struct watch *watch = clock->watches; watch; watch = watch->next)
		watch->sampled = false;
}

/* Without the lock. */
static void pass_time(struct owamp_clock *clock, int64_t *round, int64_t second)
{
	int64_t until = *round < second ? *round : second;

	if (wait_until(clock, until)) {
		struct step_reading now;

		if (look_for_step(clock, &now) != STEP_NONE)
			*round = now.mono_ns;
	}
	if (owamp_mono_ns() >= *round) {
		sample(clock);
		*round = next_round(clock, *round);
	}
}

static void *run(void *context)
{
	struct owamp_clock *clock = context;
	int64_t round = next_round(clock, owamp_mono_ns());
	int64_t second = owamp_mono_ns() + SECOND_NS;

	(void)prctl(PR_SET_NAME, "owamp-clock", 0UL, 0UL, 0UL);
	pthread_mutex_lock(&clock->lock);
	while (!clock->quit) {
		struct watch *watch = unsampled(clock);

		if (watch) {
			sample_watch(clock, watch);
			continue;
		}
		if (owamp_mono_ns() >= second) {
			begin_second(clock);
			second = after(second, SECOND_NS);
			continue;
		}
		pthread_mutex_unlock(&clock->lock);
		pass_time(clock, &round, second);
		pthread_mutex_lock(&clock->lock);
	}
	pthread_mutex_unlock(&clock->lock);
	return NULL;
}

static int open_here(void *context, enum owamp_clock_object object, const char *path)
{
	(void)context;
	return owamp_clock_open_path(object, path);
}

static int new_source(struct owamp_clock *clock, const struct owamp_clock_source_config *config,
		      struct clock_source *source)
{
	switch (config->kind) {
	case OWAMP_CLOCK_KIND_PTP:
		return clock_ptp_new(source, config, &clock->opener);
	case OWAMP_CLOCK_KIND_PHC:
		return clock_phc_source_new(source, config, &clock->opener);
	case OWAMP_CLOCK_KIND_GPS:
		return clock_gps_new(source, config);
	case OWAMP_CLOCK_KIND_SHM:
		return clock_shm_new(source, config);
	case OWAMP_CLOCK_KIND_CHRONY:
		return clock_chrony_new(source, config);
	case OWAMP_CLOCK_KIND_KERNEL:
		return clock_kernel_new(source, config);
	case OWAMP_CLOCK_KINDS:
		break;
	}
	return OWAMP_EINVAL;
}

static int new_sources(struct owamp_clock *clock)
{
	int error = 0;

	while (!error && clock->source_count < clock->config.count) {
		error = new_source(clock, &clock->config.sources[clock->source_count],
				   &clock->sources[clock->source_count]);
		if (!error)
			clock->source_count++;
	}
	return error;
}

/* In a file that is wrong nothing can be looked up; that there is none matters only for smearing. */
static int load_leap_seconds(struct owamp_clock *clock, char *text, size_t size)
{
	int error =
		clock->config.leap_file[0] ? leap_load(&clock->leap, clock->config.leap_file, text, size) : 0;

	if (error && clock->config.smear_ns == 0) {
		clock->leap.count = 0;
		return 0;
	}
	return error;
}

static void destroy(struct owamp_clock *clock)
{
	for (size_t i = 0; i < clock->source_count; i++)
		clock->sources[i].ops->free(clock->sources[i].self);
	select_free(clock->select);
	while (clock->watches) {
		struct watch *watch = clock->watches;

		clock->watches = watch->next;
		free(watch);
	}
	if (clock->wake >= 0)
		close(clock->wake);
	if (clock->set_timer >= 0)
		close(clock->set_timer);
	pthread_cond_destroy(&clock->idle);
	pthread_mutex_destroy(&clock->lock);
	free(clock);
}

static int start(struct owamp_clock *clock, char *text, size_t size)
{
	int error = load_leap_seconds(clock, text, size);
	struct step_reading offsets;

	if (!error)
		error = select_new(&clock->select, &clock->config);
	if (!error)
		error = new_sources(clock);
	if (!error && clock->wake < 0)
		error = OWAMP_ESYSTEM;
	if (error)
		return error;
	step_read(&offsets);
	keep_offsets(clock, &offsets);
	clock->hurry = HURRY_ROUNDS;
	sample(clock);
	return pthread_create(&clock->thread, NULL, run, clock) ? OWAMP_ESYSTEM : 0;
}

int owamp_clock_new(struct owamp_clock **clock, const struct owamp_clock_config *config, char *error,
		    size_t error_size)
{
	struct owamp_clock *c = calloc(1, sizeof *c);
	int result;

	*clock = NULL;
	if (error_size > 0)
		error[0] = '\0';
	if (!c)
		return OWAMP_ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->idle, NULL);
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->set_timer = step_watch();
	if (config)
		c->config = *config;
	else
		owamp_clock_config_default(&c->config);
	c->opener.open = c->config.open ? c->config.open : open_here;
	c->opener.context = c->config.open_context;
	result = clock_config_check(&c->config, error, error_size);
	if (!result)
		result = start(c, error, error_size);
	if (result) {
		destroy(c);
		return result;
	}
	*clock = c;
	return 0;
}

void owamp_clock_free(struct owamp_clock *clock)
{
	if (!clock)
		return;
	pthread_mutex_lock(&clock->lock);
	clock->quit = true;
	pthread_mutex_unlock(&clock->lock);
	wake_up(clock);
	pthread_join(clock->thread, NULL);
	destroy(clock);
}

/* Where the pointer to the watch of phc is, or to NULL at the end. */
static struct watch **find(struct owamp_clock *clock, const struct clock_phc *phc)
{
	struct watch **at = &clock->watches;

	while (*at && (*at)->phc != phc)
		at = &(*at)->next;
	return at;
}

int clock_watch_phc(struct owamp_clock *clock, struct clock_phc *phc)
{
	struct watch *watch = calloc(1, sizeof *watch), **end;
	int error = 0;

	if (!watch)
		return OWAMP_ENOMEM;
	watch->phc = phc;
	pthread_mutex_lock(&clock->lock);
	end = find(clock, phc);
	if (*end) {
		free(watch);
		error = OWAMP_EINVAL;
	} else {
		*end = watch;
	}
	pthread_mutex_unlock(&clock->lock);
	wake_up(clock);
	return error;
}

void clock_forget_phc(struct owamp_clock *clock, struct clock_phc *phc)
{
	struct watch **at, *watch;

	pthread_mutex_lock(&clock->lock);
	at = find(clock, phc);
	watch = *at;
	if (watch)
		*at = watch->next;
	while (clock->sampling == phc)
		pthread_cond_wait(&clock->idle, &clock->lock);
	pthread_mutex_unlock(&clock->lock);
	free(watch);
}

void owamp_clock_read(const struct owamp_clock *clock, struct owamp_clock_snapshot *snapshot)
{
	latch_read(&clock->latch, snapshot, sizeof *snapshot);
}

void owamp_clock_status(struct owamp_clock *clock, struct owamp_clock_status *status)
{
	pthread_mutex_lock(&clock->lock);
	*status = clock->status;
	pthread_mutex_unlock(&clock->lock);
}

uint64_t owamp_clock_rounds(const struct owamp_clock *clock)
{
	return clock->rounds;
}

int64_t owamp_clock_bound(const struct owamp_clock_snapshot *snapshot, int64_t now_mono)
{
	int64_t age = now_mono - snapshot->sampled_at_mono;

	/* Rounded up; an age of hours (a suspended machine) stays far from overflow. */
	if (age <= 0)
		return snapshot->bound_ns;
	return snapshot->bound_ns + age / 1000000 * snapshot->drift_ppb / 1000 + snapshot->drift_ppb / 1000 +
	       1;
}

uint16_t owamp_clock_error(const struct owamp_clock *clock, int64_t now_mono, int64_t extra_ns)
{
	struct owamp_clock_snapshot snapshot;

	owamp_clock_read(clock, &snapshot);
	return owamp_error_estimate((uint64_t)(owamp_clock_bound(&snapshot, now_mono) + extra_ns),
				    snapshot.synchronized);
}

int64_t owamp_clock_deviation(const struct owamp_clock *clock, int64_t before_mono, int64_t real_ns,
			      int64_t after_mono)
{
	int64_t shift = clock->shift_ns, slack = clock->shift_error_ns + DEVIATION_NS;
	int64_t least = real_ns - after_mono, most = real_ns - before_mono;

	if (shift >= least - slack && shift <= most + slack)
		return 0;
	return most < shift ? most - shift : least - shift;
}

uint16_t owamp_clock_error_set(const struct owamp_clock *clock, int64_t now_mono, int64_t extra_ns,
			       int64_t deviation_ns)
{
	struct owamp_clock_snapshot snapshot;

	owamp_clock_read(clock, &snapshot);
	return owamp_error_estimate(
		(uint64_t)(owamp_clock_bound(&snapshot, now_mono) + extra_ns + llabs(deviation_ns)), false);
}
