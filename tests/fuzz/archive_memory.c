/*
 * SQLite's memory by a way of its own: the sanitizer does not see into SQLite,
 * and to look after each of its many small pieces takes three quarters of all
 * time. What is not given back is counted here instead.
 */
#include <sqlite3.h>
#include <stdlib.h>

#include "archive_world.h"

/* The C library's own, below the sanitizer. */
void *__libc_malloc(size_t size);
void *__libc_realloc(void *octets, size_t size);
void __libc_free(void *octets);

/* Before each piece: its size. */
#define HEAD 16

static size_t pieces;

static int size_of(void *octets)
{
	return octets ? *(int *)(void *)((char *)octets - HEAD) : 0;
}

static void *keep(void *head, int size)
{
	if (!head)
		return NULL;
	*(int *)head = size;
	return (char *)head + HEAD;
}

static void *give(int size)
{
	void *octets = keep(__libc_malloc((size_t)size + HEAD), size);

	pieces += octets != NULL;
	return octets;
}

static void take_back(void *octets)
{
	if (!octets)
		return;
	pieces--;
	__libc_free((char *)octets - HEAD);
}

static void *resize(void *octets, int size)
{
	return keep(__libc_realloc((char *)octets - HEAD, (size_t)size + HEAD), size);
}

static int round_up(int size)
{
	return (size + 7) & ~7;
}

static int begin(void *context)
{
	(void)context;
	return SQLITE_OK;
}

static void end(void *context)
{
	(void)context;
}

void world_set_memory(void)
{
	const struct sqlite3_mem_methods methods = {give,     take_back, resize, size_of,
						    round_up, begin,     end,    NULL};

	world_require(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK &&
			      sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK &&
			      sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) == SQLITE_OK,
		      "SQLite takes its memory from here");
}

size_t world_memory(void)
{
	return pieces;
}
