// SPDX-License-Identifier: BSD-3-Clause
//
// Output of a group that this process started: what ranks inherit goes to our own standard streams, what they
// write into pipes waits for dragon_group_read. Both are granted by credits: what has been written out or read
// is given back to the node that sent it.
#include "config.h"

#include "client/group.h"

enum {
    CREDIT_STEP = 16 << 10,   // smaller grants are not worth a message
    WAITING_ENOUGH = 64 << 10 // no grants while more than this waits to be written
};

bool output_open(struct dragon_group *group)
{
    struct group_output *output = &group->output;
    output->owed = calloc(group->runtime->nodes, sizeof *output->owed);
    output->unread = calloc(group->runtime->nodes, sizeof *output->unread);
    output->open = output->owed && output->unread && runtime_open_output(group->runtime);
    return output->open;
}

void output_close(struct dragon_group *group)
{
    struct group_output *output = &group->output;
    if (output->open)
        runtime_close_output(group->runtime);
    output->open = false;
    free(output->owed);
    free(output->unread);
    output->owed = NULL;
    output->unread = NULL;
}

void output_forget(struct dragon_group *group)
{
    struct group_output *output = &group->output;
    output_close(group);
    while (output->first) {
        struct piece *piece = output->first;
        output->first = piece->next;
        free(piece);
    }
    *output = (struct group_output){.last = &output->first};
}

bool output_written(const struct dragon_group *group)
{
    const struct dragon_runtime *runtime = group->runtime;
    const struct group_output *output = &group->output;
    return !output->open ||
           (runtime->out.passed >= output->out_mark && runtime->err.passed >= output->err_mark);
}

// ---- credits

static void send_credit(struct dragon_runtime *runtime, uint64_t id, uint32_t node, uint32_t bytes)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, id);
    pack_u32(&body, node);
    pack_u32(&body, bytes);
    runtime_send(runtime, GC_CREDIT, &body);
}

static bool may_grant(const struct dragon_runtime *runtime)
{
    return sink_waiting(&runtime->out) + sink_waiting(&runtime->err) <= WAITING_ENOUGH;
}

static void grant_node(struct dragon_group *group, uint32_t node)
{
    uint32_t *owed = &group->output.owed[node];
    if (*owed < CREDIT_STEP)
        return;
    send_credit(group->runtime, group->run->id, node, *owed);
    *owed = 0;
}

static void stop_for_broken_output(struct dragon_group *group)
{
    if (group->output.broken || group->run->done)
        return;
    group->output.broken = true;
    run_stop(group->run);
}

void outputs_on_written(struct dragon_runtime *runtime)
{
    struct run *run, *next;
    bool grant = may_grant(runtime);
    HASH_ITER (hh, runtime->runs, run, next) {
        struct dragon_group *owner = run->owner;
        if (!owner || !owner->output.open)
            continue;
        if (runtime->out.broken)
            stop_for_broken_output(owner);
        for (uint32_t node = 0; grant && node < runtime->nodes; node++)
            grant_node(owner, node);
        run_check_ended(run);
    }
}

// ---- what ranks inherit

static int digits(uint32_t number)
{
    int count = 1;
    while (number /= 10)
        count++;
    return count;
}

// Each line begins with its rank; a last line without an end gets one, so that nothing follows on it.
static void add_labelled(struct dragon_group *group, struct sink *sink, uint32_t rank,
                         const uint8_t *data, size_t length)
{
    char label[24];
    int label_length = snprintf(label, sizeof label, "%*u: ", digits(group->run->size - 1), rank);
    while (length > 0) {
        const uint8_t *newline = memchr(data, '\n', length);
        size_t line = newline ? (size_t)(newline - data) + 1 : length;
        sink_add(sink, label, (size_t)label_length);
        sink_add(sink, data, line);
        if (!newline)
            sink_add(sink, "\n", 1);
        data += line;
        length -= line;
    }
}

// Standard error is for people: a line that one rank has begun there is ended before another's follows.
static void add_error(const struct dragon_group *group, uint32_t rank, const uint8_t *data,
                      size_t length)
{
    struct dragon_runtime *runtime = group->runtime;
    struct open_line *line = &runtime->err_line;
    if (length == 0)
        return;
    if (line->open && (line->group != group->run->id || line->rank != rank))
        sink_add(&runtime->err, "\n", 1);
    sink_add(&runtime->err, data, length);
    *line =
        (struct open_line){.group = group->run->id, .rank = rank, .open = data[length - 1] != '\n'};
}

void output_end_line(struct dragon_group *group)
{
    struct dragon_runtime *runtime = group->runtime;
    struct open_line *line = &runtime->err_line;
    if (!group->output.open || !line->open || line->group != group->run->id)
        return;
    sink_add(&runtime->err, "\n", 1);
    line->open = false;
    group->output.err_mark = runtime->err.added;
    sink_flush(&runtime->err);
}

// ---- what comes

static bool is_piped(const struct dragon_group *group, uint32_t rank, uint8_t stream)
{
    const struct dragon_template *of = group_template_of(group, rank);
    return of && (stream == OUTPUT_STDOUT ? of->out.kind : of->err.kind) == STREAM_PIPE;
}

static void add_piece(struct group_output *output, uint32_t node, uint32_t rank, uint8_t stream,
                      const uint8_t *data, size_t length)
{
    struct piece *piece = length ? malloc(sizeof *piece + length) : NULL;
    if (!piece)
        return;
    *piece = (struct piece){.node = node, .rank = rank, .stream = stream, .length = length};
    memcpy(piece->data, data, length);
    *output->last = piece;
    output->last = &piece->next;
    output->unread[node] += length;
}

