#include "writer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <owamp/error.h>

#include "writer_internal.h"

#define QUEUE_DEFAULT 262144

/* Sessions whose end is not written: in long trouble they would fill the memory. */
#define SESSIONS_MAX 65536

/* The thread takes no signals: they are the loop's. */
static int start_thread(struct writer *writer)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	if (pthread_sigmask(SIG_SETMASK, &all, &before))
		return OWAMP_ESYSTEM;
	error = pthread_create(&writer->thread, NULL, writer_run, writer);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error ? OWAMP_ESYSTEM : 0;
}

static void free_sessions(struct writer *writer)
{
	struct writer_session *s;

	while ((s = writer->sessions)) {
		writer->sessions = s->next;
		writer_session_free(s);
	}
	while ((s = writer->opened)) {
		writer->opened = s->next_opened;
		writer_session_free(s);
	}
}

static void free_removals(struct writer_removal *list)
{
	while (list) {
		struct writer_removal *removal = list;

		list = removal->next;
		free(removal);
	}
}

/* Without the thread. */
static void release(struct writer *writer)
{
	writer_close_file(writer);
	free_sessions(writer);
	free_removals(writer->removals);
	free_removals(writer->removing);
	free_removals(writer->gone);
	free(writer->spare);
	free(writer->chain);
	queue_free(writer->queue);
	/* Last: whoever opens the archive next finds it at rest. */
	if (writer->lock_fd >= 0)
		close(writer->lock_fd);
	pthread_cond_destroy(&writer->change);
	pthread_mutex_destroy(&writer->lock);
	free(writer->program);
	free(writer->path);
	free(writer);
}

static struct writer *allocate(const struct writer_config *config)
{
	struct writer *w = calloc(1, sizeof *w);
	pthread_mutexattr_t attributes;

	if (!w)
		return NULL;
	w->path = strdup(config->path);
	w->program = strdup(config->program);
	w->queue_max = config->queue_max ? config->queue_max : QUEUE_DEFAULT;
	w->loop = config->loop;
	w->clock = config->clock;
	w->log = config->log;
	w->removed = config->removed;
	w->replaced = config->replaced;
	w->context = config->context;
	w->policy = w->retention.policy = config->retention;
	w->lock_fd = -1;
	w->gone_post = (struct owamp_post){.call = writer_call_removed, .context = w};
	w->replaced_post = (struct owamp_post){.call = writer_call_replaced, .context = w};
	w->opened_last = &w->opened;
	w->finished_last = &w->finished;
	w->removals_last = &w->removals;
	w->sessions_last = &w->sessions;
	/* The collector takes it for each record, and must not wait for others while this one is preempted.
	 */
	pthread_mutexattr_init(&attributes);
	(void)pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&w->lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
	pthread_cond_init(&w->change, NULL);
	if (w->path && w->program && queue_new(&w->queue, w->queue_max) == 0)
		return w;
	release(w);
	return NULL;
}

int writer_new(struct writer **writer, const struct writer_config *config, char *error, size_t error_size)
{
	struct writer *w = allocate(config);
	int result;

	*writer = NULL;
	if (!w) {
		snprintf(error, error_size, "%s: out of memory", config->path);
		return OWAMP_ENOMEM;
	}
	result = archive_open(&w->archive, w->path, ARCHIVE_WRITE, error, error_size);
	if (!result)
		result = writer_lock(w, error, error_size);
	if (!result)
		result = writer_settle_dead(w, error, error_size);
	if (!result) {
		writer_be_quick(w);
		result = start_thread(w);
		if (result)
			snprintf(error, error_size, "%s: starting the writer: %s", w->path,
				 owamp_error_text(result));
	}
	if (result) {
		release(w);
		return result;
	}
	*writer = w;
	return 0;
}

int writer_free(struct writer *writer)
{
	bool given_up;

	if (!writer)
		return 0;
	pthread_mutex_lock(&writer->lock);
	writer->quit = true;
	pthread_cond_signal(&writer->change);
	pthread_mutex_unlock(&writer->lock);
	pthread_join(writer->thread, NULL);
	owamp_loop_unpost(writer->loop, &writer->gone_post);
	owamp_loop_unpost(writer->loop, &writer->replaced_post);
	given_up = writer->given_up;
	release(writer);
	return given_up ? OWAMP_EPARTIAL : 0;
}

