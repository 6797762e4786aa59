// SPDX-License-Identifier: BSD-3-Clause
//
// Two nodes for the tests of far*.c and serve*.c: real keepers, the real dragon-transport, and this process twice: at home on
// node 0, where the objects are, and away on node 1.
#ifndef TESTS_UNIT_CHAN_NODES_H
#define TESTS_UNIT_CHAN_NODES_H

#include "../keeper/asks.h"
#include "chan/far.h"
#include "chan/local.h"
#include "chan/serve.h"

#include <dirent.h>

enum { MS = 1000000, SOON = 20000 };

struct nodes {
    struct keepers *keepers;
    char transport[512];
    struct space *home, *away;
    struct waiter home_waiter, away_waiter;
    struct far *far;
    // an object, as it is seen from both
    uint64_t id;
    struct object_spec spec;
    struct object *object;
    struct local_channel local;
    struct far_object *there;
};

static inline int64_t in_ms(int64_t ms)
{
    return (int64_t)time_now_ns() + ms * MS;
}

static inline struct far_call within(int64_t ms)
{
    return (struct far_call){.deadline_ns = ms == 0 ? 0 : in_ms(ms)};
}

// What make has built, seen from the test's own place.
static inline void nodes_find_transport(struct nodes *nodes)
{
    char path[400];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    cr_assert_gt(length, 0);
    path[length] = 0;
    char *end = strstr(path, "/tests/unit/");
    cr_assert_not_null(end);
    *end = 0;
    snprintf(nodes->transport, sizeof nodes->transport, "%s/dragon-transport", path);
}

static inline void nodes_far(struct nodes *nodes)
{
    dragon_error_t error = {0};
    nodes->away = ask_attach(nodes->keepers, 1);
    nodes->away_waiter = (struct waiter){.space = nodes->away};
    cr_assert_eq(far_create(&nodes->away_waiter, &nodes->far, &error), DRAGON_OK, "%s", error.text);
}

static inline void nodes_home(struct nodes *nodes)
{
    *nodes = (struct nodes){.keepers = calloc(1, sizeof *nodes->keepers)};
    nodes_find_transport(nodes);
    keepers_start(nodes->keepers, &(struct keepers_options){.nodes = 2,
                                                            .transport = nodes->transport,
                                                            .node_limit = 64 << 20});
    nodes->home = ask_attach(nodes->keepers, 0);
    nodes->home_waiter = (struct waiter){.space = nodes->home};
}

static inline void nodes_up(struct nodes *nodes)
{
    nodes_home(nodes);
    nodes_far(nodes);
}

static inline void nodes_down(struct nodes *nodes)
{
    far_destroy(nodes->far);
    space_detach(nodes->away);
    space_detach(nodes->home);
    keepers_stop(nodes->keepers);
    free(nodes->keepers);
}

static inline void nodes_open_far(struct nodes *nodes)
{
    nodes->there = far_open(nodes->far, 0, nodes->id, &nodes->spec);
    cr_assert_not_null(nodes->there);
    cr_assert_eq(far_home(nodes->there, WAIT_FOREVER_NS), DRAGON_OK);
}

// At home of any process there.
static inline void nodes_map(struct space *space, uint64_t id, enum object_kind kind,
                             struct object **object_out)
{
    struct object_opened opened;
    cr_assert_eq(ask_open(space, 0, id, kind, &opened), DRAGON_OK, "%s", ask_error.text);
    *object_out = space_at(space, opened.block, object_bytes(&opened.spec));
    cr_assert_not_null(*object_out);
}

static inline void nodes_make_home(struct nodes *nodes, const struct object_spec *spec)
{
    nodes->spec = *spec;
    cr_assert_eq(ask_create(nodes->home, 0, spec, &nodes->id), DRAGON_OK, "%s", ask_error.text);
    nodes_map(nodes->home, nodes->id, spec->kind, &nodes->object);
    if (spec->kind == OBJECT_CHANNEL || spec->kind == OBJECT_QUEUE)
        local_channel_init(&nodes->local, &nodes->home_waiter, (struct ring *)nodes->object);
}

static inline void nodes_make(struct nodes *nodes, const struct object_spec *spec)
{
    nodes_make_home(nodes, spec);
    nodes_open_far(nodes);
}

static inline void nodes_channel(struct nodes *nodes, uint32_t capacity)
{
    nodes_up(nodes);
    struct object_spec spec = CHANNEL_SPEC;
    spec.capacity = capacity;
    nodes_make(nodes, &spec);
}

// Another process at home, with the channel: 0 in it. It uses no assertions, and says what it found with its exit code.
static inline pid_t nodes_fork(struct nodes *nodes)
{
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dragon_error_t error;
    struct pack body = PACK_EMPTY;
    struct unpack unpack;
    struct object_opened opened;
    if (space_attach(nodes->keepers->path[0], ROLE_PROCESS, &nodes->home, &error) != DRAGON_OK)
        _exit(101);
    pack_u32(&body, 0);
    pack_u64(&body, nodes->id);
    pack_u8(&body, nodes->spec.kind);
    if (space_ask(nodes->home, KC_OPEN, &body, SOON, &unpack, NULL, 0, NULL) != DRAGON_OK ||
        !object_opened_unpack(&unpack, &opened))
        _exit(102);
    nodes->object = space_at(nodes->home, opened.block, object_bytes(&opened.spec));
    if (!nodes->object)
        _exit(103);
    nodes->home_waiter = (struct waiter){.space = nodes->home};
    local_channel_init(&nodes->local, &nodes->home_waiter, (struct ring *)nodes->object);
    return 0;
}

static inline void nodes_reap(pid_t pid)
{
    int status = -1;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it ended with %x", status);
}

// A child of the keepers' process.
static inline pid_t nodes_transport(const struct nodes *nodes)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", nodes->keepers->pid,
             nodes->keepers->pid);
    FILE *file = fopen(path, "r");
    int pid = 0;
    if (!file || fscanf(file, "%d", &pid) != 1)
        pid = 0;
    if (file)
        fclose(file);
    return pid;
}

static inline void nodes_kill_transport(const struct nodes *nodes)
{
    pid_t pid = nodes_transport(nodes);
    cr_assert_gt(pid, 0, "there is no transport");
    cr_assert_eq(kill(pid, SIGKILL), 0);
}

// The keeper at home has seen it.
static inline void nodes_transport_gone(const struct nodes *nodes)
{
    uint64_t deadline = time_now_ms() + SOON;
    while (nodes_transport(nodes) != 0 && time_left_ms(deadline) > 0)
        usleep(1000);
    cr_assert_eq(nodes_transport(nodes), 0);
}

static inline void fill(uint8_t *data, size_t bytes, uint64_t seed)
{
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(seed * 31 + i * 7 + i / 251);
}

static inline bool filled(const uint8_t *data, size_t bytes, uint64_t seed)
{
    for (size_t i = 0; i < bytes; i++)
        if (data[i] != (uint8_t)(seed * 31 + i * 7 + i / 251))
            return false;
    return true;
}

#endif
