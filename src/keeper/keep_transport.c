// SPDX-License-Identifier: BSD-3-Clause
//
// Who serves the objects of this node to processes of others: dragon-transport, which is started when somebody first
// asks for the way to it, and again by the next who asks when it has died; or, of an object with a single receiver,
// that process. What dragon-transport writes is passed on; its last words are in the answer when it does not come up.
#include "config.h"

#include "keeper/internal.h"
#include "proc/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

// Less than who asks waits, so that he is told why.
static uint64_t start_ms(const struct keeper *keeper)
{
    return keeper->options.transport_ms ? keeper->options.transport_ms : KEEPER_ANSWER_MS - 2000;
}

void keep_transport_init(struct keep_transport *transport)
{
    *transport = (struct keep_transport){.said_fd = -1};
}

// ---- answers

static void answer_route(struct keeper *keeper, const struct keep_asker *asker, bool direct,
                         const uint8_t *address, size_t bytes)
{
    struct pack body = PACK_EMPTY;
    pack_u8(&body, direct);
    pack_bytes(&body, address, bytes);
    keep_answer(keeper, asker, DRAGON_OK, "", &body);
}

static void tell_waits(struct keeper *keeper, const dragon_error_t *error)
{
    struct keep_transport *transport = &keeper->transport;
    struct keep_wait *waits = transport->waits, *next;
    transport->waits = NULL;
    if (transport->limit)
        loop_timer_stop(transport->limit);
    for (; waits; waits = next) {
        next = waits->next;
        if (error)
            keep_answer(keeper, &waits->asker, error->code, error->text, NULL);
        else
            answer_route(keeper, &waits->asker, false, transport->address,
                         transport->address_bytes);
        free(waits);
    }
}

static bool add_wait(struct keep_transport *transport, const struct keep_asker *asker)
{
    struct keep_wait *wait = calloc(1, sizeof *wait);
    if (!wait)
        return false;
    wait->asker = *asker;
    LL_PREPEND(transport->waits, wait);
    return true;
}

// ---- what it says

static const char *last_words(const struct keep_transport *transport)
{
    return transport->said_length > 0 ? transport->said : "it said nothing";
}

// Keeps the last line.
static void hear(struct keep_transport *transport, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n') {
            transport->said[transport->said_length] = 0;
            transport->line_over = true;
            continue;
        }
        if (transport->line_over)
            transport->said_length = 0;
        transport->line_over = false;
        if (transport->said_length + 1 < sizeof transport->said)
            transport->said[transport->said_length++] = text[i];
    }
    transport->said[transport->said_length] = 0;
}

static void on_said(void *arg, int events)
{
    struct keep_transport *transport = arg;
    char text[1024];
    (void)events;
    for (;;) {
        ssize_t got = read(transport->said_fd, text, sizeof text);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            loop_watch_set(transport->said_watch, 0);
            return;
        }
        hear(transport, text, (size_t)got);
        // People see it when nobody gets it as the reason of a failure.
        if (transport->address && write(STDERR_FILENO, text, (size_t)got) < 0)
            log_debug("dragon-transport: %s", transport->said);
    }
}

static void close_said(struct keep_transport *transport)
{
    loop_watch_destroy(transport->said_watch);
    transport->said_watch = NULL;
    if (transport->said_fd >= 0)
        close(transport->said_fd);
    transport->said_fd = -1;
}

// ---- its process

static void forget_address(struct keep_transport *transport)
{
    free(transport->address);
    transport->address = NULL;
    transport->address_bytes = 0;
    transport->session = 0;
}

void keep_transport_stop(struct keeper *keeper)
{
    struct keep_transport *transport = &keeper->transport;
    if (transport->pid) {
        children_forget(keeper->options.children, transport->pid);
        kill(transport->pid, SIGKILL);
    }
    transport->pid = 0;
    forget_address(transport);
    close_said(transport);
    if (transport->limit)
        loop_timer_stop(transport->limit);
}

