// SPDX-License-Identifier: BSD-3-Clause
//
// Functions by name: those that the worker's program gave, and "plugin.so:name". A shared object stays loaded until the
// process ends. Why there is no function of a name is kept for the tasks that ask for it.
#include "config.h"

#include "pool/work.h"

#include <dlfcn.h>

enum { NAMED_MOST = 1 << 20 };

static dragon_task_fn find_own(const struct worker *worker, const char *name, char **why_out)
{
    char place[128];
    for (const dragon_function_t *at = worker->functions; at && at->name; at++)
        if (strcmp(at->name, name) == 0)
            return at->run;
    if (asprintf(why_out, "the workers' program has no function \"%s\" (on %s)", name,
                 work_place(worker, place, sizeof place)) < 0)
        *why_out = NULL;
    return NULL;
}

static dragon_task_fn find_in(const struct worker *worker, const char *path, const char *name,
                              char **why_out)
{
    char place[128];
    dragon_task_fn run = NULL;
    dlerror();
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library)
        *(void **)&run = dlsym(library, name);
    if (run)
        return run;
    const char *words = dlerror();
    if (asprintf(why_out, "%s: %s", work_place(worker, place, sizeof place),
                 words ? words : "the function is NULL") < 0)
        *why_out = NULL;
    return NULL;
}

dragon_task_fn work_find(const struct worker *worker, const char *name, char **why_out)
{
    const char *colon = strrchr(name, ':');
    if (!colon)
        return find_own(worker, name, why_out);
    char *path = strndup(name, (size_t)(colon - name));
    *why_out = NULL;
    dragon_task_fn run = path ? find_in(worker, path, colon + 1, why_out) : NULL;
    free(path);
    return run;
}

// Room for this number; those between have not been told.
static struct named *named_room(struct worker *worker, uint32_t number)
{
    uint32_t count = worker->named_count;
    if (number < count)
        return &worker->named[number];
    struct named *more = realloc(worker->named, ((size_t)number + 1) * sizeof *more);
    if (!more)
        return NULL;
    memset(more + count, 0, (number + 1 - count) * sizeof *more);
    worker->named = more;
    worker->named_count = number + 1;
    return &more[number];
}

dragon_err_t work_name(struct worker *worker, const struct received *received)
{
    const struct pool_function *head = (const void *)received->data;
    if (received->bytes < sizeof *head || received->bytes - sizeof *head != head->name_bytes ||
        head->function < POOL_FUNCTION_FIRST || head->function > NAMED_MOST)
        return DRAGON_ERR_PROTO;
    struct named *named = named_room(worker, head->function - POOL_FUNCTION_FIRST);
    char *name = strndup((const char *)(head + 1), head->name_bytes);
    if (!named || !name) {
        free(name);
        return DRAGON_ERR_NOMEM;
    }
    free(named->why);
    *named = (struct named){.told = true};
    named->run = work_find(worker, name, &named->why);
    free(name);
    return DRAGON_OK;
}

void work_names_fini(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->named_count; i++)
        free(worker->named[i].why);
    free(worker->named);
    worker->named = NULL;
    worker->named_count = 0;
}
