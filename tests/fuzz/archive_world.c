#include "archive_world.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <owamp/error.h>

#include "storage/archive.h"
#include "storage/summary.h"

#define SECOND_NS INT64_C(1000000000)

void world_require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

/* A session of the archive: what is not here is the same in all of them. */
struct sort {
	uint8_t sid;
	uint8_t ipvn;
	uint32_t packets;
	int64_t apart_ns; /* packets */
	bool received;
	bool summed_up;
	bool pruned;
	enum archive_outcome outcome;
};

static void put_packets(struct archive *archive, int64_t session_id, const struct sort *sort)
{
	uint32_t arrival = 0;

	for (uint32_t i = 0; i < sort->packets; i++) {
		struct owamp_record record = {
			.seq = i % 7 == 5 ? i - 1 : i,
			.send_time = owamp_ntp_from_unix_ns(WORLD_NS + (int64_t)i * sort->apart_ns) + i,
			.send_error = i % 5 ? 0x8a01 : 0x0a01,
			.receive_error = 0x8b02,
			.ttl = 250,
			.duplicate = i % 7 == 5,
			.dropped = i % 12 == 3,
		};

		if (i % 6 != 3)
			record.receive_time = record.send_time + 42949672U * (1 + i % 9);
		world_require(archive_packet_insert(archive, session_id, arrival++, &record, WORLD_NS) == 0,
			      "a packet is put");
	}
}

static void sum_up(struct archive *archive, int64_t session_id)
{
	struct summary_rebuild *rebuild;
	bool more = true;

	world_require(summary_rebuild_new(&rebuild, archive, session_id) == 0, "a session is summed up");
	while (more)
		world_require(summary_rebuild_step(rebuild, 1000, &more) == 0, "a step of it");
	summary_rebuild_free(rebuild);
}

static void put_end(struct archive *archive, int64_t session_id, const struct sort *sort)
{
	const struct owamp_skip_range skips[] = {{10, 12}, {20, 20}};
	const struct owamp_stop_session stop = {.next_seq = sort->packets, .skip_count = 2, .skips = skips};
	const struct owamp_send_health sent = {.sent = sort->packets, .send_errors = 1, .last_errno = 11};
	const struct owamp_receive_health received = {.socket_drops = 3, .strangers = 1};
	const struct archive_end end = {
		.outcome = sort->outcome,
		.reason = sort->outcome == ARCHIVE_FINISHED ? NULL : "the connection broke",
		.stop = sort->outcome == ARCHIVE_FINISHED ? &stop : NULL,
		.end_ns = WORLD_NS + sort->packets * sort->apart_ns,
		.summaries_due = true,
		.send_health = sort->received ? NULL : &sent,
		.receive_health = sort->received ? &received : NULL,
	};

	if (sort->outcome == ARCHIVE_RUNNING)
		return;
	world_require(archive_begin(archive) == 0 &&
			      archive_session_finish(archive, session_id, &end, sort->packets) == 0 &&
			      archive_commit(archive) == 0,
		      "a session ends");
}

static void put_session(struct archive *archive, const struct sort *sort)
{
	struct owamp_slot slots[] = {{OWAMP_SLOT_EXPONENTIAL, 1U << 30}, {OWAMP_SLOT_FIXED, 1U << 31}};
	const struct archive_session session = {
		.request = {.ipvn = sort->ipvn,
			    .conf_receiver = sort->received,
			    .conf_sender = !sort->received,
			    .packets = sort->packets,
			    .sender_port = 8760,
			    .receiver_port = 8761,
			    .sender_address = {192, 0, 2, 1},
			    .receiver_address = {192, 0, 2, 2},
			    .sid = {sort->sid, 1, 2, 3},
			    .start = owamp_ntp_from_unix_ns(WORLD_NS),
			    .timeout = (owamp_interval)2 << 32,
			    .slot_count = 2,
			    .slots = slots},
		.mode = sort->received ? OWAMP_MODE_AUTHENTICATED : OWAMP_MODE_OPEN,
		.received = sort->received,
		.identity = sort->received ? "someone" : NULL,
		.class_name = sort->received ? "root" : NULL,
		.peer = WORLD_IPV4,
		.sender_name = sort->ipvn == 4 ? WORLD_NAME : NULL,
		.program = "owampd",
		.created_ns = WORLD_NS,
	};
	int64_t session_id;
	bool more = sort->pruned;

	world_require(archive_begin(archive) == 0, "a transaction for a session");
	world_require(archive_session_insert(archive, &session, &session_id) == 0, "a session is put");
	put_packets(archive, session_id, sort);
	world_require(archive_commit(archive) == 0, "its packets are put");
	put_end(archive, session_id, sort);
	if (sort->summed_up)
		sum_up(archive, session_id);
	while (more)
		world_require(archive_begin(archive) == 0 &&
				      archive_session_remove(archive, session_id, false, 100, &more) == 0 &&
				      archive_commit(archive) == 0,
			      "its packets are removed");
}

