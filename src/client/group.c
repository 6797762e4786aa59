// SPDX-License-Identifier: BSD-3-Clause
//
// Groups on the library's side: what is asked for, the start, output and input while it runs, and what
// is known of the end.
//
// Output is granted by credits: what has been written out is given back to the node that sent it. A
// group is over when the runtime has said so and everything it wrote has been written out.
#include "config.h"

#include "client/client.h"
#include "client/stream.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <uthash.h>

enum {
    START_MS = 70000,         // the runtime's own limit is 60 s; it answers first
    CREDIT_STEP = 16 << 10,   // smaller grants are not worth a message
    WAITING_ENOUGH = 64 << 10 // no grants while more than this waits to be written
};

enum group_state { GROUP_NEW, GROUP_STARTING, GROUP_RUNNING, GROUP_OVER };

struct dragon_group {
    struct dragon_runtime *runtime; // borrowed
    struct group_spec spec;
    enum group_state state;
    bool label;
    int input_fd;
    uint64_t id;
    uint32_t request;
    uint32_t size, rank0_node;
    struct source input;
    bool output_open, input_open;
    uint64_t out_mark, err_mark; // where its last byte is in the runtime's sinks
    uint32_t *owed;              // owned: bytes of each node, written out and not yet granted
    dragon_rank_status_t *ranks; // owned, `size`; ended -1: nothing known
    bool done;                   // the runtime has said so
    bool output_broken;          // told the runtime to stop because of that
    int exit_code;
    char *cause; // owned
    dragon_err_t start_err;
    UT_hash_handle hh;
};

static void ask_signal(struct dragon_runtime *runtime, uint64_t id, int rank, int signal,
                       enum signal_why why)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, id);
    pack_i32(&body, rank);
    pack_u32(&body, (uint32_t)signal);
    pack_u8(&body, why);
    runtime_send(runtime, GC_SIGNAL, &body);
    loop_later_run(runtime->loop);
}

// A group that nobody waits for any more, or that cannot be run here, is stopped at once.
static void stop_unwanted(struct dragon_runtime *runtime, uint64_t id)
{
    ask_signal(runtime, id, DRAGON_ALL_RANKS, SIGTERM, SIGNAL_DISCARD);
}

// ---- life cycle

dragon_err_t dragon_group_create(dragon_runtime_t *runtime, char *const argv[],
                                 dragon_group_t **group_out, dragon_error_t *error)
{
    if (!argv || !argv[0])
        return err_set(error, DRAGON_ERR_INVAL, "a group needs a program");
    struct dragon_group *group = calloc(1, sizeof *group);
    if (!group)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    *group = (struct dragon_group){.runtime = runtime, .input_fd = -1, .exit_code = -1};
    group->spec.place.ranks = -1;
    group->spec.grace_ms = 5000;
    group->spec.argv = strv_copy(argv);
    group->spec.env = strv_copy(environ);
    group->spec.cwd = getcwd(NULL, 0);
    if (!group->spec.argv || !group->spec.env || !group->spec.cwd) {
        int problem = errno;
        dragon_group_destroy(group);
        return err_set_errno(error, problem, "cannot tell the working directory");
    }
    *group_out = group;
    return DRAGON_OK;
}

static void close_streams(struct dragon_group *group)
{
    if (group->output_open)
        runtime_close_output(group->runtime);
    if (group->input_open)
        source_fini(&group->input);
    group->output_open = group->input_open = false;
}

void dragon_group_destroy(dragon_group_t *group)
{
    if (!group)
        return;
    struct dragon_runtime *runtime = group->runtime;
    if (group->state == GROUP_RUNNING) {
        stop_unwanted(runtime, group->id);
        HASH_DEL(runtime->groups, group);
    }
    if (runtime->starting == group)
        runtime->starting = NULL;
    close_streams(group);
    group_spec_fini(&group->spec);
    free(group->owed);
    free(group->ranks);
    free(group->cause);
    free(group);
}

// ---- what is asked for

