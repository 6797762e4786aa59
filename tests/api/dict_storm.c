// SPDX-License-Identifier: BSD-3-Clause
//
// What the header says of consistency: `dict_storm SECONDS`, on all nodes, which are of this host. Ranks of all nodes read
// while others write, each in its role; beside them processes that do all of it are killed again and again. A rank ends with an error
// when it has seen what nobody may see; the head looks whether the sums are right and all memory came back.
#include "storm.h"

#include <dragon/sync.h>

#define K(text) text, strlen(text)

enum {
    KEYS = 96,   // that are written by many
    FIXED = 200, // that nobody touches
    COUNTERS = 3,
    BYTES = 3 << 20, // of all managers: now and then it is full
    APPEND_MOST = 300000,
    ROOM = 1 << 20,
    BLOCKED_MS = 5000, // a second, but the machine may have other work
};

enum role { ROLE_WRITE, ROLE_READ, ROLE_COUNT, ROLE_VERSION, ROLE_KILL, ROLES };

// What a rank tells in the end.
struct report {
    uint32_t role, rank;
    uint64_t calls, longest_us;
    uint64_t added[COUNTERS], before[COUNTERS]; // how often, and the sum of what was there before
    uint64_t swapped;
    uint64_t full, kills;
};

static dragon_runtime_t *runtime;
static dragon_dict_t *dict;
static dragon_value_t *versions; // of each node's writer: what was acknowledged
static dragon_error_t error;
static struct report report;
static uint64_t seed;
static uint8_t buffer[ROOM], wanted[ROOM];

// ---- calls

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

// The result of a call, of which is known afterwards how long it took.
static uint64_t call_began;
static void call_begins(void)
{
    call_began = now_us();
}
static dragon_err_t call_ended(dragon_err_t err)
{
    uint64_t took = now_us() - call_began;
    report.calls++;
    report.full += err == DRAGON_ERR_FULL;
    if (took > report.longest_us)
        report.longest_us = took;
    return err;
}
#define CALL(call) (call_begins(), call_ended(call))

// One of the two is what a call may say.
#define DEMAND_EITHER(err, one, other) \
    CHAN_DEMAND((err) == DRAGON_OK || (err) == (one) || (err) == (other))

static uint64_t random_below(uint64_t limit)
{
    return storm_random(&seed) % limit;
}

static size_t value_key(uint64_t number, char key[32])
{
    return (size_t)snprintf(key, 32, "value %d", (int)number);
}

// ---- the ones that write

static void do_put(uint64_t number)
{
    char key[32];
    size_t key_bytes = value_key(number, key);
    size_t bytes = storm_write(wanted, number, storm_random(&seed), storm_size(&seed));
    dragon_err_t err;
    if (random_below(4) == 0) {
        err = CALL(
            dragon_dict_put_absent(dict, key, key_bytes, wanted, bytes, DRAGON_DEFAULT_TIMEOUT));
        DEMAND_EITHER(err, DRAGON_ERR_EXISTS, DRAGON_ERR_FULL);
    } else {
        err = CALL(dragon_dict_put(dict, key, key_bytes, wanted, bytes, DRAGON_DEFAULT_TIMEOUT));
        DEMAND_EITHER(err, DRAGON_ERR_FULL, DRAGON_ERR_FULL);
    }
}

static void do_append(uint64_t number)
{
    char key[32];
    size_t key_bytes = value_key(number, key), all = 0;
    size_t bytes = storm_write(wanted, number, storm_random(&seed), storm_size(&seed) / 10);
    dragon_err_t err =
        CALL(dragon_dict_append(dict, key, key_bytes, wanted, bytes, &all, DRAGON_DEFAULT_TIMEOUT));
    DEMAND_EITHER(err, DRAGON_ERR_FULL, DRAGON_ERR_FULL);
    if (err == DRAGON_OK && all > APPEND_MOST)
        do_put(number);
}

