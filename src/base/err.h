// SPDX-License-Identifier: BSD-3-Clause
//
// Filling the text of a dragon_error_t.
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <dragon/error.h>

#include <stdbool.h>
#include <stdint.h>

// Sets *error (may be NULL) and hands the code back, so that a failure is one line:
//     return err_set(error, DRAGON_ERR_INVAL, "no such option \"%s\"", word);
__attribute__((format(printf, 3, 4))) dragon_err_t err_set(dragon_error_t *error, dragon_err_t code,
                                                           const char *format, ...);

// The same with ": <text of errno>" at the end and the code that fits errno_value.
__attribute__((format(printf, 3, 4))) dragon_err_t err_set_errno(dragon_error_t *error,
                                                                 int errno_value,
                                                                 const char *format, ...);

// Whether a number that came from outside is a code, or DRAGON_OK.
bool err_is_code(int32_t number);

// The code for an errno value: DRAGON_ERR_SYS for what has no nearer one.
dragon_err_t err_from_errno(int errno_value);

// What a shell exits with when a program cannot be run for this reason: 127 it is not there, 126 it is no program or
// not ours to run, 125 the system has no room for it.
int err_exit_code(int errno_value);

#endif
