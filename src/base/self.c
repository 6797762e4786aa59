// SPDX-License-Identifier: BSD-3-Clause
//
// This program's own file: see self.h.
#include "config.h"

#include "base/base.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

char *self_path(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length < 0)
        return NULL;
    path[length] = 0;
    return strdup(path);
}

char *self_beside(const char *name)
{
    char *self = self_path(), *path = NULL;
    char *slash = self ? strrchr(self, '/') : NULL;
    if (!slash || asprintf(&path, "%.*s/%s", (int)(slash - self), self, name) < 0)
        path = NULL;
    free(self);
    if (path && access(path, X_OK) != 0) {
        free(path);
        path = NULL;
    }
    return path;
}

void self_fill_streams(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}