static void do_take(uint64_t number)
{
    char key[32];
    size_t key_bytes = value_key(number, key), bytes = 0;
    void *value;
    dragon_err_t err;
    if (random_below(2)) {
        err = CALL(dragon_dict_erase(dict, key, key_bytes, DRAGON_DEFAULT_TIMEOUT));
        DEMAND_EITHER(err, DRAGON_ERR_NOT_FOUND, DRAGON_ERR_NOT_FOUND);
        return;
    }
    err = CALL(dragon_dict_pop(dict, key, key_bytes, &value, &bytes, DRAGON_DEFAULT_TIMEOUT));
    DEMAND_EITHER(err, DRAGON_ERR_NOT_FOUND, DRAGON_ERR_FULL);
    if (err != DRAGON_OK)
        return;
    CHAN_DEMAND(storm_whole(value, bytes, number));
    free(value);
}

static void do_swap(uint64_t number)
{
    char key[32];
    size_t key_bytes = value_key(number, key), got = 0;
    dragon_err_t err =
        CALL(dragon_dict_get(dict, key, key_bytes, buffer, ROOM, &got, DRAGON_DEFAULT_TIMEOUT));
    DEMAND_EITHER(err, DRAGON_ERR_NOT_FOUND, DRAGON_ERR_NOT_FOUND);
    if (err != DRAGON_OK)
        return;
    CHAN_DEMAND(storm_whole(buffer, got, number));
    size_t bytes = storm_write(wanted, number, storm_random(&seed), storm_size(&seed));
    err = CALL(
        dragon_dict_swap(dict, key, key_bytes, buffer, got, wanted, bytes, DRAGON_DEFAULT_TIMEOUT));
    if (err != DRAGON_ERR_STATE)
        DEMAND_EITHER(err, DRAGON_ERR_NOT_FOUND, DRAGON_ERR_FULL);
}

static void do_write(void)
{
    uint64_t number = random_below(KEYS);
    switch (random_below(8)) {
    case 0:
    case 1:
        do_take(number);
        break;
    case 2:
        do_append(number);
        break;
    case 3:
        do_swap(number);
        break;
    default:
        do_put(number);
    }
}

// ---- the ones that read

static void do_view(uint64_t number)
{
    char key[32];
    size_t key_bytes = value_key(number, key);
    dragon_dict_view_t view;
    dragon_err_t err = CALL(dragon_dict_view(dict, key, key_bytes, &view, DRAGON_DEFAULT_TIMEOUT));
    DEMAND_EITHER(err, DRAGON_ERR_NOT_FOUND, DRAGON_ERR_NOT_FOUND);
    if (err != DRAGON_OK)
        return;
    for (int i = 0; i < 3; i++) // others go on meanwhile
        CHAN_DEMAND(storm_whole(view.data, view.bytes, number));
    call_begins();
    dragon_dict_view_end(dict, &view);
    call_ended(DRAGON_OK);
}

static void do_get(uint64_t number)
{
    char key[32];
    size_t key_bytes = value_key(number, key), bytes = 0;
    size_t room = random_below(8) ? ROOM : random_below(60000);
    void *value;
    dragon_err_t err;
    if (random_below(4)) {
        err = CALL(
            dragon_dict_get(dict, key, key_bytes, buffer, room, &bytes, DRAGON_DEFAULT_TIMEOUT));
        DEMAND_EITHER(err, DRAGON_ERR_NOT_FOUND, DRAGON_ERR_TOO_BIG);
        CHAN_DEMAND(err != DRAGON_OK || storm_whole(buffer, bytes, number));
        CHAN_DEMAND(err != DRAGON_ERR_TOO_BIG || bytes > room);
        return;
    }
    err = CALL(dragon_dict_get_new(dict, key, key_bytes, &value, &bytes, DRAGON_DEFAULT_TIMEOUT));
    DEMAND_EITHER(err, DRAGON_ERR_NOT_FOUND, DRAGON_ERR_NOT_FOUND);
    if (err != DRAGON_OK)
        return;
    CHAN_DEMAND(storm_whole(value, bytes, number));
    free(value);
}

