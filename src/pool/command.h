// SPDX-License-Identifier: BSD-3-Clause
//
// A command as the data of a task, and its end as the value.
#ifndef POOL_COMMAND_H
#define POOL_COMMAND_H

#include "base/base.h"

#include <dragon/pool.h>

// Texts and input point into what it was read from.
struct command {
    char **argv;     // owned; at least one
    char **env;      // owned; may be empty
    const char *cwd; // NULL: the worker's, and so on as in dragon_command_t
    const char *output, *error;
    const void *input;
    size_t input_bytes;
    uint64_t limit_ms;
};

// INVAL: there is nothing to run, a variable has no "=", or the input has no bytes to point to. Errors of memory are in `pack`.
dragon_err_t command_pack(struct pack *pack, const dragon_command_t *command);
// False: it is not understood, or memory is out; there is nothing to end then.
bool command_unpack(const void *data, size_t bytes, struct command *command_out);
void command_fini(struct command *command);

// How many bytes the end takes; writes them, `at` being aligned; reads them, output and error pointing into them. False: it
// is not understood.
size_t command_end_bytes(const dragon_command_end_t *end);
void command_end_write(void *at, const dragon_command_end_t *end);
bool command_end_read(const void *data, size_t bytes, dragon_command_end_t *end_out);

#endif
