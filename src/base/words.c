// SPDX-License-Identifier: BSD-3-Clause
//
// Words: see words.h. Their distance is that of optimal string alignment, with three rows of the usual table.
#include "config.h"

#include "base/base.h"

enum { WORD_LIMIT = 64, DISTANCE_LIMIT = 2 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

// Both lengths are below WORD_LIMIT.
static size_t distance_of(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][WORD_LIMIT];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t k = 0; k <= b_length; k++)
        row[k] = k;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
        row[0] = i;
        for (size_t k = 1; k <= b_length; k++) {
            row[k] = smaller(above[k] + 1, row[k - 1] + 1);
            row[k] = smaller(row[k], above[k - 1] + (a[i - 1] != b[k - 1]));
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                row[k] = smaller(row[k], before[k - 2] + 1);
        }
    }
    return row[b_length];
}

const char *word_nearest(const char *word, const char *const *words, size_t count)
{
    size_t length = strlen(word);
    if (length >= WORD_LIMIT)
        return NULL;
    const char *nearest = NULL;
    size_t best = smaller(DISTANCE_LIMIT, length / 2) + 1;
    for (size_t i = 0; i < count; i++) {
        size_t other = strlen(words[i]);
        // Words whose lengths differ by as much cannot be nearer.
        if (other >= WORD_LIMIT || (other > length ? other - length : length - other) >= best)
            continue;
        size_t distance = distance_of(word, length, words[i], other);
        if (distance < best) {
            best = distance;
            nearest = words[i];
        }
    }
    return nearest;
}

const char *word_hint(const char *word, const char *const *words, size_t count, char *text,
                      size_t room)
{
    const char *near = word_nearest(word, words, count);
    snprintf(text, room, "%s%s%s", near ? "; did you mean " : "", near ? near : "",
             near ? "?" : "");
    return text;
}

const char *words_join(const char *const *words, size_t count, char *text, size_t room)
{
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < count && used < room; i++) {
        const char *between = i == 0 ? "" : i + 1 < count ? ", " : " and ";
        used += (size_t)snprintf(text + used, room - used, "%s%s", between, words[i]);
    }
    return text;
}
