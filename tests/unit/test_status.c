/* The status socket: what it is, and what it says to whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "owamp/error.h"
#include "owampd/status.h"

#define NOBODY   65534
#define ANSWERED "a server answers there already" /* which is as it should be for --check-config */
#define CLIENTS  12                               /* at a time; there is room for 16 that wait */

struct world {
	char folder[64];
	char path[80];
	struct privileges privileges;
	struct owamp_loop *loop;
	struct owamp_clock *clock;
	struct status *status;
};

static int begin(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct owamp_clock_config config;
	char error[200];

	assert_non_null(world);
	(void)snprintf(world->folder, sizeof(world->folder), "/tmp/owamp-status-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	(void)snprintf(world->path, sizeof(world->path), "%s/status", world->folder);
	world->privileges = (struct privileges){.wanted = false, .uid = geteuid(), .gid = getegid()};
	owamp_clock_config_default(&config);
	config.count = 2;
	owamp_clock_source_default(&config.sources[0], OWAMP_CLOCK_KIND_PTP);
	(void)snprintf(config.sources[0].ptp.socket, sizeof(config.sources[0].ptp.socket), "%s/ptp4l",
		       world->folder);
	owamp_clock_source_default(&config.sources[1], OWAMP_CLOCK_KIND_KERNEL);
	assert_int_equal(owamp_loop_new(&world->loop), 0);
	assert_int_equal(owamp_clock_new(&world->clock, &config, error, sizeof(error)), 0);
	*state = world;
	return 0;
}

static int end(void **state)
{
	struct world *world = *state;

	status_close(world->status);
	owamp_clock_free(world->clock);
	owamp_loop_free(world->loop);
	(void)unlink(world->path);
	assert_int_equal(rmdir(world->folder), 0);
	free(world);
	return 0;
}

static void open_status(struct world *world)
{
	char error[200];
	struct stat before, after;
	bool was_there = lstat(world->path, &before) == 0;

	/* Looking changes nothing. */
	assert_int_equal(status_check(world->path, &world->privileges, error, sizeof(error)), 0);
	assert_int_equal(lstat(world->path, &after) == 0, was_there);
	assert_true(!was_there || before.st_ino == after.st_ino);
	assert_int_equal(status_bind(&world->status, world->path, &world->privileges, error, sizeof(error)),
			 0);
	assert_int_equal(status_serve(world->status, world->loop, world->clock), 0);
}

/* By the start and by --check-config alike. */
static void refused(struct world *world, const char *why)
{
	struct status *status;
	char error[200] = "", wanted[300];

	snprintf(wanted, sizeof(wanted), "status_socket %s: %s", world->path, why);
	if (strcmp(why, ANSWERED) != 0) {
		assert_int_not_equal(status_check(world->path, &world->privileges, error, sizeof(error)), 0);
		assert_string_equal(error, wanted);
	} else {
		assert_int_equal(status_check(world->path, &world->privileges, error, sizeof(error)), 0);
	}
	assert_int_not_equal(status_bind(&status, world->path, &world->privileges, error, sizeof(error)), 0);
	assert_null(status);
	assert_string_equal(error, wanted);
}

/* Somebody who asks, on the same loop. */
struct client {
	struct owamp_watch watch;
	struct owamp_loop *loop;
	char text[65536];
	size_t size;
	unsigned *left; /* those who have not seen the end yet */
};

static void hear(struct owamp_watch *watch, uint32_t events)
{
	struct client *client = watch->context;
	ssize_t size =
		recv(watch->fd, client->text + client->size, sizeof(client->text) - 1 - client->size, 0);

	(void)events;
	assert_true(size >= 0);
	client->size += (size_t)size;
	if (size > 0)
		return;
	owamp_loop_unwatch(client->loop, watch);
	close(watch->fd);
	if (--*client->left == 0)
		owamp_loop_quit(client->loop);
}

static void ask(struct world *world, struct client *client, unsigned *left)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memset(client, 0, sizeof(*client));
	client->loop = world->loop;
	client->left = left;
	client->watch = (struct owamp_watch){
		.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .ready = hear, .context = client};
	memcpy(address.sun_path, world->path, strlen(world->path) + 1);
	assert_int_equal(connect(client->watch.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(owamp_loop_watch(world->loop, &client->watch, EPOLLIN), 0);
	++*left;
}

static void assert_document(const char *text)
{
	json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *clock, *sources;

	assert_non_null(document);
	assert_int_equal(strcspn(text, "\n"), strlen(text) - 1);
	assert_int_equal(json_object_size(document), 1);
	clock = json_object_get(document, "clock");
	assert_true(json_is_boolean(json_object_get(clock, "synchronized")));
	sources = json_object_get(clock, "sources");
	assert_int_equal(json_array_size(sources), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(sources, 0), "state")),
			    "absent");
	assert_string_equal(json_string_value(json_object_get(json_array_get(sources, 1), "name")), "kernel");
	json_decref(document);
}

static void test_answer(void **state)
{
	static struct client clients[CLIENTS];
	struct world *world = *state;
	unsigned left = 0;

	open_status(world);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < CLIENTS; i++)
			ask(world, &clients[i], &left);
		assert_int_equal(owamp_loop_run(world->loop), 0);
		for (size_t i = 0; i < CLIENTS; i++)
			assert_document(clients[i].text);
	}
}

