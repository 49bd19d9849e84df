/*
 * A shared memory segment of NTP's reference clock driver 28, as gpsd, phc2sys
 * and others write it. Read only: the protocol's "valid" is the business of the
 * daemon that the segment is for.
 */
#include "source.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include <owamp/error.h>

#include "mark.h"
#include "owner.h"

#define SECOND_NS INT64_C(1000000000)

#define KEY_BASE 0x4e545030 /* "NTP0" */

/* Far more than there are; a key must not come out as IPC_PRIVATE. */
#define UNIT_MAX 0xffff

/* A writer that is at it is done in microseconds. */
#define READ_TRIES 5

#define LEAP_INSERT  1
#define LEAP_DELETE  2
#define LEAP_UNKNOWN 3

/* In mode 0 only "valid" tells whether it is being written; in mode 1, count as well. */
#define MODE_COUNT 1

/* The driver's, which has no name for it that could be included. */
struct segment {
	int mode;
	int count;
	time_t clock_sec; /* the reference's */
	int clock_usec;
	time_t receive_sec; /* CLOCK_REALTIME's */
	int receive_usec;
	int leap;
	int precision;
	int samples;
	int valid;
	unsigned clock_nsec;
	unsigned receive_nsec;
	int reserved[8];
};

struct shm {
	const struct owamp_clock_source_config *config;
	int id;
	const volatile struct segment *segment; /* NULL: not attached */
	struct clock_owner owner;
	char stranger[OWAMP_CLOCK_TEXT_SIZE]; /* why its owner is not believed; "": he is */
	int64_t attached_mono;                /* 0: at a sample to come */
	bool seen;
	struct segment last; /* what was there before */
	int64_t changed_mono;
	struct clock_mark mark;
	char nonsense[100]; /* why last makes no mark; "": it does */
	bool hidden;        /* it could not be read this time */
	bool blank;         /* and nobody ever wrote to it */
	bool set;           /* the clock was */
	int64_t void_mono;  /* 0: as of the next sample */
};

static void detach(struct shm *shm)
{
	if (shm->segment)
		(void)shmdt((const void *)shm->segment);
	shm->segment = NULL;
	shm->seen = false;
	shm->mark.set = false;
	shm->nonsense[0] = '\0';
}

static void explain(const struct shm *shm, int error, char *text, size_t size)
{
	unsigned unit = shm->config->shm.unit;

	if (error == ENOENT)
		(void)snprintf(text, size,
			       "there is no segment of unit %u (key 0x%08x): does gpsd run, started by root?",
			       unit, KEY_BASE + unit);
	else if (error == EACCES)
		(void)snprintf(
			text, size,
			"unit %u may be read by its owner only, as gpsd's 0 and 1: start as root when it "
			"is there, or use 2 and up",
			unit);
	else if (error == EINVAL)
		(void)snprintf(text, size, "the segment of unit %u is too small to be NTP's", unit);
	else
		(void)snprintf(text, size, "unit %u: %s", unit, strerror(error));
}

/*
 * Whoever comes first makes the segment, and its owner may give it away, but not
 * who made it. Asked once it is attached, while there may be privileges to do it
 * with. 0, or errno.
 */
static int vet(struct shm *shm, int id)
{
	struct shmid_ds facts;
	char what[40];

	shm->stranger[0] = '\0';
	if (shmctl(id, IPC_STAT, &facts))
		return errno;
	(void)snprintf(what, sizeof what, "unit %u", shm->config->shm.unit);
	if (!clock_owner_believes(&shm->owner, facts.shm_perm.cuid))
		clock_owner_refuse(what, facts.shm_perm.cuid, shm->stranger, sizeof shm->stranger);
	else if (!clock_owner_believes(&shm->owner, facts.shm_perm.uid))
		clock_owner_refuse(what, facts.shm_perm.uid, shm->stranger, sizeof shm->stranger);
	return 0;
}

/*
 * To the segment that has the key now: after its writer is gone another may get
 * it. Asking for that takes no permission, unlike shmctl(). 0, or errno.
 */
