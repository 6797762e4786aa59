// SPDX-License-Identifier: BSD-3-Clause
//
// Upcalls of the library: see pmix_upcalls.h. Everything in the middle of this file runs in the
// library's one progress thread: it copies, posts and returns, as whatever blocks there stops every
// rank of the node. Callback pointers may be NULL (client_connected2 never has one).
//
// Not here yet: publish, lookup, spawn, connect, group. They are refused.
#include "config.h"

#include "pmi/pmix_upcalls.h"

#include <unistd.h>

static struct helper *the_helper;

struct upcall {
    void (*deliver)(const struct upcall *upcall); // in the loop
    pmix_proc_t proc;
    int code;
    char *text; // owned
    pmix_op_cbfunc_t op_done;
    pmix_modex_cbfunc_t data_done;
    void *cbdata;
    pmix_proc_t *procs; // owned
    size_t count;
    bool collect;
    char *data; // owned
    size_t length;
};

void helper_post(struct helper *helper, void (*fn)(void *arg), void *arg)
{
    if (arg && loop_post(helper->loop, fn, arg))
        return;
    static const char text[] = "dragon-pmix: error: out of memory\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    _exit(1);
}

static void run_step(void *arg)
{
    struct helper_step *step = arg;
    step->fn(step);
}

void helper_step_done(pmix_status_t status, void *arg)
{
    struct helper_step *step = arg;
    step->status = status;
    helper_post(step->helper, run_step, step);
}

static void run_upcall(void *arg)
{
    struct upcall *upcall = arg;
    upcall->deliver(upcall);
    free(upcall->data);
    free(upcall->procs);
    free(upcall->text);
    free(upcall);
}

static void deliver_connected(const struct upcall *upcall)
{
    helper_on_connected(the_helper, &upcall->proc);
}

static void deliver_finalized(const struct upcall *upcall)
{
    helper_on_finalized(the_helper, &upcall->proc);
}

static void deliver_lost(const struct upcall *upcall)
{
    helper_on_lost(the_helper, &upcall->proc);
}

static void deliver_abort(const struct upcall *upcall)
{
    helper_on_abort(the_helper, &upcall->proc, upcall->code, upcall->text ? upcall->text : "");
    if (upcall->op_done)
        upcall->op_done(PMIX_SUCCESS, upcall->cbdata);
}

// Not from within the upcall: the library holds a lock there that it takes again in the callback.
static void deliver_log(const struct upcall *upcall)
{
    if (upcall->op_done)
        upcall->op_done(PMIX_SUCCESS, upcall->cbdata);
}

static void deliver_fence(const struct upcall *upcall)
{
    const struct helper_fence fence = {
        .procs = upcall->procs,
        .count = upcall->count,
        .collect = upcall->collect,
        .data = upcall->data,
        .length = upcall->length,
    };
    helper_on_fence(the_helper, &fence, upcall->data_done, upcall->cbdata);
}

static void deliver_modex(const struct upcall *upcall)
{
    helper_on_modex(the_helper, &upcall->proc, upcall->data_done, upcall->cbdata);
}

// From here to the module: in the library's thread.

static struct upcall *upcall_new(void (*deliver)(const struct upcall *), const pmix_proc_t *proc)
{
    struct upcall *upcall = calloc(1, sizeof *upcall);
    if (!upcall)
        return NULL;
    upcall->deliver = deliver;
    if (proc)
        upcall->proc = *proc;
    return upcall;
}

static pmix_status_t on_connected(const pmix_proc_t *proc, void *object, pmix_info_t info[],
                                  size_t ninfo, pmix_op_cbfunc_t done, void *cbdata)
{
    (void)object, (void)info, (void)ninfo, (void)done, (void)cbdata;
    helper_post(the_helper, run_upcall, upcall_new(deliver_connected, proc));
    return PMIX_OPERATION_SUCCEEDED;
}

static pmix_status_t on_finalized(const pmix_proc_t *proc, void *object, pmix_op_cbfunc_t done,
                                  void *cbdata)
{
    (void)object, (void)done, (void)cbdata;
    helper_post(the_helper, run_upcall, upcall_new(deliver_finalized, proc));
    return PMIX_OPERATION_SUCCEEDED;
}

static pmix_status_t on_abort(const pmix_proc_t *proc, void *object, int status, const char text[],
                              pmix_proc_t procs[], size_t nprocs, pmix_op_cbfunc_t done,
                              void *cbdata)
{
    (void)object, (void)procs, (void)nprocs; // whoever is named, the whole job ends
    struct upcall *upcall = upcall_new(deliver_abort, proc);
    if (!upcall)
        return PMIX_ERR_NOMEM;
    upcall->code = status;
    upcall->text = text ? strdup(text) : NULL;
    upcall->op_done = done;
    upcall->cbdata = cbdata;
    helper_post(the_helper, run_upcall, upcall);
    return PMIX_SUCCESS;
}

