// SPDX-License-Identifier: BSD-3-Clause
//
// The life of one group at the leader: see led.h. How it is stopped: TERM now, KILL after the grace time; a
// node reports who survives even that.
#include "config.h"

#include "group/led.h"

#include <signal.h>

static const char *const state_names[LED_STATES] = {"queued", "preparing", "running", "stopping",
                                                    "killing"};

static void on_led_step(void *arg);
static void on_led_limit(void *arg);
static void on_led_warning(void *arg);

struct led *led_create(struct leader *leader, const struct group_spec *spec, struct asker owner,
                       int32_t owner_pid)
{
    struct led *led = calloc(1, sizeof *led);
    if (!led)
        return NULL;
    *led = (struct led){
        .leader = leader,
        .group = leader->next_group++,
        .name = strdup(spec->name),
        .owner = owner,
        .owner_pid = owner_pid,
        .began_ms = time_now_ms(),
        .pmi = spec->pmi,
        .detached = spec->detached,
        .failure = spec->failure,
        .restart = spec->restart,
        .restart_most = spec->restart_most,
        .backoff_ms = spec->backoff_ms ? spec->backoff_ms : 100,
        .grace_ms = spec->grace_ms,
        .warn_signal = spec->warn_signal,
        .warn_ms = spec->warn_ms,
        .limit_ms = spec->limit_ms,
        .blamed = -1,
    };
    HASH_ADD(hh, leader->groups, group, sizeof led->group, led);
    led->step = loop_timer_create(leader->options.loop, on_led_step, led);
    led->limit = loop_timer_create(leader->options.loop, on_led_limit, led);
    led->warning = loop_timer_create(leader->options.loop, on_led_warning, led);
    if (led->name && led->step && led->limit && led->warning)
        return led;
    led_destroy(led);
    return NULL;
}

void led_destroy(struct led *led)
{
    HASH_DEL(led->leader->groups, led);
    for (uint32_t rank = 0; rank < led->size; rank++)
        led_give_rank(led, rank);
    while (led->parts) {
        struct part *next = led->parts->next;
        part_destroy(led->parts);
        led->parts = next;
    }
    loop_timer_destroy(led->step);
    loop_timer_destroy(led->limit);
    loop_timer_destroy(led->warning);
    led_drop_lines(led);
    free(led->ranks);
    free(led->watchers);
    free(led->name);
    free(led);
}

struct led *led_find(struct leader *leader, uint64_t group)
{
    struct led *led;
    HASH_FIND(hh, leader->groups, &group, sizeof group, led);
    return led;
}

void led_enter(struct led *led, enum led_state state, const char *why)
{
    log_debug("group %llu: %s: %s -> %s", (unsigned long long)led->group, why,
              state_names[led->state], state_names[state]);
    led->state = state;
}

// ---- telling

void led_to_clients(struct led *led, uint16_t type, const struct pack *body)
{
    struct pack copy = PACK_EMPTY;
    if (!led->orphan) {
        pack_raw(&copy, body->data, body->length);
        leader_to_client(led->leader, led->owner, type, &copy);
    }
    for (size_t i = 0; i < led->watcher_count; i++) {
        pack_raw(&copy, body->data, body->length);
        leader_to_client(led->leader, led->watchers[i], type, &copy);
    }
}

void led_order_signal(struct led *led, int32_t rank, int signal, enum signal_why why)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, led->group);
    pack_i32(&body, rank);
    pack_u32(&body, (uint32_t)signal);
    pack_u8(&body, why);
    tree_send(led->leader->options.tree, TREE_EVERYBODY, GN_SIGNAL, &body);
}

void led_order_discard(const struct led *led)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, led->group);
    tree_send(led->leader->options.tree, TREE_EVERYBODY, GN_DISCARD, &body);
}

void led_discard(struct led *led)
{
    if (led->discard)
        return;
    led->discard = true;
    led_order_discard(led);
}

static struct part *part_of_rank(const struct led *led, uint32_t rank)
{
    struct part *part = led->parts;
    while (part && !(part->plan.size && plan_has(&part->plan, rank)))
        part = part->next;
    return part;
}

bool led_is_started(const struct led *led, uint32_t rank)
{
    const struct part *part = part_of_rank(led, rank);
    return part && part->state == PART_RUNNING;
}

void led_order_rank(struct led *led, uint32_t rank, enum rank_order order, uint32_t ms)
{
    struct part *part = part_of_rank(led, rank);
    struct pack body = PACK_EMPTY;
    if (!part)
        return;
    pack_u64(&body, led->group);
    pack_u32(&body, rank);
    pack_u8(&body, order);
    pack_u32(&body, ms);
    tree_send(led->leader->options.tree, plan_node(&part->plan, rank), GN_RANK, &body);
}

