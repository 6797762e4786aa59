// SPDX-License-Identifier: BSD-3-Clause
//
// Parts: ranks that were asked for together, from the asking to the start.
//
//     part_place      plan; there is no room: wait in the queue, in the order of asking, or fail
//                     there is: the nodes prepare, which is the start exchange
//     leader_on_started  all nodes have said that they can: the ranks run
//     part_fail       they have not, or too late, or it is not wanted any more
//
// Who may share, or does not want to wait, is not held up by the queue.
#include "config.h"

#include "group/led.h"

#include <utlist.h>

static void on_part_step(void *arg);

struct part *part_create(struct led *led, struct asker asker, uint32_t request,
                         struct group_spec *spec)
{
    struct part *part = calloc(1, sizeof *part), **at = &led->parts;
    if (!part) {
        group_spec_fini(spec);
        return NULL;
    }
    *part = (struct part){.led = led, .asker = asker, .request = request, .spec = *spec};
    *spec = (struct group_spec){0};
    part->step = loop_timer_create(led->leader->options.loop, on_part_step, part);
    if (!part->step) {
        part_destroy(part);
        return NULL;
    }
    part->number = led->next_part++;
    while (*at)
        at = &(*at)->next;
    *at = part;
    return part;
}

static void leave_queue(struct part *part)
{
    struct leader *leader = part->led->leader;
    if (!part->queue_prev)
        return;
    DL_DELETE2(leader->queue, part, queue_prev, queue_next);
    part->queue_prev = part->queue_next = NULL;
    leader->queue_changes++;
    if (leader->queue)
        loop_later_add(leader->options.loop, &leader->again);
}

void part_destroy(struct part *part)
{
    if (!part)
        return;
    leave_queue(part);
    loop_timer_destroy(part->step);
    group_spec_fini(&part->spec);
    plan_fini(&part->plan);
    free(part);
}

// ---- answers

void part_answer(struct part *part, dragon_err_t err, int code, const char *text)
{
    struct pack body = PACK_EMPTY;
    pack_u32(&body, part->request);
    pack_u64(&body, part->led->group);
    pack_i32(&body, err);
    pack_i32(&body, code);
    pack_str(&body, text);
    if (err == DRAGON_OK)
        plan_pack(&body, &part->plan);
    leader_to_client(part->led->leader, part->asker, GC_STARTED, &body);
    loop_timer_stop(part->step);
    part->state = PART_RUNNING; // there is nothing more to answer
}

static void part_unlink(struct part *part)
{
    struct part **at = &part->led->parts;
    while (*at != part)
        at = &(*at)->next;
    *at = part->next;
}

// Ranks of an add that failed: gone when they have the last numbers, else numbers that were never used.
static void drop_ranks(struct part *part)
{
    struct led *led = part->led;
    uint32_t end = part->plan.first_rank + part->plan.size;
    for (uint32_t rank = part->plan.first_rank; rank < end; rank++) {
        led_give_rank(led, rank);
        led->ranks[rank].state.removed = true;
    }
    if (end == led->size)
        led->size = part->plan.first_rank;
    else
        led->over += part->plan.size;
}

static void order_end(const struct part *part)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, part->led->group);
    pack_u32(&body, part->number == 0 ? GROUP_ALL_PARTS : part->number);
    tree_send(part->led->leader->options.tree, TREE_EVERYBODY, GN_END, &body);
}

void part_give_up(struct part *part, dragon_err_t err, const char *text)
{
    bool ordered = part->state == PART_PREPARING;
    part_answer(part, err, 125, text);
    if (ordered)
        order_end(part);
    if (part->plan.size)
        drop_ranks(part);
    part_unlink(part);
    part_destroy(part);
}

void part_fail(struct part *part, dragon_err_t err, int code, const char *text)
{
    struct led *led = part->led;
    if (part->number > 0) {
        part_give_up(part, err, text);
        led_check_over(led);
        return;
    }
    bool ordered = part->state == PART_PREPARING;
    part_answer(part, err, code, text);
    if (ordered)
        order_end(part);
    led_fail(led, code, text);
}

