// SPDX-License-Identifier: BSD-3-Clause
//
// Output of ranks: see output.h. A line up to GROUP_PIECE bytes goes in one piece and so is never
// mixed with another; a longer one is sent in pieces of that size.
#include "config.h"

#include "group/output.h"

#include <errno.h>
#include <unistd.h>

enum { READS_A_TURN = 4 };

static void output_send(struct outlet *outlet, const uint8_t *data, size_t length)
{
    struct output *output = outlet->output;
    struct pack body = PACK_EMPTY;
    if (length == 0 || output->discard)
        return;
    pack_u64(&body, output->session);
    pack_u16(&body, GC_OUTPUT);
    pack_u64(&body, output->group);
    pack_u32(&body, tree_here(output->tree));
    output_pack(&body, outlet->rank, outlet->stream, data, length);
    output->window -= (int64_t)length;
    tree_send(output->tree, output->owner_node, GN_CLIENT, &body);
}

static bool keep_partial(struct outlet *outlet, const uint8_t *data, size_t length)
{
    if (length > outlet->partial_room) {
        uint8_t *grown = realloc(outlet->partial, length);
        if (!grown)
            return false;
        outlet->partial = grown;
        outlet->partial_room = (uint32_t)length;
    }
    if (length)
        memcpy(outlet->partial, data, length);
    outlet->partial_length = (uint32_t)length;
    return true;
}

// How much of `data` can go now: up to the last end of a line, or all of what is too long for one.
static size_t sendable(const struct outlet *outlet, const uint8_t *data, size_t length)
{
    if (!outlet->output->by_line || outlet->raw)
        return length;
    const uint8_t *newline = memrchr(data, '\n', length);
    if (newline)
        return (size_t)(newline - data) + 1;
    return length >= GROUP_PIECE ? length : 0;
}

static void outlet_stall(struct outlet *outlet)
{
    loop_watch_set(outlet->watch, 0);
    if (outlet->stalled)
        return;
    outlet->stalled = true;
    outlet->next_stalled = outlet->output->stalled;
    outlet->output->stalled = outlet;
}

static void outlet_unstall(struct outlet *outlet)
{
    for (struct outlet **at = &outlet->output->stalled; *at; at = &(*at)->next_stalled) {
        if (*at != outlet)
            continue;
        *at = outlet->next_stalled;
        break;
    }
    outlet->stalled = false;
}

// Reads at most `rounds` times. True when the outlet is closed.
static bool outlet_read(struct outlet *outlet, int rounds)
{
    static uint8_t scratch[2 * GROUP_PIECE]; // one loop reads one outlet at a time
    for (; outlet->fd >= 0 && rounds > 0; rounds--) {
        if (outlet->output->window <= 0 && !outlet->output->discard) {
            outlet_stall(outlet);
            return false;
        }
        if (outlet->partial_length)
            memcpy(scratch, outlet->partial, outlet->partial_length);
        ssize_t got = read(outlet->fd, scratch + outlet->partial_length, GROUP_PIECE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return false;
        if (got <= 0) {
            outlet_close(outlet);
            return true;
        }
        size_t length = outlet->partial_length + (size_t)got;
        size_t now = sendable(outlet, scratch, length);
        if (!keep_partial(outlet, scratch + now, length - now)) {
            outlet->partial_length = 0;
            now = length;
        }
        output_send(outlet, scratch, now);
    }
    return outlet->fd < 0;
}

static void on_outlet_ready(void *arg, int events)
{
    struct outlet *outlet = arg;
    (void)events;
    if (outlet_read(outlet, READS_A_TURN))
        outlet->output->on_end(outlet->output->arg, outlet->rank);
}

bool outlet_open(struct outlet *outlet, struct output *output, int fd, uint32_t rank,
                 uint8_t stream)
{
    *outlet = (struct outlet){.output = output, .fd = fd, .rank = rank, .stream = stream};
    outlet->watch = loop_watch_create(output->loop, fd, on_outlet_ready, outlet);
    if (!outlet->watch) {
        close(fd);
        outlet->fd = -1;
        return false;
    }
    loop_watch_set(outlet->watch, LOOP_READ);
    return true;
}

bool outlet_drain(struct outlet *outlet)
{
    // A pipe holds a bounded amount, unless somebody goes on writing: then this is not the end.
    return outlet->fd < 0 || outlet_read(outlet, 64);
}

void outlet_close(struct outlet *outlet)
{
    if (outlet->fd < 0)
        return;
    output_send(outlet, outlet->partial, outlet->partial_length);
    if (outlet->stalled)
        outlet_unstall(outlet);
    loop_watch_destroy(outlet->watch);
    outlet->watch = NULL;
    close(outlet->fd);
    outlet->fd = -1;
    free(outlet->partial);
    outlet->partial = NULL;
    outlet->partial_length = outlet->partial_room = 0;
}

static void output_resume(struct output *output)
{
    while (output->stalled) {
        struct outlet *outlet = output->stalled;
        output->stalled = outlet->next_stalled;
        outlet->stalled = false;
        loop_watch_set(outlet->watch, LOOP_READ);
    }
}

void output_grant(struct output *output, uint32_t bytes)
{
    output->window += bytes;
    if (output->window > 0)
        output_resume(output);
}

void output_discard(struct output *output)
{
    output->discard = true;
    output_resume(output);
}
