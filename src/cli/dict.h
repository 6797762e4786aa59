// SPDX-License-Identifier: BSD-3-Clause
//
// What the parts of dragon-dict share. A word of the command ("put") with its operands and options is a `struct call`; it
// comes from the command line, or from a line of a prompt. Each word is one function, which says what goes wrong and
// returns the exit code.
#ifndef CLI_DICT_H
#define CLI_DICT_H

#include "cli/options.h"

#include <dragon/dragon.h>

enum {
    DICT_EXIT_MISSING = 1, // the key, the dictionary or its manager is not there
    DICT_EXIT_TIME = 124,  // nothing happened in time
    DICT_EXIT_OURS = 125,  // a wrong call, or an error
};

// Any bytes; behind them is a zero that does not count.
struct bytes {
    char *data; // owned; NULL when there are none
    size_t count;
};

// What is the same for all lines of a prompt.
struct session {
    const char *path; // of the runtime; NULL: it is to be found
    const char *name; // of the dictionary
    dragon_runtime_t *runtime;
    dragon_dict_t *dict;      // owned; NULL: not opened
    bool no_input, no_output; // ours were closed by who started us
    bool prompt;              // calls are lines of a prompt
    bool terminal;            // which somebody types
};

struct call {
    struct session *session;
    const struct word *word;
    struct bytes *operands; // owned; without the name of the dictionary
    size_t count;
    uint64_t given; // options that were, a bit for each row
    bool absent, wait, escapes, null, local, details, json;
    int timeout_ms; // or a constant of runtime.h
    dragon_dict_spec_t spec;
    const char *hosts; // of --host
};

enum word_flags {
    WORD_KEY = 1,    // the first operand is a key
    WORD_NAMES = 2,  // operands are names of dictionaries
    WORD_PROMPT = 4, // has no place at a prompt
    WORD_ALIAS = 8,  // another name of the word before it, not shown
};

struct word {
    const char *name;
    const char *operands; // "KEY [VALUE]"
    const char *help;
    const char *options; // names of those that it takes, each between blanks
    int least, most;     // operands, without the name of the dictionary
    int flags;
    int (*run)(struct call *call);
};

// ---- dict_words.c

extern const struct word dict_words[]; // ends with an empty one
extern const struct option_row dict_rows[];
// As `take` of struct options, for a struct call.
bool call_take(void *arg, int id, const char *value, dragon_error_t *error);

const struct word *word_find(const char *name); // NULL: there is none
// What it stands for is taken from what follows on the command line, or from a line.
void call_init(struct call *call, struct session *session);
void call_fini(struct call *call);
bool call_push(struct call *call, const void *data, size_t bytes); // false: out of memory
// Whether options and operands fit the word. False with the reason.
bool call_check(struct call *call, dragon_error_t *error);

// ---- dict.c

extern const struct options dict_options; // without its argument

// ---- dict_open.c

int dict_code(dragon_err_t err); // the exit code of an error
// Opens the dictionary of the session. 0, or the exit code after having said why not.
int session_open(struct session *session, bool wait, int timeout_ms);
// Those that are there, and no others.
int session_find(struct session *session, const char *name, dragon_dict_t **dict_out);
// Says that a call failed, for its first operand if the word has a key. The exit code.
int call_fail(const struct call *call, dragon_err_t err);
static inline int call_end(const struct call *call, dragon_err_t err)
{
    return err == DRAGON_OK ? 0 : call_fail(call, err);
}
// Calls `step` until it is not the time that was over; at a terminal Ctrl-C ends it with CANCELED.
dragon_err_t call_wait(const struct call *call,
                       dragon_err_t (*step)(const struct call *call, int timeout_ms));
int do_create(struct call *call);
int do_destroy(struct call *call);

// ---- dict_pairs.c

int do_put(struct call *call);
int do_get(struct call *call);
int do_pop(struct call *call);
int do_exists(struct call *call);
int do_erase(struct call *call);
int do_add(struct call *call);
int do_append(struct call *call);
int do_swap(struct call *call);

// ---- dict_keys.c

int do_keys(struct call *call);
int do_length(struct call *call);
int do_clear(struct call *call);
int do_freeze(struct call *call);
int do_unfreeze(struct call *call);

// ---- dict_stat.c

int do_stat(struct call *call);

// ---- dict_prompt.c

int do_prompt(struct call *call);

bool prompt_interrupted(void); // by Ctrl-C, at a terminal

// ---- dict_input.c

// All of standard input as a value. False after having said why not.
bool input_all(const struct session *session, struct bytes *bytes_out);
// The value of the key is standard input then, whatever its size. The exit code.
int input_write(struct call *call);

// ---- dict_output.c: to standard output. 0, or the exit code after having said why not.

int print_can(const struct session *session); // before something is taken that would be lost
// A value as it is; at a prompt as a line, which a terminal is not troubled by.
int print_value(const struct session *session, const void *data, size_t bytes);
int print_end(const struct session *session); // what was printed with stdio is written

// ---- dict_text.c

// With `\n`, `\t`, `\\` and `\xHH` for what a terminal or a line does not have; `word`: for blanks and quotes too, so that
// words_split takes it for one word. The caller frees; NULL: out of memory.
char *text_escape(const void *data, size_t bytes, bool word);
// The same, at most `room` with its end, for messages. Returns `text`.
const char *text_brief(const struct bytes *bytes, char *text, size_t room);
// The other way round, in place. False: there is an escape that is none.
bool text_unescape(struct bytes *bytes, dragon_error_t *error);

struct words {
    struct bytes *words; // owned
    bool *bare;          // of each: it is as it was typed, without quotes
    size_t count;
    size_t last; // where the last one begins in the line
    bool open;   // the line ends within it
};
// Splits a line as a shell does: blanks separate, quotes and backslashes keep together, and have escapes but for
// single quotes. `partial`: a line that is not finished, whose last word (maybe an empty one) is what is being typed.
// False with the reason.
bool words_split(const char *line, size_t bytes, bool partial, struct words *words_out,
                 dragon_error_t *error);
void words_fini(struct words *words);

#endif
