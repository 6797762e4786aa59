// SPDX-License-Identifier: BSD-3-Clause
//
// The guardian: dragon-run starts the agent, passes signals to it, and sees to it that nothing of the
// runtime is left on this host, whatever dies. The agent does the same for dragon-run.
#include "config.h"

#include "cli/run.h"
#include "mem/board.h"
#include "proc/cgroup.h"
#include "proc/spawn.h"
#include "proc/sweep.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SWEEP_MS = 3000, PEERS_MS = 2000 };

// ---- what comes from the agent

static bool on_ready(struct run *run, struct unpack *unpack)
{
    return !run->is_ready && (run->is_ready = control_ready_unpack(unpack, &run->ready));
}

static bool on_ended(struct run *run, struct unpack *unpack)
{
    int code = unpack_i32(unpack);
    const char *cause = unpack_str(unpack);
    if (!unpack_done(unpack))
        return false;
    run->ended = true;
    run->exit_code = code;
    snprintf(run->cause, sizeof run->cause, "%s", cause);
    return true;
}

static void on_agent_message(void *arg, const struct link_message *message)
{
    struct run *run = arg;
    struct unpack unpack = unpack_start(message->body, message->length);
    bool good = true;
    if (message->type == CONTROL_READY)
        good = on_ready(run, &unpack);
    else if (message->type == CONTROL_ENDED)
        good = on_ended(run, &unpack);
    else if (message->type == CONTROL_UP)
        run->up = true;
    if (!good)
        log_debug("message type %u of the agent is not understood", message->type);
}

static void on_agent_closed(void *arg, const char *reason)
{
    struct run *run = arg; // its exit tells more
    (void)reason;
    link_destroy(run->control);
    run->control = NULL;
}

static const struct link_handler agent_handler = {.on_message = on_agent_message,
                                                  .on_closed = on_agent_closed};

static void on_agent_exit(void *arg, pid_t pid, int status)
{
    struct run *run = arg;
    (void)pid;
    run->agent = 0;
    run->agent_status = status;
    board_end(
        run->board_fd); // programs that are not of the runtime, and not ended with it, may wait
}

static void agent_send(struct run *run, uint16_t type, struct pack *body)
{
    if (run->control)
        link_send_pack(run->control, type, 0, 0, body);
    else
        pack_fini(body);
}

// ---- signals

static void ask_stop(struct run *run, int signal, const char *why)
{
    struct pack body = PACK_EMPTY;
    pack_u32(&body, (uint32_t)signal);
    pack_str(&body, why);
    agent_send(run, CONTROL_STOP, &body);
}

static void pass_signal(struct run *run, int signal)
{
    struct pack body = PACK_EMPTY;
    pack_u32(&body, (uint32_t)signal);
    agent_send(run, CONTROL_SIGNAL, &body);
}

static void on_signal(struct run *run, const struct signalfd_siginfo *info)
{
    int signal = (int)info->ssi_signo;
    char why[80] = ""; // while coming up it is not worth a word: a launcher has its reason
    if (run->up)
        snprintf(why, sizeof why, "stopped by signal %d (%s)", signal, strsignal(signal));
    if (signal == SIGTERM || signal == SIGHUP)
        ask_stop(run, signal, why);
    else if (signal == SIGRTMIN) {
        // The kernel tells of the death of our parent, or of one of its threads only.
        if (run->launcher && getppid() != run->launcher)
            ask_stop(run, SIGTERM, "the launcher that started dragon-run is gone");
    } else if (run->foreground && info->ssi_code == SI_KERNEL)
        return; // a key of the terminal: the head got the same
    else
        pass_signal(run, signal);
}

