// SPDX-License-Identifier: BSD-3-Clause
//
// The parts of dragon-pool that are text and numbers: command lines, what needs a shell, arguments, halting, jobs, the lines of
// a job log, folders of results, progress.
#include "config.h"

#include "cli/pool.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define WORDS(...) ((char *[]){__VA_ARGS__, NULL})

static struct pool_call call_of(char **command)
{
    return (struct pool_call){.command = command,
                              .words = strv_count(command),
                              .source_count = 1,
                              .max_args = 1,
                              .separator = '\n'};
}

// How a command is shown, and whether a shell runs it.
static void check_line(struct pool_call call, char **args, const char *text, bool shell)
{
    struct pool_line line;
    struct pool_place place = {.seq = 7, .slot = 3};
    struct pool_template *template = pool_template_create(&call);
    cr_assert(template && pool_template_expand(template, args, place, &line));
    cr_expect_str_eq(line.text, text);
    bool is_shell = strv_count(line.argv) == 3 && strcmp(line.argv[1], "-c") == 0;
    cr_expect_eq(is_shell, shell, "%s", text);
    if (is_shell)
        cr_expect_str_eq(line.argv[2], text);
    pool_line_fini(&line);
    pool_template_destroy(template);
}

Test(cli_pool, commands_become_lines)
{
    check_line(call_of(WORDS("echo", "{}")), WORDS("a"), "echo a", false);
    check_line(call_of(WORDS("echo")), WORDS("a b"), "echo 'a b'", false);
    check_line(call_of(WORDS("echo", "{#}-{%}")), WORDS("a"), "echo 7-3", false);
    check_line(call_of(WORDS("echo {} | wc")), WORDS("it's"), "echo 'it'\"'\"'s' | wc", true);
    check_line(call_of(WORDS("echo", "$HOME")), WORDS("a"), "echo $HOME a", true);
    check_line(call_of(WORDS("exit")), WORDS("1"), "exit 1", true);
    check_line(call_of(WORDS("A=1", "env")), WORDS("1"), "A=1 env 1", true);
    check_line(call_of(WORDS("x", "--a={2}", "{-1.}", "{3}")), WORDS("a", "b/c.d"),
               "x --a=b/c.d b/c ", false);
    check_line(call_of((char *[]){NULL}), WORDS("echo a | b"), "echo a | b", true);
    check_line(call_of(WORDS("echo", "{0}", "{x}", "{1")), WORDS("a"), "echo {0} {x} {1 a", true);
}

Test(cli_pool, quoted_commands_have_no_shell)
{
    struct pool_call call = call_of(WORDS("echo", "$HOME; {}"));
    call.quote = true;
    check_line(call, WORDS("a b"), "echo '$HOME; ''a b'", false);
}

Test(cli_pool, other_replacements_leave_braces_alone)
{
    struct pool_call call = call_of(WORDS("echo", "@", "{}"));
    call.replace = "@";
    check_line(call, WORDS("a"), "echo a {}", true);
}

static char **columns_of(const char *expression, const char *text)
{
    regex_t columns;
    cr_assert_eq(regcomp(&columns, expression, REG_EXTENDED), 0);
    char **fields = pool_columns(&columns, text);
    regfree(&columns);
    return fields;
}

Test(cli_pool, lines_have_columns)
{
    char **fields = columns_of(",", "a,,b,");
    cr_assert_eq(strv_count(fields), 4);
    cr_expect_str_eq(fields[1], "");
    cr_expect_str_eq(fields[3], "");
    strv_free(fields);
    fields = columns_of("x*", "ab"); // matches nothing: separates nothing
    cr_assert_eq(strv_count(fields), 1);
    strv_free(fields);
}

Test(cli_pool, arguments_are_combined_and_counted)
{
    struct pool_source_spec sources[] = {
        {.words = WORDS("a", "b"), .count = 2},
        {.words = WORDS("1", "2", "3"), .count = 3},
        {.words = WORDS("x", "y"), .count = 2, .linked = true},
    };
    static const char *const expected[] = {"a1x", "a2y", "b1x", "b2y"};
    struct pool_call call = call_of(WORDS("echo"));
    struct pool_input input;
    dragon_error_t error;
    char **args;
    call.sources = sources;
    call.source_count = 3;
    cr_assert(pool_input_open(&input, &call, &error), "%s", error.text);
    cr_expect_eq(pool_input_total(&input), 4);
    for (size_t i = 0; i < 4; i++) {
        char text[16];
        cr_assert_eq(pool_input_next(&input, &args, &error), NEXT_ARGS);
        snprintf(text, sizeof text, "%s%s%s", args[0], args[1], args[2]);
        cr_expect_str_eq(text, expected[i]);
        strv_free(args);
    }
    cr_expect_eq(pool_input_next(&input, &args, &error), NEXT_END);
    pool_input_close(&input);
}