static void on_part_step(void *arg)
{
    struct part *part = arg;
    struct leader *leader = part->led->leader;
    char text[700] = "these nodes did not get ready in time: ";
    size_t used = strlen(text);
    if (part->state == PART_QUEUED)
        snprintf(text, sizeof text, "there was no room for it in %g s: %s",
                 (double)part->spec.wait_ms / 1000, part->waits_for);
    else {
        struct exchange_key key = {
            .group = part->led->group, .what = EXCHANGE_START, .turn = part->number};
        exchange_missing(leader->exchanges, &key, text + used, sizeof text - used);
    }
    part_fail(part, DRAGON_ERR_TIMEOUT, 125, text);
}

// ---- the order to the nodes

static void order_slices(const struct part *part)
{
    struct tree *tree = part->led->leader->options.tree;
    for (uint32_t node = 0; node < part->plan.nodes; node++) {
        struct pack body = PACK_EMPTY;
        if (part->plan.count_on[node] == 0 || plan_slice_is_common(&part->plan, node))
            continue;
        pack_u64(&body, part->led->group);
        pack_u32(&body, part->number);
        plan_pack_slice(&body, &part->plan, node);
        tree_send(tree, node, GN_SLICE, &body);
    }
}

static void order_prepare(struct part *part)
{
    struct led *led = part->led;
    struct pack body = PACK_EMPTY;
    part->state = PART_PREPARING;
    if (led->state == LED_QUEUED)
        led_enter(led, LED_PREPARING, "it has room");
    order_slices(part);
    pack_u64(&body, led->group);
    pack_u32(&body, part->number);
    pack_u64(&body, led->owner.session);
    pack_u32(&body, led->owner.node);
    plan_pack_common(&body, &part->plan);
    group_spec_pack(&body, &part->spec);
    tree_send(led->leader->options.tree, TREE_EVERYBODY, GN_PREPARE, &body);
    if (led->discard) // its client went while it was queued, of which nodes without ranks know nothing
        led_order_discard(led);
    group_spec_fini(&part->spec);
    loop_timer_start(part->step, led->leader->options.start_timeout_ms);
}

static bool grow_ranks(struct led *led, const struct plan *plan)
{
    struct led_rank *ranks = realloc(led->ranks, ((size_t)led->size + plan->size) * sizeof *ranks);
    if (!ranks)
        return false;
    led->ranks = ranks;
    for (uint32_t i = 0; i < plan->size; i++)
        ranks[led->size + i] = (struct led_rank){.state.code = -1};
    led->size += plan->size;
    return true;
}

static bool can_be_sent(const struct plan *plan)
{
    struct pack body = PACK_EMPTY;
    plan_pack(&body, plan);
    bool good = !body.failed && body.length <= GROUP_PLAN_LIMIT;
    pack_fini(&body);
    return good;
}

// `possible`: it is known that there is room when nothing else runs.
static dragon_err_t make_plan(const struct group_spec *spec, uint32_t first_rank, bool possible,
                              struct ledger *ledger, struct plan *plan_out, dragon_error_t *error)
{
    struct plan_request request;
    struct plan_template *templates;
    if (!group_spec_request(spec, first_rank, &request, &templates))
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    request.possible = possible;
    dragon_err_t err = plan_make(&request, ledger, plan_out, error);
    free(templates);
    if (err == DRAGON_OK && !can_be_sent(plan_out)) {
        plan_give_all(plan_out, ledger);
        plan_fini(plan_out);
        err = err_set(error, DRAGON_ERR_TOO_BIG,
                      "its plan would take more than %d MiB; ask for fewer ranks at a time, or for "
                      "the same of all nodes",
                      GROUP_PLAN_LIMIT >> 20);
    }
    return err;
}

// ---- the queue

