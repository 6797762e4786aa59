// SPDX-License-Identifier: BSD-3-Clause
//
// Managers and clients of a dictionary that are killed: `dict_kill`, on all nodes of the runtime, which are of this host.
// With `missing`: dragon-dict-manager is not there.
#include "chan.h"
#include "managers.h"

static dragon_runtime_t *runtime;
static dragon_error_t error;

enum { MANAGERS = 3, LOST_MS = 5000 };

#define K(text) text, strlen(text)

static dragon_dict_t *make(uint32_t managers)
{
    dragon_dict_spec_t spec = DRAGON_DICT_SPEC_INIT;
    dragon_dict_t *made = NULL;
    spec.managers = managers;
    spec.total_bytes = (uint64_t)managers << 23;
    chan_need(dragon_dict_create(runtime, &spec, &made, &error), &error, "no dictionary");
    return made;
}

// ---- processes

static bool managers_end(const char *descriptor)
{
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    while (find_manager(descriptor, NULL) && tap_now_ms() < deadline)
        tap_nap();
    return !find_manager(descriptor, NULL);
}

// A key of a manager.
static void key_of(dragon_dict_t *dict, uint32_t manager, int number, char key[32])
{
    do
        snprintf(key, 32, "key %d", number++);
    while (dragon_dict_manager_of(dict, key, strlen(key)) != manager);
}

// ---- ranks

static int wait_lost(const char *descriptor)
{
    dragon_dict_t *dict = NULL;
    char key[32];
    uint32_t manager = 99, node = 99, right = 98;
    CHAN_DEMAND(dragon_dict_attach(runtime, descriptor, &dict, &error) == DRAGON_OK);
    key_of(dict, 1, 1000, key);
    dragon_err_t err = dragon_dict_wait(dict, K(key), TAP_WAIT_MS);
    CHAN_DEMAND(err == DRAGON_ERR_PEER);
    CHAN_DEMAND(dragon_dict_lost(dict, &manager, &node) == DRAGON_OK);
    CHAN_DEMAND(dragon_dict_manager_node(dict, 1, &right) == DRAGON_OK);
    CHAN_DEMAND(manager == 1 && node == right);
    CHAN_DEMAND(dragon_dict_wait(dict, K(key), TAP_WAIT_MS) == DRAGON_ERR_PEER);
    CHAN_DEMAND(dragon_dict_put(dict, K(key), K("x"), TAP_WAIT_MS) == DRAGON_ERR_PEER);
    key_of(dict, 0, 0, key);
    CHAN_DEMAND(dragon_dict_put(dict, K(key), K("x"), TAP_WAIT_MS) == DRAGON_OK);
    CHAN_DEMAND(dragon_dict_detach(dict) == DRAGON_OK);
    return 0;
}

// Whatever it finds is whole, until it is killed.
static int storm(const char *descriptor)
{
    static uint8_t value[100000];
    dragon_dict_t *dict = NULL;
    dragon_dict_view_t view;
    CHAN_DEMAND(dragon_dict_attach(runtime, descriptor, &dict, &error) == DRAGON_OK);
    for (uint64_t i = (uint64_t)chan_rank();; i++) {
        char key[32];
        size_t bytes = 1 + i * 7919 % (sizeof value - 1);
        void *got;
        snprintf(key, sizeof key, "storm %d", (int)(i % 30));
        chan_fill(value, bytes, bytes);
        dragon_err_t err = dragon_dict_put(dict, K(key), value, bytes, TAP_WAIT_MS);
        CHAN_DEMAND(err == DRAGON_OK || err == DRAGON_ERR_FULL);
        snprintf(key, sizeof key, "storm %d", (int)(i * 7 % 30));
        err = dragon_dict_get_new(dict, K(key), &got, &bytes, TAP_WAIT_MS);
        CHAN_DEMAND(err == DRAGON_ERR_NOT_FOUND ||
                    (err == DRAGON_OK && chan_has(got, bytes, bytes)));
        if (err == DRAGON_OK)
            free(got);
        if (dragon_dict_view(dict, K(key), &view, TAP_WAIT_MS) == DRAGON_OK) {
            CHAN_DEMAND(chan_has(view.data, view.bytes, view.bytes));
            dragon_dict_view_end(dict, &view);
        }
        if (i % 5 == 0)
            dragon_dict_erase(dict, K(key), TAP_WAIT_MS);
        dragon_dict_put(dict, K("progress"), K("x"), TAP_WAIT_MS);
    }
    return 0;
}

