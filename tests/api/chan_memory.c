// SPDX-License-Identifier: BSD-3-Clause
//
// Memory: blocks, shared ones, handing over without a copy, limits with their figures, and what is given back by whom. With
// `chan_memory limit MEGABYTES` the runtime was started with so little for each node.
#include "chan.h"

static size_t alloc(dragon_runtime_t *runtime, size_t bytes, void **data)
{
    dragon_error_t error;
    chan_need(dragon_memory_alloc(runtime, bytes, data, &error), &error, "no memory");
    return bytes;
}

static void check_errors(dragon_runtime_t *runtime)
{
    dragon_memory_spec_t spec = DRAGON_MEMORY_SPEC_INIT;
    dragon_memory_stats_t stats;
    dragon_error_t error;
    char mine[64], *text = NULL;
    void *data = NULL, *other = NULL;
    tap_err(dragon_memory_alloc(NULL, 1, &data, &error), DRAGON_ERR_INVAL, "alloc: no runtime");
    tap_err(dragon_memory_alloc(runtime, 0, &data, &error), DRAGON_ERR_INVAL, "alloc: no bytes");
    tap_err(dragon_memory_alloc(runtime, 1, NULL, &error), DRAGON_ERR_INVAL, "alloc: no result");
    tap_err(dragon_memory_alloc(runtime, SIZE_MAX, &data, &error), DRAGON_ERR_TOO_BIG,
            "alloc: more than there can be");
    tap_err(dragon_memory_alloc(runtime, SIZE_MAX - 4096, &data, &error), DRAGON_ERR_TOO_BIG,
            "alloc: a little less");
    tap_err(dragon_memory_alloc(runtime, (size_t)1 << 46, &data, &error), DRAGON_ERR_FULL,
            "alloc: more than there is");
    tap_has(error.text, "TiB", "the text has the figures");
    spec.numa = 999;
    tap_err(dragon_memory_alloc_at(runtime, 1, &spec, &data, &error), DRAGON_ERR_INVAL,
            "alloc: no such NUMA node");
    spec.numa = -7;
    tap_err(dragon_memory_alloc_at(runtime, 1, &spec, &data, &error), DRAGON_ERR_INVAL,
            "alloc: a negative one");
    spec.numa = DRAGON_ANY_NUMA;
    spec.huge = (dragon_huge_t)9;
    tap_err(dragon_memory_alloc_at(runtime, 1, &spec, &data, &error), DRAGON_ERR_INVAL,
            "alloc: no such pages");
    tap_check(!data, "nothing is written then");
    spec.huge = DRAGON_HUGE_TRY;
    tap_err(dragon_memory_alloc_at(runtime, 3 << 20, &spec, &data, &error), DRAGON_OK,
            "large pages, if there are any");
    memset(data, 1, 3 << 20);
    tap_check((uintptr_t)data % 64 == 0 && dragon_memory_size(runtime, data) >= 3 << 20,
              "as large as was asked for");
    tap_err(dragon_memory_free(runtime, (char *)data + 64), DRAGON_ERR_INVAL,
            "free: in the middle of it");
    tap_err(dragon_memory_free(runtime, mine), DRAGON_ERR_INVAL, "free: memory of another kind");
    tap_err(dragon_memory_free(NULL, data), DRAGON_ERR_INVAL, "free: no runtime");
    tap_err(dragon_memory_free(runtime, data), DRAGON_OK, "free");
    tap_err(dragon_memory_free(runtime, data), DRAGON_ERR_INVAL, "free: it is free already");
    tap_err(dragon_memory_free(runtime, NULL), DRAGON_OK, "free: NULL");
    tap_equal((long)dragon_memory_size(runtime, data), 0, "no size of what is free");
    tap_equal((long)dragon_memory_size(runtime, NULL), 0, "nor of nothing");
    tap_equal((long)dragon_memory_size(NULL, data), 0, "nor without a runtime");
    tap_err(dragon_memory_share(runtime, data, &text, &error), DRAGON_ERR_INVAL,
            "share: what is free");
    tap_err(dragon_memory_share(NULL, data, &text, &error), DRAGON_ERR_INVAL, "share: no runtime");
    alloc(runtime, 100, &data);
    tap_err(dragon_memory_share(runtime, data, NULL, &error), DRAGON_ERR_INVAL, "share: no result");
    dragon_memory_free(runtime, data);
    tap_err(dragon_memory_attach(runtime, NULL, &other, NULL, &error), DRAGON_ERR_INVAL,
            "attach: no descriptor");
    tap_err(dragon_memory_attach(runtime, "dragon-memory:x:0:1", &other, NULL, &error),
            DRAGON_ERR_INVAL, "attach: not a whole one");
    tap_err(dragon_memory_attach(runtime, "dragon-memory:other:0:1:1", &other, NULL, &error),
            DRAGON_ERR_NOT_FOUND, "attach: of another runtime");
    char line[300];
    snprintf(line, sizeof line, "dragon-memory:%s:77:281474976710720:1",
             dragon_runtime_identity(runtime));
    tap_err(dragon_memory_attach(runtime, line, &other, NULL, &error), DRAGON_ERR_UNSUPPORTED,
            "attach: of another node");
    snprintf(line, sizeof line, "dragon-memory:%s:%u:281474976710720:1",
             dragon_runtime_identity(runtime), dragon_runtime_node(runtime));
    tap_err(dragon_memory_attach(runtime, line, &other, NULL, &error), DRAGON_ERR_CLOSED,
            "attach: what never was");
    snprintf(line, sizeof line, "dragon-memory:%s:%u:18446744073709551615:1",
             dragon_runtime_identity(runtime), dragon_runtime_node(runtime));
    tap_err(dragon_memory_attach(runtime, line, &other, NULL, &error), DRAGON_ERR_CLOSED,
            "attach: what cannot be");
    tap_err(dragon_memory_attach(runtime, line, NULL, NULL, &error), DRAGON_ERR_INVAL,
            "attach: no result");
    tap_err(dragon_memory_stats(NULL, &stats, &error), DRAGON_ERR_INVAL, "stats: no runtime");
    tap_err(dragon_memory_stats(runtime, NULL, &error), DRAGON_ERR_INVAL, "stats: no result");
}