static int attach(struct shm *shm)
{
	unsigned unit = shm->config->shm.unit;
	void *address;
	int id, error;

	if (unit > UNIT_MAX)
		return ERANGE;
	id = shmget((key_t)(KEY_BASE + unit), sizeof(struct segment), 0);
	if (id < 0) {
		error = errno;
		detach(shm);
		return error;
	}
	if (shm->segment && id == shm->id)
		return 0;
	detach(shm);
	address = shmat(id, NULL, SHM_RDONLY);
	/* shmat() says (void *)-1. */
	if ((intptr_t)address == -1)
		return errno;
	shm->segment = address;
	shm->id = id;
	shm->attached_mono = 0;
	error = vet(shm, id);
	if (error)
		detach(shm);
	return error;
}

static void copy_once(const volatile struct segment *from, struct segment *to)
{
	to->count = from->count;
	to->valid = from->valid;
	atomic_thread_fence(memory_order_acquire);
	to->mode = from->mode;
	to->clock_sec = from->clock_sec;
	to->clock_usec = from->clock_usec;
	to->receive_sec = from->receive_sec;
	to->receive_usec = from->receive_usec;
	to->leap = from->leap;
	to->precision = from->precision;
	to->clock_nsec = from->clock_nsec;
	to->receive_nsec = from->receive_nsec;
	atomic_thread_fence(memory_order_acquire);
}

/*
 * Writers count up before and after: an odd count is one half-way. Where valid is
 * 1 it is whole whatever the count (nobody says that it starts even).
 */
static bool is_whole(const volatile struct segment *segment, const struct segment *copy)
{
	if (segment->count != copy->count || segment->valid != copy->valid)
		return false;
	return copy->valid || (copy->mode == MODE_COUNT && copy->count % 2 == 0);
}

static bool copy(const struct shm *shm, struct segment *to)
{
	memset(to, 0, sizeof *to);
	for (int i = 0; i < READ_TRIES; i++) {
		copy_once(shm->segment, to);
		if (is_whole(shm->segment, to))
			return true;
	}
	return false;
}

static bool is_same(const struct segment *a, const struct segment *b)
{
	return a->count == b->count && a->clock_sec == b->clock_sec && a->clock_usec == b->clock_usec &&
	       a->receive_sec == b->receive_sec && a->receive_usec == b->receive_usec &&
	       a->clock_nsec == b->clock_nsec && a->receive_nsec == b->receive_nsec;
}

/*
 * Nanoseconds, of writers that have them; those that do not leave whatever was
 * there, and cut their microseconds off.
 */
static bool stamp(time_t sec, int usec, unsigned nsec, int64_t *ns, int64_t *error_ns)
{
	if (usec >= 0 && nsec / 1000 == (unsigned)usec)
		return clock_mark_time(sec, nsec, ns);
	*error_ns = clock_mark_add(*error_ns, 1000);
	return clock_mark_time(sec, (int64_t)usec * 1000, ns);
}

static void take(struct shm *shm, const struct clock_now *now)
{
	const struct segment *last = &shm->last;
	int64_t clock_ns, receive_ns, error_ns;

	shm->nonsense[0] = '\0';
	if (last->mode != MODE_COUNT && last->mode != 0)
		(void)snprintf(shm->nonsense, sizeof shm->nonsense, "its mode is %d, neither 0 nor 1",
			       last->mode);
	else if (!clock_mark_precision(last->precision, &error_ns))
		(void)snprintf(shm->nonsense, sizeof shm->nonsense, "its precision is 2^%d s",
			       last->precision);
	else if (!stamp(last->clock_sec, last->clock_usec, last->clock_nsec, &clock_ns, &error_ns) ||
		 !stamp(last->receive_sec, last->receive_usec, last->receive_nsec, &receive_ns, &error_ns))
		(void)snprintf(shm->nonsense, sizeof shm->nonsense,
			       "its stamps are not times from 1970 to 2106");
	else if (!clock_mark_set(&shm->mark, now, receive_ns, clock_ns,
				 clock_mark_add(error_ns, shm->config->shm.error_ns)))
		(void)snprintf(shm->nonsense, sizeof shm->nonsense,
			       "it was written just now with a time of receipt that is not now");
}

/* As the kernel makes it. */
static bool is_blank(const struct segment *segment)
{
	static const struct segment blank;

	return is_same(segment, &blank) && segment->mode == 0 && segment->precision == 0 &&
	       segment->valid == 0;
}

