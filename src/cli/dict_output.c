// SPDX-License-Identifier: BSD-3-Clause
//
// Standard output. A consumer that goes away ends this by SIGPIPE, as it does with any command.
#include "config.h"

#include "cli/dict.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    SHOWN_MOST = 16 << 10, // bytes of a value that somebody looks at
    PIPE_ROOM = 1 << 20
};

static int print_failed(void)
{
    log_error("cannot write to standard output: %s", strerror(errno));
    return errno == EPIPE ? DICT_EXIT_MISSING : DICT_EXIT_OURS;
}

// What was closed is open as /dev/null by now.
int print_can(const struct session *session)
{
    if (!session->no_output)
        return 0;
    errno = EBADF;
    return print_failed();
}

int print_end(const struct session *session)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return print_can(session);
    if (!errno)
        errno = EIO;
    clearerr(stdout); // at a prompt there are further lines
    return print_failed();
}

// Past stdio: a large value is not copied for it.
static int print_raw(const void *data, size_t bytes)
{
    const char *at = data;
    while (bytes > 0) {
        ssize_t written = write(STDOUT_FILENO, at, bytes);
        if (written < 0 && errno != EINTR)
            return print_failed();
        if (written > 0) {
            at += written;
            bytes -= (size_t)written;
        }
    }
    return 0;
}

static int print_shown(const struct session *session, const void *data, size_t bytes)
{
    char *text = text_escape(data, bytes < SHOWN_MOST ? bytes : SHOWN_MOST, false);
    if (!text) {
        log_error("out of memory");
        return DICT_EXIT_OURS;
    }
    puts(text);
    free(text);
    int code = print_end(session);
    if (code == 0 && bytes > SHOWN_MOST)
        log_notice("these are the first %d of %zu bytes; dragon-dict get %s KEY >FILE has all",
                   SHOWN_MOST, bytes, session->name);
    return code;
}

int print_value(const struct session *session, const void *data, size_t bytes)
{
    if (session->prompt && isatty(STDOUT_FILENO))
        return print_shown(session, data, bytes);
    fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_ROOM); // of a pipe: fewer turns
    int code = print_end(session);                 // what stdio has comes before it
    if (code == 0)
        code = print_raw(data, bytes);
    return code == 0 && session->prompt ? print_raw("\n", 1) : code;
}
