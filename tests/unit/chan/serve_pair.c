// SPDX-License-Identifier: BSD-3-Clause
//
// Others who do not keep to the rules with a shard: they are cut off, nothing of theirs is left, and the service goes on.
#include "config.h"

#include "shards.h"
#include "stranger.h"

static struct nodes nodes;
static struct manager manager;
static uint8_t value[8 << 20];

static dragon_err_t put(const char *key, size_t bytes)
{
    struct far_call how = within(SOON);
    struct pair_call call = {.op = PAIR_PUT, .key = shard_key(key, strlen(key))};
    call.value = value;
    call.value_bytes = bytes;
    return far_pair(nodes.there, &call, NULL, 0, NULL, NULL, &how);
}

static void down(void)
{
    cr_expect_eq(put("service", 1 << 20), DRAGON_OK);
    manager_expect_clean(&manager);
    manager_down(&nodes, &manager);
}

static struct cu_pair header_of(enum pair_op op, size_t key_bytes, size_t value_bytes)
{
    return (struct cu_pair){.handle = 5,
                            .request = 1,
                            .op = (uint8_t)op,
                            .key_bytes = (uint32_t)key_bytes,
                            .value_bytes = value_bytes,
                            .room = 16 << 20};
}

static void greeted(void)
{
    struct cu_open open = {.handle = 5, .object = nodes.id, .kind = OBJECT_SHARD};
    stranger_connect(nodes.away, nodes.id);
    stranger_hello(nodes.away, true);
    stranger_say(CU_OPEN, &open, sizeof open, NULL, 0);
}

static void say_pair(const struct cu_pair *header, size_t bytes)
{
    stranger_say(CU_PAIR, header, sizeof *header, value, bytes);
}

static void say_key(uint32_t request, size_t bytes)
{
    struct cu_pair_key header = {.handle = 5, .request = request};
    stranger_say(CU_PAIR_KEY, &header, sizeof header, value, bytes);
}

Test(serve_pair, strangers)
{
    manager_up(&nodes, &manager, 4 << 20);
    struct cu_pair header = header_of(PAIR_PUT, 10, 20);
    greeted();
    say_pair(&header, 29);
    stranger_cut_off("a value that is too short");
    greeted();
    say_pair(&header, 31);
    stranger_cut_off("a value that is too long");
    greeted();
    say_key(1, 10);
    say_pair(&header, 30);
    stranger_cut_off("a key twice");
    header.key_sent = 1;
    greeted();
    say_pair(&header, 20);
    stranger_cut_off("no key");
    greeted();
    say_key(1, 9);
    say_pair(&header, 20);
    stranger_cut_off("a key that is too short");
    greeted();
    say_key(2, 10);
    say_pair(&header, 20);
    stranger_cut_off("the key of another request");
    greeted();
    say_key(1, 10);
    say_key(2, 10);
    stranger_cut_off("the key of nothing");
    greeted();
    say_key(1, 0);
    stranger_cut_off("a piece of nothing");
    greeted();
    for (int i = 0; i < 600; i++)
        say_key(1, CHAN_SMALL);
    stranger_cut_off("a key without end");
    header = header_of(PAIR_OPS, 10, 0);
    greeted();
    say_pair(&header, 10);
    stranger_cut_off("no such operation");
    header = header_of(PAIR_GET, 10, 10);
    greeted();
    say_pair(&header, 20);
    stranger_cut_off("a get with a value");
    struct cu_receive receive = {.handle = 5, .request = 1, .room = 1};
    greeted();
    stranger_say(CU_RECEIVE, &receive, sizeof receive, NULL, 0);
    stranger_cut_off("a receive");
    struct cu_send send = {.handle = 5, .number = 1};
    greeted();
    stranger_say(CU_SEND, &send, sizeof send, value, 3);
    stranger_cut_off("a send");
    down();
}

// ---- many in one message

