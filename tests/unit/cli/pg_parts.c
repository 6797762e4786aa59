// SPDX-License-Identifier: BSD-3-Clause
//
// The command line of dragon-pg: programs joined by ":", values, and what does not go together.
#include "config.h"

#include "cli/pg.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>

static struct pg_command command;

static void take(char **argv)
{
    pg_command_init(&command);
    pg_command_take(&command, (int)strv_count(argv), argv);
}

#define TAKE(...) take((char *[]){"dragon-pg", __VA_ARGS__, NULL})

static bool has_env(const struct pg_part *part, const char *entry)
{
    for (char **at = part->env; at && *at; at++)
        if (strcmp(*at, entry) == 0)
            return true;
    return false;
}

Test(cli_pg, one_program)
{
    TAKE("-n", "4", "--ppn", "2", "prog", "-n", "5", "--", "a b");
    cr_assert_eq(command.count, 1);
    cr_expect_eq(command.parts[0].ranks, 4);
    cr_expect_eq(command.parts[0].policy.ppn, 2);
    cr_expect_eq(strv_count(command.parts[0].program), 5);
    cr_expect_str_eq(command.parts[0].program[4], "a b");
    cr_expect_eq(command.parts[0].policy.gpus, -1);
    pg_command_fini(&command);
}

Test(cli_pg, three_programs_have_options_of_their_own)
{
    TAKE("--pmi", "-n", "1", "-c", "2", "a", "x", ":", "-n", "2", "--bind", "numa", "b", ":", "c");
    cr_assert_eq(command.count, 3);
    cr_expect(command.pmi);
    cr_expect_eq(command.parts[0].policy.cores, 2);
    cr_expect_eq(command.parts[1].policy.cores, 0);
    cr_expect_eq(command.parts[1].ranks, 2);
    cr_expect_eq(command.parts[1].policy.bind, DRAGON_BIND_NUMA);
    cr_expect_eq(command.parts[2].ranks, 0);
    cr_expect_str_eq(command.parts[0].program[1], "x");
    cr_expect_null(command.parts[0].program[2]);
    cr_expect_str_eq(command.parts[2].program[0], "c");
    pg_command_fini(&command);
}

Test(cli_pg, a_colon_within_a_word_is_of_the_word)
{
    TAKE("a", "b:c", "::", "--cores");
    cr_expect_eq(command.count, 1);
    cr_expect_eq(strv_count(command.parts[0].program), 4);
    pg_command_fini(&command);
}

Test(cli_pg, the_last_of_repeated_options_wins)
{
    TAKE("-n", "1", "-n", "2", "--on-failure", "restart:7", "--on-failure", "stop", "--bind=l3",
         "--bind=none", "--stdin", "./x", "--stdin", "1", "--display=map", "--display=bind", "a");
    cr_expect_eq(command.parts[0].ranks, 2);
    cr_expect_eq(command.failure, PG_FAILURE_STOP);
    cr_expect_eq(command.parts[0].policy.bind, DRAGON_BIND_NONE);
    cr_expect_null(command.parts[0].input);
    cr_expect_eq(command.input_rank, 1);
    cr_expect(command.display_bind && !command.display_map);
    pg_command_fini(&command);
}

Test(cli_pg, files_get_our_words)
{
    TAKE("--output", "o/%t.%N.%j.%%t.%x.{node}", "--error=merge", "--stdin=file:in", "a");
    cr_expect_str_eq(command.parts[0].output, "o/{rank}.{host}.{group}.%t.%x.{node}");
    cr_expect_str_eq(command.parts[0].error, "merge");
    cr_expect_str_eq(command.parts[0].input, "./in");
    cr_expect(!command.input_said);
    pg_command_fini(&command);
}

Test(cli_pg, environment)
{
    setenv("PG_TEST_ONE", "1", 1);
    setenv("PG_TEST_TWO", "2", 1);
    setenv("PG_OTHER", "3", 1);
    TAKE("--env", "PG_TEST_ONE", "--env", "PG_TEST_NEW=a=b", "--env-remove", "PG_TEST_*", "--env",
         "PG_TEST_TWO=back", "--env", "PG_EMPTY=", "a");
    const struct pg_part *part = &command.parts[0];
    cr_expect(has_env(part, "PG_TEST_ONE"));
    cr_expect(has_env(part, "PG_TEST_NEW"));
    cr_expect(has_env(part, "PG_TEST_TWO=back"));
    cr_expect(has_env(part, "PG_EMPTY="));
    cr_expect_eq(strv_count(part->env), 4);
    pg_command_fini(&command);
}

Test(cli_pg, failures_and_restarts)
{
    TAKE("--on-failure=restart", "a");
    cr_expect_eq(command.failure, PG_FAILURE_RESTART);
    cr_expect_eq(command.failure_restarts, 3);
    pg_command_fini(&command);
    TAKE("--on-failure=restart:0", "--signal=SIGUSR1@1.5s", "--timeout=2s", "a");
    cr_expect_eq(command.failure_restarts, 0);
    cr_expect_eq(command.warn_ms, 1500);
    pg_command_fini(&command);
}

#define REFUSED(name, ...)                                                     \
    Test(cli_pg, refuses_##name, .exit_code = 125, .init = cr_redirect_stderr) \
    {                                                                          \
        TAKE(__VA_ARGS__);                                                     \
    }

REFUSED(nothing, "-n", "2")
REFUSED(nothing_before_a_colon, ":", "a")
REFUSED(nothing_after_a_colon, "a", ":")
REFUSED(nothing_between_colons, "a", ":", "-n", "1", ":", "b")
REFUSED(group_options_later, "a", ":", "--pmi", "b")
REFUSED(reader_later, "a", ":", "--stdin=0", "b")
REFUSED(no_ranks, "-n", "0", "a")
REFUSED(unset_variable, "--env", "PG_NOT_SET_AT_ALL", "a")
REFUSED(variable_without_name, "--env", "=x", "a")
REFUSED(unknown_word_for_a_file, "--output={rnk}", "a")
REFUSED(single_brace, "--output=a{b", "a")
REFUSED(pipe_as_file, "--output=|", "a")
REFUSED(merged_output, "--output=merge", "a")
REFUSED(negative_gpus, "-g", "-1", "a")
REFUSED(signal_without_time, "--signal=USR1", "a")
REFUSED(signal_before_the_start, "--signal=USR1@60s", "--timeout=30s", "a")
REFUSED(two_kinds_of_restart, "--restart=2", "--on-failure=restart", "a")
REFUSED(restart_of_mpi, "--pmi", "--restart=2", "a")
REFUSED(wait_that_does_not_wait, "--wait=3s", "--on-full=fail", "a")
REFUSED(json_of_nothing, "--json", "a")
REFUSED(reader_that_is_not_there, "--stdin=3", "-n", "1", "a", ":", "-n", "2", "b")
REFUSED(reader_beside_the_only_rank, "--stdin=1", "a")
REFUSED(no_name, "--name=", "a")
REFUSED(name_of_two_lines, "--name=a\nb", "a")
REFUSED(name_without_end,
        "--name=12345678901234567890123456789012345678901234567890123456789012345", "a")
REFUSED(spec_without_a_name, "--spec=")
REFUSED(status_of_detached, "--detach", "--status-file=x", "a")
REFUSED(output_of_detached, "--detach", "--output=inherit", "a")
REFUSED(long_grace, "--grace=2d", "a")
REFUSED(no_spec, "--spec=/no/such/file")
REFUSED(cores_that_are_none, "--cores=a-b", "a")
REFUSED(no_hosts, "--hosts=", "a")
