/* A source that asks a ptp4l, which here is a thread, and a hardware clock, which is a line. */
#include "phc_line.h"

#include "clock/ptp4l.c"
#include "fake_ptp4l.h"

#define NOW INT64_C(1795285844000000000)

struct scene {
	struct fake_ptp4l fake;
	struct owamp_clock_source_config config;
	struct clock_opener opener;
	struct clock_source source;
	struct clock_now now;
	struct clock_reading reading;
	bool holds; /* the fake's lock while it is asked, so that it cannot answer */
	int fails;  /* errno of opening */
	int given;  /* instead of opening; 0: none */
	unsigned opened;
	/* The hardware clock. */
	struct line_world world;
	int index;       /* of the interface's clock; below 0: an errno */
	int phc_fails;   /* errno of opening its device */
	char device[64]; /* that was opened last */
	char interface[PTP_INTERFACE_SIZE];
};

/* The operations have no context. */
static struct scene *scene;

static int open_object(void *context, enum owamp_clock_object object, const char *path)
{
	struct scene *s = context;

	if (object == OWAMP_CLOCK_OBJECT_DEVICE) {
		snprintf(s->device, sizeof s->device, "%s", path);
		errno = s->phc_fails;
		return s->phc_fails ? -1 : eventfd(0, EFD_CLOEXEC);
	}
	assert_string_equal(path, s->config.ptp.socket);
	s->opened++;
	if (s->given > 0) {
		int fd = s->given;

		s->given = 0;
		return fd;
	}
	if (s->fails) {
		errno = s->fails;
		return -1;
	}
	return owamp_clock_open_path(object, path);
}

static int index_of(const char *interface)
{
	snprintf(scene->interface, sizeof scene->interface, "%s", interface);
	errno = scene->index < 0 ? -scene->index : 0;
	return scene->index < 0 ? -1 : scene->index;
}

static int adopt(struct clock_phc **phc, int fd, char *error, size_t error_size)
{
	close(fd);
	return line_adopt(phc, &scene->world, error, error_size);
}

static const struct ptp_operations ptp_operations = {.phc_index = index_of};

static int begin(void **state)
{
	struct scene *s = calloc(1, sizeof *s);

	assert_non_null(s);
	scene = s;
	s->fake = (struct fake_ptp4l){.version = 0x02,
				      .port_count = 1,
				      .ports = {{.state = PTP_SLAVE, .interface = "eth0"}},
				      .offset_ns = -276,
				      .ingress_ns = NOW - 100 * MS - 1,
				      .delay_ns = 2073,
				      .flags = 0x3c,
				      .clock_class = 6,
				      .accuracy = 0x21};
	for (int i = 1; i < FAKE_PORTS; i++)
		s->fake.ports[i].interface = "eth1";
	snprintf(s->fake.path, sizeof s->fake.path, "/tmp/owamp-fake-ptp4l.%d", (int)getpid());
	pthread_mutex_init(&s->fake.lock, NULL);
	fake_start(&s->fake);
	pthread_mutex_lock(&s->fake.lock); /* but while it is asked */
	owamp_clock_source_default(&s->config, OWAMP_CLOCK_KIND_PTP);
	snprintf(s->config.ptp.socket, sizeof s->config.ptp.socket, "%s", s->fake.path);
	s->opener = (struct clock_opener){.open = open_object, .context = s};
	s->now = (struct clock_now){.mono_ns = 4711 * SECOND, .real_ns = NOW};
	assert_int_equal(new_with(&s->source, &s->config, &s->opener, &ptp_operations), 0);
	((struct ptp *)s->source.self)->keep.adopt = adopt;
	*state = s;
	return 0;
}

static void stop(struct scene *s)
{
	pthread_mutex_unlock(&s->fake.lock);
	fake_stop(&s->fake);
	pthread_mutex_lock(&s->fake.lock);
}

static int end(void **state)
{
	struct scene *s = *state;

	s->source.ops->free(s->source.self);
	pthread_mutex_unlock(&s->fake.lock);
	fake_stop(&s->fake);
	unlink(s->fake.path);
	pthread_mutex_destroy(&s->fake.lock);
	free(s);
	return 0;
}

