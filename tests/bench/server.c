#include "server.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sqlite3.h>

/* In a namespace all ports are free. */
#define NAMESPACE_PORT 8861

#define STEP_MS 20

#define PORT_TRIES 100

/* A port of loopback that has neither a listener nor a test session; the same one may be the shared test
 * port. */
static bool try_port(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok = tcp >= 0 && udp >= 0 && bind(tcp, (struct sockaddr *)&address, size) == 0 &&
		  getsockname(tcp, (struct sockaddr *)&address, &size) == 0 &&
		  bind(udp, (struct sockaddr *)&address, size) == 0;

	if (tcp >= 0)
		close(tcp);
	if (udp >= 0)
		close(udp);
	*port = ntohs(address.sin_port);
	return ok;
}

static bool free_port(uint16_t *port)
{
	for (int tries = 0; tries < PORT_TRIES; tries++) {
		if (try_port(port))
			return true;
	}
	return false;
}

static bool write_file(const struct server *server, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static bool write_file(const struct server *server, const char *name, const char *format, ...)
{
	char path[128];
	va_list arguments;
	FILE *file;
	bool ok;

	snprintf(path, sizeof path, "%s/%s", server->directory, name);
	file = fopen(path, "we");
	if (!file)
		return false;
	va_start(arguments, format);
	ok = vfprintf(file, format, arguments) >= 0;
	va_end(arguments);
	return fclose(file) == 0 && ok;
}

static bool write_files(const struct server *server, const struct server_config *config)
{
	const char *d = server->directory;
	char more[512] = "";
	int size = 0;

	if (config->archive)
		size += snprintf(more, sizeof more, "archive = \"%s\"\n", server->archive);
	if (config->shared_port)
		size += snprintf(more + size, sizeof more - (size_t)size, "shared_test_port = %u\n",
				 server->port);
	snprintf(more + size, sizeof more - (size_t)size, "%s", config->more ? config->more : "");
	return write_file(server, "keys", "%s\t%s\n", BENCH_KEY_ID, BENCH_SECRET_HEX) &&
	       write_file(server, "limits",
			  "limit root with bandwidth=0, disk=0, test_sessions=0, max_packet_rate=0, "
			  "max_timeout=0, max_duration=0, delete_on_fetch=%s\n"
			  "assign default root\n",
			  config->keep_fetched ? "off" : "on") &&
	       write_file(server, "conf",
			  "listen = {\"%s:%u\"}\ntest_ports = \"0\"\nkeys = \"%s/keys\"\n"
			  "limits = \"%s/limits\"\nconnections_max = 100000\nhandshakes_max = 100000\n"
			  "connections_per_address_max = 100000\nsessions_per_connection_max = 100000\n%s",
			  config->address ? config->address : "127.0.0.1", server->port, d, d, more);
}

bool server_each_line(const struct server *server, bool (*fn)(void *context, const char *line), void *context)
{
	FILE *file = fopen(server->log, "re");
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	while (file && !found && getline(&line, &size, file) >= 0)
		found = fn(context, line);
	free(line);
	if (file)
		fclose(file);
	return found;
}

struct count {
	const char *text;
	unsigned lines;
};

static bool count_line(void *context, const char *line)
{
	struct count *count = context;

	count->lines += strstr(line, count->text) != NULL;
	return false;
}

unsigned server_count_lines(const struct server *server, const char *text)
{
	struct count count = {.text = text};

	(void)server_each_line(server, count_line, &count);
	return count.lines;
}

uint64_t server_number_before(const char *line, const char *words)
{
	const char *at = strstr(line, words);

	while (at && at > line && strchr("0123456789", at[-1]))
		at--;
	return at ? strtoull(at, NULL, 10) : 0;
}

struct drops {
	uint64_t own;
	uint64_t shared;
};

/* Each socket's drops are counted once, whichever way the line names them. */
static bool add_drops(void *context, const char *line)
{
	uint64_t packets = server_number_before(line, " dropped at our own socket");
	uint64_t datagrams = server_number_before(line, " datagrams without room in its buffer");
	uint64_t shared = server_number_before(line, " dropped at the shared port for all its sessions");
	struct drops *drops = context;

	if (shared > drops->shared)
		drops->shared = shared;
	else if (shared == 0)
		drops->own += datagrams > packets ? datagrams : packets;
	return false;
}

uint64_t server_drops(const struct server *server)
{
	struct drops drops = {0, 0};

	(void)server_each_line(server, add_drops, &drops);
	return drops.own + drops.shared;
}

static bool print_line(void *context, const char *line)
{
	(void)context;
	fprintf(stderr, "  %s", line);
	return false;
}

static bool wait_ready(struct server *server)
{
	for (int waited = 0; waited < SERVER_PATIENCE_MS; waited += STEP_MS) {
		if (server_count_lines(server, " ready: ") > 0)
			return true;
		if (process_wait(&server->process, STEP_MS) || process_interrupted())
			return false;
	}
	return false;
}

static bool prepare(struct server *server, const struct server_config *config)
{
	const char *parent = getenv("TMPDIR");

	snprintf(server->directory, sizeof server->directory, "%s/owamp-bench-XXXXXX",
		 parent && strlen(parent) < 32 ? parent : "/tmp");
	if (!mkdtemp(server->directory)) {
		fprintf(stderr, "bench: %s: %s\n", server->directory, strerror(errno));
		server->directory[0] = '\0';
		return false;
	}
	snprintf(server->log, sizeof server->log, "%s/log", server->directory);
	snprintf(server->keys, sizeof server->keys, "%s/keys", server->directory);
	snprintf(server->archive, sizeof server->archive, "%s/archive.sqlite", server->directory);
	server->port = NAMESPACE_PORT;
	if ((config->network >= 0 || free_port(&server->port)) && write_files(server, config))
		return true;
	fprintf(stderr, "bench: preparing owampd: %s\n", strerror(errno));
	return false;
}

bool server_start(struct server *server, const struct server_config *config)
{
	char conf[128];
	const char *const argv[] = {config->program, "--foreground", "--config", conf, NULL};
	const struct process_config process = {
		.argv = argv, .errors = server->log, .network = config->network};

	*server = (struct server){.process = {.pid = -1, .fd = -1}};
	if (prepare(server, config)) {
		snprintf(conf, sizeof conf, "%s/conf", server->directory);
		if (process_start(&server->process, &process) && wait_ready(server))
			return true;
		fprintf(stderr, "bench: owampd did not start:\n");
		(void)server_each_line(server, print_line, NULL);
	}
	server_remove(server);
	return false;
}

bool server_end(struct server *server)
{
	bool ok;

	process_end(&server->process, SIGTERM, SERVER_PATIENCE_MS);
	ok = process_succeeded(&server->process);
	if (!ok) {
		fprintf(stderr, "bench: owampd did not end as it should:\n");
		(void)server_each_line(server, print_line, NULL);
	}
	return ok;
}

void server_remove(struct server *server)
{
	static const char *const names[] = {"keys",
					    "limits",
					    "conf",
					    "log",
					    "archive.sqlite",
					    "archive.sqlite-wal",
					    "archive.sqlite-shm",
					    "archive.sqlite-lock"};
	char path[128];

	process_end(&server->process, SIGTERM, SERVER_PATIENCE_MS);
	if (!server->directory[0])
		return;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", server->directory, names[i]);
		(void)unlink(path);
	}
	if (rmdir(server->directory))
		fprintf(stderr, "bench: %s: %s\n", server->directory, strerror(errno));
	server->directory[0] = '\0';
}

int64_t server_query(const struct server *server, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	int64_t value = -1;

	if (sqlite3_open_v2(server->archive, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
	    sqlite3_busy_timeout(db, 5000) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		value = sqlite3_column_int64(st, 0);
	else
		fprintf(stderr, "bench: %s: %s\n", server->archive, sqlite3_errmsg(db));
	sqlite3_finalize(st);
	sqlite3_close(db);
	return value;
}
