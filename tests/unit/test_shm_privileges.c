/* Segments and who may read them; only root can tell. */
#include "shm_world.h"

#include <sys/wait.h>

#define NOBODY 65534

/* In a process of its own; the exit status says what was wrong. */
static int as_nobody(void (*test)(struct world *), struct world *w)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
			_exit(99);
		test(w);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void read_as_nobody(struct world *w)
{
	struct clock_reading reading = {.source = OWAMP_CLOCK_NONE};
	struct clock_source late;

	/* Attached while there were privileges. */
	w->source.ops->sample(w->source.self, &w->now, &reading);
	pass(w, S);
	put(w, 0, 16);
	w->source.ops->sample(w->source.self, &w->now, &reading);
	if (reading.state != OWAMP_CLOCK_VALID || reading.offset_ns != 16)
		_exit(1);
	/* Not attached. */
	if (clock_shm_new(&late, &w->config))
		_exit(2);
	late.ops->sample(late.self, &w->now, &reading);
	if (reading.state != OWAMP_CLOCK_ABSENT)
		_exit(3);
	if (!strstr(reading.text, " may be read by its owner only, as gpsd's 0 and 1: start as root"))
		_exit(4);
	late.ops->free(late.self);
}

static void only_read_as_nobody(struct world *w)
{
	struct clock_reading reading = {.source = OWAMP_CLOCK_NONE};

	w->source.ops->sample(w->source.self, &w->now, &reading);
	if (reading.state != OWAMP_CLOCK_DOUBTFUL)
		_exit(1);
}

/* Permission to read is all that is needed. */
static void test_read_only(void **state)
{
	struct world w;

	(void)state;
	if (geteuid() != 0)
		skip();
	begin(&w);
	create(&w, sizeof(struct layout), 0644);
	put(&w, 0, 0);
	assert_int_equal(as_nobody(only_read_as_nobody, &w), 0);
	end(&w);
}

static void test_privileges(void **state)
{
	struct world w;

	(void)state;
	if (geteuid() != 0)
		skip();
	begin(&w);
	create(&w, sizeof(struct layout), 0600);
	w.source.ops->free(w.source.self);
	assert_int_equal(clock_shm_new(&w.source, &w.config), 0);
	put(&w, 0, 0);
	assert_int_equal(as_nobody(read_as_nobody, &w), 0);
	end(&w);
}

#define REFUSED "unit # is kept by user nobody, neither root nor ours: user = NAME states that this is right"

static void create_as_nobody(struct world *w)
{
	assert_int_equal(seteuid(NOBODY), 0);
	create(w, sizeof(struct layout), 0666);
	assert_int_equal(seteuid(0), 0);
}

/* Whoever comes first can make it, before gpsd does. */
static void test_stranger(void **state)
{
	struct shmid_ds facts;
	struct world w;

	(void)state;
	if (geteuid() != 0)
		skip();
	begin(&w);
	create_as_nobody(&w);
	for (int i = 0; i < 3; i++) {
		put(&w, 0, 17);
		assert_state(&w, OWAMP_CLOCK_DOUBTFUL, REFUSED);
		assert_false(sample(&w).measured);
		pass(&w, S);
	}
	/* Whoever made it. */
	assert_int_equal(shmctl(w.id, IPC_STAT, &facts), 0);
	facts.shm_perm.uid = 0;
	assert_int_equal(shmctl(w.id, IPC_SET, &facts), 0);
	w.source.ops->free(w.source.self);
	assert_int_equal(clock_shm_new(&w.source, &w.config), 0);
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, REFUSED);
	/* Then there is another, of root's. */
	remove_segment(&w);
	create(&w, sizeof(struct layout), 0600);
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "waiting for unit # to be written to");
	put(&w, 0, 18);
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_VALID);
	/* Given to another. */
	assert_int_equal(shmctl(w.id, IPC_STAT, &facts), 0);
	facts.shm_perm.uid = NOBODY;
	assert_int_equal(shmctl(w.id, IPC_SET, &facts), 0);
	w.source.ops->free(w.source.self);
	assert_int_equal(clock_shm_new(&w.source, &w.config), 0);
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, REFUSED);
	end(&w);
}

static void test_named(void **state)
{
	struct world w;

	(void)state;
	if (geteuid() != 0)
		skip();
	begin(&w);
	create_as_nobody(&w);
	w.source.ops->free(w.source.self);
	strcpy(w.config.shm.user, "no such user");
	assert_int_not_equal(clock_shm_new(&w.source, &w.config), 0);
	strcpy(w.config.shm.user, "daemon");
	assert_int_equal(clock_shm_new(&w.source, &w.config), 0);
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, REFUSED);
	w.source.ops->free(w.source.self);
	strcpy(w.config.shm.user, "nobody");
	assert_int_equal(clock_shm_new(&w.source, &w.config), 0);
	put(&w, 0, 0);
	sample(&w);
	put(&w, 0, 19);
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_VALID);
	end(&w);
}

/* As who runs this is. */
static void test_own(void **state)
{
	struct world w;

	(void)state;
	if (geteuid() != 0)
		skip();
	begin(&w);
	create_as_nobody(&w);
	assert_int_equal(seteuid(NOBODY), 0);
	assert_state(&w, OWAMP_CLOCK_DOUBTFUL, "waiting for unit # to be written to");
	assert_int_equal(seteuid(0), 0);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_privileges), cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_stranger),   cmocka_unit_test(test_named),
		cmocka_unit_test(test_own),
	};

	/* Where that is allowed nothing is left behind, and nobody else's is met. */
	(void)unshare(CLONE_NEWIPC);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
