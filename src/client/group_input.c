// SPDX-License-Identifier: BSD-3-Clause
//
// Input of a group that this process started: the descriptor that the group reads, and what the user writes into
// the pipes of single ranks. Each reader has a window; what it has taken opens it again. What all ranks read is
// sent to each node that has readers, and goes on as fast as the slowest of them.
#include "config.h"

#include "client/group.h"

static void send_input(const struct dragon_group *group, uint32_t node, int rank, const void *data,
                       size_t length)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, group->run->id);
    pack_u32(&body, node);
    pack_i32(&body, rank);
    pack_bytes(&body, data, length);
    runtime_send(group->runtime, GC_INPUT, &body);
}

static bool reads_pipe(const struct dragon_group *group, uint32_t rank)
{
    const struct dragon_template *of = group_template_of(group, rank);
    return of && of->in.kind == STREAM_PIPE;
}

// ---- the descriptor

static bool reads_descriptor(const struct dragon_group *group, uint32_t rank)
{
    int wanted = group->asked.input_rank;
    const struct dragon_template *of = group_template_of(group, rank);
    return of && of->in.kind == STREAM_CLIENT &&
           (wanted == GROUP_ALL_RANKS || (wanted >= 0 && (uint32_t)wanted == rank));
}

static void on_source_data(void *arg, const void *data, size_t length)
{
    struct dragon_group *group = arg;
    struct group_input *input = &group->input;
    for (uint32_t i = 0; i < input->reader_count; i++)
        send_input(group, input->readers[i].node, group->asked.input_rank, data, length);
    input->sent += length;
    input->ended = length == 0;
}

// Lets the source read as much as the slowest reader has room for.
static void allow_more(struct group_input *input)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < input->reader_count; i++)
        if (input->readers[i].taken < least)
            least = input->readers[i].taken;
    if (!input->open || input->ended || least + GROUP_INPUT_WINDOW <= input->granted)
        return;
    uint64_t more = least + GROUP_INPUT_WINDOW - input->granted;
    input->granted += more;
    source_allow(&input->source, more);
}

static struct reader *find_reader(struct group_input *input, uint32_t node)
{
    for (uint32_t i = 0; i < input->reader_count; i++)
        if (input->readers[i].node == node)
            return &input->readers[i];
    return NULL;
}

void input_node_lost(struct dragon_group *group, uint32_t node)
{
    struct group_input *input = &group->input;
    struct reader *lost = find_reader(input, node);
    if (!lost)
        return;
    *lost = input->readers[--input->reader_count];
    if (input->reader_count > 0)
        allow_more(input);
}

// One that comes later reads from here on.
static bool add_reader(struct dragon_group *group, uint32_t node)
{
    struct group_input *input = &group->input;
    struct reader *grown =
        realloc(input->readers, (input->reader_count + 1) * sizeof *input->readers);
    if (!grown)
        return false;
    grown[input->reader_count++] = (struct reader){.node = node, .taken = input->sent};
    input->readers = grown;
    if (input->ended)
        send_input(group, node, group->asked.input_rank, NULL, 0);
    return true;
}

static bool open_source(struct dragon_group *group)
{
    struct group_input *input = &group->input;
    if (input->open || input->reader_count == 0)
        return true;
    input->open = true;
    return source_init(&input->source, group->runtime->loop, group->input_fd, on_source_data,
                       group);
}

bool input_on_part(struct dragon_group *group, const struct plan *plan)
{
    struct group_input *input = &group->input;
    uint32_t nodes = group->runtime->nodes;
    bool *known = group->input_fd >= 0 ? calloc(nodes, sizeof *known) : NULL;
    if (group->input_fd < 0)
        return true;
    if (!known)
        return false;
    bool good = true;
    for (uint32_t i = 0; i < input->reader_count; i++)
        known[input->readers[i].node] = true;
    for (uint32_t rank = plan->first_rank; good && rank - plan->first_rank < plan->size; rank++) {
        uint32_t node = plan_node(plan, rank);
        if (known[node] || !reads_descriptor(group, rank))
            continue;
        known[node] = true;
        good = add_reader(group, node);
    }
    free(known);
    good = good && open_source(group);
    allow_more(input);
    return good;
}

void group_close_input(struct dragon_group *group)
{
    struct group_input *input = &group->input;
    if (input->open)
        source_fini(&input->source);
    for (uint32_t i = 0; i < input->pipe_count; i++)
        pack_fini(&input->pipes[i].waiting);
    free(input->pipes);
    free(input->readers);
    *input = (struct group_input){0};
}

// ---- pipes of single ranks: their nodes take no more than the window, the rest waits here

static size_t pipe_waiting(const struct piped_input *pipe)
{
    return pipe->waiting.length - pipe->start;
}

static struct piped_input *find_pipe(struct dragon_group *group, uint32_t rank)
{
    struct group_input *input = &group->input;
    uint32_t size = group->run->size;
    if (input->pipe_count < size) {
        struct piped_input *grown = realloc(input->pipes, size * sizeof *grown);
        if (!grown)
            return NULL;
        memset(grown + input->pipe_count, 0, (size - input->pipe_count) * sizeof *grown);
        input->pipes = grown;
        input->pipe_count = size;
    }
    return &input->pipes[rank];
}

