#include "table.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 24
#define NOTES_MAX   24

struct column {
	const char *key;
	const char *heading;
	int decimals;
};

struct table {
	const char *name;
	const char *title;
	struct column columns[COLUMNS_MAX];
	size_t column_count;
	char **cells;    /* as printed */
	double *numbers; /* of those that are numbers */
	size_t cell_count;
	char *notes[NOTES_MAX];
	size_t note_count;
};

static void *need(void *memory)
{
	if (memory)
		return memory;
	fputs("bench: out of memory\n", stderr);
	exit(1);
}

struct table *table_new(const char *name, const char *title)
{
	struct table *table = need(calloc(1, sizeof *table));

	table->name = name;
	table->title = title;
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->cell_count; i++)
		free(table->cells[i]);
	for (size_t i = 0; i < table->note_count; i++)
		free(table->notes[i]);
	free(table->cells);
	free(table->numbers);
	free(table);
}

const char *table_name(const struct table *table)
{
	return table->name;
}

void table_column(struct table *table, const char *key, const char *heading, int decimals)
{
	if (table->column_count == COLUMNS_MAX)
		need(NULL);
	table->columns[table->column_count++] = (struct column){key, heading, decimals};
}

static const struct column *add_cell(struct table *table, char *text, double number)
{
	size_t count = table->cell_count++;

	table->cells = need(reallocarray(table->cells, count + 1, sizeof *table->cells));
	table->numbers = need(reallocarray(table->numbers, count + 1, sizeof *table->numbers));
	table->cells[count] = need(text);
	table->numbers[count] = number;
	return &table->columns[count % table->column_count];
}

void table_text(struct table *table, const char *text)
{
	(void)add_cell(table, strdup(text), NAN);
}

/* 1234567.8 as "1,234,567.8": long numbers are compared by eye. */
static void print_number(char *text, size_t size, double number, int decimals)
{
	char plain[64];
	size_t digits, used = 0;

	snprintf(plain, sizeof plain, "%.*f", decimals, number);
	digits = strspn(plain, "-0123456789");
	for (size_t i = 0; plain[i] && used + 2 < size; i++) {
		bool first = i == 0 || (i == 1 && plain[0] == '-');

		if (!first && i < digits && (digits - i) % 3 == 0)
			text[used++] = ',';
		text[used++] = plain[i];
	}
	text[used] = '\0';
}

void table_number(struct table *table, double number)
{
	int decimals = table->columns[table->cell_count % table->column_count].decimals;
	char text[80] = "-";

	if (!isnan(number))
		print_number(text, sizeof text, number, decimals);
	(void)add_cell(table, strdup(text), number);
}

void table_note(struct table *table, const char *format, ...)
{
	va_list arguments;
	char *note = NULL;
	int size;

	va_start(arguments, format);
	size = vasprintf(&note, format, arguments);
	va_end(arguments);
	if (size < 0 || table->note_count == NOTES_MAX)
		need(NULL);
	table->notes[table->note_count++] = note;
}

static int width(const struct table *table, size_t column)
{
	size_t widest = strlen(table->columns[column].heading);

	for (size_t i = column; i < table->cell_count; i += table->column_count) {
		if (strlen(table->cells[i]) > widest)
			widest = strlen(table->cells[i]);
	}
	return (int)widest;
}

static void print_cell(const struct table *table, size_t column, const char *text)
{
	bool last = column + 1 == table->column_count;

	if (table->columns[column].decimals >= 0)
		printf("%*s%s", width(table, column), text, last ? "\n" : "  ");
	else if (last)
		printf("%s\n", text);
	else
		printf("%-*s  ", width(table, column), text);
}

void table_print(const struct table *table)
{
	printf("\n%s\n\n", table->title);
	for (size_t i = 0; i < table->column_count && table->cell_count > 0 && table->columns[0].heading[0];
	     i++)
		print_cell(table, i, table->columns[i].heading);
	for (size_t i = 0; i < table->cell_count; i++)
		print_cell(table, i % table->column_count, table->cells[i]);
	if (table->note_count > 0 && table->cell_count > 0)
		putchar('\n');
	for (size_t i = 0; i < table->note_count; i++)
		printf("%s\n", table->notes[i]);
	(void)fflush(stdout);
}

static json_t *cell_json(const struct table *table, size_t cell)
{
	if (table->columns[cell % table->column_count].decimals < 0)
		return json_string(table->cells[cell]);
	return isnan(table->numbers[cell]) ? json_null() : json_real(table->numbers[cell]);
}

json_t *table_json(const struct table *table)
{
	json_t *rows = need(json_array()), *notes = need(json_array());
	json_t *row = NULL;

	for (size_t i = 0; i < table->cell_count; i++) {
		if (i % table->column_count == 0) {
			row = need(json_object());
			json_array_append_new(rows, row);
		}
		json_object_set_new(row, table->columns[i % table->column_count].key, cell_json(table, i));
	}
	for (size_t i = 0; i < table->note_count; i++)
		json_array_append_new(notes, json_string(table->notes[i]));
	return need(json_pack("{s:s, s:o, s:o}", "title", table->title, "rows", rows, "notes", notes));
}
