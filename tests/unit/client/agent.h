// SPDX-License-Identifier: BSD-3-Clause
//
// An agent for tests of the client: a thread at the other end of a Unix socket that does what a test's script
// says. It checks what comes with agent_check, whose first failure the test's end shows; Criterion's own
// checks belong to the main thread.
#ifndef TESTS_UNIT_CLIENT_AGENT_H
#define TESTS_UNIT_CLIENT_AGENT_H

#include "client/group.h"

#include <dragon/dragon.h>

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { AGENT_NODES = 2, AGENT_CORES = 4, AGENT_PATIENCE_MS = 20000 };

struct agent {
    int listener, fd;
    char folder[40], path[60];
    pthread_t thread;
    void (*script)(struct agent *agent);
    uint64_t end_s;  // told in the welcome
    char wrong[600]; // the first that was
    uint8_t *body;   // of the last message
    struct ledger *ledger;
};

static inline void agent_check_at(struct agent *agent, bool good, const char *what, int line)
{
    if (!good && !agent->wrong[0])
        snprintf(agent->wrong, sizeof agent->wrong, "line %d: %s", line, what);
}
#define agent_check(agent, condition) agent_check_at(agent, condition, #condition, __LINE__)

static inline bool agent_read(struct agent *agent, void *data, size_t length)
{
    uint8_t *at = data;
    while (length > 0) {
        struct pollfd fd = {.fd = agent->fd, .events = POLLIN};
        if (poll(&fd, 1, AGENT_PATIENCE_MS) != 1)
            return false;
        ssize_t got = recv(agent->fd, at, length, 0);
        if (got <= 0)
            return false;
        at += got;
        length -= (size_t)got;
    }
    return true;
}

// The next message's type, 0 at the end; its body is read with *unpack_out.
static inline uint16_t agent_next(struct agent *agent, struct unpack *unpack_out)
{
    uint8_t header[LINK_HEADER_BYTES];
    struct link_message message = {0};
    free(agent->body);
    agent->body = NULL;
    *unpack_out = unpack_start(NULL, 0);
    if (!agent_read(agent, header, sizeof header) ||
        !link_header_read(header, CLIENT_BODY_LIMIT, &message))
        return 0;
    agent->body = malloc(message.length + 1);
    if (!agent_read(agent, agent->body, message.length))
        return 0;
    *unpack_out = unpack_start(agent->body, message.length);
    return message.type;
}

static inline struct unpack agent_take_at(struct agent *agent, uint16_t type, int line)
{
    struct unpack unpack;
    char text[60];
    uint16_t got = agent_next(agent, &unpack);
    snprintf(text, sizeof text, "message %u came in place of %u", got, type);
    agent_check_at(agent, got == type, text, line);
    return unpack;
}
#define agent_take(agent, type) agent_take_at(agent, type, __LINE__)

static inline void agent_send(struct agent *agent, uint16_t type, struct pack *body)
{
    uint8_t header[LINK_HEADER_BYTES];
    link_header_write(header,
                      &(struct link_message){.type = type, .length = (uint32_t)body->length});
    if (send(agent->fd, header, sizeof header, MSG_NOSIGNAL) < 0 ||
        (body->length && send(agent->fd, body->data, body->length, MSG_NOSIGNAL) < 0))
        agent_check(agent, !"sending works");
    pack_fini(body);
}

// ---- groups

struct submitted {
    uint32_t request;
    uint8_t order;
    uint64_t group;
    struct group_spec spec;
};

static inline struct submitted agent_take_submit(struct agent *agent)
{
    struct submitted submitted = {0};
    struct unpack unpack = agent_take(agent, GC_SUBMIT);
    submitted.request = unpack_u32(&unpack);
    submitted.order = unpack_u8(&unpack);
    submitted.group = unpack_u64(&unpack);
    agent_check(agent, group_spec_unpack(&unpack, &submitted.spec) && unpack_done(&unpack));
    return submitted;
}