static void check_blocks(dragon_runtime_t *runtime)
{
    enum { BLOCKS = 3000 };
    static void *blocks[BLOCKS];
    static size_t sizes[BLOCKS];
    dragon_memory_stats_t before = chan_memory(runtime);
    bool good = true;
    for (int i = 0; i < BLOCKS; i++) {
        sizes[i] = alloc(runtime, (size_t)(i * 7919 % 20000 + 1), &blocks[i]);
        chan_fill(blocks[i], sizes[i], (uint64_t)i);
    }
    dragon_memory_stats_t full = chan_memory(runtime);
    tap_check(full.blocks == before.blocks + BLOCKS && full.used_bytes > before.used_bytes &&
                  full.reserved_bytes >= full.used_bytes && full.segments > 0 &&
                  full.processes >= 1,
              "%d blocks, say the statistics", BLOCKS);
    for (int i = 0; i < BLOCKS; i++)
        good = good && chan_has(blocks[i], sizes[i], (uint64_t)i) &&
               (uintptr_t)blocks[i] % 64 == 0 && dragon_memory_size(runtime, blocks[i]) >= sizes[i];
    tap_check(good, "none lies on another one");
    for (int i = 0; i < BLOCKS; i++)
        good = dragon_memory_free(runtime, blocks[i]) == DRAGON_OK && good;
    tap_check(good && chan_memory(runtime).blocks == before.blocks, "they are given back");
}