static const struct clock_reading *look_at(struct scene *s)
{
	s->reading = (struct clock_reading){.source = OWAMP_CLOCK_NONE, .drift_ppb = -1};
	if (!s->holds)
		pthread_mutex_unlock(&s->fake.lock);
	s->source.ops->sample(s->source.self, &s->now, &s->reading);
	if (!s->holds)
		pthread_mutex_lock(&s->fake.lock);
	return &s->reading;
}

static void assert_state(struct scene *s, enum owamp_clock_state state, const char *text)
{
	look_at(s);
	if (s->reading.state != state)
		fail_msg("%s: %s", owamp_clock_state_name(s->reading.state), s->reading.text);
	if (text)
		assert_string_equal(s->reading.text, text);
}

static void assert_measured(struct scene *s, int64_t mono_ns, int64_t offset_ns, int64_t error_ns)
{
	assert_state(s, OWAMP_CLOCK_VALID, NULL);
	assert_true(s->reading.measured);
	assert_int_equal(s->reading.mono_ns, mono_ns);
	assert_int_equal(s->reading.offset_ns, offset_ns);
	assert_int_equal(s->reading.error_ns, error_ns);
}

/* The first Sync that is seen does not count; the next one is told of. */
static void assert_waits(struct scene *s)
{
	assert_state(s, OWAMP_CLOCK_DOUBTFUL, "waiting for the next Sync");
	assert_false(s->reading.measured);
	s->fake.ingress_ns++;
}

/* Where a Sync stamped by the system clock is on CLOCK_MONOTONIC. */
static int64_t sync_mono(const struct scene *s)
{
	return s->now.mono_ns - (s->now.real_ns - s->fake.ingress_ns);
}

static int begin_settled(void **state)
{
	struct scene *s;

	begin(state);
	s = *state;
	assert_waits(s);
	return 0;
}

static void pass(struct scene *s, int64_t ns)
{
	s->now.mono_ns += ns;
	s->now.real_ns += ns;
}

static void test_measures(void **state)
{
	struct scene *s = *state;

	/* The last Sync came 100 ms before the look. */
	assert_measured(s, 4711 * SECOND - 100 * MS, -276, 2073 + 100);
	assert_string_equal(s->reading.source, "ptp");
	assert_true(s->reading.steers);
	assert_false(s->reading.filtered);
	assert_int_equal(s->reading.drift_ppb, -1);
	assert_int_equal(s->reading.tai_utc, 37);
	assert_int_equal(s->opened, 1);
	pass(s, SECOND);
	s->fake.ingress_ns += SECOND;
	s->fake.offset_ns = 900;
	assert_measured(s, 4712 * SECOND - 100 * MS, 900, 2073 + 100);
	/* One connection, and seven questions a look. */
	assert_int_equal(s->opened, 1);
	assert_int_equal(s->fake.asked, 21);
}

static void test_linuxptp_4(void **state)
{
	struct scene *s = *state;

	s->fake.version = 0x12;
	assert_measured(s, sync_mono(s), -276, 2073 + 100);
}

/* The same Sync is the same measurement, however the two clocks are slewed against each other in between. */
static void test_same_sync(void **state)
{
	struct scene *s = *state;

	assert_measured(s, sync_mono(s), -276, 2073 + 100);
	pass(s, SECOND);
	s->now.real_ns += 300;
	assert_measured(s, 4711 * SECOND - 100 * MS, -276, 2073 + 100);
}

/* ptp4l computes an offset when a Sync comes: by what it knew of the path and had heard announced then. */
static void test_settling(void **state)
{
	struct scene *s = *state;

	s->fake.delay_ns = 0;
	assert_state(s, OWAMP_CLOCK_DOUBTFUL, "ptp4l has not measured the path's delay yet");
	assert_false(s->reading.measured);
	s->fake.ingress_ns++;
	s->fake.delay_ns = 2073;
	for (int i = 0; i < 3; i++)
		assert_state(s, OWAMP_CLOCK_DOUBTFUL, "waiting for the next Sync");
	s->fake.ingress_ns++;
	assert_measured(s, sync_mono(s), -276, 2073 + 100);
	s->fake.flags = 0x34; /* ptpTimescale 0 */
	assert_waits(s);
	assert_measured(s, sync_mono(s), -276, 2073 + 100);
	s->fake.flags = 0x3c;
	assert_waits(s);
	assert_measured(s, sync_mono(s), -276, 2073 + 100);
	s->fake.flags = 0x2c; /* timeTraceable 0, but of class 6 */
	assert_waits(s);
	assert_measured(s, sync_mono(s), -276, 2073 + 100);
	s->fake.grandmaster++;
	assert_waits(s);
	assert_measured(s, sync_mono(s), -276, 2073 + 100);
}