// ---- tests

static void check_manager_killed(void)
{
    dragon_dict_t *dict = make(MANAGERS);
    const char *descriptor = dragon_dict_descriptor(dict);
    const char *const argv[] = {"lost", descriptor, NULL};
    uint32_t ranks = dragon_runtime_nodes(runtime);
    char key[32], buffer[8], *copy = strdup(descriptor);
    size_t bytes;
    dragon_dict_stats_t stats;
    dragon_group_t *group = chan_ranks(runtime, NULL, ranks, argv);
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    do
        chan_need(dragon_dict_stats(dict, 1, &stats, TAP_WAIT_MS), NULL, "no figures");
    while (stats.waiting < 1 && tap_now_ms() < deadline);
    tap_check(stats.waiting > 0, "ranks wait for a key of manager 1");
    key_of(dict, 2, 0, key);
    tap_err(dragon_dict_put(dict, K(key), K("good"), TAP_WAIT_MS), DRAGON_OK, "put at manager 2");
    int pid = find_manager(descriptor, "DRAGON_RANK=1");
    tap_check(pid > 0, "manager 1 is found");
    long began = tap_now_ms();
    tap_equal(kill(pid, SIGKILL), 0, "and killed");
    tap_check(chan_ranks_end(group), "those that wait are told which one it was");
    tap_check(tap_now_ms() - began < LOST_MS, "soon");
    tap_err(dragon_dict_get(dict, K(key), buffer, sizeof buffer, &bytes, TAP_WAIT_MS), DRAGON_OK,
            "what manager 2 had is there");
    uint64_t keys;
    tap_err(dragon_dict_length(dict, &keys, TAP_WAIT_MS), DRAGON_ERR_PEER, "all keys are not");
    uint32_t manager = 99;
    tap_err(dragon_dict_lost(dict, &manager, NULL), DRAGON_OK, "one is lost");
    tap_equal(manager, 1, "manager 1");
    tap_err(dragon_dict_destroy(dict, &error), DRAGON_OK, "destroyed");
    tap_check(managers_end(copy), "the other managers end");
    free(copy);
}

static bool heals(dragon_dict_t *dict)
{
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    dragon_dict_stats_t stats;
    do {
        uint64_t used = 0, open = 0;
        for (uint32_t i = 0; i < MANAGERS; i++) {
            chan_need(dragon_dict_stats(dict, i, &stats, TAP_WAIT_MS), NULL, "no figures");
            used += stats.used_bytes;
            open += stats.views + stats.waiting;
        }
        if (used < 1 << 20 && open == 0)
            return true;
        tap_nap();
    } while (tap_now_ms() < deadline);
    printf("# used %llu, views %u\n", (unsigned long long)stats.used_bytes, stats.views);
    return false;
}

static void check_clients_killed(void)
{
    enum { ROUNDS = 4 };
    dragon_dict_t *dict = make(MANAGERS);
    const char *const argv[] = {"storm", dragon_dict_descriptor(dict), NULL};
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t ranks = 2 * dragon_runtime_nodes(runtime);
        dragon_group_t *group = chan_ranks(runtime, NULL, ranks, argv);
        dragon_dict_wait(dict, K("progress"), TAP_WAIT_MS);
        for (int i = 0; i < 20; i++)
            dragon_runtime_progress(runtime, 10);
        dragon_group_signal(group, DRAGON_ALL_RANKS, SIGKILL);
        tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "all clients are killed");
        tap_equal(dragon_group_exit_code(group), 128 + SIGKILL, "none ended before");
        dragon_group_destroy(group);
        tap_err(dragon_dict_clear(dict, TAP_WAIT_MS), DRAGON_OK, "cleared");
    }
    tap_check(heals(dict), "nothing of theirs is left");
    tap_err(dragon_dict_destroy(dict, &error), DRAGON_OK, "destroyed");
}

