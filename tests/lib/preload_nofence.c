// SPDX-License-Identifier: BSD-3-Clause
//
// A library to preload into a PMIx client. It stands for launchers whose fence is local, as that of
// the PBS mom: PMIx_Fence and PMIx_Fence_nb report success at once and exchange nothing, and
// PMIx_Get and PMIx_Get_nb know the job and the own rank but no other. All other calls reach the real library.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <pmix.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef pmix_status_t get_nb_fn(const pmix_proc_t *proc, const char *key, const pmix_info_t info[],
                                size_t ninfo, pmix_value_cbfunc_t cbfunc, void *cbdata);
typedef pmix_status_t get_fn(const pmix_proc_t *proc, const char *key, const pmix_info_t info[],
                             size_t ninfo, pmix_value_t **value);
typedef pmix_status_t get_nb_fn(const pmix_proc_t *proc, const char *key, const pmix_info_t info[],
                                size_t ninfo, pmix_value_cbfunc_t cbfunc, void *cbdata);

struct completion {
    pmix_op_cbfunc_t call;
    void *argument;
};

static pmix_rank_t the_own_rank = PMIX_RANK_UNDEF;

// PMIX_RANK is what the client library learns its rank from. Read before main, as a client may
// remove the variable for the sake of its children.
__attribute__((constructor)) static void remember_own_rank(void)
{
    const char *rank = getenv("PMIX_RANK");
    if (rank)
        the_own_rank = (pmix_rank_t)strtoul(rank, NULL, 10);
}

pmix_status_t PMIx_Fence(const pmix_proc_t procs[], size_t nprocs, const pmix_info_t info[],
                         size_t ninfo)
{
    (void)procs, (void)nprocs, (void)info, (void)ninfo;
    return PMIX_SUCCESS;
}

static void *complete(void *argument)
{
    struct completion *completion = argument;
    completion->call(PMIX_SUCCESS, completion->argument);
    free(completion);
    return NULL;
}

// The callback comes from another thread, as from the real library: the caller may hold a lock.
pmix_status_t PMIx_Fence_nb(const pmix_proc_t procs[], size_t nprocs, const pmix_info_t info[],
                            size_t ninfo, pmix_op_cbfunc_t cbfunc, void *cbdata)
{
    (void)procs, (void)nprocs, (void)info, (void)ninfo;
    if (!cbfunc)
        return PMIX_ERR_BAD_PARAM;
    struct completion *completion = malloc(sizeof *completion);
    if (!completion)
        return PMIX_ERR_NOMEM;
    *completion = (struct completion){cbfunc, cbdata};
    pthread_t thread;
    if (pthread_create(&thread, NULL, complete, completion) != 0) {
        free(completion);
        return PMIX_ERR_NOMEM;
    }
    pthread_detach(thread);
    return PMIX_SUCCESS;
}

static bool is_out_of_reach(const pmix_proc_t *proc, const char *key)
{
    return proc && proc->rank != PMIX_RANK_WILDCARD && proc->rank != the_own_rank && key &&
           strncmp(key, "pmix.", 5) != 0;
}

pmix_status_t PMIx_Get(const pmix_proc_t *proc, const char *key, const pmix_info_t info[],
                       size_t ninfo, pmix_value_t **val)
{
    if (is_out_of_reach(proc, key))
        return PMIX_ERR_NOT_FOUND;
    // ISO C has no conversion from an object's to a function's pointer; POSIX has this one.
    get_fn *real;
    *(void **)&real = dlsym(RTLD_NEXT, "PMIx_Get");
    return real ? real(proc, key, info, ninfo, val) : PMIX_ERR_NOT_SUPPORTED;
}

// An error as its result means that there is no callback.
pmix_status_t PMIx_Get_nb(const pmix_proc_t *proc, const char *key, const pmix_info_t info[],
                          size_t ninfo, pmix_value_cbfunc_t cbfunc, void *cbdata)
{
    if (is_out_of_reach(proc, key))
        return PMIX_ERR_NOT_FOUND;
    get_nb_fn *real;
    *(void **)&real = dlsym(RTLD_NEXT, "PMIx_Get_nb");
    return real ? real(proc, key, info, ninfo, cbfunc, cbdata) : PMIX_ERR_NOT_SUPPORTED;
}
