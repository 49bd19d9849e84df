/* The writer's thread: a transaction about each second, and what can wait in between. */
#include "writer_internal.h"

#include <stdio.h>
#include <sys/prctl.h>

#include <owamp/engine.h>
#include <owamp/error.h>

/* Somebody else's lock is a delay, until it has lasted this long. */
#define BUSY_NS (5 * WRITER_SECOND_NS)

/* For what can wait, of each second. */
#define IDLE_NS (WRITER_SECOND_NS / 2)

/* How long the end may take in trouble, and how often it is tried. */
#define END_NS       (5 * WRITER_SECOND_NS)
#define END_RETRY_NS (WRITER_SECOND_NS / 10)

/* Counts a record for the summary, once, whatever becomes of the transaction. */
static void feed(struct writer_session *session, const struct owamp_record *record)
{
	if (session->refused) {
		session->lost++;
		return;
	}
	if (!session->any || session->seq_max < record->seq)
		session->seq_max = record->seq;
	session->any = true;
	if (!session->summary && !session->resum)
		session->resum =
			summary_new(&session->summary, owamp_interval_to_ns(session->row.request.timeout),
				    session->row.created_ns) != 0;
	if (session->summary)
		(void)summary_record(session->summary, record);
}

/* Nothing more comes: all of it can be closed, if what was counted is what stays. */
static void close_all(struct writer_session *session)
{
	const struct owamp_stop_session *stop = session->end.stop;
	int error = 0;

	summary_cut(session->summary, session->cut);
	if (stop)
		error = summary_skips(session->summary, stop->skips, stop->skip_count);
	if (!error)
		error = summary_close(session->summary, INT64_MAX);
	session->resum |= error || summary_is_stale(session->summary);
}

static void close_minutes(struct writer *writer)
{
	int64_t now_ns = owamp_real_ns();

	for (struct writer_session *s = writer->sessions; s; s = s->next) {
		/* Also if it is to be summed up again at its end: memory must not grow until then. */
		if (!s->summary)
			continue;
		if (s->finishing)
			close_all(s);
		else
			s->resum |= summary_close(s->summary, now_ns) != 0 || summary_is_stale(s->summary);
	}
}

static void take_lists(struct writer *writer)
{
	struct writer_session *s;

	for (s = writer->opened; s; s = s->next_opened) {
		*writer->sessions_last = s;
		writer->sessions_last = &s->next;
	}
	for (s = writer->finished; s; s = s->next_finished)
		s->finishing = true;
	writer->opened = writer->finished = NULL;
	writer->opened_last = &writer->opened;
	writer->finished_last = &writer->finished;
	writer->removing = writer->removals;
	writer->removals = NULL;
	writer->removals_last = &writer->removals;
	writer->answering = writer->flushes;
	writer->flushes = NULL;
}

/* All that came since the last time becomes pending. */
static void take(struct writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	writer->urgent = false;
	take_lists(writer);
	writer->batch = queue_take(writer->queue, &writer->batch_count);
	writer->retention.policy = writer->policy;
	pthread_mutex_unlock(&writer->lock);
	for (uint32_t i = 0; i < writer->batch_count; i++)
		feed(writer->batch[i].session, &writer->batch[i].record);
	close_minutes(writer);
	writer->pending = true;
}

static void watch_clock(struct writer *writer)
{
	struct timeline_reading reading;
	int64_t now = owamp_mono_ns();

	if (!writer->clock || now < writer->clock_due)
		return;
	writer->clock_due = now + WRITER_SECOND_NS - WRITER_SECOND_NS / 16;
	timeline_read(writer->clock, &reading);
	timeline_add(&writer->timeline, &reading);
}

/* Under the lock, so that a flush is in a list or posted whenever its owner can look. */
static void answer(struct writer *writer, struct writer_flush **list, int error)
{
	while (*list) {
		struct writer_flush *flush = *list;

		*list = flush->next;
		flush->error = error ? OWAMP_ESYSTEM : 0;
		snprintf(flush->reason, sizeof flush->reason, "%s", error ? writer->trouble_why : "");
		owamp_loop_post(writer->loop, &flush->post);
	}
}

static void succeeded(struct writer *writer, bool losing)
{
	uint32_t waiting;

	queue_give_back(writer->queue);
	pthread_mutex_lock(&writer->lock);
	queue_done(writer->queue);
	writer->in_trouble = false;
	answer(writer, &writer->answering, 0);
	waiting = queue_count(writer->queue);
	pthread_mutex_unlock(&writer->lock);
	writer->batch_count = 0;
	writer->pending = false;
	writer->trouble.busy_since_mono = 0;
	/* A queue that is still full loses again at once. */
	if (!losing && waiting <= writer->queue_max / 2)
		writer_trouble_end(writer);
}