void led_give_rank(struct led *led, uint32_t rank)
{
    struct part *part = part_of_rank(led, rank);
    struct leader *leader = led->leader;
    if (!part || led->ranks[rank].state.ended)
        return;
    led->ranks[rank].state.ended = true;
    plan_give_rank(&part->plan, rank, leader->ledger);
    if (leader->queue)
        loop_later_add(leader->options.loop, &leader->again);
}

// ---- the end

// To those that watch it; the owner as well, unless it is told in another way.
static void tell_end(struct led *led, bool owner)
{
    struct pack body = PACK_EMPTY;
    bool orphan = led->orphan;
    pack_u64(&body, led->group);
    pack_i32(&body, led->code);
    pack_str(&body, led->cause);
    pack_str(&body, led_last_lines(led));
    led->orphan = orphan || !owner;
    led_to_clients(led, GC_DONE, &body);
    led->orphan = orphan;
    pack_fini(&body);
}

static void keep_ended(const struct led *led)
{
    struct leader *leader = led->leader;
    struct ended *ended = &leader->ended[leader->ended_count++ % ENDED_KEPT];
    *ended =
        (struct ended){.group = led->group, .size = led->size, .code = led->code, .pmi = led->pmi};
    snprintf(ended->cause, sizeof ended->cause, "%s", led->cause);
}

// Adds that wait for room, or for nodes to be ready, will not be any more.
static void fail_adds(struct led *led, const char *why)
{
    for (struct part *part = led->parts, *next; part; part = next) {
        next = part->next;
        if (part->state != PART_RUNNING)
            part_give_up(part, DRAGON_ERR_CANCELED, why);
    }
}

// The nodes forget the group, then so do we.
void led_check_over(struct led *led)
{
    struct pack body = PACK_EMPTY;
    if (led->state < LED_RUNNING || led->over < led->size)
        return;
    log_debug("group %llu: all over: %s -> ended, code %d", (unsigned long long)led->group,
              state_names[led->state], led->code);
    fail_adds(led, "the group has ended");
    tell_end(led, true);
    keep_ended(led);
    pack_u64(&body, led->group);
    pack_u32(&body, GROUP_ALL_PARTS);
    tree_send(led->leader->options.tree, TREE_EVERYBODY, GN_END, &body);
    led_destroy(led);
}

void led_fail(struct led *led, int code, const char *cause)
{
    led->code = code;
    if (cause != led->cause)
        snprintf(led->cause, sizeof led->cause, "%s", cause);
    tell_end(led, false);
    keep_ended(led);
    led_destroy(led);
}

void led_run(struct led *led)
{
    loop_timer_stop(led->step);
    led_enter(led, LED_RUNNING, "all nodes ready");
    if (!led->limit_ms)
        return;
    loop_timer_start(led->limit, led->limit_ms);
    if (led->warn_signal && led->warn_ms < led->limit_ms)
        loop_timer_start(led->warning, led->limit_ms - led->warn_ms);
}

void led_stop(struct led *led, uint32_t grace_ms, const char *why)
{
    if (led->state == LED_RUNNING) {
        led_enter(led, LED_STOPPING, why);
        fail_adds(led, "the group is being stopped");
        led_order_signal(led, GROUP_ALL_RANKS, SIGTERM, SIGNAL_STOP);
        loop_timer_start(led->step, grace_ms);
    }
    led_check_over(led); // those that were to be added may have been all that was left
}

static void on_led_step(void *arg)
{
    struct led *led = arg;
    if (led->state != LED_STOPPING)
        return;
    led_enter(led, LED_KILLING, "grace time over");
    led_order_signal(led, GROUP_ALL_RANKS, SIGKILL, SIGNAL_STOP);
}

static void on_led_warning(void *arg)
{
    struct led *led = arg;
    if (led->state == LED_RUNNING)
        led_order_signal(led, GROUP_ALL_RANKS, (int)led->warn_signal, SIGNAL_PASSED);
}

static void on_led_limit(void *arg)
{
    struct led *led = arg;
    if (led->weight == WEIGHT_NONE)
        led_blame(led, WEIGHT_DEATH, 124, "the time limit of %g s is over",
                  (double)led->limit_ms / 1000);
    led_stop(led, led->grace_ms, "time limit");
}

void led_stop_asked(struct led *led, const char *why)
{
    if (led->weight == WEIGHT_NONE)
        led_blame(led, WEIGHT_DEATH, 128 + SIGTERM, "stopped: %s", why);
    if (led->state < LED_RUNNING)
        part_fail(led->parts, DRAGON_ERR_CANCELED, led->code, led->cause);
    else
        led_stop(led, led->grace_ms, why);
}

void led_abandon(struct led *led, const char *why)
{
    led_discard(led);
    led_stop_asked(led, why);
}
