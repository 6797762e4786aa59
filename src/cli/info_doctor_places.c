// SPDX-License-Identifier: BSD-3-Clause
//
// The doctor on where a runtime keeps its files: the directory with its socket, shared memory, and what
// runtimes that were killed have left in both.
#include "config.h"

#include "cli/info_doctor_parts.h"
#include "cli/places.h"
#include "cli/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#define SHM "/dev/shm"

enum {
    LITTLE_SHM = 256 << 20,
    COMING_UP_S = 60, // a directory so young may be of a runtime whose agent is about to start
};

// ---- directories

// Makes a directory and removes it. False with errno.
static bool can_make_directory(const char *place)
{
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    int length = snprintf(path, sizeof path, "%s/dragon-doctor-XXXXXX", place);
    if (length + (int)sizeof "/" PLACES_SOCKET > (int)sizeof path) {
        errno = ENAMETOOLONG;
        return false;
    }
    return mkdtemp(path) && rmdir(path) == 0;
}

static void check_directory(struct doctor *doctor)
{
    const char *places[PLACES_LIMIT], *problem = "";
    size_t count = places_list(places);
    for (size_t i = 0; i < count; i++) {
        if (can_make_directory(places[i])) {
            doctor_fine(doctor, "directory", "%s is writable", places[i]);
            return;
        }
        problem = strerror(errno);
    }
    doctor_fail(doctor, "directory",
                "set TMPDIR to a short path that you may write, on a local file system",
                "no runtime can have its files in any of TMPDIR, XDG_RUNTIME_DIR and /tmp: %s",
                problem);
}

static void check_shm(struct doctor *doctor)
{
    struct statvfs info;
    char size[32], left[32];
    if (statvfs(SHM, &info) != 0 || !can_make_directory(SHM)) {
        doctor_warn(doctor, "shared memory", "mount a tmpfs there; until then files are used",
                    SHM " cannot be used: %s", strerror(errno));
        return;
    }
    uint64_t free_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    text_size((uint64_t)info.f_blocks * info.f_frsize, size, sizeof size);
    text_size(free_bytes, left, sizeof left);
    if (free_bytes >= LITTLE_SHM)
        doctor_fine(doctor, "shared memory", SHM " has %s, %s free", size, left);
    else
        doctor_warn(doctor, "shared memory",
                    "ranks on one host may run out of it; containers take --shm-size",
                    SHM " has %s, %s free", size, left);
}

// ---- left-overs

struct leftovers {
    char **paths; // owned: of this user, called as runtimes call theirs
    bool *used;   // owned
};

static bool answers(const char *directory)
{
    char *socket = NULL;
    if (asprintf(&socket, "%s/" PLACES_SOCKET, directory) < 0)
        return true; // what is not known to be dead is left alone
    bool good = places_try(socket) == 0;
    free(socket);
    return good;
}

static void collect(struct leftovers *leftovers, const char *place)
{
    struct dirent *entry;
    DIR *folder = opendir(place);
    while (folder && (entry = readdir(folder))) {
        struct stat info;
        if (!places_is_name(entry->d_name) ||
            fstatat(dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (places_is_ours(&info) && info.st_mtime + COMING_UP_S < time(NULL))
            strv_pushf(&leftovers->paths, "%s/%s", place, entry->d_name);
    }
    if (folder)
        closedir(folder);
}

// An agent's directories are its arguments.
static void mark_arguments(struct leftovers *leftovers, const char *pid)
{
    char path[300], text[4096];
    snprintf(path, sizeof path, "/proc/%s/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (length <= 0)
        return;
    text[length] = 0;
    for (const char *word = text; word < text + length; word += strlen(word) + 1)
        for (size_t i = 0; *word && leftovers->paths[i]; i++)
            if (strcmp(leftovers->paths[i], word) == 0)
                leftovers->used[i] = true;
}

static void mark_used(struct leftovers *leftovers)
{
    struct dirent *entry;
    DIR *folder = opendir("/proc");
    while (folder && (entry = readdir(folder)))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            mark_arguments(leftovers, entry->d_name);
    if (folder)
        closedir(folder);
    for (size_t i = 0; leftovers->paths[i]; i++)
        leftovers->used[i] = leftovers->used[i] || answers(leftovers->paths[i]);
}

static void say_leftovers(struct doctor *doctor, const struct leftovers *leftovers)
{
    const char *first = NULL;
    size_t count = 0;
    for (size_t i = 0; leftovers->paths && leftovers->paths[i]; i++) {
        if (leftovers->used[i])
            continue;
        if (count++ == 0)
            first = leftovers->paths[i];
    }
    if (count == 0)
        doctor_fine(doctor, "left-overs", "none of killed runtimes");
    else if (count == 1)
        doctor_warn(doctor, "left-overs", "remove it, unless a container uses it", "%s", first);
    else
        doctor_warn(doctor, "left-overs",
                    "remove those dragon-* that are no runtime's of a container",
                    "%s and %zu more in places of runtimes and " SHM, first, count - 1);
}

static void check_leftovers(struct doctor *doctor)
{
    struct leftovers leftovers = {0};
    const char *places[PLACES_LIMIT];
    size_t count = places_list(places);
    for (size_t i = 0; i < count; i++)
        collect(&leftovers, places[i]);
    collect(&leftovers, SHM);
    leftovers.used = calloc(strv_count(leftovers.paths) + 1, sizeof *leftovers.used);
    if (leftovers.paths && leftovers.used)
        mark_used(&leftovers);
    if (leftovers.used)
        say_leftovers(doctor, &leftovers);
    free(leftovers.used);
    strv_free(leftovers.paths);
}

void doctor_check_places(struct doctor *doctor)
{
    check_directory(doctor);
    check_shm(doctor);
    check_leftovers(doctor);
}
