// SPDX-License-Identifier: BSD-3-Clause
//
// The log: formats a line and writes it to standard error in one piece.
#include "config.h"

#include "base/base.h"

#include <stdarg.h>
#include <unistd.h>

static struct {
    const char *program;
    char host[64];
    enum log_level level;
} the_log = {.program = "dragon", .level = LOG_LEVEL_NOTICE};

void log_open(const char *program, const char *host)
{
    the_log.program = program;
    snprintf(the_log.host, sizeof the_log.host, "%s", host);
    const char *level = getenv("DRAGON_LOG");
    if (!level)
        return;
    static const char *const names[] = {"quiet", "notice", "verbose", "debug"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(level, names[i]) == 0)
            the_log.level = (enum log_level)i;
}

void log_set_level(enum log_level level)
{
    the_log.level = level;
}

bool log_debug_on(void)
{
    return the_log.level >= LOG_LEVEL_DEBUG;
}

// What users and programs are called may hold anything; a line stays a line, and a terminal as it is.
static void clean(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

__attribute__((format(printf, 2, 0))) static void write_line(const char *kind, const char *format,
                                                             va_list args)
{
    char line[2048];
    int used = snprintf(line, sizeof line, "%s: %s", the_log.program, kind);
    int more = vsnprintf(line + used, sizeof line - (size_t)used - 1, format, args);
    if (more < 0)
        return;
    size_t length = (size_t)used + (size_t)more;
    if (length > sizeof line - 2)
        length = sizeof line - 2;
    clean(line);
    line[length++] = '\n';
    // Nobody can be told when standard error itself is gone.
    ssize_t ignored = write(STDERR_FILENO, line, length);
    (void)ignored;
}

void log_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line("error: ", format, args);
    va_end(args);
}

void log_warning(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line("warning: ", format, args);
    va_end(args);
}

void log_notice(const char *format, ...)
{
    if (the_log.level < LOG_LEVEL_NOTICE)
        return;
    va_list args;
    va_start(args, format);
    write_line("", format, args);
    va_end(args);
}

void log_verbose(const char *format, ...)
{
    if (the_log.level < LOG_LEVEL_VERBOSE)
        return;
    va_list args;
    va_start(args, format);
    write_line("", format, args);
    va_end(args);
}

void log_debug_line(const char *format, ...)
{
    char kind[sizeof the_log.host + 32];
    snprintf(kind, sizeof kind, "debug host %s pid %d ", the_log.host, (int)getpid());
    va_list args;
    va_start(args, format);
    write_line(kind, format, args);
    va_end(args);
}
