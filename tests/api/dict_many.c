// SPDX-License-Identifier: BSD-3-Clause
//
// Many pairs at once, and pairs that all managers have: `dict_many NODES`, with four managers on those nodes ("0,1"), which
// are of this host.
#include "chan.h"
#include "managers.h"

enum { MANAGERS = 4, SIZES = 12, MANY = 100000, LATE_MS = 200 };

static dragon_runtime_t *runtime;
static dragon_error_t error;
static dragon_dict_t *dict;
static const char *home;

#define K(text) text, strlen(text)

static dragon_dict_t *make(uint64_t bytes_each)
{
    dragon_dict_spec_t spec = DRAGON_DICT_SPEC_INIT;
    dragon_policy_t *policy = NULL;
    dragon_dict_t *made = NULL;
    chan_need(dragon_policy_create(&policy), NULL, "no policy");
    chan_need(dragon_policy_set_hosts(policy, home), NULL, "no such host");
    dragon_policy_set_map(policy, DRAGON_MAP_CYCLIC);
    spec.managers = MANAGERS;
    spec.policy = policy;
    spec.total_bytes = MANAGERS * bytes_each;
    spec.timeout_ms = TAP_WAIT_MS;
    chan_need(dragon_dict_create(runtime, &spec, &made, &error), &error, "no dictionary");
    dragon_policy_destroy(policy);
    return made;
}

// ---- batches: keys of one beginning, values that can be checked

struct batch {
    size_t count;
    dragon_dict_put_item_t *puts;
    dragon_dict_get_item_t *gets;
    char (*keys)[24];
};

static void *need(size_t bytes)
{
    void *memory = calloc(1, bytes > 0 ? bytes : 1);
    if (!memory)
        chan_need(DRAGON_ERR_NOMEM, NULL, "no memory");
    return memory;
}

static struct batch batch_make(size_t count, const char *prefix, const size_t *sizes, size_t kinds)
{
    struct batch batch = {.count = count};
    batch.puts = (dragon_dict_put_item_t *)need(count * sizeof *batch.puts);
    batch.gets = (dragon_dict_get_item_t *)need(count * sizeof *batch.gets);
    batch.keys = (char(*)[24])need(count * sizeof *batch.keys);
    for (size_t i = 0; i < count; i++) {
        size_t bytes = sizes[i % kinds];
        snprintf(batch.keys[i], sizeof batch.keys[i], "%s%zu", prefix, i);
        void *value = need(bytes);
        chan_fill(value, bytes, i);
        batch.puts[i] = (dragon_dict_put_item_t){K(batch.keys[i]), value, bytes, DRAGON_ERR_SYS};
        batch.gets[i] =
            (dragon_dict_get_item_t){K(batch.keys[i]), need(bytes), bytes, 0, DRAGON_ERR_SYS};
    }
    return batch;
}

static void batch_free(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        free((void *)(uintptr_t)batch->puts[i].value);
        free(batch->gets[i].buffer);
    }
    free(batch->puts);
    free(batch->gets);
    free(batch->keys);
}

static size_t puts_with(const struct batch *batch, dragon_err_t err)
{
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++)
        count += batch->puts[i].err == err;
    return count;
}

static size_t gets_with(const struct batch *batch, dragon_err_t err)
{
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++)
        count += batch->gets[i].err == err;
    return count;
}

// How many were got, each with its value.
static size_t gets_good(const struct batch *batch)
{
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const dragon_dict_get_item_t *get = &batch->gets[i];
        count += get->err == DRAGON_OK && get->bytes == batch->puts[i].value_bytes &&
                 chan_has(get->buffer, get->bytes, i);
    }
    return count;
}

// ---- what they do

