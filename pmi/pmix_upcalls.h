// SPDX-License-Identifier: BSD-3-Clause
//
// The library's side of dragon-pmix: its module of upcalls, and completions that become posts.
#ifndef PMI_PMIX_UPCALLS_H
#define PMI_PMIX_UPCALLS_H

#include "pmi/pmix_server.h"

// One server per process, and the library's upcalls carry no argument of ours: `helper` is kept.
// False with a text when the library refuses.
struct helper_options {
    const char *node;   // its name, exactly as in the maps of jobs
    const char *nspace; // of the server
    const char *dir;
    const char *topology; // a file with this host's topology as hwloc's XML; NULL: none
    uint32_t index;
};
bool helper_library_start(struct helper *helper, const struct helper_options *options,
                          dragon_error_t *error);
void helper_library_stop(void);

// A completion: passed to the library as callback data together with helper_step_done, which may be
// called from any thread; `fn` then runs in the loop and frees the step.
struct helper_step {
    struct helper *helper;
    void (*fn)(struct helper_step *step);
    pmix_status_t status;
    uint64_t job;
    uint32_t rank;
    pmix_data_array_t info; // kept until then
};
void helper_step_done(pmix_status_t status, void *step);

// Posts to the loop or, when even that has no memory, ends the process: the agent sees it gone,
// which is better than a rank that waits for ever.
void helper_post(struct helper *helper, void (*fn)(void *arg), void *arg);

#endif