// Each key at most once, with a value of its own; what nobody touches exactly once.
static void do_walk(void)
{
    bool seen[KEYS + FIXED] = {false};
    dragon_dict_cursor_t *cursor;
    dragon_err_t err;
    const void *key, *value;
    size_t key_bytes, value_bytes;
    uint64_t fixed = 0;
    const char *prefix = random_below(2) ? "" : "fixed";
    CHAN_DEMAND(dragon_dict_cursor_create(dict, K(prefix), DRAGON_DICT_VALUES, &cursor) ==
                DRAGON_OK);
    while ((err = CALL(dragon_dict_cursor_next(cursor, &key, &key_bytes, &value, &value_bytes,
                                               DRAGON_DEFAULT_TIMEOUT))) == DRAGON_OK) {
        char text[32] = "";
        CHAN_DEMAND(key_bytes < sizeof text);
        memcpy(text, key, key_bytes);
        bool is_fixed = strncmp(text, "fixed ", 6) == 0;
        if (!is_fixed && strncmp(text, "value ", 6) != 0)
            continue;
        uint64_t number = strtoul(text + 6, NULL, 10), at = is_fixed ? KEYS + number : number;
        CHAN_DEMAND(at < KEYS + FIXED && !seen[at]);
        CHAN_DEMAND(storm_whole(value, value_bytes, number));
        seen[at] = true;
        fixed += is_fixed;
    }
    CHAN_DEMAND(err == DRAGON_ERR_NOT_FOUND);
    CHAN_DEMAND(fixed == FIXED);
    dragon_dict_cursor_destroy(cursor);
}

static void do_read(void)
{
    uint64_t what = random_below(64), number = random_below(KEYS);
    if (what == 0)
        do_walk();
    else if (what < 30)
        do_view(number);
    else
        do_get(number);
}

// ---- counters: by addition, and by compare-and-swap

static void do_add(void)
{
    static int64_t last[COUNTERS];
    uint32_t number = (uint32_t)random_below(COUNTERS);
    int64_t before = -1, now = -1;
    size_t bytes = 0;
    char key[32];
    snprintf(key, sizeof key, "count %u", number);
    dragon_err_t err = CALL(dragon_dict_add(dict, K(key), 1, &before, DRAGON_DEFAULT_TIMEOUT));
    DEMAND_EITHER(err, DRAGON_ERR_FULL, DRAGON_ERR_FULL);
    if (err == DRAGON_OK) {
        CHAN_DEMAND(before >= last[number]);
        last[number] = before + 1;
        report.added[number]++;
        report.before[number] += (uint64_t)before;
    }
    err = CALL(dragon_dict_get(dict, K(key), &now, sizeof now, &bytes, DRAGON_DEFAULT_TIMEOUT));
    CHAN_DEMAND(err == DRAGON_OK && bytes == sizeof now && now >= last[number]);
    last[number] = now;
}

static void do_increment(void)
{
    static uint64_t last;
    uint8_t old[256], fresh[256];
    struct record record;
    size_t bytes = 0;
    dragon_err_t err =
        CALL(dragon_dict_get(dict, K("swapped"), old, sizeof old, &bytes, DRAGON_DEFAULT_TIMEOUT));
    CHAN_DEMAND(err == DRAGON_OK && storm_whole(old, bytes, KEYS));
    memcpy(&record, old, sizeof record);
    CHAN_DEMAND(record.version >= last);
    last = record.version;
    size_t size = storm_write(fresh, KEYS, record.version + 1, 8 * (record.version % 20));
    err =
        CALL(dragon_dict_swap(dict, K("swapped"), old, bytes, fresh, size, DRAGON_DEFAULT_TIMEOUT));
    DEMAND_EITHER(err, DRAGON_ERR_STATE, DRAGON_ERR_FULL);
    if (err == DRAGON_OK) {
        last++;
        report.swapped++;
    }
}

static void do_count(void)
{
    if (random_below(2))
        do_add();
    else
        do_increment();
}

// ---- versions: one writes, all read, and nothing goes back behind what was acknowledged

