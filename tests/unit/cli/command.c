// SPDX-License-Identifier: BSD-3-Clause
//
// Commands: what they write, how they end, and that they do end.
#include "config.h"

#include "cli/command.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHELL(text) ((char *[]){"/bin/sh", "-c", text, NULL})

Test(cli_command, what_it_writes)
{
    struct command command = {.argv = SHELL("echo out; echo err >&2; exit 3"), .limit_ms = 10000};
    int status = 0;
    char *text = command_text(&command, &status);
    cr_assert(text);
    cr_expect_str_eq(text, "out\n");
    cr_expect_eq(WEXITSTATUS(status), 3);
    free(text);
    command.errors = true;
    text = command_text(&command, NULL);
    cr_assert(text);
    cr_expect_str_eq(text, "out\nerr\n");
    free(text);
    char line[16];
    cr_expect(command_first_line(SHELL("echo one; echo two"), line, sizeof line));
    cr_expect_str_eq(line, "one");
    cr_expect_not(command_first_line(SHELL(":"), line, sizeof line));
}

Test(cli_command, is_not_there)
{
    char *argv[] = {"/nowhere/program", NULL};
    struct command command = {.argv = argv, .output = -1, .limit_ms = 10000};
    struct command_end end;
    cr_expect_not(command_run(&command, &end));
    cr_expect_eq(errno, ENOENT);
    cr_expect_null(command_find("no-such-program"));
    char *path = command_find("sh");
    cr_expect(path && *path == '/');
    free(path);
}

// Its child has the output open, and ignores what asks it to end.
Test(cli_command, takes_too_long, .timeout = 30)
{
    struct command command = {.argv = SHELL("trap '' TERM; sleep 1000 & echo $!; wait; sleep 1000"),
                              .output = -1,
                              .limit_ms = 200};
    struct command_end end;
    cr_assert(command_run(&command, &end));
    cr_expect(end.timed_out);
    cr_expect(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGKILL);
    cr_expect_null(command_text(&command, NULL));
}

// What it leaves behind is killed: it would hold the pipe open.
Test(cli_command, leaves_something, .timeout = 30)
{
    int pipes[2];
    char byte;
    cr_assert_eq(pipe2(pipes, O_CLOEXEC), 0);
    struct command command = {.argv = SHELL("sleep 1000 &"), .output = pipes[1], .limit_ms = 10000};
    struct command_end end;
    cr_assert(command_run(&command, &end));
    cr_expect_not(end.timed_out);
    close(pipes[1]);
    cr_expect_eq(read(pipes[0], &byte, 1), 0);
    close(pipes[0]);
}

Test(cli_command, many)
{
    struct command command = {.argv = SHELL(":"), .output = -1};
    cr_expect_gt(command_run_many(&command, 5, 2), 0);
    cr_expect_lt(command_run_many(
                     &(struct command){.argv = (char *[]){"/nowhere", NULL}, .output = -1}, 2, 0),
                 0);
}