static inline void agent_refuse(struct agent *agent, uint32_t request, uint64_t group,
                                dragon_err_t err, int code, const char *text)
{
    struct pack body = PACK_EMPTY;
    pack_u32(&body, request);
    pack_u64(&body, group);
    pack_i32(&body, err);
    pack_i32(&body, code);
    pack_str(&body, text);
    agent_send(agent, GC_STARTED, &body);
}

static inline bool agent_plan(struct agent *agent, const struct group_spec *spec, uint32_t first,
                              struct plan *plan_out)
{
    struct plan_request request;
    struct plan_template *templates;
    dragon_error_t error;
    if (!group_spec_request(spec, first, &request, &templates))
        return false;
    dragon_err_t err = plan_make(&request, agent->ledger, plan_out, &error);
    if (err != DRAGON_OK)
        agent_check_at(agent, false, error.text, __LINE__);
    free(templates);
    return err == DRAGON_OK;
}

// Answers with a plan of it; `first`: the number of its first rank.
static inline void agent_start(struct agent *agent, struct submitted *submitted, uint64_t group,
                               uint32_t first)
{
    struct pack body = PACK_EMPTY;
    struct plan plan = {0};
    pack_u32(&body, submitted->request);
    pack_u64(&body, group);
    pack_i32(&body, DRAGON_OK);
    pack_i32(&body, 0);
    pack_str(&body, "");
    if (agent_plan(agent, &submitted->spec, first, &plan))
        plan_pack(&body, &plan);
    plan_fini(&plan);
    group_spec_fini(&submitted->spec);
    agent_send(agent, GC_STARTED, &body);
}

static inline void agent_take_and_start(struct agent *agent, uint64_t group)
{
    struct submitted submitted = agent_take_submit(agent);
    agent_start(agent, &submitted, group, 0);
}

static inline void agent_report(struct agent *agent, uint64_t group, struct rank_report report)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, group);
    rank_report_pack(&body, &report);
    agent_send(agent, GC_REPORTS, &body);
}

static inline void agent_output(struct agent *agent, uint64_t group, uint32_t node, uint32_t rank,
                                uint8_t stream, const void *data, size_t length)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, group);
    pack_u32(&body, node);
    output_pack(&body, rank, stream, data, length);
    agent_send(agent, GC_OUTPUT, &body);
}

static inline void agent_done(struct agent *agent, uint64_t group, int code, const char *cause)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, group);
    pack_i32(&body, code);
    pack_str(&body, cause);
    pack_str(&body, code ? "last words\n" : "");
    agent_send(agent, GC_DONE, &body);
}

static inline void agent_take_ask_at(struct agent *agent, uint64_t group, int32_t rank,
                                     uint32_t signal, uint8_t ask, int line)
{
    struct unpack unpack = agent_take_at(agent, GC_ASK, line);
    agent_check_at(agent, unpack_u64(&unpack) == group, "the ask's group", line);
    agent_check_at(agent, unpack_i32(&unpack) == rank, "the ask's rank", line);
    agent_check_at(agent, unpack_u32(&unpack) == signal, "the ask's signal", line);
    agent_check_at(agent, unpack_u8(&unpack) == ask && unpack_done(&unpack), "what it asks", line);
}
#define agent_take_ask(agent, group, rank, signal, ask) \
    agent_take_ask_at(agent, group, rank, signal, ask, __LINE__)

static inline void agent_take_credit_at(struct agent *agent, uint64_t group, uint32_t node,
                                        uint32_t bytes, int line)
{
    struct unpack unpack = agent_take_at(agent, GC_CREDIT, line);
    agent_check_at(agent, unpack_u64(&unpack) == group, "the credit's group", line);
    agent_check_at(agent, unpack_u32(&unpack) == node, "the credit's node", line);
    agent_check_at(agent, unpack_u32(&unpack) == bytes, "the credit's bytes", line);
}
#define agent_take_credit(agent, group, node, bytes) \
    agent_take_credit_at(agent, group, node, bytes, __LINE__)

