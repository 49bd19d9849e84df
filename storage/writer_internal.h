/* What the parts of the writer share. */
#ifndef STORAGE_WRITER_INTERNAL_H
#define STORAGE_WRITER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "queue.h"
#include "summary.h"
#include "writer.h"
#include "writer_clock.h"

#define WRITER_SECOND_NS INT64_C(1000000000)

/* Why something failed, in words. */
#define WRITER_REASON_SIZE 200

struct writer_session {
	struct writer *writer;
	struct archive_session row; /* all of it a copy */
	uint64_t duplicates_max;

	/* The appending thread's. */
	uint64_t duplicates;

	_Atomic uint64_t lost;     /* records for which there was no room */
	_Atomic uint64_t left_out; /* duplicates */

	/* The loop's thread sets these before it hands the session over to end it. */
	struct archive_end end;
	struct owamp_stop_session stop;
	struct owamp_send_health send_health;
	struct owamp_receive_health receive_health;
	char reason[256];
	uint32_t cut;

	/* Under the writer's lock. */
	struct writer_session *next_opened;
	struct writer_session *next_finished;

	/* The writer's thread's. */
	struct writer_session *next;
	bool finishing;
	bool stored;   /* its row is committed, as session_id */
	bool refused;  /* the file has another session with its SID */
	bool replaced; /* the file lacks what had been stored in another */
	int64_t session_id;
	uint32_t arrivals; /* records committed */
	uint32_t seq_max;  /* of those ever stored or waiting */
	bool any;          /* such were */
	struct summary *summary;
	bool resum; /* at its end it is to be summed up from its rows */
	/* In the transaction that is being tried. */
	uint32_t batch_count; /* its records in the batch, chained */
	uint32_t batch_first;
	uint32_t batch_last;
	bool summary_now;
	bool due_now;
	uint32_t arrivals_now;
	/* What is known of records lost. */
	uint64_t lost_noted;
	unsigned lost_episode;
	char lost_why[WRITER_REASON_SIZE];
};

/* A session that is to be removed. */
struct writer_removal {
	struct writer_removal *next;
	uint8_t sid[OWAMP_SID_SIZE];
};

/* How it goes, as far as the log is concerned. */
struct writer_trouble {
	bool on;     /* nothing can be written */
	bool losing; /* records are being lost */
	int64_t since_mono;
	int64_t busy_since_mono; /* somebody else has the file locked; 0: nobody */
	unsigned episode;        /* its number */
	uint64_t lost_seen;
	uint64_t lost_before; /* the episode */
	uint64_t sessions;    /* that lost records in it */
	char why[WRITER_REASON_SIZE];
	unsigned idle_failures; /* in a row, of what can wait */
	int64_t idle_due;       /* not before, CLOCK_MONOTONIC */
};

struct writer {
	char *path;
	char *program;
	uint32_t queue_max;
	struct owamp_loop *loop;
	struct owamp_clock *clock;
	void (*log)(void *context, int priority, const char *line);
	void (*removed)(void *context, const uint8_t sid[OWAMP_SID_SIZE]);
	void (*replaced)(void *context);
	void *context;
	int lock_fd; /* -1: none */

	pthread_t thread;
	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t change;
	struct queue *queue;
	struct writer_session *opened, **opened_last;
	struct writer_session *finished, **finished_last;
	struct writer_removal *removals, **removals_last;
	struct writer_flush *flushes;   /* waiting for the next transaction */
	struct writer_flush *answering; /* for the one that is being tried */
	struct writer_retention policy;
	uint32_t session_count;
	uint64_t lost;
	bool urgent;
	bool quit;
	bool in_trouble; /* flushes are answered with trouble_why at once */
	char trouble_why[WRITER_REASON_SIZE];
	struct writer_removal *gone; /* to be told to removed() */
	struct owamp_post gone_post;
	struct owamp_post replaced_post;

	/* The thread's. */
	struct archive *archive;
	char reason[WRITER_REASON_SIZE]; /* why the last try failed */
	bool busy;                       /* because of somebody else's lock */
	bool left;                       /* a file that is gone, which was: */
	dev_t left_device;
	ino_t left_inode;
	bool given_up; /* not all was written at the end */
	bool staying;  /* in a file that is gone, for its readers */
	bool full;     /* no room was why the last try failed */
	bool located;  /* session_id of all sessions that are stored are this file's */
	bool doubt;    /* a commit failed; another look at the file will tell */
	struct writer_session *sessions, **sessions_last;
	bool pending; /* what follows is not committed yet */
	const struct queue_entry *batch;
	uint32_t batch_count;
	uint32_t *chain; /* after each record of the batch, the next one of its session */
	uint32_t chain_size;
	struct writer_removal *removing;
	struct timeline timeline;
	int64_t clock_due;
	unsigned rows_now; /* of the timeline, in the transaction that is being tried */
	struct writer_trouble trouble;
	bool settling; /* there may be sessions to sum up */
	struct summary_rebuild *rebuild;
	struct retention retention;
	struct writer_removal *spare;
	int64_t checkpoint_due;
};

/* writer_run.c */
void *writer_run(void *context);

/* writer_session.c: copies, and how a session ended in words. */
struct writer_session *writer_session_new(const struct archive_session *session);
void writer_session_free(struct writer_session *session);
int writer_session_end(struct writer_session *session, const struct archive_end *end, uint32_t cut);
/* The session's end as it is to be stored, with the reason in text. */
struct archive_end writer_session_outcome(const struct writer_session *session, char *text, size_t size);

/* writer_start.c: the file is ours alone, and what a process before us left is in order. */
int writer_lock(struct writer *writer, char *error, size_t error_size);
int writer_settle_dead(struct writer *writer, char *error, size_t error_size);

/* writer_file.c: the file, opened again as needed. What fails leaves writer->reason. */
bool writer_in_memory(const struct writer *writer);
/* The thread does not wait long for somebody else's lock. */
void writer_be_quick(struct writer *writer);
int writer_open_file(struct writer *writer);
void writer_close_file(struct writer *writer);
/* Notes why a call failed, rolls back, and closes the file if it must be opened anew. Returns error. */
int writer_failed(struct writer *writer, int error);
/* Within a transaction: finds the sessions in a file that was opened anew. */
int writer_locate(struct writer *writer);
/* After a commit that failed, in the file as opened anew: did it work after all? */
int writer_was_committed(struct writer *writer, bool *committed);

/* writer_store.c: one transaction with all that is pending. */
bool writer_has_work(const struct writer *writer);
int writer_store(struct writer *writer);

/* writer_idle.c: one step of what can wait. *more: call again. */
int writer_idle_step(struct writer *writer, bool *more);
void writer_idle_reset(struct writer *writer);
void writer_call_removed(struct owamp_post *post);
void writer_call_replaced(struct owamp_post *post);

/* writer_trouble.c: what the log is told. */
void writer_log(struct writer *writer, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void writer_trouble_begin(struct writer *writer);
/* Notes which sessions have lost records; false: none since the last call. */
bool writer_trouble_losses(struct writer *writer);
/* All is well: what there was is written. */
void writer_trouble_end(struct writer *writer);
void writer_trouble_idle(struct writer *writer, int error);
/* At the very end. */
void writer_trouble_given_up(struct writer *writer);

#endif
