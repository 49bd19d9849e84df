#include "reference.h"

#include "owamp/error.h"
#include "owamp/schedule.h"

#define MS  (OWAMP_SECOND / 1000)
#define EXP OWAMP_SLOT_EXPONENTIAL
#define FIX OWAMP_SLOT_FIXED

/* RFC 4656 appendix B; the steps on the way are from an independent program. */
struct vector {
	const char *sid;
	uint64_t deviates[8];
	uint64_t sums[6]; /* of 10, 100, ... 1000000 */
};

static const struct vector vectors[] = {
	{
		"2872979303ab47eeac028dab3829dab2",
		{0x6d27e540, 0x34cbb103, 0x2729905a, 0x1b7cf3308, 0x272cf39b8, 0xb664a0ac, 0x2635e2128,
		 0x33fcc47b},
		{0x0000000d65c2252a, 0x000000659ec0a4ad, 0x000003eb7d735c01, 0x0000276b1b252495,
		 0x0001887600d2532b, 0x000f4479bd317381},
	},
	{
		"0102030405060708090a0b0c0d0e0f00",
		{0xc2127448, 0xe6f429b4, 0x792b5a06, 0x830323f2, 0x1611367dc, 0x82fb41a6, 0x58570650,
		 0xd3701174},
		{0x00000008bf143c54, 0x0000006c465f797e, 0x000003f0a9b48272, 0x000026d5259f60e3,
		 0x000185fc28396cb3, 0x000f433686466a62},
	},
	{
		"deadbeefdeadbeefdeadbeefdeadbeef",
		{0x17ef33648, 0x288ec1768, 0xe96b50b8, 0x62a34680, 0x2178d97c1, 0x99542edc, 0x13581ee28,
		 0x4c5dbf8a},
		{0x0000000c23b0a12f, 0x0000005da0a86d3d, 0x000003d2cd1c4ab4, 0x00002726d4d83748,
		 0x000186929b6e4bc5, 0x000f416c8884d2d3},
	},
	{
		"feed0feed1feed2feed3feed4feed5ab",
		{0x300d1c98, 0x6283207c0, 0x45d4da40, 0xc6f5ffa, 0x20f40e3c0, 0x7dc756de, 0x77f1ea4a,
		 0x2c08e5a88},
		{0x0000000d058ee0c0, 0x0000007df58082de, 0x000004067fac41ca, 0x000027853d4de631,
		 0x00018725acac8cf6, 0x000f3f0b4b416ec8},
	},
};

static void test_appendix_b(void **state)
{
	(void)state;
	for (size_t v = 0; v < 4; v++) {
		struct owamp_exponential *generator;
		uint8_t sid[16];
		uint64_t sum = 0;
		uint32_t checkpoint = 10;
		size_t checked = 0;

		ref_hex(vectors[v].sid, sid, 16);
		assert_int_equal(owamp_exponential_new(&generator, sid), 0);
		for (uint32_t i = 1; i <= 1000000; i++) {
			uint64_t deviate = owamp_exponential_next(generator);

			sum += deviate;
			if (i <= 8)
				assert_int_equal(deviate, vectors[v].deviates[i - 1]);
			if (i == checkpoint) {
				assert_int_equal(sum, vectors[v].sums[checked++]);
				checkpoint *= 10;
			}
		}
		assert_int_equal(checked, 6);
		owamp_exponential_free(generator);
	}
	owamp_exponential_free(NULL);
}

/* The offsets that slots give, by the RFC's words alone. */
struct replay {
	struct ref_exponential generator;
	const struct owamp_slot *slots;
	size_t slot_count;
	size_t at;
	unsigned __int128 offset;
};

static uint64_t replay_next(struct replay *replay)
{
	const struct owamp_slot *slot = &replay->slots[replay->at];
	unsigned __int128 wait = slot->interval;

	if (slot->type == EXP)
		wait = wait * ref_exponential_next(&replay->generator) >> 32;
	replay->at = (replay->at + 1) % replay->slot_count;
	replay->offset += wait;
	if (replay->offset > OWAMP_SPAN_MAX)
		replay->offset = OWAMP_SPAN_MAX;
	return (uint64_t)replay->offset;
}