/* Age is that of the last Sync: what else ptp4l tells of a master that is dead does not matter. */
static void test_no_sync(void **state)
{
	struct scene *s = *state;

	assert_measured(s, sync_mono(s), -276, 2073 + 100);
	pass(s, 3900 * MS);
	assert_state(s, OWAMP_CLOCK_VALID, NULL);
	pass(s, 1);
	assert_state(s, OWAMP_CLOCK_DOUBTFUL, "no Sync for 4 s");
	assert_true(s->reading.measured);
	assert_int_equal(s->reading.mono_ns, 4711 * SECOND - 100 * MS);
	s->fake.ports[0].state = PTP_LISTENING;
	s->fake.ingress_ns = 0;
	assert_state(s, OWAMP_CLOCK_DOUBTFUL, "port 1 (eth0) LISTENING: it hears no master");
	assert_false(s->reading.measured);
	s->fake.ports[0].state = PTP_SLAVE;
	s->fake.ingress_ns = s->now.real_ns - 1;
	assert_waits(s);
	assert_measured(s, s->now.mono_ns, -276, 2073 + 100);
}

/* An answer of an earlier round, and one to another question. */
static void test_answers_of_others(void **state)
{
	struct scene *s = *state;

	s->fake.stale = true;
	s->fake.swapped = true;
	for (int i = 0; i < 3; i++)
		assert_measured(s, sync_mono(s), -276, 2073 + 100);
}

/* What comes too late is of no use to the next look, either. */
static void test_late_answers(void **state)
{
	struct scene *s = *state;

	s->holds = true;
	assert_state(s, OWAMP_CLOCK_ABSENT,
		     "no answer in domain 0; is it ptp4l's domainNumber, or does it hang?");
	s->holds = false;
	s->fake.offset_ns = 55;
	s->fake.ingress_ns++;
	assert_measured(s, sync_mono(s), 55, 2073 + 100);
}

/* The fake's lock is free all the time: it keeps it while it waits until its answers are read. */
static void await_recovery(struct scene *s)
{
	struct ptp *ptp = s->source.self;
	struct pollfd pollfd = {.fd = ptp->fd, .events = POLLIN};
	int64_t deadline = owamp_mono_ns() + 20 * SECOND;

	s->holds = true;
	do {
		(void)poll(&pollfd, 1, 100);
		look_at(s);
	} while (s->reading.state == OWAMP_CLOCK_ABSENT && owamp_mono_ns() < deadline);
	if (s->reading.state == OWAMP_CLOCK_ABSENT)
		disconnect(ptp);
	s->holds = false;
	pthread_mutex_lock(&s->fake.lock);
	if (s->reading.state != OWAMP_CLOCK_VALID)
		fail_msg("%s", s->reading.text);
}

/* One that is stopped: after some looks its queue is full. What it then reads is of no use; it comes back. */
static void test_queue_full(void **state)
{
	struct scene *s = *state;
	int looks = 0;

	s->holds = true;
	assert_state(s, OWAMP_CLOCK_ABSENT,
		     "no answer in domain 0; is it ptp4l's domainNumber, or does it hang?");
	do {
		assert_state(s, OWAMP_CLOCK_ABSENT, NULL);
		assert_in_range(++looks, 1, 1000);
	} while (!strstr(s->reading.text, "queue"));
	for (int i = 0; i < 2; i++)
		assert_state(s, OWAMP_CLOCK_ABSENT,
			     "ptp4l does not read what it is asked (its queue is full): does it hang?");
	assert_int_equal(s->opened, 1);
	pthread_mutex_unlock(&s->fake.lock);
	await_recovery(s);
	s->fake.offset_ns = 55;
	s->fake.ingress_ns++;
	assert_measured(s, sync_mono(s), 55, 2073 + 100);
}

