#include "archive.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/engine.h>
#include <owamp/error.h>
#include <owamp/loop.h>

#include "storage/writer.h"

#define QUEUE_MAX 262144

/* How often it is asked how far the writer has come. */
#define STEP (QUEUE_MAX / 4)

/* More than there can be in the queue. */
#define TOKENS 8

#define TIMEOUT_NS (2 * SECOND_NS)

/* Even, 0 to 1 without either. */
static double even(struct feed_session *session)
{
	session->random ^= session->random >> 12;
	session->random ^= session->random << 25;
	session->random ^= session->random >> 27;
	return ((double)((session->random * UINT64_C(2685821657736338717)) >> 12) + 0.5) / 0x1p52;
}

static int64_t delay(struct feed_session *session)
{
	double wait = log(even(session));

	return session->delay_base_ns + (int64_t)(300000.0 * wait * wait);
}

static void set_address(uint8_t wire[16], char text[16], unsigned pair, unsigned host)
{
	snprintf(text, 16, "10.%u.%u.%u", pair >> 8 & 255, pair & 255, host);
	(void)inet_pton(AF_INET, text, wire);
}

void feed_session_init(struct feed_session *session, unsigned number, unsigned pair, bool back,
		       int64_t start_ns, unsigned rate, uint32_t packets)
{
	struct owamp_request *request = &session->request;

	*session = (struct feed_session){
		.start_ns = start_ns,
		.interval_ns = SECOND_NS / rate,
		.delay_base_ns = 12000000 + 700000 * (int64_t)pair,
		.random = UINT64_C(0x9e3779b97f4a7c15) * (number + 1),
	};
	*request = (struct owamp_request){
		.ipvn = 4,
		.conf_receiver = true,
		.packets = packets,
		.sender_port = 9000,
		.receiver_port = 9001,
		.start = owamp_ntp_from_unix_ns(start_ns),
		.timeout = owamp_interval_from_ns(TIMEOUT_NS),
		.slot_count = 1,
	};
	session->slot = (struct owamp_slot){
		.type = OWAMP_SLOT_FIXED,
		.interval = owamp_interval_from_ns((uint64_t)session->interval_ns),
	};
	set_address(request->sender_address, session->sender, pair, back ? 2 : 1);
	set_address(request->receiver_address, session->receiver, pair, back ? 1 : 2);
	memcpy(request->sid, &number, sizeof number);
}

/* A few of thousand are lost, mostly alone; a few of ten thousand arrive twice. */
bool feed_next(struct feed_session *session, struct owamp_record *record)
{
	owamp_ntp send;

	if (session->again) {
		session->again = false;
		*record = session->last;
		record->duplicate = true;
		record->receive_time += owamp_interval_from_ns(50000);
		return true;
	}
	if (session->next_seq == session->request.packets)
		return false;
	send = owamp_ntp_from_unix_ns(session->start_ns + session->next_seq * session->interval_ns);
	send += (owamp_ntp)(even(session) * 400000);
	*record = (struct owamp_record){.seq = session->next_seq++, .send_time = send, .send_error = 0x8899};
	if (session->burst > 0)
		session->burst--;
	else if (even(session) < 0.001)
		session->burst = even(session) < 0.1 ? 20 : 1;
	if (session->burst > 0) {
		record->send_error = OWAMP_ERROR_LOST;
		record->receive_error = 0x8999;
		record->ttl = 255;
		return true;
	}
	record->receive_time = send + owamp_interval_from_ns((uint64_t)delay(session));
	record->receive_error = 0x8999;
	record->ttl = 250;
	session->last = *record;
	session->again = even(session) < 0.0003;
	return true;
}

/* Tells how far the writer has come. */
struct token {
	struct feed *feed;
	uint64_t appended; /* when it was made */
	struct owamp_post ask;
	struct writer_flush flush;
};

struct feed {
	struct owamp_loop *loop;
	struct writer *writer;
	struct feed_session *sessions;
	unsigned count;
	const struct feed_source *source;
	pthread_mutex_t lock;
	pthread_cond_t change;
	uint64_t committed; /* records, of this run */
	unsigned transactions;
	unsigned asked; /* tokens and the last flush that are not answered */
	struct token tokens[TOKENS];
	struct owamp_post finish;
	struct writer_flush last;
	char reason[200]; /* why the writer failed; empty: it did not */
	bool failed;
};

static void log_line(void *context, int priority, const char *line)
{
	(void)context;
	(void)priority;
	fprintf(stderr, "archive: writer: %s\n", line);
}

static void note_failure(struct feed *feed, const char *reason)
{
	feed->failed = true;
	snprintf(feed->reason, sizeof feed->reason, "%s", reason);
}

/* The run ends with the last answer, whichever that is. With the lock. */
static void answered(struct feed *feed)
{
	if (--feed->asked == 0)
		owamp_loop_quit(feed->loop);
}

static void token_done(struct writer_flush *flush, int error, const char *reason)
{
	struct token *token = flush->context;
	struct feed *feed = token->feed;

	pthread_mutex_lock(&feed->lock);
	answered(feed);
	if (error)
		note_failure(feed, reason);
	/* Of those that one transaction has answered, the latest comes first. */
	if (token->appended > feed->committed) {
		feed->committed = token->appended;
		feed->transactions++;
	}
	pthread_cond_signal(&feed->change);
	pthread_mutex_unlock(&feed->lock);
}

static void token_ask(struct owamp_post *post)
{
	struct token *token = post->context;

	writer_flush(token->feed->writer, &token->flush);
}

