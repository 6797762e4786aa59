// SPDX-License-Identifier: BSD-3-Clause
//
// Dictionaries whose managers, makers or hosts go away, for scripts that make that happen:
//
//     dict_lost make NAME MANAGERS          makes one, and says its descriptor
//     dict_lost hold KIND NAME MANAGER      is in the middle of something with a manager (KIND: key, room, busy, view, cursor), says
//                                           "waiting", then what it was told and when; and whether the other managers go on
//     dict_lost use NAME [MANAGER...]       uses all managers but these, of which it is told that they are lost
//     dict_lost destroy NAME
//     dict_lost many MANAGERS               one with so many
//     dict_lost cycles COUNT                makes and destroys so many, and looks whether anything grows
//     dict_lost orphans COUNT               makers that are killed at so many moments
#include "chan.h"

#include <dirent.h>
#include <limits.h>

enum { MANAGER_BYTES = 2 << 20, LARGE = 200000 };

#define K(text) text, strlen(text)

static dragon_runtime_t *runtime;
static dragon_error_t error;

static dragon_err_t create(const char *name, uint32_t managers, dragon_dict_t **dict_out)
{
    dragon_dict_spec_t spec = DRAGON_DICT_SPEC_INIT;
    spec.managers = managers;
    spec.total_bytes = (uint64_t)managers * MANAGER_BYTES;
    spec.name = name;
    return dragon_dict_create(runtime, &spec, dict_out, &error);
}

static dragon_dict_t *find(const char *name)
{
    dragon_dict_t *dict = NULL;
    chan_need(dragon_dict_find(runtime, name, TAP_WAIT_MS, &dict, &error), &error, "not found");
    return dict;
}

// A key of a manager.
static size_t key_of(dragon_dict_t *dict, uint32_t manager, int number, char key[32])
{
    do
        snprintf(key, 32, "key %d", number++);
    while (dragon_dict_manager_of(dict, key, strlen(key)) != manager);
    return strlen(key);
}

// ---- somebody in the middle of something

static void say_waiting(void)
{
    printf("waiting\n");
    fflush(stdout);
}

static dragon_err_t hold_key(dragon_dict_t *dict, uint32_t manager)
{
    char key[32];
    size_t bytes = key_of(dict, manager, 1000, key);
    say_waiting();
    return dragon_dict_wait(dict, key, bytes, DRAGON_FOREVER);
}

static dragon_err_t hold_room(dragon_dict_t *dict, uint32_t manager)
{
    static char large[LARGE];
    dragon_err_t err = DRAGON_OK;
    char key[32];
    size_t bytes = 0;
    for (int number = 5000; err == DRAGON_OK; number++) {
        bytes = key_of(dict, manager, number, key);
        err = dragon_dict_put(dict, key, bytes, large, LARGE, TAP_WAIT_MS);
    }
    if (err != DRAGON_ERR_FULL)
        return err;
    say_waiting();
    return dragon_dict_put_wait(dict, key, bytes, large, LARGE, DRAGON_FOREVER);
}

static dragon_err_t hold_busy(dragon_dict_t *dict, uint32_t manager)
{
    static char large[LARGE];
    char key[32];
    size_t bytes = key_of(dict, manager, 2000, key), got;
    dragon_err_t err;
    say_waiting();
    do {
        err = dragon_dict_put(dict, key, bytes, large, LARGE, TAP_WAIT_MS);
        if (err == DRAGON_OK || err == DRAGON_ERR_FULL)
            err = dragon_dict_get(dict, key, bytes, large, LARGE, &got, TAP_WAIT_MS);
    } while (err == DRAGON_OK || err == DRAGON_ERR_NOT_FOUND);
    return err;
}

// What it views stays, with the memory of the dead manager.
static dragon_err_t hold_view(dragon_dict_t *dict, uint32_t manager)
{
    static char value[LARGE];
    dragon_dict_view_t view;
    char key[32];
    size_t bytes = key_of(dict, manager, 3000, key);
    chan_fill(value, LARGE, 1);
    chan_need(dragon_dict_put(dict, key, bytes, value, LARGE, TAP_WAIT_MS), NULL, "not put");
    chan_need(dragon_dict_view(dict, key, bytes, &view, TAP_WAIT_MS), NULL, "no view");
    dragon_err_t err = hold_key(dict, manager);
    if (!chan_has(view.data, view.bytes, 1))
        printf("the view has changed\n");
    dragon_dict_view_end(dict, &view);
    return err;
}

