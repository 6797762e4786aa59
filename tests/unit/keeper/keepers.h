// SPDX-License-Identifier: BSD-3-Clause
//
// For the tests of keeper/: the keepers of all nodes of a runtime in a process of their own, with real trees between them and
// their sockets in folders below one. The test is their client, and forks further ones.
#ifndef TESTS_UNIT_KEEPER_KEEPERS_H
#define TESTS_UNIT_KEEPER_KEEPERS_H

#include "../net/trees.h"
#include "keeper/keeper.h"
#include "mem/space.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { KEEPERS_LIMIT = 4, KEEPERS_PATIENCE_MS = 20000 };

struct keepers_options {
    uint32_t nodes;
    uint64_t node_limit, runtime_limit;
    const char *transport; // a program; NULL: none
    uint64_t transport_ms;
    uint32_t numas;
    uint32_t descriptors; // the process may have; 0: as ever
    bool no_pidfd;        // as on a system that has none
};

struct keepers {
    char folder[40];
    char *path[KEEPERS_LIMIT]; // owned: of the agents' sockets, which are not there
    pid_t pid;
    int control; // what they are told; closed: they are destroyed and the process ends
    uint32_t nodes;
};

// ---- in their process

struct keepers_inside {
    struct trees trees;
    struct keeper *at[KEEPERS_LIMIT];
    int control;
    bool over;
};
static struct keepers_inside keepers_inside;

static inline void keepers_on_message(struct trees_node *node, const struct link_message *message)
{
    struct keeper *keeper = keepers_inside.at[node->here];
    if (keeper && !keeper_on_node_message(keeper, message))
        fprintf(stderr, "keeper %u did not understand message %u\n", node->here, message->type);
}

static inline void keepers_lose(struct keepers_inside *inside, uint32_t lost)
{
    for (uint32_t i = 0; i < inside->trees.count; i++) {
        if (i == lost || !inside->at[i])
            continue;
        tree_lose(inside->trees.at[i].tree, lost);
        keeper_node_lost(inside->at[i], lost);
    }
}

// 'e': the runtime ends; '0'...: a keeper is destroyed, as if its agent were gone; 'L'...: the runtime goes on without the
// node. Each is answered with itself.
static inline void keepers_on_control(void *arg, int events)
{
    struct keepers_inside *inside = &keepers_inside;
    char what;
    (void)arg, (void)events;
    if (read(inside->control, &what, 1) != 1) {
        inside->over = true;
        return;
    }
    if (what == 'e')
        for (uint32_t i = 0; i < inside->trees.count; i++)
            keeper_end(inside->at[i]);
    if (what >= '0' && what < '0' + KEEPERS_LIMIT) {
        keeper_destroy(inside->at[what - '0']);
        inside->at[what - '0'] = NULL;
    }
    if (what >= 'L' && what < 'L' + KEEPERS_LIMIT)
        keepers_lose(inside, (uint32_t)(what - 'L'));
    if (write(inside->control, &what, 1) != 1)
        inside->over = true;
}

// The system calls that give one fail as if there were none such.
static inline void keepers_without_pidfd(void)
{
    enum { PEERPIDFD = 77 };
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsockopt, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PEERPIDFD, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(1);
}

static inline void keepers_restrict(const struct keepers_options *options)
{
    struct rlimit limit = {.rlim_cur = options->descriptors, .rlim_max = options->descriptors};
    if (options->descriptors && setrlimit(RLIMIT_NOFILE, &limit) != 0)
        _exit(1);
    if (options->no_pidfd)
        keepers_without_pidfd();
}

static inline void keepers_run(struct keepers *keepers, const struct keepers_options *options)
{
    static const uint8_t key[KEEPER_KEY] = "the key of these keepers";
    static const int numa[] = {0, 0};
    struct keepers_inside *inside = &keepers_inside;
    dragon_error_t error = {0};
    char folder[KEEPERS_LIMIT][64];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    keepers_restrict(options);
    trees_up(&inside->trees, options->nodes, 2);
    inside->trees.on_message = keepers_on_message;
    struct children *children = children_create(inside->trees.loop, &error);
    for (uint32_t i = 0; i < options->nodes; i++) {
        snprintf(folder[i], sizeof folder[i], "%s/%u", keepers->folder, i);
        struct keeper_options one = {.loop = inside->trees.loop,
                                     .tree = inside->trees.at[i].tree,
                                     .children = children,
                                     .board_fd = board_memory(),
                                     .run_dir = folder[i],
                                     .runtime = "dragon-test",
                                     .transport_program = options->transport,
                                     .transport_ms = options->transport_ms,
                                     .key = key,
                                     .node_limit_bytes = options->node_limit,
                                     .runtime_limit_bytes = options->runtime_limit,
                                     .numa = numa,
                                     .numa_count = options->numas};
        inside->at[i] = keeper_create(&one, &error);
        if (!inside->at[i]) {
            fprintf(stderr, "%s\n", error.text);
            _exit(1);
        }
    }
    struct loop_watch *watch =
        loop_watch_create(inside->trees.loop, inside->control, keepers_on_control, NULL);
    loop_watch_set(watch, LOOP_READ);
    if (write(inside->control, "!", 1) != 1)
        _exit(1);
    while (!inside->over)
        loop_turn(inside->trees.loop, -1);
    for (uint32_t i = 0; i < options->nodes; i++)
        keeper_destroy(inside->at[i]);
    children_destroy(children);
    loop_watch_destroy(watch);
    trees_fini(&inside->trees);
    close(inside->control);
    exit(0);
}

// ---- outside

static inline void keepers_say(struct keepers *keepers, char what)
{
    char answer = 0;
    cr_assert_eq(write(keepers->control, &what, 1), 1);
    cr_assert_eq(read(keepers->control, &answer, 1), 1);
    cr_assert_eq(answer, what);
}

static inline void keepers_start(struct keepers *keepers, const struct keepers_options *options)
{
    int pair[2];
    char ready = 0;
    snprintf(keepers->folder, sizeof keepers->folder, "/tmp/dragon-keepers-XXXXXX");
    cr_assert_not_null(mkdtemp(keepers->folder));
    keepers->nodes = options->nodes;
    for (uint32_t i = 0; i < options->nodes; i++) {
        char folder[64];
        snprintf(folder, sizeof folder, "%s/%u", keepers->folder, i);
        cr_assert_eq(mkdir(folder, 0700), 0);
        cr_assert(asprintf(&keepers->path[i], "%s/agent.sock", folder) > 0);
    }
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    keepers->control = pair[0];
    keepers->pid = fork();
    cr_assert_geq(keepers->pid, 0);
    if (keepers->pid == 0) {
        close(pair[0]);
        keepers_inside.control = pair[1];
        keepers_run(keepers, options);
    }
    close(pair[1]);
    cr_assert(read(keepers->control, &ready, 1) == 1 && ready == '!', "the keepers did not start");
}

// They leave nothing behind.
static inline void keepers_stop(struct keepers *keepers)
{
    int status = -1;
    close(keepers->control);
    cr_assert_eq(waitpid(keepers->pid, &status, 0), keepers->pid);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the keepers ended with %x", status);
    for (uint32_t i = 0; i < keepers->nodes; i++) {
        char folder[64];
        snprintf(folder, sizeof folder, "%s/%u", keepers->folder, i);
        cr_expect_eq(rmdir(folder), 0, "%s is not empty", folder);
        free(keepers->path[i]);
    }
    cr_expect_eq(rmdir(keepers->folder), 0);
}

#endif