static void write_version(uint32_t node)
{
    static uint64_t version = 1;
    char key[32];
    snprintf(key, sizeof key, "version %u", node);
    size_t bytes = storm_write(wanted, node, version, storm_size(&seed) / 2);
    dragon_err_t err = CALL(dragon_dict_put(dict, K(key), wanted, bytes, DRAGON_DEFAULT_TIMEOUT));
    DEMAND_EITHER(err, DRAGON_ERR_FULL, DRAGON_ERR_FULL);
    if (err != DRAGON_OK)
        return;
    CHAN_DEMAND(dragon_value_do(versions, node, DRAGON_ATOMIC_STORE, (int64_t)version, NULL) ==
                DRAGON_OK);
    version++;
}

static void read_version(uint32_t node)
{
    static uint64_t *last;
    struct record record;
    char key[32];
    size_t bytes = 0;
    int64_t acknowledged = 0, later = 0;
    if (!last)
        last = (uint64_t *)calloc(dragon_runtime_nodes(runtime), sizeof *last);
    snprintf(key, sizeof key, "version %u", node);
    CHAN_DEMAND(dragon_value_do(versions, node, DRAGON_ATOMIC_LOAD, 0, &acknowledged) == DRAGON_OK);
    dragon_err_t err =
        CALL(dragon_dict_get(dict, K(key), buffer, ROOM, &bytes, DRAGON_DEFAULT_TIMEOUT));
    CHAN_DEMAND(err == DRAGON_OK && storm_whole(buffer, bytes, node));
    CHAN_DEMAND(dragon_value_do(versions, node, DRAGON_ATOMIC_LOAD, 0, &later) == DRAGON_OK);
    memcpy(&record, buffer, sizeof record);
    CHAN_DEMAND(record.version >= (uint64_t)acknowledged && record.version >= last[node]);
    CHAN_DEMAND(record.version <= (uint64_t)later + 1);
    last[node] = record.version;
}

static void do_version(void)
{
    if (random_below(2))
        write_version(dragon_runtime_node(runtime));
    else
        read_version((uint32_t)random_below(dragon_runtime_nodes(runtime)));
}

// ---- ranks

static void attach(char **argv)
{
    runtime = tap_attach();
    CHAN_DEMAND(dragon_dict_attach(runtime, argv[2], &dict, &error) == DRAGON_OK);
    CHAN_DEMAND(dragon_value_attach(runtime, argv[3], &versions, &error) == DRAGON_OK);
}

// Who is to be killed: whatever is under way then, nobody else is to see it.
static void be_killed(char **argv)
{
    seed ^= (uint64_t)getpid() << 20;
    attach(argv);
    for (;;) {
        do_write();
        do_read();
        dragon_dict_add(dict, K("killed"), 1, NULL, DRAGON_DEFAULT_TIMEOUT);
        if (random_below(50) == 0)
            dragon_dict_wait(dict, K("never"), 5);
        if (random_below(50) == 0)
            dragon_dict_put_wait(dict, K("killed large"), buffer, 200000, 5);
    }
}

static void kill_one(char **argv)
{
    pid_t child = fork();
    if (child == 0)
        be_killed(argv);
    CHAN_DEMAND(child > 0);
    usleep((useconds_t)random_below(120000)); // that is when it is killed, whatever it does
    kill(child, SIGKILL);
    int status = 0;
    CHAN_DEMAND(waitpid(child, &status, 0) == child);
    CHAN_DEMAND(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); // it had seen nothing wrong
    report.kills++;
}