static bool wants_data(const pmix_info_t info[], size_t ninfo)
{
    for (size_t i = 0; i < ninfo; i++)
        if (PMIX_CHECK_KEY(&info[i], PMIX_COLLECT_DATA))
            return PMIX_INFO_TRUE(&info[i]);
    return false;
}

static pmix_status_t on_fence(const pmix_proc_t procs[], size_t nprocs, const pmix_info_t info[],
                              size_t ninfo, char *data, size_t length, pmix_modex_cbfunc_t done,
                              void *cbdata)
{
    struct upcall *upcall = upcall_new(deliver_fence, NULL);
    pmix_proc_t *copy = calloc(nprocs + 1, sizeof *copy);
    if (!upcall || !copy) {
        free(copy);
        free(upcall);
        return PMIX_ERR_NOMEM;
    }
    memcpy(copy, procs, nprocs * sizeof *copy);
    upcall->procs = copy;
    upcall->count = nprocs;
    upcall->collect = wants_data(info, ninfo);
    upcall->data = data; // ours to free
    upcall->length = length;
    upcall->data_done = done;
    upcall->cbdata = cbdata;
    helper_post(the_helper, run_upcall, upcall);
    return PMIX_SUCCESS;
}

static pmix_status_t on_modex(const pmix_proc_t *proc, const pmix_info_t info[], size_t ninfo,
                              pmix_modex_cbfunc_t done, void *cbdata)
{
    (void)info, (void)ninfo;
    struct upcall *upcall = upcall_new(deliver_modex, proc);
    if (!upcall)
        return PMIX_ERR_NOMEM;
    upcall->data_done = done;
    upcall->cbdata = cbdata;
    helper_post(the_helper, run_upcall, upcall);
    return PMIX_SUCCESS;
}

static pmix_status_t on_publish(const pmix_proc_t *proc, const pmix_info_t info[], size_t ninfo,
                                pmix_op_cbfunc_t done, void *cbdata)
{
    (void)proc, (void)info, (void)ninfo, (void)done, (void)cbdata;
    return PMIX_ERR_NOT_SUPPORTED;
}

static pmix_status_t on_lookup(const pmix_proc_t *proc, char **keys, const pmix_info_t info[],
                               size_t ninfo, pmix_lookup_cbfunc_t done, void *cbdata)
{
    (void)proc, (void)keys, (void)info, (void)ninfo, (void)done, (void)cbdata;
    return PMIX_ERR_NOT_SUPPORTED;
}

static pmix_status_t on_unpublish(const pmix_proc_t *proc, char **keys, const pmix_info_t info[],
                                  size_t ninfo, pmix_op_cbfunc_t done, void *cbdata)
{
    (void)proc, (void)keys, (void)info, (void)ninfo, (void)done, (void)cbdata;
    return PMIX_ERR_NOT_SUPPORTED;
}

static pmix_status_t on_spawn(const pmix_proc_t *proc, const pmix_info_t info[], size_t ninfo,
                              const pmix_app_t apps[], size_t napps, pmix_spawn_cbfunc_t done,
                              void *cbdata)
{
    (void)proc, (void)info, (void)ninfo, (void)apps, (void)napps, (void)done, (void)cbdata;
    return PMIX_ERR_NOT_SUPPORTED;
}

static pmix_status_t on_connect(const pmix_proc_t procs[], size_t nprocs, const pmix_info_t info[],
                                size_t ninfo, pmix_op_cbfunc_t done, void *cbdata)
{
    (void)procs, (void)nprocs, (void)info, (void)ninfo, (void)done, (void)cbdata;
    return PMIX_ERR_NOT_SUPPORTED;
}

static pmix_status_t on_register_events(pmix_status_t *codes, size_t ncodes,
                                        const pmix_info_t info[], size_t ninfo,
                                        pmix_op_cbfunc_t done, void *cbdata)
{
    (void)codes, (void)ncodes, (void)info, (void)ninfo, (void)done, (void)cbdata;
    return PMIX_OPERATION_SUCCEEDED;
}

static pmix_status_t on_deregister_events(pmix_status_t *codes, size_t ncodes,
                                          pmix_op_cbfunc_t done, void *cbdata)
{
    (void)codes, (void)ncodes, (void)done, (void)cbdata;
    return PMIX_OPERATION_SUCCEEDED;
}

static pmix_status_t on_notify(pmix_status_t code, const pmix_proc_t *source,
                               pmix_data_range_t range, pmix_info_t info[], size_t ninfo,
                               pmix_op_cbfunc_t done, void *cbdata)
{
    (void)code, (void)source, (void)range, (void)info, (void)ninfo, (void)done, (void)cbdata;
    return PMIX_OPERATION_SUCCEEDED;
}