static void assert_replayed(const struct owamp_slot *slots, size_t slot_count, const uint8_t sid[16],
			    uint32_t packets)
{
	struct replay replay = {.slots = slots, .slot_count = slot_count};
	struct owamp_schedule *schedule;
	uint64_t previous = 0;

	memcpy(replay.generator.seed, sid, 16);
	assert_int_equal(owamp_schedule_new(&schedule, slots, slot_count, sid), 0);
	for (uint32_t i = 0; i < packets; i++) {
		uint64_t offset = owamp_schedule_next(schedule);

		assert_int_equal(offset, replay_next(&replay));
		assert_true(offset >= previous);
		previous = offset;
	}
	owamp_schedule_free(schedule);
}

static void test_poisson_stream(void **state)
{
	(void)state;
	uint8_t sid[16];

	for (size_t v = 0; v < 4; v++) {
		const struct owamp_slot slots[] = {{EXP, 100 * MS + v * 12345}};

		ref_hex(vectors[v].sid, sid, 16);
		assert_replayed(slots, 1, sid, 5000);
	}
}

static void test_mean_of_one_second(void **state)
{
	(void)state;
	const struct owamp_slot slots[] = {{EXP, OWAMP_SECOND}};
	struct owamp_schedule *schedule;
	uint8_t sid[16];

	ref_hex(vectors[0].sid, sid, 16);
	assert_int_equal(owamp_schedule_new(&schedule, slots, 1, sid), 0);
	for (int i = 1; i < 10000; i++)
		owamp_schedule_next(schedule);
	assert_int_equal(owamp_schedule_next(schedule), vectors[0].sums[3]);
	owamp_schedule_free(schedule);
	owamp_schedule_free(NULL);
}

/* The first packet leaves after the first slot's wait, not at the start. */
static void test_periodic_stream(void **state)
{
	(void)state;
	struct owamp_slot slots[] = {{FIX, 20 * MS}, {FIX, 3 * MS}};
	const uint8_t sid[16] = {0};
	struct owamp_schedule *schedule;

	assert_int_equal(owamp_schedule_new(&schedule, slots, 2, sid), 0);
	/* The slots were copied. */
	memset(slots, 0xff, sizeof(slots));
	assert_int_equal(owamp_schedule_next(schedule), 20 * MS);
	assert_int_equal(owamp_schedule_next(schedule), 23 * MS);
	assert_int_equal(owamp_schedule_next(schedule), 43 * MS);
	assert_int_equal(owamp_schedule_next(schedule), 46 * MS);
	owamp_schedule_free(schedule);
}

/* All slots of type 0 draw from one generator. */
static void test_mixed_slots(void **state)
{
	(void)state;
	const struct owamp_slot pairs[] = {{EXP, 10 * MS}, {FIX, 0}};
	const struct owamp_slot slots[] = {{FIX, 7}, {EXP, 1}, {EXP, 1000 * MS},
					   {FIX, 0}, {EXP, 0}, {EXP, 33 * MS + 1}};
	uint64_t seed = 11;
	uint8_t sid[16];

	ref_hex(vectors[2].sid, sid, 16);
	assert_replayed(pairs, 2, sid, 2000);
	assert_replayed(slots, 6, sid, 2000);
	for (int round = 0; round < 50; round++) {
		struct owamp_slot random[12];
		size_t count = 1 + ref_below(&seed, 12);

		ref_fill(&seed, sid, 16);
		for (size_t i = 0; i < count; i++) {
			random[i].type = (uint8_t)ref_below(&seed, 2);
			random[i].interval = (ref_random(&seed) >> 3) >> ref_below(&seed, 61);
		}
		assert_replayed(random, count, sid, 100);
	}
}

