// SPDX-License-Identifier: BSD-3-Clause
//
// The connection of a process to the agent of its node. What comes is for a request or for a run, but the
// first, the welcome. Handlers of messages only change what is known and note events; users' callbacks are
// called between the turns of the loop, so that they may turn it themselves.
#include "config.h"

#include "client/group.h"
#include "client/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { WELCOME_MS = 10000 };

const char *dragon_version(void)
{
    return PACKAGE_VERSION;
}

void runtime_send(struct dragon_runtime *runtime, uint16_t type, struct pack *body)
{
    if (runtime->link)
        link_send_pack(runtime->link, type, 0, 0, body);
    else
        pack_fini(body);
}

static void on_welcome(struct dragon_runtime *runtime, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint32_t version = unpack_u32(&unpack);
    const char *release = unpack_str(&unpack);
    if (version != GROUP_WIRE_VERSION) {
        snprintf(runtime->refusal, sizeof runtime->refusal,
                 "the runtime is of release %.40s and this program of %s, which do not understand "
                 "each other",
                 release, PACKAGE_VERSION);
        return;
    }
    runtime->node = unpack_u32(&unpack);
    runtime->nodes = unpack_u32(&unpack);
    const char *node_name = unpack_str(&unpack);
    const char *name = unpack_str(&unpack);
    runtime->end_s = unpack_u64(&unpack);
    if (!unpack_done(&unpack) || runtime->node >= runtime->nodes) {
        snprintf(runtime->refusal, sizeof runtime->refusal,
                 "the agent's welcome is not understood");
        return;
    }
    runtime->name = strdup(name);
    runtime->node_name = runtime->name ? strdup(node_name) : NULL;
    if (!runtime->node_name)
        snprintf(runtime->refusal, sizeof runtime->refusal, "out of memory");
}

static void on_runtime_closed(void *arg, const char *reason)
{
    struct dragon_runtime *runtime = arg;
    runtime->not_understood = reason == LINK_NOT_UNDERSTOOD;
    if (!runtime->refusal[0])
        snprintf(runtime->refusal, sizeof runtime->refusal, "the runtime has ended: %s", reason);
    link_destroy(runtime->link);
    runtime->link = NULL;
    requests_on_lost(runtime);
    runs_on_lost(runtime);
}

static void on_written(void *arg)
{
    outputs_on_written(arg);
}

bool runtime_open_output(struct dragon_runtime *runtime)
{
    if (runtime->writers++ > 0)
        return true;
    bool good = sink_init(&runtime->out, runtime->loop, STDOUT_FILENO, on_written, runtime);
    good = sink_init(&runtime->err, runtime->loop, STDERR_FILENO, on_written, runtime) && good;
    if (!good)
        runtime_close_output(runtime);
    return good;
}

void runtime_close_output(struct dragon_runtime *runtime)
{
    if (--runtime->writers > 0)
        return;
    sink_fini(&runtime->out);
    sink_fini(&runtime->err);
}

static bool on_message(struct dragon_runtime *runtime, const struct link_message *message)
{
    switch (message->type) {
    case GC_STARTED:
    case GC_QUEUED:
    case GC_ANSWER:
        return requests_on_message(runtime, message);
    default:
        return runs_on_message(runtime, message);
    }
}

static void on_runtime_message(void *arg, const struct link_message *message)
{
    struct dragon_runtime *runtime = arg;
    if (message->type == GC_WELCOME && !runtime->node_name)
        on_welcome(runtime, message);
    else if (!runtime->node_name || !on_message(runtime, message))
        on_runtime_closed(runtime, LINK_NOT_UNDERSTOOD);
}

static const struct link_handler runtime_handler = {.on_message = on_runtime_message,
                                                    .on_closed = on_runtime_closed};

int64_t deadline_in(int timeout_ms)
{
    return timeout_ms < 0 ? DRAGON_FOREVER : (int64_t)time_now_ms() + timeout_ms;
}

dragon_err_t runtime_turn(struct dragon_runtime *runtime, int64_t deadline_ms)
{
    int wait = -1;
    if (deadline_ms != DRAGON_FOREVER) {
        wait = time_left_ms((uint64_t)deadline_ms);
        if (wait == 0)
            return DRAGON_ERR_TIMEOUT;
    }
    dragon_runtime_progress(runtime, wait);
    return DRAGON_OK;
}

static bool is_from_environment(const char *path)
{
    const char *set = getenv("DRAGON_RUNTIME");
    return set && strcmp(set, path) == 0;
}

static int connect_agent(const char *path, dragon_error_t *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        err_set(error, DRAGON_ERR_INVAL, "the path of the runtime's socket is too long: %.100s",
                path);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int low = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    // Not one of the standard streams, to which groups write, should the program have closed them.
    int fd = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (low >= 0)
        close(low);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int problem = errno;
    if (fd >= 0)
        close(fd);
    if (problem == EACCES || problem == EPERM)
        err_set(error, DRAGON_ERR_DENIED, "the runtime at %s belongs to another user", path);
    else if (problem == EMFILE || problem == ENFILE)
        err_set(error, DRAGON_ERR_NOMEM, "no descriptor is left to reach the runtime: %s",
                strerror(problem));
    else
        err_set(error, DRAGON_ERR_PEER, "the runtime at %s has ended: %s%s", path,
                strerror(problem),
                is_from_environment(path) ? "; unset DRAGON_RUNTIME to do without it" : "");
    return -1;
}

