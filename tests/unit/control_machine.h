/* A control machine with a wire on its other side, taken up to commands. */
#ifndef CONTROL_MACHINE_H
#define CONTROL_MACHINE_H

#include "control_wire.h"

#include "owamp/error.h"

#define LIMIT_SLOTS    8
#define LIMIT_SKIPS    16
#define LIMIT_SESSIONS 6

extern const uint8_t machine_sids[4][16];

/* Every field set; the slots are static. */
struct owamp_request machine_request(bool conf_sender, bool conf_receiver, const uint8_t sid[16]);
void machine_assert_request(const struct owamp_request *got, const struct owamp_request *expected);

/* The server machine; wire plays the client. */
struct owamp_control_server *machine_server_new(uint32_t modes);
/* Hands the machine's output to wire, in pieces of odd size. */
void machine_server_drain(struct wire *wire, struct owamp_control_server *server);
/* Seals and hands over what was put. */
void machine_server_send(struct wire *wire, struct owamp_control_server *server);
/* The next event must be of this type. */
struct owamp_control_server_event machine_server_event(struct owamp_control_server *server,
						       enum owamp_control_server_event_type type);
void machine_server_assert_idle(struct owamp_control_server *server);
void machine_server_assert_fails(struct owamp_control_server *server, int error);
/* From the greeting to an accepted Server-Start, each octet checked. */
struct owamp_control_server *machine_server(struct wire *wire);
/* Requests a session and accepts it with this SID. */
void machine_server_accept(struct wire *wire, struct owamp_control_server *server, bool conf_sender,
			   bool conf_receiver, const uint8_t sid[16]);
void machine_server_start(struct wire *wire, struct owamp_control_server *server);

/* The client machine; wire plays the server. */
struct owamp_control_client *machine_client_new(void);
void machine_client_drain(struct wire *wire, struct owamp_control_client *client);
void machine_client_send(struct wire *wire, struct owamp_control_client *client);
struct owamp_control_client_event machine_client_event(struct owamp_control_client *client,
						       enum owamp_control_client_event_type type);
void machine_client_assert_idle(struct owamp_control_client *client);
void machine_client_assert_fails(struct owamp_control_client *client, int error);
void machine_put_greeting(struct wire *wire, uint32_t modes);
/* Clear up to the IV; the rest is covered by the next HMAC. */
void machine_put_server_start(struct wire *wire, uint8_t accept);
struct owamp_control_client *machine_client(struct wire *wire);
void machine_client_accept(struct wire *wire, struct owamp_control_client *client, bool conf_sender,
			   bool conf_receiver, const uint8_t sid[16]);
void machine_client_start(struct wire *wire, struct owamp_control_client *client);

#endif