void input_end_all(struct dragon_group *group)
{
    struct group_input *input = &group->input;
    struct run *run = group->run;
    if (input->open && !input->ended)
        on_source_data(group, NULL, 0);
    for (uint32_t rank = 0; rank < run->size; rank++) {
        uint32_t base;
        const struct plan *part = run_part_of(run, rank, &base);
        bool over =
            run->ranks[rank].status.ended || (rank < input->pipe_count && input->pipes[rank].ended);
        if (part && !over && reads_pipe(group, rank))
            send_input(group, plan_node(part, rank), (int)rank, NULL, 0);
    }
}

// As much as the rank's window has room for.
static void pipe_send(struct dragon_group *group, uint32_t rank)
{
    uint32_t base;
    const struct plan *part = run_part_of(group->run, rank, &base);
    struct piped_input *pipe = &group->input.pipes[rank];
    size_t room = GROUP_INPUT_WINDOW - (size_t)(pipe->sent - pipe->taken);
    size_t length = pipe_waiting(pipe) < room ? pipe_waiting(pipe) : room;
    if (!part || pipe->end_sent)
        return;
    if (length > 0) {
        send_input(group, plan_node(part, rank), (int)rank, pipe->waiting.data + pipe->start,
                   length);
        pipe->start += length;
        pipe->sent += length;
    }
    if (pipe_waiting(pipe) > 0)
        return;
    pack_fini(&pipe->waiting);
    pipe->start = 0;
    if (pipe->ended) {
        send_input(group, plan_node(part, rank), (int)rank, NULL, 0);
        pipe->end_sent = true;
    }
}

bool input_on_taken(struct dragon_group *group, struct unpack *unpack)
{
    struct group_input *input = &group->input;
    uint32_t node = unpack_u32(unpack);
    int32_t rank = unpack_i32(unpack);
    uint32_t bytes = unpack_u32(unpack);
    if (!unpack_done(unpack) || rank < GROUP_ALL_RANKS ||
        (rank >= 0 && (uint32_t)rank >= group->run->size))
        return false;
    if (rank >= 0 && reads_pipe(group, (uint32_t)rank)) {
        struct piped_input *pipe = find_pipe(group, (uint32_t)rank);
        if (!pipe)
            return true;
        pipe->taken = pipe->sent - pipe->taken > bytes ? pipe->taken + bytes : pipe->sent;
        pipe_send(group, (uint32_t)rank);
        return true;
    }
    struct reader *reader = rank == group->asked.input_rank ? find_reader(input, node) : NULL;
    if (reader)
        reader->taken += bytes;
    allow_more(input);
    return true;
}

// Nothing more can be given to it. One that was started again finds its input at the end.
static bool pipe_is_closed(const struct dragon_group *group, uint32_t rank)
{
    const struct run *run = group->run;
    return run->done || run->ranks[rank].status.exit_code >= 0 || group->input.pipes[rank].ended;
}

static dragon_err_t wait_for_room(struct dragon_group *group, uint32_t rank, int64_t deadline)
{
    const struct run *run = group->run;
    while (!pipe_is_closed(group, rank)) {
        const struct piped_input *pipe = &group->input.pipes[rank];
        if (pipe_waiting(pipe) + (pipe->sent - pipe->taken) <= GROUP_INPUT_WINDOW)
            return DRAGON_OK;
        if (group_turn(group, deadline) != DRAGON_OK)
            return DRAGON_ERR_TIMEOUT;
        if (group->run != run)
            return DRAGON_ERR_CLOSED; // a callback started it again
        if (run->state == DRAGON_GROUP_ENDED)
            break; // its pipes are forgotten
    }
    return run->lost ? DRAGON_ERR_PEER : DRAGON_ERR_CLOSED;
}

dragon_err_t dragon_group_write(dragon_group_t *group, uint32_t rank, const void *data,
                                size_t bytes, int timeout_ms)
{
    struct run *run = group->run;
    int64_t deadline = deadline_in(timeout_ms);
    if (!run || group->attached)
        return DRAGON_ERR_STATE;
    if (run->done)
        return run->lost ? DRAGON_ERR_PEER : DRAGON_ERR_CLOSED;
    if (!run_has_processes(run))
        return DRAGON_ERR_STATE;
    if (rank >= run->size || !reads_pipe(group, rank))
        return DRAGON_ERR_INVAL;
    dragon_runtime_progress(group->runtime, 0); // what was taken already makes room
    if (group->run != run)
        return DRAGON_ERR_CLOSED; // a callback started it again
    if (run->done)
        return run->lost ? DRAGON_ERR_PEER : DRAGON_ERR_CLOSED;
    if (!find_pipe(group, rank))
        return DRAGON_ERR_NOMEM;
    dragon_err_t err = wait_for_room(group, rank, deadline);
    if (err != DRAGON_OK)
        return err;
    struct piped_input *pipe = &group->input.pipes[rank];
    pack_raw(&pipe->waiting, data, data ? bytes : 0);
    if (pipe->waiting.failed) {
        pipe->waiting.failed = false; // nothing was added
        return DRAGON_ERR_NOMEM;
    }
    pipe->ended = !data;
    pipe_send(group, rank);
    loop_later_run(group->runtime->loop);
    return DRAGON_OK;
}