static void check_sizes(void)
{
    static const size_t sizes[SIZES] = {0,    1,    8,    100,   1000,      4000,
                                        4096, 8191, 8193, 70000, 300 << 10, 1 << 20};
    struct batch batch = batch_make(SIZES * 10, "size ", sizes, SIZES);
    tap_err(dragon_dict_get_many(dict, batch.gets, batch.count, TAP_WAIT_MS), DRAGON_ERR_NOT_FOUND,
            "got before they are put");
    tap_equal((long)gets_with(&batch, DRAGON_ERR_NOT_FOUND), (long)batch.count, "none is there");
    tap_err(dragon_dict_put_many(dict, batch.puts, batch.count, TAP_WAIT_MS), DRAGON_OK, "put");
    tap_equal((long)puts_with(&batch, DRAGON_OK), (long)batch.count, "all are told so");
    tap_err(dragon_dict_get_many(dict, batch.gets, batch.count, TAP_WAIT_MS), DRAGON_OK, "got");
    tap_equal((long)gets_good(&batch), (long)batch.count, "all of them are what was put");
    for (size_t i = 0; i < batch.count; i++)
        batch.gets[i].room = batch.gets[i].room / 2;
    tap_err(dragon_dict_get_many(dict, batch.gets, batch.count, TAP_WAIT_MS), DRAGON_ERR_TOO_BIG,
            "with too little room");
    size_t told = 0;
    for (size_t i = 0; i < batch.count; i++)
        told += batch.gets[i].bytes == batch.puts[i].value_bytes;
    tap_equal((long)told, (long)batch.count, "each says how large it is");
    tap_equal((long)gets_with(&batch, DRAGON_OK), 10, "the empty ones fit");
    // Much more room than they need, so that answers are fuller than was expected.
    size_t room = 3000;
    struct batch roomy = batch_make(batch.count, "size ", &room, 1);
    tap_err(dragon_dict_get_many(dict, roomy.gets, roomy.count, TAP_WAIT_MS), DRAGON_ERR_TOO_BIG,
            "with as much room for each");
    tap_equal((long)gets_with(&roomy, DRAGON_OK), 50, "five sizes fit");
    batch_free(&roomy);
    batch_free(&batch);
    tap_err(dragon_dict_clear(dict, TAP_WAIT_MS), DRAGON_OK, "cleared");
}

static void check_guesses(void)
{
    size_t small = 16, large = 3500;
    struct batch one = batch_make(500, "guess a", &small, 1);
    struct batch two = batch_make(500, "guess b", &large, 1);
    tap_err(dragon_dict_put_many(dict, one.puts, one.count, TAP_WAIT_MS), DRAGON_OK, "small ones");
    tap_err(dragon_dict_put_many(dict, two.puts, two.count, TAP_WAIT_MS), DRAGON_OK, "larger ones");
    for (int i = 0; i < 20; i++)
        chan_need(dragon_dict_get_many(dict, one.gets, one.count, TAP_WAIT_MS), NULL, "not got");
    tap_err(dragon_dict_get_many(dict, two.gets, two.count, TAP_WAIT_MS), DRAGON_OK,
            "after many small ones larger ones");
    tap_equal((long)gets_good(&two), 500, "come as they are");
    batch_free(&one);
    batch_free(&two);
}

