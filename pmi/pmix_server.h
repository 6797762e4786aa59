// SPDX-License-Identifier: BSD-3-Clause
//
// The inside of dragon-pmix. Two threads: the loop's, where all data lives, and the library's
// progress thread, where upcalls and completions come from. The latter copy what they were given,
// post it to the loop and return:
//
//     rank -- libpmix -- upcall -- loop_post -- helper_on_* -- link -- agent
//     agent -- link -- helper message table -- completion callback of libpmix -- rank
//
// Names begin with helper_ and not with pmix_: the library exports many of the latter kind.
#ifndef PMI_PMIX_SERVER_H
#define PMI_PMIX_SERVER_H

#include "loop/loop.h"
#include "net/link.h"
#include "pmi/pmix_library.h"
#include "pmi/proto.h"

struct helper_job;

// A call of the library that waits for the agent.
struct helper_call;

// A fetch from the library that the agent waits for.
struct helper_get;

struct helper {
    struct loop *loop;         // owned
    struct link *link;         // owned
    struct helper_job *jobs;   // owned, by id
    struct helper_call *calls; // owned, by id
    struct helper_get *gets;   // owned, by id
    char *topology;            // owned: this host's, as hwloc's XML; NULL: not known
    uint64_t next_call;
};

// pmix_server.c: the link to the agent, and what the agent asks.

bool helper_start(struct helper *helper, int fd);
void helper_stop(struct helper *helper);
void helper_send(struct helper *helper, enum pmi_message_type type, struct pack *body);
void helper_send_rank(struct helper *helper, enum pmi_message_type type, uint64_t job,
                      uint32_t rank);

// What upcalls bring, in the loop. Those with a callback call it exactly once, now or later.
void helper_on_connected(struct helper *helper, const pmix_proc_t *proc);
void helper_on_finalized(struct helper *helper, const pmix_proc_t *proc);
void helper_on_lost(struct helper *helper, const pmix_proc_t *proc);
void helper_on_abort(struct helper *helper, const pmix_proc_t *proc, int code, const char *text);

struct helper_fence {
    const pmix_proc_t *procs;
    size_t count;
    bool collect;
    const void *data;
    size_t length;
};
void helper_on_fence(struct helper *helper, const struct helper_fence *fence,
                     pmix_modex_cbfunc_t done, void *cbdata);
void helper_on_modex(struct helper *helper, const pmix_proc_t *proc, pmix_modex_cbfunc_t done,
                     void *cbdata);

#endif
