// SPDX-License-Identifier: BSD-3-Clause
//
// Guessing which word was meant.
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include <stddef.h>

// The one of `count` words that is nearest to `word`: at most two letters wrong, missing, too many or
// swapped, one in words of up to three letters. The first of several; NULL: none is near.
const char *word_nearest(const char *word, const char *const *words, size_t count);

#endif