static int be_rank(char **argv)
{
    static void (*const does[])(void) = {do_write, do_read, do_count, do_version};
    uint64_t end = now_us() + strtoul(argv[5], NULL, 10) * 1000000;
    dragon_channel_t *reports = NULL;
    report.rank = (uint32_t)chan_rank();
    // Ranks go to the nodes in turn: each node has all roles.
    uint32_t nodes = (uint32_t)strtoul(argv[6], NULL, 10);
    report.role = report.rank / nodes % ROLES;
    seed = 88172645463325252u + report.rank * 7919;
    while (report.role == ROLE_KILL && now_us() < end)
        kill_one(argv);
    attach(argv);
    while (now_us() < end)
        does[report.role]();
    CHAN_DEMAND(dragon_channel_attach(runtime, argv[4], &reports, &error) == DRAGON_OK);
    CHAN_DEMAND(dragon_channel_send(reports, &report, sizeof report, 0, TAP_WAIT_MS) == DRAGON_OK);
    dragon_channel_detach(reports);
    dragon_value_detach(versions);
    CHAN_DEMAND(dragon_dict_detach(dict) == DRAGON_OK);
    dragon_runtime_detach(runtime);
    return 0;
}

// ---- the head

static uint64_t used_bytes(uint32_t *open_out)
{
    uint64_t used = 0;
    *open_out = 0;
    for (uint32_t i = 0; i < dragon_dict_managers(dict); i++) {
        dragon_dict_stats_t stats;
        chan_need(dragon_dict_stats(dict, i, &stats, TAP_WAIT_MS), NULL, "no figures");
        used += stats.used_bytes;
        *open_out += stats.views + stats.waiting;
    }
    return used;
}

static void make_all(uint32_t nodes)
{
    dragon_dict_spec_t spec = DRAGON_DICT_SPEC_INIT;
    spec.managers_per_node = 1;
    spec.total_bytes =
        BYTES / nodes > DRAGON_DICT_BYTES_LEAST ? BYTES : (uint64_t)nodes * DRAGON_DICT_BYTES_LEAST;
    chan_need(dragon_dict_create(runtime, &spec, &dict, &error), &error, "no dictionary");
    chan_need(dragon_value_create(runtime, DRAGON_HERE, nodes, 0, &versions, &error), &error,
              "no value");
}

static void fill(uint32_t nodes)
{
    char key[32];
    size_t bytes;
    int64_t zero = 0;
    for (uint32_t i = 0; i < FIXED; i++) {
        snprintf(key, sizeof key, "fixed %u", i);
        bytes = storm_write(wanted, i, i, i % 100);
        chan_need(dragon_dict_put(dict, K(key), wanted, bytes, TAP_WAIT_MS), NULL, "not put");
    }
    for (uint32_t i = 0; i < COUNTERS; i++) {
        snprintf(key, sizeof key, "count %u", i);
        chan_need(dragon_dict_put(dict, K(key), &zero, sizeof zero, TAP_WAIT_MS), NULL, "not put");
    }
    for (uint32_t i = 0; i < nodes; i++) {
        snprintf(key, sizeof key, "version %u", i);
        bytes = storm_write(wanted, i, 0, 0);
        chan_need(dragon_dict_put(dict, K(key), wanted, bytes, TAP_WAIT_MS), NULL, "not put");
    }
    bytes = storm_write(wanted, KEYS, 0, 0);
    chan_need(dragon_dict_put(dict, K("swapped"), wanted, bytes, TAP_WAIT_MS), NULL, "not put");
}

static void check_sums(const struct report *all)
{
    struct record record;
    size_t bytes = 0;
    for (uint32_t i = 0; i < COUNTERS; i++) {
        int64_t now = -1;
        uint64_t added = all->added[i];
        char key[32];
        snprintf(key, sizeof key, "count %u", i);
        dragon_dict_get(dict, K(key), &now, sizeof now, &bytes, TAP_WAIT_MS);
        tap_equal((long)now, (long)added, "a counter has all that was added");
        tap_equal((long)all->before[i], (long)(added * (added - 1) / 2),
                  "and each of its numbers was seen once");
    }
    dragon_dict_get(dict, K("swapped"), buffer, ROOM, &bytes, TAP_WAIT_MS);
    memcpy(&record, buffer, sizeof record);
    tap_equal((long)record.version, (long)all->swapped, "no increment by swapping is lost");
}

