// SPDX-License-Identifier: BSD-3-Clause
//
// Tables: cells are collected row by row, then printed with columns as wide as their widest
// cell. What comes from users (names of groups) may hold anything, so bytes that a terminal would obey
// are replaced.
#include "config.h"

#include "cli/table.h"

#include "base/base.h"

#include <stdarg.h>

struct table {
    const char *const *headers; // borrowed
    size_t columns;
    char **cells; // owned
    size_t count, room;
    bool failed; // memory ran out
};

struct table *table_create(const char *const *headers)
{
    struct table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    table->headers = headers;
    while (headers[table->columns])
        table->columns++;
    return table;
}

void table_destroy(struct table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table);
}

static void clean(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at; at++) {
        if (*at < ' ' || *at == 0x7f)
            *at = '?';
        if (*at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0)
            at[0] = at[1] = '?'; // U+0080 to U+009F in UTF-8
    }
}

void table_add(struct table *table, const char *format, ...)
{
    if (table->count == table->room) {
        size_t room = table->room ? 2 * table->room : 64;
        char **grown = realloc(table->cells, room * sizeof *grown);
        if (!grown) {
            table->failed = true;
            return;
        }
        table->cells = grown;
        table->room = room;
    }
    char *text;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) {
        table->failed = true;
        return;
    }
    clean(text);
    table->cells[table->count++] = text;
}

// In characters: bytes that continue one of UTF-8 do not count.
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static bool is_right(const char *header)
{
    return *header == '>';
}

static const char *title(const char *header)
{
    return is_right(header) ? header + 1 : header;
}

// An empty cell would leave the eye, and the next program, without a word to count by.
static const char *cell_text(const struct table *table, size_t cell)
{
    return *table->cells[cell] ? table->cells[cell] : "-";
}

static size_t column_width(const struct table *table, size_t column)
{
    size_t width = width_of(title(table->headers[column]));
    for (size_t i = column; i < table->count; i += table->columns) {
        size_t cell = width_of(cell_text(table, i));
        if (cell > width)
            width = cell;
    }
    return width;
}

// The last column is not filled up, so that no line ends in blanks.
static void print_cell(const struct table *table, size_t column, const char *text, size_t width,
                       FILE *file)
{
    int fill = (int)(width - width_of(text));
    bool last = column + 1 == table->columns;
    if (is_right(table->headers[column]))
        fprintf(file, "%*s%s", fill, "", text);
    else
        fprintf(file, "%s%*s", text, last ? 0 : fill, "");
    fputs(last ? "\n" : "  ", file);
}

bool table_print(const struct table *table, FILE *file)
{
    size_t *widths = calloc(table->columns, sizeof *widths);
    if (!widths || table->failed) {
        free(widths);
        return false;
    }
    for (size_t i = 0; i < table->columns; i++)
        widths[i] = column_width(table, i);
    for (size_t i = 0; i < table->columns; i++)
        print_cell(table, i, title(table->headers[i]), widths[i], file);
    for (size_t i = 0; i < table->count; i++)
        print_cell(table, i % table->columns, cell_text(table, i), widths[i % table->columns],
                   file);
    free(widths);
    return !ferror(file);
}
