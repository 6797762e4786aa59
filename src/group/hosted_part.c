// SPDX-License-Identifier: BSD-3-Clause
//
// A part of a group on this node: see hosted_part.h.
#include "config.h"

#include "group/hosted.h"

#include <signal.h>

// ---- starting

static void start_some(void *arg)
{
    struct hosted_part *part = arg;
    for (int i = 0; i < STARTS_A_TURN && part->started < part->place.count; i++) {
        struct rank *rank = &part->ranks[part->started++];
        if (!rank->reported) // else it was removed meanwhile
            hosted_start_rank(part, rank);
    }
    if (part->started < part->place.count)
        loop_timer_start(part->next_starts, 0);
}

void hosted_part_drop_waiting(struct hosted_part *part)
{
    struct hosted *hosted = part->hosted;
    while (part->started < part->place.count) {
        struct rank *waiting = &part->ranks[part->started++];
        if (waiting->reported)
            continue;
        waiting->told = waiting->reported = true;
        if (waiting->input)
            input_close(waiting->input);
        hosted_report(hosted, waiting, RANK_SIGNALED, hosted->stop_signal);
    }
}

static void go(struct hosted_part *part)
{
    part->going = true;
    // The files stay from now on, also those of ranks that a stop comes before.
    for (uint32_t i = 0; i < part->place.count; i++) {
        file_begin(part->ranks[i].out_file);
        file_begin(part->ranks[i].err_file);
    }
    if (part->hosted->stop_signal)
        hosted_part_drop_waiting(part);
    else // in the next turn: other nodes wait to be told that they may
        loop_timer_start(part->next_starts, 0);
}

static void on_exchanged(void *arg, dragon_err_t err, const struct exchange_piece *pieces,
                         size_t count)
{
    struct hosted_part *part = arg;
    struct hosted *hosted = part->hosted;
    struct host *host = hosted->host;
    bool good = err == DRAGON_OK;
    for (size_t i = 0; i < count; i++)
        good = good && pieces[i].length == 0;
    if (err == DRAGON_OK && host->on_started)
        host->on_started(host->arg, hosted->group, part->number, pieces, count);
    if (good)
        go(part);
    // else the leader, who has seen the same pieces, ends the part
}

// ---- preparing

// Nothing given is the sign that this node is ready; else an exit code for the client and a text.
static void join_start(struct hosted_part *part, int code, const char *problem)
{
    struct hosted *hosted = part->hosted;
    struct exchange_key key = {
        .group = hosted->group, .what = EXCHANGE_START, .turn = part->number};
    struct pack piece = PACK_EMPTY;
    if (problem) {
        pack_i32(&piece, code);
        pack_str(&piece, problem);
    }
    exchange_join(hosted->host->exchanges, &key, part->nodes, part->node_count, piece.data,
                  piece.length, on_exchanged, part);
    pack_fini(&piece);
}

void hosted_part_ready(struct hosted_part *part, const char *error)
{
    char text[sizeof((dragon_error_t *)0)->text + 100];
    if (*error) {
        snprintf(text, sizeof text, "%s: %s", host_node_name(part->hosted->host), error);
        join_start(part, 125, text);
    } else
        join_start(part, 0, NULL);
}

static void prepare(struct hosted_part *part)
{
    dragon_error_t error = {0};
    char text[700];
    int code = 125;
    if (part->place.count > 0 && !hosted_check(part, &code, text, sizeof text)) {
        join_start(part, code, text);
        return;
    }
    // Each template has its own by now.
    strv_free(part->spec.env);
    part->spec.env = NULL;
    if (part->place.count == 0 || !part->spec.pmi) // the leader's node takes part without ranks
        join_start(part, 0, NULL);
    else if (part->hosted->mpi_job)
        hosted_part_ready(part, "ranks cannot be added to an MPI group");
    else if (!hosted_prepare_mpi(part->hosted, part,
                                 &error)) // else it goes on in hosted_part_ready
        hosted_part_ready(part, error.text);
}

// ---- life

static bool list_nodes(struct hosted_part *part)
{
    part->nodes = calloc(part->plan.nodes, sizeof *part->nodes);
    for (uint32_t node = 0; part->nodes && node < part->plan.nodes; node++)
        if (part->plan.count_on[node] > 0 || node == 0)
            part->nodes[part->node_count++] = node;
    return part->nodes != NULL;
}

