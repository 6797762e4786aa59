// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-dict prompt: the words without the name, line by line, from somebody at a terminal or from a file. What goes
// wrong ends no prompt; that of a file has the worst of its lines' exit codes.
#include "config.h"

#include "cli/dict_prompt.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>

enum { LINE_OVER = -1 }; // no exit code: the prompt is to end

const char *const prompt_words[] = {"help", "quit", "exit", NULL};

static volatile sig_atomic_t interrupted;

bool prompt_interrupted(void)
{
    return interrupted;
}

// What does not look whether it was interrupted can be ended by a second one.
static void on_interrupt(int number)
{
    if (interrupted) {
        signal(number, SIG_DFL);
        raise(number);
    }
    interrupted = 1;
}

// ---- help

static bool takes(const struct word *word, const char *option)
{
    char name[40];
    snprintf(name, sizeof name, " %s ", option);
    return strstr(word->options, name) &&
           strstr(" absent wait timeout null local long json ", name);
}

// There is no input beside the lines, so the value is one of the words.
static const char *operands_of(const struct word *word)
{
    return strcmp(word->operands, "KEY [VALUE]") == 0 ? "KEY VALUE" : word->operands;
}

static void help_word(const struct word *word)
{
    printf("%s %s\n    %s\n", word->name, operands_of(word), word->help);
    for (const struct option_row *row = dict_rows; row->help; row++)
        if (row->name && takes(word, row->name))
            printf("    --%s%s%s: %s\n", row->name, row->argument ? " " : "",
                   row->argument ? row->argument : "", row->help);
}

static void help_all(const struct session *session)
{
    char left[40];
    for (const struct word *word = dict_words; word->name; word++) {
        if (word->flags & (WORD_PROMPT | WORD_ALIAS))
            continue;
        snprintf(left, sizeof left, "%s %s", word->name, operands_of(word));
        printf("  %-20s %s\n", left, word->help);
    }
    printf("  %-20s more on one of them\n  %-20s ends this, as Ctrl-D does\n\n", "help WORD",
           "quit, exit");
    printf("All of them are about \"%s\". Blanks in a key or value: \"in quotes\", 'in these' or\n"
           "\\ behind a backslash; \\n, \\t, \\\\ and \\xHH are any bytes, but in single quotes.\n",
           session->name);
}

static int help(const struct session *session, const char *about)
{
    const struct word *word = about ? word_find(about) : NULL;
    if (word && !(word->flags & WORD_PROMPT))
        help_word(word);
    else
        help_all(session);
    return print_end(session);
}

// ---- a line

static bool take_option(struct call *call, const char *name, const char *next, bool *used,
                        dragon_error_t *error)
{
    struct options options = dict_options;
    const struct option_row *row = dict_rows;
    bool is_long = name[1] == '-';
    options.arg = call;
    while (row->help &&
           (!row->name || (is_long ? strcmp(row->name, name + 2) != 0
                                   : !row->letter || name[1] != row->letter || name[2] != 0)))
        row++;
    if (!row->help || (row->argument && !next)) {
        err_set(error, DRAGON_ERR_INVAL, row->help ? "option %s needs a value" : "no option %s",
                name);
        return false;
    }
    *used = row->argument != NULL;
    return options_take(&options, row->id, *used ? next : NULL, error);
}

// A number below 0 is no option.
static bool is_option(const struct words *words, size_t i)
{
    const char *text = words->words[i].data;
    return words->bare[i] && text[0] == '-' && text[1] && !(text[1] >= '1' && text[1] <= '9');
}

static bool fill_call(struct call *call, const struct words *words, dragon_error_t *error)
{
    bool over = false;
    for (size_t i = 1; i < words->count; i++) {
        const struct bytes *word = &words->words[i];
        bool used = false;
        if (!over && is_option(words, i)) {
            over = strcmp(word->data, "--") == 0;
            if (!over && !take_option(call, word->data, i + 1 < words->count ? word[1].data : NULL,
                                      &used, error))
                return false;
            i += used;
        } else if (!call_push(call, word->data, word->count)) {
            err_set(error, DRAGON_ERR_NOMEM, "out of memory");
            return false;
        }
    }
    return call_check(call, error);
}

