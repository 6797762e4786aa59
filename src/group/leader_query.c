// SPDX-License-Identifier: BSD-3-Clause
//
// What the leader tells of groups and nodes to those who ask: a group to watch, or a picture of everything.
#include "config.h"

#include "group/led.h"

static void answer(struct leader *leader, struct asker asker, uint32_t request, dragon_err_t err,
                   struct pack *inner)
{
    struct pack body = PACK_EMPTY;
    if (inner->failed)
        err = DRAGON_ERR_NOMEM;
    else if (inner->length > GROUP_ANSWER_LIMIT)
        err = DRAGON_ERR_TOO_BIG;
    pack_u32(&body, request);
    pack_i32(&body, err);
    if (err == DRAGON_OK)
        pack_raw(&body, inner->data, inner->length);
    pack_fini(inner);
    leader_to_client(leader, asker, GC_ANSWER, &body);
}

static uint8_t public_state(const struct led *led)
{
    static const uint8_t states[LED_STATES] = {DRAGON_GROUP_QUEUED, DRAGON_GROUP_STARTING,
                                               DRAGON_GROUP_RUNNING, DRAGON_GROUP_STOPPING,
                                               DRAGON_GROUP_STOPPING};
    return states[led->state];
}

static uint32_t count_parts(const struct led *led)
{
    uint32_t count = 0;
    for (const struct part *part = led->parts; part; part = part->next)
        count += part->plan.size > 0;
    return count;
}

// The plans of the parts that have one, and the states of the ranks.
static void pack_ranks(struct pack *body, const struct led *led)
{
    for (const struct part *part = led->parts; part; part = part->next)
        if (part->plan.size)
            plan_pack(body, &part->plan);
    pack_u32(body, led->size);
    for (uint32_t i = 0; i < led->size; i++)
        rank_state_pack(body, &led->ranks[i].state);
}

// ---- one group

static bool add_watcher(struct led *led, struct asker asker)
{
    if (!led->orphan && same_asker(led->owner, asker))
        return true; // it is told everything already
    for (size_t i = 0; i < led->watcher_count; i++)
        if (same_asker(led->watchers[i], asker))
            return true;
    struct asker *grown = realloc(led->watchers, (led->watcher_count + 1) * sizeof *grown);
    if (!grown)
        return false;
    led->watchers = grown;
    led->watchers[led->watcher_count++] = asker;
    return true;
}

static const struct ended *find_ended(const struct leader *leader, uint64_t group)
{
    for (size_t i = 0; i < ENDED_KEPT && i < leader->ended_count; i++)
        if (leader->ended[i].group == group)
            return &leader->ended[i];
    return NULL;
}

static void answer_watch(struct leader *leader, struct asker asker, uint32_t request,
                         uint64_t group)
{
    struct led *led = led_find(leader, group);
    const struct ended *ended = led ? NULL : find_ended(leader, group);
    struct pack body = PACK_EMPTY;
    dragon_err_t err = DRAGON_OK;
    if (led && !add_watcher(led, asker))
        err = DRAGON_ERR_NOMEM;
    else if (led) {
        struct watch_record record = {.state = public_state(led),
                                      .pmi = led->pmi,
                                      .code = -1,
                                      .cause = "",
                                      .size = led->size,
                                      .parts = count_parts(led)};
        watch_record_pack(&body, &record);
        pack_ranks(&body, led);
    } else if (ended) {
        struct watch_record record = {.state = DRAGON_GROUP_ENDED,
                                      .pmi = ended->pmi,
                                      .code = ended->code,
                                      .cause = ended->cause,
                                      .size = ended->size};
        watch_record_pack(&body, &record);
        pack_u32(&body, 0);
    } else
        err = DRAGON_ERR_NOT_FOUND;
    answer(leader, asker, request, err, &body);
}

// ---- everything

static uint32_t count_running(const struct led *led)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < led->size; i++)
        count += led->ranks[i].state.pid > 0 && !led->ranks[i].state.ended;
    return count;
}

// How many it has, or how many it has asked for if it said so.
static uint32_t count_ranks(const struct led *led)
{
    uint64_t count = 0;
    if (led->state != LED_QUEUED)
        return led->size;
    const struct group_spec *spec = &led->parts->spec;
    for (uint32_t i = 0; i < spec->template_count; i++) {
        if (spec->templates[i].ranks == 0)
            return 0;
        count += spec->templates[i].ranks;
    }
    return count > PLAN_RANK_LIMIT ? 0 : (uint32_t)count;
}

static void pack_group(struct pack *body, const struct led *led)
{
    const char *waits_for = led->state == LED_QUEUED ? led->parts->waits_for : "";
    struct group_record record = {.id = led->group,
                                  .age_ms = time_now_ms() - led->began_ms,
                                  .name = led->name,
                                  .waits_for = waits_for,
                                  .state = public_state(led),
                                  .pmi = led->pmi,
                                  .detached = led->detached,
                                  .size = count_ranks(led),
                                  .running = count_running(led),
                                  .owner_node = led->owner.node,
                                  .owner_pid = led->owner_pid,
                                  .parts = count_parts(led)};
    group_record_pack(body, &record);
    pack_ranks(body, led);
}

static void answer_system(struct leader *leader, struct asker asker, uint32_t request)
{
    struct pack body = PACK_EMPTY;
    if (!leader_is_up(leader)) {
        answer(leader, asker, request, DRAGON_ERR_AGAIN, &body);
        return;
    }
    pack_u32(&body, leader->ledger->count);
    for (uint32_t i = 0; i < leader->ledger->count; i++)
        node_record_pack(&body, leader->ledger, i);
    pack_u32(&body, HASH_COUNT(leader->groups));
    // The table keeps the order of its entries' coming.
    for (const struct led *led = leader->groups; led; led = led->hh.next)
        pack_group(&body, led);
    answer(leader, asker, request, DRAGON_OK, &body);
}

bool leader_on_query(struct leader *leader, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    struct asker asker = {.session = unpack_u64(&unpack), .node = message->source};
    uint32_t request = unpack_u32(&unpack);
    uint8_t query = unpack_u8(&unpack);
    uint64_t group = unpack_u64(&unpack);
    if (!unpack_done(&unpack) || query >= GROUP_QUERIES)
        return false;
    if (query == QUERY_WATCH)
        answer_watch(leader, asker, request, group);
    else
        answer_system(leader, asker, request);
    return true;
}
