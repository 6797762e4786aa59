// SPDX-License-Identifier: BSD-3-Clause
//
// What was asked of node 0 and is not answered yet, by number. Each is answered once, by GC_STARTED or
// GC_ANSWER, or by the loss of the runtime. Who waits for it may give it up; the answer then still comes and
// `on_answer` undoes what it brings, so nothing runs that nobody knows of.
#include "config.h"

#include "client/request.h"

#include "client/run.h"

#include <signal.h>

struct request *request_create(struct dragon_runtime *runtime,
                               bool (*on_answer)(struct request *request, struct unpack *unpack))
{
    struct request *request = calloc(1, sizeof *request);
    if (!request)
        return NULL;
    request->runtime = runtime;
    request->number = ++runtime->last_request;
    request->on_answer = on_answer;
    request->since_ms = time_now_ms();
    HASH_ADD(hh, runtime->requests, number, sizeof request->number, request);
    return request;
}

void request_destroy(struct request *request)
{
    if (!request)
        return;
    if (!request->answered)
        HASH_DEL(request->runtime->requests, request);
    dragon_template_destroy(request->added);
    free(request);
}

static dragon_err_t request_send(struct request *request, uint16_t type, struct pack *body,
                                 dragon_error_t *error)
{
    struct dragon_runtime *runtime = request->runtime;
    dragon_err_t err = DRAGON_OK;
    if (!runtime->link)
        err = err_set(error, DRAGON_ERR_PEER, "%s", runtime->refusal);
    else if (body->failed)
        err = err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    else if (body->length > GROUP_SPEC_LIMIT)
        err = err_set(error, DRAGON_ERR_TOO_BIG,
                      "the templates and the environment of the group are %zu bytes, more than %d",
                      body->length, GROUP_SPEC_LIMIT);
    if (err != DRAGON_OK)
        pack_fini(body);
    else
        runtime_send(runtime, type, body);
    return err;
}

dragon_err_t request_submit(struct request *request, enum group_order order, uint64_t group,
                            const struct group_spec *spec, dragon_error_t *error)
{
    struct pack body = PACK_EMPTY;
    request->wait_ms = spec->wait_ms;
    request->group = group;
    pack_u32(&body, request->number);
    pack_u8(&body, (uint8_t)order);
    pack_u64(&body, group);
    group_spec_pack(&body, spec);
    return request_send(request, GC_SUBMIT, &body, error);
}

dragon_err_t request_query(struct request *request, enum group_query query, uint64_t group,
                           dragon_error_t *error)
{
    struct pack body = PACK_EMPTY;
    request->query = true;
    request->group = group;
    pack_u32(&body, request->number);
    pack_u8(&body, (uint8_t)query);
    pack_u64(&body, group);
    return request_send(request, GC_QUERY, &body, error);
}

int64_t request_deadline(const struct request *request)
{
    uint64_t ms = request->query ? ANSWER_MS : START_MS;
    if (request->most_ms > 0)
        ms = request->most_ms;
    // When it leaves the queue in the last moment the start follows.
    if (request->queued)
        ms += request->wait_ms;
    if (ms > (uint64_t)INT64_MAX - request->since_ms)
        return INT64_MAX;
    return (int64_t)(request->since_ms + ms);
}

dragon_err_t request_wait(struct request *request, dragon_error_t *error)
{
    struct dragon_runtime *runtime = request->runtime;
    request->waited = true;
    while (!request->answered) {
        if (runtime_turn(runtime, request_deadline(request)) == DRAGON_OK)
            continue;
        request->given_up = true;
        request->waited = false;
        return err_set(error, DRAGON_ERR_TIMEOUT, "node 0 of the runtime did not answer in time");
    }
    dragon_err_t err = request->error.code;
    if (err != DRAGON_OK)
        err_set(error, err, "%s", request->error.text);
    request_destroy(request);
    return err;
}

// ---- answers

static bool request_finish(struct request *request, struct unpack *unpack)
{
    HASH_DEL(request->runtime->requests, request);
    request->answered = true;
    bool good = request->on_answer(request, unpack);
    if (!good)
        err_set(&request->error, DRAGON_ERR_PROTO, "the runtime's answer is not understood");
    if (!request->waited)
        request_destroy(request);
    return good;
}

static struct request *find_request(struct dragon_runtime *runtime, struct unpack *unpack,
                                    bool query)
{
    uint32_t number = unpack_u32(unpack);
    struct request *request = NULL;
    if (!unpack->failed)
        HASH_FIND(hh, runtime->requests, &number, sizeof number, request);
    return request && request->query == query ? request : NULL;
}

static bool on_started(struct dragon_runtime *runtime, struct unpack *unpack)
{
    struct request *request = find_request(runtime, unpack, false);
    uint64_t group = unpack_u64(unpack);
    int32_t err = unpack_i32(unpack);
    int32_t code = unpack_i32(unpack);
    const char *text = unpack_str(unpack);
    if (!request || unpack->failed || err > 0 ||
        (err == DRAGON_OK && request->group && group != request->group))
        return false;
    if (group)
        request->group = group;
    request->code = code;
    err_set(&request->error, err, "%s", text);
    return request_finish(request, unpack);
}

static bool on_answer(struct dragon_runtime *runtime, struct unpack *unpack)
{
    struct request *request = find_request(runtime, unpack, true);
    int32_t err = unpack_i32(unpack);
    if (!request || unpack->failed || err > 0)
        return false;
    err_set(&request->error, err, "%s", dragon_err_text(err));
    return request_finish(request, unpack);
}

// It waits for room; without a text it does so no longer.
static bool on_queued(struct dragon_runtime *runtime, struct unpack *unpack)
{
    struct request *request = find_request(runtime, unpack, false);
    uint64_t group = unpack_u64(unpack);
    const char *text = unpack_str(unpack);
    if (!request || !unpack_done(unpack))
        return false;
    bool queued = *text != 0;
    if (queued != request->queued)
        request->since_ms = time_now_ms();
    request->queued = queued;
    struct run *run = request->run ? request->run : run_find(runtime, group);
    if (!run || run->done || request->given_up)
        return true;
    if (run->start == request) {
        bool first = run->id == 0;
        if (first && !run_set_id(run, group))
            return false;
        if (first && !run->owner)
            run_ask(run, GROUP_ALL_RANKS, SIGTERM, ASK_DROP);
        if (run->state != DRAGON_GROUP_STOPPING)
            run->state = queued ? DRAGON_GROUP_QUEUED : DRAGON_GROUP_STARTING;
    }
    if (queued)
        event_add(run, &(dragon_event_t){.kind = DRAGON_EVENT_QUEUED, .text = text});
    return true;
}

bool requests_on_message(struct dragon_runtime *runtime, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    if (message->type == GC_STARTED)
        return on_started(runtime, &unpack);
    return message->type == GC_QUEUED ? on_queued(runtime, &unpack) : on_answer(runtime, &unpack);
}

void requests_on_lost(struct dragon_runtime *runtime)
{
    struct request *request, *next;
    HASH_ITER (hh, runtime->requests, request, next) {
        struct unpack nothing = unpack_start(NULL, 0);
        err_set(&request->error, DRAGON_ERR_PEER, "%s", runtime->refusal);
        request->code = 125;
        request_finish(request, &nothing);
    }
}