/* What is there at first may have been for ever; only what changes is believed. */
static void look(struct shm *shm, const struct clock_now *now)
{
	struct segment segment;

	if (shm->attached_mono == 0)
		shm->attached_mono = shm->changed_mono = now->mono_ns;
	shm->hidden = !copy(shm, &segment);
	shm->blank = is_blank(&segment);
	if (shm->hidden)
		return;
	if (shm->seen && !is_same(&segment, &shm->last)) {
		shm->changed_mono = now->mono_ns;
		shm->last = segment;
		if (!shm->set)
			take(shm, now);
	}
	shm->last = segment;
	shm->seen = true;
}

static void mind_step(struct shm *shm, const struct clock_now *now)
{
	if (!shm->set)
		return;
	if (shm->void_mono == 0)
		shm->void_mono = now->mono_ns + CLOCK_MARK_VOID_NS;
	if (now->mono_ns >= shm->void_mono)
		shm->set = false;
}

static bool explain_doubt(const struct shm *shm, const struct clock_now *now, char *text, size_t size)
{
	unsigned unit = shm->config->shm.unit;
	int silence_s = (int)((now->mono_ns - shm->changed_mono) / SECOND_NS);

	if (shm->blank && !clock_mark_is_fresh(&shm->mark, now))
		(void)snprintf(text, size, "nobody has written to unit %u yet", unit);
	else if (shm->hidden && !clock_mark_is_fresh(&shm->mark, now))
		(void)snprintf(text, size,
			       "unit %u is not in mode 1, and another reader takes away what is in it", unit);
	else if (now->mono_ns - shm->changed_mono > CLOCK_MARK_FRESH_NS)
		(void)snprintf(text, size, "nobody has written to unit %u for %d s", unit, silence_s);
	else if (shm->nonsense[0])
		(void)snprintf(text, size, "unit %u: %s", unit, shm->nonsense);
	else if (shm->set)
		(void)snprintf(text, size, "the clock was set: waiting for what is measured since");
	else if (!clock_mark_is_fresh(&shm->mark, now))
		(void)snprintf(text, size, "waiting for unit %u to be written to", unit);
	else if (shm->last.leap == LEAP_UNKNOWN)
		(void)snprintf(text, size, "unit %u: the writer says that its clock is not set (leap 3)",
			       unit);
	else
		return false;
	return true;
}

static void judge(const struct shm *shm, const struct clock_now *now, struct clock_reading *reading)
{
	if (clock_mark_is_fresh(&shm->mark, now)) {
		clock_mark_report(&shm->mark, reading);
		reading->leap = shm->last.leap == LEAP_INSERT ? 1 : shm->last.leap == LEAP_DELETE ? -1 : 0;
	}
	reading->state = OWAMP_CLOCK_DOUBTFUL;
	if (explain_doubt(shm, now, reading->text, sizeof reading->text))
		return;
	reading->state = OWAMP_CLOCK_VALID;
	(void)snprintf(reading->text, sizeof reading->text, "unit %u (precision 2^%d s)",
		       shm->config->shm.unit, shm->last.precision);
}

static void sample(void *source, const struct clock_now *now, struct clock_reading *reading)
{
	struct shm *shm = source;
	int error = attach(shm);

	reading->source = OWAMP_CLOCK_SHM;
	reading->drift_ppb = -1;
	if (error) {
		reading->state = OWAMP_CLOCK_ABSENT;
		explain(shm, error, reading->text, sizeof reading->text);
	} else if (shm->stranger[0]) {
		reading->state = OWAMP_CLOCK_DOUBTFUL;
		(void)snprintf(reading->text, sizeof reading->text, "%s", shm->stranger);
	} else {
		look(shm, now);
		judge(shm, now, reading);
	}
	mind_step(shm, now);
}

static void stepped(void *source)
{
	struct shm *shm = source;

	shm->set = true;
	shm->void_mono = 0;
	shm->mark.set = false;
	shm->nonsense[0] = '\0';
}

static void shm_free(void *source)
{
	detach(source);
	free(source);
}

/* Attached at once, while there may be privileges to do it with: they are not needed to stay. */
int clock_shm_new(struct clock_source *source, const struct owamp_clock_source_config *config)
{
	static const struct clock_source_ops ops = {.sample = sample, .stepped = stepped, .free = shm_free};
	struct shm *shm = calloc(1, sizeof *shm);

	if (!shm)
		return OWAMP_ENOMEM;
	if (clock_owner_find(&shm->owner, config->shm.user)) {
		free(shm);
		return OWAMP_EINVAL;
	}
	shm->config = config;
	(void)attach(shm);
	*source = (struct clock_source){.ops = &ops, .self = shm};
	return 0;
}
