/*
 * owampd's parts and what they know of each other.
 *
 *	main.c           start, signals, reload, end
 *	machine.c        what the data plane asks of the machine
 *	server.c         listening, limits on connections
 *	ports.c          the shared test port
 *	results.c        the archive and what it is charged to
 *	peers.c          how many connections there are from an address
 *	connection.c     one control connection: octets, set-up, dispatch
 *	session.c        one test session: checks, limits, socket, storage
 *	session_start.c  Start-Sessions, in steps
 *	session_run.c    their stop and results
 *	session_log.c    what the log says of one at its end
 *	clock_log.c      what it says of the clock
 *	fetch.c          Fetch-Session
 */
#ifndef OWAMPD_SERVER_H
#define OWAMPD_SERVER_H

#include <owamp/collector.h>
#include <owamp/control_server.h>
#include <owamp/engine.h>
#include <owamp/keyfile.h>
#include <owamp/loop.h>
#include <owamp/pacer.h>
#include <owamp/socket.h>
#include <owamp/worker.h>

#include "config.h"
#include "peers.h"
#include "policy.h"
#include "storage/store.h"

struct clock_log;
struct connection;
struct opener;
struct server;
struct session;
struct shared_port;
struct status;

struct listener {
	struct server *server;
	struct owamp_watch watch;
	struct listener *next;
};

struct server {
	struct owamp_engine *engine;
	struct owamp_loop *loop;
	struct config *config;
	struct owamp_keyfile *keys; /* NULL: none */
	struct policy *policy;
	struct store *store;
	struct listener *listeners;
	struct connection *connections;
	struct peers peers;      /* of the connections */
	struct connection *dead; /* closed, freed when nothing can refer to them */
	struct owamp_post reap;
	unsigned connection_count;
	unsigned handshake_count; /* connections that are not set up yet */
	owamp_ntp start_time;
	struct owamp_timer accept_timer; /* listening again after running out of descriptors */
	struct shared_port *ports;       /* NULL: sessions have ports of their own */
	struct owamp_timer ports_timer;
	uint32_t buffer_missed; /* the largest receive buffer that was not to be had, as the log says */
	struct opener *opener;  /* NULL: the clock's sources are opened with what privileges there are */
	struct status *status;  /* NULL: no socket for it */
	struct clock_log *clock_log;
};

/* machine.c */
int machine_start(struct server *server); /* engine and loop; logs what failed */
void machine_describe(const struct server *server);

/* clock_log.c */
int clock_log_start(struct server *server); /* begins with how things are */
void clock_log_stop(struct server *server);

/* server.c */
int server_listen(struct server *server); /* logs what failed */
void server_stop(struct server *server);  /* closes listeners and connections */
/* After a reload: new classes, no new sessions with old keys; drops connections that the limits rule out. */
void server_reloaded(struct server *server, const struct owamp_keyfile *keys_before);

/* ports.c */
int ports_open(struct server *server);   /* logs what failed */
void ports_close(struct server *server); /* all sessions are gone */
/*
 * A place at the shared port for a session that we receive at local, and the
 * port's number. 0: the session has to have a port of its own.
 */
uint16_t ports_take(struct session *session, const struct sockaddr *local);

/* results.c */
int results_open(struct server *server);       /* logs what failed */
void results_retention(struct server *server); /* as the configuration has it now */

/* One test session on a control connection. */
struct session {
	struct connection *connection;
	struct session *next;
	struct owamp_request request; /* slots are ours */
	bool sends;
	bool running; /* started, and not complete or ended */
	bool awaited; /* its last packets may still arrive, after a Stop-Sessions */
	bool settled;
	int fd;                              /* -1: at the shared port, or no longer needed */
	struct owamp_collector_place *place; /* at the shared port; NULL: none */
	double packet_rate;                  /* of the busiest second */
	struct sockaddr_storage peer;        /* of the test packets */
	struct owamp_pacer_session *pacing;
	struct owamp_collector_session *collecting;
	struct owamp_timer complete_timer;
	int64_t created_ns;         /* Unix */
	int64_t created_mono;
	struct policy_grant *grant; /* of a receiver: the store's, from the moment the session has settled */
	struct store_session *stored;
	bool stop_known;
	struct owamp_stop_session stop; /* skips are ours */
	struct owamp_skip_range *skips;
	char sid_text[33];
};

