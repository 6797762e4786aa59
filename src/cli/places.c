// SPDX-License-Identifier: BSD-3-Clause
//
// The places of runtimes' directories: see places.h. Batch systems give each job a TMPDIR that goes with the
// job; XDG_RUNTIME_DIR is the user's alone, but often small, and missing in batch jobs.
#include "config.h"

#include "cli/places.h"

#include "base/base.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

size_t places_list(const char *places_out[PLACES_LIMIT])
{
    const char *candidates[PLACES_LIMIT] = {getenv("TMPDIR"), getenv("XDG_RUNTIME_DIR"), "/tmp"};
    size_t count = 0;
    for (size_t i = 0; i < PLACES_LIMIT; i++) {
        bool twice = false;
        for (size_t k = 0; candidates[i] && k < count; k++)
            twice = twice || strcmp(places_out[k], candidates[i]) == 0;
        if (candidates[i] && candidates[i][0] == '/' && !twice)
            places_out[count++] = candidates[i];
    }
    return count;
}

bool places_is_name(const char *name)
{
    static const size_t length = sizeof PLACES_PREFIX - 1;
    return strncmp(name, PLACES_PREFIX, length) == 0 && strlen(name) == length + PLACES_LETTERS;
}

bool places_is_ours(const struct stat *info)
{
    return S_ISDIR(info->st_mode) && info->st_uid == geteuid() && (info->st_mode & 07777) == 0700;
}

int places_try(const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof address.sun_path)
        return ENAMETOOLONG;
    memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int problem =
        fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
    if (fd >= 0)
        close(fd);
    return problem == EAGAIN ? 0 : problem; // more wait for it than it has room for
}
