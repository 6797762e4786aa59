// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-pmix in its loop: see pmix_server.h. Messages of the agent are looked up in a table; what
// upcalls bring is turned into messages to the agent.
#include "config.h"

#include "pmi/pmix_server.h"

#include "pmi/pmix_calls.h"
#include "pmi/pmix_job.h"
#include "pmi/pmix_upcalls.h"

void helper_send(struct helper *helper, enum pmi_message_type type, struct pack *body)
{
    log_debug("to agent %s bytes %zu", pmi_message_name(type), body->length);
    link_send_pack(helper->link, (uint16_t)type, 0, 0, body);
}

void helper_send_rank(struct helper *helper, enum pmi_message_type type, uint64_t job,
                      uint32_t rank)
{
    struct pack body = PACK_EMPTY;
    pack_pmi_rank(&body, &(struct pmi_rank_message){job, rank});
    helper_send(helper, type, &body);
}

static bool take_job(struct helper *helper, struct unpack *body)
{
    struct pmi_job_message message;
    if (!unpack_pmi_job(body, &message))
        return false;
    helper_job_start(helper, &message);
    pmi_job_message_fini(&message);
    return true;
}

static bool take_answer(struct helper *helper, struct unpack *body)
{
    struct pmi_answer_message answer;
    if (!unpack_pmi_answer(body, &answer))
        return false;
    helper_call_done(helper, &answer);
    return true;
}

static bool take_modex_get(struct helper *helper, struct unpack *body)
{
    struct pmi_modex_message wanted;
    if (!unpack_pmi_modex(body, &wanted))
        return false;
    struct helper_job *job = helper_job_find(helper, wanted.job);
    if (job && helper_job_has_here(job, wanted.rank)) {
        helper_get_start(helper, &wanted, helper_job_nspace(job));
        return true;
    }
    // The library would wait for such a job or rank to appear, for ever.
    struct pack answer = PACK_EMPTY;
    pack_pmi_answer(&answer,
                    &(struct pmi_answer_message){.id = wanted.id, .err = DRAGON_ERR_NOT_FOUND});
    helper_send(helper, PMI_MESSAGE_MODEX_GOT, &answer);
    return true;
}

static void on_settled(struct helper_step *step)
{
    helper_send_rank(step->helper, PMI_MESSAGE_SETTLED, step->job, step->rank);
    free(step);
}

// Once through the library's thread, behind whatever it is at, and once through the posts, behind
// what it has posted. Forgetting a client that never was does nothing there but come back.
static bool take_settle(struct helper *helper, struct unpack *body)
{
    struct pmi_rank_message message;
    if (!unpack_pmi_rank(body, &message))
        return false;
    struct helper_step *step = calloc(1, sizeof *step);
    if (!step) {
        helper_post(helper, NULL, NULL);
        return true;
    }
    *step = (struct helper_step){
        .helper = helper, .fn = on_settled, .job = message.job, .rank = message.rank};
    pmix_proc_t nobody;
    PMIX_LOAD_PROCID(&nobody, "dragon-settle", 0);
    PMIx_server_deregister_client(&nobody, helper_step_done, step);
    return true;
}

static bool take_job_end(struct helper *helper, struct unpack *body)
{
    struct pmi_rank_message message;
    if (!unpack_pmi_rank(body, &message))
        return false;
    struct helper_job *job = helper_job_find(helper, message.job);
    if (job)
        helper_job_end(helper, job);
    return true;
}

static bool (*const the_takers[PMI_MESSAGE_TYPES])(struct helper *, struct unpack *) = {
    [PMI_MESSAGE_JOB] = take_job,
    [PMI_MESSAGE_FENCE_DONE] = take_answer,
    [PMI_MESSAGE_MODEX_GET] = take_modex_get,
    [PMI_MESSAGE_MODEX_DONE] = take_answer,
    [PMI_MESSAGE_SETTLE] = take_settle,
    [PMI_MESSAGE_JOB_END] = take_job_end,
};