static void failed(struct writer *writer, int error)
{
	struct writer_trouble *trouble = &writer->trouble;
	int64_t now = owamp_mono_ns();

	if (!writer->busy)
		trouble->busy_since_mono = 0;
	else if (trouble->busy_since_mono == 0)
		trouble->busy_since_mono = now;
	if (writer->busy && !trouble->on && now - trouble->busy_since_mono < BUSY_NS)
		return;
	writer_trouble_begin(writer);
	pthread_mutex_lock(&writer->lock);
	answer(writer, &writer->answering, error);
	answer(writer, &writer->flushes, error);
	pthread_mutex_unlock(&writer->lock);
}

/* One transaction. */
static int turn(struct writer *writer)
{
	bool losing;
	int error = 0;

	watch_clock(writer);
	if (!writer->pending)
		take(writer);
	losing = writer_trouble_losses(writer);
	if (writer_has_work(writer))
		error = writer_store(writer);
	if (error)
		failed(writer, error);
	else
		succeeded(writer, losing);
	return error;
}

static bool is_wanted(struct writer *writer)
{
	bool wanted;

	pthread_mutex_lock(&writer->lock);
	wanted = writer->urgent || writer->quit;
	pthread_mutex_unlock(&writer->lock);
	return wanted;
}

/* One step however busy it is, so that a full file does not stay full. */
static void work_on(struct writer *writer, int64_t until)
{
	bool more = true;
	int error;

	if (!writer->archive || writer->trouble.idle_due > owamp_mono_ns())
		return;
	do {
		error = writer_idle_step(writer, &more);
	} while (more && !error && owamp_mono_ns() < until && !is_wanted(writer));
	if (error) {
		writer_idle_reset(writer);
		(void)writer_failed(writer, error);
	}
	/* Somebody else's turn is no failure. */
	if (!error || !writer->busy)
		writer_trouble_idle(writer, error);
}

/* With the lock. */
static void wait_until(struct writer *writer, int64_t due, bool patient)
{
	struct timespec until = {.tv_sec = due / WRITER_SECOND_NS, .tv_nsec = due % WRITER_SECOND_NS};
	bool quit = writer->quit;

	while (writer->quit == quit && (patient || !writer->urgent) && owamp_mono_ns() < due)
		(void)pthread_cond_clockwait(&writer->change, &writer->lock, CLOCK_MONOTONIC, &until);
}

static bool is_drained(struct writer *writer)
{
	return !writer->pending && queue_count(writer->queue) == 0 && !writer->opened && !writer->finished &&
	       !writer->removals;
}

/* When the next transaction is due. */
static int64_t next_due(const struct writer *writer, int64_t begun, int error)
{
	if (error && writer->busy && !writer->trouble.on)
		return begun;
	return begun + (writer->quit ? END_RETRY_NS : WRITER_SECOND_NS);
}

void *writer_run(void *context)
{
	struct writer *writer = context;
	int64_t due = 0, end = INT64_MAX;

	(void)prctl(PR_SET_NAME, "owamp-writer", 0UL, 0UL, 0UL);
	pthread_mutex_lock(&writer->lock);
	for (;;) {
		int64_t begun;
		int error;

		wait_until(writer, due, writer->in_trouble);
		if (writer->quit && end == INT64_MAX)
			end = owamp_mono_ns() + END_NS;
		pthread_mutex_unlock(&writer->lock);
		begun = owamp_mono_ns();
		error = turn(writer);
		/* In memory removing needs no room and makes some. */
		if ((!error || (writer->full && writer_in_memory(writer))) && end == INT64_MAX)
			work_on(writer, begun + IDLE_NS);
		pthread_mutex_lock(&writer->lock);
		if (writer->quit && !error && is_drained(writer))
			break;
		if (writer->quit && error && owamp_mono_ns() >= end) {
			pthread_mutex_unlock(&writer->lock);
			writer_trouble_given_up(writer);
			pthread_mutex_lock(&writer->lock);
			break;
		}
		due = writer->quit && !error ? begun : next_due(writer, begun, error);
	}
	answer(writer, &writer->answering, OWAMP_ESYSTEM);
	answer(writer, &writer->flushes, OWAMP_ESYSTEM);
	pthread_mutex_unlock(&writer->lock);
	return NULL;
}
