// SPDX-License-Identifier: BSD-3-Clause
//
// Input of a rank: see input.h.
#include "config.h"

#include "group/input.h"

#include "group/proto.h"

#include <errno.h>
#include <unistd.h>

void input_init(struct input *input, uint32_t rank,
                void (*on_taken)(void *arg, struct input *input, uint32_t bytes), void *arg)
{
    *input = (struct input){.rank = rank, .fd = -1, .on_taken = on_taken, .arg = arg};
}

void input_fini(struct input *input)
{
    loop_watch_destroy(input->watch);
    if (input->fd >= 0)
        close(input->fd);
    pack_fini(&input->waiting);
    input->watch = NULL;
    input->fd = -1;
}

void input_close(struct input *input)
{
    if (input_is_closed(input))
        return;
    size_t dropped = input->waiting.length - input->start;
    input_fini(input);
    input->start = 0;
    input->opened = true;
    input->taken += dropped;
    input->on_taken(input->arg, input, (uint32_t)dropped);
}

static void input_write(struct input *input)
{
    size_t before = input->start;
    bool broken = false;
    while (input->start < input->waiting.length) {
        ssize_t sent = write(input->fd, input->waiting.data + input->start,
                             input->waiting.length - input->start);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) {
            broken = errno != EAGAIN;
            break;
        }
        input->start += (size_t)sent;
    }
    uint32_t taken = (uint32_t)(input->start - before);
    if (input->start == input->waiting.length)
        input->start = input->waiting.length = 0;
    else if (input->start > GROUP_INPUT_WINDOW) { // a reader that is never quite done
        input->waiting.length -= input->start;
        memmove(input->waiting.data, input->waiting.data + input->start, input->waiting.length);
        input->start = 0;
    }
    loop_watch_set(input->watch, input->waiting.length ? LOOP_WRITE : 0);
    input->taken += taken;
    if (taken)
        input->on_taken(input->arg, input, taken);
    if (broken || (input->ended && input->waiting.length == 0))
        input_close(input);
}

static void on_input_ready(void *arg, int events)
{
    (void)events;
    input_write(arg);
}

bool input_open(struct input *input, struct loop *loop, int fd)
{
    input->watch = loop_watch_create(loop, fd, on_input_ready, input);
    input->opened = true;
    if (!input->watch) {
        close(fd);
        return false;
    }
    input->fd = fd;
    input_write(input);
    return true;
}

bool input_add(struct input *input, const void *data, size_t length)
{
    if (length > GROUP_INPUT_WINDOW ||
        input->waiting.length - input->start > GROUP_INPUT_WINDOW - length)
        return false;
    if (input_is_closed(input)) {
        input->taken += length;
        if (length)
            input->on_taken(input->arg, input, (uint32_t)length);
        return true;
    }
    if (length == 0)
        input->ended = true;
    else
        pack_raw(&input->waiting, data, length);
    if (input->fd >= 0)
        input_write(input);
    return true;
}
