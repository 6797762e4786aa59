// SPDX-License-Identifier: BSD-3-Clause
//
// Which runtime a command means: the one that it was told, or the only one there is. What is not clear is said.
#include "config.h"

#include "cli/info_find.h"

#include "cli/places.h"

void found_say_dead(const struct found_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->entries[i].state == FOUND_DEAD)
            log_notice(
                "%s is left from a runtime whose dragon-run was killed; remove it with rm -r",
                list->entries[i].directory);
}

int found_say_none(const struct found_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->entries[i].state != FOUND_DEAD) {
            log_error("the runtime in %s: %s", list->entries[i].directory, list->entries[i].text);
            return INFO_EXIT_OURS;
        }
    const char *places[PLACES_LIMIT];
    char text[300];
    words_join(places, places_list(places), text, sizeof text);
    log_error("no runtime of this user runs on this host; start one with dragon-run, or name its "
              "directory with --runtime (looked in %s)",
              text);
    found_say_dead(list);
    return INFO_EXIT_NOTHING;
}

static int say_several(const struct found_list *list, const char *command)
{
    log_error("%zu runtimes of this user run on this host; say which one is meant:", list->up);
    for (size_t i = 0; i < list->count; i++) {
        const struct found *found = &list->entries[i];
        if (found->runtime)
            fprintf(stderr, "  %s --runtime %s    (%u %s)\n", command, found->directory,
                    dragon_runtime_nodes(found->runtime),
                    dragon_runtime_nodes(found->runtime) == 1 ? "node" : "nodes");
    }
    return INFO_EXIT_OURS;
}

static int find_runtime(const char *command, dragon_runtime_t **runtime_out)
{
    struct found_list list;
    int code = 0;
    if (!found_list_fill(&list, NULL)) {
        log_error("out of memory");
        code = INFO_EXIT_OURS;
    } else if (list.up == 0)
        code = found_say_none(&list);
    else if (list.up > 1)
        code = say_several(&list, command);
    for (size_t i = 0; code == 0 && i < list.count; i++)
        if (list.entries[i].runtime) {
            *runtime_out = list.entries[i].runtime;
            list.entries[i].runtime = NULL;
        }
    found_list_fini(&list);
    return code;
}

int found_attach(const char *path, const char *command, dragon_runtime_t **runtime_out)
{
    dragon_error_t error;
    if (!path)
        return find_runtime(command, runtime_out);
    char *socket = found_socket(path, &error);
    if (socket && dragon_runtime_attach_to(socket, runtime_out, &error) == DRAGON_OK) {
        free(socket);
        return 0;
    }
    log_error("%s", error.text);
    free(socket);
    return INFO_EXIT_OURS;
}
