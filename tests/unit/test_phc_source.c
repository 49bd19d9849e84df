/* A source that is a hardware clock, which here is a line. */
#include "phc_line.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock/phc_source.c"

#define NOW INT64_C(1795285844000000000)

/* The look at the clocks comes before the reading, on CLOCK_MONOTONIC. */
#define BEFORE   (5 * MS)
#define READ(at) (4711 * SECOND + (at))
#define LOOK(at) (READ(at) - BEFORE)

struct scene {
	struct owamp_clock_source_config config;
	struct clock_opener opener;
	struct clock_source source;
	struct clock_now now;
	struct clock_reading reading;
	struct line_world world;
	int64_t slewed; /* between the looks, CLOCK_REALTIME against CLOCK_MONOTONIC */
	int fails;      /* errno of opening */
	unsigned opened;
};

/* What makes a clock of a descriptor has no context. */
static struct scene *scene;

static int open_object(void *context, enum owamp_clock_object object, const char *path)
{
	struct scene *s = context;

	assert_int_equal(object, OWAMP_CLOCK_OBJECT_DEVICE);
	assert_string_equal(path, "/dev/ptp3");
	s->opened++;
	errno = s->fails;
	return s->fails ? -1 : eventfd(0, EFD_CLOEXEC);
}

static int adopt(struct clock_phc **phc, int fd, char *error, size_t error_size)
{
	close(fd);
	return line_adopt(phc, &scene->world, error, error_size);
}

/* A clock on TAI, 800 ns ahead of it, that is accurate to 300 ns. */
static int begin(void **state)
{
	struct scene *s = calloc(1, sizeof *s);

	assert_non_null(s);
	scene = s;
	s->world = (struct line_world){
		.raw = 5 * SECOND,
		.real = NOW,
		.phc = NOW + 37 * SECOND + 800,
		.half = 400,
	};
	owamp_clock_source_default(&s->config, OWAMP_CLOCK_KIND_PHC);
	snprintf(s->config.phc.device, sizeof s->config.phc.device, "/dev/ptp3");
	s->config.phc.accuracy_ns = 300;
	s->opener = (struct clock_opener){.open = open_object, .context = s};
	s->now.tai_utc = 37;
	assert_int_equal(clock_phc_source_new(&s->source, &s->config, &s->opener), 0);
	((struct phc_source *)s->source.self)->keep.adopt = adopt;
	*state = s;
	return 0;
}

static int end(void **state)
{
	struct scene *s = *state;

	s->source.ops->free(s->source.self);
	free(s);
	return 0;
}

static void look_at(struct scene *s, int64_t at)
{
	s->world.now = at;
	s->now.mono_ns = LOOK(at);
	s->now.real_ns = s->world.real + at - BEFORE + s->slewed;
	s->reading = (struct clock_reading){.source = OWAMP_CLOCK_NONE, .drift_ppb = -1};
	s->source.ops->sample(s->source.self, &s->now, &s->reading);
	assert_string_equal(s->reading.source, "phc");
	assert_false(s->reading.steers);
}

static void assert_state(struct scene *s, int64_t at, enum owamp_clock_state state, const char *text)
{
	look_at(s, at);
	if (s->reading.state != state)
		fail_msg("%s: %s", owamp_clock_state_name(s->reading.state), s->reading.text);
	if (text)
		assert_string_equal(s->reading.text, text);
}

/* The world has one line; rounding is all that may make a difference. */
static void assert_offset(const struct scene *s, int64_t offset_ns, int64_t accuracy_ns)
{
	assert_true(s->reading.measured);
	assert_in_range(s->reading.offset_ns - offset_ns + 2, 0, 4);
	/* Half of the reading's window, and not much more. */
	assert_in_range(s->reading.error_ns, accuracy_ns + 400, accuracy_ns + 2000);
}

static void test_tai(void **state)
{
	struct scene *s = *state;

	for (int i = 0; i < 4; i++) {
		assert_state(s, i * SECOND, OWAMP_CLOCK_VALID,
			     "/dev/ptp3 on TAI, which is 37 s ahead of UTC");
		assert_offset(s, -800, 300);
		/* Opening took some readings, which are 10 ms apart here. */
		assert_in_range(s->reading.mono_ns - READ(i * SECOND), 0, i == 0 ? 20 * MS : 0);
	}
	assert_int_equal(s->opened, 1);
	assert_int_equal(s->reading.drift_ppb, -1);
	assert_false(s->reading.filtered);
	assert_int_equal(s->reading.leap, 0);
}

static void test_utc(void **state)
{
	struct scene *s = *state;

	s->config.phc.timescale = OWAMP_CLOCK_UTC;
	s->world.phc = NOW - 800;
	s->now.tai_utc = 0;
	assert_state(s, 0, OWAMP_CLOCK_VALID, "/dev/ptp3 on UTC");
	assert_offset(s, 800, 300);
}

static void test_tai_utc_unknown(void **state)
{
	struct scene *s = *state;

	s->now.tai_utc = 0;
	assert_state(s, 0, OWAMP_CLOCK_DOUBTFUL,
		     "TAI - UTC is not known: neither the kernel nor the leap second file tells it");
	assert_false(s->reading.measured);
	s->now.tai_utc = 38;
	assert_state(s, SECOND, OWAMP_CLOCK_VALID, "/dev/ptp3 on TAI, which is 38 s ahead of UTC");
	assert_offset(s, SECOND - 800, 300);
}