static void part_wait(struct part *part, const char *for_what)
{
    struct leader *leader = part->led->leader;
    struct pack body = PACK_EMPTY;
    bool queued = part->queue_prev != NULL; // the list's mark of those that are in it
    snprintf(part->waits_for, sizeof part->waits_for, "%s", for_what);
    if (queued)
        return; // told already
    DL_APPEND2(leader->queue, part, queue_prev, queue_next);
    loop_timer_start(part->step, part->spec.wait_ms);
    pack_u32(&body, part->request);
    pack_u64(&body, part->led->group);
    pack_str(&body, part->waits_for);
    leader_to_client(leader, part->asker, GC_QUEUED, &body);
}

static bool has_to_queue(const struct part *part)
{
    const struct leader *leader = part->led->leader;
    return part->spec.full == DRAGON_FULL_WAIT && leader->queue && leader->queue != part;
}

void part_place(struct part *part)
{
    struct led *led = part->led;
    dragon_error_t error;
    if (has_to_queue(part)) {
        part_wait(part, "groups that asked before it");
        return;
    }
    dragon_err_t err =
        make_plan(&part->spec, led->size, part->possible, led->leader->ledger, &part->plan, &error);
    if (err == DRAGON_ERR_FULL && part->spec.full == DRAGON_FULL_WAIT) {
        part->possible = true;
        part_wait(part, error.text);
        return;
    }
    if (err == DRAGON_OK && !grow_ranks(led, &part->plan)) {
        plan_give_all(&part->plan, led->leader->ledger);
        plan_fini(&part->plan);
        err = err_set(&error, DRAGON_ERR_NOMEM, "out of memory");
    }
    leave_queue(part);
    if (err == DRAGON_OK)
        order_prepare(part);
    else
        part_fail(part, err, 125, error.text);
}

// From the front on, until one has to wait for room; the others wait behind it.
void leader_look_at_queue(void *arg)
{
    struct leader *leader = arg;
    uint64_t before;
    do {
        before = leader->queue_changes;
        if (leader->queue)
            part_place(leader->queue);
    } while (leader->queue_changes != before);
}

// False, with the reason: there would be no room if nothing else ran.
static bool can_be(const struct part *part, struct ledger *empty, dragon_error_t *error)
{
    struct plan plan;
    dragon_err_t err = make_plan(&part->spec, part->led->size, false, empty, &plan, error);
    if (err != DRAGON_OK)
        return err == DRAGON_ERR_NOMEM; // it is tried again
    plan_give_all(&plan, empty);
    plan_fini(&plan);
    return true;
}

// After each that is refused from the front again: others may have gone with its group.
void leader_refuse_impossible(struct leader *leader)
{
    struct ledger *empty = leader->queue ? ledger_empty_copy(leader->ledger) : NULL;
    dragon_error_t error;
    struct part *part;
    DL_FOREACH2(leader->queue, part, queue_next)
    part->possible = false;
    for (part = empty ? leader->queue : NULL; part;) {
        part->possible = part->possible || can_be(part, empty, &error);
        if (part->possible) {
            part = part->queue_next;
            continue;
        }
        part_fail(part, DRAGON_ERR_INVAL, 125, error.text);
        part = leader->queue;
    }
    ledger_destroy(empty);
}

// ---- the plan alone

static void answer_plan(struct leader *leader, struct asker asker, uint32_t request,
                        dragon_err_t err, const char *text, const struct plan *plan)
{
    struct pack body = PACK_EMPTY;
    pack_u32(&body, request);
    pack_u64(&body, 0);
    pack_i32(&body, err);
    pack_i32(&body, err == DRAGON_OK ? 0 : 125);
    pack_str(&body, text);
    if (err == DRAGON_OK)
        plan_pack(&body, plan);
    leader_to_client(leader, asker, GC_STARTED, &body);
}

void leader_plan_only(struct leader *leader, struct asker asker, uint32_t request,
                      const struct group_spec *spec)
{
    dragon_error_t error;
    struct plan plan;
    dragon_err_t err = make_plan(spec, 0, false, leader->ledger, &plan, &error);
    answer_plan(leader, asker, request, err, err == DRAGON_OK ? "" : error.text, &plan);
    if (err != DRAGON_OK)
        return;
    plan_give_all(&plan, leader->ledger);
    plan_fini(&plan);
}