static void add_inherited(struct dragon_group *group, uint32_t rank, uint8_t stream,
                          const uint8_t *data, size_t length)
{
    struct dragon_runtime *runtime = group->runtime;
    struct sink *sink = stream == OUTPUT_STDOUT ? &runtime->out : &runtime->err;
    if (group->label)
        add_labelled(group, sink, rank, data, length);
    else if (stream == OUTPUT_STDERR)
        add_error(group, rank, data, length);
    else
        sink_add(sink, data, length);
}

bool output_on_message(struct dragon_group *group, struct unpack *unpack)
{
    struct dragon_runtime *runtime = group->runtime;
    struct group_output *output = &group->output;
    uint32_t node = unpack_u32(unpack), rank;
    uint8_t stream;
    const uint8_t *data;
    size_t length;
    if (unpack->failed || node >= runtime->nodes || !output->open)
        return false;
    while (unpack_left(unpack) > 0) {
        if (!output_unpack(unpack, &rank, &stream, &data, &length) || rank >= group->run->size)
            return false;
        if (is_piped(group, rank, stream)) {
            add_piece(output, node, rank, stream, data, length);
            continue;
        }
        add_inherited(group, rank, stream, data, length);
        output->owed[node] += (uint32_t)length;
    }
    output->out_mark = runtime->out.added;
    output->err_mark = runtime->err.added;
    sink_flush(&runtime->out);
    sink_flush(&runtime->err);
    outputs_on_written(runtime);
    return true;
}

// Nobody reads it any more, but its writers must not wait for ever: they may be detached.
bool output_drop(struct dragon_runtime *runtime, uint64_t id, struct unpack *unpack)
{
    uint32_t node = unpack_u32(unpack), rank;
    uint64_t dropped = 0;
    uint8_t stream;
    const uint8_t *data;
    size_t length;
    while (unpack_left(unpack) > 0) {
        if (!output_unpack(unpack, &rank, &stream, &data, &length))
            return false;
        dropped += length;
    }
    if (unpack->failed || node >= runtime->nodes)
        return false;
    if (dropped)
        send_credit(runtime, id, node, (uint32_t)dropped);
    return true;
}

// ---- what ranks write into pipes

// How much of it fits, in whole lines if one does.
static size_t fitting(const struct piece *piece, size_t room)
{
    const uint8_t *from = piece->data + piece->start;
    size_t left = piece->length - piece->start;
    if (left <= room)
        return left;
    const uint8_t *newline = memrchr(from, '\n', room);
    return newline ? (size_t)(newline - from) + 1 : room;
}

// What a node may send before it is granted more: see hosted_part.c, where it begins to count.
static int64_t window_of(const struct run *run, uint32_t node)
{
    for (uint32_t i = 0; i < run->part_count; i++) {
        const struct plan *part = &run->parts[i];
        uint32_t nodes = part->count_on[0] == 0; // node 0 takes part in any case
        if (part->count_on[node] == 0)
            continue;
        for (uint32_t k = 0; k < part->nodes; k++)
            nodes += part->count_on[k] > 0;
        return output_first_window(nodes);
    }
    return INT64_MAX;
}

bool output_holds_up(const struct dragon_group *group)
{
    const struct group_output *output = &group->output;
    for (uint32_t node = 0; output->first && output->unread && node < group->runtime->nodes; node++)
        if (output->unread[node] &&
            (int64_t)(output->unread[node] + output->owed[node]) >= window_of(group->run, node))
            return true;
    return false;
}

static void take_piece(struct dragon_group *group, void *buffer, size_t room,
                       dragon_output_t *output_out)
{
    struct group_output *output = &group->output;
    struct piece *piece = output->first;
    size_t bytes = fitting(piece, room);
    memcpy(buffer, piece->data + piece->start, bytes);
    *output_out = (dragon_output_t){.rank = piece->rank, .stream = piece->stream, .bytes = bytes};
    piece->start += bytes;
    if (output->owed) {
        output->unread[piece->node] -= bytes;
        output->owed[piece->node] += (uint32_t)bytes;
        if (may_grant(group->runtime))
            grant_node(group, piece->node);
    }
    if (piece->start < piece->length)
        return;
    output->first = piece->next;
    if (!output->first)
        output->last = &output->first;
    free(piece);
}

dragon_err_t dragon_group_read(dragon_group_t *group, void *buffer, size_t room,
                               dragon_output_t *output_out, int timeout_ms)
{
    struct dragon_runtime *runtime = group->runtime;
    int64_t deadline = deadline_in(timeout_ms);
    if (!buffer || room == 0 || !output_out)
        return DRAGON_ERR_INVAL;
    if (!group->run || group->attached)
        return DRAGON_ERR_STATE;
    if (!group->output.first)
        dragon_runtime_progress(runtime, 0); // so that a time-out of 0 sees what has come
    while (!group->output.first) {
        if (group->run->done)
            return group->run->lost ? DRAGON_ERR_PEER : DRAGON_ERR_CLOSED;
        if (group_turn(group, deadline) != DRAGON_OK)
            return DRAGON_ERR_TIMEOUT;
    }
    take_piece(group, buffer, room, output_out);
    loop_later_run(runtime->loop);
    return DRAGON_OK;
}
