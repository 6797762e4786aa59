// SPDX-License-Identifier: BSD-3-Clause
//
// A node is lost and the runtime goes on. What ran there has ended, and is reported in its host's place; what was
// being prepared there fails; an MPI group that had ranks there is stopped, because the others would wait for these;
// who waits for room that can never be had any more is told; and its clients are gone.
#include "config.h"

#include "group/led.h"

#include <signal.h>

static bool has_node(const struct part *part, uint32_t node)
{
    return part->plan.size > 0 && node < part->plan.nodes && part->plan.count_on[node] > 0;
}

// False: it was the group's first part, and the group is gone with it.
static bool fail_prepared(struct led *led, uint32_t node, const char *why)
{
    char text[400];
    snprintf(text, sizeof text, "node %u (%s) was lost while ranks were started on it: %s", node,
             leader_node_name(led->leader, node), why);
    for (struct part *part = led->parts, *next; part; part = next) {
        bool first = part->number == 0;
        next = part->next;
        if (part->state != PART_PREPARING || !has_node(part, node))
            continue;
        if (first) {
            part_fail(part, DRAGON_ERR_PEER, 125, text);
            return false;
        }
        part_give_up(part, DRAGON_ERR_PEER, text);
    }
    return true;
}

static struct rank_report report_of(const struct led *led, uint32_t rank, uint32_t node)
{
    const struct rank_state *state = &led->ranks[rank].state;
    return (struct rank_report){.rank = rank,
                                .node = node,
                                .pid = state->pid,
                                .end = RANK_LOST,
                                .ours = led->state >= LED_STOPPING || state->removed,
                                .value = SIGKILL};
}

// How many ranks it had there. *stop: the group is to be stopped because of it.
static uint32_t end_ranks(struct led *led, uint32_t node, struct pack *reports, bool *stop)
{
    uint32_t count = 0;
    for (struct part *part = led->parts; part; part = part->next)
        for (uint32_t i = 0; has_node(part, node) && i < part->plan.size; i++) {
            uint32_t rank = part->plan.first_rank + i;
            if (plan_node(&part->plan, rank) != node || led->ranks[rank].state.ended)
                continue;
            struct rank_report report = report_of(led, rank, node);
            *stop = led_take_report(led, &report) || *stop;
            rank_report_pack(reports, &report);
            count++;
        }
    return count;
}

// It may be destroyed by this.
static void lose_ranks(struct led *led, uint32_t node, const char *why)
{
    struct pack reports = PACK_EMPTY;
    bool stop = led->pmi;
    if (!fail_prepared(led, node, why) || led->state < LED_RUNNING)
        return;
    pack_u64(&reports, led->group);
    uint32_t count = end_ranks(led, node, &reports, &stop);
    if (count > 0)
        led_to_clients(led, GC_REPORTS, &reports);
    pack_fini(&reports);
    if (count > 0 && stop)
        led_stop(led, FAILURE_GRACE_MS, "a node is lost");
    else
        led_check_over(led);
}

void leader_node_lost(struct leader *leader, uint32_t node, const char *why)
{
    char text[160];
    struct led *led, *next;
    ledger_lose(leader->ledger, node);
    HASH_ITER (hh, leader->groups, led, next)
        lose_ranks(led, node, why);
    snprintf(text, sizeof text, "its client is gone with node %u (%s), which is lost", node,
             leader_node_name(leader, node));
    leader_forget_client(leader, (struct asker){.session = ALL_SESSIONS, .node = node}, text);
    leader_refuse_impossible(leader);
}
