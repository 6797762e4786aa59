// SPDX-License-Identifier: BSD-3-Clause
//
// Calls in flight: see pmix_calls.h. Both tables are keyed by an id, so an answer that comes when
// its job has ended finds nothing, and nobody is answered twice.
#include "config.h"

#include "pmi/pmix_calls.h"

#include "pmi/pmix_codes.h"
#include "pmi/pmix_upcalls.h"

#include <uthash.h>

struct helper_call {
    uint64_t id;
    uint64_t job;
    pmix_modex_cbfunc_t done;
    void *cbdata;
    UT_hash_handle hh;
};

struct helper_get {
    uint64_t id; // the agent's
    uint64_t job;
    UT_hash_handle hh;
};

// What the library hands over in its own thread.
struct got {
    struct helper *helper;
    uint64_t id;
    pmix_status_t status;
    size_t length;
    uint8_t data[];
};

static struct helper *the_getter; // the library's answer carries only an id

void helper_complete(pmix_modex_cbfunc_t done, void *cbdata, pmix_status_t status, const void *data,
                     size_t length)
{
    if (!done)
        return;
    char *copy = NULL;
    if (length > 0 && status == PMIX_SUCCESS) {
        copy = malloc(length);
        if (!copy)
            status = PMIX_ERR_NOMEM;
        else
            memcpy(copy, data, length);
    }
    done(status, copy, copy ? length : 0, cbdata, free, copy);
}

uint64_t helper_call_add(struct helper *helper, uint64_t job, pmix_modex_cbfunc_t done,
                         void *cbdata)
{
    struct helper_call *call = calloc(1, sizeof *call);
    if (!call) {
        helper_complete(done, cbdata, PMIX_ERR_NOMEM, NULL, 0);
        return 0;
    }
    call->id = ++helper->next_call;
    call->job = job;
    call->done = done;
    call->cbdata = cbdata;
    HASH_ADD(hh, helper->calls, id, sizeof call->id, call);
    return call->id;
}

static void call_end(struct helper *helper, struct helper_call *call, pmix_status_t status,
                     const void *data, size_t length)
{
    HASH_DEL(helper->calls, call);
    helper_complete(call->done, call->cbdata, status, data, length);
    free(call);
}

void helper_call_done(struct helper *helper, const struct pmi_answer_message *answer)
{
    struct helper_call *call;
    HASH_FIND(hh, helper->calls, &answer->id, sizeof answer->id, call);
    if (call)
        call_end(helper, call, pmix_codes_of_err(answer->err), answer->data, answer->length);
}

static void send_got(struct helper *helper, const struct pmi_answer_message *answer)
{
    struct pack body = PACK_EMPTY;
    pack_pmi_answer(&body, answer);
    helper_send(helper, PMI_MESSAGE_MODEX_GOT, &body);
}

static void get_end(struct helper *helper, uint64_t id, dragon_err_t err, const void *data,
                    size_t length)
{
    struct helper_get *get;
    HASH_FIND(hh, helper->gets, &id, sizeof id, get);
    if (!get)
        return;
    HASH_DEL(helper->gets, get);
    free(get);
    send_got(helper, &(struct pmi_answer_message){id, err, data, err ? 0 : length});
}

static void on_got(void *arg)
{
    struct got *got = arg;
    get_end(got->helper, got->id, pmix_codes_to_err(got->status), got->data, got->length);
    free(got);
}

// In the library's thread.
static void got_upcall(pmix_status_t status, char *data, size_t length, void *cbdata)
{
    struct got *got = malloc(sizeof *got + length);
    if (!got) { // an answer without data is possible always
        got = malloc(sizeof *got);
        status = PMIX_ERR_NOMEM;
        length = 0;
    }
    if (got) {
        *got = (struct got){the_getter, (uint64_t)(uintptr_t)cbdata, status, length};
        if (length > 0)
            memcpy(got->data, data, length);
    }
    helper_post(the_getter, on_got, got);
}

void helper_get_start(struct helper *helper, const struct pmi_modex_message *wanted,
                      const char *nspace)
{
    struct helper_get *get = calloc(1, sizeof *get);
    if (!get) {
        send_got(helper, &(struct pmi_answer_message){.id = wanted->id, .err = DRAGON_ERR_NOMEM});
        return;
    }
    get->id = wanted->id;
    get->job = wanted->job;
    HASH_ADD(hh, helper->gets, id, sizeof get->id, get);
    the_getter = helper;
    pmix_proc_t proc;
    PMIX_LOAD_PROCID(&proc, nspace, wanted->rank);
    void *cbdata = (void *)(uintptr_t)wanted->id;
    pmix_status_t status = PMIx_server_dmodex_request(&proc, got_upcall, cbdata);
    if (status != PMIX_SUCCESS)
        get_end(helper, wanted->id, pmix_codes_to_err(status), NULL, 0);
}

void helper_calls_cancel(struct helper *helper, uint64_t job)
{
    struct helper_call *call, *next_call;
    HASH_ITER (hh, helper->calls, call, next_call) {
        if (call->job == job)
            call_end(helper, call, PMIX_ERR_JOB_CANCELED, NULL, 0);
    }
    struct helper_get *get, *next_get;
    HASH_ITER (hh, helper->gets, get, next_get) {
        if (get->job == job)
            get_end(helper, get->id, DRAGON_ERR_CANCELED, NULL, 0);
    }
}
