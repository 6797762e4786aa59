// SPDX-License-Identifier: BSD-3-Clause
//
// One group on this node: see hosted.h.
#include "config.h"

#include "group/hosted.h"

#include <signal.h>

enum { STUCK_MS = 5000 };

struct rank *hosted_find_rank(const struct hosted *hosted, uint32_t number,
                              struct hosted_part **part_out)
{
    for (struct hosted_part *part = hosted->parts; part; part = part->next) {
        struct rank *rank = rank_find(&part->place, number);
        if (rank && part_out)
            *part_out = part;
        if (rank)
            return rank;
    }
    return NULL;
}

// ---- what is due later
//
// One timer for all ranks, set for the next of them; a look at all of them when it is over is cheap beside what
// is then done.

static void set_timer(struct hosted *hosted, uint64_t due_ms)
{
    if (hosted->due_ms && hosted->due_ms <= due_ms)
        return;
    hosted->due_ms = due_ms;
    loop_timer_start(hosted->due, (uint64_t)time_left_ms(due_ms));
}

void hosted_set_due(struct hosted *hosted, struct rank *rank, enum rank_due due, uint64_t ms)
{
    rank->due = (uint8_t)due;
    rank->due_ms = time_now_ms() + ms;
    set_timer(hosted, rank->due_ms);
}

static void report_stuck(struct hosted *hosted, struct rank *rank)
{
    if (!rank_is_running(rank) || rank->reported)
        return;
    rank->reported = true;
    rank->told = false; // this is no end that was asked for
    hosted_report(hosted, rank, RANK_STUCK, SIGKILL);
}

static void do_due(struct hosted_part *part, struct rank *rank)
{
    enum rank_due due = rank->due;
    rank->due = DUE_NOTHING;
    if (due == DUE_START)
        hosted_start_rank(part, rank);
    else if (due == DUE_KILL && rank_signal(rank, SIGKILL))
        hosted_set_due(part->hosted, rank, DUE_STUCK, STUCK_MS);
    else if (due == DUE_STUCK)
        report_stuck(part->hosted, rank);
}

static void on_due(void *arg)
{
    struct hosted *hosted = arg;
    uint64_t now = time_now_ms(), next = 0;
    int starts = STARTS_A_TURN;
    hosted->due_ms = 0;
    for (struct hosted_part *part = hosted->parts; part; part = part->next)
        for (uint32_t i = 0; i < part->place.count; i++) {
            struct rank *rank = &part->ranks[i];
            bool over = rank->due && rank->due_ms <= now;
            if (over && (rank->due != DUE_START || starts-- > 0))
                do_due(part, rank);
            if (rank->due && (!next || rank->due_ms < next))
                next = rank->due_ms;
        }
    if (next)
        set_timer(hosted, next);
}

// ---- life

static void on_output_end(void *arg, uint32_t number)
{
    struct rank *rank = hosted_find_rank(arg, number, NULL);
    if (rank)
        rank_output_ended(rank);
}

struct hosted *hosted_create(struct host *host, uint64_t group, uint64_t session,
                             uint32_t owner_node)
{
    const struct groups_options *options = &host->options;
    struct hosted *hosted = calloc(1, sizeof *hosted);
    if (!hosted)
        return NULL;
    *hosted = (struct hosted){.host = host, .group = group};
    hosted->output = (struct output){.loop = options->loop,
                                     .tree = options->tree,
                                     .group = group,
                                     .session = session,
                                     .owner_node = owner_node,
                                     .on_end = on_output_end,
                                     .arg = hosted};
    hosted->report = (struct loop_later){.fn = hosted_send_reports, .arg = hosted};
    HASH_ADD(hh, host->groups, group, sizeof hosted->group, hosted);
    hosted->files = files_create();
    hosted->due = loop_timer_create(options->loop, on_due, hosted);
    if (hosted->files && hosted->due)
        return hosted;
    hosted_destroy(hosted);
    return NULL;
}

void hosted_destroy(struct hosted *hosted)
{
    if (!hosted)
        return;
    HASH_DEL(hosted->host->groups, hosted);
    while (hosted->parts) {
        struct hosted_part *part = hosted->parts;
        hosted->parts = part->next;
        hosted_part_destroy(part);
    }
    mpi_job_destroy(hosted->mpi_job);
    free(hosted->apps);
    files_destroy(hosted->files);
    loop_timer_destroy(hosted->due);
    loop_later_cancel(hosted->host->options.loop, &hosted->report);
    pack_fini(&hosted->reports);
    free(hosted);
}

