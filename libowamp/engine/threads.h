/* The engine's own: the threads of the data plane. */
#ifndef ENGINE_THREADS_H
#define ENGINE_THREADS_H

#include <owamp/collector.h>
#include <owamp/engine.h>
#include <owamp/pacer.h>

struct hardware;

/* What the pacer's thread was granted is in *granted when this returns. OWAMP_ESYSTEM: errno is set. */
int pacer_new(struct owamp_pacer **pacer, struct owamp_loop *loop, const struct owamp_clock *clock,
	      const struct owamp_engine_config *config, struct owamp_engine_granted *granted);
void pacer_free(struct owamp_pacer *pacer);

/* hardware NULL: no hardware stamps. cpu -1: any. */
int collector_new(struct owamp_collector **collector, struct owamp_loop *loop,
		  const struct owamp_clock *clock, struct hardware *hardware, int cpu);
void collector_free(struct owamp_collector *collector);

#endif