static void test_saturation(void **state)
{
	(void)state;
	const struct owamp_slot wide[] = {{EXP, OWAMP_SPAN_MAX}};
	const struct owamp_slot fixed[] = {{FIX, OWAMP_SPAN_MAX - 1}, {FIX, 1}, {FIX, 1}};
	struct owamp_schedule *schedule;
	uint8_t sid[16];

	for (size_t v = 0; v < 4; v++) {
		ref_hex(vectors[v].sid, sid, 16);
		assert_replayed(wide, 1, sid, 300);
	}
	assert_true(OWAMP_SPAN_MAX == UINT64_C(1) << 61);
	assert_int_equal(owamp_schedule_new(&schedule, fixed, 3, sid), 0);
	assert_true(owamp_schedule_next(schedule) == OWAMP_SPAN_MAX - 1);
	for (int i = 0; i < 10; i++)
		assert_true(owamp_schedule_next(schedule) == OWAMP_SPAN_MAX);
	owamp_schedule_free(schedule);
}

/* 2^61 units times a deviate of 8 are 64 bits: of this many first deviates some are above. */
static void test_saturation_of_one_wait(void **state)
{
	(void)state;
	const struct owamp_slot wide[] = {{EXP, OWAMP_SPAN_MAX}};
	uint32_t above = 0;

	for (uint32_t i = 0; i < 20000; i++) {
		struct ref_exponential generator = {0};

		ref_put(generator.seed, i, 4);
		if (ref_exponential_next(&generator) >> 35 == 0)
			continue;
		above++;
		assert_replayed(wide, 1, generator.seed, 2);
	}
	assert_true(above > 0);
}

static void test_bad_slots(void **state)
{
	(void)state;
	const struct owamp_slot unknown[] = {{FIX, 1}, {2, 1}};
	const struct owamp_slot too_long[] = {{FIX, 1}, {EXP, OWAMP_SPAN_MAX + 1}};
	const struct owamp_slot longest[] = {{FIX, OWAMP_SPAN_MAX}};
	const uint8_t sid[16] = {0};
	struct owamp_schedule *schedule;
	owamp_interval turn;

	assert_int_equal(owamp_schedule_new(&schedule, longest, 0, sid), OWAMP_EINVAL);
	assert_int_equal(owamp_schedule_new(&schedule, unknown, 2, sid), OWAMP_EINVAL);
	assert_int_equal(owamp_schedule_new(&schedule, too_long, 2, sid), OWAMP_EINVAL);
	assert_int_equal(owamp_schedule_turn(longest, 0, &turn), OWAMP_EINVAL);
	assert_int_equal(owamp_schedule_turn(unknown, 2, &turn), OWAMP_EINVAL);
	assert_int_equal(owamp_schedule_turn(too_long, 2, &turn), OWAMP_EINVAL);
	assert_int_equal(owamp_schedule_turn(longest, 1, &turn), 0);
}

static void test_turn(void **state)
{
	(void)state;
	const struct owamp_slot slots[] = {{EXP, 100 * MS}, {FIX, 20 * MS}, {FIX, 0}};
	const struct owamp_slot none[] = {{EXP, 0}, {FIX, 0}};
	const struct owamp_slot longest[] = {
		{FIX, OWAMP_SPAN_MAX}, {EXP, OWAMP_SPAN_MAX}, {FIX, OWAMP_SPAN_MAX},
		{EXP, OWAMP_SPAN_MAX}, {FIX, OWAMP_SPAN_MAX},
	};
	owamp_interval turn;

	assert_int_equal(owamp_schedule_turn(slots, 3, &turn), 0);
	assert_int_equal(turn, 120 * MS);
	assert_int_equal(owamp_schedule_turn(none, 2, &turn), 0);
	assert_int_equal(turn, 0);
	assert_int_equal(owamp_schedule_turn(longest, 1, &turn), 0);
	assert_true(turn == OWAMP_SPAN_MAX);
	for (size_t count = 2; count <= 5; count++) {
		assert_int_equal(owamp_schedule_turn(longest, count, &turn), 0);
		assert_true(turn == OWAMP_SPAN_MAX);
	}
}