void hosted_end_part(struct hosted *hosted, uint32_t number)
{
    for (struct hosted_part **at = &hosted->parts; *at; at = &(*at)->next) {
        struct hosted_part *part = *at;
        if (part->number != number)
            continue;
        *at = part->next;
        hosted_part_destroy(part);
        break;
    }
    if (!hosted->parts)
        hosted_destroy(hosted);
}

// ---- orders

// It waits to be started again: instead it has ended, by our doing.
static void drop_again(struct hosted *hosted, struct rank *rank, int signal)
{
    if (rank->due != DUE_START)
        return;
    rank->due = DUE_NOTHING;
    rank->told = true;
    hosted_report(hosted, rank, RANK_SIGNALED, signal);
}

static void signal_rank(struct hosted *hosted, struct rank *rank, int signal, bool stopping)
{
    if (stopping)
        drop_again(hosted, rank, signal);
    if (!rank_signal(rank, signal) || !stopping)
        return;
    rank->told = true;
    if (signal == SIGKILL)
        hosted_set_due(hosted, rank, DUE_STUCK, STUCK_MS);
}

static void end_restarts(struct hosted *hosted)
{
    for (struct hosted_part *part = hosted->parts; part; part = part->next)
        for (uint32_t i = 0; i < part->started; i++) {
            struct rank *rank = &part->ranks[i];
            if (rank->due != DUE_START)
                continue;
            rank->due = DUE_NOTHING;
            hosted_report_end(hosted, rank);
        }
}

void hosted_signal(struct hosted *hosted, int32_t rank, int signal, enum signal_why why)
{
    bool stopping = why == SIGNAL_STOP;
    if (why == SIGNAL_NO_RESTART) {
        end_restarts(hosted);
        return;
    }
    if (stopping)
        hosted->stop_signal = signal;
    for (struct hosted_part *part = hosted->parts; part; part = part->next) {
        if (stopping && part->going)
            hosted_part_drop_waiting(part);
        for (uint32_t i = 0; i < part->place.count; i++) {
            struct rank *each = &part->ranks[i];
            if (rank != GROUP_ALL_RANKS && each->number != (uint32_t)rank)
                continue;
            if (i < part->started)
                signal_rank(hosted, each, signal, stopping);
            else
                each->early_signal = signal;
        }
    }
}

static void start_again(struct hosted *hosted, struct rank *rank, uint32_t ms)
{
    // Only one of which all was told, and whose number has no process any more.
    if (!rank->reported || rank_is_running(rank) || hosted->mpi_job)
        return;
    hosted_set_due(hosted, rank, DUE_START, ms);
    if (hosted->stop_signal)
        drop_again(hosted, rank, hosted->stop_signal);
}

static void remove_rank(struct hosted *hosted, struct rank *rank, uint32_t ms)
{
    drop_again(hosted, rank, SIGTERM);
    if (!rank_signal(rank, SIGTERM))
        return;
    rank->told = true;
    if (rank->due == DUE_NOTHING) // asking twice gives it no more time
        hosted_set_due(hosted, rank, DUE_KILL, ms);
}

void hosted_order_rank(struct hosted *hosted, uint32_t number, enum rank_order order, uint32_t ms)
{
    struct hosted_part *part;
    struct rank *rank = hosted_find_rank(hosted, number, &part);
    if (!rank)
        return;
    if (order == RANK_START_AGAIN) {
        start_again(hosted, rank, ms);
        return;
    }
    // On its way the news that all nodes are ready may take longer than this order, which comes after it.
    if (rank >= part->ranks + part->started && !rank->reported) { // it has not been started yet
        rank->told = rank->reported = true;
        if (rank->input)
            input_close(rank->input);
        hosted_report(hosted, rank, RANK_SIGNALED, SIGTERM);
        return;
    }
    remove_rank(hosted, rank, ms);
}

size_t hosted_signal_all(const struct hosted *hosted, int signal)
{
    size_t count = 0;
    for (struct hosted_part *part = hosted->parts; part; part = part->next)
        for (uint32_t i = 0; i < part->started; i++) {
            struct rank *rank = &part->ranks[i];
            count += signal ? rank_signal(rank, signal) : rank_is_running(rank);
        }
    return count;
}
