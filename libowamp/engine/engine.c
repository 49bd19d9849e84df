#include <owamp/engine.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include <owamp/error.h>
#include <owamp/loop.h>
#include <owamp/worker.h>

#include "loop_internal.h"
#include "threads.h"

#define WORKER_QUEUE 1024

struct owamp_engine {
	struct owamp_loop *loop;
	struct owamp_worker *worker;
	struct owamp_clock *clock;
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

static int start_threads(struct owamp_engine *engine, const struct owamp_engine_config *config)
{
	int error = owamp_loop_new(&engine->loop);

	if (!error)
		error = owamp_worker_new(&engine->worker, engine->loop, WORKER_QUEUE);
	if (!error)
		error = owamp_clock_new(&engine->clock);
	if (!error)
		error = pacer_new(&engine->pacer, engine->loop, engine->clock, config, &engine->granted);
	if (!error)
		error = collector_new(&engine->collector, engine->loop, engine->clock, NULL,
				      config->collector_cpu);
	return error;
}

int owamp_engine_new(struct owamp_engine **engine, const struct owamp_engine_config *config, char *error_text,
		     size_t error_size)
{
	const struct owamp_engine_config ordinary = OWAMP_ENGINE_CONFIG_INIT;
	struct owamp_engine *e = calloc(1, sizeof *e);
	sigset_t all, before;
	int error;

	*engine = NULL;
	if (error_size > 0)
		error_text[0] = '\0';
	if (!e)
		return OWAMP_ENOMEM;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = start_threads(e, config ? config : &ordinary);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error) {
		owamp_engine_free(e);
		return error;
	}
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
