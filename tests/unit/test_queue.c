#include "reference.h"

#include <sys/mman.h>
#include <unistd.h>

#include "storage/queue.h"

#define MAX 100000

static int set_up(void **state)
{
	struct queue *queue;

	assert_int_equal(queue_new(&queue, MAX), 0);
	*state = queue;
	return 0;
}

static int tear_down(void **state)
{
	queue_free(*state);
	return 0;
}

static char sessions[3]; /* whose addresses stand for sessions */

static struct owamp_record record_of(uint32_t number)
{
	return (struct owamp_record){
		.send_time = 0x100000000000 + number,
		.receive_time = 0x200000000000 + number,
		.seq = number,
		.send_error = (uint16_t)(number % 65521),
		.receive_error = (uint16_t)(number % 251),
		.ttl = (uint8_t)(number % 256),
		.duplicate = number % 7 == 0,
		.dropped = number % 5 == 0,
	};
}

static uint32_t push(struct queue *queue, uint32_t first, uint32_t count)
{
	uint32_t pushed = 0;

	for (uint32_t i = first; i < first + count; i++) {
		struct owamp_record record = record_of(i);

		pushed += queue_push(queue, &sessions[i % 3], &record);
	}
	return pushed;
}

static void expect(const struct queue_entry *entries, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct owamp_record record = record_of(first + i);

		assert_ptr_equal(entries[i].session, &sessions[(first + i) % 3]);
		assert_int_equal(entries[i].record.send_time, record.send_time);
		assert_int_equal(entries[i].record.receive_time, record.receive_time);
		assert_int_equal(entries[i].record.seq, record.seq);
		assert_int_equal(entries[i].record.send_error, record.send_error);
		assert_int_equal(entries[i].record.receive_error, record.receive_error);
		assert_int_equal(entries[i].record.ttl, record.ttl);
		assert_int_equal(entries[i].record.duplicate, record.duplicate);
		assert_int_equal(entries[i].record.dropped, record.dropped);
	}
}

static void entries_come_out_in_order(void **state)
{
	const struct queue_entry *entries;
	uint32_t count, next = 0;

	for (uint32_t size = 1; size < 2000; size = size * 3 + 1) {
		assert_int_equal(push(*state, next, size), size);
		assert_int_equal(queue_count(*state), size);
		entries = queue_take(*state, &count);
		assert_int_equal(count, size);
		assert_int_equal(queue_count(*state), 0);
		expect(entries, next, size);
		queue_done(*state);
		next += size;
	}
	(void)queue_take(*state, &count);
	assert_int_equal(count, 0);
}

static void what_is_taken_stays_while_others_come(void **state)
{
	const struct queue_entry *entries;
	uint32_t count;

	assert_int_equal(push(*state, 0, 500), 500);
	entries = queue_take(*state, &count);
	assert_int_equal(push(*state, 500, 700), 700);
	expect(entries, 0, 500);
	queue_give_back(*state);
	queue_done(*state);
	entries = queue_take(*state, &count);
	assert_int_equal(count, 700);
	expect(entries, 500, 700);
}

static void the_bound_counts_what_is_taken_too(void **state)
{
	uint32_t count;

	assert_int_equal(push(*state, 0, 30000), 30000);
	(void)queue_take(*state, &count);
	assert_int_equal(push(*state, 0, MAX), MAX - 30000);
	assert_int_equal(push(*state, 0, 1), 0);
	queue_done(*state);
	assert_int_equal(push(*state, 0, 30001), 30000);
	(void)queue_take(*state, &count);
	assert_int_equal(count, MAX);
	assert_int_equal(push(*state, 0, 1), 0);
	queue_done(*state);
	assert_int_equal(push(*state, 0, 1), 1);
}

/* Octets of the entries' memory that the kernel really holds. */
static size_t resident(const struct queue_entry *entries)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (MAX * sizeof *entries + page - 1) / page,
	       count = 0;
	unsigned char *held = calloc(pages, 1);

	assert_non_null(held);
	assert_int_equal(mincore((void *)(uintptr_t)entries, MAX * sizeof *entries, held), 0);
	for (size_t i = 0; i < pages; i++)
		count += held[i] & 1;
	free(held);
	return count * page;
}

static void memory_is_given_back_after_a_burst(void **state)
{
	const struct queue_entry *burst, *entries;
	uint32_t count;

	assert_int_equal(queue_memory(*state), 0);
	push(*state, 0, MAX);
	burst = queue_take(*state, &count);
	assert_true(resident(burst) >= MAX * sizeof *burst / 2);
	queue_give_back(*state);
	queue_done(*state);
	/* The next time around, with little in it, it is not a burst any more. */
	push(*state, 0, 10);
	entries = queue_take(*state, &count);
	queue_give_back(*state);
	queue_done(*state);
	push(*state, 20, 10);
	entries = queue_take(*state, &count);
	assert_ptr_equal(entries, burst);
	queue_give_back(*state);
	expect(entries, 20, 10);
	assert_true(resident(burst) <= 8192 * sizeof *burst);
	assert_true(queue_memory(*state) <= 2 * 8192 * sizeof *burst);
	queue_done(*state);
	push(*state, 0, MAX);
	entries = queue_take(*state, &count);
	expect(entries, 0, MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(entries_come_out_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_taken_stays_while_others_come, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_bound_counts_what_is_taken_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(memory_is_given_back_after_a_burst, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
