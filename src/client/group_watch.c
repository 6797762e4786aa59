// SPDX-License-Identifier: BSD-3-Clause
//
// Groups of others: a line of text that names a group, and handles made from it. The runtime is asked once for
// each group; then it sends the group's reports and its end, and further handles find the run here.
#include "config.h"

#include "client/group.h"

#include <errno.h>
#include <inttypes.h>

static const char prefix[] = "dragon-group:";

char *descriptor_make(const struct dragon_runtime *runtime, uint64_t id)
{
    char *text;
    return asprintf(&text, "%s%s:%" PRIu64, prefix, runtime->name, id) < 0 ? NULL : text;
}

const char *dragon_group_descriptor(const dragon_group_t *group)
{
    return group->run && group->run->descriptor ? group->run->descriptor : "";
}

// Exactly what descriptor_make writes. *name_length_out: of the runtime's name, which begins behind the prefix.
static bool read_descriptor(const char *text, size_t *name_length_out, uint64_t *id_out)
{
    if (!text || strncmp(text, prefix, sizeof prefix - 1) != 0)
        return false;
    const char *name = text + sizeof prefix - 1, *colon = strrchr(name, ':');
    if (!colon || colon == name || colon[1] < '1' || colon[1] > '9' ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    errno = 0;
    unsigned long long id = strtoull(colon + 1, NULL, 10);
    if (errno != 0)
        return false;
    *name_length_out = (size_t)(colon - name);
    *id_out = id;
    return true;
}

static bool unpack_ranks(struct run *run, struct unpack *unpack)
{
    uint32_t count = unpack_u32(unpack), base;
    struct rank_state state;
    if (count > run->size)
        return false;
    for (uint32_t rank = 0; rank < count; rank++) {
        if (!rank_state_unpack(unpack, &state))
            return false;
        const struct plan *part = run_part_of(run, rank, &base);
        run->ranks[rank] = (struct known_rank){
            .status = status_of(&state, part ? plan_node(part, rank) : 0),
            .known = state.pid != 0 || state.ended || state.code >= 0,
            .up = state.pid != 0 && !state.ended,
        };
    }
    return true;
}

static bool unpack_run(struct run *run, struct unpack *unpack)
{
    struct watch_record record;
    if (!watch_record_unpack(unpack, &record))
        return false;
    run->state = record.state;
    run->pmi = record.pmi;
    for (uint32_t i = 0; i < record.parts; i++)
        if (!run_unpack_part(run, unpack))
            return false;
    if (!run_grow(run, record.size) || !unpack_ranks(run, unpack) || !unpack_done(unpack))
        return false;
    if (record.state == DRAGON_GROUP_ENDED) {
        run->done = true;
        run->exit_code = record.code;
        run->cause = strdup(record.cause);
    }
    return true;
}

// Also when it was given up: its reports come from now on.
static bool on_watched(struct request *request, struct unpack *unpack)
{
    uint64_t id = request->group;
    if (request->error.code != DRAGON_OK || run_find(request->runtime, id))
        return true;
    struct run *run = run_create(request->runtime);
    if (!run) {
        err_set(&request->error, DRAGON_ERR_NOMEM, "out of memory");
        return true;
    }
    if (unpack_run(run, unpack) && run_set_id(run, id))
        return true;
    run_destroy(run);
    return false;
}

static dragon_err_t watch(struct dragon_runtime *runtime, uint64_t id, dragon_error_t *error)
{
    struct request *request = request_create(runtime, on_watched);
    if (!request)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    dragon_err_t err = request_query(request, QUERY_WATCH, id, error);
    if (err == DRAGON_OK)
        err = request_wait(request, error);
    else
        request_destroy(request);
    if (err == DRAGON_ERR_NOT_FOUND)
        return err_set(error, err, "there is no such group any more");
    return err;
}

dragon_err_t dragon_group_attach(dragon_runtime_t *runtime, const char *descriptor,
                                 dragon_group_t **group_out, dragon_error_t *error)
{
    size_t name_length;
    uint64_t id;
    if (!read_descriptor(descriptor, &name_length, &id))
        return err_set(error, DRAGON_ERR_INVAL, "this is no descriptor of a group: %.100s",
                       descriptor ? descriptor : "NULL");
    if (name_length != strlen(runtime->name) ||
        memcmp(descriptor + sizeof prefix - 1, runtime->name, name_length) != 0)
        return err_set(error, DRAGON_ERR_NOT_FOUND, "the group belongs to another runtime: %.100s",
                       descriptor);
    dragon_err_t err = run_find(runtime, id) ? DRAGON_OK : watch(runtime, id, error);
    if (err != DRAGON_OK)
        return err;
    struct run *run = run_find(runtime, id);
    if (!run)
        return err_set(error, DRAGON_ERR_NOT_FOUND, "there is no such group any more");
    struct dragon_group *group = group_create(runtime);
    if (!group)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    group->attached = true;
    run_attach(run, group);
    *group_out = group;
    return DRAGON_OK;
}
