// SPDX-License-Identifier: BSD-3-Clause
//
// Sizes, times and lists of numbers as text, and back.
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include "base/base.h"

#include <dragon/policy.h>

// "251.6 GiB", "2h 3m". `room` bytes are written.
void text_size(uint64_t bytes, char *text, size_t room);
void text_age(uint64_t ms, char *text, size_t room);

// "core"; "" for UNSET. Static.
const char *text_bind(dragon_bind_t bind);

// The set flags as "0-3,8". The caller frees; NULL: out of memory.
char *text_ranges(const bool *flags, uint32_t count);

// A copy with a '?' for each byte that is not ASCII, for what has to be UTF-8 and is not. The caller frees; NULL:
// out of memory.
char *text_plain(const char *text);

// Calls `fn` for each number of a list as plans have it, "0-3,8" or "0,1.1" (tiles do not count), each at
// most `limit`. False: it is no such list, or `fn` said so.
bool numbers_each(const char *list, uint32_t limit, bool (*fn)(void *arg, uint32_t number),
                  void *arg);

#endif
