// SPDX-License-Identifier: BSD-3-Clause
//
// Options of a command as one table: parsing, --help, the environment variables, the OPTIONS of the
// manual (--help=man) and the completion of bash (--help=bash) come from it. Options end at the first
// word that is none, or at "--"; long names are not abbreviated, so that others can be added.
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "base/base.h"

// A row without a name begins a section, of which `help` is the heading.
enum {
    OPTIONS_SECTION = 1, // as id of such a row
    OPTIONS_RARE = 2,    // --help leaves out this section; --help=all and the manual have it
};

struct option_row {
    int id;           // handed to `take`; above 255 when there is no letter
    char letter;      // 0: none
    const char *name; // "timeout"
    // NULL: takes none. Small letters are words: "none|core" takes one of them and nothing else, and
    // "map|bind,..." several with commas. With capitals, "RANK|all|none", the words are only offered.
    // What bash completes follows from FILE and DIR. "[=auto|never]" may be left out, then `take` gets NULL.
    const char *argument;
    const char *variable; // environment variable with the same meaning; NULL: none
    const char *help;
};

struct option_alias {
    const char *name; // "np"
    int id;
};

struct options {
    const char *command;           // "dragon-run"
    const char *usage;             // what follows the command's name
    const char *about;             // the first lines of the help: examples, then what it does
    const struct option_row *rows; // ends with an empty row; -h and -V are added
    // False: the value is wrong; `error` says how.
    bool (*take)(void *arg, int id, const char *value, dragon_error_t *error);
    void *arg;
    const struct option_alias
        *aliases; // other long names, not in the help; NULL, or ends with an empty row
    const char *const *operands; // words that the first operand may be; NULL: a program
    bool joined;                 // a word ":" begins another program with options of its own
};

// Takes the variables that are set, then the words after argv[0]. Prints help or version and exits 0 when
// asked for them; prints what is wrong and exits 125. Returns the index of the first operand.
int options_parse(const struct options *options, int argc, char **argv);

// Prints what is wrong with the call and where to look, and exits 125.
__attribute__((format(printf, 2, 3), noreturn)) void options_refuse(const struct options *options,
                                                                    const char *format, ...);

// One value, as if it had been given: checks the words of the row, then hands it to `take`.
bool options_take(const struct options *options, int id, const char *value, dragon_error_t *error);

const struct option_row *options_row(const struct options *options, int id); // NULL: none
static inline bool options_is_section(const struct option_row *row)
{
    return !row->name && row->help;
}
static inline bool options_is_optional(const struct option_row *row)
{
    return row->argument && row->argument[0] == '[';
}
static inline bool options_is_end(const struct option_row *row)
{
    return !row->name && !row->help;
}

// The index-th word of an argument "none|core", not ended by a zero. NULL: there are no more.
const char *option_word(const char *argument, size_t index, int *length_out);

// ---- options_print.c

// --help (what NULL), and --help=all, man, bash. False: there is no such help.
bool options_print(const struct options *options, const char *what);

// ---- values that several options have. False with the reason.

bool option_number(const char *value, long long low, long long high, long long *out,
                   dragon_error_t *error);
bool option_count(const char *value, uint32_t low, uint32_t high, uint32_t *out,
                  dragon_error_t *error);
bool option_text(const char *value, const char **out, dragon_error_t *error); // not an empty one
bool option_duration(const char *value, uint64_t *ms_out, dragon_error_t *error);
// A time-out of the library: "off" is DRAGON_FOREVER.
bool option_timeout(const char *value, int *timeout_ms_out, dragon_error_t *error);
bool option_size(const char *value, uint64_t *bytes_out, dragon_error_t *error); // "4G", "512M"
bool option_signal(const char *value, int *signal_out, dragon_error_t *error);   // "USR1", "10"
// One of `count` words: its index.
bool option_choice(const char *value, const char *const *words, size_t count, size_t *index_out,
                   dragon_error_t *error);

#endif
