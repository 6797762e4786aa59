// SPDX-License-Identifier: BSD-3-Clause
//
// Options of a command as one table: parsing, --help and the environment variables come from it.
// Options end at the first word that is none, or at "--"; long names are not abbreviated, so that new
// ones can be added.
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "base/base.h"

struct option_row {
    int id;               // handed to `take`; above 255 when there is no letter
    char letter;          // 0: none
    const char *name;     // "timeout"
    const char *argument; // "SECONDS"; NULL: takes none
    const char *variable; // environment variable with the same meaning; NULL: none
    const char *help;
};

struct options {
    const char *command;           // "dragon-run"
    const char *usage;             // what follows the command's name
    const char *about;             // the first lines of the help, with examples
    const struct option_row *rows; // ends with an empty row; -h and -V are added
    // False: the value is wrong; `error` says how.
    bool (*take)(void *arg, int id, const char *value, dragon_error_t *error);
    void *arg;
};

// Takes the variables that are set, then the words. Prints help or version and exits 0 when asked for
// them; prints what is wrong and exits 125. Returns the index of the first operand.
int options_parse(const struct options *options, int argc, char **argv);

// Prints what is wrong with the call and where to look, and exits 125.
__attribute__((format(printf, 2, 3), noreturn)) void options_refuse(const struct options *options,
                                                                    const char *format, ...);

// Values that several options have. False with the reason.
bool option_number(const char *value, long long low, long long high, long long *out,
                   dragon_error_t *error);
bool option_duration(const char *value, uint64_t *ms_out, dragon_error_t *error);

#endif
