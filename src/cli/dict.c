// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-dict: dictionaries for shell scripts and job steps, and by hand. Uses the library's public headers alone, as any
// client, and finds the runtime as dragon-info does. What there is to say is in dict_words.c; the words themselves are
// in dict_open.c, dict_pairs.c, dict_keys.c, dict_stat.c and dict_prompt.c.
#include "config.h"

#include "cli/dict.h"

#include "cli/info_find.h"

#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <unistd.h>

static const char *const word_names[] = {"create",   "put",     "get",    "pop",    "exists",
                                         "contains", "erase",   "append", "add",    "swap",
                                         "keys",     "length",  "clear",  "freeze", "unfreeze",
                                         "stat",     "destroy", "prompt", NULL};

static const char about[] =
    "Dictionaries in the memory of all nodes of a runtime, used from any of them by a name:\n\n"
    "  dragon-dict create results --bytes 4G     makes one, with a manager on each node\n"
    "  dragon-dict put results step1 <file       the value of a key is a file,\n"
    "  dragon-dict put results state ready       or a word\n"
    "  dragon-dict get results step1 >file       as it was, when it is there\n"
    "  dragon-dict get results step2 --wait      or as soon as it is there\n"
    "  dragon-dict add results next              0, 1, 2...: a number for everybody who asks\n"
    "  dragon-dict keys results step             all keys that begin with step\n"
    "  dragon-dict stat results                  its managers, memory and work\n"
    "  dragon-dict prompt results                all of that by hand, with completion\n"
    "  dragon-dict destroy results               it ends, with what is in it\n\n"
    "Other words: pop, exists (contains), erase, append, swap, length, clear, freeze, unfreeze.\n"
    "Keys and values are any bytes. A dictionary lives until it is destroyed or its runtime\n"
    "ends. Behind -- words that begin with - are none but words.\n\n"
    "The exit code is 1 when the key, the dictionary or its manager is not there, or what\n"
    "should not be there is; 124 when nothing happened in time; 125 after an error.";

const struct options dict_options = {
    .command = "dragon-dict",
    .usage = "WORD NAME [KEY [VALUE]] [OPTION...]",
    .about = about,
    .rows = dict_rows,
    .take = call_take,
    .operands = word_names,
};

static void choose_word(const struct options *options, struct call *call, const char *name)
{
    dragon_error_t error;
    size_t index;
    if (!name)
        options_refuse(options, "say what is to be done: create, put, get, keys, stat, prompt, "
                                "destroy or another word of --help");
    if (!option_choice(name, word_names, sizeof word_names / sizeof *word_names - 1, &index,
                       &error))
        options_refuse(options, "nothing to do by the name of \"%s\": %s", name, error.text);
    call->word = word_find(name);
}

// The word, the dictionary's name, and then what the word takes; of stat and destroy names are that, too.
static bool take_operand(struct call *call, const char **word, const char *text)
{
    if (!*word) {
        *word = text;
        return true;
    }
    if (!call->session->name) {
        call->session->name = text;
        return true;
    }
    return call_push(call, text, strlen(text));
}

// Options are taken before the words, between them and behind them, until "--".
static void parse(struct call *call, int argc, char **argv)
{
    struct options options = dict_options;
    dragon_error_t error;
    const char *word = NULL;
    bool over = false;
    options.arg = call;
    for (int at = 0; argv[at];) {
        at += over ? 1 : options_parse(&options, argc - at, argv + at);
        over = over || strcmp(argv[at - 1], "--") == 0;
        if (argv[at] && !take_operand(call, &word, argv[at])) {
            log_error("out of memory");
            exit(DICT_EXIT_OURS);
        }
    }
    choose_word(&options, call, word);
    if (!call->session->name)
        options_refuse(
            &options, "%s what? give the name of a dictionary; a runtime does not list them", word);
    if (!call_check(call, &error))
        options_refuse(&options, "%s", error.text);
}

static int run(struct call *call)
{
    struct session *session = call->session;
    bool opens = call->word->run != do_create && !(call->word->flags & WORD_NAMES);
    int code = found_attach(session->path, "dragon-dict", &session->runtime);
    if (code) // whatever it is: this is not about a key
        return DICT_EXIT_OURS;
    if (opens)
        code = session_open(session, call->wait, call->timeout_ms);
    return code ? code : call->word->run(call);
}

// For what is typed, and what a terminal can show. Of ASCII alone libedit would swallow all else, in silence.
static void choose_characters(void)
{
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "ANSI_X3.4-1968") == 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}

int main(int argc, char **argv)
{
    const char *inside = getenv("DRAGON_RUNTIME");
    struct session session = {.path = inside && *inside ? inside : NULL,
                              .no_input = fcntl(STDIN_FILENO, F_GETFD) < 0,
                              .no_output = fcntl(STDOUT_FILENO, F_GETFD) < 0};
    struct call call;
    self_fill_streams();
    log_open("dragon-dict", "");
    choose_characters();
    call_init(&call, &session);
    parse(&call, argc, argv);
    int code = run(&call);
    call_fini(&call);
    dragon_dict_detach(session.dict);
    dragon_runtime_detach(session.runtime);
    return code;
}
