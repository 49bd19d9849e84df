#include <owamp/sender.h>

#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>
#include <owamp/schedule.h>

#include "crypto.h"
#include "test_packet.h"

/* Skips in one call before the caller gets the thread back. */
#define SKIPS_AT_ONCE 1000

struct owamp_sender {
	struct owamp_schedule *schedule;
	struct test_packet_cipher cipher;
	struct crypto_random_stream *random; /* NULL: zero padding */
	uint8_t sid[OWAMP_SID_SIZE];
	owamp_ntp start;
	owamp_interval timeout;
	owamp_ntp due; /* scheduled time of packet seq */
	uint32_t packets;
	uint32_t seq; /* the current packet; packets if done */
	uint32_t sent;
	struct owamp_skip_range *skips;
	uint32_t skip_count;
	uint32_t skip_capacity;
	bool prepared;
	size_t size;
	uint8_t packet[]; /* size octets */
};

/* Makes seq, if there is such a packet, the current one. */
static void load(struct owamp_sender *sender)
{
	if (sender->seq < sender->packets)
		sender->due = sender->start + owamp_schedule_next(sender->schedule);
	sender->prepared = false;
}

int owamp_sender_new(struct owamp_sender **sender, const struct owamp_sender_config *config)
{
	const struct owamp_request *request = config->request;
	size_t size = test_packet_base_size(config->mode) + request->padding;
	struct owamp_sender *s;
	int error;

	*sender = NULL;
	if (size > OWAMP_PACKET_MAX || request->timeout > OWAMP_SPAN_MAX || request->packets == 0)
		return OWAMP_EINVAL;
	s = calloc(1, sizeof *s + size);
	if (!s)
		return OWAMP_ENOMEM;
	s->size = size;
	s->packets = request->packets;
	s->start = request->start;
	s->timeout = request->timeout;
	memcpy(s->sid, request->sid, sizeof s->sid);
	error = owamp_schedule_new(&s->schedule, request->slots, request->slot_count, request->sid);
	if (!error)
		error = test_packet_cipher_init(&s->cipher, config->mode, config->control_keys, request->sid,
						true);
	if (!error && !config->zero_padding && request->padding > 0)
		error = crypto_random_stream_new(&s->random, config->padding_seed);
	if (error) {
		owamp_sender_free(s);
		return error;
	}
	load(s);
	*sender = s;
	return 0;
}

void owamp_sender_free(struct owamp_sender *sender)
{
	if (!sender)
		return;
	owamp_schedule_free(sender->schedule);
	test_packet_cipher_free(&sender->cipher);
	crypto_random_stream_free(sender->random);
	free(sender->skips);
	free(sender);
}

static int skip(struct owamp_sender *sender)
{
	struct owamp_skip_range *last = sender->skip_count ? &sender->skips[sender->skip_count - 1] : NULL;

	if (last && last->last + 1 == sender->seq) {
		last->last = sender->seq;
		return 0;
	}
	if (sender->skip_count == sender->skip_capacity) {
		uint32_t capacity = sender->skip_capacity ? 2 * sender->skip_capacity : 4;
		struct owamp_skip_range *larger = realloc(sender->skips, capacity * sizeof *larger);

		if (!larger)
			return OWAMP_ENOMEM;
		sender->skips = larger;
		sender->skip_capacity = capacity;
	}
	sender->skips[sender->skip_count++] = (struct owamp_skip_range){sender->seq, sender->seq};
	return 0;
}

int owamp_sender_next(struct owamp_sender *sender, bool sent)
{
	int error;

	if (sender->seq >= sender->packets)
		return OWAMP_ESTATE;
	error = sent ? 0 : skip(sender);
	if (error)
		return error;
	sender->sent += sent;
	sender->seq++;
	load(sender);
	return 0;
}

int owamp_sender_poll(struct owamp_sender *sender, owamp_ntp now, owamp_ntp *due)
{
	for (int i = 0; sender->seq < sender->packets; i++) {
		int64_t late = owamp_ntp_diff(now, sender->due);
		int error;

		*due = sender->due;
		if (late < 0)
			return OWAMP_SENDER_WAIT;
		if ((uint64_t)late <= sender->timeout)
			return OWAMP_SENDER_SEND;
		if (i == SKIPS_AT_ONCE)
			return OWAMP_SENDER_AGAIN;
		error = owamp_sender_next(sender, false);
		if (error)
			return error;
	}
	*due = sender->due;
	return OWAMP_SENDER_DONE;
}

int owamp_sender_prepare(struct owamp_sender *sender)
{
	size_t base = test_packet_base_size(sender->cipher.mode);
	int error = 0;

	if (sender->prepared || sender->seq >= sender->packets)
		return 0;
	if (sender->random)
		error = crypto_random_stream_fill(sender->random, sender->packet + base, sender->size - base);
	if (!error)
		error = test_packet_prepare(&sender->cipher, sender->packet, sender->seq);
	sender->prepared = !error;
	return error;
}

const uint8_t *owamp_sender_stamp(struct owamp_sender *sender, owamp_ntp now, uint16_t error_estimate,
				  size_t *size)
{
	*size = sender->size;
	if (sender->seq >= sender->packets || owamp_sender_prepare(sender))
		return NULL;
	if (test_packet_stamp(&sender->cipher, sender->packet, sender->seq, now, error_estimate))
		return NULL;
	return sender->packet;
}

void owamp_sender_state(const struct owamp_sender *sender, struct owamp_stop_session *state)
{
	memcpy(state->sid, sender->sid, sizeof state->sid);
	state->next_seq = sender->seq;
	state->skip_count = sender->skip_count;
	state->skips = sender->skips;
}

uint32_t owamp_sender_sent(const struct owamp_sender *sender)
{
	return sender->sent;
}
