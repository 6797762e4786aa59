// SPDX-License-Identifier: BSD-3-Clause
//
// Control groups: see cgroup.h. Where this process is in the hierarchy comes from /proc/self/cgroup, where the
// hierarchy is mounted from /proc/self/mountinfo.
#include "config.h"

#include "proc/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = 4096, FILE_ROOM = 4096 };

// ---- small files

// The path is made of two parts; false with errno.
static bool file_write(const char *directory, const char *name, const char *text)
{
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = (ssize_t)strlen(text);
    bool written = write(fd, text, (size_t)length) == length;
    int problem = errno;
    close(fd);
    errno = problem;
    return written;
}

// "" when it cannot be read.
static void file_read(const char *directory, const char *name, char text[FILE_ROOM])
{
    char path[PATH_ROOM];
    size_t used = 0;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (ssize_t got; fd >= 0 && (got = read(fd, text + used, FILE_ROOM - 1 - used)) > 0 &&
                      used < FILE_ROOM - 1;)
        used += (size_t)got;
    text[used] = 0;
    if (fd >= 0)
        close(fd);
}

// Among words that are separated by `separators`.
static bool has_word(const char *text, const char *word, const char *separators)
{
    size_t length = strlen(word);
    for (const char *at = text; *at; at += strcspn(at, separators), at += strspn(at, separators))
        if (strcspn(at, separators) == length && strncmp(at, word, length) == 0)
            return true;
    return false;
}

// ---- where

struct mount {
    char *root, *point; // owned: which part of the hierarchy is where
    int version;
};

static void mount_fini(struct mount *mount)
{
    free(mount->root);
    free(mount->point);
    *mount = (struct mount){0};
}

// One line of mountinfo: "35 31 0:32 <root> <point> rw - cgroup cgroup rw,memory". Takes version 1 when it has
// memory, and version 2 when no such version 1 was seen.
static void mount_look(struct mount *found, char *line)
{
    char *fields[5], *rest = strstr(line, " - "), *save = NULL;
    if (!rest)
        return;
    *rest = 0;
    rest += 3;
    int version = strncmp(rest, "cgroup ", 7) == 0 ? 1 : strncmp(rest, "cgroup2 ", 8) == 0 ? 2 : 0;
    rest[strcspn(rest, "\n")] = 0;
    const char *options = strrchr(rest, ' ');
    if (version == 0 || found->version == 1 ||
        (version == 1 && !has_word(options ? options + 1 : "", "memory", ",")))
        return;
    for (int i = 0; i < 5; i++)
        if (!(fields[i] = strtok_r(i ? NULL : line, " ", &save)))
            return;
    mount_fini(found);
    *found =
        (struct mount){.root = strdup(fields[3]), .point = strdup(fields[4]), .version = version};
}

static FILE *open_self(const char *root, const char *name)
{
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "%s/proc/self/%s", root, name);
    return fopen(path, "re");
}

static bool mount_find(const char *root, struct mount *mount_out)
{
    struct mount mount = {0};
    char *line = NULL;
    size_t room = 0;
    FILE *file = open_self(root, "mountinfo");
    while (file && getline(&line, &room, file) > 0)
        mount_look(&mount, line);
    if (file)
        fclose(file);
    free(line);
    if (mount.root && mount.point) {
        *mount_out = mount;
        return true;
    }
    mount_fini(&mount);
    return false;
}

// Our path in that hierarchy, from lines "4:memory:/path" or "0::/path". The caller frees.
static char *own_path(const char *root, int version)
{
    char *line = NULL, *path = NULL;
    size_t room = 0;
    FILE *file = open_self(root, "cgroup");
    while (file && !path && getline(&line, &room, file) > 0) {
        char *controllers = strchr(line, ':');
        char *at = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!at)
            continue;
        *at++ = 0;
        at[strcspn(at, "\n")] = 0;
        if (version == 2 ? strcmp(line, "0:") == 0 : has_word(controllers + 1, "memory", ","))
            path = strdup(at);
    }
    if (file)
        fclose(file);
    free(line);
    return path;
}

