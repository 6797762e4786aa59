// SPDX-License-Identifier: BSD-3-Clause
//
// The time limit of a task. A function cannot be made to return, so the process ends; its agent ends what it has started.
#include "config.h"

#include "pool/work.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

// One that hardly anybody uses.
#define LIMIT_SIGNAL (SIGRTMAX - 2)

static timer_t timer;
static bool timer_made;
static volatile sig_atomic_t limited;

static void on_limit(int signal)
{
    (void)signal;
    if (limited)
        _exit(POOL_EXIT_LIMIT);
}

static bool set_timer(uint64_t ms)
{
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000}};
    return timer_settime(timer, 0, &when, NULL) == 0;
}

bool work_limit_begin(uint64_t limit_ms)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = LIMIT_SIGNAL};
    struct sigaction action = {.sa_handler = on_limit};
    sigset_t mask;
    if (!timer_made && timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
        return false;
    timer_made = true;
    // Each time: a task may have changed it.
    sigemptyset(&mask);
    sigaddset(&mask, LIMIT_SIGNAL);
    if (sigaction(LIMIT_SIGNAL, &action, NULL) != 0 || sigprocmask(SIG_UNBLOCK, &mask, NULL) != 0)
        return false;
    limited = 1;
    return set_timer(limit_ms);
}

void work_limit_end(void)
{
    limited = 0;
    set_timer(0);
}
