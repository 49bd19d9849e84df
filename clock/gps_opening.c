#include "gps_opening.h"

#include <gps.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#define SECOND_NS INT64_C(1000000000)

struct gps_opening {
	char host[64];
	char port[8];
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool over;
	bool abandoned;
	struct gps_data_t *data; /* once it is over; NULL: not opened */
};

void gps_opening_close(struct gps_data_t *data)
{
	if (data)
		(void)gps_close(data);
	free(data);
}

static void destroy(struct gps_opening *opening)
{
	pthread_cond_destroy(&opening->ended);
	pthread_mutex_destroy(&opening->lock);
	free(opening);
}

static struct gps_data_t *open_it(const struct gps_opening *opening)
{
	struct gps_data_t *data = calloc(1, sizeof *data);

	if (data && gps_open(opening->host, opening->port, data)) {
		free(data);
		return NULL;
	}
	return data;
}

static void *run(void *context)
{
	struct gps_opening *opening = context;
	struct gps_data_t *data;
	bool abandoned;

	(void)prctl(PR_SET_NAME, "owamp-gpsd", 0UL, 0UL, 0UL);
	data = open_it(opening);
	pthread_mutex_lock(&opening->lock);
	opening->data = data;
	opening->over = true;
	abandoned = opening->abandoned;
	pthread_cond_signal(&opening->ended);
	pthread_mutex_unlock(&opening->lock);
	if (abandoned) {
		gps_opening_close(data);
		destroy(opening);
	}
	return NULL;
}

/* Signals are for the program's own threads. */
static int start(struct gps_opening *opening)
{
	pthread_t thread;
	sigset_t all, before;
	int error;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, NULL, run, opening);
	if (!error)
		(void)pthread_detach(thread);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

struct gps_opening *gps_opening_new(const char *host, const char *port)
{
	struct gps_opening *opening = calloc(1, sizeof *opening);
	pthread_condattr_t monotonic;

	if (!opening)
		return NULL;
	(void)snprintf(opening->host, sizeof opening->host, "%s", host);
	(void)snprintf(opening->port, sizeof opening->port, "%s", port);
	pthread_mutex_init(&opening->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&opening->ended, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (start(opening)) {
		destroy(opening);
		return NULL;
	}
	return opening;
}

bool gps_opening_is_over(struct gps_opening *opening, int64_t until_mono)
{
	const struct timespec until = {.tv_sec = until_mono / SECOND_NS, .tv_nsec = until_mono % SECOND_NS};
	int error = 0;
	bool over;

	pthread_mutex_lock(&opening->lock);
	while (!opening->over && !error)
		error = pthread_cond_timedwait(&opening->ended, &opening->lock, &until);
	over = opening->over;
	pthread_mutex_unlock(&opening->lock);
	return over;
}

struct gps_data_t *gps_opening_take(struct gps_opening *opening)
{
	struct gps_data_t *data = opening->data;

	destroy(opening);
	return data;
}

void gps_opening_abandon(struct gps_opening *opening)
{
	bool over;

	pthread_mutex_lock(&opening->lock);
	opening->abandoned = true;
	over = opening->over;
	pthread_mutex_unlock(&opening->lock);
	if (over)
		gps_opening_close(gps_opening_take(opening));
}
