// SPDX-License-Identifier: BSD-3-Clause
//
// Processes that are killed at any moment of a storm of messages: those that are left go on, and nothing stays behind, no memory, no
// descriptor, no process: `chan_kill SEED ROUNDS`. The ranks do everything that channels and streams can, on all nodes.
#include "chan.h"

#include <dirent.h>

enum { RANKS = 8, KILLED = 4, LARGEST = 100000 };

// ---- the ranks

static uint32_t draw(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static bool is_over(dragon_err_t err)
{
    return err == DRAGON_ERR_CLOSED;
}

static dragon_err_t send_any(dragon_runtime_t *runtime, dragon_channel_t *channel, char *buffer,
                             uint32_t *state)
{
    static const size_t sizes[] = {0, 8, 200, 5000, 30000, LARGEST};
    size_t size = sizes[draw(state) % (sizeof sizes / sizeof *sizes)];
    void *data = NULL;
    if (draw(state) % 3 > 0) {
        chan_fill(buffer, size, size);
        return dragon_channel_send(channel, buffer, size, size, 20);
    }
    dragon_err_t err = dragon_memory_alloc(runtime, size + 1, &data, NULL);
    if (err != DRAGON_OK)
        return err;
    chan_fill(data, size, size);
    err = dragon_channel_send_memory(channel, data, size, size, 20);
    // In mode RECEIVED it may have been sent.
    if (dragon_memory_size(runtime, data) > 0)
        CHAN_DEMAND(err != DRAGON_OK && dragon_memory_free(runtime, data) == DRAGON_OK);
    return err;
}

static dragon_err_t receive_any(dragon_runtime_t *runtime, dragon_channel_t *channel, char *buffer,
                                uint32_t *state)
{
    dragon_message_t message = {0, 0};
    void *data = NULL;
    bool memory = draw(state) % 2;
    dragon_err_t err = memory ? dragon_channel_receive_memory(channel, &data, &message, 20)
                              : dragon_channel_receive(channel, buffer, LARGEST, &message, 20);
    if (err != DRAGON_OK)
        return err;
    CHAN_DEMAND(message.tag == message.bytes);
    CHAN_DEMAND(chan_has(memory ? data : buffer, message.bytes, message.bytes));
    CHAN_DEMAND(dragon_memory_free(runtime, data) == DRAGON_OK);
    return DRAGON_OK;
}

static dragon_err_t wait_in_set(dragon_channel_set_t *set)
{
    dragon_ready_t ready[2];
    size_t count;
    dragon_err_t err = dragon_channel_set_wait_any(set, ready, 2, &count, 5);
    for (size_t i = 0; err == DRAGON_OK && i < count; i++)
        err = ready[i].err;
    return err;
}

// Streams to whoever accepts them, itself also.
static dragon_err_t stream_some(dragon_channel_t *channel, char *buffer, uint32_t *state)
{
    dragon_stream_t *stream = NULL;
    dragon_error_t error;
    size_t got = 1;
    if (draw(state) % 2) {
        dragon_err_t err = dragon_stream_open(channel, 0, &stream, 20, &error);
        if (err != DRAGON_OK)
            return err;
        err = dragon_stream_write(stream, buffer, LARGEST, 20);
        dragon_err_t closed = dragon_stream_close(stream, 20);
        // The stream may be closed by its reader, the channel is not.
        CHAN_DEMAND(err == DRAGON_OK || err == DRAGON_ERR_TIMEOUT || is_over(err));
        CHAN_DEMAND(closed == DRAGON_OK || closed == DRAGON_ERR_TIMEOUT || is_over(closed));
        return DRAGON_OK;
    }
    dragon_err_t err = dragon_stream_accept(channel, &stream, NULL, 20, &error);
    if (err != DRAGON_OK)
        return err;
    while (err == DRAGON_OK && got > 0)
        err = dragon_stream_read(stream, buffer, LARGEST / 3, &got, 100);
    dragon_stream_close(stream, 20);
    return DRAGON_OK;
}

static int be_rank(const char *near, const char *far, const char *streams, uint32_t state)
{
    dragon_runtime_t *runtime = tap_attach();
    dragon_channel_t *channels[] = {chan_attach(runtime, near), chan_attach(runtime, far)};
    dragon_channel_t *stream_channel = chan_attach(runtime, streams);
    dragon_channel_set_t *set = NULL;
    char *buffer = calloc(1, LARGEST);
    dragon_err_t err = DRAGON_OK;
    state = state * 31 + (uint32_t)chan_rank() * 7919;
    CHAN_DEMAND(dragon_channel_set_create(runtime, &set) == DRAGON_OK);
    for (int i = 0; i < 2; i++)
        CHAN_DEMAND(dragon_channel_set_add(set, channels[i], DRAGON_POLL_RECEIVE, NULL) ==
                    DRAGON_OK);
    while (!is_over(err)) {
        dragon_channel_t *channel = channels[draw(&state) % 2];
        dragon_channel_set_return(channel, draw(&state) % 8 ? DRAGON_RETURN_BUFFERED
                                                            : DRAGON_RETURN_RECEIVED);
        switch (draw(&state) % 8) {
        case 0:
            err = wait_in_set(set);
            break;
        case 1:
            err = stream_some(stream_channel, buffer, &state);
            break;
        case 2:
        case 3:
        case 4:
            err = receive_any(runtime, channel, buffer, &state);
            break;
        default:
            err = send_any(runtime, channel, buffer, &state);
        }
        // PEER: who received it was killed.
        CHAN_DEMAND(err == DRAGON_OK || err == DRAGON_ERR_TIMEOUT || err == DRAGON_ERR_PEER ||
                    is_over(err));
    }
    free(buffer);
    dragon_channel_set_destroy(set);
    for (int i = 0; i < 2; i++)
        dragon_channel_detach(channels[i]);
    dragon_channel_detach(stream_channel);
    dragon_runtime_detach(runtime);
    return 0;
}

// ---- the head

static int parent_of(int pid)
{
    char path[64], text[1024];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    tap_read_file(path, text, sizeof text);
    const char *at = strrchr(text, ')');
    if (at)
        sscanf(at, ") %*c %d", &parent);
    return parent;
}

static int memfds_of(int pid)
{
    char path[300], target[200];
    int count = 0;
    struct dirent *entry;
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *folder = opendir(path);
    while (folder && (entry = readdir(folder))) {
        snprintf(path, sizeof path, "/proc/%d/fd/%.20s", pid, entry->d_name);
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length > 0 ? length : 0] = 0;
        count += strstr(target, "memfd:") != NULL;
    }
    if (folder)
        closedir(folder);
    return count;
}

