// SPDX-License-Identifier: BSD-3-Clause
//
// The life of groups: made, started, waited for, stopped, destroyed; and what is known of them.
#include "config.h"

#include "client/group.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

struct dragon_group *group_create(struct dragon_runtime *runtime)
{
    struct dragon_group *group = calloc(1, sizeof *group);
    if (!group)
        return NULL;
    group->place_text = calloc(1, sizeof *group->place_text);
    if (!group->place_text) {
        free(group);
        return NULL;
    }
    group->runtime = runtime;
    group->input_fd = -1;
    group->asked.input_rank = GROUP_NO_RANK;
    group->asked.grace_ms = 5000;
    group->output.last = &group->output.first;
    return group;
}

dragon_err_t dragon_group_create(dragon_runtime_t *runtime, dragon_group_t **group_out,
                                 dragon_error_t *error)
{
    struct dragon_group *group = group_create(runtime);
    if (group)
        group->asked.env = strv_copy(environ);
    if (!group || !group->asked.env) {
        dragon_group_destroy(group);
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    }
    *group_out = group;
    return DRAGON_OK;
}

dragon_err_t dragon_group_start_process(dragon_runtime_t *runtime, char *const argv[],
                                        const dragon_policy_t *policy, dragon_group_t **group_out,
                                        dragon_error_t *error)
{
    dragon_template_t *process_template = NULL;
    dragon_group_t *group = NULL;
    dragon_err_t err = dragon_template_create(argv, &process_template, error);
    if (err == DRAGON_OK)
        err = dragon_group_create(runtime, &group, error);
    if (err == DRAGON_OK && dragon_template_set_policy(process_template, policy) != DRAGON_OK)
        err = err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    if (err == DRAGON_OK)
        err = dragon_group_add(group, process_template, 1, error);
    if (err == DRAGON_OK)
        err = dragon_group_start(group, error);
    dragon_template_destroy(process_template);
    if (err != DRAGON_OK) {
        dragon_group_destroy(group);
        return err;
    }
    *group_out = group;
    return DRAGON_OK;
}

static void group_free(struct dragon_group *group)
{
    if (group->run)
        run_detach(group->run, group);
    events_forget(group->runtime, group);
    output_forget(group);
    group_close_input(group);
    group_forget_plan(group);
    for (uint32_t i = 0; i < group->member_count; i++)
        dragon_template_destroy(group->members[i].process_template);
    free(group->members);
    policy_fini(&group->policy);
    group_spec_fini(&group->asked);
    free(group->place_text->cores);
    free(group->place_text->gpus);
    free(group->place_text);
    free(group);
}

void dragon_group_destroy(dragon_group_t *group)
{
    if (!group)
        return;
    struct dragon_runtime *runtime = group->runtime;
    struct run *run = group->run;
    if (run && run->owner == group && !run->done && runtime->link) {
        if (!group->asked.detached) {
            // Without a number yet its start's answer finds no owner, and drops it then.
            if (run->id)
                run_ask(run, GROUP_ALL_RANKS, SIGTERM, ASK_DROP);
        } else if (run->start) {
            // Who reads its input is not known before it is started.
            group->abandoned = true;
            group->on_event = NULL;
            events_forget(runtime, group);
            return;
        } else {
            input_end_all(group);
        }
    }
    group_free(group);
    loop_later_run(runtime->loop);
}

// ---- the start

// It never ran, or not to our knowledge.
static void fail_start(struct run *run, dragon_err_t err, int code, const char *cause)
{
    if (run->start)
        run->start->run = NULL;
    run->start = NULL;
    run->start_err = err;
    run->lost = err == DRAGON_ERR_PEER;
    run_end(run, code, cause);
}

static void give_up_start(struct run *run)
{
    run->start->given_up = true;
    if (run->id)
        run_ask(run, GROUP_ALL_RANKS, SIGTERM, ASK_DROP);
    fail_start(run, DRAGON_ERR_TIMEOUT, 125, "node 0 of the runtime did not answer in time");
}