/* It waits until somebody reads what it answered, and does not read meanwhile. */
static void test_answers_pile_up(void **state)
{
	struct scene *s = *state;
	struct ptp *ptp = s->source.self;
	struct pollfd pollfd = {.fd = ptp->fd, .events = POLLOUT};
	int asked = 0;

	s->fake.port_count = FAKE_PORTS;
	pthread_mutex_unlock(&s->fake.lock);
	while (poll(&pollfd, 1, 500) == 1 && asked < 1000)
		asked += send_get(ptp, 60000, PTP_PORT_DATA_SET) == 0;
	await_recovery(s);
	assert_in_range(asked, 1, 999);
}

/* 65536 looks are a day or so; the number is one of 16 bits. */
static void test_sequence_wraps(void **state)
{
	struct scene *s = *state;

	((struct ptp *)s->source.self)->sequence = 65533;
	for (int i = 0; i < 3; i++)
		assert_measured(s, sync_mono(s), -276, 2073 + 100);
	assert_in_range(((struct ptp *)s->source.self)->sequence, 1, 100);
}

static void test_domain(void **state)
{
	struct scene *s = *state;

	s->fake.domain = 24;
	assert_state(s, OWAMP_CLOCK_ABSENT,
		     "no answer in domain 0; is it ptp4l's domainNumber, or does it hang?");
	s->config.ptp.domain = 24;
	assert_measured(s, sync_mono(s), -276, 2073 + 100);
	s->config.ptp.domain = 3;
	assert_state(s, OWAMP_CLOCK_ABSENT,
		     "no answer in domain 3; is it ptp4l's domainNumber, or does it hang?");
}

static void test_incomplete(void **state)
{
	struct scene *s = *state;

	s->fake.silent = 0xc000;
	assert_state(s, OWAMP_CLOCK_ABSENT, "ptp4l did not answer all in time (0xC000)");
	s->fake.silent = 0x2004;
	assert_state(s, OWAMP_CLOCK_ABSENT, "ptp4l did not answer all in time (0x2004)");
	s->fake.silent = 0xc004;
	assert_state(s, OWAMP_CLOCK_ABSENT, "ptp4l did not answer all in time (0xC004)");
	s->fake.silent = 0;
	assert_state(s, OWAMP_CLOCK_VALID, NULL);
}

static void test_refusal(void **state)
{
	struct scene *s = *state;

	s->fake.refuses = 0xc000;
	assert_state(s, OWAMP_CLOCK_ABSENT, "ptp4l refuses to answer 0xC000");
	s->fake.refuses = 0xc004;
	assert_state(s, OWAMP_CLOCK_DOUBTFUL,
		     "ptp4l does not say whether it stamps in software (PORT_PROPERTIES_NP)");
	s->fake.refuses = 0;
	assert_waits(s);
	assert_state(s, OWAMP_CLOCK_VALID, NULL);
}

/* More ports than a queue of datagrams holds by default. */
static void test_ports(void **state)
{
	struct scene *s = *state;

	s->fake.port_count = FAKE_PORTS;
	for (int i = 0; i < FAKE_PORTS; i++)
		s->fake.ports[i].state = PTP_MASTER;
	assert_state(s, OWAMP_CLOCK_DOUBTFUL, NULL);
	s->fake.ports[FAKE_PORTS - 1].state = PTP_SLAVE;
	assert_waits(s);
	assert_measured(s, sync_mono(s), -276, 2073 + 100);
	assert_non_null(strstr(s->reading.text, "eth1 SLAVE"));
}

/* The file stays when it is killed; what comes back is another socket. */
static void test_restart(void **state)
{
	struct scene *s = *state;
	char text[OWAMP_CLOCK_TEXT_SIZE];

	snprintf(text, sizeof text, "nothing listens at %s: is ptp4l running?", s->fake.path);
	assert_state(s, OWAMP_CLOCK_VALID, NULL);
	stop(s);
	for (int i = 0; i < 3; i++)
		assert_state(s, OWAMP_CLOCK_ABSENT, text);
	assert_string_equal(s->reading.source, "ptp");
	assert_false(s->reading.measured);
	unlink(s->fake.path);
	assert_state(s, OWAMP_CLOCK_ABSENT, text);
	fake_start(&s->fake);
	assert_waits(s);
	assert_measured(s, sync_mono(s), -276, 2073 + 100);
	/* Between two looks. */
	stop(s);
	fake_start(&s->fake);
	assert_state(s, OWAMP_CLOCK_ABSENT, text);
	assert_waits(s);
	assert_measured(s, sync_mono(s), -276, 2073 + 100);
}

