/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Errors: one small set of codes that a caller can act on, and a text for people.
 *
 * Every call of libdragon that can fail returns a dragon_err_t: DRAGON_OK (0), or one of the
 * negative codes below. Calls that set something up also take a last argument
 * `dragon_error_t *error` (may be NULL); on failure its text says what failed, on which host, and
 * what to try. It is not touched on success.
 *
 * Threads: all calls of this header may be made from any thread.
 */
#ifndef DRAGON_ERROR_H
#define DRAGON_ERROR_H

#include <dragon/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* name, value, meaning: the one list from which codes, names and texts are made */
#define DRAGON_ERR_LIST(X)                                                \
    X(INVAL, -1, "an argument is wrong")                                  \
    X(NOMEM, -2, "out of memory")                                         \
    X(TIMEOUT, -3, "not done in the time given")                          \
    X(AGAIN, -4, "not possible right now")                                \
    X(CANCELED, -5, "given up before it was done")                        \
    X(CLOSED, -6, "the object is closed, or was never there")             \
    X(PEER, -7, "the process or host that would have answered is gone")   \
    X(NOT_FOUND, -8, "no such thing")                                     \
    X(EXISTS, -9, "it is there already")                                  \
    X(FULL, -10, "no room is left")                                       \
    X(TOO_BIG, -11, "larger than the limit")                              \
    X(STATE, -12, "not possible in the present state")                    \
    X(UNSUPPORTED, -13, "not supported here")                             \
    X(PROTO, -14, "the other side sent something that is not understood") \
    X(SYS, -15, "the system refused")                                     \
    X(DENIED, -16, "not allowed")                                         \
    X(LAUNCH, -17, "a program could not be started")                      \
    X(FAILED, -18, "the task failed")

typedef enum dragon_err {
    DRAGON_OK = 0,
#define DRAGON_ERR_ENUM(name, value, text) DRAGON_ERR_##name = value,
    DRAGON_ERR_LIST(DRAGON_ERR_ENUM)
#undef DRAGON_ERR_ENUM
} dragon_err_t;

/* What went wrong, for people. `text` is always terminated; it may end in "..." when cut. */
typedef struct dragon_error {
    dragon_err_t code;
    char text[512];
} dragon_error_t;

/* The code's name, "DRAGON_ERR_TIMEOUT" for instance; "DRAGON_OK" for 0; "unknown error" for a
 * value that is none of ours. The string is static. */
DRAGON_API const char *dragon_err_name(dragon_err_t code);

/* What the code means, in a few words. The string is static. */
DRAGON_API const char *dragon_err_text(dragon_err_t code);

#ifdef __cplusplus
}
#endif

#endif