dragon_err_t dragon_group_set_count(dragon_group_t *group, uint32_t ranks)
{
    if (ranks == 0 || ranks > PLAN_RANK_LIMIT)
        return DRAGON_ERR_INVAL;
    if (group->state != GROUP_NEW)
        return DRAGON_ERR_STATE;
    group->spec.place.ranks = ranks;
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_ppn(dragon_group_t *group, uint32_t ranks)
{
    if (ranks == 0 || ranks > PLAN_RANK_LIMIT)
        return DRAGON_ERR_INVAL;
    if (group->state != GROUP_NEW)
        return DRAGON_ERR_STATE;
    group->spec.place.ppn = ranks;
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_map(dragon_group_t *group, dragon_map_t map)
{
    if (map != DRAGON_MAP_BLOCK && map != DRAGON_MAP_CYCLIC)
        return DRAGON_ERR_INVAL;
    if (group->state != GROUP_NEW)
        return DRAGON_ERR_STATE;
    group->spec.place.order = map == DRAGON_MAP_CYCLIC ? PLAN_CYCLIC : PLAN_BLOCK;
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_pmi(dragon_group_t *group, int on)
{
    if (group->state != GROUP_NEW)
        return DRAGON_ERR_STATE;
    group->spec.pmi = group->spec.place.per_core = on != 0;
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_env(dragon_group_t *group, const char *name, const char *value)
{
    if (!name || !*name || strchr(name, '='))
        return DRAGON_ERR_INVAL;
    if (group->state != GROUP_NEW)
        return DRAGON_ERR_STATE;
    if (!value)
        env_unset(group->spec.env, name);
    else if (!env_set(&group->spec.env, name, value))
        return DRAGON_ERR_NOMEM;
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_cwd(dragon_group_t *group, const char *directory)
{
    char *cwd = NULL;
    if (!directory || !*directory)
        return DRAGON_ERR_INVAL;
    if (group->state != GROUP_NEW)
        return DRAGON_ERR_STATE;
    if (directory[0] == '/')
        cwd = strdup(directory);
    else if (asprintf(&cwd, "%s/%s", group->spec.cwd, directory) < 0)
        cwd = NULL;
    if (!cwd)
        return DRAGON_ERR_NOMEM;
    free(group->spec.cwd);
    group->spec.cwd = cwd;
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_label(dragon_group_t *group, int on)
{
    if (group->state != GROUP_NEW)
        return DRAGON_ERR_STATE;
    group->label = on != 0;
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_input(dragon_group_t *group, int fd)
{
    if (group->state != GROUP_NEW)
        return DRAGON_ERR_STATE;
    group->input_fd = fd;
    group->spec.input = fd >= 0;
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_time_limit(dragon_group_t *group, uint64_t ms)
{
    if (group->state != GROUP_NEW)
        return DRAGON_ERR_STATE;
    group->spec.limit_ms = ms;
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_grace(dragon_group_t *group, uint32_t ms)
{
    if (group->state != GROUP_NEW)
        return DRAGON_ERR_STATE;
    group->spec.grace_ms = ms;
    return DRAGON_OK;
}

// ---- output

static void grant_node(struct dragon_group *group, uint32_t node)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, group->id);
    pack_u32(&body, node);
    pack_u32(&body, group->owed[node]);
    group->owed[node] = 0;
    runtime_send(group->runtime, GC_CREDIT, &body);
}

static void stop_for_broken_output(struct dragon_group *group)
{
    if (group->output_broken || group->done)
        return;
    group->output_broken = true;
    dragon_group_stop(group);
}

static void grant_written(struct dragon_group *group)
{
    for (uint32_t node = 0; node < group->runtime->nodes; node++)
        if (group->owed[node] >= CREDIT_STEP)
            grant_node(group, node);
}

void groups_on_written(struct dragon_runtime *runtime)
{
    bool enough = sink_waiting(&runtime->out) + sink_waiting(&runtime->err) > WAITING_ENOUGH;
    for (struct dragon_group *group = runtime->groups; group; group = group->hh.next) {
        if (runtime->out.broken)
            stop_for_broken_output(group);
        if (!enough)
            grant_written(group);
    }
}

static int digits(uint32_t number)
{
    int count = 1;
    while (number /= 10)
        count++;
    return count;
}

// Each line begins with its rank; a last line without an end gets one, so that nothing follows on it.
static void add_labelled(struct dragon_group *group, struct sink *sink, uint32_t rank,
                         const uint8_t *data, size_t length)
{
    char label[24];
    int label_length = snprintf(label, sizeof label, "%*u: ", digits(group->size - 1), rank);
    while (length > 0) {
        const uint8_t *newline = memchr(data, '\n', length);
        size_t line = newline ? (size_t)(newline - data) + 1 : length;
        sink_add(sink, label, (size_t)label_length);
        sink_add(sink, data, line);
        if (!newline)
            sink_add(sink, "\n", 1);
        data += line;
        length -= line;
    }
}

// Standard error is for people: a line that one rank has begun there is ended before another's follows.
static void add_error(const struct dragon_group *group, uint32_t rank, const uint8_t *data,
                      size_t length)
{
    struct dragon_runtime *runtime = group->runtime;
    struct open_line *line = &runtime->err_line;
    if (length == 0)
        return;
    if (line->open && (line->group != group->id || line->rank != rank))
        sink_add(&runtime->err, "\n", 1);
    sink_add(&runtime->err, data, length);
    *line = (struct open_line){.group = group->id, .rank = rank, .open = data[length - 1] != '\n'};
}

static bool on_output(struct dragon_group *group, struct unpack *unpack)
{
    struct dragon_runtime *runtime = group->runtime;
    uint32_t node = unpack_u32(unpack), rank;
    uint8_t stream;
    const uint8_t *data;
    size_t length;
    if (unpack->failed || node >= runtime->nodes)
        return false;
    while (unpack_left(unpack) > 0) {
        if (!output_unpack(unpack, &rank, &stream, &data, &length))
            return false;
        struct sink *sink = stream == OUTPUT_STDOUT ? &runtime->out : &runtime->err;
        if (group->label)
            add_labelled(group, sink, rank, data, length);
        else if (stream == OUTPUT_STDERR)
            add_error(group, rank, data, length);
        else
            sink_add(sink, data, length);
        group->owed[node] += (uint32_t)length;
    }
    group->out_mark = runtime->out.added;
    group->err_mark = runtime->err.added;
    sink_flush(&runtime->out);
    sink_flush(&runtime->err);
    groups_on_written(runtime);
    return true;
}

// ---- input

static void on_input_data(void *arg, const void *data, size_t length)
{
    struct dragon_group *group = arg;
    struct pack body = PACK_EMPTY;
    pack_u64(&body, group->id);
    pack_u32(&body, group->rank0_node);
    pack_bytes(&body, data, length);
    runtime_send(group->runtime, GC_INPUT, &body);
}

static bool on_taken(struct dragon_group *group, struct unpack *unpack)
{
    uint32_t bytes = unpack_u32(unpack);
    if (!unpack_done(unpack))
        return false;
    if (group->input_open)
        source_allow(&group->input, bytes);
    return true;
}

// ---- the end

static bool on_exits(struct dragon_group *group, struct unpack *unpack)
{
    struct rank_exit ended;
    while (unpack_left(unpack) > 0) {
        if (!rank_exit_unpack(unpack, &ended) || ended.rank >= group->size)
            return false;
        group->ranks[ended.rank] = (dragon_rank_status_t){
            .node = ended.node,
            .pid = ended.pid,
            .ended = 1,
            .exit_code = rank_exit_code(&ended),
        };
    }
    return true;
}

static void group_set_cause(struct dragon_group *group, int code, const char *cause)
{
    free(group->cause);
    group->cause = strdup(cause);
    group->exit_code = code;
}

static bool on_done(struct dragon_group *group, struct unpack *unpack)
{
    int code = unpack_i32(unpack);
    const char *cause = unpack_str(unpack);
    if (!unpack_done(unpack))
        return false;
    if (group->output_broken)
        group_set_cause(group, 128 + SIGPIPE, ""); // as silent as any writer into a closed pipe
    else
        group_set_cause(group, code, cause);
    group->done = true;
    // What we or our caller say next is to begin a line.
    if (group->runtime->err_line.open && group->runtime->err_line.group == group->id) {
        sink_add(&group->runtime->err, "\n", 1);
        group->runtime->err_line.open = false;
        group->err_mark = group->runtime->err.added;
        sink_flush(&group->runtime->err);
    }
    return true;
}

void groups_on_runtime_lost(struct dragon_runtime *runtime)
{
    for (struct dragon_group *group = runtime->groups; group; group = group->hh.next) {
        if (!group->done)
            group_set_cause(group, 125, "the runtime has ended");
        group->done = true;
    }
}

// ---- the start

static bool open_streams(struct dragon_group *group)
{
    struct dragon_runtime *runtime = group->runtime;
    group->output_open = runtime_open_output(runtime);
    if (!group->output_open || group->input_fd < 0)
        return group->output_open;
    group->input_open = true;
    return source_init(&group->input, runtime->loop, group->input_fd, on_input_data, group);
}

static bool group_run(struct dragon_group *group, uint64_t id, uint32_t size, uint32_t rank0_node)
{
    group->id = id;
    group->size = size;
    group->rank0_node = rank0_node;
    group->ranks = calloc(size, sizeof *group->ranks);
    group->owed = calloc(group->runtime->nodes, sizeof *group->owed);
    if (!group->ranks || !group->owed || !open_streams(group))
        return false;
    for (uint32_t i = 0; i < size; i++)
        group->ranks[i].ended = -1;
    HASH_ADD(hh, group->runtime->groups, id, sizeof group->id, group);
    group->state = GROUP_RUNNING;
    if (group->input_open)
        source_allow(&group->input, GROUP_INPUT_WINDOW);
    return true;
}

static bool on_started(struct dragon_runtime *runtime, struct unpack *unpack)
{
    struct dragon_group *group = runtime->starting;
    uint32_t request = unpack_u32(unpack);
    uint64_t id = unpack_u64(unpack);
    dragon_err_t err = unpack_i32(unpack);
    int code = unpack_i32(unpack);
    const char *text = unpack_str(unpack);
    uint32_t size = unpack_u32(unpack), rank0_node = unpack_u32(unpack);
    if (!unpack_done(unpack) ||
        (err == DRAGON_OK && (size == 0 || size > PLAN_RANK_LIMIT || rank0_node >= runtime->nodes)))
        return false;
    if (!group || group->request != request) {
        if (err == DRAGON_OK)
            stop_unwanted(runtime, id);
        return true;
    }
    group->start_err = err;
    if (err != DRAGON_OK)
        group_set_cause(group, code, text);
    else if (!group_run(group, id, size, rank0_node)) {
        stop_unwanted(runtime, id);
        group->start_err = DRAGON_ERR_NOMEM;
        group_set_cause(group, 125, "out of memory or descriptors");
    }
    runtime->starting = NULL;
    return true;
}

bool group_on_message(struct dragon_runtime *runtime, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    struct dragon_group *group;
    if (message->type == GC_STARTED)
        return on_started(runtime, &unpack);
    uint64_t id = unpack_u64(&unpack);
    if (unpack.failed)
        return false;
    HASH_FIND(hh, runtime->groups, &id, sizeof id, group);
    if (!group)
        return true; // destroyed here while it ran
    switch (message->type) {
    case GC_OUTPUT:
        return on_output(group, &unpack);
    case GC_EXITS:
        return on_exits(group, &unpack);
    case GC_DONE:
        return on_done(group, &unpack);
    case GC_TAKEN:
        return on_taken(group, &unpack);
    default:
        return false;
    }
}

dragon_err_t dragon_group_start(dragon_group_t *group, dragon_error_t *error)
{
    struct dragon_runtime *runtime = group->runtime;
    int64_t deadline = (int64_t)time_now_ms() + START_MS;
    struct pack body = PACK_EMPTY;
    dragon_err_t err = DRAGON_OK;
    if (group->state != GROUP_NEW)
        return err_set(error, DRAGON_ERR_STATE, "the group was started before");
    group->state = GROUP_STARTING;
    group->request = ++runtime->next_request;
    runtime->starting = group;
    pack_u32(&body, group->request);
    group_spec_pack(&body, &group->spec);
    runtime_send(runtime, GC_START, &body);
    while (runtime->starting == group && err == DRAGON_OK)
        err = runtime_turn(runtime, deadline);
    if (err == DRAGON_OK && group->start_err == DRAGON_OK)
        return DRAGON_OK;
    runtime->starting = NULL;
    group->state = GROUP_OVER;
    if (err != DRAGON_OK)
        group_set_cause(group, 125,
                        err == DRAGON_ERR_PEER ? runtime->refusal : "the runtime did not answer");
    else
        err = group->start_err;
    return err_set(error, err, "%s", group->cause ? group->cause : "out of memory");
}

// ---- while it runs

static bool is_over(const struct dragon_group *group)
{
    const struct dragon_runtime *runtime = group->runtime;
    return group->done && runtime->out.passed >= group->out_mark &&
           runtime->err.passed >= group->err_mark;
}

dragon_err_t dragon_group_wait(dragon_group_t *group, int timeout_ms)
{
    int64_t deadline = timeout_ms < 0 ? DRAGON_FOREVER : (int64_t)time_now_ms() + timeout_ms;
    if (group->state == GROUP_OVER && group->exit_code >= 0)
        return DRAGON_OK;
    if (group->state != GROUP_RUNNING)
        return DRAGON_ERR_STATE;
    loop_turn(group->runtime->loop, 0); // so that a time-out of 0 sees what has come
    while (!is_over(group)) {
        dragon_err_t err = runtime_turn(group->runtime, deadline);
        if (err != DRAGON_OK)
            return err;
    }
    group->state = GROUP_OVER;
    HASH_DEL(group->runtime->groups, group);
    close_streams(group);
    return group->runtime->link ? DRAGON_OK : DRAGON_ERR_PEER;
}

dragon_err_t dragon_group_signal(dragon_group_t *group, int rank, int signal)
{
    if (group->state != GROUP_RUNNING)
        return DRAGON_ERR_STATE;
    if (signal < 1 || signal >= NSIG || rank < DRAGON_ALL_RANKS ||
        (rank >= 0 && (uint32_t)rank >= group->size))
        return DRAGON_ERR_INVAL;
    ask_signal(group->runtime, group->id, rank, signal, SIGNAL_PASSED);
    return DRAGON_OK;
}

dragon_err_t dragon_group_stop(dragon_group_t *group)
{
    if (group->state != GROUP_RUNNING)
        return DRAGON_ERR_STATE;
    ask_signal(group->runtime, group->id, DRAGON_ALL_RANKS, SIGTERM, SIGNAL_STOP);
    return DRAGON_OK;
}

// ---- query

uint64_t dragon_group_id(const dragon_group_t *group)
{
    return group->id;
}

uint32_t dragon_group_size(const dragon_group_t *group)
{
    return group->size;
}

int dragon_group_exit_code(const dragon_group_t *group)
{
    return group->exit_code;
}

const char *dragon_group_cause(const dragon_group_t *group)
{
    return group->cause ? group->cause : "";
}

dragon_err_t dragon_group_rank_status(const dragon_group_t *group, uint32_t rank,
                                      dragon_rank_status_t *status_out)
{
    if (rank >= group->size)
        return DRAGON_ERR_INVAL;
    if (group->ranks[rank].ended < 0)
        return DRAGON_ERR_NOT_FOUND;
    *status_out = group->ranks[rank];
    return DRAGON_OK;
}
