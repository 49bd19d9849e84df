/*
 * An OWAMP client: one control connection that runs test sessions, fetches
 * their results, or fetches the results of older sessions. Asynchronous, on
 * the engine's loop; hundreds can run in one process.
 *
 *	owamp_client_new()       configuration and callbacks
 *	owamp_client_add_test()  any number of test sessions, and/or
 *	owamp_client_add_fetch() any number of sessions to fetch
 *	owamp_client_start()     returns at once
 *	... done() is called exactly once ...
 *	owamp_client_result()    for each test or fetch
 *	owamp_client_free()
 *
 * All functions and callbacks are on the loop's thread.
 */
#ifndef OWAMP_CLIENT_H
#define OWAMP_CLIENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "collector.h"
#include "engine.h"
#include "export.h"
#include "pacer.h"
#include "session.h"

struct owamp_client;

/* All pointers are copied. Zero means the default where one is named. */
struct owamp_client_config {
	const char *host;      /* name or address of the server */
	uint16_t port;         /* default 861 */
	int family;            /* AF_UNSPEC, AF_INET, AF_INET6 */
	const char *source;    /* local address or name, NULL: the system's choice */
	const char *interface; /* bind to this interface, NULL: any */
	uint32_t modes;        /* modes allowed, of OWAMP_MODE_MASK; no default */
	/* The order to prefer them in, as bits, 0-ended; default: E, A, O. */
	uint32_t preference[4];
	const char *key_id; /* needed for A and E */
	const uint8_t *secret;
	size_t secret_size;
	uint32_t pbkdf2_count_max; /* a server that asks for more is refused; default 65536 */
	int64_t step_timeout_ns;   /* for each answer of the server; default 10 s */
};

enum owamp_direction {
	OWAMP_TO_SERVER,   /* we send */
	OWAMP_FROM_SERVER, /* we receive */
};

struct owamp_test_config {
	enum owamp_direction direction;
	uint32_t packets;
	const struct owamp_slot *slots; /* copied */
	uint32_t slot_count;
	int64_t timeout_ns; /* loss threshold */
	uint32_t padding;   /* octets */
	bool zero_padding;
	uint8_t dscp;
	uint16_t port_low; /* local test ports; 0,0: any */
	uint16_t port_high;
	int64_t start_delay_ns; /* from now to the first schedule slot; default 1 s */
	int64_t end_delay_ns;   /* wait after Timeout before Stop-Sessions; default 0.5 s */
};

enum owamp_client_state {
	OWAMP_CLIENT_CONNECTING,
	OWAMP_CLIENT_AUTHENTICATING,
	OWAMP_CLIENT_REQUESTING,
	OWAMP_CLIENT_MEASURING,
	OWAMP_CLIENT_STOPPING,
	OWAMP_CLIENT_FETCHING,
	OWAMP_CLIENT_DONE,
};

struct owamp_client_progress {
	uint64_t sent;     /* known: exact for our own sender, by the schedule for the server's */
	uint64_t received; /* only from the server; 0 while we cannot know */
	uint64_t lost;
	bool delay_known;
	int64_t delay_ns; /* of the packet received last */
};

/* One test session's or fetch's outcome. Valid until owamp_client_free(). */
struct owamp_result {
	/*
	 * 0: complete. OWAMP_EREFUSED, OWAMP_EDATA, ...: what went wrong, with
	 * reason in words. Records can be there all the same: those that are
	 * valid by section 3.8 of a session that ended early.
	 */
	int error;
	char reason[256];
	uint8_t accept; /* the server's Accept value if OWAMP_EREFUSED */

	enum owamp_direction direction; /* of a fetch: as the request tells */
	uint32_t mode;
	struct owamp_request request; /* with the ports that were used */
	struct sockaddr_storage sender;
	struct sockaddr_storage receiver;

	bool stopped; /* next_seq and skips are known */
	uint32_t next_seq;
	const struct owamp_skip_range *skips;
	uint32_t skip_count;

	const struct owamp_record *records; /* in the order of arrival */
	uint32_t record_count;

	/* The meter's own condition, where we were sender or receiver. */
	bool has_send_health;
	struct owamp_send_health send_health;
	bool has_receive_health;
	struct owamp_receive_health receive_health;
	/* The receive buffer that the rate asks for, and the one we got (socket.h); 0 where we did not receive. */
	uint32_t receive_buffer_wanted;
	uint32_t receive_buffer_octets;
	struct owamp_clock_snapshot clock; /* of this host, at the end */
};

struct owamp_client_callbacks {
	/* May be NULL. */
	void (*state)(void *context, enum owamp_client_state state);
	/*
	 * The client is finished: error 0 if everything asked was carried out
	 * (each result still has its own error), else why not.
	 */
	void (*done)(void *context, int error, const char *reason);
	void *context;
};

OWAMP_API int owamp_client_new(struct owamp_client **client, struct owamp_engine *engine,
			       const struct owamp_client_config *config,
			       const struct owamp_client_callbacks *callbacks);

/* Not from within a callback of the same client, except done. */
OWAMP_API void owamp_client_free(struct owamp_client *client);

/* The index of the test (0 up), or OWAMP_EINVAL / OWAMP_ENOMEM. Before start. */
OWAMP_API int owamp_client_add_test(struct owamp_client *client, const struct owamp_test_config *test);

/* The index, which continues that of the tests. begin 0, end UINT32_MAX: all. */
OWAMP_API int owamp_client_add_fetch(struct owamp_client *client, const uint8_t sid[OWAMP_SID_SIZE],
				     uint32_t begin_seq, uint32_t end_seq);

/* With neither tests nor fetches: connect, authenticate, done ("owup"). */
OWAMP_API int owamp_client_start(struct owamp_client *client);

/*
 * Ends the measurement early: stops the senders, exchanges Stop-Sessions, and
 * keeps what is valid. A second call gives up at once. done still comes.
 */
OWAMP_API void owamp_client_stop(struct owamp_client *client);

OWAMP_API unsigned owamp_client_result_count(const struct owamp_client *client);
OWAMP_API const struct owamp_result *owamp_client_result(const struct owamp_client *client, unsigned index);
OWAMP_API void owamp_client_progress(struct owamp_client *client, unsigned index,
				     struct owamp_client_progress *progress);

/* What was agreed with the server; 0 / NULL before it is known. */
OWAMP_API uint32_t owamp_client_mode(const struct owamp_client *client);
OWAMP_API const struct sockaddr *owamp_client_peer(const struct owamp_client *client);
/* When the server says it started, in Unix ns; 0 if not known. */
OWAMP_API int64_t owamp_client_server_start(const struct owamp_client *client);

#endif
