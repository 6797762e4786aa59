// SPDX-License-Identifier: BSD-3-Clause
//
// A process that is stopped after each instruction. What it works on, and `done`, has to be in shared memory.
#ifndef TESTS_UNIT_MEM_STEPS_H
#define TESTS_UNIT_MEM_STEPS_H

#include <criterion/criterion.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

// A child that is about to call `act`, and sets `done` after it.
static inline pid_t step_start(void (*act)(void), _Atomic bool *done)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); // when an assertion fails
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        act();
        atomic_store(done, true);
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSTOPPED(status));
    return child;
}

// It does one more instruction.
static inline void step_one(pid_t child)
{
    int status;
    cr_assert_eq(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSTOPPED(status));
}

// It does all the rest.
static inline void step_on(pid_t child)
{
    int status;
    cr_assert_eq(ptrace(PTRACE_DETACH, child, NULL, NULL), 0);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
}

static inline void step_kill(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

// How many instructions it is until it is done.
static inline uint64_t step_count(pid_t child, _Atomic bool *done)
{
    uint64_t steps = 0;
    for (; !atomic_load(done); steps++)
        step_one(child);
    step_kill(child);
    return steps;
}

#endif