static uint64_t passed(dragon_channel_t *channel)
{
    dragon_channel_stats_t stats = {0};
    dragon_error_t error;
    chan_need(dragon_channel_stats(channel, &stats, &error), &error, "no statistics");
    return stats.received;
}

// Whether the channel goes on.
static bool moves(dragon_channel_t *channel)
{
    uint64_t before = passed(channel);
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    while (passed(channel) < before + 20 && tap_now_ms() < deadline)
        tap_nap();
    return passed(channel) >= before + 20;
}

static int round_of(dragon_runtime_t *runtime, uint32_t *state, int *agents)
{
    char seed[12];
    int nodes = (int)dragon_runtime_nodes(runtime), bad = 0;
    dragon_channel_t *near = chan_at(runtime, 0, 5), *far = chan_at(runtime, nodes - 1, 5);
    dragon_channel_t *streams = chan_at(runtime, 0, 5);
    snprintf(seed, sizeof seed, "%u", draw(state));
    const char *const argv[] = {"rank",
                                dragon_channel_descriptor(near),
                                dragon_channel_descriptor(far),
                                dragon_channel_descriptor(streams),
                                seed,
                                NULL};
    dragon_group_t *group = chan_ranks(runtime, NULL, RANKS, argv);
    int pids[RANKS];
    for (uint32_t i = 0; i < RANKS; i++) {
        dragon_rank_status_t status = {0};
        if (!tap_is_up(runtime, group, i, &status))
            return 1;
        pids[i] = status.pid;
        agents[status.node] = parent_of(status.pid);
    }
    bad += !moves(near) || !moves(far);
    for (int i = 0; i < KILLED; i++) {
        poll(NULL, 0, (int)(draw(state) % 20)); // at any moment
        kill(pids[i], SIGKILL);
    }
    bad += !moves(near) || !moves(far);
    dragon_channel_close(near, NULL);
    dragon_channel_close(far, NULL);
    dragon_channel_close(streams, NULL);
    dragon_err_t err = dragon_group_wait(group, TAP_WAIT_MS);
    for (uint32_t i = KILLED; i < RANKS; i++) {
        dragon_rank_status_t status = {0};
        dragon_group_rank_status(group, i, &status);
        if (err != DRAGON_OK || status.exit_code != 0) {
            printf("# rank %u: %d\n", i, status.exit_code);
            bad++;
        }
    }
    dragon_group_destroy(group);
    dragon_channel_destroy(near, NULL);
    dragon_channel_destroy(far, NULL);
    dragon_channel_destroy(streams, NULL);
    return bad;
}

int main(int argc, char **argv)
{
    chan_be_empty(argc, argv);
    if (argc == 6)
        return be_rank(argv[2], argv[3], argv[4], (uint32_t)strtoul(argv[5], NULL, 10));
    uint32_t state = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 4, bad = 0, agents[16] = {0};
    dragon_runtime_t *runtime = tap_attach();
    dragon_memory_stats_t before = chan_memory(runtime);
    bad += round_of(runtime, &state, agents);
    int first = 0, last = 0;
    for (int i = 0; i < 16 && agents[i]; i++)
        first += memfds_of(agents[i]);
    for (int i = 1; i < rounds && bad == 0; i++)
        bad += round_of(runtime, &state, agents);
    tap_check(bad == 0, "%d rounds in which %d of %d are killed, and the others go on", rounds,
              KILLED, RANKS);
    tap_check(chan_memory_returns(runtime, &before), "all memory is back");
    tap_check(chan_nodes_empty(runtime), "on all nodes");
    for (int i = 0; i < 16 && agents[i]; i++)
        last += memfds_of(agents[i]);
    // Segments are kept; how many were needed depends on how many messages there were at once.
    tap_check(first > 0 && last <= first + (int)dragon_runtime_nodes(runtime) * 2,
              "the agents have %d segments open after the first round, and %d after the last",
              first, last);
    dragon_runtime_detach(runtime);
    return tap_finish();
}