static dragon_err_t hold_cursor(dragon_dict_t *dict, uint32_t manager)
{
    dragon_err_t err = DRAGON_OK;
    char name[32];
    size_t bytes = key_of(dict, manager, 4000, name);
    chan_need(dragon_dict_put(dict, name, bytes, K("value"), TAP_WAIT_MS), NULL, "not put");
    say_waiting();
    while (err == DRAGON_OK) {
        dragon_dict_cursor_t *cursor = NULL;
        const void *key;
        chan_need(dragon_dict_cursor_create(dict, NULL, 0, 0, &cursor), NULL, "no cursor");
        while ((err = dragon_dict_cursor_next(cursor, &key, &bytes, NULL, NULL, TAP_WAIT_MS)) ==
               DRAGON_OK)
            ;
        dragon_dict_cursor_destroy(cursor);
        if (err == DRAGON_ERR_NOT_FOUND)
            err = DRAGON_OK;
    }
    return err;
}

static long long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static bool works(dragon_dict_t *dict, uint32_t manager)
{
    char key[32], buffer[16];
    size_t key_bytes = key_of(dict, manager, 0, key), bytes = 0;
    dragon_err_t err = dragon_dict_put(dict, key, key_bytes, K("good"), TAP_WAIT_MS);
    if (err == DRAGON_OK)
        err = dragon_dict_get(dict, key, key_bytes, buffer, sizeof buffer, &bytes, TAP_WAIT_MS);
    return err == DRAGON_OK && bytes == 4 && memcmp(buffer, "good", 4) == 0;
}

static int hold(const char *kind, const char *name, uint32_t manager)
{
    static const struct {
        const char *kind;
        dragon_err_t (*does)(dragon_dict_t *dict, uint32_t manager);
    } kinds[] = {{"key", hold_key},
                 {"room", hold_room},
                 {"busy", hold_busy},
                 {"view", hold_view},
                 {"cursor", hold_cursor}};
    dragon_dict_t *dict = find(name);
    dragon_err_t err = DRAGON_ERR_INVAL;
    uint32_t lost = 99, node = 99;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kind, kinds[i].kind) == 0)
            err = kinds[i].does(dict, manager);
    printf("%s at %lld\n", dragon_err_name(err), now_us());
    if (dragon_dict_lost(dict, &lost, &node) == DRAGON_OK)
        printf("lost manager %u of node %u\n", lost, node);
    fflush(stdout);
    for (uint32_t i = 0; i < dragon_dict_managers(dict); i++)
        if (i != manager && works(dict, i))
            printf("manager %u goes on\n", i);
    dragon_dict_detach(dict);
    return 0;
}

static int use(const char *name, char **lost)
{
    dragon_dict_t *dict = find(name);
    bool good = true;
    for (uint32_t i = 0; i < dragon_dict_managers(dict); i++) {
        uint32_t manager = 99;
        char key[32];
        bool is_lost = false;
        for (char **at = lost; *at; at++)
            is_lost = is_lost || strtoul(*at, NULL, 10) == i;
        bool as_said = works(dict, i) == !is_lost;
        if (is_lost) {
            size_t bytes = key_of(dict, i, 0, key);
            as_said = dragon_dict_erase(dict, key, bytes, TAP_WAIT_MS) == DRAGON_ERR_PEER &&
                      dragon_dict_lost(dict, &manager, NULL) == DRAGON_OK && manager == i;
        }
        if (!as_said)
            printf("manager %u is not %s\n", i, is_lost ? "lost" : "there");
        good = good && as_said;
    }
    dragon_dict_detach(dict);
    return !good;
}

// ---- many