static void on_signals(void *arg, int events)
{
    struct run *run = arg;
    struct signalfd_siginfo info;
    (void)events;
    while (read(run->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        on_signal(run, &info);
}

// ---- the agent

static int spawn_agent(struct run *run, const char *path, int fd)
{
    char *argv[] = {"dragon-agent", run->run_dir, run->shm_dir, NULL};
    enum spawn_step step;
    struct spawn spawn = {.path = path,
                          .argv = argv,
                          .env = environ,
                          .stdio = {0, 1, 2},
                          .fd3 = fd,
                          .fd4 = run->board_fd};
    return spawn_start(&spawn, &run->agent, &step);
}

// Beside us (a build directory), or where it was installed.
static char *find_agent(void)
{
    char *path = self_beside("dragon-agent");
    return path ? path : strdup(DRAGON_LIBEXECDIR "/dragon-agent");
}

bool run_agent_start(struct run *run, dragon_error_t *error)
{
    int pair[2];
    char *path = find_agent();
    run->board_fd = board_memory();
    if (!path || run->board_fd < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        err_set_errno(error, errno, "cannot start the agent");
        free(path);
        return false;
    }
    int problem = spawn_agent(run, path, pair[1]);
    close(pair[1]);
    if (problem) {
        run->agent = 0;
        close(pair[0]);
        err_set_errno(error, problem, "cannot start the agent %s", path);
        free(path);
        return false;
    }
    free(path);
    run->agent_was = run->agent;
    run->control = link_create(run->loop, pair[0], CONTROL_BODY_LIMIT, &agent_handler, run);
    bool good = run->control && children_add(run->children, run->agent, on_agent_exit, run);
    run->signals = loop_watch_create(run->loop, run->signal_fd, on_signals, run);
    if (!good || !run->signals) {
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
        return false;
    }
    loop_watch_set(run->signals, LOOP_READ);
    return true;
}

bool run_agent_setup(struct run *run, dragon_error_t *error)
{
    struct pack body = PACK_EMPTY;
    struct control_setup setup = {.listen = run->size > 1,
                                  .local = run->options.base_dir || run->options.test_hosts,
                                  .network = run->options.network,
                                  .gpus = run->options.gpus};
    control_setup_pack(&body, &setup);
    agent_send(run, CONTROL_SETUP, &body);
    while (!run->is_ready && run->agent && !run->ended) {
        int left = time_left_ms(run->deadline_ms);
        if (left == 0) {
            err_set(error, DRAGON_ERR_TIMEOUT, "the agent did not get ready in time");
            return false;
        }
        loop_turn(run->loop, left);
    }
    if (run->is_ready && !run->ended)
        return true;
    if (run->ended)
        err_set(error, DRAGON_ERR_LAUNCH, "%s", run->cause);
    else
        err_set(error, DRAGON_ERR_LAUNCH, "the agent ended before it got ready");
    run->cause[0] = 0;
    return false;
}

// Of a node without which the runtime goes on: launchers end a whole job when one of its processes fails. So the code of
// the runtime is that of node 0 alone.
static void end_quietly(struct run *run)
{
    if (run->goes_on && run->launched && run->up && run->rank != 0)
        run->exit_code = 0;
}

static void say_agent_died(struct run *run)
{
    char host[65] = "";
    gethostname(host, sizeof host - 1);
    run->exit_code = 125;
    // Node 0 tells what happened on other nodes; here nobody but us can.
    if (run->rank != 0 && run->up)
        return;
    if (WIFSIGNALED(run->agent_status))
        snprintf(run->cause, sizeof run->cause, "dragon-agent on %s was killed by signal %d (%s)",
                 host, WTERMSIG(run->agent_status), strsignal(WTERMSIG(run->agent_status)));
    else
        snprintf(run->cause, sizeof run->cause, "dragon-agent on %s exited with code %d", host,
                 WEXITSTATUS(run->agent_status));
}

void run_agent_guard(struct run *run)
{
    while (run->agent && !run->ended)
        loop_turn(run->loop, -1);
    // What it sent last may be behind the news of its exit.
    if (!run->ended)
        loop_turn(run->loop, 0);
    if (!run->ended)
        say_agent_died(run);
    end_quietly(run);
}

static void wait_for(struct run *run, bool (*waiting)(const struct run *run), uint64_t ms)
{
    uint64_t deadline = time_now_ms() + ms;
    while (waiting(run) && time_left_ms(deadline) > 0)
        loop_turn(run->loop, time_left_ms(deadline));
}

static bool waits_for_agent(const struct run *run)
{
    return run->agent != 0;
}

static bool waits_for_peers(const struct run *run)
{
    return run->peers != 0;
}

void run_agent_end(struct run *run)
{
    if (run->ended)
        wait_for(run, waits_for_agent, SWEEP_MS);
    if (run->peers)
        wait_for(run, waits_for_peers, PEERS_MS);
    // Also before: should we be killed now, the agent is there to clean up; later nobody is.
    sweep_remove_directory(run->run_dir);
    sweep_remove_directory(run->shm_dir);
    if (!sweep_all(time_now_ms() + SWEEP_MS))
        log_error("processes hang in the kernel and could not be killed");
    if (run->agent_was && !cgroup_sweep(run->agent_was, time_now_ms() + SWEEP_MS))
        log_error("control groups of ranks could not be removed");
    sweep_remove_directory(run->run_dir);
    sweep_remove_directory(run->shm_dir);
}
