/* What becomes of what gpsd says, and of a gpsd that says nothing, ends, or is none. */
#include "gpsd_world.h"

static void test_fix(void **state)
{
	struct world w;
	struct clock_reading reading;

	(void)state;
	begin(&w);
	connect_it(&w);
	pass(&w, S);
	say(&w, TPV);
	say_mark(&w, "TOFF", 150 * MS, "");
	reading = sample(&w);
	assert_string_equal(reading.text, "3D fix of /dev/pts/0, by the arrival of its messages");
	assert_int_equal(reading.state, OWAMP_CLOCK_VALID);
	assert_string_equal(reading.source, "gps-serial");
	assert_int_equal(reading.offset_ns, 150 * MS);
	assert_int_equal(reading.error_ns, 500 * MS);
	assert_int_equal(reading.mono_ns, w.now.mono_ns);
	assert_int_equal(reading.tai_utc, 37);
	say_mark(&w, "PPS", -700, ",\"precision\":-20");
	reading = sample(&w);
	assert_int_equal(reading.state, OWAMP_CLOCK_VALID);
	assert_string_equal(reading.source, "gps-pps");
	assert_int_equal(reading.offset_ns, -700);
	assert_int_equal(reading.error_ns, 20000 + 954);
	end(&w);
}

/* Nothing is lost where lines come together or in parts. */
static void test_parts(void **state)
{
	static const char tpv[] = TPV;
	struct world w;

	(void)state;
	begin(&w);
	connect_it(&w);
	for (size_t i = 0; i < sizeof tpv - 1; i++) {
		assert_int_equal(send(w.peer, tpv + i, 1, MSG_NOSIGNAL), 1);
		assert_int_equal(sample(&w).state, OWAMP_CLOCK_DOUBTFUL);
	}
	/* A line with two, and the first half of another. */
	say_mark(&w, "TOFF", 5 * MS, "");
	assert_int_equal(sample(&w).offset_ns, 5 * MS);
	say(&w,
	    "{\"class\":\"SKY\"}{\"class\":\"TPV\",\"device\":\"/dev/pts/0\",\"mode\":1}\r\n{\"class\":\"TP");
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "no fix (mode 1)");
	say(&w, "V\",\"device\":\"/dev/pts/0\",\"mode\":0}\r\n");
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "no fix (mode 0)");
	end(&w);
}

/* Who says a lot holds nobody up: some of it is read now, and the rest, all of it, at the next samples. */
static void test_flood(void **state)
{
	static const char line[] = "{\"class\":\"SKY\"}\r\n";
	static char text[4000 * (sizeof line - 1) + 1];
	struct world w;
	int samples = 0;

	(void)state;
	begin(&w);
	connect_it(&w);
	for (size_t i = 0; i < sizeof text - 1; i++)
		text[i] = line[i % (sizeof line - 1)];
	say(&w, text);
	say(&w, TPV);
	while (!strstr(sample(&w).text, "has a fix"))
		samples++;
	assert_true(samples >= 4);
	end(&w);
}

static void test_nobody(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	close(w.listener);
	assert_state(&w, OWAMP_CLOCK_ABSENT, "nothing listens at ...: is gpsd running?");
	w.listener = new_listener(&w.config.gps.port, 10);
	pass(&w, S - 1);
	assert_state(&w, OWAMP_CLOCK_ABSENT, "nothing listens at ...: is gpsd running?");
	assert_false(is_connected_to(&w));
	pass(&w, 1);
	connect_it(&w);
	end(&w);
}

/* gpsd ends, and comes back: nothing of what was before is left. */
static void test_back(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	connect_it(&w);
	say(&w, TPV);
	say_mark(&w, "TOFF", 0, "");
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_VALID);
	close(w.peer);
	assert_state(&w, OWAMP_CLOCK_ABSENT, "gpsd at ... closed the connection");
	assert_false(sample(&w).measured);
	assert_false(is_connected_to(&w));
	pass(&w, S);
	connect_it(&w);
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "waiting for /dev/pts/0 to say something");
	end(&w);
}

