#include <owamp/worker.h>

#include <pthread.h>
#include <stdlib.h>

#include <owamp/error.h>

struct owamp_worker {
	struct owamp_loop *loop;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change;
	struct owamp_job *first, **last;
	unsigned count;
	unsigned count_max;
	bool quit;
};

static void job_done(struct owamp_post *post)
{
	struct owamp_job *job = post->context;

	job->done(job);
}

static void *run(void *context)
{
	struct owamp_worker *worker = context;

	pthread_mutex_lock(&worker->lock);
	for (;;) {
		struct owamp_job *job;

		while (!worker->first && !worker->quit)
			pthread_cond_wait(&worker->change, &worker->lock);
		if (worker->quit)
			break;
		job = worker->first;
		worker->first = job->next;
		if (!worker->first)
			worker->last = &worker->first;
		worker->count--;
		pthread_mutex_unlock(&worker->lock);
		job->work(job);
		owamp_loop_post(worker->loop, &job->post);
		pthread_mutex_lock(&worker->lock);
	}
	pthread_mutex_unlock(&worker->lock);
	return NULL;
}

int owamp_worker_new(struct owamp_worker **worker, struct owamp_loop *loop, unsigned queue_max)
{
	struct owamp_worker *w = calloc(1, sizeof *w);

	*worker = NULL;
	if (!w)
		return OWAMP_ENOMEM;
	w->loop = loop;
	w->last = &w->first;
	w->count_max = queue_max;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->change, NULL);
	if (pthread_create(&w->thread, NULL, run, w)) {
		pthread_cond_destroy(&w->change);
		pthread_mutex_destroy(&w->lock);
		free(w);
		return OWAMP_ESYSTEM;
	}
	*worker = w;
	return 0;
}

void owamp_worker_free(struct owamp_worker *worker)
{
	if (!worker)
		return;
	pthread_mutex_lock(&worker->lock);
	worker->quit = true;
	pthread_cond_signal(&worker->change);
	pthread_mutex_unlock(&worker->lock);
	pthread_join(worker->thread, NULL);
	/* Jobs that were never begun end all the same: their owners wait for that. */
	for (struct owamp_job *job = worker->first; job; job = job->next)
		owamp_loop_post(worker->loop, &job->post);
	pthread_cond_destroy(&worker->change);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
}

int owamp_worker_submit(struct owamp_worker *worker, struct owamp_job *job)
{
	int error = OWAMP_ELIMIT;

	pthread_mutex_lock(&worker->lock);
	if (worker->count < worker->count_max) {
		job->next = NULL;
		job->post = (struct owamp_post){.call = job_done, .context = job};
		*worker->last = job;
		worker->last = &job->next;
		worker->count++;
		pthread_cond_signal(&worker->change);
		error = 0;
	}
	pthread_mutex_unlock(&worker->lock);
	return error;
}