static void on_message(void *arg, const struct link_message *message)
{
    struct helper *helper = arg;
    struct unpack body = unpack_start(message->body, message->length);
    log_debug("from agent %s bytes %u", pmi_message_name(message->type), message->length);
    if (message->type < PMI_MESSAGE_TYPES && the_takers[message->type] &&
        the_takers[message->type](helper, &body))
        return;
    log_error("the agent sent a %s message that is not understood",
              pmi_message_name(message->type));
    loop_stop(helper->loop);
}

static void on_closed(void *arg, const char *reason)
{
    struct helper *helper = arg;
    log_debug("the agent is gone: %s", reason);
    loop_stop(helper->loop);
}

static const struct link_handler the_link_handler = {
    .on_message = on_message,
    .on_closed = on_closed,
};

bool helper_start(struct helper *helper, int fd)
{
    helper->loop = loop_create();
    if (!helper->loop)
        return false;
    helper->link = link_create(helper->loop, fd, PMI_PROTO_BODY_LIMIT, &the_link_handler, helper);
    return helper->link != NULL;
}

void helper_stop(struct helper *helper)
{
    while (helper->jobs)
        helper_job_end(helper, helper->jobs);
    link_destroy(helper->link);
    helper->link = NULL;
    // The loop stays: the library's thread may still post.
}

void helper_on_connected(struct helper *helper, const pmix_proc_t *proc)
{
    struct helper_job *job = helper_job_of_nspace(helper, proc->nspace);
    if (job)
        helper_send_rank(helper, PMI_MESSAGE_CONNECTED, helper_job_id(job), proc->rank);
}

void helper_on_finalized(struct helper *helper, const pmix_proc_t *proc)
{
    struct helper_job *job = helper_job_of_nspace(helper, proc->nspace);
    if (job)
        helper_send_rank(helper, PMI_MESSAGE_FINALIZED, helper_job_id(job), proc->rank);
}

void helper_on_lost(struct helper *helper, const pmix_proc_t *proc)
{
    struct helper_job *job = helper_job_of_nspace(helper, proc->nspace);
    if (job)
        helper_send_rank(helper, PMI_MESSAGE_LOST, helper_job_id(job), proc->rank);
}

void helper_on_abort(struct helper *helper, const pmix_proc_t *proc, int code, const char *text)
{
    struct helper_job *job = helper_job_of_nspace(helper, proc->nspace);
    if (!job)
        return;
    struct pack body = PACK_EMPTY;
    pack_pmi_abort(&body, &(struct pmi_abort_message){helper_job_id(job), proc->rank, code, text});
    helper_send(helper, PMI_MESSAGE_ABORT, &body);
}

void helper_on_fence(struct helper *helper, const struct helper_fence *fence,
                     pmix_modex_cbfunc_t done, void *cbdata)
{
    struct helper_job *job = NULL;
    if (fence->count > 0)
        job = helper_job_of_nspace(helper, fence->procs[0].nspace);
    struct pmi_fence_message message = {0};
    if (!job || !helper_job_fence(job, fence, &message)) {
        pmi_fence_message_fini(&message);
        helper_complete(done, cbdata, PMIX_ERR_NOT_SUPPORTED, NULL, 0);
        return;
    }
    message.id = helper_call_add(helper, helper_job_id(job), done, cbdata);
    if (message.id) {
        struct pack body = PACK_EMPTY;
        pack_pmi_fence(&body, &message);
        helper_send(helper, PMI_MESSAGE_FENCE, &body);
    }
    pmi_fence_message_fini(&message);
}

void helper_on_modex(struct helper *helper, const pmix_proc_t *proc, pmix_modex_cbfunc_t done,
                     void *cbdata)
{
    struct helper_job *job = helper_job_of_nspace(helper, proc->nspace);
    if (!job) {
        helper_complete(done, cbdata, PMIX_ERR_NOT_FOUND, NULL, 0);
        return;
    }
    uint64_t id = helper_call_add(helper, helper_job_id(job), done, cbdata);
    if (!id)
        return;
    struct pack body = PACK_EMPTY;
    pack_pmi_modex(&body, &(struct pmi_modex_message){id, helper_job_id(job), proc->rank});
    helper_send(helper, PMI_MESSAGE_MODEX, &body);
}