static void check_errors(void)
{
    static char long_key[DRAGON_DICT_KEY_MOST + 1];
    char buffer[8] = "";
    dragon_dict_put_item_t puts[] = {
        {K("a"), "1", 1, DRAGON_ERR_SYS},
        {K("a"), "2", 1, DRAGON_ERR_SYS},
        {NULL, 1, "x", 1, DRAGON_ERR_SYS},
        {K("b"), NULL, 1, DRAGON_ERR_SYS},
        {NULL, 0, NULL, 0, DRAGON_ERR_SYS},
        {long_key, sizeof long_key, "x", 1, DRAGON_ERR_SYS},
        {long_key, sizeof long_key - 1, "x", 1, DRAGON_ERR_SYS},
    };
    tap_err(dragon_dict_put_many(dict, puts, 7, TAP_WAIT_MS), DRAGON_ERR_INVAL,
            "the first error is told");
    tap_check(puts[0].err == DRAGON_OK && puts[1].err == DRAGON_OK, "the same key twice");
    tap_check(puts[2].err == DRAGON_ERR_INVAL && puts[3].err == DRAGON_ERR_INVAL, "NULL");
    tap_err(puts[4].err, DRAGON_OK, "nothing under nothing");
    tap_err(puts[5].err, DRAGON_ERR_TOO_BIG, "a key that is too long");
    tap_err(puts[6].err, DRAGON_OK, "the longest key");
    dragon_dict_get_item_t gets[] = {
        {K("a"), buffer, sizeof buffer, 0, DRAGON_ERR_SYS},
        {K("missing"), buffer, sizeof buffer, 7, DRAGON_ERR_SYS},
        {K("a"), NULL, 1, 0, DRAGON_ERR_SYS},
        {K("a"), NULL, 0, 0, DRAGON_ERR_SYS},
        {long_key, sizeof long_key - 1, buffer + 4, 4, 0, DRAGON_ERR_SYS},
    };
    tap_err(dragon_dict_get_many(dict, gets, 5, TAP_WAIT_MS), DRAGON_ERR_NOT_FOUND, "gets");
    tap_check(gets[0].err == DRAGON_OK && (buffer[0] == '1' || buffer[0] == '2'), "either value");
    tap_err(gets[1].err, DRAGON_ERR_NOT_FOUND, "one that is missing");
    tap_err(gets[2].err, DRAGON_ERR_INVAL, "nowhere");
    tap_check(gets[3].err == DRAGON_ERR_TOO_BIG && gets[3].bytes == 1, "no room");
    tap_check(gets[4].err == DRAGON_OK && gets[4].bytes == 1 && buffer[4] == 'x', "the longest");
    tap_err(dragon_dict_put_many(dict, NULL, 0, TAP_WAIT_MS), DRAGON_OK, "none at all");
    tap_err(dragon_dict_put_many(dict, NULL, 1, TAP_WAIT_MS), DRAGON_ERR_INVAL, "items NULL");
    tap_err(dragon_dict_get_many(NULL, gets, 1, TAP_WAIT_MS), DRAGON_ERR_INVAL, "no dictionary");
    tap_err(dragon_dict_freeze(dict, TAP_WAIT_MS), DRAGON_OK, "frozen");
    tap_err(dragon_dict_put_many(dict, puts, 2, TAP_WAIT_MS), DRAGON_ERR_DENIED, "put then");
    tap_err(dragon_dict_unfreeze(dict, TAP_WAIT_MS), DRAGON_OK, "unfrozen");
}

// Each large one twice: there is room for one, but not for what is under way together.
static void check_full(void)
{
    size_t large = 1 << 20, huge = 20 << 20;
    dragon_dict_t *small = make(4 << 20);
    struct batch batch = batch_make(MANAGERS, "large ", &large, 1);
    struct batch more = batch_make(40, "more ", &large, 1);
    struct batch never = batch_make(1, "never ", &huge, 1);
    chan_need(dragon_dict_put_many(small, batch.puts, 1, TAP_WAIT_MS), NULL, "not put");
    for (size_t i = 0; i < more.count; i++) {
        more.puts[i].key = batch.keys[0];
        more.puts[i].key_bytes = strlen(batch.keys[0]);
    }
    tap_err(dragon_dict_put_many(small, more.puts, more.count, TAP_WAIT_MS), DRAGON_OK,
            "a large one again and again");
    batch_free(&more);
    more = batch_make(40, "more ", &large, 1);
    long began = tap_now_ms();
    tap_err(dragon_dict_put_many(small, more.puts, more.count, TAP_WAIT_MS), DRAGON_ERR_FULL,
            "more than there is room for");
    tap_check(tap_now_ms() - began < 10000, "at once");
    tap_equal((long)(puts_with(&more, DRAGON_OK) + puts_with(&more, DRAGON_ERR_FULL)), 40,
              "each is put, or there was no room");
    tap_check(puts_with(&more, DRAGON_OK) >= 4, "some are");
    tap_err(dragon_dict_put_many(small, never.puts, 1, TAP_WAIT_MS), DRAGON_ERR_FULL,
            "one that never fits");
    tap_err(dragon_dict_get_many(small, batch.gets, 1, TAP_WAIT_MS), DRAGON_OK, "what was there");
    tap_equal((long)batch.gets[0].bytes, (long)large, "stays");
    batch_free(&batch);
    batch_free(&more);
    batch_free(&never);
    tap_err(dragon_dict_destroy(small, &error), DRAGON_OK, "destroyed");
}

// ---- time

