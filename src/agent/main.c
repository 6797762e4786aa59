// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-agent RUN_DIR SHM_DIR: started by dragon-run, not by people. Descriptor 3 leads to dragon-run, 4 is the
// memory of the board; 0, 1 and 2 are those of the caller of dragon-run and are kept for the head program.
#include "config.h"

#include "agent/agent.h"
#include "agent/control.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static bool keep_stdio(int stdio[3])
{
    for (int i = 0; i < 3; i++) {
        stdio[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
        if (stdio[i] < 0) // closed by the caller: the head gets nothing there, not our files
            stdio[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (stdio[i] < 0)
            return false;
    }
    // Ours: nothing to read, and messages go where errors go.
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return null >= 0 && dup2(null, 0) == 0 && close(null) == 0 && dup2(2, 1) == 1;
}

static void hold_signals(void)
{
    // dragon-run tells us what to do; a signal to the whole session must not end us before that.
    static const int held[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGTTOU,
                               SIGTTIN, SIGTSTP, SIGUSR1, SIGUSR2};
    sigset_t mask;
    sigemptyset(&mask);
    for (size_t i = 0; i < sizeof held / sizeof *held; i++)
        sigaddset(&mask, held[i]);
    // Blocked rather than ignored: what is ignored would stay so in the programs we start.
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
    struct agent_options options = {.control_fd = CONTROL_FD, .board_fd = BOARD_FD};
    int type;
    socklen_t length = sizeof type;
    log_open("dragon-agent", "");
    if (argc != 3 || getsockopt(CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &length) != 0) {
        log_error("this is a part of dragon-run, which starts it; it is not to be called by hand");
        return 125;
    }
    options.run_dir = argv[1];
    options.shm_dir = argv[2];
    // What launchers and callers left open is not for the programs that we start.
    close_range(CONTROL_FD, ~0U, CLOSE_RANGE_CLOEXEC);
    hold_signals();
    getrlimit(RLIMIT_NOFILE, &options.nofile);
    struct rlimit all = {.rlim_cur = options.nofile.rlim_max, .rlim_max = options.nofile.rlim_max};
    setrlimit(RLIMIT_NOFILE, &all);
    struct loop *loop = loop_create();
    struct agent *agent = NULL;
    if (loop && auth_open() && keep_stdio(options.stdio))
        agent = agent_create(loop, &options);
    if (!agent) {
        log_error("dragon-agent could not start: out of memory or descriptors");
        return 125;
    }
    loop_run(loop);
    agent_destroy(agent);
    loop_destroy(loop);
    return 0;
}
