// SPDX-License-Identifier: BSD-3-Clause
//
// Guessing which word was meant.
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include <stddef.h>

// The one of `words` that is fewest typing mistakes away from `word`: letters that are wrong, missing, too
// many, or swapped with the next. At most two, and not more than half of the word. Of equally near ones the
// first. NULL: nothing is near.
const char *word_nearest(const char *word, const char *const *words, size_t count);

#endif
