/* What somebody who wishes us ill, or a failing disk, does to an archive. */
#include <sqlite3.h>
#include <stdlib.h>

#include "archive_world.h"

#define PATCHES_MAX 64
#define CHANGES_MAX 24

/* Where the two octets of the file's format for reading and writing lie; 1 is without WAL, which memory
 * cannot. */
#define FORMAT_OFFSET 18

struct image {
	uint8_t *octets;
	size_t size;
	size_t page_size;
};

static struct image copy_image(const struct world *world)
{
	struct image image = {sqlite3_malloc64(world->size), world->size, world->page_size};

	world_require(image.octets != NULL, "memory");
	memcpy(image.octets, world->image, world->size);
	return image;
}

static void overwrite(struct image *image, size_t offset, struct input *in)
{
	size_t count = 1 + input_u8(in) % 16U;

	while (count-- > 0 && offset < image->size)
		image->octets[offset++] = input_u8(in);
}

/* Rows fill a page from its end. */
static void patch(struct image *image, struct input *in)
{
	uint8_t kind = input_u8(in);
	size_t page = input_u8(in) % (image->size / image->page_size) * image->page_size;
	size_t offset = input_uint(in, 2) % image->page_size;
	size_t other = input_u8(in) % (image->size / image->page_size) * image->page_size;

	switch (kind % 8) {
	case 0:
	case 1:
		overwrite(image, page + offset, in);
		break;
	case 2:
	case 3:
		overwrite(image, page + image->page_size - 1 - offset, in);
		break;
	case 4:
	case 5:
		image->octets[page + offset] ^= (uint8_t)(1U << kind / 8 % 8);
		break;
	case 6:
		memmove(image->octets + page, image->octets + other, image->page_size);
		break;
	case 7:
		/* At least a page, for what comes after this. */
		image->size = page + image->page_size;
		break;
	}
}

void world_patch(const struct world *world, struct input *in)
{
	struct image image = copy_image(world);

	for (int i = 0; i < PATCHES_MAX && input_left(in) > 0; i++)
		patch(&image, in);
	world_write(world, image.octets, image.size);
	sqlite3_free(image.octets);
}

static int64_t special(struct input *in)
{
	static const int64_t values[] = {
		INT64_MIN,
		INT64_MIN + 1,
		INT64_MAX,
		INT64_MAX - 1,
		UINT32_MAX,
		(int64_t)UINT32_MAX + 1,
		INT32_MAX,
		(int64_t)INT32_MAX + 1,
		INT32_MIN,
		65535,
		65536,
		255,
		256,
		/* Half an era of NTP, and a whole one, in ns. */
		INT64_C(2147483648000000000),
		INT64_C(-2147483648000000000),
		INT64_C(4294967296000000000),
		INT64_C(-4294967296000000000),
		/* Years around 1970 that summaries take. */
		INT64_C(150) * 365 * 86400 * 1000000000,
		INT64_C(-150) * 365 * 86400 * 1000000000,
		WORLD_NS,
		WORLD_NS + INT64_C(3600000000000),
		WORLD_NS + INT64_C(86400000000000),
		INT64_C(1) << 61,
		INT64_C(1) << 62,
		INT64_C(60000000000),
		INT64_C(3600000000000),
	};

	return values[input_u8(in) % (sizeof values / sizeof values[0])];
}

static void bind_text(sqlite3_stmt *st, struct input *in)
{
	static const char *const texts[] = {
		"running",
		"finished",
		"broken",
		"invalid",
		"",
		"11010203000000000000000000000000",
		"22010203000000000000000000000000",
		"zz010203000000000000000000000000",
		"1101020300000000000000000000000000",
		"192.0.2.1",
		"2001:db8::1",
		"fe80::1%lo",
		"::ffff:192.0.2.1",
		"256.1.1.1",
		"sent",
		"received",
		"fixed",
		"exponential",
		"unauthenticated",
		"encrypted",
		"owampd",
		"\x1b[31m\n",
	};

	(void)sqlite3_bind_text(st, 1, texts[input_u8(in) % (sizeof texts / sizeof texts[0])], -1,
				SQLITE_STATIC);
}

