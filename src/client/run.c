// SPDX-License-Identifier: BSD-3-Clause
//
// Runs: what this process knows of groups that it started or watches. Messages come here by the number of the
// group, and change the run; its handles are told by events.
//
// A run is in the table until the runtime has said that it is over, also when nobody has a handle on it any
// more: the agent still sends what it was once asked for, and a new handle finds it here.
#include "config.h"

#include "client/run.h"

#include "client/group.h"

#include <signal.h>

struct run *run_create(struct dragon_runtime *runtime)
{
    struct run *run = calloc(1, sizeof *run);
    if (!run)
        return NULL;
    run->runtime = runtime;
    run->state = DRAGON_GROUP_STARTING;
    run->exit_code = -1;
    return run;
}

void run_destroy(struct run *run)
{
    if (!run)
        return;
    if (run->id)
        HASH_DEL(run->runtime->runs, run);
    if (run->start)
        run->start->run = NULL;
    for (uint32_t i = 0; i < run->part_count; i++)
        plan_fini(&run->parts[i]);
    free(run->parts);
    free(run->ranks);
    free(run->descriptor);
    free(run->last_lines);
    free(run->cause);
    free(run);
}

struct run *run_find(struct dragon_runtime *runtime, uint64_t id)
{
    struct run *run;
    HASH_FIND(hh, runtime->runs, &id, sizeof id, run);
    return run;
}

bool run_set_id(struct run *run, uint64_t id)
{
    struct dragon_runtime *runtime = run->runtime;
    if (id == 0 || run_find(runtime, id))
        return false;
    run->descriptor = descriptor_make(runtime, id);
    run->id = id;
    HASH_ADD(hh, runtime->runs, id, sizeof run->id, run);
    if (run->stop_wanted)
        run_ask(run, GROUP_ALL_RANKS, SIGTERM, ASK_STOP);
    return true;
}

// ---- handles

void run_attach(struct run *run, struct dragon_group *group)
{
    group->run = run;
    group->next_handle = run->handles;
    run->handles = group;
}

void run_detach(struct run *run, struct dragon_group *group)
{
    for (struct dragon_group **at = &run->handles; *at; at = &(*at)->next_handle) {
        if (*at != group)
            continue;
        *at = group->next_handle;
        break;
    }
    group->run = NULL;
    if (run->owner == group)
        run->owner = NULL;
    if (run->state != DRAGON_GROUP_ENDED)
        run_check_ended(run);
    else if (!run->handles)
        run_destroy(run);
}

// ---- ranks

bool run_grow(struct run *run, uint32_t size)
{
    if (size <= run->size)
        return true;
    struct known_rank *ranks = realloc(run->ranks, size * sizeof *ranks);
    if (!ranks)
        return false;
    for (uint32_t i = run->size; i < size; i++)
        ranks[i] = (struct known_rank){.status = {.exit_code = -1}};
    run->ranks = ranks;
    run->size = size;
    return true;
}

// Takes the plan on success.
static bool add_part(struct run *run, struct plan *plan)
{
    struct plan *parts = realloc(run->parts, (run->part_count + 1) * sizeof *parts);
    if (!parts)
        return false;
    run->parts = parts;
    if (!run_grow(run, plan->first_rank + plan->size))
        return false;
    parts[run->part_count++] = *plan;
    *plan = (struct plan){0};
    return true;
}

bool run_unpack_part(struct run *run, struct unpack *unpack)
{
    struct plan plan;
    if (!plan_unpack(unpack, run->runtime->nodes, &plan))
        return false;
    // Of two additions the later one may be answered first, and the numbers of one that failed are not used.
    bool good = plan.size > 0 && plan.size <= PLAN_RANK_LIMIT &&
                plan.first_rank <= PLAN_RANK_LIMIT - plan.size;
    for (uint32_t i = 0; good && i < run->part_count; i++)
        good = plan.first_rank >= run->parts[i].first_rank + run->parts[i].size ||
               run->parts[i].first_rank >= plan.first_rank + plan.size;
    good = good && add_part(run, &plan);
    plan_fini(&plan);
    return good;
}

const struct plan *run_part_of(const struct run *run, uint32_t rank, uint32_t *base_out)
{
    uint32_t base = 0;
    for (uint32_t i = 0; i < run->part_count; i++) {
        if (plan_has(&run->parts[i], rank)) {
            *base_out = base;
            return &run->parts[i];
        }
        base += run->parts[i].part_count;
    }
    return NULL;
}

static void rank_came_up(struct run *run, const struct rank_report *report)
{
    struct known_rank *rank = &run->ranks[report->rank];
    if (rank->up && rank->status.pid == report->pid)
        return;
    rank->status.node = report->node;
    rank->status.pid = report->pid;
    rank->status.ended = 0;
    rank->status.restarts += rank->status.exit_code >= 0;
    rank->known = rank->up = true;
    // Of a group that we only watch nobody else tells us that it left the queue.
    if (run->state < DRAGON_GROUP_RUNNING)
        run->state = DRAGON_GROUP_RUNNING;
    event_add(run, &(dragon_event_t){.kind = DRAGON_EVENT_RANK_UP,
                                     .rank = report->rank,
                                     .node = report->node,
                                     .pid = report->pid});
}