Test(cli_pool, halt_is_understood)
{
    static const char *const wrong[] = {"",          "now",          "soon,",        "now,fail",
                                        "now,fail=", "now,fail=0",   "now,fail=1x%", "later,fail=1",
                                        "3",         "now,done=101%"};
    struct pool_halt halt;
    dragon_error_t error;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect_not(pool_halt_parse(wrong[i], &halt, &error), "%s", wrong[i]);
    cr_assert(pool_halt_parse("soon,fail=20%", &halt, &error));
    cr_expect(halt.what == HALT_FAIL && !halt.now && halt.percent && halt.limit == 20);
    cr_expect(pool_halt_reached(&halt, &(struct pool_counts){.total = 10, .done = 2, .failed = 2}));
    cr_expect_not(
        pool_halt_reached(&halt, &(struct pool_counts){.total = 10, .done = 9, .failed = 1}));
    cr_expect_not(pool_halt_reached(&halt, &(struct pool_counts){.done = 2, .failed = 2}));
    cr_expect(pool_halt_reached(&halt, &(struct pool_counts){.done = 15, .failed = 3}));
    cr_assert(pool_halt_parse("never", &halt, &error));
    cr_expect_not(pool_halt_reached(&halt, &(struct pool_counts){.done = 9, .failed = 9}));
}

Test(cli_pool, jobs_are_of_the_cores)
{
    static const struct {
        const char *value;
        uint32_t cores, jobs;
    } cases[] = {{"3", 8, 3},   {"50%", 8, 4}, {"1%", 8, 1}, {"200%", 8, 16},
                 {"+2", 8, 10}, {"-3", 8, 5},  {"-9", 8, 1}, {"0", 8, 64}};
    static const char *const wrong[] = {"", "x", "0%", "+", "5000", "+5%", "1.5", "%"};
    struct pool_jobs jobs;
    dragon_error_t error;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert(pool_jobs_parse(cases[i].value, &jobs, &error), "%s", cases[i].value);
        cr_expect_eq(pool_jobs_on(&jobs, cases[i].cores), cases[i].jobs, "%s", cases[i].value);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect_not(pool_jobs_parse(wrong[i], &jobs, &error), "%s", wrong[i]);
}

Test(cli_pool, lines_of_job_logs_are_read)
{
    struct pool_log_line line;
    cr_assert(pool_log_parse("3\t:\t1.5\t     0.001\t0\t2\t-1\t15\tsleep\t1\n", &line));
    cr_expect(line.seq == 3 && line.failed);
    cr_assert(pool_log_parse("12\thost\t1.5\t0.001\t0\t2\t0\t0\t\n", &line));
    cr_expect(line.seq == 12 && !line.failed);
    cr_expect_not(pool_log_parse("3\t:\t1.5\n", &line));
    cr_expect_not(pool_log_parse("0\t:\t1\t1\t0\t2\t0\t0\tx\n", &line));
    cr_expect_not(pool_log_parse("99999999999\t:\t1\t1\t0\t2\t0\t0\tx\n", &line));
    cr_expect_not(pool_log_parse("1\t:\t1\t1\t0\t2\tx\t0\tx\n", &line));
}

Test(cli_pool, results_stay_below_their_folder)
{
    char *path = pool_results_path(WORDS("../a", "..", "", "b\\c\td"));
    cr_expect_str_eq(path, "1/..\\_a/2/\\../3/\\0/4/b\\\\c\\td");
    free(path);
}

Test(cli_pool, progress_says_what_is_left)
{
    char text[160];
    struct pool_counts counts = {.total = 100, .done = 50, .failed = 2};
    cr_expect_str_eq(pool_progress_text(&counts, 4, 10000, text, sizeof text),
                     "50/100 done, 2 failed, 4 running, 5.0/s, 10s left");
    cr_expect_str_eq(pool_progress_text(&(struct pool_counts){0}, 1, 0, text, sizeof text),
                     "0 done, 1 running");
}
