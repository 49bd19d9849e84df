#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

#include "owping/stats_run.h"
#include "owping/stats_table.h"

struct row {
	char **cells;
	size_t count;
	const char *color;
};

struct stats_table {
	const char *const *headers;
	size_t columns;
	struct row *rows; /* the last one is being filled */
	size_t row_count;
	size_t capacity;
	bool failed;
};

static int add_row(struct stats_table *table)
{
	char **cells = calloc(table->columns, sizeof *cells);

	if (table->row_count == table->capacity) {
		size_t capacity = table->capacity ? 2 * table->capacity : 16;
		struct row *rows = reallocarray(table->rows, capacity, sizeof *rows);

		if (rows) {
			table->rows = rows;
			table->capacity = capacity;
		}
	}
	if (!cells || table->row_count == table->capacity) {
		free(cells);
		table->failed = true;
		return OWAMP_ENOMEM;
	}
	table->rows[table->row_count++] = (struct row){.cells = cells};
	return 0;
}

int stats_table_new(struct stats_table **table, const char *const *headers, size_t columns)
{
	*table = calloc(1, sizeof **table);
	if (!*table)
		return OWAMP_ENOMEM;
	(*table)->headers = headers;
	(*table)->columns = columns;
	return add_row(*table);
}

void stats_table_free(struct stats_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->row_count; i++) {
		for (size_t j = 0; j < table->rows[i].count; j++)
			free(table->rows[i].cells[j]);
		free(table->rows[i].cells);
	}
	free(table->rows);
	free(table);
}

void stats_table_add(struct stats_table *table, const char *format, ...)
{
	struct row *row;
	va_list list;
	char *text;
	int length;

	if (table->failed)
		return;
	row = &table->rows[table->row_count - 1];
	va_start(list, format);
	length = row->count < table->columns ? vasprintf(&text, format, list) : -1;
	va_end(list);
	if (length < 0)
		table->failed = true;
	else
		row->cells[row->count++] = stats_clean(text);
}

void stats_table_row(struct stats_table *table, const char *color)
{
	if (table->failed)
		return;
	table->rows[table->row_count - 1].color = color;
	(void)add_row(table);
}

size_t stats_columns(const char *text)
{
	size_t columns = 0;

	for (; *text; text++)
		columns += ((unsigned char)*text & 0xc0) != 0x80;
	return columns;
}

static const char *cell(const struct row *row, size_t column)
{
	return column < row->count ? row->cells[column] : "";
}

static size_t width_of(const struct stats_table *table, size_t column)
{
	size_t width = stats_columns(table->headers[column] + (table->headers[column][0] == '<'));

	for (size_t i = 0; i + 1 < table->row_count; i++) {
		size_t own = stats_columns(cell(&table->rows[i], column));

		if (own > width)
			width = own;
	}
	return width;
}

static void print_cell(FILE *out, const char *text, size_t width, bool left, bool last)
{
	size_t own = stats_columns(text);
	int pad = (int)(width - own);

	if (left)
		fprintf(out, "%s%*s", text, last ? 0 : pad, "");
	else
		fprintf(out, "%*s%s", pad, "", text);
	if (!last)
		fputs("  ", out);
}

static void print_line(const struct stats_table *table, FILE *out, const size_t *widths,
		       const struct row *row)
{
	for (size_t i = 0; i < table->columns; i++) {
		bool left = table->headers[i][0] == '<';

		print_cell(out, row ? cell(row, i) : table->headers[i] + left, widths[i], left,
			   i + 1 == table->columns);
	}
}

int stats_table_print(const struct stats_table *table, FILE *out, bool colors)
{
	size_t *widths = calloc(table->columns, sizeof *widths);

	if (!widths || table->failed) {
		free(widths);
		return OWAMP_ENOMEM;
	}
	for (size_t i = 0; i < table->columns; i++)
		widths[i] = width_of(table, i);
	print_line(table, out, widths, NULL);
	fputc('\n', out);
	for (size_t i = 0; i + 1 < table->row_count; i++) {
		const char *color = colors ? table->rows[i].color : NULL;

		fputs(color ? color : "", out);
		print_line(table, out, widths, &table->rows[i]);
		fputs(color ? STATS_COLOR_END "\n" : "\n", out);
	}
	free(widths);
	return 0;
}
