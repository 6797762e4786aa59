// SPDX-License-Identifier: BSD-3-Clause
//
// What the programs that test channels share: channels and memory that are there or the test ends, contents that can be
// checked, and ranks of the program itself in other roles, which report over a channel.
#ifndef TESTS_API_CHAN_H
#define TESTS_API_CHAN_H

#include "tap.h"

static inline void chan_need(dragon_err_t err, const dragon_error_t *error, const char *what)
{
    if (err == DRAGON_OK)
        return;
    printf("Bail out! %s: %s: %s\n", what, dragon_err_name(err), error ? error->text : "");
    exit(1);
}

// ---- channels

static inline dragon_channel_t *chan_make(dragon_runtime_t *runtime,
                                          const dragon_channel_spec_t *spec)
{
    dragon_channel_t *channel = NULL;
    dragon_error_t error;
    chan_need(dragon_channel_create(runtime, spec, &channel, &error), &error, "no channel");
    return channel;
}

// On a node, with so many messages (0: the default).
static inline dragon_channel_t *chan_at(dragon_runtime_t *runtime, int node, uint32_t capacity)
{
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    spec.node = node;
    spec.capacity = capacity;
    return chan_make(runtime, &spec);
}

static inline dragon_channel_t *chan_attach(dragon_runtime_t *runtime, const char *descriptor)
{
    dragon_channel_t *channel = NULL;
    dragon_error_t error;
    chan_need(dragon_channel_attach(runtime, descriptor, &channel, &error), &error, "not attached");
    return channel;
}

// ---- contents

// Bytes that depend on where they are and on a number, so that a piece in the wrong place is seen.
static inline void chan_fill(void *data, size_t bytes, uint64_t number)
{
    uint8_t *at = (uint8_t *)data;
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(i * 31 + (i >> 8) * 17 + number * 101);
}

static inline bool chan_has(const void *data, size_t bytes, uint64_t number)
{
    const uint8_t *at = (const uint8_t *)data;
    for (size_t i = 0; i < bytes; i++)
        if (at[i] != (uint8_t)(i * 31 + (i >> 8) * 17 + number * 101))
            return false;
    return true;
}

// ---- memory

static inline dragon_memory_stats_t chan_memory(dragon_runtime_t *runtime)
{
    dragon_memory_stats_t stats;
    dragon_error_t error;
    chan_need(dragon_memory_stats(runtime, &stats, &error), &error, "no statistics of memory");
    return stats;
}

// Waits until the node has no more in use than before.
static inline bool chan_memory_returns(dragon_runtime_t *runtime,
                                       const dragon_memory_stats_t *before)
{
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    dragon_memory_stats_t now;
    do {
        now = chan_memory(runtime);
        if (now.used_bytes <= before->used_bytes && now.blocks <= before->blocks &&
            now.processes <= before->processes)
            return true;
        tap_nap();
    } while (tap_now_ms() < deadline);
    printf("# used %llu of %llu before, blocks %llu of %llu, processes %u of %u\n",
           (unsigned long long)now.used_bytes, (unsigned long long)before->used_bytes,
           (unsigned long long)now.blocks, (unsigned long long)before->blocks, now.processes,
           before->processes);
    return false;
}

// ---- ranks

// A group of this program in another role: `argv` is what main gets behind its name. On the nodes of `hosts` ("0,2"; NULL: all)
// one after the other. The caller destroys it.
static inline dragon_group_t *chan_ranks(dragon_runtime_t *runtime, const char *hosts,
                                         uint32_t ranks, const char *const *argv)
{
    char self[4096], *words[16] = {self};
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    size_t count = 1;
    dragon_template_t *made = NULL;
    dragon_policy_t *policy = NULL;
    dragon_error_t error = {DRAGON_OK, ""};
    self[length > 0 ? length : 0] = 0;
    for (; argv[count - 1] && count < 15; count++)
        words[count] = strdup(argv[count - 1]);
    chan_need(dragon_template_create(words, &made, &error), &error, "no template");
    chan_need(dragon_policy_create(&policy), NULL, "no policy");
    dragon_policy_set_map(policy, DRAGON_MAP_CYCLIC);
    chan_need(dragon_policy_set_hosts(policy, hosts), NULL, "no such hosts");
    dragon_template_set_policy(made, policy);
    dragon_policy_destroy(policy);
    dragon_group_t *group = tap_group(runtime);
    dragon_group_set_failure(group, DRAGON_FAILURE_CONTINUE);
    tap_add(group, made, ranks);
    dragon_template_destroy(made);
    while (count > 1)
        free(words[--count]);
    tap_start(group);
    return group;
}

// Waits for their end. Whether they all were content.
static inline bool chan_ranks_end(dragon_group_t *group)
{
    dragon_err_t err = dragon_group_wait(group, TAP_WAIT_MS);
    int code = dragon_group_exit_code(group);
    if (err != DRAGON_OK || code != 0)
        printf("# the group: %s, exit code %d\n", dragon_err_name(err), code);
    dragon_group_destroy(group);
    return err == DRAGON_OK && code == 0;
}

static inline int chan_rank(void)
{
    const char *rank = getenv("DRAGON_RANK");
    return rank ? (int)strtol(rank, NULL, 10) : 0;
}

// Whether no process of any node has anything left, seen by a rank on each. main has to call chan_be_empty for it.
static inline bool chan_nodes_empty(dragon_runtime_t *runtime)
{
    const char *const argv[] = {"empty", NULL};
    return chan_ranks_end(chan_ranks(runtime, NULL, dragon_runtime_nodes(runtime), argv));
}

// For the first line of main: the rank of chan_nodes_empty.
static inline void chan_be_empty(int argc, char **argv)
{
    if (argc != 2 || strcmp(argv[1], "empty") != 0)
        return;
    dragon_memory_stats_t none;
    memset(&none, 0, sizeof none);
    none.processes = 2; // the head may be here, and we are
    dragon_runtime_t *runtime = tap_attach();
    bool empty = chan_memory_returns(runtime, &none);
    dragon_runtime_detach(runtime);
    exit(!empty);
}

// For a rank: ends with a word when something is not as it should be.
#define CHAN_DEMAND(good)                                                                \
    do {                                                                                 \
        if (!(good)) {                                                                   \
            fprintf(stderr, "rank %d: line %d: not %s\n", chan_rank(), __LINE__, #good); \
            exit(1);                                                                     \
        }                                                                                \
    } while (0)

#endif
