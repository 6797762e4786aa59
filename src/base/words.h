// SPDX-License-Identifier: BSD-3-Clause
//
// Guessing which word was meant, and naming those that there are.
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include <stddef.h>

// The one of `words` that is fewest typing mistakes away from `word`: letters that are wrong, missing, too
// many, or swapped with the next. At most two, and not more than half of the word. Of equally near ones the
// first. NULL: nothing is near.
const char *word_nearest(const char *word, const char *const *words, size_t count);

// "; did you mean node?" for the nearest, to be put behind what is wrong; "" when nothing is near. Returns `text`, of
// which `room` bytes are written.
const char *word_hint(const char *word, const char *const *words, size_t count, char *text,
                      size_t room);

// "core, numa and node", cut off at `room`. Returns `text`.
const char *words_join(const char *const *words, size_t count, char *text, size_t room);

#endif