/* By a reset, as when it is killed with something unread. */
static void test_reset(void **state)
{
	const struct linger hard = {.l_onoff = 1, .l_linger = 0};
	struct world w;

	(void)state;
	begin(&w);
	connect_it(&w);
	assert_int_equal(setsockopt(w.peer, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
	close(w.peer);
	w.peer = -1;
	assert_state(&w, OWAMP_CLOCK_ABSENT, "gpsd at ... closed the connection");
	end(&w);
}

/* More than a line can be. */
static void test_endless_line(void **state)
{
	struct world w;
	char text[100001];

	(void)state;
	begin(&w);
	connect_it(&w);
	memset(text, ' ', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	say(&w, text);
	assert_state(&w, OWAMP_CLOCK_ABSENT, "gpsd at ... closed the connection");
	end(&w);
}

/* A receiver that says nothing, of a gpsd that answers when asked; then it does not. */
static void test_silence(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	connect_it(&w);
	pass(&w, 5 * S);
	sample(&w);
	pass(&w, S);
	assert_state(
		&w, OWAMP_CLOCK_DOUBTFUL,
		"nothing of /dev/pts/0 has come from gpsd for 6 s: the receiver is silent, or gpsd hangs");
	expect_text(&w, "?DEVICES;\n");
	say(&w, DEVICES);
	pass(&w, S);
	assert_state(
		&w, OWAMP_CLOCK_DOUBTFUL,
		"nothing of /dev/pts/0 has come from gpsd for 7 s: the receiver is silent, or gpsd hangs");
	pass(&w, 6 * S);
	sample(&w);
	expect_text(&w, "?DEVICES;\n");
	pass(&w, 6 * S);
	assert_state(
		&w, OWAMP_CLOCK_DOUBTFUL,
		"nothing of /dev/pts/0 has come from gpsd for 19 s: the receiver is silent, or gpsd hangs");
	pass(&w, S);
	assert_state(&w, OWAMP_CLOCK_ABSENT, "gpsd at ... has not answered for 13 s");
	say(&w, DEVICES TPV);
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_DOUBTFUL);
	/* Once and for all. */
	pass(&w, 21 * S);
	assert_state(&w, OWAMP_CLOCK_ABSENT, "gpsd at ... has not answered for 21 s");
	expect_text(&w, "");
	close(w.peer);
	pass(&w, S);
	connect_it(&w);
	end(&w);
}

/* What came until two seconds after the clock was set may have been measured before. */
static void test_set(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	connect_it(&w);
	say(&w, TPV);
	say_mark(&w, "TOFF", 0, "");
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_VALID);
	say_mark(&w, "TOFF", 0, "");
	w.now.real_ns += 2 * S;
	w.source.ops->stepped(w.source.self);
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "the clock was set: waiting for what is measured since");
	for (int i = 0; i < 2; i++) {
		pass(&w, S);
		say(&w, TPV);
		say_mark(&w, "TOFF", 0, "");
		assert_int_equal(sample(&w).state, OWAMP_CLOCK_DOUBTFUL);
	}
	assert_false(sample(&w).measured);
	pass(&w, S);
	say(&w, TPV);
	say_mark(&w, "TOFF", 2 * S, "");
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_VALID);
	assert_int_equal(sample(&w).offset_ns, 2 * S);
	end(&w);
}

/* Also if there was no connection at the time. */
static void test_set_before(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	w.source.ops->stepped(w.source.self);
	connect_it(&w);
	say(&w, TPV);
	say_mark(&w, "TOFF", 0, "");
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "the clock was set: waiting for what is measured since");
	end(&w);
}

/* Read late, it is as old as it can be. */
static void test_read_late(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	connect_it(&w);
	say(&w, TPV);
	pass(&w, 6 * S);
	say_mark(&w, "PPS", 0, ",\"precision\":-20");
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_DOUBTFUL);
	pass(&w, S);
	say(&w, TPV);
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_DOUBTFUL);
	say_mark(&w, "PPS", 0, ",\"precision\":-20");
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_VALID);
	end(&w);
}

static void test_names(void **state)
{
	static const char *const names[] = {"gps.example", "", "shared memory", "127.0.0.1.5", "LOCALHOST"};
	struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char text[160];

		begin(&w);
		strcpy(w.config.gps.host, names[i]);
		snprintf(text, sizeof text,
			 "host \"%s\" is not an address in figures, nor localhost: names are not looked up",
			 names[i]);
		assert_state(&w, OWAMP_CLOCK_ABSENT, text);
		end(&w);
	}
	begin(&w);
	strcpy(w.config.gps.host, "localhost");
	connect_it(&w);
	end(&w);
	begin(&w);
	close(w.listener);
	strcpy(w.config.gps.host, "::1");
	snprintf(w.where, sizeof w.where, "[::1]:%u", w.config.gps.port);
	w.listener = -1;
	if (!strstr(sample(&w).text, "assign")) {
		pass(&w, S);
		assert_state(&w, OWAMP_CLOCK_ABSENT, "nothing listens at ...: is gpsd running?");
	}
	end(&w);
}

/* A listener whose queue is full drops what comes, as a host that is gone does. */
static void test_no_answer(void **state)
{
	struct world w;
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fillers[4];

	(void)state;
	begin(&w);
	assert_int_equal(listen(w.listener, 0), 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons(w.config.gps.port);
	for (int i = 0; i < 4; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(fillers[i], (const struct sockaddr *)&address, sizeof address);
	}
	assert_state(&w, OWAMP_CLOCK_ABSENT, "... does not answer");
	for (int i = 0; i < 4; i++)
		close(fillers[i]);
	end(&w);
}

/* Somebody else's port. */
static void test_not_gpsd(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	open_it(&w);
	say(&w, "220 mail.example ESMTP\r\n");
	assert_state(&w, OWAMP_CLOCK_ABSENT, "connected to ..., which has yet to say that it is gpsd");
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fix),          cmocka_unit_test(test_parts),
		cmocka_unit_test(test_flood),        cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_back),         cmocka_unit_test(test_reset),
		cmocka_unit_test(test_endless_line), cmocka_unit_test(test_silence),
		cmocka_unit_test(test_set),          cmocka_unit_test(test_set_before),
		cmocka_unit_test(test_read_late),    cmocka_unit_test(test_names),
		cmocka_unit_test(test_no_answer),    cmocka_unit_test(test_not_gpsd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
