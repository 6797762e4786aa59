// SPDX-License-Identifier: BSD-3-Clause
//
// Messages for people on standard error. One line each, written with one write so that lines of
// several processes do not mix. Errors and notices always show; debug lines only with
// DRAGON_LOG=debug, as `key value` pairs.
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level {
    LOG_LEVEL_QUIET,  // nothing but errors
    LOG_LEVEL_NOTICE, // the default
    LOG_LEVEL_VERBOSE,
    LOG_LEVEL_DEBUG,
};

// `program` ("dragon-run") opens every line; it must stay valid. `host` ("", or this node's name)
// is put on debug lines. The level comes from the environment variable DRAGON_LOG unless set.
void log_open(const char *program, const char *host);
void log_set_level(enum log_level level);
bool log_debug_on(void);

__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_warning(const char *format,
                                                       ...); // shown always, too
__attribute__((format(printf, 1, 2))) void log_notice(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_verbose(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_debug_line(const char *format, ...);

// The arguments are not evaluated when debug lines are off.
#define log_debug(...)                   \
    do {                                 \
        if (log_debug_on())              \
            log_debug_line(__VA_ARGS__); \
    } while (0)

#endif