static void rank_went_down(struct run *run, const struct rank_report *report)
{
    struct known_rank *rank = &run->ranks[report->rank];
    if (rank->status.ended)
        return;
    rank->status.node = report->node;
    rank->status.pid = report->pid;
    rank->status.exit_code = rank_report_code(report);
    rank->status.ended = !report->again;
    rank->status.lost = report->end == RANK_LOST;
    rank->known = true;
    rank->up = false;
    event_add(run, &(dragon_event_t){.kind = report->again ? DRAGON_EVENT_RANK_AGAIN
                                                           : DRAGON_EVENT_RANK_DOWN,
                                     .rank = report->rank,
                                     .node = report->node,
                                     .pid = report->pid,
                                     .code = rank->status.exit_code,
                                     .lost = rank->status.lost});
    if (rank->status.lost && run->owner)
        input_node_lost(run->owner, report->node);
}

static bool on_reports(struct run *run, struct unpack *unpack)
{
    struct rank_report report;
    while (unpack_left(unpack) > 0) {
        if (!rank_report_unpack(unpack, &report) || report.rank >= PLAN_RANK_LIMIT ||
            report.node >= run->runtime->nodes || (run->ours && report.rank >= run->size))
            return false;
        // Ranks that somebody else added are first heard of here.
        if (!run_grow(run, report.rank + 1))
            continue;
        if (report.end == RANK_UP)
            rank_came_up(run, &report);
        else
            rank_went_down(run, &report);
    }
    return true;
}

// ---- orders

void run_ask_id(struct dragon_runtime *runtime, uint64_t id, int rank, int signal,
                enum group_ask ask)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, id);
    pack_i32(&body, rank);
    pack_u32(&body, (uint32_t)signal);
    pack_u8(&body, (uint8_t)ask);
    runtime_send(runtime, GC_ASK, &body);
}

void run_ask(const struct run *run, int rank, int signal, enum group_ask ask)
{
    run_ask_id(run->runtime, run->id, rank, signal, ask);
}

void run_stop(struct run *run)
{
    run->state = DRAGON_GROUP_STOPPING;
    if (run->id)
        run_ask(run, GROUP_ALL_RANKS, SIGTERM, ASK_STOP);
    else
        run->stop_wanted = true;
}

// ---- the end

void run_end(struct run *run, int code, const char *cause)
{
    free(run->cause);
    run->cause = strdup(cause);
    run->exit_code = code;
    run->done = true;
    run_check_ended(run);
}

void run_check_ended(struct run *run)
{
    struct dragon_group *owner = run->owner;
    if (!run->done || run->state == DRAGON_GROUP_ENDED || (owner && !output_written(owner)))
        return;
    run->state = DRAGON_GROUP_ENDED;
    if (owner) {
        output_close(owner);
        group_close_input(owner);
    }
    event_add(run, &(dragon_event_t){
                       .kind = DRAGON_EVENT_ENDED, .code = run->exit_code, .text = run->cause});
    if (!run->handles)
        run_destroy(run);
}

static bool on_done(struct run *run, struct unpack *unpack)
{
    int code = unpack_i32(unpack);
    const char *cause = unpack_str(unpack);
    const char *last_lines = unpack_str(unpack);
    if (!unpack_done(unpack))
        return false;
    if (run->owner)
        output_end_line(run->owner); // what we or our caller say next is to begin a line
    bool broken = run->owner && run->owner->output.broken;
    run->last_lines = strdup(last_lines);
    // After a closed output as silent as any writer into a closed pipe.
    run_end(run, broken ? 128 + SIGPIPE : code, broken ? "" : cause);
    return true;
}

void runs_on_lost(struct dragon_runtime *runtime)
{
    struct run *run, *next;
    HASH_ITER (hh, runtime->runs, run, next) {
        if (run->done)
            continue;
        run->lost = true;
        run_end(run, 125, "the runtime has ended");
    }
}

bool runs_on_message(struct dragon_runtime *runtime, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint64_t id = unpack_u64(&unpack);
    if (unpack.failed)
        return false;
    struct run *run = run_find(runtime, id);
    struct dragon_group *owner = run && !run->done ? run->owner : NULL;
    switch (message->type) {
    case GC_OUTPUT:
        return owner ? output_on_message(owner, &unpack) : output_drop(runtime, id, &unpack);
    case GC_TAKEN:
        return !owner || input_on_taken(owner, &unpack);
    case GC_REPORTS:
        return !run || run->done || on_reports(run, &unpack);
    case GC_DONE:
        return !run || run->done || on_done(run, &unpack);
    default:
        return false;
    }
}