static void fill(struct archive *archive)
{
	static const struct sort sorts[] = {
		{.sid = 0x11,
		 .ipvn = 4,
		 .packets = 50,
		 .apart_ns = 90 * SECOND_NS,
		 .received = true,
		 .summed_up = true,
		 .outcome = ARCHIVE_FINISHED},
		{.sid = 0x22, .ipvn = 6, .packets = 12, .apart_ns = SECOND_NS},
		{.sid = 0x33,
		 .ipvn = 4,
		 .packets = 15,
		 .apart_ns = SECOND_NS,
		 .received = true,
		 .outcome = ARCHIVE_BROKEN},
		{.sid = 0x44,
		 .ipvn = 6,
		 .packets = 30,
		 .apart_ns = SECOND_NS,
		 .summed_up = true,
		 .pruned = true,
		 .outcome = ARCHIVE_FINISHED},
	};
	const struct owamp_clock_source_status source = {
		.name = "roof",
		.source = OWAMP_CLOCK_GPS_PPS,
		.state = OWAMP_CLOCK_VALID,
		.measured = true,
		.offset_ns = -800,
		.bound_ns = 2000,
		.text = "used: smallest bound",
	};
	struct archive_clock clock = {
		.time_ns = WORLD_NS, .program = "owampd", .source = "kernel", .synchronized = true};

	for (size_t i = 0; i < sizeof sorts / sizeof sorts[0]; i++)
		put_session(archive, &sorts[i]);
	world_require(archive_begin(archive) == 0, "a transaction for the clock");
	for (int i = 0; i < 3; i++) {
		clock.time_ns += SECOND_NS;
		clock.step_ns = i == 1 ? -SECOND_NS : 0;
		world_require(archive_clock_insert(archive, &clock) == 0, "the clock is put");
		world_require(archive_clock_source_insert(archive, clock.program, &source) ==
				      0,
			      "its source is put");
	}
	world_require(archive_commit(archive) == 0, "the clock is there");
}

/* A memory file system where there is one: the file is written for each input. */
static void choose_dir(struct world *world)
{
	snprintf(world->dir, sizeof world->dir, "/dev/shm/fuzz-archive-XXXXXX");
	if (!mkdtemp(world->dir)) {
		snprintf(world->dir, sizeof world->dir, "/tmp/fuzz-archive-XXXXXX");
		world_require(mkdtemp(world->dir) != NULL, "a directory for the archive");
	}
	snprintf(world->path, sizeof world->path, "%s/archive.sqlite", world->dir);
}