static int many(uint32_t managers)
{
    enum { KEYS = 50 }; // for each
    dragon_dict_t *dict = NULL;
    uint32_t missing = 0, nodes[64] = {0};
    uint64_t length = 0;
    tap_err(create("many", managers, &dict), DRAGON_OK, "a dictionary with many managers");
    for (uint32_t i = 0; i < managers * KEYS; i++)
        missing += dragon_dict_put(dict, &i, sizeof i, &i, sizeof i, TAP_WAIT_MS) != DRAGON_OK;
    tap_equal(missing, 0, "all is put");
    for (uint32_t i = 0; i < managers; i++) {
        dragon_dict_stats_t stats;
        uint32_t node = 63;
        chan_need(dragon_dict_stats(dict, i, &stats, TAP_WAIT_MS), NULL, "no figures");
        chan_need(dragon_dict_manager_node(dict, i, &node), NULL, "no node");
        nodes[node]++;
        missing += stats.keys < KEYS / 4 || stats.keys > KEYS * 4;
    }
    tap_equal(missing, 0, "each manager has its share");
    for (uint32_t i = 0; i < dragon_runtime_nodes(runtime); i++)
        tap_equal(nodes[i], managers / dragon_runtime_nodes(runtime), "each node has its share");
    for (uint32_t i = 0; i < managers * KEYS; i++) {
        uint32_t got = 0;
        size_t bytes = 0;
        dragon_err_t err = dragon_dict_get(dict, &i, sizeof i, &got, sizeof got, &bytes, -1);
        missing += err != DRAGON_OK || got != i;
    }
    tap_equal(missing, 0, "all is there");
    tap_err(dragon_dict_length(dict, &length, TAP_WAIT_MS), DRAGON_OK, "counted");
    tap_equal((long)length, managers * KEYS, "all of it");
    tap_err(dragon_dict_destroy(dict, &error), DRAGON_OK, "destroyed");
    tap_check(chan_nodes_empty(runtime), "nothing is left on any node");
    return tap_finish();
}

// ---- again and again

static int count_files(int pid)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *folder = opendir(path);
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

static long count_kilobytes(int pid)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    tap_read_file(path, text, sizeof text);
    const char *at = strstr(text, "VmRSS:");
    return at ? strtol(at + 6, NULL, 10) : 0;
}

struct figures {
    int files;
    long kilobytes;
};

// A rank: what its agent has.
static int tell(char **argv)
{
    dragon_channel_t *channel = chan_attach(runtime, argv[2]);
    struct figures mine = {count_files(getppid()), count_kilobytes(getppid())};
    chan_need(
        dragon_channel_send(channel, &mine, sizeof mine, dragon_runtime_node(runtime), TAP_WAIT_MS),
        NULL, "not sent");
    dragon_channel_detach(channel);
    return 0;
}

// Of the agents, and behind them of this process.
static void look(struct figures *all, uint32_t nodes)
{
    dragon_channel_t *channel = chan_at(runtime, DRAGON_HERE, 0);
    const char *const argv[] = {"tell", dragon_channel_descriptor(channel), NULL};
    dragon_message_t message;
    struct figures one;
    memset(all, 0, (nodes + 1) * sizeof *all);
    tap_check(chan_ranks_end(chan_ranks(runtime, NULL, nodes, argv)), "the agents are looked at");
    while (dragon_channel_receive(channel, &one, sizeof one, &message, 0) == DRAGON_OK)
        if (message.tag < nodes)
            all[message.tag] = one;
    all[nodes] = (struct figures){count_files(getpid()), count_kilobytes(getpid())};
    dragon_channel_destroy(channel, NULL);
    for (uint32_t i = 0; i <= nodes; i++)
        printf("# %d descriptors, %ld KiB\n", all[i].files, all[i].kilobytes);
}

static int cycle(int count)
{
    int failed = 0;
    for (int i = 0; i < count; i++) {
        dragon_dict_t *dict = NULL;
        if (create("cycle", dragon_runtime_nodes(runtime), &dict) != DRAGON_OK) {
            printf("# %s\n", error.text);
            failed++;
            continue;
        }
        for (uint32_t k = 0; k < dragon_dict_managers(dict); k++)
            failed += !works(dict, k);
        failed += dragon_dict_destroy(dict, &error) != DRAGON_OK;
    }
    return failed;
}

static int cycles(int count)
{
    // The eventfds of others that a process has needed lately are kept, 64 at most.
    enum { NODES = 15, FIRST = 20, MORE_FILES = 64, MORE_KILOBYTES = 1024 };
    // What a sanitizer holds back grows.
    const char *sanitizer = getenv("DRAGON_SANITIZER");
    long more = sanitizer && *sanitizer ? LONG_MAX / 2 : MORE_KILOBYTES;
    uint32_t nodes = dragon_runtime_nodes(runtime) < NODES ? dragon_runtime_nodes(runtime) : NODES;
    struct figures before[NODES + 1], after[NODES + 1];
    tap_equal(cycle(FIRST), 0, "some are made and destroyed");
    tap_check(chan_nodes_empty(runtime), "nothing is left on any node");
    look(before, nodes);
    long began = tap_now_ms();
    tap_equal(cycle(count), 0, "many are made and destroyed");
    printf("# %ld ms each\n", (tap_now_ms() - began) / count);
    tap_check(chan_nodes_empty(runtime), "nothing is left on any node");
    look(after, nodes);
    for (uint32_t i = 0; i <= nodes; i++) {
        const char *who = i < nodes ? "an agent" : "this process";
        tap_check(after[i].files <= before[i].files + MORE_FILES, "%s: no descriptors more", who);
        tap_check(after[i].kilobytes <= before[i].kilobytes + more, "%s: no memory to speak of",
                  who);
    }
    return tap_finish();
}