static void on_started(struct run *run)
{
    struct dragon_group *owner = run->owner;
    run->start = NULL;
    if (run->state != DRAGON_GROUP_STOPPING)
        run->state = DRAGON_GROUP_RUNNING;
    event_add(run, &(dragon_event_t){.kind = DRAGON_EVENT_STARTED});
    if (!owner) {
        run_ask(run, GROUP_ALL_RANKS, SIGTERM, ASK_DROP);
    } else if (owner->abandoned) {
        input_end_all(owner);
        group_free(owner);
    } else if (!output_open(owner) || !input_on_part(owner, &run->parts[0])) {
        run_ask(run, GROUP_ALL_RANKS, SIGTERM, ASK_DROP);
        fail_start(run, DRAGON_ERR_NOMEM, 125, "out of memory or descriptors");
    }
}

static bool on_start_answer(struct request *request, struct unpack *unpack)
{
    struct run *run = request->run;
    dragon_err_t err = request->error.code;
    if (!run) { // given up
        if (err == DRAGON_OK)
            run_ask_id(request->runtime, request->group, GROUP_ALL_RANKS, SIGTERM, ASK_DROP);
        return true;
    }
    struct dragon_group *owner = run->owner;
    bool good = err != DRAGON_OK
                    ? unpack_done(unpack)
                    : (run->id ? run->id == request->group : run_set_id(run, request->group)) &&
                          run_unpack_part(run, unpack) && unpack_done(unpack);
    if (good && err == DRAGON_OK) {
        on_started(run);
        return true;
    }
    if (good)
        fail_start(run, err, request->code, request->error.text);
    else
        fail_start(run, DRAGON_ERR_PROTO, 125, "the runtime's answer is not understood");
    if (owner && owner->abandoned)
        group_free(owner);
    return good;
}

static dragon_err_t check_start(const struct dragon_group *group, dragon_error_t *error)
{
    if (group->attached)
        return err_set(error, DRAGON_ERR_STATE, "the group was started by somebody else");
    if (group->run && group->run->state != DRAGON_GROUP_ENDED)
        return err_set(error, DRAGON_ERR_STATE, "the group runs");
    if (group->member_count == 0)
        return err_set(error, DRAGON_ERR_INVAL, "the group has no ranks; add a template");
    if (group->asked.pmi && group->asked.restart != DRAGON_RESTART_NEVER)
        return err_set(error, DRAGON_ERR_INVAL,
                       "the ranks of an MPI group cannot be started again one by one");
    return DRAGON_OK;
}

// What was known of an earlier run goes.
static void begin_run(struct dragon_group *group, struct run *run, struct request *request)
{
    if (group->run)
        run_detach(group->run, group);
    output_forget(group);
    group_close_input(group);
    group_forget_plan(group);
    run_attach(run, group);
    run->owner = group;
    run->ours = true;
    run->pmi = group->asked.pmi;
    run->start = request;
    request->run = run;
}

dragon_err_t dragon_group_submit(dragon_group_t *group, dragon_error_t *error)
{
    struct dragon_runtime *runtime = group->runtime;
    struct group_spec spec;
    dragon_error_t why;
    dragon_err_t err = check_start(group, error);
    if (err != DRAGON_OK)
        return err;
    struct run *run = run_create(runtime);
    struct request *request = run ? request_create(runtime, on_start_answer) : NULL;
    if (!request || !group_spec_build(group, group->members, group->member_count, false, &spec)) {
        request_destroy(request);
        run_destroy(run);
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    }
    begin_run(group, run, request);
    err = request_submit(request, ORDER_START, 0, &spec, &why);
    group_spec_fini(&spec);
    if (err != DRAGON_OK) {
        fail_start(run, err, 125, why.text);
        request_destroy(request);
        return err_set(error, err, "%s", why.text);
    }
    loop_later_run(runtime->loop);
    return DRAGON_OK;
}

dragon_err_t group_turn(struct dragon_group *group, int64_t deadline_ms)
{
    struct run *run = group->run;
    int64_t limit = run->start ? request_deadline(run->start) : INT64_MAX;
    bool start_first = limit != INT64_MAX && (deadline_ms == DRAGON_FOREVER || limit < deadline_ms);
    dragon_err_t err = runtime_turn(group->runtime, start_first ? limit : deadline_ms);
    if (err == DRAGON_OK || !start_first)
        return err;
    give_up_start(run);
    return DRAGON_OK;
}

