// SPDX-License-Identifier: BSD-3-Clause
//
// Signals to dragon-pg: most are passed on to the ranks, those that end something stop the group, and
// Ctrl-C is a ladder: once is passed on, twice stops the group, a third time leaves it to the runtime. The
// ladder is the same while the group waits for room or starts; what cannot be passed on then is when the
// ranks are there.
#include "config.h"

#include "cli/pg.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

bool pg_signals_open(struct pg_signals *signals)
{
    static const int wanted[] = {SIGTERM, SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1,
                                 SIGUSR2, SIGALRM, SIGTSTP, SIGCONT};
    sigset_t mask;
    sigemptyset(&mask);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        sigaddset(&mask, wanted[i]);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    *signals = (struct pg_signals){.fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK)};
    return signals->fd >= 0;
}

void pg_signals_close(struct pg_signals *signals)
{
    close(signals->fd);
}

static void pass_on(struct pg_signals *signals, dragon_group_t *group, int signal)
{
    dragon_err_t err = dragon_group_signal(group, DRAGON_ALL_RANKS, signal);
    dragon_group_state_t state = dragon_group_state(group);
    if (err == DRAGON_ERR_STATE && (state == DRAGON_GROUP_QUEUED || state == DRAGON_GROUP_STARTING))
        signals->early |= UINT64_C(1) << signal;
}

static void stop(struct pg_signals *signals, dragon_group_t *group)
{
    signals->early = 0;
    dragon_group_stop(group);
}

static void interrupt(struct pg_signals *signals, dragon_group_t *group)
{
    switch (++signals->interrupts) {
    case 1:
        log_notice("interrupted; once more stops the group");
        pass_on(signals, group, SIGINT);
        break;
    case 2:
        log_notice("interrupted twice: stopping the group; once more leaves at once");
        stop(signals, group);
        break;
    default:
        signals->leave = true;
    }
}

static bool is_continued(void)
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGCONT);
}

// Ctrl-Z: the ranks are in process groups that no terminal knows, to which TSTP means nothing. We stop by the
// kernel's own rule, which lets nobody stop whom no shell would continue; then the ranks go on too. A CONT that
// is there already is kept: a stop would take it away, and nobody sends another.
static void suspend(dragon_runtime_t *runtime, dragon_group_t *group)
{
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, SIGTSTP);
    dragon_group_signal(group, DRAGON_ALL_RANKS, SIGSTOP);
    dragon_runtime_progress(runtime, 0);
    if (!is_continued()) {
        raise(SIGTSTP);
        sigprocmask(SIG_UNBLOCK, &only, NULL); // here we stop
        sigprocmask(SIG_BLOCK, &only, NULL);
    }
    if (!is_continued())
        dragon_group_signal(group, DRAGON_ALL_RANKS, SIGCONT);
}

static void on_signal(struct pg_signals *signals, dragon_runtime_t *runtime, dragon_group_t *group,
                      int signal)
{
    switch (signal) {
    case SIGTERM:
    case SIGHUP:
        signals->stop = true;
        stop(signals, group);
        break;
    case SIGINT:
        interrupt(signals, group);
        break;
    case SIGTSTP:
        suspend(runtime, group);
        break;
    case SIGCONT:
        dragon_group_signal(group, DRAGON_ALL_RANKS, SIGCONT);
        break;
    default:
        pass_on(signals, group, signal);
    }
}

void pg_signals_take(struct pg_signals *signals, dragon_runtime_t *runtime, dragon_group_t *group)
{
    struct signalfd_siginfo info;
    while (read(signals->fd, &info, sizeof info) == (ssize_t)sizeof info)
        on_signal(signals, runtime, group, (int)info.ssi_signo);
}

void pg_signals_started(struct pg_signals *signals, dragon_group_t *group)
{
    uint64_t early = signals->early;
    signals->early = 0;
    for (int signal = 1; signal < 64; signal++)
        if (early & UINT64_C(1) << signal)
            dragon_group_signal(group, DRAGON_ALL_RANKS, signal);
}
