// SPDX-License-Identifier: BSD-3-Clause
//
// Memory limits: see memory.h. A control group cannot be removed while a process in it has not quite gone, of
// which the kernel tells nobody; so it is tried again a few times.
#include "config.h"

#include "group/memory.h"

enum { AGAIN_MS = 20, TRIES = 250 };

struct leaving {
    struct leaving *next;
    char *path; // owned
    int tries;
};

struct memory {
    struct cgroup_place place; // empty: not looked for yet, or there is none
    struct leaving *leaving;   // owned
    struct loop_timer *again;
    uint64_t
        made; // each has a name of its own: one that is leaving is not taken for that of a new start
};

static void leaving_free(struct leaving *leaving)
{
    free(leaving->path);
    free(leaving);
}

static void on_again(void *arg)
{
    struct memory *memory = arg;
    for (struct leaving **at = &memory->leaving; *at;) {
        struct leaving *leaving = *at;
        bool gone = cgroup_remove(leaving->path);
        if (!gone && ++leaving->tries < TRIES) {
            at = &leaving->next;
            continue;
        }
        if (!gone)
            log_error("cannot remove the control group %s", leaving->path);
        *at = leaving->next;
        leaving_free(leaving);
    }
    if (memory->leaving)
        loop_timer_start(memory->again, AGAIN_MS);
}

struct memory *memory_create(struct loop *loop)
{
    struct memory *memory = calloc(1, sizeof *memory);
    if (!memory)
        return NULL;
    memory->again = loop_timer_create(loop, on_again, memory);
    if (!memory->again) {
        free(memory);
        return NULL;
    }
    return memory;
}

void memory_destroy(struct memory *memory)
{
    if (!memory)
        return;
    loop_timer_destroy(memory->again);
    while (memory->leaving) {
        struct leaving *leaving = memory->leaving;
        memory->leaving = leaving->next;
        cgroup_remove(leaving->path);
        leaving_free(leaving);
    }
    cgroup_place_fini(&memory->place);
    free(memory);
}

static dragon_err_t limit_named(struct memory *memory, const char *name, uint64_t limit_bytes,
                                char **path_out, dragon_error_t *error)
{
    dragon_err_t err = DRAGON_OK;
    if (!memory->place.directory)
        err = cgroup_place_find("", &memory->place, error);
    return err == DRAGON_OK ? cgroup_create(&memory->place, name, limit_bytes, path_out, error)
                            : err;
}

dragon_err_t memory_check(struct memory *memory, uint64_t limit_bytes, dragon_error_t *error)
{
    char *path;
    dragon_err_t err = limit_named(memory, "check", limit_bytes, &path, error);
    if (err == DRAGON_OK)
        memory_release(memory, path);
    return err;
}

dragon_err_t memory_limit(struct memory *memory, uint64_t group, uint32_t rank,
                          uint64_t limit_bytes, char **path_out, dragon_error_t *error)
{
    char name[80];
    snprintf(name, sizeof name, "%llu-%u-%llu", (unsigned long long)group, rank,
             (unsigned long long)++memory->made);
    return limit_named(memory, name, limit_bytes, path_out, error);
}

void memory_release(struct memory *memory, char *path)
{
    if (!path)
        return;
    struct leaving *leaving = cgroup_remove(path) ? NULL : calloc(1, sizeof *leaving);
    if (!leaving) { // gone, or left to the sweep
        free(path);
        return;
    }
    *leaving = (struct leaving){.next = memory->leaving, .path = path};
    memory->leaving = leaving;
    loop_timer_start(memory->again, AGAIN_MS);
}
