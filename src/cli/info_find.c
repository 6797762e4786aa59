// SPDX-License-Identifier: BSD-3-Clause
//
// Finding the runtimes of this user on this host. Each leaves a directory in one of the places of places.h, with
// the socket of its agent; whether somebody answers there is tried. What is not ours alone is passed over:
// anybody may make things in /tmp.
#include "config.h"

#include "cli/info_find.h"

#include "cli/places.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const state_names[FOUND_STATES] = {
    [FOUND_UP] = "up",
    [FOUND_DEAD] = "dead",
    [FOUND_SILENT] = "silent",
    [FOUND_OTHER] = "other release",
};

const char *found_state_name(enum found_state state)
{
    return state_names[state];
}

static void found_fini(struct found *found)
{
    dragon_runtime_detach(found->runtime);
    free(found->directory);
    free(found->socket);
}

void found_list_fini(struct found_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        found_fini(&list->entries[i]);
    free(list->entries);
    *list = (struct found_list){0};
}

static bool has_socket(int directory, time_t *since_out)
{
    struct stat info;
    if (fstatat(directory, PLACES_SOCKET, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISSOCK(info.st_mode) || info.st_uid != geteuid())
        return false;
    *since_out = info.st_mtime;
    return true;
}

// A symbolic link is none.
static bool is_runtime(const char *path, time_t *since_out)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool good = fstat(fd, &info) == 0 && places_is_ours(&info) && has_socket(fd, since_out);
    close(fd);
    return good;
}

static void try_runtime(struct found *found)
{
    dragon_error_t error;
    // Any other difficulty is no proof: what is dead may be removed.
    if (places_try(found->socket) == ECONNREFUSED) {
        found->state = FOUND_DEAD;
        snprintf(found->text, sizeof found->text, "nobody listens there any more");
        return;
    }
    dragon_err_t err = dragon_runtime_attach_to(found->socket, &found->runtime, &error);
    if (err == DRAGON_OK)
        return;
    found->state = err == DRAGON_ERR_PROTO ? FOUND_OTHER : FOUND_SILENT;
    snprintf(found->text, sizeof found->text, "%s", error.text);
}

static bool found_init(struct found *found, const char *directory, time_t since)
{
    *found = (struct found){.since = since, .directory = strdup(directory)};
    if (!found->directory || asprintf(&found->socket, "%s/" PLACES_SOCKET, directory) < 0) {
        free(found->directory);
        return false;
    }
    try_runtime(found);
    return true;
}

// The entry of the same runtime, on another node of this host; NULL: there is none.
static struct found *find_same(struct found_list *list, const struct found *found)
{
    for (size_t i = 0; found->runtime && i < list->count; i++) {
        const dragon_runtime_t *other = list->entries[i].runtime;
        if (other &&
            strcmp(dragon_runtime_identity(other), dragon_runtime_identity(found->runtime)) == 0)
            return &list->entries[i];
    }
    return NULL;
}

static bool is_listed(const struct found_list *list, const char *directory)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->entries[i].directory, directory) == 0)
            return true;
    return false;
}

static bool add(struct found_list *list, const char *directory)
{
    struct found found;
    time_t since;
    // Links on the way to a place are fine, and it may be there twice by different names.
    char *path = is_runtime(directory, &since) ? realpath(directory, NULL) : NULL;
    if (!path || is_listed(list, path)) {
        free(path);
        return true;
    }
    bool good = found_init(&found, path, since);
    free(path);
    if (!good)
        return false;
    struct found *same = find_same(list, &found);
    if (same) {
        bool lower = dragon_runtime_node(found.runtime) < dragon_runtime_node(same->runtime);
        struct found other = lower ? *same : found;
        if (lower)
            *same = found;
        found_fini(&other);
        return true;
    }
    struct found *grown = realloc(list->entries, (list->count + 1) * sizeof *grown);
    if (!grown) {
        found_fini(&found);
        return false;
    }
    list->entries = grown;
    list->entries[list->count++] = found;
    list->up += found.state == FOUND_UP;
    return true;
}

static int is_candidate(const struct dirent *entry)
{
    return places_is_name(entry->d_name);
}

static bool add_place(struct found_list *list, const char *place)
{
    struct dirent **entries;
    int count = scandir(place, &entries, is_candidate, alphasort);
    bool good = count >= 0 || errno != ENOMEM; // a place that is not there has none
    for (int i = 0; i < count; i++) {
        char *path = NULL;
        if (good && asprintf(&path, "%s/%s", place, entries[i]->d_name) >= 0) {
            good = add(list, path);
            free(path);
        } else
            good = false;
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return good;
}

static bool add_named(struct found_list *list, const char *path)
{
    char *socket = found_socket(path, NULL);
    char *slash = socket ? strrchr(socket, '/') : NULL;
    bool good = true;
    if (slash) {
        *slash = 0;
        good = add(list, socket);
    }
    free(socket);
    return good;
}

bool found_list_fill(struct found_list *list, const char *path)
{
    const char *places[PLACES_LIMIT];
    size_t count = places_list(places);
    *list = (struct found_list){0};
    for (size_t i = 0; i < count; i++)
        if (!add_place(list, places[i]))
            return false;
    return !path || add_named(list, path);
}

char *found_socket(const char *path, dragon_error_t *error)
{
    struct stat info;
    char *real = realpath(path, NULL), *socket = NULL;
    bool good = real && stat(real, &info) == 0;
    if (good && S_ISDIR(info.st_mode))
        good = asprintf(&socket, "%s/" PLACES_SOCKET, real) >= 0 && stat(socket, &info) == 0;
    else if (good) {
        socket = real;
        real = NULL;
    }
    int problem = errno;
    free(real);
    if (good && S_ISSOCK(info.st_mode))
        return socket;
    free(socket);
    if (good)
        err_set(error, DRAGON_ERR_NOT_FOUND, "no runtime at %s: it is no socket", path);
    else if (problem == EACCES)
        err_set(error, DRAGON_ERR_NOT_FOUND, "the runtime at %s belongs to another user", path);
    else
        err_set_errno(error, problem, "no runtime at %s", path);
    return NULL;
}