dragon_err_t dragon_group_start(dragon_group_t *group, dragon_error_t *error)
{
    dragon_err_t err = dragon_group_submit(group, error);
    if (err != DRAGON_OK)
        return err;
    while (group->run->start)
        group_turn(group, DRAGON_FOREVER);
    const struct run *run = group->run;
    if (run->start_err == DRAGON_OK)
        return DRAGON_OK;
    return err_set(error, run->start_err, "%s", run->cause ? run->cause : "out of memory");
}

// ---- while it runs

dragon_err_t dragon_group_wait(dragon_group_t *group, int timeout_ms)
{
    int64_t deadline = deadline_in(timeout_ms);
    if (!group->run)
        return DRAGON_ERR_STATE;
    if (group->run->state != DRAGON_GROUP_ENDED)
        dragon_runtime_progress(group->runtime, 0); // so that a time-out of 0 sees what has come
    while (group->run->state != DRAGON_GROUP_ENDED) {
        if (output_holds_up(group))
            return DRAGON_ERR_FULL; // it would never end: who is to read it waits here
        if (group_turn(group, deadline) != DRAGON_OK)
            return DRAGON_ERR_TIMEOUT;
    }
    return group->run->lost ? DRAGON_ERR_PEER : DRAGON_OK;
}

dragon_err_t dragon_group_signal(dragon_group_t *group, int rank, int signal)
{
    struct run *run = group->run;
    if (!run_has_processes(run))
        return DRAGON_ERR_STATE;
    if (signal < 1 || signal >= NSIG || rank < DRAGON_ALL_RANKS ||
        (rank >= 0 && (uint32_t)rank >= run->size))
        return DRAGON_ERR_INVAL;
    run_ask(run, rank, signal, ASK_SIGNAL);
    loop_later_run(group->runtime->loop);
    return DRAGON_OK;
}

dragon_err_t dragon_group_stop(dragon_group_t *group)
{
    if (!group->run || group->run->done)
        return DRAGON_ERR_STATE;
    run_stop(group->run);
    loop_later_run(group->runtime->loop);
    return DRAGON_OK;
}

dragon_err_t dragon_group_stop_restart(dragon_group_t *group)
{
    struct run *run = group->run;
    if (!run_has_processes(run))
        return DRAGON_ERR_STATE;
    run_ask(run, GROUP_ALL_RANKS, 0, ASK_NO_RESTART);
    loop_later_run(group->runtime->loop);
    return DRAGON_OK;
}

// ---- query

dragon_group_state_t dragon_group_state(const dragon_group_t *group)
{
    return group->run ? group->run->state : DRAGON_GROUP_NEW;
}

const char *dragon_group_state_name(dragon_group_state_t state)
{
    static const char *const names[] = {
        [DRAGON_GROUP_NEW] = "new",           [DRAGON_GROUP_QUEUED] = "queued",
        [DRAGON_GROUP_STARTING] = "starting", [DRAGON_GROUP_RUNNING] = "running",
        [DRAGON_GROUP_STOPPING] = "stopping", [DRAGON_GROUP_ENDED] = "ended",
    };
    return (unsigned)state < sizeof names / sizeof *names ? names[state] : "unknown";
}

uint64_t dragon_group_id(const dragon_group_t *group)
{
    return group->run ? group->run->id : 0;
}

uint32_t dragon_group_size(const dragon_group_t *group)
{
    return group->run ? group->run->size : group->planned.size;
}

int dragon_group_exit_code(const dragon_group_t *group)
{
    return group->run && group->run->state == DRAGON_GROUP_ENDED ? group->run->exit_code : -1;
}

const char *dragon_group_cause(const dragon_group_t *group)
{
    const struct run *run = group->run;
    return run && run->state == DRAGON_GROUP_ENDED && run->cause ? run->cause : "";
}

const char *dragon_group_last_lines(const dragon_group_t *group)
{
    const struct run *run = group->run;
    return run && run->state == DRAGON_GROUP_ENDED && run->last_lines ? run->last_lines : "";
}