struct pair_end {
	int fd;
	int reads;
};

static void *read_and_close(void *context)
{
	struct pair_end *end = context;
	uint8_t get[PTP_GET_SIZE];

	for (int i = 0; i < end->reads; i++)
		assert_int_equal(recv(end->fd, get, sizeof get, 0), sizeof get);
	close(end->fd);
	return NULL;
}

/* By way of owampd's opener: a pair's other end goes before, amid, or after all of what is asked at first. */
static void test_pair(void **state)
{
	static const int reads[] = {0, 1, ASK_MOST};
	struct scene *s = *state;
	char text[OWAMP_CLOCK_TEXT_SIZE];
	struct pair_end end;
	pthread_t thread;
	int ends[2];

	snprintf(text, sizeof text, "nothing listens at %s: is ptp4l running?", s->fake.path);
	for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
		disconnect(s->source.self);
		s->given = ends[0];
		s->opened = 0;
		end = (struct pair_end){.fd = ends[1], .reads = reads[i]};
		assert_int_equal(pthread_create(&thread, NULL, read_and_close, &end), 0);
		if (reads[i] == 0)
			pthread_join(thread, NULL);
		assert_state(s, OWAMP_CLOCK_ABSENT, text);
		if (reads[i] > 0)
			pthread_join(thread, NULL);
		assert_int_equal(s->opened, 1);
		assert_waits(s);
		assert_state(s, OWAMP_CLOCK_VALID, NULL);
		assert_int_equal(s->opened, 2);
	}
}

static void test_opening_fails(void **state)
{
	struct scene *s = *state;
	char text[OWAMP_CLOCK_TEXT_SIZE];

	s->fails = EACCES;
	snprintf(text, sizeof text,
		 "%s: permission denied: ptp4l's socket belongs to root; see owamp-clock.conf(5), PRIVILEGES",
		 s->fake.path);
	assert_state(s, OWAMP_CLOCK_ABSENT, text);
	s->fails = EMFILE;
	snprintf(text, sizeof text, "%s: %s", s->fake.path, strerror(EMFILE));
	assert_state(s, OWAMP_CLOCK_ABSENT, text);
	/* It is not ptp4l that does not answer. */
	s->fails = ETIMEDOUT;
	snprintf(text, sizeof text, "%s: the process that opens it as root does not answer", s->fake.path);
	assert_state(s, OWAMP_CLOCK_ABSENT, text);
	s->fails = EAGAIN;
	snprintf(text, sizeof text, "%s: %s", s->fake.path, strerror(EAGAIN));
	assert_state(s, OWAMP_CLOCK_ABSENT, text);
	s->fails = 0;
	assert_waits(s);
	assert_state(s, OWAMP_CLOCK_VALID, NULL);
}

/* The longest path there can be: its end is shown, and the reason whole. */
static void test_long_path(void **state)
{
	struct scene *s = *state;

	memset(s->config.ptp.socket, 'x', sizeof s->config.ptp.socket - 1);
	s->config.ptp.socket[sizeof s->config.ptp.socket - 1] = '\0';
	memcpy(s->config.ptp.socket + sizeof s->config.ptp.socket - 6, "ptp4l", 5);
	s->fails = EACCES;
	look_at(s);
	assert_non_null(strstr(s->reading.text, "xptp4l: permission denied"));
	assert_non_null(strstr(s->reading.text, "PRIVILEGES"));
	s->fails = ENOENT;
	look_at(s);
	assert_non_null(strstr(s->reading.text, "xptp4l: is ptp4l running?"));
}

/* A Sync from before the step is worth nothing: its stamp is by another clock. */
static void test_step(void **state)
{
	struct scene *s = *state;

	assert_state(s, OWAMP_CLOCK_VALID, NULL);
	s->now.real_ns += 5 * SECOND;
	s->source.ops->stepped(s->source.self);
	/* One that came between the last look and the step. */
	s->fake.ingress_ns += SECOND / 2;
	for (int i = 0; i < 3; i++) {
		assert_state(s, OWAMP_CLOCK_DOUBTFUL, "waiting for the next Sync");
		assert_false(s->reading.measured);
	}
	s->fake.ingress_ns = s->now.real_ns - MS;
	s->fake.offset_ns = 5 * SECOND;
	assert_measured(s, s->now.mono_ns - MS, 5 * SECOND, 2073 + 100);
}

