// SPDX-License-Identifier: BSD-3-Clause
//
// The life of channels as their users see it: made on the home node, found, left, ended. What is sent and received is
// in channel_data.c.
#include "config.h"

#include "client/channel.h"

#include <dragon/group.h>
#include <dragon/name.h>

// ---- making

// The node on which the first rank of this policy would be: a plan of one rank, of which nothing is started.
static dragon_err_t home_of(struct dragon_runtime *runtime, const dragon_policy_t *policy,
                            int *node_out, dragon_error_t *error)
{
    char *argv[] = {"channel", NULL};
    dragon_group_t *group = NULL;
    dragon_template_t *rank = NULL;
    dragon_rank_place_t place;
    dragon_err_t err = dragon_group_create(runtime, &group, error);
    if (err == DRAGON_OK)
        err = dragon_template_create(argv, &rank, error);
    if (err == DRAGON_OK && (err = dragon_group_set_policy(group, policy)) != DRAGON_OK)
        err_set(error, err, "out of memory");
    if (err == DRAGON_OK)
        err = dragon_group_add(group, rank, 1, error);
    if (err == DRAGON_OK)
        err = dragon_group_plan(group, error);
    if (err == DRAGON_OK && (err = dragon_group_rank_place(group, 0, &place)) != DRAGON_OK)
        err_set(error, err, "out of memory");
    if (err == DRAGON_OK)
        *node_out = (int)place.node;
    dragon_template_destroy(rank);
    dragon_group_destroy(group);
    return err;
}

static dragon_err_t read_spec(enum object_kind kind_of, const dragon_channel_spec_t *spec,
                              struct object_spec *spec_out, dragon_error_t *error)
{
    struct segment_kind kind;
    if (spec->capacity > DRAGON_CHANNEL_CAPACITY_MOST)
        return err_set(error, DRAGON_ERR_INVAL, "a channel has at most %d messages, not %u",
                       DRAGON_CHANNEL_CAPACITY_MOST, spec->capacity);
    if (spec->inline_bytes > DRAGON_CHANNEL_INLINE_MOST)
        return err_set(error, DRAGON_ERR_INVAL, "inline messages have at most %d bytes, not %u",
                       DRAGON_CHANNEL_INLINE_MOST, spec->inline_bytes);
    if (spec->policy && spec->node != DRAGON_HERE)
        return err_set(error, DRAGON_ERR_INVAL,
                       "the home is said twice, by a node and by a policy");
    dragon_err_t err = memory_kind(&spec->memory, &kind, error);
    if (err != DRAGON_OK)
        return err;
    *spec_out = (struct object_spec){
        .kind = (uint8_t)kind_of,
        .single = spec->single_receiver != 0,
        .owned = spec->owned ? OWNED_BY_MAKER : OWNED_NO,
        .huge = kind.huge,
        .numa = kind.numa,
        .capacity = spec->capacity ? spec->capacity : DRAGON_CHANNEL_CAPACITY,
        .inline_bytes = spec->inline_bytes ? spec->inline_bytes : DRAGON_CHANNEL_INLINE,
    };
    return DRAGON_OK;
}

static void begin_channel(struct dragon_channel *channel)
{
    if (channel->handle.object)
        local_channel_init(&channel->local, &channel->handle.shared->waiter,
                           (struct ring *)channel->handle.object);
}

dragon_err_t channel_create(struct dragon_runtime *runtime, int node,
                            const struct object_spec *spec, struct dragon_channel **channel_out,
                            dragon_error_t *error)
{
    struct dragon_channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    dragon_err_t err = handle_create(&channel->handle, runtime, node, spec, error);
    if (err != DRAGON_OK) {
        free(channel);
        return err;
    }
    begin_channel(channel);
    *channel_out = channel;
    return DRAGON_OK;
}

dragon_err_t channel_create_as(enum object_kind kind, struct dragon_runtime *runtime,
                               const dragon_channel_spec_t *spec,
                               struct dragon_channel **channel_out, dragon_error_t *error)
{
    static const dragon_channel_spec_t defaults = DRAGON_CHANNEL_SPEC_INIT;
    struct object_spec object;
    if (!spec)
        spec = &defaults;
    if (!runtime || !channel_out)
        return err_set(error, DRAGON_ERR_INVAL, "the runtime handle or the result is NULL");
    int node = spec->node;
    dragon_err_t err = read_spec(kind, spec, &object, error);
    if (err == DRAGON_OK && spec->policy)
        err = home_of(runtime, spec->policy, &node, error);
    return err == DRAGON_OK ? channel_create(runtime, node, &object, channel_out, error) : err;
}

