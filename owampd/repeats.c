#include "owampd/repeats.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KINDS_MAX 64
#define LINE_SIZE 512

struct kind {
	uint64_t hash; /* 0: free */
	int64_t written_ns;
	uint64_t said; /* when, in the order of all */
	unsigned left_out;
	int level; /* of the last one */
	char text[LINE_SIZE];
};

struct repeats {
	void (*write)(void *context, int level, const char *text);
	void *context;
	uint64_t said;
	struct kind kinds[KINDS_MAX];
};

struct repeats *repeats_new(void (*write)(void *context, int level, const char *text), void *context)
{
	struct repeats *repeats = calloc(1, sizeof(*repeats));

	if (repeats) {
		repeats->write = write;
		repeats->context = context;
	}
	return repeats;
}

void repeats_free(struct repeats *repeats)
{
	free(repeats);
}

static bool begins_amount(const char *word)
{
	return isdigit((unsigned char)word[*word == '+' || *word == '-']);
}

static bool is_unit(const char *word, size_t size)
{
	static const char *const units[] = {"ns", "us", "ms", "s", "min", "h", "d"};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strlen(units[i]) == size && memcmp(units[i], word, size) == 0)
			return true;
	}
	return false;
}

/* FNV-1a of the words that are no amounts; never 0. */
static uint64_t hash(const char *text)
{
	uint64_t value = UINT64_C(14695981039346656037);
	bool after_amount = false;

	while (*text) {
		size_t size = strcspn(text, " ;:,.)");
		bool is_amount = begins_amount(text);

		if (is_amount)
			size = strcspn(text, " ;:,)");
		for (size_t i = 0; i < size && !is_amount && !(after_amount && is_unit(text, size)); i++)
			value = (value ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
		text += size;
		text += *text != '\0';
		after_amount = is_amount;
	}
	return value ? value : 1;
}

static struct kind *find(struct repeats *repeats, uint64_t wanted)
{
	for (size_t i = 0; i < KINDS_MAX; i++) {
		if (repeats->kinds[i].hash == wanted)
			return &repeats->kinds[i];
	}
	return NULL;
}

void repeats_say(struct repeats *repeats, int64_t now_ns, int level, const char *text)
{
	uint64_t wanted = hash(text);
	struct kind *kind = find(repeats, wanted);

	if (kind) {
		kind->left_out++;
		kind->level = level;
		kind->said = ++repeats->said;
		snprintf(kind->text, sizeof(kind->text), "%s", text);
		return;
	}
	/* With so many different lines at a time, none of them is a repetition that matters. */
	kind = find(repeats, 0);
	if (kind)
		*kind = (struct kind){.hash = wanted, .written_ns = now_ns};
	repeats->write(repeats->context, level, text);
}

static bool is_due(const struct kind *kind, int64_t now_ns)
{
	return now_ns - kind->written_ns >= REPEATS_NS;
}

/* All at once, so that the last line tells how things are. */
static bool all_due(const struct repeats *repeats, int64_t now_ns)
{
	for (size_t i = 0; i < KINDS_MAX; i++) {
		if (repeats->kinds[i].left_out > 0 && !is_due(&repeats->kinds[i], now_ns))
			return false;
	}
	return true;
}

static struct kind *first_left_out(struct repeats *repeats)
{
	struct kind *first = NULL;

	for (size_t i = 0; i < KINDS_MAX; i++) {
		struct kind *kind = &repeats->kinds[i];

		if (kind->left_out > 0 && (!first || kind->said < first->said))
			first = kind;
	}
	return first;
}

static void tell(struct repeats *repeats, struct kind *kind, int64_t now_ns)
{
	char line[LINE_SIZE + 80];

	snprintf(line, sizeof(line), "%s", kind->text);
	if (kind->left_out > 1)
		snprintf(line, sizeof(line), "%s (and %u more like it in %.0f s)", kind->text,
			 kind->left_out - 1, (double)(now_ns - kind->written_ns) / 1e9);
	repeats->write(repeats->context, kind->level, line);
	kind->left_out = 0;
	kind->written_ns = now_ns;
}

void repeats_tell(struct repeats *repeats, int64_t now_ns)
{
	struct kind *kind;

	if (!all_due(repeats, now_ns))
		return;
	while ((kind = first_left_out(repeats)))
		tell(repeats, kind, now_ns);
	for (size_t i = 0; i < KINDS_MAX; i++) {
		if (is_due(&repeats->kinds[i], now_ns))
			repeats->kinds[i].hash = 0;
	}
}
