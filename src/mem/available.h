// SPDX-License-Identifier: BSD-3-Clause
//
// How much memory the system could give, read from its files.
#ifndef MEM_AVAILABLE_H
#define MEM_AVAILABLE_H

#include <stdint.h>

// segment_available, with all paths below `root` ("" is the real ones).
uint64_t available_below(const char *root, int numa);

#endif
