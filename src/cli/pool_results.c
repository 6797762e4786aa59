// SPDX-License-Identifier: BSD-3-Clause
//
// --results: for each task a folder that is named after its arguments, as GNU parallel has it: DIR/1/FIRST/2/SECOND with the
// files stdout, stderr and seq.
#include "config.h"

#include "cli/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_MOST = 240 };

// As the name of a folder: what would be another place or another folder has a backslash.
static void add_name(struct pool_text *path, const char *arg)
{
    size_t from = path->bytes;
    if (strcmp(arg, ".") == 0 || strcmp(arg, "..") == 0 || !*arg) {
        pool_text_add(path, *arg ? "\\" : "\\0", *arg ? 1 : 2);
        pool_text_add(path, arg, strlen(arg));
        return;
    }
    for (; *arg && path->bytes - from < NAME_MOST; arg++) {
        if (*arg == '\\')
            pool_text_add(path, "\\\\", 2);
        else if (*arg == '/')
            pool_text_add(path, "\\_", 2);
        else if (*arg == '\t')
            pool_text_add(path, "\\t", 2);
        else
            pool_text_add(path, arg, 1);
    }
}

char *pool_results_path(char *const *args)
{
    struct pool_text path = {0};
    char number[16];
    for (size_t i = 0; args[i]; i++) {
        int length = snprintf(number, sizeof number, "%s%zu/", i ? "/" : "", i + 1);
        pool_text_add(&path, number, (size_t)length);
        add_name(&path, args[i]);
    }
    pool_text_add(&path, "", 0);
    if (!path.failed)
        return path.data;
    free(path.data);
    return NULL;
}

static bool make_folders(char *path)
{
    for (char *at = path + 1;; at++) {
        if (*at && *at != '/')
            continue;
        char was = *at;
        *at = 0;
        bool good = mkdir(path, 0777) == 0 || errno == EEXIST;
        *at = was;
        if (!good || !was)
            return good;
    }
}

static bool write_file(int folder, const char *name, const void *data, size_t bytes)
{
    const char *at = data;
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return false;
    while (bytes > 0) {
        ssize_t written = write(fd, at, bytes);
        if (written < 0 && errno != EINTR)
            break;
        at += written > 0 ? written : 0;
        bytes -= written > 0 ? (size_t)written : 0;
    }
    int problem = errno;
    bool good = close(fd) == 0 && bytes == 0;
    if (bytes > 0)
        errno = problem;
    return good;
}

static bool write_files(const char *path, const struct pool_task *task)
{
    char seq[24];
    int length = snprintf(seq, sizeof seq, "%llu", (unsigned long long)task->seq);
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return false;
    bool good = write_file(folder, "stdout", task->end.output, task->end.output_bytes) &&
                write_file(folder, "stderr", task->end.error, task->end.error_bytes) &&
                write_file(folder, "seq", seq, (size_t)length);
    int problem = errno;
    close(folder);
    errno = problem;
    return good;
}

bool pool_results_write(const struct pool_call *call, const struct pool_task *task,
                        dragon_error_t *error)
{
    char *path = NULL, *below;
    if (!call->results)
        return true;
    below = pool_results_path(task->args);
    bool good = below && asprintf(&path, "%s/%s", call->results, below) >= 0;
    if (!good)
        path = NULL;
    good = good && make_folders(path) && write_files(path, task);
    if (!good)
        err_set_errno(error, path ? errno : ENOMEM, "cannot write the results in %s",
                      path ? path : call->results);
    free(path);
    free(below);
    return good;
}