/* Measured, but nobody vouches. */
static void test_accuracy_unknown(void **state)
{
	struct scene *s = *state;

	s->config.phc.accuracy_ns = 0;
	assert_state(s, 0, OWAMP_CLOCK_DOUBTFUL,
		     "nobody states how accurate this clock is; accuracy = TIME does");
	assert_offset(s, -800, 0);
	s->config.phc.accuracy_ns = INT64_MAX;
	assert_state(s, SECOND, OWAMP_CLOCK_VALID, NULL);
	assert_true(s->reading.error_ns >= INT64_MAX / 4);
}

static void test_absent(void **state)
{
	struct scene *s = *state;
	char text[OWAMP_CLOCK_TEXT_SIZE];

	s->fails = ENOENT;
	snprintf(text, sizeof text, "/dev/ptp3: %s", strerror(ENOENT));
	/* Not tried each second. */
	for (int i = 0; i < 3; i++) {
		assert_state(s, i * SECOND, OWAMP_CLOCK_ABSENT, text);
		assert_false(s->reading.measured);
	}
	assert_int_equal(s->opened, 1);
	s->fails = EACCES;
	snprintf(text, sizeof text, "/dev/ptp3: %s (owamp-clock.conf(5), PRIVILEGES)", strerror(EACCES));
	assert_state(s, 3 * SECOND, OWAMP_CLOCK_ABSENT, text);
	assert_int_equal(s->opened, 2);
	s->fails = 0;
	assert_state(s, 6 * SECOND, OWAMP_CLOCK_VALID, NULL);
	assert_int_equal(s->opened, 3);
}

/* Frozen, as QEMU 7.2's e1000e has it. */
static void test_frozen(void **state)
{
	struct scene *s = *state;

	s->world.frozen = true;
	assert_state(s, 0, OWAMP_CLOCK_ABSENT, "/dev/ptp3: the clock does not advance");
	assert_false(s->reading.measured);
	assert_int_equal(s->world.closed, 1);
	s->world.frozen = false;
	assert_state(s, 3 * SECOND, OWAMP_CLOCK_VALID, NULL);
}

/* One that stops later is found out, closed and tried again. */
static void test_freezes(void **state)
{
	struct scene *s = *state;
	int64_t at = 0;

	assert_state(s, at, OWAMP_CLOCK_VALID, NULL);
	s->world.frozen = true;
	do {
		at += SECOND;
		look_at(s, at);
		assert_in_range(at, SECOND, 20 * SECOND);
	} while (!strstr(s->reading.text, "does not advance"));
	assert_int_equal(s->reading.state, OWAMP_CLOCK_ABSENT);
	assert_false(s->reading.measured);
	s->world.frozen = false;
	assert_state(s, at + 3 * SECOND, OWAMP_CLOCK_VALID, NULL);
}

/* The device is gone: the last reading is told again while it holds, and then why there is none. */
static void test_unplugged(void **state)
{
	struct scene *s = *state;
	int64_t mono_ns, at = SECOND;
	char text[OWAMP_CLOCK_TEXT_SIZE];

	look_at(s, 0);
	assert_state(s, at, OWAMP_CLOCK_VALID, NULL);
	mono_ns = s->reading.mono_ns;
	s->world.fails = ENODEV;
	s->slewed = 300;
	at += SECOND;
	assert_state(s, at, OWAMP_CLOCK_VALID, NULL);
	assert_int_equal(s->reading.mono_ns, mono_ns);
	assert_offset(s, -800, 300);
	snprintf(text, sizeof text, "/dev/ptp3: the clock cannot be read: %s", strerror(ENODEV));
	do {
		at += SECOND;
		look_at(s, at);
		assert_in_range(at, SECOND, 20 * SECOND);
	} while (s->reading.state != OWAMP_CLOCK_ABSENT || strcmp(s->reading.text, text) != 0);
	s->fails = ENOENT;
	at += 3 * SECOND;
	assert_state(s, at, OWAMP_CLOCK_ABSENT, "/dev/ptp3: No such file or directory");
	assert_false(s->reading.measured);
}

/* The system clock is set: nothing is told until two readings agree, and then it is right. */
static void test_step(void **state)
{
	struct scene *s = *state;

	look_at(s, 0);
	assert_state(s, SECOND, OWAMP_CLOCK_VALID, NULL);
	s->world.real += 5 * SECOND;
	s->source.ops->stepped(s->source.self);
	assert_state(s, 2 * SECOND, OWAMP_CLOCK_ABSENT,
		     "/dev/ptp3: no two readings agree (was a clock set?)");
	assert_false(s->reading.measured);
	for (int i = 3; i < 6; i++)
		look_at(s, i * SECOND);
	assert_state(s, 6 * SECOND, OWAMP_CLOCK_VALID, NULL);
	assert_offset(s, 5 * SECOND - 800, 300);
	assert_int_equal(s->opened, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tai),    TEST(test_utc),    TEST(test_tai_utc_unknown), TEST(test_accuracy_unknown),
		TEST(test_absent), TEST(test_frozen), TEST(test_freezes),         TEST(test_unplugged),
		TEST(test_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
