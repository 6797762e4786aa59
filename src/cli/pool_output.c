// SPDX-License-Identifier: BSD-3-Clause
//
// What a task wrote, in one piece: to standard output, then to standard error, each line with its tag when there is one. A
// reader that is slow makes us wait, and everything behind us; but never so that a signal is not seen.
#include "config.h"

#include "cli/pool.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_file(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

static int write_all(struct pool_output *output, int fd, const char *data, size_t bytes)
{
    bool file = is_file(fd);
    while (bytes > 0) {
        // A pipe that can be written to takes so much without making us wait.
        size_t piece = file || bytes < PIPE_BUF ? bytes : PIPE_BUF;
        if (!file && !output->wait(output->arg, fd))
            return ECANCELED;
        ssize_t written = write(fd, data, piece);
        if (written < 0 && errno != EINTR && errno != EAGAIN)
            return errno;
        data += written > 0 ? written : 0;
        bytes -= written > 0 ? (size_t)written : 0;
    }
    return 0;
}

static int write_tagged(struct pool_output *output, int fd, const char *tag, const char *data,
                        size_t bytes)
{
    struct pool_text text = {0};
    size_t length = strlen(tag);
    while (bytes > 0) {
        const char *end = memchr(data, '\n', bytes);
        size_t line = end ? (size_t)(end - data) : bytes;
        pool_text_add(&text, tag, length);
        pool_text_add(&text, "\t", 1);
        pool_text_add(&text, data, line);
        pool_text_add(&text, "\n", 1);
        line += end != NULL;
        data += line;
        bytes -= line;
    }
    int problem = text.failed ? ENOMEM : write_all(output, fd, text.data, text.bytes);
    free(text.data);
    return problem;
}

static char *make_tag(const struct pool_call *call, const struct pool_task *task)
{
    struct pool_place place = {.seq = task->seq, .slot = task->slot};
    return pool_template_text(call, call->tag, task->args, place);
}

int pool_output_write(struct pool_output *output, const struct pool_task *task)
{
    const struct {
        int fd;
        const void *data;
        size_t bytes;
    } streams[] = {{STDOUT_FILENO, task->end.output, task->end.output_bytes},
                   {STDERR_FILENO, task->end.error, task->end.error_bytes}};
    char *tag = NULL;
    int problem = 0;
    if (output->call->tag && !(tag = make_tag(output->call, task)))
        return ENOMEM;
    for (size_t i = 0; problem == 0 && i < 2; i++) {
        if (streams[i].bytes == 0)
            continue;
        if (streams[i].fd == STDOUT_FILENO && output->call->no_output)
            problem = EBADF;
        else if (tag)
            problem = write_tagged(output, streams[i].fd, tag, streams[i].data, streams[i].bytes);
        else
            problem = write_all(output, streams[i].fd, streams[i].data, streams[i].bytes);
        // Nobody who reads our errors: that is no reason to stop.
        if (streams[i].fd == STDERR_FILENO && problem != ECANCELED)
            problem = 0;
    }
    free(tag);
    return problem;
}