dragon_err_t dragon_channel_create(dragon_runtime_t *runtime, const dragon_channel_spec_t *spec,
                                   dragon_channel_t **channel_out, dragon_error_t *error)
{
    return channel_create_as(OBJECT_CHANNEL, runtime, spec, channel_out, error);
}

// ---- finding

dragon_err_t channel_attach_as(enum object_kind kind, struct dragon_runtime *runtime,
                               const char *descriptor, struct dragon_channel **channel_out,
                               dragon_error_t *error)
{
    if (!channel_out)
        return err_set(error, DRAGON_ERR_INVAL, "there is nowhere to put the handle");
    struct dragon_channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    dragon_err_t err = handle_attach(&channel->handle, runtime, descriptor, kind, error);
    if (err != DRAGON_OK) {
        free(channel);
        return err;
    }
    begin_channel(channel);
    *channel_out = channel;
    return DRAGON_OK;
}

dragon_err_t dragon_channel_attach(dragon_runtime_t *runtime, const char *descriptor,
                                   dragon_channel_t **channel_out, dragon_error_t *error)
{
    return channel_attach_as(OBJECT_CHANNEL, runtime, descriptor, channel_out, error);
}

dragon_err_t dragon_channel_find(dragon_runtime_t *runtime, const char *name, int timeout_ms,
                                 dragon_channel_t **channel_out, dragon_error_t *error)
{
    char *descriptor;
    if (!channel_out)
        return err_set(error, DRAGON_ERR_INVAL, "there is nowhere to put the handle");
    dragon_err_t err = name_find_object(runtime, name, object_kind_names[OBJECT_CHANNEL],
                                        timeout_ms, &descriptor, error);
    if (err != DRAGON_OK)
        return err;
    err = dragon_channel_attach(runtime, descriptor, channel_out, error);
    free(descriptor);
    return err;
}

// ---- ends

// What this process has of it beside the handle.
static void let_go(struct dragon_channel *channel)
{
    members_forget(channel);
    if (channel->claim)
        claim_drop(channel);
}

dragon_err_t dragon_channel_detach(dragon_channel_t *channel)
{
    if (!channel)
        return DRAGON_OK;
    dragon_err_t err = channel_check(channel);
    if (err == DRAGON_OK) {
        let_go(channel);
        err = handle_leave(&channel->handle);
    }
    free(channel);
    return err;
}

dragon_err_t dragon_channel_close(dragon_channel_t *channel, dragon_error_t *error)
{
    if (!channel)
        return err_set(error, DRAGON_ERR_INVAL, "the channel is NULL");
    return handle_close(&channel->handle, error);
}

dragon_err_t dragon_channel_destroy(dragon_channel_t *channel, dragon_error_t *error)
{
    if (!channel)
        return DRAGON_OK;
    if (channel_check(channel) == DRAGON_OK)
        let_go(channel);
    dragon_err_t err = handle_end(&channel->handle, error);
    free(channel);
    return err;
}

// ---- query

const char *dragon_channel_descriptor(const dragon_channel_t *channel)
{
    return channel ? channel->handle.descriptor : "";
}

dragon_err_t dragon_channel_stats(dragon_channel_t *channel, dragon_channel_stats_t *stats_out,
                                  dragon_error_t *error)
{
    struct object_stat stat;
    if (!channel || !stats_out)
        return err_set(error, DRAGON_ERR_INVAL, "the channel or the result is NULL");
    dragon_err_t err = handle_stat(&channel->handle, &stat, error);
    if (err != DRAGON_OK)
        return err;
    *stats_out = (dragon_channel_stats_t){
        .node = channel->handle.node,
        .capacity = stat.spec.capacity,
        .inline_bytes = stat.spec.inline_bytes,
        .waiting = stat.waiting,
        .sent = stat.sent,
        .received = stat.received,
        .lost = stat.lost,
        .processes = stat.processes,
        .waiting_senders = stat.waiting_senders,
        .waiting_receivers = stat.waiting_receivers,
        .closed = stat.closed,
        .single_receiver = stat.spec.single != 0,
    };
    return DRAGON_OK;
}