static void check_hand_over(dragon_runtime_t *runtime)
{
    dragon_channel_t *channel = chan_at(runtime, DRAGON_HERE, 0);
    dragon_message_t message;
    void *data, *got = NULL;
    char *text = NULL;
    alloc(runtime, 10000000, &data);
    chan_fill(data, 10000000, 3);
    tap_err(dragon_channel_send_memory(channel, (char *)data + 64, 1, 0, 0), DRAGON_ERR_INVAL,
            "not the middle of a block");
    tap_err(dragon_channel_send_memory(channel, data, (size_t)1 << 40, 0, 0), DRAGON_ERR_INVAL,
            "not more than it has");
    tap_err(dragon_channel_send_memory(channel, data, 10000000, 9, 0), DRAGON_OK,
            "a block is sent");
    tap_equal((long)dragon_memory_size(runtime, data), 0, "it is not ours any more");
    tap_err(dragon_memory_free(runtime, data), DRAGON_ERR_INVAL, "nor can it be freed");
    tap_err(dragon_channel_send_memory(channel, data, 1, 0, 0), DRAGON_ERR_INVAL,
            "nor be sent again");
    tap_err(dragon_channel_receive_memory(channel, &got, &message, 0), DRAGON_OK,
            "and is received");
    tap_check(got == data && message.bytes == 10000000 && message.tag == 9,
              "the very same, without a copy");
    tap_check(chan_has(got, 10000000, 3), "with what is in it");
    tap_err(dragon_memory_share(runtime, got, &text, NULL), DRAGON_OK, "it is shared");
    free(text);
    tap_err(dragon_channel_send_memory(channel, got, 1, 0, 0), DRAGON_ERR_STATE,
            "what is shared is not handed over");
    tap_err(dragon_memory_free(runtime, got), DRAGON_OK, "it is given back");
    // What is in a channel that is destroyed goes with it.
    dragon_memory_stats_t before = chan_memory(runtime);
    for (int i = 0; i < 10; i++) {
        alloc(runtime, 100000, &data);
        dragon_channel_send_memory(channel, data, 100000, 0, 0);
    }
    tap_check(chan_memory(runtime).blocks == before.blocks + 10, "what is under way counts");
    dragon_channel_destroy(channel, NULL);
    before.blocks--; // the channel's own
    tap_check(chan_memory_returns(runtime, &before), "until its channel ends");
}

// ---- sharing between processes

// Attaches to a block, adds one to its first number, and leaves in one way or another.
static int use_shared(const char *descriptor, const char *how)
{
    dragon_runtime_t *runtime = tap_attach();
    dragon_error_t error;
    void *data = NULL, *again = NULL;
    size_t bytes;
    dragon_err_t err = dragon_memory_attach(runtime, descriptor, &data, &bytes, &error);
    if (strcmp(how, "far") == 0) {
        CHAN_DEMAND(err == DRAGON_ERR_UNSUPPORTED && strstr(error.text, "node"));
        dragon_runtime_detach(runtime);
        return 0;
    }
    CHAN_DEMAND(err == DRAGON_OK && bytes >= 1000);
    CHAN_DEMAND(dragon_memory_attach(runtime, descriptor, &again, NULL, NULL) == DRAGON_OK);
    CHAN_DEMAND(again == data && dragon_memory_size(runtime, data) == bytes);
    __atomic_fetch_add((int *)data, 1, __ATOMIC_SEQ_CST);
    if (strcmp(how, "die") == 0)
        raise(SIGKILL);
    CHAN_DEMAND(dragon_memory_free(runtime, data) == DRAGON_OK);
    CHAN_DEMAND(dragon_memory_size(runtime, data) == bytes); // it was attached to twice
    if (strcmp(how, "free") == 0) {
        CHAN_DEMAND(dragon_memory_free(runtime, data) == DRAGON_OK);
        CHAN_DEMAND(dragon_memory_free(runtime, data) == DRAGON_ERR_INVAL);
    }
    dragon_runtime_detach(runtime);
    return 0;
}

static void share_with(dragon_runtime_t *runtime, const char *descriptor, const char *how,
                       const char *host, uint32_t ranks)
{
    const char *const argv[] = {"share", descriptor, how, NULL};
    dragon_group_t *group = chan_ranks(runtime, host, ranks, argv);
    if (strcmp(how, "die") != 0) {
        tap_check(chan_ranks_end(group), "others use it: %s", how);
        return;
    }
    dragon_group_wait(group, TAP_WAIT_MS);
    dragon_group_destroy(group);
}