// The directory of our own group. A container may see only a part of the hierarchy, and paths of the whole
// one; then the part's top is as near as we get.
static char *own_directory(const char *root, const struct mount *mount)
{
    char *path = own_path(root, mount->version), *directory = NULL;
    struct stat info;
    if (!path)
        return NULL;
    const char *below = path;
    size_t length = strlen(mount->root);
    if (strcmp(mount->root, "/") != 0 && strncmp(path, mount->root, length) == 0 &&
        strchr("/", path[length])) // the zero is in it too
        below = path + length;
    const char *slash = strcmp(below, "/") == 0 ? "" : below;
    if (asprintf(&directory, "%s%s%s", root, mount->point, slash) < 0)
        directory = NULL;
    if (directory && stat(directory, &info) != 0) {
        free(directory);
        if (asprintf(&directory, "%s%s", root, mount->point) < 0)
            directory = NULL;
    }
    free(path);
    return directory;
}

static bool passes_memory(const char *directory)
{
    char text[FILE_ROOM];
    file_read(directory, "cgroup.subtree_control", text);
    if (has_word(text, "memory", " \n"))
        return true;
    file_read(directory, "cgroup.controllers", text);
    return has_word(text, "memory", " \n") &&
           file_write(directory, "cgroup.subtree_control", "+memory");
}

// Version 2: our own group, if it may have limited ones below it, which it may not while it has processes,
// unless it is the top of all; else the one above, where the new ones are beside ours.
static dragon_err_t find_version_2(const char *point, char **directory, dragon_error_t *error)
{
    char text[FILE_ROOM], *slash = strrchr(*directory, '/');
    file_read(*directory, "cgroup.controllers", text);
    if (!has_word(text, "memory", " \n"))
        return err_set(error, DRAGON_ERR_UNSUPPORTED,
                       "the control group %s was not given the memory controller", *directory);
    if (passes_memory(*directory))
        return DRAGON_OK;
    int problem = errno;
    if (strlen(*directory) > strlen(point)) {
        *slash = 0;
        if (passes_memory(*directory) && access(*directory, W_OK) == 0)
            return DRAGON_OK;
        *slash = '/';
    }
    return err_set(
        error, DRAGON_ERR_UNSUPPORTED,
        "no control groups can be made below or beside %s (%s); start the runtime in a "
        "group that is delegated to this user, with systemd-run --user --scope for instance",
        *directory, strerror(problem));
}

dragon_err_t cgroup_place_find(const char *root, struct cgroup_place *place_out,
                               dragon_error_t *error)
{
    struct mount mount;
    if (!mount_find(root, &mount))
        return err_set(error, DRAGON_ERR_UNSUPPORTED, "no memory control groups are mounted");
    struct cgroup_place place = {.version = mount.version,
                                 .directory = own_directory(root, &mount)};
    char *point = NULL;
    dragon_err_t err = DRAGON_OK;
    if (asprintf(&point, "%s%s", root, mount.point) < 0)
        point = NULL;
    if (!place.directory || !point)
        err = err_set(error, DRAGON_ERR_UNSUPPORTED,
                      "/proc/self/cgroup does not say in which control group this process is");
    else if (mount.version == 2)
        err = find_version_2(point, &place.directory, error);
    free(point);
    mount_fini(&mount);
    if (err != DRAGON_OK)
        cgroup_place_fini(&place);
    else
        *place_out = place;
    return err;
}

void cgroup_place_fini(struct cgroup_place *place)
{
    free(place->directory);
    *place = (struct cgroup_place){0};
}

// ---- one group

