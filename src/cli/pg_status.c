// SPDX-License-Identifier: BSD-3-Clause
//
// The status file: how the group went, as JSON, in place at once and whole (a file beside it, which is then
// given its name).
#include "config.h"

#include "cli/pg.h"

#include "cli/json.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

char **pg_status_nodes(dragon_runtime_t *runtime)
{
    dragon_system_t *system;
    char **names = NULL;
    if (dragon_system_look(runtime, &system, NULL) != DRAGON_OK)
        return NULL;
    bool good = true;
    for (uint32_t i = 0; good && i < dragon_system_nodes(system); i++)
        good = strv_push(&names, dragon_system_node(system, i)->host);
    dragon_system_destroy(system);
    return names;
}

// ---- its content

static json_t *make_time(double seconds)
{
    char text[40];
    struct tm parts;
    time_t whole = (time_t)seconds;
    if (seconds <= 0 || !gmtime_r(&whole, &parts))
        return json_null();
    size_t used = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + used, sizeof text - used, ".%03dZ", (int)((seconds - (double)whole) * 1000));
    return json_string(text);
}

static json_t *make_rank(const dragon_group_t *group, uint32_t rank, char *const *nodes,
                         size_t node_count)
{
    dragon_rank_status_t status = {.exit_code = -1};
    dragon_rank_place_t place;
    dragon_err_t err = dragon_group_rank_status(group, rank, &status);
    bool placed = err == DRAGON_OK;
    if (!placed && dragon_group_rank_place(group, rank, &place) == DRAGON_OK) {
        status.node = place.node;
        placed = true;
    }
    json_t *node = placed ? json_integer(status.node) : json_null();
    json_t *host =
        placed && status.node < node_count ? json_string(nodes[status.node]) : json_null();
    json_t *pid = status.pid ? json_integer(status.pid) : json_null();
    json_t *code = status.ended ? json_integer(status.exit_code) : json_null();
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:I}", "rank", (json_int_t)rank, "node", node,
                     "host", host, "pid", pid, "exit_code", code, "restarts",
                     (json_int_t)status.restarts);
}

static json_t *make_ranks(const dragon_group_t *group, char *const *nodes)
{
    json_t *list = json_array();
    size_t node_count = strv_count(nodes);
    for (uint32_t rank = 0; list && group && rank < dragon_group_size(group); rank++) {
        if (json_array_append_new(list, make_rank(group, rank, nodes, node_count)) == 0)
            continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

static json_t *make_programs(const struct pg_command *command)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < command->count; i++)
        for (char **word = command->parts[i].program; word && *word; word++) {
            if (word == command->parts[i].program && i > 0)
                json_array_append_new(list, json_string(":"));
            json_array_append_new(list, json_of_text(*word));
        }
    return list;
}

static char *make_status(const struct pg_command *command, const dragon_group_t *group,
                         char *const *nodes, const struct pg_times *times, int exit_code,
                         const char *cause)
{
    uint64_t ran_ms = times->started_ms ? times->ended_ms - times->started_ms : 0;
    dragon_group_state_t state = group ? dragon_group_state(group) : DRAGON_GROUP_NEW;
    json_t *root = json_pack("{s:s, s:i, s:o, s:I, s:s, s:i, s:o, s:o, s:o, s:o, s:f}", "schema",
                             "dragon-pg-status", "version", 1, "program", make_programs(command),
                             "group", (json_int_t)(group ? dragon_group_id(group) : 0), "state",
                             dragon_group_state_name(state), "exit_code", exit_code, "cause",
                             json_of_text(cause), "ranks", make_ranks(group, nodes), "started",
                             make_time(times->started), "ended", make_time(times->ended), "seconds",
                             (double)ran_ms / 1000);
    char *text = root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(root);
    return text;
}

// ---- the file

static bool write_all(int fd, const char *text)
{
    size_t length = strlen(text);
    while (length > 0) {
        ssize_t put = write(fd, text, length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        text += put;
        length -= (size_t)put;
    }
    return write(fd, "\n", 1) == 1 && fsync(fd) == 0;
}

// mkstemp makes files that only we may read; this one is to be as any other.
static void open_to_others(int fd)
{
    mode_t mask = umask(0);
    umask(mask);
    if (fchmod(fd, 0666 & ~mask) != 0)
        log_debug("status_file mode %s", strerror(errno));
}

static bool replace(const char *name, const char *text)
{
    char *temporary = NULL;
    struct stat status;
    // A device, as /dev/stderr: it is written to, and stays.
    if (stat(name, &status) == 0 && !S_ISREG(status.st_mode)) {
        int fd = open(name, O_WRONLY | O_CLOEXEC);
        bool good = fd >= 0 && (write_all(fd, text) || errno == EINVAL || errno == EROFS);
        if (fd >= 0)
            close(fd);
        return good;
    }
    if (asprintf(&temporary, "%s.XXXXXX", name) < 0)
        return false;
    int fd = mkostemp(temporary, O_CLOEXEC);
    bool made = fd >= 0, good = made && write_all(fd, text);
    if (made)
        open_to_others(fd);
    good = made && close(fd) == 0 && good && rename(temporary, name) == 0;
    int why = errno;
    if (made && !good)
        unlink(temporary);
    free(temporary);
    errno = why;
    return good;
}

static bool tell_failure(const char *name)
{
    log_error("the status file %s cannot be written: %s", name, strerror(errno));
    return false;
}

bool pg_status_prepare(const char *name)
{
    struct stat status;
    const char *slash = strrchr(name, '/');
    if (stat(name, &status) == 0 && !S_ISREG(status.st_mode)) {
        errno = S_ISDIR(status.st_mode) ? EISDIR : errno;
        return (!S_ISDIR(status.st_mode) && access(name, W_OK) == 0) || tell_failure(name);
    }
    char *directory = slash ? strndup(name, (size_t)(slash - name) + 1) : strdup("./");
    bool good =
        directory && access(directory, W_OK | X_OK) == 0 && (unlink(name) == 0 || errno == ENOENT);
    int why = errno;
    free(directory);
    errno = why;
    return good || tell_failure(name);
}

bool pg_status_write(const struct pg_command *command, const dragon_group_t *group,
                     char *const *nodes, const struct pg_times *times, int exit_code,
                     const char *cause)
{
    errno = ENOMEM;
    char *text = make_status(command, group, nodes, times, exit_code, cause);
    bool good = text && replace(command->status_file, text);
    int why = errno;
    free(text);
    errno = why;
    return good || tell_failure(command->status_file);
}
