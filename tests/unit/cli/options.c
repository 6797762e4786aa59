// SPDX-License-Identifier: BSD-3-Clause
//
// The table of options: what is taken and handed on, what is refused, and what is printed from it.
#include "config.h"

#include "cli/options.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KIND = 256, SHOW, WHO, QUIETLY };

static const struct option_row rows[] = {
    {OPTIONS_SECTION, 0, NULL, NULL, NULL, "First"},
    {'n', 'n', "count", "N", "TEST_COUNT", "how many"},
    {KIND, 0, "kind", "core|node", NULL, "which"},
    {SHOW, 0, "show", "map|bind,...", NULL, "what"},
    {WHO, 0, "who", "RANK|all|none", NULL, "whose"},
    {OPTIONS_RARE, 0, NULL, NULL, NULL, "Second"},
    {'q', 'q', "quietly", NULL, NULL, "not so loud"},
    {0},
};
static const struct option_alias aliases[] = {{"np", 'n'}, {0}};

// What was taken, as "n=4 256=core q=".
static char taken[256];

static bool take(void *arg, int id, const char *value, dragon_error_t *error)
{
    size_t used = strlen(taken);
    (void)arg;
    if (value && strcmp(value, "bad") == 0) {
        err_set(error, DRAGON_ERR_INVAL, "it is bad");
        return false;
    }
    snprintf(taken + used, sizeof taken - used, id < 256 ? "%s%c=%s" : "%s%d=%s", used ? " " : "",
             id, value ? value : "");
    return true;
}

static const struct options options = {.command = "test-it",
                                       .usage = "[OPTION...] WORD",
                                       .about = "  test-it -n 3 x",
                                       .rows = rows,
                                       .take = take,
                                       .aliases = aliases,
                                       .joined = true};

static int parse(char **argv)
{
    return options_parse(&options, (int)strv_count(argv), argv);
}

#define WORDS(...) ((char *[]){"test-it", __VA_ARGS__, NULL})

Test(cli_options, values_come_in_every_form)
{
    cr_expect_eq(
        parse(WORDS("-n", "1", "-n2", "--count", "3", "--count=4", "--np=5", "-q", "x", "-n6")), 9);
    cr_expect_str_eq(taken, "n=1 n=2 n=3 n=4 n=5 q=");
}

Test(cli_options, letters_may_be_joined)
{
    cr_expect_eq(parse(WORDS("-qn7", "-qn", "8")), 4);
    cr_expect_str_eq(taken, "q= n=7 q= n=8");
}

Test(cli_options, end_at_the_first_operand_or_two_hyphens)
{
    cr_expect_eq(parse(WORDS("-q", "--", "-q")), 3);
    cr_expect_eq(parse(WORDS("-", "-q")), 1);
    cr_expect_eq(parse(WORDS("", "-q")), 1);
    cr_expect_eq(parse((char *[]){"test-it", NULL}), 1);
    cr_expect_str_eq(taken, "q=");
}

Test(cli_options, an_empty_value_is_a_value)
{
    parse(WORDS("--count=", "--count", ""));
    cr_expect_str_eq(taken, "n= n=");
}

Test(cli_options, variables_come_before_words)
{
    setenv("TEST_COUNT", "9", 1);
    parse(WORDS("-n", "1"));
    cr_expect_str_eq(taken, "n=9 n=1");
}

Test(cli_options, words_are_checked)
{
    parse(WORDS("--kind", "node", "--show=map,bind", "--who", "17", "--who=all"));
    cr_expect_str_eq(taken, "256=node 257=map,bind 258=17 258=all");
}