static void read_image(struct world *world)
{
	int fd = open(world->path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	world_require(fd >= 0 && fstat(fd, &status) == 0, "the archive is there");
	world->size = (size_t)status.st_size;
	world->image = malloc(world->size);
	world_require(world->image && read(fd, world->image, world->size) == (ssize_t)world->size,
		      "the archive is read");
	close(fd);
	world->page_size = (size_t)world->image[16] << 8 | world->image[17];
	world_require(world->page_size >= 512 && world->size % world->page_size == 0, "it has pages");
}

/*
 * In a copy of a session or an endpoint the key is a new one and the SID another,
 * unless that is the column in question.
 */
static const char columns_sql[] =
	"WITH c AS (SELECT t.name AS t, x.name AS c FROM pragma_table_list t JOIN pragma_table_xinfo(t.name) "
	"x"
	" WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND x.hidden = 0"
	" ORDER BY t.name, x.cid),"
	" k AS (SELECT t, c, (SELECT group_concat(name) FROM pragma_table_xinfo(t) WHERE pk) AS pk,"
	" (SELECT group_concat(name) FROM pragma_table_xinfo(t) WHERE hidden = 0) AS all_columns,"
	" (SELECT group_concat(CASE WHEN name = c THEN 'iif(typeof(?1) = ''integer'', ?1 + i, ?1)'"
	" WHEN name = 'sid' THEN 'printf(''%016x%016x'', ?2 + 1, i)'"
	" WHEN pk AND (SELECT count(*) FROM pragma_table_xinfo(t) WHERE pk) = 1 THEN 'NULL'"
	" ELSE name END) FROM pragma_table_xinfo(t) WHERE hidden = 0) AS replaced FROM c)"
	" SELECT printf('UPDATE OR REPLACE %s SET %s = ?1 WHERE (%s) IN (SELECT %s FROM %s LIMIT ?3 OFFSET "
	"?2)',"
	" t, c, pk, pk, t),"
	" printf('WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT ?4) INSERT OR IGNORE"
	" INTO %s (%s) SELECT %s FROM (SELECT * FROM %s LIMIT ?3 OFFSET ?2), n', t, all_columns, replaced, "
	"t),"
	" printf('DELETE FROM %s WHERE (%s) IN (SELECT %s FROM %s LIMIT ?3 OFFSET ?2)', t, pk, pk, t) FROM k";

static char *copy_text(sqlite3_stmt *st, int column)
{
	char *text = strdup((const char *)sqlite3_column_text(st, column));

	world_require(text != NULL, "memory");
	return text;
}

static void list_columns(struct world *world, sqlite3 *db)
{
	sqlite3_stmt *st = NULL;

	world_require(sqlite3_prepare_v2(db, columns_sql, -1, &st, NULL) == SQLITE_OK, sqlite3_errmsg(db));
	while (sqlite3_step(st) == SQLITE_ROW) {
		struct world_column *column = &world->columns[world->column_count++];

		world_require(world->column_count <= WORLD_COLUMNS_MAX, "few columns");
		column->change = copy_text(st, 0);
		column->copy = copy_text(st, 1);
		column->drop = copy_text(st, 2);
	}
	world_require(sqlite3_finalize(st) == SQLITE_OK && world->column_count > 80,
		      "the columns are listed");
}

/* Nothing here looks at them, and to read them takes more time than all the rest. */
static void drop_views(sqlite3 *db)
{
	char *sql = NULL;

	for (;;) {
		sqlite3_stmt *st = NULL;

		world_require(sqlite3_prepare_v2(db,
						 "SELECT printf('DROP VIEW %s', name) FROM sqlite_schema"
						 " WHERE type = 'view' LIMIT 1",
						 -1, &st, NULL) == SQLITE_OK,
			      sqlite3_errmsg(db));
		sql = sqlite3_step(st) == SQLITE_ROW ? copy_text(st, 0) : NULL;
		(void)sqlite3_finalize(st);
		if (!sql)
			break;
		world_require(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sqlite3_errmsg(db));
		free(sql);
	}
	world_require(sqlite3_exec(db, "VACUUM", NULL, NULL, NULL) == SQLITE_OK, sqlite3_errmsg(db));
}

struct world *world_new(void)
{
	struct world *world = calloc(1, sizeof *world);
	struct archive *archive;
	char error[400];

	world_require(world != NULL, "memory");
	world_set_memory();
	choose_dir(world);
	world_require(archive_open(&archive, world->path, ARCHIVE_WRITE, error, sizeof error) == 0, error);
	fill(archive);
	list_columns(world, archive_sqlite(archive));
	drop_views(archive_sqlite(archive));
	archive_close(archive);
	read_image(world);
	return world;
}

void world_write(const struct world *world, const uint8_t *image, size_t size)
{
	int fd = open(world->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	world_require(fd >= 0 && write(fd, image, size) == (ssize_t)size, "the file is written");
	close(fd);
}

static void remove_files(const struct world *world)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
	char name[sizeof world->path + 10];

	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		snprintf(name, sizeof name, "%s%s", world->path, suffixes[i]);
		(void)unlink(name);
	}
}

void world_reset(const struct world *world)
{
	remove_files(world);
	world_write(world, world->image, world->size);
}

void world_remove(const struct world *world)
{
	remove_files(world);
	(void)rmdir(world->dir);
}
