/* What a client keeps of each session. */
#include "client_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <owamp/error.h>

void client_item_error(struct client_item *item, int error, const char *format, ...)
{
	va_list arguments;

	/* The first reason is the one that counts. */
	if (item->result.error)
		return;
	item->result.error = error;
	va_start(arguments, format);
	vsnprintf(item->result.reason, sizeof item->result.reason, format, arguments);
	va_end(arguments);
}

void client_item_record(struct client_item *item, const struct owamp_record *record)
{
	if (item->record_count == item->record_capacity) {
		uint32_t capacity = item->record_capacity ? 2 * item->record_capacity : 64;
		struct owamp_record *larger = NULL;

		if (capacity > item->record_capacity)
			larger = realloc(item->records, capacity * sizeof *larger);
		if (!larger) {
			item->out_of_memory = true;
			return;
		}
		item->records = larger;
		item->record_capacity = capacity;
	}
	item->records[item->record_count++] = *record;
	if (!owamp_record_lost(record)) {
		item->last_delay_ns = owamp_ntp_diff_ns(record->receive_time, record->send_time);
		item->delay_known = true;
	}
}

void client_item_cut(struct client_item *item, uint32_t cut)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < item->record_count; i++) {
		if (item->records[i].seq < cut)
			item->records[kept++] = item->records[i];
	}
	item->record_count = kept;
}

int client_item_set_stop(struct client_item *item, uint32_t next_seq, const struct owamp_skip_range *skips,
			 uint32_t skip_count)
{
	free(item->skips);
	item->skips = calloc((size_t)skip_count + 1, sizeof *item->skips);
	if (!item->skips)
		return OWAMP_ENOMEM;
	if (skip_count > 0)
		memcpy(item->skips, skips, skip_count * sizeof *skips);
	item->result.stopped = true;
	item->result.next_seq = next_seq;
	item->result.skips = item->skips;
	item->result.skip_count = skip_count;
	return 0;
}

static void mark(uint8_t *seen, uint32_t seq, uint32_t *count)
{
	if (seen[seq / 8] >> seq % 8 & 1)
		return;
	seen[seq / 8] |= (uint8_t)(1U << seq % 8);
	++*count;
}

/*
 * Every packet asked for must have been sent and have a record, received or
 * lost. Nothing is called complete that is not.
 */
void client_item_check_complete(struct client_item *item)
{
	struct owamp_result *result = &item->result;
	uint32_t packets = result->request.packets, known = 0, skipped = 0;
	uint8_t *seen;

	result->records = item->records;
	result->record_count = item->record_count;
	if (item->out_of_memory)
		client_item_error(item, OWAMP_ENOMEM, "out of memory after %u records", item->record_count);
	if (result->error)
		return;
	if (result->stopped && result->next_seq < packets) {
		client_item_error(item, OWAMP_EPARTIAL, "ended early: %u of %u packets were reached",
				  result->next_seq, packets);
		return;
	}
	seen = calloc((size_t)packets / 8 + 1, 1);
	if (!seen) {
		client_item_error(item, OWAMP_ENOMEM, "out of memory");
		return;
	}
	for (uint32_t i = 0; i < result->skip_count; i++) {
		for (uint32_t seq = result->skips[i].first; seq <= result->skips[i].last && seq < packets;
		     seq++)
			mark(seen, seq, &skipped);
	}
	known = skipped;
	for (uint32_t i = 0; i < item->record_count; i++) {
		if (item->records[i].seq < packets)
			mark(seen, item->records[i].seq, &known);
	}
	free(seen);
	if (known < packets)
		client_item_error(item, OWAMP_EPARTIAL, "%u of %u packets have no record", packets - known,
				  packets);
	else if (skipped > 0)
		client_item_error(item, OWAMP_EPARTIAL, "%u of %u packets were never sent", skipped, packets);
}

void client_add_zone(const struct owamp_client *client, struct sockaddr_storage *address)
{
	const struct sockaddr_storage *known[] = {&client->local, &client->peer};

	for (int i = 0; i < 2; i++) {
		if (address->ss_family == AF_INET6 &&
		    owamp_address_equal((const struct sockaddr *)address, (const struct sockaddr *)known[i]))
			((struct sockaddr_in6 *)address)->sin6_scope_id =
				((const struct sockaddr_in6 *)known[i])->sin6_scope_id;
	}
}

void client_item_free(struct client_item *item)
{
	owamp_loop_cancel_timer(item->client->loop, &item->complete_timer);
	owamp_pacer_end(item->pacing);
	owamp_collector_end(item->collecting);
	if (item->fd >= 0)
		close(item->fd);
	free(item->records);
	free(item->skips);
	free(item->slots);
	free(item);
}