static pmix_status_t on_query(pmix_proc_t *proc, pmix_query_t *queries, size_t nqueries,
                              pmix_info_cbfunc_t done, void *cbdata)
{
    (void)proc, (void)queries, (void)nqueries, (void)done, (void)cbdata;
    return PMIX_ERR_NOT_SUPPORTED;
}

static void on_log(const pmix_proc_t *proc, const pmix_info_t data[], size_t ndata,
                   const pmix_info_t directives[], size_t ndirs, pmix_op_cbfunc_t done,
                   void *cbdata)
{
    (void)data, (void)ndata, (void)directives, (void)ndirs;
    struct upcall *upcall = upcall_new(deliver_log, proc);
    if (upcall) {
        upcall->op_done = done;
        upcall->cbdata = cbdata;
    }
    helper_post(the_helper, run_upcall, upcall);
}

static pmix_status_t on_job_control(const pmix_proc_t *proc, const pmix_proc_t targets[],
                                    size_t ntargets, const pmix_info_t directives[], size_t ndirs,
                                    pmix_info_cbfunc_t done, void *cbdata)
{
    (void)proc, (void)targets, (void)ntargets, (void)directives, (void)ndirs;
    (void)done, (void)cbdata;
    return PMIX_OPERATION_SUCCEEDED;
}

static void on_event(size_t handler, pmix_status_t status, const pmix_proc_t *source,
                     pmix_info_t info[], size_t ninfo, pmix_info_t *results, size_t nresults,
                     pmix_event_notification_cbfunc_fn_t done, void *cbdata)
{
    (void)handler, (void)results, (void)nresults;
    const pmix_proc_t *proc = source;
    for (size_t i = 0; i < ninfo; i++)
        if (PMIX_CHECK_KEY(&info[i], PMIX_EVENT_AFFECTED_PROC) && info[i].value.type == PMIX_PROC)
            proc = info[i].value.data.proc;
    if (status == PMIX_ERR_LOST_CONNECTION && proc)
        helper_post(the_helper, run_upcall, upcall_new(deliver_lost, proc));
    if (done)
        done(PMIX_EVENT_ACTION_COMPLETE, NULL, 0, NULL, NULL, cbdata);
}

static pmix_server_module_t the_module = {
    .client_connected2 = on_connected,
    .client_finalized = on_finalized,
    .abort = on_abort,
    .fence_nb = on_fence,
    .direct_modex = on_modex,
    .publish = on_publish,
    .lookup = on_lookup,
    .unpublish = on_unpublish,
    .spawn = on_spawn,
    .connect = on_connect,
    .disconnect = on_connect,
    .register_events = on_register_events,
    .deregister_events = on_deregister_events,
    .notify_event = on_notify,
    .query = on_query,
    .log = on_log,
    .job_control = on_job_control,
};

// From here on: in the loop's thread.

static bool load_options(pmix_info_t *info, const struct helper_options *options)
{
    pmix_rank_t rank = options->index;
    return PMIx_Info_load(&info[0], PMIX_SERVER_NSPACE, options->nspace, PMIX_STRING) == 0 &&
           PMIx_Info_load(&info[1], PMIX_SERVER_RANK, &rank, PMIX_PROC_RANK) == 0 &&
           PMIx_Info_load(&info[2], PMIX_SERVER_TMPDIR, options->dir, PMIX_STRING) == 0 &&
           PMIx_Info_load(&info[3], PMIX_SYSTEM_TMPDIR, options->dir, PMIX_STRING) == 0 &&
           PMIx_Info_load(&info[4], PMIX_HOSTNAME, options->node, PMIX_STRING) == 0;
}

bool helper_library_start(struct helper *helper, const struct helper_options *options,
                          dragon_error_t *error)
{
    enum { OPTIONS = 5 };
    pmix_info_t *info;
    the_helper = helper;
    PMIX_INFO_CREATE(info, OPTIONS);
    pmix_status_t status = PMIX_ERR_NOMEM;
    if (info && load_options(info, options))
        status = PMIx_server_init(&the_module, info, OPTIONS);
    if (info)
        PMIX_INFO_FREE(info, OPTIONS);
    if (status != PMIX_SUCCESS) {
        err_set(error, DRAGON_ERR_SYS, "the PMIx server library did not start in %s: %s",
                options->dir, PMIx_Error_string(status));
        return false;
    }
    // Without a callback it waits until the handler is in place, and answers its number.
    status = PMIx_Register_event_handler(NULL, 0, NULL, 0, on_event, NULL, NULL);
    if (status < 0)
        err_set(error, DRAGON_ERR_SYS, "the PMIx server library does not tell events: %s",
                PMIx_Error_string(status));
    return status >= 0;
}

void helper_library_stop(void)
{
    PMIx_server_finalize();
}