static bool set_limit(const char *path, int version, uint64_t limit_bytes)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)limit_bytes);
    if (version == 1) {
        if (!file_write(path, "memory.limit_in_bytes", text))
            return false;
        file_write(path, "memory.memsw.limit_in_bytes", text); // not there when swap is not counted
        return true;
    }
    if (!file_write(path, "memory.max", text))
        return false;
    file_write(path, "memory.swap.max", "0");
    file_write(path, "memory.oom.group", "1"); // a rank without one of its processes is no rank
    return true;
}

dragon_err_t cgroup_create(const struct cgroup_place *place, const char *name, uint64_t limit_bytes,
                           char **path_out, dragon_error_t *error)
{
    char *path = NULL;
    if (asprintf(&path, "%s/dragon-%d-%s", place->directory, (int)getpid(), name) < 0)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    // One of that name was left by an agent that had our number.
    if (mkdir(path, 0755) != 0 && (errno != EEXIST || !cgroup_remove(path) || mkdir(path, 0755))) {
        int problem = errno;
        free(path);
        return err_set(error, DRAGON_ERR_UNSUPPORTED, "a control group cannot be made in %s: %s",
                       place->directory, strerror(problem));
    }
    if (set_limit(path, place->version, limit_bytes)) {
        *path_out = path;
        return DRAGON_OK;
    }
    int problem = errno;
    rmdir(path);
    free(path);
    return err_set(error, DRAGON_ERR_UNSUPPORTED,
                   "the control group made in %s takes no limit of %llu bytes: %s",
                   place->directory, (unsigned long long)limit_bytes, strerror(problem));
}

char *cgroup_procs(const char *path)
{
    char *procs = NULL;
    return asprintf(&procs, "%s/cgroup.procs", path) < 0 ? NULL : procs;
}

bool cgroup_ran_out(const char *path)
{
    static const char *const files[] = {"memory.oom_control", "memory.events"};
    char text[FILE_ROOM];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        file_read(path, files[i], text);
        const char *at = strstr(text, "oom_kill ");
        if (at && strtoull(at + strlen("oom_kill "), NULL, 10) > 0)
            return true;
    }
    return false;
}

static void kill_all(const char *path)
{
    char name[PATH_ROOM];
    snprintf(name, sizeof name, "%s/cgroup.procs", path);
    FILE *file = fopen(name, "re");
    for (int pid; file && fscanf(file, "%d", &pid) == 1;)
        if (pid > 0 && pid != getpid())
            kill(pid, SIGKILL);
    if (file)
        fclose(file);
}

bool cgroup_remove(const char *path)
{
    if (rmdir(path) == 0 || errno == ENOENT)
        return true;
    kill_all(path);
    return rmdir(path) == 0 || errno == ENOENT;
}

static bool sweep_once(const char *directory, const char *prefix)
{
    bool clean = true;
    DIR *groups = opendir(directory);
    for (struct dirent *entry; groups && (entry = readdir(groups));) {
        char path[PATH_ROOM];
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        clean = cgroup_remove(path) && clean;
    }
    if (groups)
        closedir(groups);
    return clean;
}

// Wherever cgroup_place_find may have said, without changing anything.
static bool sweep_places(char *directory, int version, const char *prefix)
{
    bool clean = sweep_once(directory, prefix);
    char *slash = strrchr(directory, '/');
    if (version == 1 || !slash)
        return clean;
    *slash = 0;
    clean = sweep_once(directory, prefix) && clean;
    *slash = '/';
    return clean;
}

bool cgroup_sweep(pid_t maker, uint64_t deadline_ms)
{
    struct mount mount;
    char prefix[40];
    if (!mount_find("", &mount))
        return true; // then there are none
    char *directory = own_directory("", &mount);
    bool clean = true;
    snprintf(prefix, sizeof prefix, "dragon-%d-", (int)maker);
    while (directory && !(clean = sweep_places(directory, mount.version, prefix)) &&
           time_left_ms(deadline_ms) > 0)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL); // the kernel tells nobody
    free(directory);
    mount_fini(&mount);
    return clean;
}