/* Set back, and nobody noticed: a stamp from the future is none. */
static void test_future(void **state)
{
	struct scene *s = *state;

	s->fake.ingress_ns = NOW + SECOND;
	assert_measured(s, 4712 * SECOND, -276, 2073 + 100);
	s->fake.ingress_ns = NOW + SECOND + 1;
	assert_state(s, OWAMP_CLOCK_DOUBTFUL, "the last Sync is from the future: a clock was set");
	assert_false(s->reading.measured);
	s->fake.ingress_ns = INT64_MAX;
	assert_state(s, OWAMP_CLOCK_DOUBTFUL, "ptp4l tells a time beyond 2116");
}

/*
 * With hardware stamps. The hardware clock is 37 s and 1000 ns ahead of
 * CLOCK_REALTIME, and 250 ns behind the grandmaster.
 */
static void use_hardware(struct scene *s)
{
	s->world = (struct line_world){
		.raw = 5 * SECOND,
		.real = NOW,
		.phc = NOW + 37 * SECOND + 1000,
		.half = 400,
	};
	s->index = 7;
	s->fake.ports[0].timestamping = PTP_HARDWARE;
	s->fake.offset_ns = -250;
}

/* What the world's clocks show now, and a Sync that came so long ago. */
static void world_to(struct scene *s, int64_t now, int64_t sync_age)
{
	s->world.now = now;
	s->now.real_ns = NOW + now;
	s->now.mono_ns = 4711 * SECOND + now;
	s->fake.ingress_ns = s->world.phc + now - sync_age;
}

#define MISFIT "the last Sync does not fit what is known of /dev/ptp7: is that ptp4l's clock?"

/* A Sync from before the clock was opened does not count. */
static void open_clock(struct scene *s)
{
	use_hardware(s);
	world_to(s, SECOND / 2, 100 * MS);
	assert_state(s, OWAMP_CLOCK_DOUBTFUL, MISFIT);
	assert_false(s->reading.measured);
}

static void test_hardware(void **state)
{
	struct scene *s = *state;

	open_clock(s);
	for (int i = 1; i < 5; i++) {
		world_to(s, i * SECOND, 100 * MS);
		assert_state(s, OWAMP_CLOCK_VALID, NULL);
		assert_string_equal(s->reading.source, "ptp-phc");
		assert_string_equal(s->device, "/dev/ptp7");
		assert_string_equal(s->interface, "eth0");
		assert_false(s->reading.steers);
		/*
		 * CLOCK_REALTIME is 1000 ns behind what the hardware clock
		 * makes of UTC, which is 250 ns behind the grandmaster's.
		 */
		assert_in_range(s->reading.offset_ns + 1250 + 10, 0, 20);
		/* 400 ns, half of a reading's window, and not much more. */
		assert_in_range(s->reading.error_ns, 2073 + 100 + 400, 2073 + 100 + 2000);
		assert_in_range(s->reading.mono_ns - (s->now.mono_ns - 100 * MS) + 10, 0, 20);
	}
	/* The same Sync again. */
	{
		int64_t mono_ns = s->reading.mono_ns, offset_ns = s->reading.offset_ns;

		s->world.now = s->world.now + SECOND;
		pass(s, SECOND);
		assert_measured(s, mono_ns, offset_ns, s->reading.error_ns);
	}
}

/* The grandmaster counts a time of its own, which by its word is UTC. */
static void test_hardware_on_utc(void **state)
{
	struct scene *s = *state;

	use_hardware(s);
	s->world.phc = NOW + 1000;
	s->fake.flags = 0x30;
	world_to(s, SECOND / 2, 0);
	look_at(s);
	for (int i = 1; i < 3; i++) {
		world_to(s, i * SECOND, 100 * MS);
		assert_state(s, OWAMP_CLOCK_VALID, NULL);
		assert_in_range(s->reading.offset_ns + 1250 + 10, 0, 20);
	}
}

