/*
 * For the engine's own end: calls that other threads posted before they ended.
 */
#ifndef ENGINE_LOOP_INTERNAL_H
#define ENGINE_LOOP_INTERNAL_H

#include <owamp/loop.h>

void loop_run_posts(struct owamp_loop *loop);

#endif