static void bind_octets(sqlite3_stmt *st, struct input *in)
{
	char text[255];
	int size = input_u8(in) % (int)sizeof text;

	input_fill(in, text, (size_t)size);
	(void)sqlite3_bind_text(st, 1, text, size, SQLITE_TRANSIENT);
}

static void bind_value(sqlite3_stmt *st, struct input *in)
{
	uint8_t kind = input_u8(in);

	if (kind < 80)
		(void)sqlite3_bind_int64(st, 1, (int8_t)input_u8(in));
	else if (kind < 160)
		(void)sqlite3_bind_int64(st, 1, special(in));
	else if (kind < 200)
		(void)sqlite3_bind_int64(st, 1, (int64_t)input_uint(in, 8));
	else if (kind < 240)
		bind_text(st, in);
	else if (kind < 250)
		bind_octets(st, in);
}

/* A few rows, or all of the table. */
static int rows_of(struct input *in)
{
	uint8_t octet = input_u8(in);

	return octet < 240 ? 1 + octet / 60 : -1;
}

static void run(sqlite3 *db, const char *sql, struct input *in, int copies)
{
	sqlite3_stmt *st = NULL;
	int skipped = input_u8(in);
	int rows = rows_of(in);

	/* A file cannot become long here; what is in it can be odd. */
	if (copies > 20)
		rows = 1;
	world_require(sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK, sqlite3_errmsg(db));
	bind_value(st, in);
	(void)sqlite3_bind_int(st, 2, skipped % 64);
	(void)sqlite3_bind_int(st, 3, rows);
	(void)sqlite3_bind_int(st, 4, copies);
	/* A value of a type that the column cannot have is refused. */
	(void)sqlite3_step(st);
	(void)sqlite3_finalize(st);
}

static void change(const struct world *world, sqlite3 *db, struct input *in)
{
	const struct world_column *column = &world->columns[input_u8(in) % world->column_count];
	uint8_t what = input_u8(in);

	if (what < 160)
		run(db, column->change, in, 0);
	else if (what < 200)
		run(db, column->copy, in, 1 + what % 4);
	else if (what < 210)
		run(db, column->copy, in, 10 * input_u8(in));
	else if (what < 250)
		run(db, column->drop, in, 0);
	else
		(void)sqlite3_exec(db, what % 2 ? "PRAGMA user_version = 0" : "PRAGMA user_version = 3", NULL,
				   NULL, NULL);
}

void world_rewrite(const struct world *world, struct input *in)
{
	struct image image = copy_image(world);
	sqlite3 *db = NULL;
	sqlite3_int64 size = 0;
	uint8_t *result;

	memset(image.octets + FORMAT_OFFSET, 1, 2);
	world_require(sqlite3_open(":memory:", &db) == SQLITE_OK &&
			      sqlite3_deserialize(db, "main", image.octets, (sqlite3_int64)image.size,
						  (sqlite3_int64)image.size,
						  SQLITE_DESERIALIZE_FREEONCLOSE |
							  SQLITE_DESERIALIZE_RESIZEABLE) == SQLITE_OK &&
			      sqlite3_exec(db, "PRAGMA ignore_check_constraints = ON; BEGIN", NULL, NULL,
					   NULL) == SQLITE_OK,
		      "an archive in memory");
	for (int i = 0; i < CHANGES_MAX && input_left(in) > 0; i++)
		change(world, db, in);
	world_require(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK, sqlite3_errmsg(db));
	result = sqlite3_serialize(db, "main", &size, SQLITE_SERIALIZE_NOCOPY);
	world_require(result != NULL, "its octets");
	memset(result + FORMAT_OFFSET, 2, 2);
	world_write(world, result, (size_t)size);
	world_require(sqlite3_close(db) == SQLITE_OK, "memory is given back");
}