// The tables of bins that hold little stay where they are, those that hold much go when they are empty.
static void settle(void)
{
    enum { SETTLE = 4096 };
    uint32_t failed = 0;
    for (uint32_t i = 0; i < SETTLE; i++)
        failed += dragon_dict_put(dict, &i, sizeof i, NULL, 0, TAP_WAIT_MS) != DRAGON_OK;
    tap_equal(failed, 0, "there is room for many");
    tap_err(dragon_dict_clear(dict, TAP_WAIT_MS), DRAGON_OK, "cleared");
}

// Of the killed, too; the keeper and the managers give it back when they have seen that.
static void check_memory(uint64_t used_before)
{
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    uint64_t used, length = 99;
    uint32_t open;
    tap_err(dragon_dict_clear(dict, TAP_WAIT_MS), DRAGON_OK, "cleared");
    tap_err(dragon_dict_length(dict, &length, TAP_WAIT_MS), DRAGON_OK, "counted");
    tap_equal((long)length, 0, "no key is left");
    settle();
    while (((used = used_bytes(&open)) > used_before || open > 0) && tap_now_ms() < deadline)
        tap_nap();
    tap_equal((long)used, (long)used_before, "all memory came back");
    tap_equal(open, 0, "and no view or waiting process is left");
}

static void storm(char *seconds)
{
    enum { SAME = 1 };
    uint32_t nodes = dragon_runtime_nodes(runtime), ranks = SAME * ROLES * nodes, open;
    struct report all, one;
    memset(&all, 0, sizeof all);
    make_all(nodes);
    uint64_t used_before = used_bytes(&open);
    fill(nodes);
    dragon_channel_t *reports = chan_at(runtime, DRAGON_HERE, ranks);
    char count[16];
    snprintf(count, sizeof count, "%u", nodes);
    const char *const argv[] = {"rank",
                                dragon_dict_descriptor(dict),
                                dragon_value_descriptor(versions),
                                dragon_channel_descriptor(reports),
                                seconds,
                                count,
                                NULL};
    dragon_group_t *group = chan_ranks(runtime, NULL, ranks, argv);
    bool good = dragon_group_wait(group, (int)(strtol(seconds, NULL, 10) * 1000) + TAP_WAIT_MS) ==
                DRAGON_OK;
    tap_check(good && dragon_group_exit_code(group) == 0, "nobody saw what nobody may see");
    dragon_group_destroy(group);
    while (dragon_channel_receive(reports, &one, sizeof one, NULL, 0) == DRAGON_OK) {
        printf("# rank %u, role %u: %llu calls, %llu full, %llu kills, the longest call %llu us\n",
               one.rank, one.role, (unsigned long long)one.calls, (unsigned long long)one.full,
               (unsigned long long)one.kills, (unsigned long long)one.longest_us);
        for (uint32_t i = 0; i < COUNTERS; i++) {
            all.added[i] += one.added[i];
            all.before[i] += one.before[i];
        }
        all.swapped += one.swapped;
        all.kills += one.kills;
        all.full += one.full;
        if (one.longest_us > all.longest_us)
            all.longest_us = one.longest_us;
    }
    printf("# %llu kills, %llu times full, %llu swaps, the longest call %llu us\n",
           (unsigned long long)all.kills, (unsigned long long)all.full,
           (unsigned long long)all.swapped, (unsigned long long)all.longest_us);
    tap_check(all.kills > 0 && all.swapped > 0 && all.added[0] > 0, "there was something to see");
    tap_check(all.longest_us < BLOCKED_MS * UINT64_C(1000), "nobody was held up");
    check_sums(&all);
    check_memory(used_before);
    dragon_channel_destroy(reports, NULL);
    dragon_value_destroy(versions, NULL);
    tap_err(dragon_dict_destroy(dict, &error), DRAGON_OK, "destroyed");
}

int main(int argc, char **argv)
{
    chan_be_empty(argc, argv);
    if (argc == 7)
        return be_rank(argv);
    if (argc != 2) {
        fprintf(stderr, "usage: dict_storm SECONDS\n");
        return 2;
    }
    runtime = tap_attach();
    storm(argv[1]);
    tap_check(chan_nodes_empty(runtime), "nothing is left on any node");
    dragon_runtime_detach(runtime);
    return tap_finish();
}
