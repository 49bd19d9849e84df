#include "archive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#define ROUNDS_MAX 15

static bool add(struct queries *queries, const char *name, const char *sql, bool everyday)
{
	struct query *query = &queries->list[queries->count];

	if (queries->count == QUERIES_MAX) {
		fprintf(stderr, "archive: more than %d queries\n", QUERIES_MAX);
		return false;
	}
	*query = (struct query){.name = strdup(name), .sql = strdup(sql), .everyday = everyday};
	queries->count++;
	return query->name && query->sql;
}

static bool append(char **text, const char *line)
{
	char *longer = NULL;

	if (asprintf(&longer, "%s%s", *text ? *text : "", line) < 0)
		return false;
	free(*text);
	*text = longer;
	return true;
}

/* Each block of SQL has the heading above it for a name. */
static bool read_document(struct queries *queries, FILE *file)
{
	char *line = NULL, *sql = NULL, *heading = NULL;
	size_t size = 0;
	bool ok = true, inside = false;

	while (ok && getline(&line, &size, file) > 0) {
		if (inside && strncmp(line, "```", 3) == 0) {
			ok = add(queries, heading ? heading : "", sql ? sql : "", false);
			inside = false;
			free(sql);
			sql = NULL;
		} else if (inside) {
			ok = append(&sql, line);
		} else if (strncmp(line, "```sql", 6) == 0) {
			inside = true;
		} else if (strncmp(line, "### ", 4) == 0) {
			line[strcspn(line, "\n")] = '\0';
			free(heading);
			heading = strdup(line + 4);
		}
	}
	free(line);
	free(sql);
	free(heading);
	return ok;
}

static bool load_document(struct queries *queries, const char *document)
{
	FILE *file = fopen(document, "re");
	bool ok;

	if (!file) {
		fprintf(stderr, "archive: %s: %s\n", document, strerror(errno));
		return false;
	}
	ok = read_document(queries, file);
	fclose(file);
	if (ok && queries->count == 0)
		fprintf(stderr, "archive: %s: there is no query in it\n", document);
	return ok && queries->count > 0;
}

static bool load_views(struct queries *queries, const char *archive)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	bool ok = sqlite3_open_v2(archive, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
		  sqlite3_prepare_v2(db,
				     "SELECT v.name FROM sqlite_schema v, pragma_table_info(v.name) c"
				     " WHERE v.type = 'view' AND c.name = 'sender' ORDER BY v.name",
				     -1, &st, NULL) == SQLITE_OK;

	while (ok && sqlite3_step(st) == SQLITE_ROW) {
		const char *view = (const char *)sqlite3_column_text(st, 0);
		char name[128], sql[256];

		snprintf(name, sizeof name, "view %s, one pair", view);
		snprintf(sql, sizeof sql,
			 "SELECT * FROM %s WHERE sender = @sender AND receiver = @receiver;\n", view);
		ok = add(queries, name, sql, true);
	}
	if (!ok)
		fprintf(stderr, "archive: %s: %s\n", archive, sqlite3_errmsg(db));
	sqlite3_finalize(st);
	sqlite3_close(db);
	return ok;
}

bool queries_load(struct queries *queries, const char *document, const char *archive)
{
	return load_document(queries, document) && load_views(queries, archive);
}

void queries_free(struct queries *queries)
{
	for (size_t i = 0; i < queries->count; i++) {
		free(queries->list[i].name);
		free(queries->list[i].sql);
	}
	queries->count = 0;
}

static FILE *write_script(const struct query *query, const struct query_parameters *p)
{
	FILE *script = tmpfile();

	if (!script)
		return NULL;
	fprintf(script,
		".parameter init\n.parameter set @sender %s\n.parameter set @receiver %s\n"
		".parameter set @from %" PRId64 "\n.parameter set @to %" PRId64
		"\n.parameter set @sid \"'%s'\"\n.timer on\n%s",
		p->sender, p->receiver, p->from_ns, p->to_ns, p->sid, query->sql);
	if (fflush(script) || fseek(script, 0, SEEK_SET)) {
		fclose(script);
		return NULL;
	}
	return script;
}

static void become_sqlite3(const char *archive, int in, int out)
{
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
		execlp("sqlite3", "sqlite3", "-batch", "-bail", "-readonly", archive, (char *)NULL);
	fprintf(stderr, "archive: sqlite3: %s\n", strerror(errno));
	_exit(127);
}

/* Rows up to the time. */
static bool read_answer(int fd, double *ms, uint64_t *rows)
{
	FILE *output = fdopen(fd, "r");
	char *line = NULL;
	size_t size = 0;
	double seconds;
	bool timed = false;

	*rows = 0;
	while (output && getline(&line, &size, output) > 0) {
		if (sscanf(line, "Run Time: real %lf", &seconds) == 1) {
			*ms = 1e3 * seconds;
			timed = true;
		} else {
			++*rows;
		}
	}
	free(line);
	if (output)
		fclose(output);
	else
		close(fd);
	return timed;
}

static bool ask(const char *archive, const struct query *query, const struct query_parameters *parameters,
		double *ms, uint64_t *rows)
{
	FILE *script = write_script(query, parameters);
	int ends[2], status = -1;
	bool timed = false;
	pid_t pid;

	if (!script || pipe2(ends, O_CLOEXEC)) {
		fprintf(stderr, "archive: %s\n", strerror(errno));
		if (script)
			fclose(script);
		return false;
	}
	pid = fork();
	if (pid == 0)
		become_sqlite3(archive, fileno(script), ends[1]);
	close(ends[1]);
	if (pid > 0)
		timed = read_answer(ends[0], ms, rows);
	else
		close(ends[0]);
	fclose(script);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0 ||
	    !timed) {
		fprintf(stderr, "archive: sqlite3 did not answer: %s\n", query->name);
		return false;
	}
	return true;
}

static int compare(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

bool queries_run(struct queries *queries, const char *archive, const struct query_parameters *parameters,
		 unsigned rounds)
{
	if (rounds > ROUNDS_MAX)
		rounds = ROUNDS_MAX;
	for (size_t i = 0; i < queries->count; i++) {
		struct query *query = &queries->list[i];
		double ms[ROUNDS_MAX];

		for (unsigned round = 0; round < rounds; round++) {
			if (!ask(archive, query, parameters, &ms[round], &query->rows))
				return false;
		}
		qsort(ms, rounds, sizeof ms[0], compare);
		query->ms = ms[rounds / 2];
	}
	return true;
}
