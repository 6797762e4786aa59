// SPDX-License-Identifier: BSD-3-Clause
//
// Guessing which word was meant: see words.h.
#include "config.h"

#include "base/words.h"

#include "base/base.h"

enum { LENGTH_LIMIT = 64, SHORT_WORD = 3 };

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned less = a < b ? a : b;
    return less < c ? less : c;
}

// The edit distance, with two neighbours swapped as one step: three rows of the table are kept.
static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned rows[3][LENGTH_LIMIT + 1];
    for (size_t k = 0; k <= b_length; k++)
        rows[0][k] = (unsigned)k;
    for (size_t i = 1; i <= a_length; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t k = 1; k <= b_length; k++) {
            row[k] = least(above[k] + 1, row[k - 1] + 1, above[k - 1] + (a[i - 1] != b[k - 1]));
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] &&
                before[k - 2] + 1 < row[k])
                row[k] = before[k - 2] + 1;
        }
    }
    return rows[a_length % 3][b_length];
}

const char *word_nearest(const char *word, const char *const *words, size_t count)
{
    size_t length = strlen(word);
    unsigned least_so_far = length <= SHORT_WORD ? 2 : 3;
    const char *nearest = NULL;
    for (size_t i = 0; i < count && length && length <= LENGTH_LIMIT; i++) {
        size_t other = strlen(words[i]);
        if (other > LENGTH_LIMIT)
            continue;
        unsigned here = distance(word, length, words[i], other);
        if (here < least_so_far) {
            least_so_far = here;
            nearest = words[i];
        }
    }
    return nearest;
}