static void on_limit(void *arg)
{
    struct keeper *keeper = arg;
    dragon_error_t error;
    on_said(&keeper->transport, LOOP_READ);
    err_set(&error, DRAGON_ERR_TIMEOUT,
            "dragon-transport, which serves other nodes, did not come up within %.1f s on %s: %s",
            (double)start_ms(keeper) / 1000, keeper->host, last_words(&keeper->transport));
    keep_transport_stop(keeper);
    tell_waits(keeper, &error);
}

static bool start(struct keeper *keeper, dragon_error_t *error);

static void on_transport_exit(void *arg, pid_t pid, int status)
{
    struct keeper *keeper = arg;
    struct keep_transport *transport = &keeper->transport;
    dragon_error_t error;
    char how[64];
    on_said(transport, LOOP_READ);
    snprintf(how, sizeof how,
             WIFSIGNALED(status) ? "was killed by signal %d" : "ended with exit code %d",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    log_debug("dragon-transport pid %d %s", (int)pid, how);
    err_set(&error, DRAGON_ERR_LAUNCH, "dragon-transport, which serves other nodes, %s on %s: %s",
            how, keeper->host, last_words(transport));
    bool served = transport->served;
    transport->pid = 0;
    forget_address(transport);
    close_said(transport);
    // Those who asked after it had died get another.
    if (transport->waits && (!served || !start(keeper, &error)))
        tell_waits(keeper, &error);
}

static int spawn_transport(struct keeper *keeper, int said)
{
    const struct keeper_options *options = &keeper->options;
    char *agent_path = NULL;
    if (asprintf(&agent_path, "%s/agent.sock", options->run_dir) < 0)
        return ENOMEM;
    char *argv[] = {"dragon-transport", agent_path, NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int problem = null >= 0 ? 0 : errno;
    enum spawn_step step;
    pid_t pid;
    if (problem == 0) {
        struct spawn spawn = {.path = options->transport_program,
                              .argv = argv,
                              .env = environ,
                              .stdio = {null, null, said},
                              .fd3 = -1,
                              .die_with_parent = true,
                              .nofile = options->nofile};
        problem = spawn_start(&spawn, &pid, &step);
    }
    if (problem == 0 && children_add(options->children, pid, on_transport_exit, keeper)) {
        keeper->transport.pid = pid;
    } else if (problem == 0) {
        kill(pid, SIGKILL);
        problem = ENOMEM;
    }
    free(agent_path);
    if (null >= 0)
        close(null);
    return problem;
}

static bool start(struct keeper *keeper, dragon_error_t *error)
{
    struct keep_transport *transport = &keeper->transport;
    int pipe[2];
    if (!keeper->options.transport_program) {
        err_set(error, DRAGON_ERR_UNSUPPORTED,
                "dragon-transport, which serves other nodes, is not installed beside dragon-agent "
                "on %s",
                keeper->host);
        return false;
    }
    if (!transport->limit)
        transport->limit = loop_timer_create(keeper->options.loop, on_limit, keeper);
    if (!transport->limit || pipe2(pipe, O_CLOEXEC) != 0) {
        err_set_errno(error, errno, "cannot start dragon-transport on %s", keeper->host);
        return false;
    }
    int problem = spawn_transport(keeper, pipe[1]);
    close(pipe[1]);
    transport->said_fd = pipe[0];
    transport->said_length = 0;
    transport->line_over = transport->served = false;
    transport->said[0] = 0;
    if (problem == 0)
        transport->said_watch =
            loop_watch_create(keeper->options.loop, pipe[0], on_said, transport);
    if (!transport->said_watch) {
        err_set_errno(error, problem ? problem : ENOMEM, "cannot start %s on %s",
                      keeper->options.transport_program, keeper->host);
        keep_transport_stop(keeper);
        return false;
    }
    loop_watch_set(transport->said_watch, LOOP_READ);
    loop_timer_start(transport->limit, start_ms(keeper));
    return true;
}

// It does not answer for what it served any more; the next who asks for the way gets another.
void keep_transport_session_gone(struct keep_session *session)
{
    struct keeper *keeper = session->keeper;
    struct keep_transport *transport = &keeper->transport;
    if (transport->session != session->number)
        return;
    forget_address(transport);
    if (transport->pid)
        kill(transport->pid, SIGKILL); // its end is told by on_transport_exit
}

void keep_transport_close(struct keeper *keeper)
{
    struct keep_transport *transport = &keeper->transport;
    keep_transport_stop(keeper);
    while (transport->waits) {
        struct keep_wait *wait = transport->waits;
        LL_DELETE(transport->waits, wait);
        free(wait);
    }
    loop_timer_destroy(transport->limit);
    transport->limit = NULL;
}

// ---- requests

static void route(struct keeper *keeper, const struct keep_asker *asker)
{
    struct keep_transport *transport = &keeper->transport;
    dragon_error_t error;
    if (transport->address) {
        answer_route(keeper, asker, false, transport->address, transport->address_bytes);
        return;
    }
    if (!transport->pid && !start(keeper, &error))
        keep_answer(keeper, asker, error.code, error.text, NULL);
    else if (!add_wait(transport, asker))
        keep_refuse(keeper, asker, DRAGON_ERR_NOMEM, "out of memory on %s", keeper->host);
}

bool keep_on_route(struct keeper *keeper, struct keep_request *request)
{
    unpack_u32(&request->body);
    uint64_t id = unpack_u64(&request->body);
    if (!unpack_done(&request->body))
        return false;
    struct keep_object *object = id ? keep_object_find(keeper, id, &request->asker) : NULL;
    if (id && !object)
        return true;
    if (object && object->server)
        answer_route(keeper, &request->asker, true, object->address, object->address_bytes);
    else
        route(keeper, &request->asker);
    return true;
}

static bool keep_address(uint8_t **address, size_t *bytes_out, const void *from, size_t bytes)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    if (!copy)
        return false;
    memcpy(copy, from, bytes);
    free(*address);
    *address = copy;
    *bytes_out = bytes;
    return true;
}

static dragon_err_t serve_all(struct keep_session *session, const void *address, size_t bytes)
{
    struct keeper *keeper = session->keeper;
    struct keep_transport *transport = &keeper->transport;
    if (session->role != ROLE_TRANSPORT)
        return DRAGON_ERR_DENIED;
    if (bytes == 0) {
        forget_address(transport);
        return DRAGON_OK;
    }
    if (!keep_address(&transport->address, &transport->address_bytes, address, bytes))
        return DRAGON_ERR_NOMEM;
    transport->session = session->number;
    transport->served = true;
    tell_waits(keeper, NULL);
    return DRAGON_OK;
}

static dragon_err_t serve_one(struct keep_session *session, uint64_t id, const void *address,
                              size_t bytes)
{
    struct keep_attachment *attachment;
    HASH_FIND(hh, session->attached, &id, sizeof id, attachment);
    if (!attachment || attachment->object->destroyed)
        return DRAGON_ERR_CLOSED;
    struct keep_object *object = attachment->object;
    if (!object->spec.single)
        return DRAGON_ERR_UNSUPPORTED;
    if (object->server && object->server != session->number)
        return DRAGON_ERR_DENIED;
    if (bytes > 0 && !keep_address(&object->address, &object->address_bytes, address, bytes))
        return DRAGON_ERR_NOMEM;
    object->server = bytes > 0 ? session->number : 0;
    return DRAGON_OK;
}

bool keep_on_serve(struct keeper *keeper, struct keep_request *request)
{
    uint64_t id = unpack_u64(&request->body);
    size_t bytes;
    const void *address = unpack_bytes(&request->body, &bytes);
    if (!unpack_done(&request->body) || bytes > KEEPER_ADDRESS)
        return false;
    dragon_err_t err = id ? serve_one(request->session, id, address, bytes)
                          : serve_all(request->session, address, bytes);
    keep_answer(keeper, &request->asker, err, "", NULL);
    return true;
}