/* The most packets in any span shorter than window, counted over some turns of fixed slots. */
static uint32_t brute_peak(const struct owamp_slot *slots, size_t count, owamp_interval window,
			   size_t packets)
{
	owamp_interval *times = calloc(packets, sizeof *times);
	uint32_t most = 0;

	assert_non_null(times);
	for (size_t i = 1; i < packets; i++)
		times[i] = times[i - 1] + slots[i % count].interval;
	for (size_t first = 0; first < count; first++) {
		uint32_t inside = 0;

		while (first + inside < packets && times[first + inside] - times[first] < window)
			inside++;
		assert_true(first + inside < packets);
		most = inside > most ? inside : most;
	}
	free(times);
	return most;
}

static void test_peak(void **state)
{
	(void)state;
	const struct owamp_slot even[] = {{EXP, MS}, {FIX, MS}};
	const struct owamp_slot pair[] = {{EXP, MS}, {FIX, 0}};
	const struct owamp_slot all[] = {{FIX, 0}, {FIX, 0}};
	const struct owamp_slot rare[] = {{FIX, 10 * OWAMP_SECOND}};
	const struct owamp_slot sleeper[] = {{FIX, 80000 * OWAMP_SECOND}, {FIX, 1}, {FIX, 1}, {FIX, 1}};
	uint64_t seed = 12;

	assert_int_equal(owamp_schedule_peak(even, 2, 100 * MS), 100);
	assert_int_equal(owamp_schedule_peak(pair, 2, 100 * MS), 200);
	assert_int_equal(owamp_schedule_peak(pair, 2, 100 * MS + 1), 202);
	assert_int_equal(owamp_schedule_peak(rare, 1, OWAMP_SECOND), 1);
	assert_int_equal(owamp_schedule_peak(sleeper, 4, OWAMP_SECOND), 4);
	assert_int_equal(owamp_schedule_peak(all, 1, OWAMP_SECOND), UINT32_MAX);
	assert_int_equal(owamp_schedule_peak(all, 2, OWAMP_SECOND), UINT32_MAX);
	assert_int_equal(owamp_schedule_peak(pair, 0, OWAMP_SECOND), UINT32_MAX);
	for (int round = 0; round < 2000; round++) {
		struct owamp_slot slots[9];
		size_t count = 1 + ref_below(&seed, 9);
		owamp_interval window = 1 + ref_below(&seed, 60), turn;

		for (size_t i = 0; i < count; i++)
			slots[i] = (struct owamp_slot){FIX, ref_below(&seed, 3) ? ref_below(&seed, 8) : 0};
		if (owamp_schedule_turn(slots, count, &turn) || turn == 0)
			continue;
		assert_int_equal(owamp_schedule_peak(slots, count, window),
				 brute_peak(slots, count, window, 1024));
	}
}

/* An exponential wait of mean 0 is no wait either. */
static void test_peak_of_exponential_zeros(void **state)
{
	(void)state;
	const struct owamp_slot mixed[] = {{EXP, 0}, {FIX, 0}, {EXP, 0}, {FIX, MS}};
	const struct owamp_slot all[] = {{EXP, 0}, {EXP, 0}};

	assert_int_equal(owamp_schedule_peak(mixed, 4, MS), 4);
	assert_int_equal(owamp_schedule_peak(all, 2, MS), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_appendix_b),
		cmocka_unit_test(test_poisson_stream),
		cmocka_unit_test(test_mean_of_one_second),
		cmocka_unit_test(test_periodic_stream),
		cmocka_unit_test(test_mixed_slots),
		cmocka_unit_test(test_saturation),
		cmocka_unit_test(test_saturation_of_one_wait),
		cmocka_unit_test(test_bad_slots),
		cmocka_unit_test(test_turn),
		cmocka_unit_test(test_peak),
		cmocka_unit_test(test_peak_of_exponential_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
