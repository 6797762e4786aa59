// SPDX-License-Identifier: BSD-3-Clause
//
// Tables for people, with columns as wide as what is in them.
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stdio.h>

struct table;

// Headers end with NULL; one that begins with '>' is of a column that is flushed right. They are kept by the caller.
struct table *table_create(const char *const *headers); // NULL: out of memory
void table_destroy(struct table *table);                // NULL is fine

// The next cell of the present row; a row is full when it has as many as there are headers. An empty cell is
// printed as "-".
__attribute__((format(printf, 2, 3))) void table_add(struct table *table, const char *format, ...);
bool table_print(const struct table *table, FILE *file); // false: it failed, now or before

#endif