static void check_times(void)
{
    size_t bytes = 100;
    struct batch batch = batch_make(20000, "time ", &bytes, 1);
    tap_err(dragon_dict_put_many(dict, batch.puts, 1000, 0), DRAGON_OK, "without waiting");
    tap_err(dragon_dict_get_many(dict, batch.gets, 1000, 0), DRAGON_OK, "the same");
    dragon_err_t err = dragon_dict_put_many(dict, batch.puts, batch.count, 1);
    size_t good = puts_with(&batch, DRAGON_OK), late = puts_with(&batch, DRAGON_ERR_TIMEOUT);
    tap_equal((long)(good + late), (long)batch.count, "in a moment: each is put, or was too late");
    tap_err(err, late > 0 ? DRAGON_ERR_TIMEOUT : DRAGON_OK, "as is said");
    dragon_dict_get_many(dict, batch.gets, batch.count, TAP_WAIT_MS);
    size_t there = 0;
    for (size_t i = 0; i < batch.count; i++)
        there += batch.puts[i].err == DRAGON_OK && batch.gets[i].err == DRAGON_OK;
    tap_equal((long)there, (long)good, "those that were put are there");
    batch_free(&batch);
}

static long kib_of(const char *what)
{
    char line[256];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, what, strlen(what)) == 0)
            kib = strtol(line + strlen(what), NULL, 10);
    if (file)
        fclose(file);
    return kib;
}

static void check_many(void)
{
    size_t bytes = 64;
    struct batch batch = batch_make(MANY, "many ", &bytes, 1);
    chan_need(dragon_dict_put_many(dict, batch.puts, MANY / 100, TAP_WAIT_MS), NULL, "not put");
    chan_need(dragon_dict_get_many(dict, batch.gets, MANY / 100, TAP_WAIT_MS), NULL, "not got");
    long before = kib_of("RssAnon:");
    tap_err(dragon_dict_put_many(dict, batch.puts, MANY, TAP_WAIT_MS), DRAGON_OK, "100000 put");
    tap_err(dragon_dict_get_many(dict, batch.gets, MANY, TAP_WAIT_MS), DRAGON_OK, "and got");
    long grown = kib_of("RssAnon:") - before;
    tap_check(grown < 6 << 10, "no memory for each (%ld KiB more)", grown);
    tap_equal((long)gets_good(&batch), MANY, "all are what was put");
    tap_err(dragon_dict_clear(dict, TAP_WAIT_MS), DRAGON_OK, "cleared");
    batch_free(&batch);
}

static long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// The best of some tries; others use the machine, too.
static void check_speed(void)
{
    enum { TRIES = 5 };
    size_t bytes = 128;
    struct batch batch = batch_make(1000, "speed ", &bytes, 1);
    long single = 0, many = 0;
    for (int try = 0; try < TRIES; try++) {
        long began = now_us();
        for (size_t i = 0; i < batch.count; i++) {
            size_t got;
            chan_need(
                dragon_dict_put(dict, K(batch.keys[i]), batch.puts[i].value, bytes, TAP_WAIT_MS),
                NULL, "not put");
            chan_need(dragon_dict_get(dict, K(batch.keys[i]), batch.gets[i].buffer, bytes, &got,
                                      TAP_WAIT_MS),
                      NULL, "not got");
        }
        long took = now_us() - began;
        single = try == 0 || took < single ? took : single;
        began = now_us();
        chan_need(dragon_dict_put_many(dict, batch.puts, batch.count, TAP_WAIT_MS), NULL, "put");
        chan_need(dragon_dict_get_many(dict, batch.gets, batch.count, TAP_WAIT_MS), NULL, "got");
        took = now_us() - began;
        many = try == 0 || took < many ? took : many;
    }
    tap_check(many <= 3 * single + 10000, "many at once take %ld us, one by one %ld", many, single);
    batch_free(&batch);
}

// ---- broadcast