static int run_word(struct session *session, const struct words *words)
{
    struct call call;
    dragon_error_t error;
    int code = DICT_EXIT_OURS;
    call_init(&call, session);
    call.word = word_find(words->words[0].data);
    if (fill_call(&call, words, &error))
        code = call.word->run(&call);
    else
        log_error("%s", error.text);
    call_fini(&call);
    return code;
}

static int refuse_word(const char *name)
{
    const char *names[64], *near = NULL;
    size_t count = 0;
    const struct word *word = word_find(name);
    for (const struct word *at = dict_words; at->name; at++)
        if (!(at->flags & WORD_PROMPT))
            names[count++] = at->name;
    for (size_t i = 0; prompt_words[i]; i++)
        names[count++] = prompt_words[i];
    if (word)
        log_error("%s has no place at a prompt; it is of the command: dragon-dict %s NAME", name,
                  name);
    else if ((near = word_nearest(name, names, count)))
        log_error("there is no word \"%s\"; did you mean %s?", name, near);
    else
        log_error("there is no word \"%s\"; \"help\" lists them", name);
    return DICT_EXIT_OURS;
}

static int run_words(struct session *session, const struct words *words)
{
    const char *first = words->words[0].data;
    const struct word *word = word_find(first);
    if (strcmp(first, "quit") == 0 || strcmp(first, "exit") == 0)
        return LINE_OVER;
    if (strcmp(first, "help") == 0 || strcmp(first, "?") == 0)
        return help(session, words->count > 1 ? words->words[1].data : NULL);
    if (!word || word->flags & WORD_PROMPT)
        return refuse_word(first);
    return run_word(session, words);
}

// The exit code, or LINE_OVER. Nothing is done for an empty line, and for one that begins with #.
static int run_line(struct session *session, const char *line, size_t bytes)
{
    struct words words;
    dragon_error_t error;
    int code = 0;
    const char *begin = line;
    while (isspace((unsigned char)*begin))
        begin++;
    if (*begin == '#')
        return 0;
    if (!words_split(line, bytes, false, &words, &error)) {
        log_error("%s", error.text);
        return DICT_EXIT_OURS;
    }
    if (words.count > 0)
        code = run_words(session, &words);
    words_fini(&words);
    return code;
}

// ---- where lines come from

// The worst exit code.
static int run_input(struct session *session)
{
    char *line = NULL;
    size_t room = 0, number = 0;
    ssize_t got;
    int worst = 0, code = 0;
    if (session->no_input) {
        log_error("cannot read standard input: %s", strerror(EBADF));
        return DICT_EXIT_OURS;
    }
    errno = 0;
    while (code != LINE_OVER && (got = getline(&line, &room, stdin)) >= 0) {
        number++;
        code = run_line(session, line, (size_t)got);
        if (code > 0)
            log_notice("that was line %zu: %.*s", number, (int)strcspn(line, "\n"), line);
        if (code > worst)
            worst = code;
        errno = 0;
    }
    if (code != LINE_OVER && ferror(stdin)) {
        log_error("cannot read standard input: %s", strerror(errno));
        worst = DICT_EXIT_OURS;
    }
    free(line);
    return worst;
}

static int run_terminal(struct session *session)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    struct editor *editor = editor_create(session);
    const char *line;
    if (!editor) {
        log_error("out of memory");
        return DICT_EXIT_OURS;
    }
    sigaction(SIGINT, &action, NULL);
    log_notice("\"help\" lists what can be done with \"%s\", TAB completes, Ctrl-D ends this",
               session->name);
    while ((line = editor_line(editor))) {
        interrupted = 0;
        if (run_line(session, line, strlen(line)) == LINE_OVER)
            break;
    }
    editor_destroy(editor);
    return 0; // who saw what went wrong needs no code
}

int do_prompt(struct call *call)
{
    struct session *session = call->session;
    session->prompt = true;
    session->terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    return session->terminal ? run_terminal(session) : run_input(session);
}