// Managers are killed by another process as soon as they are seen.
static void check_killed_coming_up(void)
{
    enum { ROUNDS = 6 };
    int failed = 0, strange = 0, slow = 0;
    pid_t killer = fork();
    if (killer == 0) {
        for (int found;; usleep(1000))
            if ((found = find_manager(NULL, "DRAGON_RANK=1")))
                kill(found, SIGKILL);
    }
    for (int i = 0; i < ROUNDS; i++) {
        dragon_dict_spec_t spec = DRAGON_DICT_SPEC_INIT;
        dragon_dict_t *made = NULL;
        long began = tap_now_ms();
        spec.managers = MANAGERS;
        dragon_err_t err = dragon_dict_create(runtime, &spec, &made, &error);
        slow += tap_now_ms() - began > TAP_WAIT_MS / 3;
        failed += err == DRAGON_ERR_PEER;
        if (err == DRAGON_ERR_PEER && i == 0)
            printf("# %s\n", error.text);
        strange += err != DRAGON_OK && err != DRAGON_ERR_PEER;
        if (err == DRAGON_OK)
            dragon_dict_destroy(made, NULL);
        else if (err != DRAGON_ERR_PEER)
            printf("# %s\n", error.text);
    }
    kill(killer, SIGKILL);
    waitpid(killer, NULL, 0);
    printf("# %d of %d failed\n", failed, ROUNDS);
    tap_equal(strange, 0, "a manager that is killed while it comes up is told");
    tap_equal(slow, 0, "at once");
    tap_check(managers_end(NULL), "no manager is left");
}

static int create_named(const char *name)
{
    dragon_dict_spec_t spec = DRAGON_DICT_SPEC_INIT;
    dragon_dict_t *made = NULL;
    spec.managers = MANAGERS;
    spec.name = name;
    chan_need(dragon_dict_create(runtime, &spec, &made, &error), &error, "no dictionary");
    pause();
    return 1;
}

// The dictionary that it was making is there for all, or it is gone.
static void check_maker_killed(void)
{
    enum { ROUNDS = 6 };
    const char *const argv[] = {"create", "orphan", NULL};
    int there = 0, gone = 0;
    for (int i = 0; i < ROUNDS; i++) {
        dragon_rank_status_t status;
        dragon_dict_t *found = NULL;
        dragon_group_t *group = chan_ranks(runtime, NULL, 1, argv);
        tap_is_up(runtime, group, 0, &status);
        usleep((useconds_t)(i * 40000)); // that is when it is killed, whatever it does
        kill(status.pid, SIGKILL);
        dragon_group_wait(group, TAP_WAIT_MS);
        dragon_group_destroy(group);
        dragon_err_t err = dragon_dict_find(runtime, "orphan", 0, &found, &error);
        if (err == DRAGON_OK)
            err = dragon_dict_destroy(found, &error);
        there += err == DRAGON_OK;
        gone += err == DRAGON_ERR_AGAIN || err == DRAGON_ERR_CLOSED;
        if (!managers_end(NULL))
            break;
    }
    printf("# %d there, %d gone\n", there, gone);
    tap_equal(there + gone, ROUNDS, "a dictionary whose maker is killed is there or gone");
    tap_check(managers_end(NULL), "no manager is left");
}

static int check_missing(void)
{
    dragon_dict_t *none = NULL;
    tap_err(dragon_dict_create(runtime, NULL, &none, &error), DRAGON_ERR_NOT_FOUND,
            "there is no dragon-dict-manager");
    tap_has(error.text, "dragon-dict-manager is not installed", "the text says so");
    return tap_finish();
}

// A dictionary that is left to the runtime.
static int leave(void)
{
    CHAN_DEMAND(dragon_dict_detach(make(MANAGERS)) == DRAGON_OK);
    dragon_runtime_detach(runtime);
    return 0;
}

static int rank(const char *role, const char *what)
{
    int code = strcmp(role, "create") == 0 ? create_named(what)
               : strcmp(role, "lost") == 0 ? wait_lost(what)
                                           : storm(what);
    dragon_runtime_detach(runtime);
    return code;
}

int main(int argc, char **argv)
{
    chan_be_empty(argc, argv);
    runtime = tap_attach();
    if (argc == 2 && strcmp(argv[1], "missing") == 0)
        return check_missing();
    if (argc == 2 && strcmp(argv[1], "leave") == 0)
        return leave();
    if (argc == 3)
        return rank(argv[1], argv[2]);
    check_manager_killed();
    check_clients_killed();
    check_killed_coming_up();
    check_maker_killed();
    tap_check(chan_nodes_empty(runtime), "nothing is left on any node");
    dragon_runtime_detach(runtime);
    return tap_finish();
}
