#include <owamp/clock.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <owamp/engine.h>
#include <owamp/error.h>

#include "clock_internal.h"
#include "phc.h"
#include "settings.h"

#define SECOND_NS INT64_C(1000000000)

#define INTERVAL_NS CLOCK_INTERVAL_NS

/* At the start and after a step a few rounds follow each other faster: nobody wants to wait for a verdict. */
#define HURRY_NS (INTERVAL_NS / 4)

int clock_open(const struct clock_opener *opener, enum owamp_clock_object object, const char *path)
{
	return opener->open(opener->context, object, path);
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

		if (clock_look_for_step(clock, &now) != STEP_NONE)
			*round = now.mono_ns;
	}
	if (owamp_mono_ns() >= *round) {
		clock_sample(clock);
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

/*
 * In a file that is wrong nothing can be looked up. That the usual one is missing
 * matters only for smearing; another was asked for by name.
 */
static int load_leap_seconds(struct owamp_clock *clock, char *text, size_t size)
{
	int error =
		clock->config.leap_file[0] ? leap_load(&clock->leap, clock->config.leap_file, text, size) : 0;

	if (error && clock->config.smear_ns == 0 &&
	    strcmp(clock->config.leap_file, OWAMP_CLOCK_LEAP_FILE) == 0) {
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

/* Signals are for the program's own threads. */
static int start_thread(struct owamp_clock *clock)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&clock->thread, NULL, run, clock);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error ? OWAMP_ESYSTEM : 0;
}

static int start(struct owamp_clock *clock, char *text, size_t size)
{
	int error = load_leap_seconds(clock, text, size);

	if (!error)
		error = select_new(&clock->select, &clock->config);
	if (!error)
		error = new_sources(clock);
	if (!error && clock->wake < 0)
		error = OWAMP_ESYSTEM;
	if (error)
		return error;
	step_read(&clock->offsets);
	clock->hurry = CLOCK_HURRY_ROUNDS;
	clock_sample(clock);
	return start_thread(clock);
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