static void check_sharing(dragon_runtime_t *runtime)
{
    dragon_memory_stats_t before = chan_memory(runtime);
    dragon_error_t error;
    void *data, *again = NULL;
    char *text = NULL, *second = NULL, here[12];
    alloc(runtime, 1000, &data);
    memset(data, 0, 1000);
    tap_err(dragon_memory_share(runtime, data, &text, &error), DRAGON_OK, "share");
    tap_err(dragon_memory_share(runtime, data, &second, &error), DRAGON_OK, "and again");
    tap_text(second, text, "it is the same share");
    free(second);
    snprintf(here, sizeof here, "%u", dragon_runtime_node(runtime));
    share_with(runtime, text, "free", here, 3);
    share_with(runtime, text, "leave", here, 3);
    share_with(runtime, text, "die", here, 3);
    if (dragon_runtime_nodes(runtime) > 1)
        share_with(runtime, text, "far", "1", 1);
    tap_equal(*(int *)data, 9, "all wrote into the same memory");
    tap_err(dragon_memory_attach(runtime, text, &again, NULL, &error), DRAGON_OK,
            "we can attach to it too");
    tap_check(again == data, "it is where it was");
    tap_err(dragon_memory_free(runtime, data), DRAGON_OK, "free");
    tap_err(dragon_memory_free(runtime, data), DRAGON_OK, "as often as we attached");
    tap_err(dragon_memory_free(runtime, data), DRAGON_ERR_INVAL, "not more often");
    tap_check(chan_memory_returns(runtime, &before), "then it is given back");
    tap_err(dragon_memory_attach(runtime, text, &again, NULL, &error), DRAGON_ERR_CLOSED,
            "and cannot be attached to any more");
    free(text);
}

// What a process has when it leaves is given back.
static void check_leaving(dragon_runtime_t *runtime)
{
    dragon_memory_stats_t before = chan_memory(runtime);
    dragon_runtime_t *other = tap_attach();
    void *data;
    for (int i = 0; i < 100; i++)
        alloc(other, 50000, &data);
    tap_check(chan_memory(runtime).blocks == before.blocks + 100, "another handle has memory");
    dragon_runtime_detach(other);
    tap_check(chan_memory_returns(runtime, &before), "and has none when it is gone");
}

// ---- limits

static void check_limit(dragon_runtime_t *runtime, uint64_t limit)
{
    enum { MOST = 4096 };
    static void *blocks[MOST];
    dragon_memory_stats_t stats = chan_memory(runtime);
    dragon_channel_t *channel = chan_at(runtime, DRAGON_HERE, 0);
    dragon_error_t error = {DRAGON_OK, ""};
    char figure[40];
    int count = 0;
    tap_equal((long)stats.limit_bytes, (long)limit, "the limit, say the statistics");
    while (count < MOST &&
           dragon_memory_alloc(runtime, 1 << 20, &blocks[count], &error) == DRAGON_OK) {
        memset(blocks[count], 1, 1 << 20);
        count++;
    }
    tap_err(error.code, DRAGON_ERR_FULL, "it is used up");
    // Each segment has a page of its own and what is left behind its last block.
    tap_check((uint64_t)count << 20 <= limit && (uint64_t)count << 20 >= limit / 4 * 3,
              "after %d MiB", count);
    snprintf(figure, sizeof figure, "%u", (unsigned)(limit >> 20));
    tap_has(error.text, figure, "the text has the limit");
    printf("# %s\n", error.text);
    tap_check(chan_memory(runtime).reserved_bytes <= limit, "no more was taken");
    char *large = calloc(1, 3 << 20);
    tap_err(dragon_channel_send(channel, large, 3 << 20, 0, 0), DRAGON_ERR_FULL,
            "a large message does not fit");
    tap_err(dragon_channel_send(channel, large, 100, 0, 0), DRAGON_OK, "a small one does");
    dragon_channel_t *another = NULL;
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    spec.capacity = 100000;
    tap_err(dragon_channel_create(runtime, &spec, &another, &error), DRAGON_ERR_FULL,
            "nor does a large channel");
    tap_has(error.text, figure, "the text has the limit");
    for (int i = 0; i < count; i++)
        dragon_memory_free(runtime, blocks[i]);
    tap_err(dragon_channel_send(channel, large, 3 << 20, 0, 0), DRAGON_OK,
            "when some was given back there is room again");
    free(large);
    dragon_channel_destroy(channel, NULL);
}

int main(int argc, char **argv)
{
    if (argc == 4)
        return use_shared(argv[2], argv[3]);
    dragon_runtime_t *runtime = tap_attach();
    dragon_memory_stats_t before = chan_memory(runtime);
    if (argc == 3) {
        check_limit(runtime, (uint64_t)strtol(argv[2], NULL, 10) << 20);
    } else {
        check_errors(runtime);
        check_blocks(runtime);
        check_hand_over(runtime);
        check_sharing(runtime);
        check_leaving(runtime);
    }
    tap_check(chan_memory_returns(runtime, &before), "nothing is left");
    dragon_runtime_detach(runtime);
    return tap_finish();
}
