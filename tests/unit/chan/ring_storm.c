// SPDX-License-Identifier: BSD-3-Clause
//
// Many processes send to and receive from one channel, and some of them are killed: nothing comes twice, nothing in another order
// than it was sent in, nobody hangs, and nothing is lost but what a killed receiver had.
#include "config.h"

#include "chan/local.h"
#include "world.h"

enum {
    MOST_EACH = 8,     // senders, receivers
    MESSAGES = 300000, // of a sender, at most
    FIRST_SENDER = 10, // slots
    FIRST_RECEIVER = 30,
    HANG_MS = 60000
};

// Shared by all.
static struct tally {
    struct local_channel channel; // how it is used; each has a copy of its own
    uint32_t messages;            // of each sender
    _Atomic uint32_t senders;     // that have not finished
    _Atomic uint32_t sent[MOST_EACH];
    _Atomic uint8_t received[MOST_EACH][MESSAGES]; // how often
} * tally;

static struct world *world;

static void set_up(void)
{
    world = world_create();
    tally = fake_shared_memory(sizeof *tally);
}

static void tear_down(void)
{
    munmap(tally, sizeof *tally);
    world_destroy(world);
}

TestSuite(ring_storm, .init = set_up, .fini = tear_down, .timeout = 300);

// Sizes of all kinds: in the first line, in the cell, blocks.
static size_t size_of(uint32_t number)
{
    static const size_t sizes[] = {8, 12, 16, 24, 90, 8, 300, 8, 5000};
    return sizes[number % 9];
}

static void send_number(struct local_channel *channel, uint32_t sender, uint32_t number)
{
    uint32_t words[5000 / 4];
    size_t bytes = size_of(number);
    for (size_t i = 0; i < bytes / 4; i++)
        words[i] = number ^ (uint32_t)i << 20;
    uint64_t tag = (uint64_t)sender << 32 | number;
    CHILD_CHECK(local_send(channel, words, bytes, tag, wait_deadline(HANG_MS)) == DRAGON_OK);
}

static struct local_channel channel_of(struct world *child)
{
    struct local_channel channel = tally->channel;
    channel.waiter = &child->waiter;
    // The keeper of the tests does not tell of segments that there are already.
    CHILD_CHECK(space_at(child->space, ref_make(1, child->keeper->bytes - HEAP_PAGE), 1));
    return channel;
}

// From where it was, when it is not the first with that slot: what the one before was killed in may be sent again.
static void send_all(struct world *child, void *arg)
{
    (void)arg;
    struct local_channel channel = channel_of(child);
    uint32_t sender = child->space->slot - FIRST_SENDER;
    for (uint32_t i = atomic_load(&tally->sent[sender]); i < tally->messages; i++) {
        send_number(&channel, sender, i);
        atomic_store(&tally->sent[sender], i + 1);
    }
    atomic_fetch_sub(&tally->senders, 1);
}

static void check_words(const uint32_t *words, size_t bytes, uint32_t number)
{
    CHILD_CHECK(bytes == size_of(number));
    for (size_t i = 0; i < bytes / 4; i++)
        CHILD_CHECK(words[i] == (number ^ (uint32_t)i << 20));
}

// Until it is closed.
static void receive_all(struct world *child, void *arg)
{
    (void)arg;
    struct local_channel channel = channel_of(child);
    int64_t latest[MOST_EACH];
    uint32_t words[5000 / 4];
    dragon_message_t message;
    dragon_err_t err;
    memset(latest, -1, sizeof latest);
    while ((err = local_receive(&channel, words, sizeof words, &message, wait_deadline(HANG_MS))) ==
           DRAGON_OK) {
        uint32_t sender = (uint32_t)(message.tag >> 32), number = (uint32_t)message.tag;
        CHILD_CHECK(sender < MOST_EACH && number < tally->messages);
        CHILD_CHECK(number >= latest[sender]); // the same: see send_all
        latest[sender] = number;
        check_words(words, message.bytes, number);
        atomic_fetch_add(&tally->received[sender][number], 1);
    }
    CHILD_CHECK(err == DRAGON_ERR_CLOSED);
}

static void make(uint32_t capacity, dragon_wait_t wait, uint32_t messages)
{
    struct object_spec spec = {.kind = OBJECT_CHANNEL, .capacity = capacity, .inline_bytes = 100};
    memset(tally, 0, sizeof *tally);
    local_channel_init(&tally->channel, &world->waiter, (struct ring *)world_object(world, &spec));
    tally->channel.wait = wait;
    tally->messages = messages;
    mem_ref block;
    void *data;
    cr_assert_eq(space_alloc(world->space, 1, tally->channel.kind, &block, &data, NULL), DRAGON_OK);
    cr_assert(space_free(world->space, block, US));
}

static void close_when_sent(void)
{
    uint64_t deadline = time_now_ms() + HANG_MS;
    while (atomic_load(&tally->senders) > 0) {
        cr_assert_gt(time_left_ms(deadline), 0);
        usleep(1000);
    }
    object_close(&tally->channel.ring->object, world->space);
}

static void expect_no_block_left(void)
{
    cr_assert_eq(fake_keeper_stats(world->keeper, world->space).blocks, 0);
}