static void check_broadcast(void)
{
    char buffer[32];
    size_t bytes = 0, larges = 1 << 20;
    uint64_t keys = 0;
    int ms = DRAGON_DEFAULT_TIMEOUT;
    dragon_dict_t *bound = NULL;
    tap_err(dragon_dict_clear(dict, ms), DRAGON_OK, "cleared");
    tap_err(dragon_dict_broadcast_get(dict, K("all"), buffer, sizeof buffer, &bytes, ms),
            DRAGON_ERR_NOT_FOUND, "what nobody has");
    tap_err(dragon_dict_broadcast_erase(dict, K("all"), ms), DRAGON_ERR_NOT_FOUND, "erased");
    tap_err(dragon_dict_broadcast_put(dict, K("all"), K("for all"), ms), DRAGON_OK, "put");
    tap_err(dragon_dict_length(dict, &keys, ms), DRAGON_OK, "counted");
    tap_equal((long)keys, MANAGERS, "each manager has it");
    tap_err(dragon_dict_broadcast_get(dict, K("all"), buffer, sizeof buffer, &bytes, ms), DRAGON_OK,
            "got");
    tap_check(bytes == 7 && memcmp(buffer, "for all", 7) == 0, "what was put");
    tap_err(dragon_dict_broadcast_get(dict, K("all"), buffer, 3, &bytes, ms), DRAGON_ERR_TOO_BIG,
            "with too little room");
    tap_err(dragon_dict_broadcast_get(dict, K("all"), NULL, 3, &bytes, ms), DRAGON_ERR_INVAL,
            "nowhere");
    for (uint32_t i = 0; i < MANAGERS; i++) {
        chan_need(dragon_dict_bind(dict, i, &bound, &error), &error, "not bound");
        tap_err(dragon_dict_get(bound, K("all"), buffer, sizeof buffer, &bytes, ms), DRAGON_OK,
                "of each manager");
        if (i == 1)
            tap_err(dragon_dict_broadcast_erase(bound, K("all"), ms), DRAGON_OK, "erased there");
        dragon_dict_detach(bound);
    }
    tap_err(dragon_dict_broadcast_erase(dict, K("all"), ms), DRAGON_OK, "erased where it is");
    tap_err(dragon_dict_length(dict, &keys, ms), DRAGON_OK, "counted");
    tap_equal((long)keys, 0, "nobody has it");
    uint8_t *large = (uint8_t *)need(2 * larges);
    chan_fill(large, larges, 3);
    tap_err(dragon_dict_broadcast_put(dict, K("all"), large, larges, ms), DRAGON_OK, "a large one");
    tap_err(dragon_dict_broadcast_get(dict, K("all"), large + larges, larges, &bytes, ms),
            DRAGON_OK, "got");
    tap_check(bytes == larges && chan_has(large + larges, larges, 3), "what was put");
    free(large);
    tap_err(dragon_dict_broadcast_put(dict, K("all"), NULL, 1, ms), DRAGON_ERR_INVAL, "NULL");
    tap_err(dragon_dict_broadcast_put(NULL, K("all"), NULL, 0, ms), DRAGON_ERR_INVAL,
            "no dictionary");
}

// ---- a manager that stops, or dies

static int manager_pid(uint32_t manager)
{
    char rank[32];
    snprintf(rank, sizeof rank, "DRAGON_RANK=%u", manager);
    int pid = find_manager(dragon_dict_descriptor(dict), rank);
    chan_need(pid > 0 ? DRAGON_OK : DRAGON_ERR_NOT_FOUND, NULL, "no such manager");
    return pid;
}

// In a process of its own, later.
static int signal_later(int pid, int number)
{
    int child = fork();
    if (child == 0) {
        struct timespec late = {.tv_nsec = LATE_MS * 1000000L};
        nanosleep(&late, NULL);
        kill(pid, number);
        _exit(0);
    }
    return child;
}

static void check_stopped(uint32_t manager)
{
    size_t bytes = 100;
    struct batch batch = batch_make(5000, "stop ", &bytes, 1);
    int pid = manager_pid(manager);
    kill(pid, SIGSTOP);
    int child = signal_later(pid, SIGCONT);
    tap_err(dragon_dict_put_many(dict, batch.puts, batch.count, TAP_WAIT_MS), DRAGON_OK,
            "a manager that stops for a while");
    waitpid(child, NULL, 0);
    kill(pid, SIGSTOP);
    child = signal_later(pid, SIGCONT);
    dragon_err_t err = dragon_dict_get_many(dict, batch.gets, batch.count, LATE_MS / 10);
    tap_check(err == DRAGON_OK || err == DRAGON_ERR_TIMEOUT, "too long for us: %s",
              dragon_err_name(err));
    tap_equal((long)(gets_good(&batch) + gets_with(&batch, DRAGON_ERR_TIMEOUT)), (long)batch.count,
              "each is got, or it was too late");
    waitpid(child, NULL, 0);
    tap_err(dragon_dict_get_many(dict, batch.gets, batch.count, TAP_WAIT_MS), DRAGON_OK,
            "it goes on");
    batch_free(&batch);
}

static bool dead[MANAGERS];

static uint32_t manager_of(const struct batch *batch, size_t i)
{
    return dragon_dict_manager_of(dict, K(batch->keys[i]));
}