static void say_many(uint8_t op, uint32_t count, const struct pair_asked *asked, size_t bytes)
{
    static uint8_t data[CHAN_SMALL];
    struct cu_pairs header = {.handle = 5, .request = 1, .op = op, .count = count};
    memset(data, 'k', sizeof data);
    memcpy(data, asked, sizeof *asked);
    greeted();
    stranger_say(CU_PAIRS, &header, sizeof header, data, bytes);
}

Test(serve_pair, strangers_with_many)
{
    enum { RECORD = sizeof(struct pair_asked) };
    struct pair_asked asked = {.key_bytes = 10, .value_bytes = 20};
    manager_up(&nodes, &manager, 4 << 20);
    say_many(PAIR_PUT, 1, &asked, RECORD + 29);
    stranger_cut_off("a record that is too short");
    say_many(PAIR_PUT, 1, &asked, RECORD + 31);
    stranger_cut_off("something behind it");
    say_many(PAIR_PUT, 2, &asked, RECORD + 30);
    stranger_cut_off("one that is missing");
    say_many(PAIR_GET, 1, &asked, RECORD + 30);
    stranger_cut_off("a get with a value");
    say_many(PAIR_PUT, 1, &asked, 3);
    stranger_cut_off("no record");
    say_many(PAIR_PUT, 0, &asked, 0);
    stranger_cut_off("nothing");
    say_many(PAIR_PUT, PAIRS_MOST + 1, &asked, CHAN_SMALL);
    stranger_cut_off("too many");
    say_many(PAIR_ERASE, 1, &asked, RECORD + 30);
    stranger_cut_off("another operation");
    asked.key_bytes = UINT32_MAX;
    say_many(PAIR_PUT, 1, &asked, RECORD + 30);
    stranger_cut_off("an enormous key");
    asked = (struct pair_asked){.key_bytes = 10, .value_bytes = UINT32_MAX};
    say_many(PAIR_PUT, 1, &asked, RECORD + 30);
    stranger_cut_off("an enormous value");
    say_many(PAIR_GET, 1, &asked, RECORD + 10); // any room is fine
    cr_expect(stranger_turn_until(&stranger.told));
    stranger_leave();
    down();
}

// It leaves in the middle of a key.
Test(serve_pair, stranger_leaves)
{
    manager_up(&nodes, &manager, 4 << 20);
    greeted();
    say_key(1, CHAN_SMALL);
    cr_expect(stranger_turn_until(&stranger.told));
    stranger_leave();
    down();
}

// It asks for a large value, and does not take it: the pair is pinned until it is gone.
Test(serve_pair, stranger_does_not_take_it)
{
    manager_up(&nodes, &manager, 32 << 20);
    cr_assert_eq(put("key", 8 << 20), DRAGON_OK);
    greeted();
    stranger.holds = true;
    cr_expect(stranger_turn_until(&stranger.told)); // it is open
    stranger.told = false;
    struct cu_pair header = header_of(PAIR_GET, 3, 0);
    stranger_say(CU_PAIR, &header, sizeof header, "key", 3);
    cr_expect(stranger_turn_until(&stranger.told));
    cr_expect_eq(stranger.type, CU_MESSAGE);
    struct shard_stats stats;
    shard_stats(&manager.view, &stats);
    cr_expect_eq(stats.pins, 1);
    cr_expect_eq(put("key", 3), DRAGON_OK);
    stranger_leave();
    down();
}

// The transport does not serve shards.
Test(serve_pair, transport)
{
    manager_up(&nodes, &manager, 4 << 20);
    struct cu_open open = {.handle = 5, .object = nodes.id, .kind = OBJECT_SHARD};
    stranger_connect(nodes.away, 0);
    stranger_hello(nodes.away, true);
    stranger_say(CU_OPEN, &open, sizeof open, NULL, 0);
    cr_expect(stranger_turn_until(&stranger.told));
    struct cu_opened opened;
    memcpy(&opened, stranger.header, sizeof opened);
    cr_expect_eq(stranger.type, CU_OPENED);
    cr_expect_eq(opened.error, DRAGON_ERR_UNSUPPORTED);
    stranger_leave();
    down();
}