// ---- makers that are killed

static int make(const char *name, uint32_t managers)
{
    dragon_dict_t *dict = NULL;
    chan_need(create(name, managers, &dict), &error, "no dictionary");
    printf("%s\n", dragon_dict_descriptor(dict));
    fflush(stdout);
    dragon_dict_detach(dict);
    return 0;
}

static pid_t start_maker(const char *name)
{
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stdout))
            _exit(1);
        execl("/proc/self/exe", "dict_lost", "make", name, "2", (char *)NULL);
        _exit(1);
    }
    return child;
}

// How long it takes when nobody disturbs it.
static long maker_us(void)
{
    dragon_dict_t *dict = NULL;
    long long began = now_us();
    int status = 0;
    waitpid(start_maker("whole"), &status, 0);
    long took = (long)(now_us() - began);
    chan_need(dragon_dict_find(runtime, "whole", 0, &dict, &error), &error, "it was not made");
    dragon_dict_destroy(dict, NULL);
    return took;
}

static int orphans(int count)
{
    dragon_memory_stats_t before = chan_memory(runtime);
    int there = 0, gone = 0, strange = 0;
    maker_us(); // once, so that all is loaded
    long whole = maker_us();
    for (int i = 0; i < count; i++) {
        dragon_dict_t *dict = NULL;
        pid_t maker = start_maker("orphan");
        usleep((useconds_t)(whole * 5 / 4 * i / count)); // that is when it is killed
        kill(maker, SIGKILL);
        waitpid(maker, NULL, 0);
        dragon_err_t err = dragon_dict_find(runtime, "orphan", 0, &dict, &error);
        if (err == DRAGON_OK) {
            for (uint32_t k = 0; k < dragon_dict_managers(dict); k++)
                strange += !works(dict, k);
            err = dragon_dict_destroy(dict, &error);
        }
        there += err == DRAGON_OK;
        gone += err == DRAGON_ERR_AGAIN || err == DRAGON_ERR_CLOSED;
        if (err != DRAGON_OK && err != DRAGON_ERR_AGAIN && err != DRAGON_ERR_CLOSED)
            printf("# moment %d: %s: %s\n", i, dragon_err_name(err), error.text);
    }
    printf("# %ld us for one; %d there, %d gone\n", whole, there, gone);
    tap_equal(there + gone, count, "a dictionary whose maker is killed is there or gone");
    tap_equal(strange, 0, "what is there is whole");
    tap_check(there > 0 && gone > 0, "there were both");
    tap_check(chan_memory_returns(runtime, &before), "no memory is lost");
    tap_check(chan_nodes_empty(runtime), "nothing is left on any node");
    dragon_dict_t *dict = NULL;
    tap_err(create("orphan", 2, &dict), DRAGON_OK, "the name is free");
    tap_err(dragon_dict_destroy(dict, &error), DRAGON_OK, "destroyed");
    return tap_finish();
}

int main(int argc, char **argv)
{
    chan_be_empty(argc, argv);
    const char *what = argc > 1 ? argv[1] : "", *name = argc > 2 ? argv[2] : "";
    int code = 2, count = (int)strtol(name, NULL, 10);
    runtime = tap_attach();
    if (strcmp(what, "make") == 0 && argc == 4)
        code = make(name, (uint32_t)strtoul(argv[3], NULL, 10));
    else if (strcmp(what, "hold") == 0 && argc == 5)
        code = hold(name, argv[3], (uint32_t)strtoul(argv[4], NULL, 10));
    else if (strcmp(what, "use") == 0)
        code = use(name, argv + 3);
    else if (strcmp(what, "destroy") == 0)
        code = dragon_dict_destroy(find(name), &error) != DRAGON_OK;
    else if (strcmp(what, "tell") == 0)
        code = tell(argv);
    else if (count > 0 && strcmp(what, "many") == 0)
        code = many((uint32_t)count);
    else if (count > 0 && strcmp(what, "cycles") == 0)
        code = cycles(count);
    else if (count > 0 && strcmp(what, "orphans") == 0)
        code = orphans(count);
    else
        fprintf(stderr, "dict_lost: see its first lines\n");
    dragon_runtime_detach(runtime);
    return code;
}