// ---- nobody dies

static void storm(uint32_t senders, uint32_t receivers, uint32_t capacity, dragon_wait_t wait)
{
    pid_t pids[MOST_EACH * 2];
    make(capacity, wait, 20000);
    atomic_store(&tally->senders, senders);
    for (uint32_t i = 0; i < receivers; i++)
        pids[senders + i] = world_child(world, FIRST_RECEIVER + i, receive_all, NULL);
    for (uint32_t i = 0; i < senders; i++)
        pids[i] = world_child(world, FIRST_SENDER + i, send_all, NULL);
    close_when_sent();
    for (uint32_t i = 0; i < senders; i++)
        world_expect_good(world, pids[i], FIRST_SENDER + i);
    for (uint32_t i = 0; i < receivers; i++)
        world_expect_good(world, pids[senders + i], FIRST_RECEIVER + i);
    for (uint32_t i = 0; i < senders; i++)
        for (uint32_t k = 0; k < tally->messages; k++)
            cr_assert_eq(tally->received[i][k], 1, "message %u of sender %u: %u times", k, i,
                         tally->received[i][k]);
    cr_assert_eq(ring_sent(tally->channel.ring), senders * tally->messages);
    cr_assert_eq(atomic_load(&tally->channel.ring->lost), 0);
    expect_no_block_left();
}

Test(ring_storm, one_to_one)
{
    storm(1, 1, 128, DRAGON_WAIT_ADAPTIVE);
}

Test(ring_storm, many_to_one)
{
    storm(4, 1, 16, DRAGON_WAIT_ADAPTIVE);
}

Test(ring_storm, one_to_many)
{
    storm(1, 4, 3, DRAGON_WAIT_ADAPTIVE);
}

Test(ring_storm, many_to_many)
{
    storm(4, 4, 128, DRAGON_WAIT_ADAPTIVE);
}

Test(ring_storm, many_to_many_who_sleep)
{
    storm(5, 3, 2, DRAGON_WAIT_IDLE);
}

Test(ring_storm, many_to_many_by_one_cell)
{
    storm(3, 3, 1, DRAGON_WAIT_IDLE);
}

Test(ring_storm, many_who_never_sleep)
{
    storm(2, 2, 8, DRAGON_WAIT_SPIN);
}

// ---- some are killed

enum { EACH = 3, KILLS = 80 };

struct crowd {
    pid_t pids[EACH * 2];
    uint32_t receivers_killed;
};

static uint32_t slot_of(uint32_t i)
{
    return i < EACH ? FIRST_SENDER + i : FIRST_RECEIVER + i - EACH;
}

static void start(struct crowd *crowd, uint32_t i)
{
    crowd->pids[i] = world_child(world, slot_of(i), i < EACH ? send_all : receive_all, NULL);
}

// Also one that has finished may be killed: it is not started again then.
static void kill_one(struct crowd *crowd, uint32_t i)
{
    if (i < EACH && atomic_load(&tally->sent[i]) == tally->messages)
        return;
    int status;
    kill(crowd->pids[i], SIGKILL);
    cr_assert_eq(waitpid(crowd->pids[i], &status, 0), crowd->pids[i]);
    cr_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
    world_recover(world, slot_of(i));
    if (i >= EACH)
        crowd->receivers_killed++;
    if (WIFSIGNALED(status) && (i >= EACH || atomic_load(&tally->sent[i]) < tally->messages))
        start(crowd, i);
    else if (WIFSIGNALED(status))
        atomic_fetch_sub(&tally->senders, 1); // between its last message and saying so
    else
        crowd->pids[i] = 0;
}

static void storm_with_kills(uint32_t capacity, dragon_wait_t wait, unsigned seed)
{
    struct crowd crowd = {0};
    make(capacity, wait, MESSAGES);
    atomic_store(&tally->senders, EACH);
    for (uint32_t i = 0; i < EACH * 2; i++)
        start(&crowd, i);
    for (int i = 0; i < KILLS && atomic_load(&tally->senders) > 0; i++) {
        usleep(rand_r(&seed) % 1000);
        kill_one(&crowd, rand_r(&seed) % (EACH * 2));
    }
    close_when_sent();
    for (uint32_t i = 0; i < EACH * 2; i++)
        if (crowd.pids[i])
            world_expect_good(world, crowd.pids[i], slot_of(i));
    uint32_t missing = 0, twice = 0;
    for (uint32_t i = 0; i < EACH; i++)
        for (uint32_t k = 0; k < tally->messages; k++) {
            missing += tally->received[i][k] == 0;
            twice += tally->received[i][k] > 1;
        }
    cr_assert_leq(missing, crowd.receivers_killed);
    cr_assert_leq(twice, KILLS); // sent again by who did not know that it was sent
    expect_no_block_left();
}

Test(ring_storm, with_kills)
{
    storm_with_kills(16, DRAGON_WAIT_ADAPTIVE, 1);
}

Test(ring_storm, with_kills_of_those_who_sleep)
{
    storm_with_kills(2, DRAGON_WAIT_IDLE, 2);
}

Test(ring_storm, with_kills_by_one_cell)
{
    storm_with_kills(1, DRAGON_WAIT_ADAPTIVE, 3);
}
