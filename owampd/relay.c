#include "owampd/relay.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "clock/ptp_wire.h"

void relay_close(struct relay *relay)
{
	if (relay->server >= 0)
		close(relay->server);
	if (relay->ptp >= 0)
		close(relay->ptp);
	*relay = RELAY_NONE;
}

int relay_start(struct relay *relay, int ptp)
{
	int ends[2], error;

	relay_close(relay);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends)) {
		error = errno;
		close(ptp);
		errno = error;
		return -1;
	}
	*relay = (struct relay){.server = ends[0], .ptp = ptp};
	return ends[1];
}

/* Of an error of recv() or send(): that nothing is wrong with the other end. */
static bool will_pass(int error)
{
	return error == EAGAIN || error == EINTR || error == ENOBUFS || error == ENOMEM;
}

static bool send_on(int fd, const uint8_t *data, size_t size)
{
	return send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || will_pass(errno);
}

/* False: an end is gone. */
static bool pass_question(const struct relay *relay)
{
	uint8_t data[PTP_GET_SIZE + 1]; /* what is longer must be seen to be */
	ssize_t size = recv(relay->server, data, sizeof(data), MSG_DONTWAIT);

	if (size < 0)
		return will_pass(errno);
	if (size == 0)
		return false;
	return !ptp_wire_is_get(data, (size_t)size) || send_on(relay->ptp, data, (size_t)size);
}

/* False: an end is gone. An empty message would be taken for that. */
static bool pass_answer(const struct relay *relay)
{
	uint8_t data[PTP_ANSWER_SIZE];
	ssize_t size = recv(relay->ptp, data, sizeof(data), MSG_DONTWAIT);

	if (size < 0)
		return will_pass(errno);
	return size == 0 || send_on(relay->server, data, (size_t)size);
}

void relay_pass(struct relay *relay, short server_events, short ptp_events)
{
	if ((server_events && !pass_question(relay)) || (ptp_events && !pass_answer(relay)))
		relay_close(relay);
}
