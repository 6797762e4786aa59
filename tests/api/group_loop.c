// SPDX-License-Identifier: BSD-3-Clause
//
// Groups inside a program's own poll loop. The program's standard output is a pipe that it reads in the
// same loop, so a call of the library that blocked would hang it for ever.
#include "tap.h"

#include <fcntl.h>

enum { LINES = 20000, GROUPS = 3 };

struct collected {
    size_t length, lines;
    bool whole; // so far
    char line[128];
    size_t line_length;
};

// Each line is "<rank> <number> xxxx...": whole, and each rank's in order.
static void take_line(struct collected *collected)
{
    static long next[GROUPS][8];
    long group, rank, number;
    collected->line[collected->line_length] = 0;
    collected->line_length = 0;
    collected->lines++;
    if (sscanf(collected->line, "%ld %ld %ld tail", &group, &rank, &number) != 3 || group < 0 ||
        group >= GROUPS || rank < 0 || rank >= 8 || number != next[group][rank]++)
        collected->whole = false;
}

static bool take_output(int fd, struct collected *collected)
{
    char data[3000];
    ssize_t got = read(fd, data, sizeof data);
    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    collected->length += (size_t)got;
    for (ssize_t i = 0; i < got; i++) {
        if (data[i] == '\n')
            take_line(collected);
        else if (collected->line_length < sizeof collected->line - 1)
            collected->line[collected->line_length++] = data[i];
        else
            collected->whole = false;
    }
    return true;
}

static bool all_over(dragon_group_t **groups, bool *over)
{
    bool all = true;
    for (int i = 0; i < GROUPS; i++) {
        over[i] = over[i] || dragon_group_wait(groups[i], 0) == DRAGON_OK;
        all = all && over[i];
    }
    return all;
}

static void check_output(dragon_runtime_t *runtime)
{
    dragon_group_t *groups[GROUPS];
    bool over[GROUPS] = {false}, ended = false;
    struct collected collected = {.whole = true};
    int pair[2], saved = dup(STDOUT_FILENO), turns = 0;
    fflush(stdout);
    if (pipe(pair) != 0)
        exit(1);
    dup2(pair[1], STDOUT_FILENO);
    close(pair[1]);
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    for (int i = 0; i < GROUPS; i++) {
        char script[200];
        snprintf(script, sizeof script,
                 "i=0; while [ $i -lt %d ]; do echo \"%d $DRAGON_RANK $i tail\"; i=$((i+1)); done",
                 LINES / 10, i);
        groups[i] = tap_shell(runtime, script, 4);
        tap_start(groups[i]);
    }
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    while (!ended && tap_now_ms() < deadline) {
        struct pollfd fds[] = {{.fd = dragon_runtime_fd(runtime), .events = POLLIN},
                               {.fd = pair[0], .events = POLLIN}};
        poll(fds, 2, dragon_runtime_wait_ms(runtime));
        if (fds[0].revents || turns++ % 7 == 0)
            dragon_runtime_progress(runtime, 0);
        if (fds[1].revents)
            take_output(pair[0], &collected);
        ended = all_over(groups, over);
    }
    while (poll(&(struct pollfd){.fd = pair[0], .events = POLLIN}, 1, 0) == 1)
        take_output(pair[0], &collected);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(pair[0]);
    tap_check(ended, "three groups end in a loop of our own");
    tap_equal((long)collected.lines, (long)GROUPS * 4 * (LINES / 10), "every line came");
    tap_check(collected.whole, "each whole, and each rank's in order");
    for (int i = 0; i < GROUPS; i++) {
        tap_equal(dragon_group_exit_code(groups[i]), 0, "exit code 0");
        dragon_group_destroy(groups[i]);
    }
}

static void check_idle(dragon_runtime_t *runtime)
{
    struct pollfd fd = {.fd = dragon_runtime_fd(runtime), .events = POLLIN};
    long began = tap_now_ms();
    tap_err(dragon_runtime_progress(runtime, 0), DRAGON_OK, "progress with nothing to do");
    tap_err(dragon_runtime_progress(runtime, 30), DRAGON_OK, "progress that waits");
    tap_check(tap_now_ms() - began >= 29, "it waited");
    int wait = dragon_runtime_wait_ms(runtime);
    tap_check(wait == -1 || wait > 0, "an idle runtime asks for no busy loop");
    tap_equal(poll(&fd, 1, 0), 0, "and its descriptor is quiet");
}

// Input from a pipe that is filled in the same loop.
static void check_input(dragon_runtime_t *runtime)
{
    int pair[2];
    size_t left = 3000000;
    char block[4096];
    memset(block, 'x', sizeof block);
    if (pipe(pair) != 0)
        exit(1);
    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    dragon_group_t *group = tap_shell(runtime, "[ $(wc -c) = 3000000 ]", 1);
    dragon_group_set_input(group, pair[0], 0);
    tap_start(group);
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    dragon_err_t err;
    while ((err = dragon_group_wait(group, 0)) == DRAGON_ERR_TIMEOUT && tap_now_ms() < deadline) {
        struct pollfd fds[] = {{.fd = dragon_runtime_fd(runtime), .events = POLLIN},
                               {.fd = left ? pair[1] : -1, .events = POLLOUT}};
        poll(fds, 2, dragon_runtime_wait_ms(runtime));
        if (fds[1].revents) {
            ssize_t sent = write(pair[1], block, left < sizeof block ? left : sizeof block);
            left -= sent > 0 ? (size_t)sent : 0;
            if (left == 0)
                close(pair[1]);
        }
    }
    tap_err(err, DRAGON_OK, "a group that reads ends");
    tap_equal(dragon_group_exit_code(group), 0, "it read all of 3,000,000 bytes");
    tap_equal(fcntl(pair[0], F_GETFL) & O_NONBLOCK, 0, "our descriptor is as it was");
    dragon_group_destroy(group);
    tap_check(fcntl(pair[0], F_GETFD) >= 0, "and open");
    close(pair[0]);
}

int main(void)
{
    dragon_runtime_t *runtime = tap_attach();
    tap_check(dragon_runtime_fd(runtime) >= 0, "there is a descriptor");
    check_idle(runtime);
    check_output(runtime);
    check_input(runtime);
    check_idle(runtime);
    dragon_runtime_detach(runtime);
    return tap_finish();
}
