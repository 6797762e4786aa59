// SPDX-License-Identifier: BSD-3-Clause
//
// Log lines: what shows at which level, and that each is one line however long it is.
#include "config.h"

#include "base/base.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <unistd.h>

// What `talk` writes to standard error.
static const char *said_by(void (*talk)(void))
{
    static char text[8192];
    int pair[2], before = dup(STDERR_FILENO);
    cr_assert(pipe2(pair, O_NONBLOCK) == 0);
    dup2(pair[1], STDERR_FILENO);
    talk();
    dup2(before, STDERR_FILENO);
    ssize_t got = read(pair[0], text, sizeof text - 1);
    text[got > 0 ? got : 0] = 0;
    close(pair[0]);
    close(pair[1]);
    close(before);
    return text;
}

static void talk_at_every_level(void)
{
    log_error("e %d", 1);
    log_notice("n");
    log_verbose("v");
    log_debug("d");
}

Test(base_log, levels)
{
    log_open("prog", "n0");
    log_set_level(LOG_LEVEL_QUIET);
    cr_expect_str_eq(said_by(talk_at_every_level), "prog: error: e 1\n");
    log_set_level(LOG_LEVEL_NOTICE);
    cr_expect_str_eq(said_by(talk_at_every_level), "prog: error: e 1\nprog: n\n");
    log_set_level(LOG_LEVEL_VERBOSE);
    cr_expect_str_eq(said_by(talk_at_every_level), "prog: error: e 1\nprog: n\nprog: v\n");
    log_set_level(LOG_LEVEL_DEBUG);
    char wanted[128];
    snprintf(wanted, sizeof wanted,
             "prog: error: e 1\nprog: n\nprog: v\nprog: debug host n0 pid %d d\n", (int)getpid());
    cr_expect_str_eq(said_by(talk_at_every_level), wanted);
}

static void talk_of_odd_names(void)
{
    log_error("no node \"%s\"", "a\nb\033[31m\177\303\266");
}

Test(base_log, a_name_cannot_make_a_second_line)
{
    log_open("prog", "n0");
    cr_expect_str_eq(said_by(talk_of_odd_names), "prog: error: no node \"a?b?[31m?\303\266\"\n");
}

Test(base_log, the_environment_sets_the_level)
{
    static const char *const levels[] = {"quiet", "notice", "verbose", "debug"};
    for (int i = 0; i < 4; i++) {
        setenv("DRAGON_LOG", levels[i], 1);
        log_open("prog", "");
        cr_expect_eq(log_debug_on(), i == LOG_LEVEL_DEBUG);
    }
    setenv("DRAGON_LOG", "nonsense", 1);
    log_open("prog", "");
    cr_expect(log_debug_on(), "an unknown level changes nothing");
}

static void talk_at_length(void)
{
    char text[5000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    log_error("%s", text);
    log_error("short");
}

Test(base_log, a_long_line_is_cut_and_still_ends)
{
    log_open("prog", "");
    const char *said = said_by(talk_at_length);
    const char *newline = strchr(said, '\n');
    cr_assert_not_null(newline);
    cr_expect_eq(newline - said, 2046);
    cr_expect_str_eq(newline + 1, "prog: error: short\n");
}

static int the_count;

static void talk_with_a_count(void)
{
    log_debug("%d", ++the_count);
}

Test(base_log, arguments_of_silent_debug_lines_are_not_evaluated)
{
    log_open("prog", "");
    log_set_level(LOG_LEVEL_NOTICE);
    cr_expect_str_eq(said_by(talk_with_a_count), "");
    cr_expect_eq(the_count, 0);
}