struct connection {
	struct server *server;
	struct connection *previous, *next;
	int fd;
	struct owamp_watch watch;
	struct owamp_timer timer; /* for the peer to go on */
	struct owamp_post turn;
	int64_t start_by;                /* mono: for sessions that were accepted to be started */
	struct owamp_timer settle_timer; /* for receivers after a Stop-Sessions */
	struct sockaddr_storage peer, local;
	char name[OWAMP_ADDRESS_TEXT];
	struct owamp_control_server *control;
	bool established;
	bool closing; /* closed as soon as the output has been sent */
	uint32_t mode;
	char key_id[OWAMP_KEYID_SIZE + 1]; /* "" in open mode */
	const struct policy_class *klass;
	bool revoked; /* its key is no longer its user's: no new sessions */

	struct owamp_job job; /* key derivation */
	bool job_running;
	bool closed; /* on the list of the dead */
	uint8_t *secret;
	size_t secret_size;
	uint8_t salt[16];
	uint32_t pbkdf2_count;
	uint8_t key[OWAMP_AES_KEY_SIZE];
	int key_error;

	struct session *sessions;
	unsigned session_count;
	unsigned new_count; /* accepted, and not started */
	unsigned running_count;
	unsigned awaited_count;
	enum { START_NONE, START_RECEIVERS, START_SENDERS } starting;
	struct session *start_next;
	unsigned start_count;
	struct owamp_timer start_timer;
	bool started;
	bool stop_sent;
	bool stop_received;

	bool fetch_waiting; /* for our own sessions to settle */
	uint8_t fetch_sid[OWAMP_SID_SIZE];
	uint32_t fetch_begin, fetch_end;
	struct store_fetch *fetch; /* from the request to the last octet of the answer */
	bool fetch_begun;          /* Fetch-Ack was given */
	uint32_t fetch_left;
	bool fetch_delete;
};

/* connection.c */
void connection_new(struct server *server, int fd, const struct sockaddr *peer, const char *turn_away);
/* reason: for the sessions that this breaks off. */
void connection_close(struct connection *connection, const char *reason);
/* Logs why at the priority; the rest of the output is sent, then the connection closes. */
void connection_drop(struct connection *connection, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Has the connection's events handled and its output sent, soon: from any handler. */
void connection_kick(struct connection *connection);
/* Sends now what is in the output, if the socket takes it. */
void connection_send_now(struct connection *connection);
/* A new wait for the peer begins, of the kind that fits the connection's state. */
void connection_wait(struct connection *connection);

static inline const struct sockaddr *session_address(const struct sockaddr_storage *storage)
{
	return (const struct sockaddr *)storage;
}

/* session.c */
void session_request(struct connection *connection, const struct owamp_request *request);
void session_free(struct session *session);

/* session_start.c */
/* Takes the time it needs in turns of the loop; connection->starting tells. */
void session_start_all(struct connection *connection);
void session_start_abort(struct connection *connection);
/* Sessions were accepted and not started. */
bool session_any_new(const struct connection *connection);

/* session_log.c */
void session_log_receiver(const struct session *session, const struct owamp_receive_health *health,
			  uint32_t cut, const char *how, const char *reason);
void session_log_sender(const struct session *session);

/* session_run.c */
/* No more packets: all were sent or have arrived, or it was ended. */
void session_not_running(struct session *session);
void session_stop_received(struct connection *connection, const struct owamp_control_server_event *event);
/* A client that goes on to the next round does not wait for what may still arrive. */
void session_settle_now(struct connection *connection);
/* Goes on to stop, settle and fetch when that is possible. */
void session_settle(struct connection *connection);
void session_settle_expired(struct owamp_timer *timer);
/* The control connection is gone, or the peer broke the rules: reason. */
void session_abort_all(struct connection *connection, const char *reason);

/* fetch.c */
void fetch_request(struct connection *connection, const uint8_t sid[OWAMP_SID_SIZE], uint32_t begin_seq,
		   uint32_t end_seq);
void fetch_resume(struct connection *connection); /* after sessions have settled */
/*
 * Answers, writes more records, or ends the fetch when all were sent. output_size: what is still unsent.
 * False: it waits for the disk or for the output to be sent.
 */
bool fetch_continue(struct connection *connection, size_t output_size);
/* It waits for the disk. */
bool fetch_is_ours(const struct connection *connection);
void fetch_abort(struct connection *connection);

#endif