/* Nobody is waited for: those who ask and go, or ask and never read. */
static void test_rude(void **state)
{
	static struct client client, lazy[CLIENTS];
	struct world *world = *state;
	unsigned left = 0, lazy_left = 0;

	open_status(world);
	for (size_t i = 0; i < CLIENTS; i++) {
		ask(world, &lazy[i], &lazy_left);
		owamp_loop_unwatch(world->loop, &lazy[i].watch);
		if (i % 2)
			close(lazy[i].watch.fd);
	}
	ask(world, &client, &left);
	assert_int_equal(owamp_loop_run(world->loop), 0);
	assert_document(client.text);
	for (size_t i = 0; i < CLIENTS; i += 2)
		close(lazy[i].watch.fd);
}

static void test_file(void **state)
{
	struct world *world = *state;
	mode_t mask = umask(0);
	struct stat made;

	open_status(world);
	assert_int_equal(umask(mask), 0);
	assert_int_equal(lstat(world->path, &made), 0);
	assert_true(S_ISSOCK(made.st_mode));
	assert_int_equal(made.st_mode & 07777, 0660);
	status_close(world->status);
	world->status = NULL;
	assert_int_equal(lstat(world->path, &made), -1);
	assert_int_equal(errno, ENOENT);
}

/* What somebody else has put there since is his. */
static void test_replaced(void **state)
{
	struct world *world = *state;
	struct stat there;

	open_status(world);
	assert_int_equal(unlink(world->path), 0);
	close(open(world->path, O_CREAT | O_WRONLY, 0600));
	status_close(world->status);
	world->status = NULL;
	assert_int_equal(lstat(world->path, &there), 0);
	assert_true(S_ISREG(there.st_mode));
}

static void test_taken(void **state)
{
	struct world *world = *state;
	struct stat before, after;
	char other[100];

	close(open(world->path, O_CREAT | O_WRONLY, 0600));
	refused(world, "is something else than a socket");
	assert_int_equal(unlink(world->path), 0);
	(void)snprintf(other, sizeof(other), "%s/other", world->folder);
	assert_int_equal(symlink(other, world->path), 0);
	refused(world, "is something else than a socket");
	assert_int_equal(unlink(world->path), 0);
	open_status(world);
	assert_int_equal(lstat(world->path, &before), 0);
	refused(world, ANSWERED);
	assert_int_equal(lstat(world->path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

/* Left by one that was killed. */
static void test_stale(void **state)
{
	static struct client client;
	struct world *world = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned left = 0;

	memcpy(address.sun_path, world->path, strlen(world->path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	close(fd);
	open_status(world);
	ask(world, &client, &left);
	assert_int_equal(owamp_loop_run(world->loop), 0);
	assert_document(client.text);
}

static void test_no_folder(void **state)
{
	struct world *world = *state;

	(void)snprintf(world->path, sizeof(world->path), "%s/nowhere/status", world->folder);
	refused(world, "No such file or directory");
}

/* The server's user owns it, whoever owns the folder. */
static void test_owner(void **state)
{
	struct world *world = *state;
	struct stat made;

	if (geteuid() != 0) {
		print_message("SKIPPED: this needs root\n");
		skip();
	}
	world->privileges = (struct privileges){.wanted = true, .uid = NOBODY, .gid = NOBODY};
	for (int mine = 0; mine < 2; mine++) {
		assert_int_equal(chown(world->folder, mine ? NOBODY : 0, 0), 0);
		open_status(world);
		assert_int_equal(geteuid(), 0);
		assert_int_equal(lstat(world->path, &made), 0);
		assert_int_equal(made.st_uid, NOBODY);
		assert_int_equal(made.st_gid, NOBODY);
		assert_int_equal(made.st_mode & 07777, 0660);
		status_close(world->status);
		world->status = NULL;
	}
	/* In a folder of his, it is with his privileges that anything is removed. */
	assert_int_equal(mkdir(world->path, 0700), 0);
	refused(world, "is something else than a socket");
	assert_int_equal(rmdir(world->path), 0);
}

/* Root makes and removes nothing in a folder where others decide what is there. */
static void test_foreign_folder(void **state)
{
	static const char *const shared =
		"its folder is root's, but others can write to it, if not the server's user";
	static const char *const foreign = "its folder is neither root's nor the server's user's";
	struct world *world = *state;

	if (geteuid() != 0) {
		print_message("SKIPPED: this needs root\n");
		skip();
	}
	world->privileges = (struct privileges){.wanted = true, .uid = NOBODY, .gid = NOBODY};
	assert_int_equal(chown(world->folder, NOBODY - 1, NOBODY - 1), 0);
	refused(world, foreign);
	assert_int_equal(chmod(world->folder, 0755), 0);
	refused(world, foreign);
	assert_int_equal(chown(world->folder, 0, NOBODY - 1), 0);
	assert_int_equal(chmod(world->folder, 0775), 0);
	refused(world, shared);
	assert_int_equal(chmod(world->folder, 0702), 0);
	assert_int_equal(chown(world->folder, 0, NOBODY), 0);
	refused(world, shared);
	/* Also what is there already. */
	close(open(world->path, O_CREAT | O_WRONLY, 0600));
	refused(world, shared);
	assert_int_equal(chmod(world->folder, 0700), 0);
	refused(world, "is something else than a socket");
	assert_int_equal(unlink(world->path), 0);
	/* The user's own, but locked. */
	assert_int_equal(chown(world->folder, NOBODY, NOBODY), 0);
	assert_int_equal(chmod(world->folder, 0500), 0);
	refused(world, "Permission denied");
	/* His by the group's right. */
	assert_int_equal(chown(world->folder, NOBODY - 1, NOBODY), 0);
	assert_int_equal(chmod(world->folder, 0770), 0);
	open_status(world);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answer),    TEST(test_rude),  TEST(test_file),
		TEST(test_replaced),  TEST(test_taken), TEST(test_stale),
		TEST(test_no_folder), TEST(test_owner), TEST(test_foreign_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
