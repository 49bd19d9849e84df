#include <owamp/engine.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <owamp/error.h>
#include <owamp/loop.h>
#include <owamp/worker.h>

#include "hardware.h"
#include "loop_internal.h"
#include "realtime.h"
#include "threads.h"

/* Nothing is taken for a job that waits: those who submit are bounded, connections by handshakes_max. */
#define WORKER_QUEUE UINT_MAX

struct owamp_engine {
	struct owamp_loop *loop;
	struct owamp_worker *worker;
	struct owamp_clock *clock;
	struct hardware *hardware;
	struct owamp_pacer *pacer;
	struct owamp_collector *collector;
	struct owamp_engine_granted granted;
};

static int64_t read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t owamp_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t owamp_real_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

static int check(const struct owamp_engine_config *config, char *text, size_t size)
{
	const struct {
		const char *thread;
		int cpu;
	} pinned[] = {{"pacer", config->pacer_cpu}, {"collector", config->collector_cpu}};

	if (config->realtime_priority < 0 || config->realtime_priority > OWAMP_PRIORITY_MAX) {
		(void)snprintf(text, size, "real-time priority %d: it must be 1 to %d, or 0 for none",
			       config->realtime_priority, OWAMP_PRIORITY_MAX);
		return OWAMP_EINVAL;
	}
	if (config->spin_ns != OWAMP_SPIN_AUTO && (config->spin_ns < 0 || config->spin_ns > OWAMP_SPIN_MAX)) {
		(void)snprintf(text, size, "spinning for %" PRId64 " ns: it must be 0 to %d ns",
			       config->spin_ns, OWAMP_SPIN_MAX);
		return OWAMP_EINVAL;
	}
	for (size_t i = 0; i < sizeof pinned / sizeof pinned[0]; i++) {
		if (pinned[i].cpu == -1 || realtime_has_cpu(pinned[i].cpu))
			continue;
		(void)snprintf(text, size, "%s on CPU %d: there is no such CPU that this process may run on",
			       pinned[i].thread, pinned[i].cpu);
		return OWAMP_EINVAL;
	}
	return 0;
}

/* Says what could not be had, unless that is known better. */
static int explain(int error, const char *what, char *text, size_t size)
{
	int cause = errno;

	if (error && size > 0 && text[0] == '\0')
		(void)snprintf(text, size, "%s: %s", what,
			       error == OWAMP_ESYSTEM ? strerror(cause) : owamp_error_text(error));
	return error;
}

static int start(struct owamp_engine *e, const struct owamp_engine_config *config, char *text, size_t size)
{
	int error = explain(owamp_loop_new(&e->loop), "event loop", text, size);

	if (!error)
		error = explain(owamp_worker_new(&e->worker, e->loop, WORKER_QUEUE), "worker thread", text,
				size);
	if (!error)
		error = explain(owamp_clock_new(&e->clock, config->clock, text, size), "clock thread", text, size);
	if (!error && config->hardware_interfaces && config->hardware_interfaces[0])
		error = explain(hardware_new(&e->hardware, config->hardware_interfaces, e->clock, text, size),
				"hardware stamps", text, size);
	if (!error)
		error = explain(pacer_new(&e->pacer, e->loop, e->clock, config, &e->granted), "pacer thread",
				text, size);
	if (!error)
		error = explain(
			collector_new(&e->collector, e->loop, e->clock, e->hardware, config->collector_cpu),
			"collector thread", text, size);
	return error;
}

static void lock_memory(struct owamp_engine *engine, const struct owamp_engine_config *config)
{
	if (!config->lock_memory)
		return;
	engine->granted.memory_errno = realtime_lock_memory(config->keeps_privileges);
	engine->granted.memory_locked = engine->granted.memory_errno == 0;
}

int owamp_engine_new(struct owamp_engine **engine, const struct owamp_engine_config *config, char *error_text,
		     size_t error_size)
{
	const struct owamp_engine_config ordinary = OWAMP_ENGINE_CONFIG_INIT;
	struct owamp_engine *e;
	sigset_t all, before;
	int error;

	*engine = NULL;
	if (error_size > 0)
		error_text[0] = '\0';
	if (!config)
		config = &ordinary;
	error = check(config, error_text, error_size);
	if (error)
		return error;
	e = calloc(1, sizeof *e);
	if (!e)
		return explain(OWAMP_ENOMEM, "engine", error_text, error_size);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = start(e, config, error_text, error_size);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error) {
		owamp_engine_free(e);
		return error;
	}
	/* With the threads' stacks, and only once nothing can fail any more. */
	lock_memory(e, config);
	*engine = e;
	return 0;
}

void owamp_engine_granted(const struct owamp_engine *engine, struct owamp_engine_granted *granted)
{
	*granted = engine->granted;
}

void owamp_engine_free(struct owamp_engine *engine)
{
	if (!engine)
		return;
	collector_free(engine->collector);
	pacer_free(engine->pacer);
	owamp_worker_free(engine->worker);
	hardware_free(engine->hardware);
	owamp_clock_free(engine->clock);
	if (engine->loop)
		loop_run_posts(engine->loop);
	owamp_loop_free(engine->loop);
	free(engine);
}

struct owamp_loop *owamp_engine_loop(struct owamp_engine *engine)
{
	return engine->loop;
}

struct owamp_pacer *owamp_engine_pacer(struct owamp_engine *engine)
{
	return engine->pacer;
}

struct owamp_collector *owamp_engine_collector(struct owamp_engine *engine)
{
	return engine->collector;
}

struct owamp_worker *owamp_engine_worker(struct owamp_engine *engine)
{
	return engine->worker;
}

struct owamp_clock *owamp_engine_clock(struct owamp_engine *engine)
{
	return engine->clock;
}