// A pipe from the client, if that is what it reads.
static bool add_input(struct hosted_part *part, struct rank *rank)
{
    const struct template_spec *template = hosted_template_of(part, rank->number);
    int32_t reader = part->spec.input_rank;
    if (template->in.kind == STREAM_PIPE)
        return hosted_make_input(part->hosted, rank, true);
    if (template->in.kind == STREAM_CLIENT &&
        (reader == GROUP_ALL_RANKS || (reader >= 0 && (uint32_t)reader == rank->number)))
        return hosted_make_input(part->hosted, rank, false);
    return true;
}

static bool fill_ranks(struct hosted_part *part)
{
    uint32_t here = tree_here(part->hosted->host->options.tree), local = 0;
    uint32_t count = part->plan.count_on[here];
    part->ranks = calloc(count ? count : 1, sizeof *part->ranks);
    part->templates = calloc(part->spec.template_count, sizeof *part->templates);
    if (!part->ranks || !part->templates)
        return false;
    part->place.ranks = part->ranks;
    for (uint32_t i = 0; i < part->plan.size && local < count; i++)
        if (part->plan.node_of_rank[i] == here)
            part->ranks[local++] = (struct rank){.place = &part->place,
                                                 .number = part->plan.first_rank + i,
                                                 .out = {.fd = -1},
                                                 .err = {.fd = -1}};
    part->place.count = local;
    for (uint32_t i = 0; i < local; i++)
        if (!add_input(part, &part->ranks[i]))
            return false;
    return true;
}

static bool fill(struct hosted_part *part)
{
    struct hosted *hosted = part->hosted;
    const struct groups_options *options = &hosted->host->options;
    struct rank_place *place = &part->place;
    place->loop = options->loop;
    place->children = options->children;
    place->output = &hosted->output;
    place->nofile = options->nofile;
    place->on_exited = hosted_on_rank_exited;
    place->on_over = hosted_on_rank_over;
    place->arg = part;
    part->next_starts = loop_timer_create(options->loop, start_some, part);
    return list_nodes(part) && fill_ranks(part) && part->next_starts && rank_place_init(place);
}

// Behind those that came before. The first one says how much of the client's window is ours.
static void enter(struct hosted *hosted, struct hosted_part *part)
{
    struct hosted_part **at = &hosted->parts;
    if (!*at)
        hosted->output.window = output_first_window(part->node_count);
    for (; *at; at = &(*at)->next)
        part->first_local += (*at)->place.count;
    *at = part;
    if (part->plan.first_rank + part->plan.size > 1)
        hosted->output.by_line = true;
}

void hosted_part_create(struct hosted *hosted, const struct hosted_order *order)
{
    struct hosted_part *part = calloc(1, sizeof *part);
    struct hosted_order taken = *order;
    if (!part) {
        plan_fini(&taken.plan);
        group_spec_fini(&taken.spec);
        if (!hosted->parts)
            hosted_destroy(hosted);
        return;
    }
    *part = (struct hosted_part){
        .hosted = hosted, .number = order->number, .plan = order->plan, .spec = order->spec};
    bool good = fill(part);
    enter(hosted, part);
    if (good)
        prepare(part);
    else
        hosted_end_part(hosted, part->number);
}

void hosted_part_destroy(struct hosted_part *part)
{
    struct memory *memory = part->hosted->host->memory;
    for (uint32_t i = 0; part->ranks && i < part->place.count; i++) {
        struct rank *rank = &part->ranks[i];
        rank_signal(rank, SIGKILL);
        memory_release(memory, rank->cgroup);
        rank->cgroup = NULL;
        rank_close(rank);
    }
    if (part->place.drain)
        rank_place_fini(&part->place);
    loop_timer_destroy(part->next_starts);
    for (uint32_t i = 0; part->templates && i < part->spec.template_count; i++) {
        free(part->templates[i].path);
        strv_free(part->templates[i].env);
    }
    free(part->templates);
    free(part->ranks);
    free(part->nodes);
    group_spec_fini(&part->spec);
    plan_fini(&part->plan);
    free(part);
}