/* With the lock: something that should not wait for the second to be over. */
static void hurry(struct writer *writer)
{
	writer->urgent = true;
	pthread_cond_signal(&writer->change);
}

void writer_set_retention(struct writer *writer, const struct writer_retention *retention)
{
	pthread_mutex_lock(&writer->lock);
	writer->policy = *retention;
	pthread_mutex_unlock(&writer->lock);
}

int writer_open_session(struct writer *writer, const struct archive_session *session,
			struct writer_session **handle)
{
	struct writer_session *s = writer_session_new(session);
	bool room;

	*handle = NULL;
	if (!s)
		return OWAMP_ENOMEM;
	s->writer = writer;
	pthread_mutex_lock(&writer->lock);
	room = writer->session_count < SESSIONS_MAX;
	if (room) {
		writer->session_count++;
		*writer->opened_last = s;
		writer->opened_last = &s->next_opened;
	}
	pthread_mutex_unlock(&writer->lock);
	if (!room) {
		writer_session_free(s);
		return OWAMP_ELIMIT;
	}
	*handle = s;
	return 0;
}

void writer_append(struct writer_session *handle, const struct owamp_record *record)
{
	struct writer *writer = handle->writer;

	if (record->duplicate && handle->duplicates == handle->duplicates_max) {
		handle->left_out++;
		return;
	}
	pthread_mutex_lock(&writer->lock);
	if (!queue_push(writer->queue, handle, record)) {
		handle->lost++;
		writer->lost++;
	} else {
		handle->duplicates += record->duplicate;
		/* Before it is full. */
		if (queue_count(writer->queue) == writer->queue_max / 4)
			hurry(writer);
	}
	pthread_mutex_unlock(&writer->lock);
}

uint64_t writer_lost(const struct writer_session *handle)
{
	return handle->lost;
}

uint64_t writer_left_out(const struct writer_session *handle)
{
	return handle->left_out;
}

int writer_finish_session(struct writer_session *handle, const struct archive_end *end, uint32_t cut)
{
	struct writer *writer = handle->writer;
	int error = writer_session_end(handle, end, cut);

	pthread_mutex_lock(&writer->lock);
	*writer->finished_last = handle;
	writer->finished_last = &handle->next_finished;
	hurry(writer);
	pthread_mutex_unlock(&writer->lock);
	return error;
}

int writer_remove_session(struct writer *writer, const uint8_t sid[OWAMP_SID_SIZE])
{
	struct writer_removal *removal = calloc(1, sizeof *removal);

	if (!removal)
		return OWAMP_ENOMEM;
	memcpy(removal->sid, sid, OWAMP_SID_SIZE);
	pthread_mutex_lock(&writer->lock);
	*writer->removals_last = removal;
	writer->removals_last = &removal->next;
	pthread_mutex_unlock(&writer->lock);
	return 0;
}

static void call_done(struct owamp_post *post)
{
	struct writer_flush *flush = post->context;

	flush->done(flush, flush->error, flush->reason);
}

void writer_flush(struct writer *writer, struct writer_flush *flush)
{
	flush->writer = writer;
	flush->post = (struct owamp_post){.call = call_done, .context = flush};
	flush->error = 0;
	flush->reason[0] = '\0';
	pthread_mutex_lock(&writer->lock);
	if (writer->in_trouble) {
		flush->error = OWAMP_ESYSTEM;
		snprintf(flush->reason, sizeof flush->reason, "%s", writer->trouble_why);
		owamp_loop_post(writer->loop, &flush->post);
	} else {
		flush->next = writer->flushes;
		writer->flushes = flush;
		hurry(writer);
	}
	pthread_mutex_unlock(&writer->lock);
}

static void unlink_flush(struct writer_flush **link, const struct writer_flush *flush)
{
	while (*link && *link != flush)
		link = &(*link)->next;
	if (*link)
		*link = flush->next;
}

void writer_flush_cancel(struct writer_flush *flush)
{
	struct writer *writer = flush->writer;

	pthread_mutex_lock(&writer->lock);
	unlink_flush(&writer->flushes, flush);
	unlink_flush(&writer->answering, flush);
	pthread_mutex_unlock(&writer->lock);
	owamp_loop_unpost(writer->loop, &flush->post);
}
