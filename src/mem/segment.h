// SPDX-License-Identifier: BSD-3-Clause
//
// Segments: pieces of memory without a name (memfd), reserved in full when they are made, so that touching them never
// ends in SIGBUS. Made by the keeper, mapped by whoever uses them.
#ifndef MEM_SEGMENT_H
#define MEM_SEGMENT_H

#include "base/base.h"

#include <dragon/memory.h>

struct segment_kind {
    int16_t numa; // the operating system's number, or DRAGON_ANY_NUMA
    uint8_t huge; // dragon_huge_t
};

// A descriptor of `bytes` (rounded up to whole pages of its kind; *bytes_out), without memory yet.
dragon_err_t segment_create(struct segment_kind kind, size_t bytes, int *fd_out, size_t *bytes_out,
                            dragon_error_t *error);
// Reserves [from, to), on the NUMA node of the kind. FULL: the system has no more. INVAL: there is no such NUMA node.
// Takes some 0.1 ms for each MiB.
dragon_err_t segment_reserve(int fd, struct segment_kind kind, size_t from, size_t to,
                             dragon_error_t *error);
void segment_give_back(int fd, size_t from, size_t to); // the memory, not the descriptor

// For reading and writing, not inherited by children. NULL with errno.
void *segment_map(int fd, size_t bytes, struct segment_kind kind);
void segment_unmap(void *base, size_t bytes);

// What the system could give now, in bytes: the least of what is available, and what the control groups of this process
// leave (v1 and v2), less 1/64 of all, at least 16 MiB, of each. `numa` as in segment_kind. Reads some files: some 0.1
// ms.
uint64_t segment_available(int numa);

#endif
