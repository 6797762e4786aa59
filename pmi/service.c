// SPDX-License-Identifier: BSD-3-Clause
//
// The agent's side of dragon-pmix: see service.h. A message comes over the link, is looked up in a
// table, decoded, and told to the handler. What makes no sense ends the service: the helper is
// ours, so there is nothing to be lenient about.
#include "config.h"

#include "pmi/service.h"

#include "net/link.h"

struct pmix_service {
    struct link *link; // owned
    const struct pmix_service_handler *handler;
    void *arg;
    bool gone; // on_gone was called
};

static void service_gone(struct pmix_service *service, const char *reason)
{
    if (service->gone)
        return;
    service->gone = true;
    service->handler->on_gone(service->arg, reason);
}

static bool take_ready(struct pmix_service *service, struct unpack *body)
{
    struct pmi_ready_message ready;
    if (!unpack_pmi_ready(body, &ready))
        return false;
    service->handler->on_job_ready(service->arg, ready.job, ready.error,
                                   (char *const *const *)ready.envs, ready.count);
    pmi_ready_message_fini(&ready);
    return true;
}

static bool take_connected(struct pmix_service *service, struct unpack *body)
{
    struct pmi_rank_message message;
    if (!unpack_pmi_rank(body, &message))
        return false;
    service->handler->on_connected(service->arg, message.job, message.rank);
    return true;
}

static bool take_finalized(struct pmix_service *service, struct unpack *body)
{
    struct pmi_rank_message message;
    if (!unpack_pmi_rank(body, &message))
        return false;
    service->handler->on_finalized(service->arg, message.job, message.rank);
    return true;
}

static bool take_lost(struct pmix_service *service, struct unpack *body)
{
    struct pmi_rank_message message;
    if (!unpack_pmi_rank(body, &message))
        return false;
    service->handler->on_lost_rank(service->arg, message.job, message.rank);
    return true;
}

static bool take_settled(struct pmix_service *service, struct unpack *body)
{
    struct pmi_rank_message message;
    if (!unpack_pmi_rank(body, &message))
        return false;
    service->handler->on_settled(service->arg, message.job, message.rank);
    return true;
}

static bool take_abort(struct pmix_service *service, struct unpack *body)
{
    struct pmi_abort_message message;
    if (!unpack_pmi_abort(body, &message))
        return false;
    service->handler->on_abort(service->arg, message.job, message.rank, message.code, message.text);
    return true;
}

static bool take_fence(struct pmix_service *service, struct unpack *body)
{
    struct pmi_fence_message fence;
    if (!unpack_pmi_fence(body, &fence))
        return false;
    service->handler->on_fence(service->arg, &fence);
    pmi_fence_message_fini(&fence);
    return true;
}

static bool take_modex(struct pmix_service *service, struct unpack *body)
{
    struct pmi_modex_message message;
    if (!unpack_pmi_modex(body, &message))
        return false;
    service->handler->on_modex(service->arg, message.id, message.job, message.rank);
    return true;
}

static bool take_modex_got(struct pmix_service *service, struct unpack *body)
{
    struct pmi_answer_message answer;
    if (!unpack_pmi_answer(body, &answer))
        return false;
    service->handler->on_modex_got(service->arg, answer.id, answer.err, answer.data, answer.length);
    return true;
}

// A handler may destroy the service, so none touches it after it has told.
static bool (*const the_takers[PMI_MESSAGE_TYPES])(struct pmix_service *, struct unpack *) = {
    [PMI_MESSAGE_JOB_READY] = take_ready,     [PMI_MESSAGE_CONNECTED] = take_connected,
    [PMI_MESSAGE_FINALIZED] = take_finalized, [PMI_MESSAGE_LOST] = take_lost,
    [PMI_MESSAGE_ABORT] = take_abort,         [PMI_MESSAGE_FENCE] = take_fence,
    [PMI_MESSAGE_MODEX] = take_modex,         [PMI_MESSAGE_MODEX_GOT] = take_modex_got,
    [PMI_MESSAGE_SETTLED] = take_settled,
};

static void on_message(void *arg, const struct link_message *message)
{
    struct pmix_service *service = arg;
    if (service->gone)
        return;
    struct unpack body = unpack_start(message->body, message->length);
    if (message->type >= PMI_MESSAGE_TYPES || !the_takers[message->type] ||
        !the_takers[message->type](service, &body))
        service_gone(service, "it sent a message that is not understood");
}

static void on_closed(void *arg, const char *reason)
{
    service_gone(arg, reason);
}

static const struct link_handler the_link_handler = {
    .on_message = on_message,
    .on_closed = on_closed,
};

struct pmix_service *pmix_service_create(struct loop *loop, int fd,
                                         const struct pmix_service_handler *handler, void *arg)
{
    struct pmix_service *service = calloc(1, sizeof *service);
    struct link *link = link_create(loop, fd, PMI_PROTO_BODY_LIMIT, &the_link_handler, service);
    if (!service || !link) {
        link_destroy(link);
        free(service);
        return NULL;
    }
    service->link = link;
    service->handler = handler;
    service->arg = arg;
    return service;
}

void pmix_service_destroy(struct pmix_service *service)
{
    if (!service)
        return;
    link_destroy(service->link);
    free(service);
}

static void send_pack(struct pmix_service *service, enum pmi_message_type type, struct pack *body)
{
    link_send_pack(service->link, (uint16_t)type, 0, 0, body);
}

void pmix_service_job(struct pmix_service *service, const struct pmi_job_message *job)
{
    struct pack body = PACK_EMPTY;
    pack_pmi_job(&body, job);
    send_pack(service, PMI_MESSAGE_JOB, &body);
}

static void send_answer(struct pmix_service *service, enum pmi_message_type type,
                        const struct pmi_answer_message *answer)
{
    struct pack body = PACK_EMPTY;
    pack_pmi_answer(&body, answer);
    send_pack(service, type, &body);
}

void pmix_service_fence_done(struct pmix_service *service, uint64_t fence_id, dragon_err_t err,
                             const void *data, size_t length)
{
    send_answer(service, PMI_MESSAGE_FENCE_DONE,
                &(struct pmi_answer_message){fence_id, err, data, length});
}

void pmix_service_modex_get(struct pmix_service *service, uint64_t id, uint64_t job, uint32_t rank)
{
    struct pack body = PACK_EMPTY;
    pack_pmi_modex(&body, &(struct pmi_modex_message){id, job, rank});
    send_pack(service, PMI_MESSAGE_MODEX_GET, &body);
}

void pmix_service_modex_done(struct pmix_service *service, uint64_t id, dragon_err_t err,
                             const void *data, size_t length)
{
    send_answer(service, PMI_MESSAGE_MODEX_DONE,
                &(struct pmi_answer_message){id, err, data, length});
}

static void send_rank(struct pmix_service *service, enum pmi_message_type type, uint64_t job,
                      uint32_t rank)
{
    struct pack body = PACK_EMPTY;
    pack_pmi_rank(&body, &(struct pmi_rank_message){job, rank});
    send_pack(service, type, &body);
}

void pmix_service_settle(struct pmix_service *service, uint64_t job, uint32_t rank)
{
    send_rank(service, PMI_MESSAGE_SETTLE, job, rank);
}

void pmix_service_job_end(struct pmix_service *service, uint64_t job)
{
    send_rank(service, PMI_MESSAGE_JOB_END, job, 0);
}