static void all_done(struct writer_flush *flush, int error, const char *reason)
{
	struct feed *feed = flush->context;

	pthread_mutex_lock(&feed->lock);
	answered(feed);
	if (error)
		note_failure(feed, reason);
	pthread_mutex_unlock(&feed->lock);
}

/* Everything was appended. */
static void finish(struct owamp_post *post)
{
	struct feed *feed = post->context;

	for (unsigned i = 0; i < feed->count; i++) {
		struct feed_session *session = &feed->sessions[i];
		const struct owamp_stop_session stop = {.next_seq = session->request.packets};
		const struct owamp_receive_health health = {0};
		const struct archive_end end = {
			.outcome = ARCHIVE_FINISHED,
			.stop = &stop,
			.end_ns = session->start_ns + session->request.packets * session->interval_ns +
				  TIMEOUT_NS,
			.receive_health = &health,
		};

		if (writer_lost(session->handle) > 0)
			note_failure(feed, "records were lost");
		if (writer_finish_session(session->handle, &end, session->request.packets))
			note_failure(feed, "a session could not be ended");
	}
	writer_flush(feed->writer, &feed->last);
}

/* Returns how much is committed; then less than the queue holds is not. */
static uint64_t wait_for_room(struct feed *feed, uint64_t appended)
{
	uint64_t committed;

	pthread_mutex_lock(&feed->lock);
	while (!feed->failed && appended - feed->committed >= QUEUE_MAX)
		pthread_cond_wait(&feed->change, &feed->lock);
	committed = feed->failed ? appended : feed->committed;
	pthread_mutex_unlock(&feed->lock);
	return committed;
}

static void *append_all(void *context)
{
	struct feed *feed = context;
	uint64_t appended = 0, committed = 0;
	struct feed_entry entry;

	while (feed->source->next(feed->source->context, &entry)) {
		if (appended - committed >= QUEUE_MAX)
			committed = wait_for_room(feed, appended);
		writer_append(entry.session->handle, &entry.record);
		if (++appended % STEP == 0) {
			struct token *token = &feed->tokens[appended / STEP % TOKENS];

			pthread_mutex_lock(&feed->lock);
			token->appended = appended;
			feed->asked++;
			pthread_mutex_unlock(&feed->lock);
			owamp_loop_post(feed->loop, &token->ask);
		}
	}
	owamp_loop_post(feed->loop, &feed->finish);
	return NULL;
}

bool feed_new(struct feed **feed, const char *path)
{
	struct feed *f = calloc(1, sizeof *f);
	struct writer_config config = {
		.path = path, .program = "bench", .queue_max = QUEUE_MAX, .log = log_line};
	char error[512] = "out of memory";

	*feed = NULL;
	if (!f)
		return false;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->change, NULL);
	for (size_t i = 0; i < TOKENS; i++) {
		f->tokens[i].feed = f;
		f->tokens[i].ask = (struct owamp_post){.call = token_ask, .context = &f->tokens[i]};
		f->tokens[i].flush = (struct writer_flush){.done = token_done, .context = &f->tokens[i]};
	}
	f->finish = (struct owamp_post){.call = finish, .context = f};
	f->last = (struct writer_flush){.done = all_done, .context = f};
	if (owamp_loop_new(&f->loop) == 0) {
		config.loop = f->loop;
		if (writer_new(&f->writer, &config, error, sizeof error) == 0) {
			*feed = f;
			return true;
		}
	}
	fprintf(stderr, "archive: %s\n", error);
	feed_free(f);
	return false;
}

void feed_free(struct feed *feed)
{
	if (!feed)
		return;
	writer_free(feed->writer);
	owamp_loop_free(feed->loop);
	pthread_cond_destroy(&feed->change);
	pthread_mutex_destroy(&feed->lock);
	free(feed);
}

struct archive_session feed_session_row(struct feed_session *session)
{
	session->request.slots = &session->slot;
	return (struct archive_session){
		.request = session->request,
		.mode = OWAMP_MODE_OPEN,
		.received = true,
		.peer = session->sender,
		.program = "bench",
		.created_ns = session->start_ns - SECOND_NS,
	};
}

static bool open_sessions(struct feed *feed)
{
	for (unsigned i = 0; i < feed->count; i++) {
		struct feed_session *session = &feed->sessions[i];
		const struct archive_session row = feed_session_row(session);
		struct writer_session *handle;

		if (writer_open_session(feed->writer, &row, &handle))
			return false;
		session->handle = handle;
	}
	return true;
}

bool feed_run(struct feed *feed, struct feed_session *sessions, unsigned count,
	      const struct feed_source *source, struct feed_result *result)
{
	int64_t begin = owamp_mono_ns();
	pthread_t thread;

	feed->sessions = sessions;
	feed->count = count;
	feed->source = source;
	feed->committed = 0;
	feed->transactions = 1; /* the last one */
	feed->asked = 1;
	if (!open_sessions(feed) || pthread_create(&thread, NULL, append_all, feed))
		note_failure(feed, "a session or the thread could not be made");
	if (!feed->failed) {
		if (owamp_loop_run(feed->loop))
			note_failure(feed, "the event loop failed");
		pthread_join(thread, NULL);
	}
	result->seconds = (double)(owamp_mono_ns() - begin) / 1e9;
	result->transactions = feed->transactions;
	if (feed->failed)
		fprintf(stderr, "archive: %s\n", feed->reason);
	return !feed->failed;
}
