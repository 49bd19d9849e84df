#include <owamp/error.h>
#include <owamp/schedule.h>

#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "wire.h"

/* Section 5.2: Q[1] to Q[11]; Q[1] is ln 2. Beyond, all are the last. */
static const uint32_t q[] = {
	0xB17217F8, 0xEEF193F7, 0xFD271862, 0xFF9D6DD0, 0xFFF4CFD0, 0xFFFEE819,
	0xFFFFE7FF, 0xFFFFFE2B, 0xFFFFFFE0, 0xFFFFFFFE, 0xFFFFFFFF,
};
#define LN2    ((uint64_t)q[0])
#define Q_LAST (sizeof q / sizeof q[0] - 1)

struct owamp_exponential {
	struct crypto_cipher *cipher;
	uint64_t counter; /* the low half of the 16-octet counter: 2^64 numbers will do */
	uint8_t block[16];
};

struct owamp_schedule {
	struct owamp_exponential *generator; /* NULL without exponential slots */
	owamp_interval offset;
	size_t next; /* slot */
	size_t slot_count;
	struct owamp_slot slots[];
};

int owamp_exponential_new(struct owamp_exponential **generator, const uint8_t seed[16])
{
	struct owamp_exponential *g = calloc(1, sizeof *g);
	int error;

	*generator = NULL;
	if (!g)
		return OWAMP_ENOMEM;
	error = crypto_cipher_new(&g->cipher, CRYPTO_ENCRYPT, seed, NULL);
	if (error) {
		free(g);
		return error;
	}
	*generator = g;
	return 0;
}

void owamp_exponential_free(struct owamp_exponential *generator)
{
	if (!generator)
		return;
	crypto_cipher_free(generator->cipher);
	free(generator);
}

/*
 * Algorithm Unif, section 5.3. The counter counts 32-bit numbers, not blocks,
 * and is itself the cipher's input: 0, 4, 8 and so on.
 */
static uint32_t uniform_next(struct owamp_exponential *g)
{
	unsigned i = g->counter % 4;

	if (i == 0) {
		uint8_t input[16] = {0};

		put_u64(input + 8, g->counter);
		/* With the context set up and a whole block, this cannot fail. */
		(void)crypto_cipher_run(g->cipher, input, g->block, sizeof input);
	}
	g->counter++;
	return get_u32(g->block + 4 * i);
}

/* Algorithm S, section 5.1, with mu = 1. Numbers are 32.32 fixed point. */
uint64_t owamp_exponential_next(struct owamp_exponential *generator)
{
	uint32_t u = uniform_next(generator);
	uint32_t v;
	uint64_t j;
	size_t k;

	if (u == UINT32_MAX)
		return 32 * LN2;
	j = (uint64_t)__builtin_clz(~u);
	u = (uint32_t)((uint64_t)u << (j + 1));

	if (u < LN2)
		return j * LN2 + u;

	for (k = 1; k < Q_LAST && u >= q[k]; k++)
		;
	v = uniform_next(generator);
	for (size_t i = 0; i < k; i++) {
		uint32_t further = uniform_next(generator);

		if (further < v)
			v = further;
	}
	return (uint64_t)((((j << 32) + v) * (unsigned __int128)LN2) >> 32);
}

static bool slot_valid(const struct owamp_slot *slot)
{
	return slot->type <= OWAMP_SLOT_FIXED && slot->interval <= OWAMP_SPAN_MAX;
}

static owamp_interval add_saturating(owamp_interval a, owamp_interval b)
{
	return b > OWAMP_SPAN_MAX - a ? OWAMP_SPAN_MAX : a + b;
}

int owamp_schedule_turn(const struct owamp_slot *slots, size_t slot_count, owamp_interval *turn)
{
	*turn = 0;
	if (slot_count == 0)
		return OWAMP_EINVAL;
	for (size_t i = 0; i < slot_count; i++) {
		if (!slot_valid(&slots[i]))
			return OWAMP_EINVAL;
		*turn = add_saturating(*turn, slots[i].interval);
	}
	return 0;
}

uint32_t owamp_schedule_peak(const struct owamp_slot *slots, size_t slot_count, owamp_interval window)
{
	owamp_interval turn, span = 0;
	uint64_t whole, most = 1, count = 1;

	if (owamp_schedule_turn(slots, slot_count, &turn) || turn == 0)
		return UINT32_MAX;
	whole = window / turn;
	window %= turn;
	if (window == 0) {
		/* Whole turns exactly: the window is open at its end. */
		whole--;
		window = turn;
	}
	/* count packets span count - 1 waits; the window slides over the circle once. */
	for (size_t first = 0, last = 0; first < slot_count; first++) {
		while (count < slot_count + 1 && span + slots[(last + 1) % slot_count].interval < window) {
			last++;
			span += slots[last % slot_count].interval;
			count++;
		}
		if (count > most)
			most = count;
		if (count > 1) {
			span -= slots[(first + 1) % slot_count].interval;
			count--;
		} else {
			last = first + 1;
		}
	}
	most += whole * slot_count;
	return most > UINT32_MAX ? UINT32_MAX : (uint32_t)most;
}

int owamp_schedule_new(struct owamp_schedule **schedule, const struct owamp_slot *slots, size_t slot_count,
		       const uint8_t sid[OWAMP_SID_SIZE])
{
	struct owamp_schedule *s;
	owamp_interval turn;
	bool random = false;
	int error;

	*schedule = NULL;
	error = owamp_schedule_turn(slots, slot_count, &turn);
	if (error)
		return error;
	s = calloc(1, sizeof *s + slot_count * sizeof *slots);
	if (!s)
		return OWAMP_ENOMEM;
	s->slot_count = slot_count;
	memcpy(s->slots, slots, slot_count * sizeof *slots);
	for (size_t i = 0; i < slot_count; i++)
		random |= slots[i].type == OWAMP_SLOT_EXPONENTIAL;
	error = random ? owamp_exponential_new(&s->generator, sid) : 0;
	if (error) {
		free(s);
		return error;
	}
	*schedule = s;
	return 0;
}

void owamp_schedule_free(struct owamp_schedule *schedule)
{
	if (!schedule)
		return;
	owamp_exponential_free(schedule->generator);
	free(schedule);
}

owamp_interval owamp_schedule_next(struct owamp_schedule *schedule)
{
	const struct owamp_slot *slot = &schedule->slots[schedule->next];
	owamp_interval wait = slot->interval;

	if (slot->type == OWAMP_SLOT_EXPONENTIAL) {
		unsigned __int128 product =
			(unsigned __int128)owamp_exponential_next(schedule->generator) * wait >> 32;

		wait = product > OWAMP_SPAN_MAX ? OWAMP_SPAN_MAX : (owamp_interval)product;
	}
	schedule->offset = add_saturating(schedule->offset, wait);
	if (++schedule->next == schedule->slot_count)
		schedule->next = 0;
	return schedule->offset;
}
