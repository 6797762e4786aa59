/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Memory that the processes of a node share.
 *
 * It is made of segments, which the runtime adds when more is needed and which have no name anywhere: their
 * descriptors go from process to process over the agent's socket, so nothing is left behind whatever dies. All
 * of a segment is reserved when it is made, so that using it never fails; when there is no more the caller
 * gets FULL, with the figures.
 *
 *     void *data;
 *     dragon_memory_alloc(runtime, 1 << 20, &data, &error);
 *     ... fill it ...
 *     dragon_channel_send_memory(channel, data, 1 << 20, 0, DRAGON_DEFAULT_TIMEOUT);    // it is the receiver's now
 *
 * Memory belongs to one process at a time. What a process has when it dies, or detaches from the runtime, is
 * given back. It belongs to several when it was shared: then it is given back when the last of them has freed it
 * or is gone.
 *
 * A child made by fork has none of it, and every call with a handle of its parent's says STATE there. It may attach to
 * the runtime itself; better, start programs and do not fork.
 *
 * Threads: as for the runtime handle, one at a time; a second thread attaches a handle of its own.
 */
#ifndef DRAGON_MEMORY_H
#define DRAGON_MEMORY_H

#include <dragon/runtime.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Pages that are larger than the usual ones. */
typedef enum dragon_huge {
    DRAGON_HUGE_NO = 0,
    DRAGON_HUGE_TRY = 1,    /* transparent ones where the kernel has them, else usual pages */
    DRAGON_HUGE_REQUIRE = 2 /* reserved ones (hugetlbfs): FULL when there are none left */
} dragon_huge_t;

enum { DRAGON_ANY_NUMA = -1 };

/* Where memory is to be. Begin with DRAGON_MEMORY_SPEC_INIT. */
typedef struct dragon_memory_spec {
    int numa; /* the NUMA node, as dragon-info numbers those of the node; DRAGON_ANY_NUMA */
    dragon_huge_t huge;
} dragon_memory_spec_t;
#define DRAGON_MEMORY_SPEC_INIT         \
    {                                   \
        DRAGON_ANY_NUMA, DRAGON_HUGE_NO \
    }

typedef struct dragon_memory_stats {
    uint64_t limit_bytes;    /* of this node; 0: none was set, then it is what the node has */
    uint64_t reserved_bytes; /* in segments */
    uint64_t used_bytes;     /* of these in blocks that somebody has */
    uint64_t free_bytes;
    uint64_t largest_free_bytes; /* what one call could get without a new segment */
    uint64_t blocks;             /* in use */
    uint32_t segments;
    uint32_t processes; /* that are attached */
} dragon_memory_stats_t;

/* ---- life cycle ---- */

/* Takes so many bytes, not set to anything, at an address that is a multiple of 64.
 *
 * INVAL: 0 bytes. FULL: the limit, or the memory of the node, does not allow it; the text has the figures.
 * TOO_BIG: more than a segment can have. PEER: the runtime has ended. TIMEOUT: the agent did not answer. */
DRAGON_API dragon_err_t dragon_memory_alloc(dragon_runtime_t *runtime, size_t bytes,
                                            void **data_out, dragon_error_t *error);

/* The same in memory of a certain kind; spec NULL: of any. Also INVAL: no such NUMA node. */
DRAGON_API dragon_err_t dragon_memory_alloc_at(dragon_runtime_t *runtime, size_t bytes,
                                               const dragon_memory_spec_t *spec, void **data_out,
                                               dragon_error_t *error);

/* Gives it back. NULL is fine. INVAL: it is none of this process's blocks, and nothing happens. */
DRAGON_API dragon_err_t dragon_memory_free(dragon_runtime_t *runtime, void *data);

/* How much there is at `data`: at least what was asked for. 0: it is none of this process's blocks. */
DRAGON_API size_t dragon_memory_size(dragon_runtime_t *runtime, const void *data);

/* ---- sharing ---- */

/* Writes a line of text by which any process of this node can attach to the block, and which is valid as long as
 * one process has it. From then on the block is shared: it is given back when everybody has freed it, and can no
 * longer be handed over in a message.
 *
 * descriptor_out  the caller frees it with free()
 *
 * INVAL: none of this process's blocks. PEER, TIMEOUT, NOMEM. */
DRAGON_API dragon_err_t dragon_memory_share(dragon_runtime_t *runtime, void *data,
                                            char **descriptor_out, dragon_error_t *error);

/* Finds the block of a descriptor; the caller ends it with dragon_memory_free. bytes_out may be NULL.
 *
 * INVAL: no descriptor of memory. UNSUPPORTED: the memory is on another node. NOT_FOUND: of another runtime.
 * CLOSED: it was given back. */
DRAGON_API dragon_err_t dragon_memory_attach(dragon_runtime_t *runtime, const char *descriptor,
                                             void **data_out, size_t *bytes_out,
                                             dragon_error_t *error);

/* ---- query ---- */

/* What this node has. PEER, TIMEOUT. */
DRAGON_API dragon_err_t dragon_memory_stats(dragon_runtime_t *runtime,
                                            dragon_memory_stats_t *stats_out,
                                            dragon_error_t *error);

#ifdef __cplusplus
}
#endif

#endif