// Nothing more comes but the end of the connection.
static inline void agent_take_end(struct agent *agent)
{
    struct unpack unpack;
    agent_check(agent, agent_next(agent, &unpack) == 0);
}

// ---- the thread

static inline void agent_welcome(struct agent *agent)
{
    struct unpack unpack = agent_take(agent, GC_HELLO);
    struct pack body = PACK_EMPTY;
    agent_check(agent, unpack_u32(&unpack) == GROUP_WIRE_VERSION);
    unpack_str(&unpack);
    agent_check(agent, unpack_u32(&unpack) == (uint32_t)getpid() && unpack_done(&unpack));
    pack_u32(&body, GROUP_WIRE_VERSION);
    pack_str(&body, PACKAGE_VERSION);
    pack_u32(&body, 0);
    pack_u32(&body, AGENT_NODES);
    pack_str(&body, "n0");
    pack_str(&body, "the:runtime");
    pack_u64(&body, agent->end_s);
    agent_send(agent, GC_WELCOME, &body);
}

static inline void *agent_run(void *arg)
{
    struct agent *agent = arg;
    agent->fd = accept(agent->listener, NULL, NULL);
    agent_welcome(agent);
    agent->script(agent);
    close(agent->fd);
    free(agent->body);
    agent->body = NULL;
    return NULL;
}

static inline struct ledger *agent_ledger(void)
{
    struct ledger *ledger = ledger_create(AGENT_NODES);
    struct machine_core cores[AGENT_CORES];
    struct machine_gpu gpu = {.vendor = GPU_AMD, .tiles = 1, .visible = "0", .identity = "card"};
    struct machine machine = {.core_count = AGENT_CORES,
                              .gpu_count = 1,
                              .numa_count = 1,
                              .l3_count = 1,
                              .socket_count = 1,
                              .thread_count = AGENT_CORES,
                              .memory_bytes = 1 << 30,
                              .cores = cores,
                              .gpus = &gpu};
    for (uint16_t i = 0; i < AGENT_CORES; i++)
        cores[i] = (struct machine_core){.thread_count = 1, .threads = {i}};
    struct pack packed = PACK_EMPTY;
    machine_pack(&packed, &machine);
    cr_assert(ledger_describe(ledger, 0, "n0", "h0", packed.data, packed.length));
    cr_assert(ledger_describe(ledger, 1, "n1", "h1", packed.data, packed.length));
    pack_fini(&packed);
    return ledger;
}

// Starts it and attaches to it.
static inline dragon_runtime_t *agent_create(struct agent *agent,
                                             void (*script)(struct agent *agent))
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    dragon_runtime_t *runtime = NULL;
    dragon_error_t error;
    agent->script = script;
    agent->ledger = agent_ledger();
    snprintf(agent->folder, sizeof agent->folder, "/tmp/agent.XXXXXX");
    cr_assert_not_null(mkdtemp(agent->folder));
    snprintf(agent->path, sizeof agent->path, "%s/socket", agent->folder);
    memcpy(address.sun_path, agent->path, strlen(agent->path) + 1);
    agent->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(agent->listener, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(agent->listener, 1), 0);
    cr_assert_eq(pthread_create(&agent->thread, NULL, agent_run, agent), 0);
    dragon_err_t err = dragon_runtime_attach_to(agent->path, &runtime, &error);
    cr_assert_eq(err, DRAGON_OK, "%s", error.text);
    return runtime;
}

static inline void agent_finish(struct agent *agent, dragon_runtime_t *runtime)
{
    dragon_runtime_detach(runtime);
    pthread_join(agent->thread, NULL);
    close(agent->listener);
    unlink(agent->path);
    rmdir(agent->folder);
    ledger_destroy(agent->ledger);
    cr_expect(agent->wrong[0] == 0, "%s", agent->wrong);
}

#endif