// refused(TEXT, WORDS...): exit code 125, and the message.
#define REFUSED(name, text, ...)                                                    \
    Test(cli_options, refuses_##name, .exit_code = 125, .init = cr_redirect_stderr) \
    {                                                                               \
        parse(WORDS(__VA_ARGS__));                                                  \
    }                                                                               \
    Test(cli_options, tells_##name)                                                 \
    {                                                                               \
        expect_message(text, WORDS(__VA_ARGS__));                                   \
    }

// In a child: options_refuse ends the process.
static void expect_message(const char *text, char **argv)
{
    char told[2000];
    FILE *file = tmpfile();
    cr_assert_not_null(file);
    pid_t child = fork();
    if (child == 0) {
        dup2(fileno(file), STDERR_FILENO);
        parse(argv);
        _exit(0);
    }
    cr_assert_eq(waitpid(child, NULL, 0), child);
    rewind(file);
    size_t length = fread(told, 1, sizeof told - 1, file);
    told[length] = 0;
    cr_expect(strstr(told, text), "\"%s\" is not in \"%s\"", text, told);
    fclose(file);
}

REFUSED(unknown, "no option --zzzzz\n", "--zzzzz")
REFUSED(misspelt, "no option --cuont; did you mean --count?", "--cuont=3")
REFUSED(abbreviated, "no option --quiet; did you mean --quietly?", "--quiet")
REFUSED(unknown_letter, "no option -x", "-qx")
REFUSED(long_name_with_one_hyphen, "no option -np; did you mean --np?", "-np", "4")
REFUSED(missing_value, "option --count needs a value: N", "--count")
REFUSED(missing_value_of_letter, "option -n needs a value: N", "-qn")
REFUSED(value_too_many, "option --quietly takes no value", "--quietly=yes")
REFUSED(bad_value, "--count: \"bad\": it is bad", "--count=bad")
REFUSED(unknown_word, "--kind: \"cor\": there are core and node; did you mean core?", "--kind=cor")
REFUSED(beginning_of_word, "there are core and node", "--kind=c")
REFUSED(unknown_word_of_list, "\"map,bin\": there are map and bind; did you mean bind?",
        "--show=map,bin")
REFUSED(empty_word_of_list, "there are map and bind", "--show=map,")
REFUSED(unknown_help, "there are all, man and bash; did you mean man?", "--help=mam")

// ---- what is printed

static char *printed(const char *what)
{
    static char text[8000];
    FILE *file = tmpfile();
    int before = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
    cr_expect(options_print(&options, what));
    fflush(stdout);
    dup2(before, STDOUT_FILENO);
    close(before);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

Test(cli_options, help_has_examples_first_and_leaves_out_what_is_rare)
{
    const char *text = printed(NULL);
    cr_expect(strstr(text, "  test-it -n 3 x") < strstr(text, "--count"));
    cr_expect(strstr(text, "First:"));
    cr_expect(strstr(text, "-n, --count N"));
    cr_expect(!strstr(text, "--quietly"));
    cr_expect(!strstr(text, "\033"), "colour where there is no terminal");
    cr_expect(strstr(text, "TEST_COUNT"));
    text = printed("all");
    cr_expect(strstr(text, "Second:"));
    cr_expect(strstr(text, "-q, --quietly"));
}

Test(cli_options, manual_is_escaped)
{
    const char *text = printed("man");
    cr_expect(strstr(text, ".SH SYNOPSIS\n\\fBtest\\-it\\fR\n") == text);
    cr_expect(
        strstr(text, ".SH OPTIONS\n.SS First\n.TP\n\\fB\\-n\\fR, \\fB\\-\\-count\\fR \\fIN\\fR\n"));
    cr_expect(strstr(text, "Also \\fB\\-\\-np\\fR.\n"));
    cr_expect(strstr(text, "\\fBTEST_COUNT\\fR"));
}

Test(cli_options, completion_knows_words_and_which_options_have_values)
{
    const char *text = printed("bash");
    cr_expect(strstr(text, "_test_it()"));
    cr_expect(strstr(text, "--kind) COMPREPLY=($(compgen -W 'core node'"));
    cr_expect(strstr(text, "--who) COMPREPLY=($(compgen -W 'all none'"));
    cr_expect(strstr(text, "-n|--count|--np|--kind|--show|--who) value=$word"));
    cr_expect(strstr(text, "complete -o filenames -F _test_it test-it"));
}

Test(cli_options, there_is_no_other_help)
{
    cr_expect(!options_print(&options, "zsh"));
}

// ---- values

Test(cli_options, sizes)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"1", 1},
                {"4096", 4096},
                {"1K", 1024},
                {"512M", 512 << 20},
                {"4G", UINT64_C(4) << 30},
                {"4GiB", UINT64_C(4) << 30},
                {"4gB", UINT64_C(4) << 30},
                {"1.5T", UINT64_C(3) << 39}};
    static const char *const bad[] = {"",     "0",   "-1",  "4X",  "G",    "4G4", " 4",
                                      "0x10", "1e3", "nan", "inf", "1..2", "4 G", "99999999T"};
    dragon_error_t error;
    uint64_t bytes;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_expect(option_size(good[i].text, &bytes, &error), "%s", good[i].text);
        cr_expect_eq(bytes, good[i].bytes, "%s", good[i].text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect(!option_size(bad[i], &bytes, &error), "\"%s\"", bad[i]);
}

Test(cli_options, signals)
{
    static const char *const bad[] = {"", "SIG", "0", "-1", "65", "USR3", "1x"};
    dragon_error_t error;
    int number = 0;
    cr_expect(option_signal("USR1", &number, &error) && number == SIGUSR1);
    cr_expect(option_signal("SIGTERM", &number, &error) && number == SIGTERM);
    cr_expect(option_signal("sigusr2", &number, &error) && number == SIGUSR2);
    cr_expect(option_signal("12", &number, &error) && number == 12);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect(!option_signal(bad[i], &number, &error), "\"%s\"", bad[i]);
    option_signal("UST1", &number, &error);
    cr_expect(strstr(error.text, "did you mean USR1?"));
}