static void test_hardware_without_clock(void **state)
{
	struct scene *s = *state;
	char text[OWAMP_CLOCK_TEXT_SIZE];

	use_hardware(s);
	world_to(s, SECOND, 0);
	s->index = -ENODEV;
	assert_state(s, OWAMP_CLOCK_DOUBTFUL, "the hardware clock of eth0: there is none");
	s->index = -EPERM;
	snprintf(text, sizeof text, "the hardware clock of eth0: %s", strerror(EPERM));
	assert_state(s, OWAMP_CLOCK_DOUBTFUL, text);
	assert_false(s->reading.measured);
	s->index = 7;
	s->phc_fails = EACCES;
	snprintf(text, sizeof text, "/dev/ptp7: %s (owamp-clock.conf(5), PRIVILEGES)", strerror(EACCES));
	assert_state(s, OWAMP_CLOCK_DOUBTFUL, text);
	assert_string_equal(s->reading.source, "ptp-phc");
	/* Not tried again at once, but soon. */
	s->phc_fails = 0;
	assert_state(s, OWAMP_CLOCK_DOUBTFUL, text);
	world_to(s, 4 * SECOND, 0);
	s->world.frozen = true;
	assert_state(s, OWAMP_CLOCK_DOUBTFUL, "/dev/ptp7: the clock does not advance");
	s->world.frozen = false;
	/* Another interface's is another clock: at once. */
	s->index = 8;
	look_at(s);
	assert_string_equal(s->device, "/dev/ptp8");
	world_to(s, 5 * SECOND, 0);
	assert_state(s, OWAMP_CLOCK_VALID, NULL);
}

/* ptp4l was told to use another clock than the interface's. */
static void test_hardware_of_another(void **state)
{
	struct scene *s = *state;

	open_clock(s);
	world_to(s, SECOND, 0);
	s->fake.ingress_ns -= 3600 * SECOND;
	assert_state(s, OWAMP_CLOCK_DOUBTFUL, MISFIT);
	assert_false(s->reading.measured);
}

/* The system clock is stepped: two readings of the hardware clock have to agree before there is an offset. */
static void test_hardware_step(void **state)
{
	struct scene *s = *state;

	open_clock(s);
	world_to(s, SECOND, MS);
	assert_state(s, OWAMP_CLOCK_VALID, NULL);
	s->world.real += 5 * SECOND;
	s->source.ops->stepped(s->source.self);
	world_to(s, 2 * SECOND, MS);
	s->now.real_ns += 5 * SECOND;
	assert_state(s, OWAMP_CLOCK_DOUBTFUL, "/dev/ptp7: no two readings agree (was a clock set?)");
	for (int i = 3; i < 6; i++) {
		world_to(s, i * SECOND, MS);
		s->now.real_ns += 5 * SECOND;
		look_at(s);
	}
	assert_state(s, OWAMP_CLOCK_VALID, NULL);
	assert_in_range(s->reading.offset_ns - 5 * SECOND + 1250 + 10, 0, 20);
}

/* From hardware to software: ptp4l was started again with another configuration. */
static void test_back_to_software(void **state)
{
	struct scene *s = *state;

	open_clock(s);
	world_to(s, SECOND, MS);
	assert_state(s, OWAMP_CLOCK_VALID, NULL);
	assert_int_equal(s->world.closed, 0);
	s->fake.ports[0].timestamping = PTP_SOFTWARE;
	s->fake.ingress_ns = s->now.real_ns - MS;
	assert_measured(s, s->now.mono_ns - MS, -250, 2073 + 100);
	assert_string_equal(s->reading.source, "ptp");
	assert_int_equal(s->world.closed, 1);
}

#define TEST(name)           cmocka_unit_test_setup_teardown(name, begin_settled, end)
#define TEST_UNSETTLED(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_measures),
		TEST(test_linuxptp_4),
		TEST(test_same_sync),
		TEST(test_settling),
		TEST(test_no_sync),
		TEST(test_answers_of_others),
		TEST(test_late_answers),
		TEST(test_queue_full),
		TEST(test_answers_pile_up),
		TEST(test_sequence_wraps),
		TEST(test_domain),
		TEST(test_incomplete),
		TEST(test_refusal),
		TEST(test_ports),
		TEST(test_restart),
		TEST(test_pair),
		TEST_UNSETTLED(test_opening_fails),
		TEST_UNSETTLED(test_long_path),
		TEST(test_step),
		TEST(test_future),
		TEST(test_hardware),
		TEST(test_hardware_on_utc),
		TEST(test_hardware_without_clock),
		TEST(test_hardware_of_another),
		TEST(test_hardware_step),
		TEST(test_back_to_software),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