static dragon_err_t wait_for_welcome(struct dragon_runtime *runtime, dragon_error_t *error)
{
    struct pack hello = PACK_EMPTY;
    int64_t deadline = (int64_t)time_now_ms() + WELCOME_MS;
    pack_u32(&hello, GROUP_WIRE_VERSION);
    pack_str(&hello, PACKAGE_VERSION);
    pack_u32(&hello, (uint32_t)getpid());
    runtime_send(runtime, GC_HELLO, &hello);
    while (!runtime->node_name && !runtime->refusal[0]) {
        dragon_err_t err = runtime_turn(runtime, deadline);
        if (err == DRAGON_ERR_TIMEOUT)
            return err_set(error, err, "the agent of this node did not answer within %d s",
                           WELCOME_MS / 1000);
    }
    if (runtime->node_name)
        return DRAGON_OK;
    bool proto = runtime->link || runtime->not_understood;
    return err_set(error, proto ? DRAGON_ERR_PROTO : DRAGON_ERR_PEER, "%s", runtime->refusal);
}

dragon_err_t dragon_runtime_attach(dragon_runtime_t **runtime_out, dragon_error_t *error)
{
    const char *path = getenv("DRAGON_RUNTIME");
    if (!path || !*path)
        return err_set(error, DRAGON_ERR_NOT_FOUND,
                       "this process is not inside a runtime; start it with dragon-run");
    return dragon_runtime_attach_to(path, runtime_out, error);
}

dragon_err_t dragon_runtime_attach_to(const char *path, dragon_runtime_t **runtime_out,
                                      dragon_error_t *error)
{
    if (!path || !*path)
        return err_set(error, DRAGON_ERR_INVAL, "the path of the runtime's socket is empty");
    dragon_error_t connect_error;
    int fd = connect_agent(path, &connect_error);
    if (fd < 0)
        return err_set(error, connect_error.code, "%s", connect_error.text);
    struct dragon_runtime *runtime = calloc(1, sizeof *runtime);
    if (runtime) {
        runtime->events_end = &runtime->events;
        runtime->loop = loop_create();
        runtime->path = strdup(path);
    }
    if (!runtime || !runtime->loop || !runtime->path) {
        close(fd);
        dragon_runtime_detach(runtime);
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory or descriptors");
    }
    runtime->link = link_create(runtime->loop, fd, CLIENT_BODY_LIMIT, &runtime_handler, runtime);
    dragon_err_t err = runtime->link ? wait_for_welcome(runtime, error)
                                     : err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    if (err != DRAGON_OK) {
        dragon_runtime_detach(runtime);
        return err;
    }
    *runtime_out = runtime;
    return DRAGON_OK;
}

// A group that was abandoned while it starts has no user who would destroy it, and a run without a number is in
// no table.
static void destroy_request(struct request *request)
{
    struct run *run = request->run && request->run->start == request ? request->run : NULL;
    request_destroy(request);
    if (!run)
        return;
    run->start = NULL;
    if (run->owner && run->owner->abandoned)
        dragon_group_destroy(run->owner);
    if (!run->handles && !run->id)
        run_destroy(run);
}

void dragon_runtime_detach(dragon_runtime_t *runtime)
{
    struct request *request, *next_request;
    struct run *run, *next_run;
    if (!runtime)
        return;
    shared_destroy(runtime->shared);
    link_destroy(runtime->link);
    runtime->link = NULL;
    HASH_ITER (hh, runtime->requests, request, next_request)
        destroy_request(request);
    HASH_ITER (hh, runtime->runs, run, next_run)
        if (!run->handles)
            run_destroy(run);
    events_forget(runtime, NULL);
    while (runtime->default_count > 0)
        policy_fini(&runtime->defaults[--runtime->default_count]);
    free(runtime->defaults);
    if (runtime->loop)
        loop_destroy(runtime->loop);
    free(runtime->node_name);
    free(runtime->name);
    free(runtime->path);
    free(runtime);
}

// ---- query

uint32_t dragon_runtime_nodes(const dragon_runtime_t *runtime)
{
    return runtime->nodes;
}

uint32_t dragon_runtime_node(const dragon_runtime_t *runtime)
{
    return runtime->node;
}

const char *dragon_runtime_node_name(const dragon_runtime_t *runtime)
{
    return runtime->node_name;
}

const char *dragon_runtime_path(const dragon_runtime_t *runtime)
{
    return runtime->path;
}

const char *dragon_runtime_identity(const dragon_runtime_t *runtime)
{
    return runtime->name;
}

dragon_err_t dragon_runtime_time_left(const dragon_runtime_t *runtime, uint64_t *ms_out)
{
    struct timespec now;
    if (runtime->end_s == 0)
        return DRAGON_ERR_NOT_FOUND;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t now_s = (uint64_t)now.tv_sec, past_ms = (uint64_t)now.tv_nsec / 1000000;
    uint64_t left_s = runtime->end_s > now_s ? runtime->end_s - now_s : 0;
    if (left_s > UINT64_MAX / 1000)
        left_s = UINT64_MAX / 1000;
    *ms_out = left_s ? left_s * 1000 - past_ms : 0;
    return DRAGON_OK;
}

// ---- inside an event loop

int dragon_runtime_fd(const dragon_runtime_t *runtime)
{
    return loop_fd(runtime->loop);
}

int dragon_runtime_wait_ms(dragon_runtime_t *runtime)
{
    loop_later_run(runtime->loop);
    return runtime->events ? 0 : loop_wait_ms(runtime->loop);
}

dragon_err_t dragon_runtime_progress(dragon_runtime_t *runtime, int timeout_ms)
{
    // Without a connection there may still be output to write.
    loop_turn(runtime->loop, runtime->events ? 0 : timeout_ms);
    events_tell(runtime);
    return runtime->link ? DRAGON_OK : DRAGON_ERR_PEER;
}