// What is said of a batch when some are dead: they may have done what they were asked for before.
static bool puts_are_good(const struct batch *batch)
{
    size_t wrong = 0;
    for (size_t i = 0; i < batch->count; i++)
        wrong += batch->puts[i].err != DRAGON_OK &&
                 (batch->puts[i].err != DRAGON_ERR_PEER || !dead[manager_of(batch, i)]);
    return wrong == 0;
}

static bool some_are_lost(const struct batch *batch, uint32_t manager)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->puts[i].err == DRAGON_ERR_PEER && manager_of(batch, i) == manager)
            return true;
    return false;
}

static void check_killed(uint32_t manager)
{
    static const size_t sizes[] = {100, 100, 100, 100, 100, 100, 100, 100, 100, 70000};
    struct batch batch = batch_make(2000, "kill ", sizes, 10);
    uint32_t lost = 99, node = 99;
    char buffer[16];
    size_t got = 0;
    dragon_err_t err;
    int pid = manager_pid(manager);
    dead[manager] = true;
    kill(pid, SIGSTOP);
    int child = signal_later(pid, SIGKILL);
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    do // those of this node do not need it to be there, until it is known to be gone
        err = dragon_dict_put_many(dict, batch.puts, batch.count, TAP_WAIT_MS);
    while (!some_are_lost(&batch, manager) && tap_now_ms() < deadline);
    waitpid(child, NULL, 0);
    tap_err(err, DRAGON_ERR_PEER, "a manager that is killed meanwhile");
    tap_check(puts_are_good(&batch), "its items are told, the others are put");
    tap_err(dragon_dict_lost(dict, &lost, &node), DRAGON_OK, "one is lost");
    tap_check(lost < MANAGERS && dead[lost], "which is one that was killed");
    tap_err(dragon_dict_get_many(dict, batch.gets, batch.count, TAP_WAIT_MS), DRAGON_ERR_PEER,
            "those of the others");
    size_t its = gets_with(&batch, DRAGON_ERR_PEER);
    tap_check(its > 0 && gets_good(&batch) + its == batch.count, "are got");
    tap_err(dragon_dict_broadcast_get(dict, K("all"), buffer, sizeof buffer, &got, TAP_WAIT_MS),
            DRAGON_OK, "what all have is got from another one");
    tap_err(dragon_dict_broadcast_put(dict, K("all"), K("y"), TAP_WAIT_MS), DRAGON_ERR_PEER,
            "put at all that are left");
    tap_err(dragon_dict_broadcast_get(dict, K("all"), buffer, sizeof buffer, &got, TAP_WAIT_MS),
            DRAGON_OK, "got");
    tap_check(got == 1 && buffer[0] == 'y', "the new one");
    batch_free(&batch);
}

static void check_destroyed(void)
{
    size_t bytes = 10;
    struct batch batch = batch_make(100, "end ", &bytes, 1);
    dragon_dict_t *other = NULL;
    chan_need(dragon_dict_attach(runtime, dragon_dict_descriptor(dict), &other, &error), &error,
              "not attached");
    tap_err(dragon_dict_destroy(dict, &error), DRAGON_OK, "destroyed");
    tap_err(dragon_dict_put_many(other, batch.puts, batch.count, TAP_WAIT_MS), DRAGON_ERR_CLOSED,
            "put after that");
    tap_equal((long)puts_with(&batch, DRAGON_ERR_CLOSED), 100, "all are told");
    tap_err(dragon_dict_broadcast_put(other, K("all"), K("x"), TAP_WAIT_MS), DRAGON_ERR_CLOSED,
            "for all");
    tap_err(dragon_dict_detach(other), DRAGON_OK, "detached");
    batch_free(&batch);
}

int main(int argc, char **argv)
{
    chan_be_empty(argc, argv);
    home = argc > 1 ? argv[1] : "0";
    runtime = tap_attach();
    dict = make(32 << 20);
    check_sizes();
    check_guesses();
    check_errors();
    check_full();
    check_times();
    check_many();
    check_speed();
    check_broadcast();
    check_stopped(1);
    chan_need(dragon_dict_broadcast_put(dict, K("all"), K("x"), TAP_WAIT_MS), NULL, "not put");
    check_killed(0);
    check_killed(1);
    check_destroyed();
    tap_check(chan_nodes_empty(runtime), "nothing is left on any node");
    dragon_runtime_detach(runtime);
    return tap_finish();
}
