// SPDX-License-Identifier: BSD-3-Clause
//
// The leader: see leader.h. The states of a group, and what moves it on:
//
//     preparing  --all nodes ready-->  running  --a failure, a stop, the time limit-->  stopping
//     stopping: TERM now, KILL after the grace time; a node reports who survives even that
//     any of them --all ranks over-->  ended: the client is told, the nodes forget the group
//
// The cause that is told is the first failure that was a rank's own. Ranks that we told to stop do not
// count. A death by a signal displaces an exit code or an abort that was heard of first: when a rank
// dies its peers notice, and their complaints may arrive before the news of its death.
#include "config.h"

#include "group/leader.h"

#include "group/proto.h"

#include <signal.h>
#include <stdarg.h>
#include <uthash.h>

enum { FAILURE_GRACE_MS = 1000 };

enum led_state { LED_PREPARING, LED_RUNNING, LED_STOPPING, LED_KILLING, LED_STATES };

static const char *const state_names[LED_STATES] = {"preparing", "running", "stopping", "killing"};

enum weight { WEIGHT_NONE, WEIGHT_COMPLAINT, WEIGHT_DEATH }; // of a cause

struct led {
    struct leader *leader; // borrowed
    uint64_t group, session;
    uint32_t owner_node, request;
    enum led_state state;
    uint32_t size, over;
    uint32_t rank0_node;
    uint32_t grace_ms;
    uint64_t limit_ms;
    bool pmi;
    enum signal_why why; // of the stop
    enum weight weight;
    int code;
    char cause[400];
    struct loop_timer *step, *limit;
    UT_hash_handle hh;
};

struct leader {
    struct groups_options options;
    struct exchanges *exchanges; // borrowed
    struct led *groups;          // owned, by number
    uint32_t *cores;             // owned: of each node
    uint64_t next_group;
};

struct leader *leader_create(const struct groups_options *options, struct exchanges *exchanges)
{
    struct leader *leader = calloc(1, sizeof *leader);
    uint32_t nodes = tree_count(options->tree);
    if (!leader)
        return NULL;
    leader->options = *options;
    leader->exchanges = exchanges;
    // Not from 1: a number that a client kept from an earlier runtime should mean nothing here.
    auth_random(&leader->next_group, sizeof leader->next_group);
    leader->next_group = (leader->next_group & 0xffffff) + 1;
    leader->cores = calloc(nodes, sizeof *leader->cores);
    if (!leader->cores) {
        free(leader);
        return NULL;
    }
    for (uint32_t i = 0; i < nodes; i++)
        leader->cores[i] = tree_node(options->tree, i)->cores;
    return leader;
}

static void led_destroy(struct led *led)
{
    HASH_DEL(led->leader->groups, led);
    loop_timer_destroy(led->step);
    loop_timer_destroy(led->limit);
    free(led);
}

void leader_destroy(struct leader *leader)
{
    if (!leader)
        return;
    while (leader->groups)
        led_destroy(leader->groups);
    free(leader->cores);
    free(leader);
}

static struct led *led_find(struct leader *leader, uint64_t group)
{
    struct led *led;
    HASH_FIND(hh, leader->groups, &group, sizeof group, led);
    return led;
}

static const char *node_name(const struct leader *leader, uint32_t node)
{
    return node < tree_count(leader->options.tree) ? tree_node(leader->options.tree, node)->name
                                                   : "?";
}

static void led_enter(struct led *led, enum led_state state, const char *why)
{
    log_debug("group %llu: %s: %s -> %s", (unsigned long long)led->group, why,
              state_names[led->state], state_names[state]);
    led->state = state;
}

// ---- telling

static void to_client(struct leader *leader, uint32_t node, uint64_t session, uint16_t type,
                      struct pack *inner)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, session);
    pack_u16(&body, type);
    pack_raw(&body, inner->data, inner->length);
    body.failed |= inner->failed;
    pack_fini(inner);
    tree_send(leader->options.tree, node, GN_CLIENT, &body);
}

static void answer_start(struct leader *leader, uint32_t node, uint64_t session, uint32_t request,
                         const struct led *led, dragon_err_t err, int code, const char *text)
{
    struct pack answer = PACK_EMPTY;
    pack_u32(&answer, request);
    pack_u64(&answer, err == DRAGON_OK ? led->group : 0);
    pack_i32(&answer, err);
    pack_i32(&answer, code);
    pack_str(&answer, text);
    pack_u32(&answer, err == DRAGON_OK ? led->size : 0);
    pack_u32(&answer, err == DRAGON_OK ? led->rank0_node : 0);
    to_client(leader, node, session, GC_STARTED, &answer);
}

static void order_signal(struct led *led, int32_t rank, int signal, enum signal_why why)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, led->group);
    pack_i32(&body, rank);
    pack_u32(&body, (uint32_t)signal);
    pack_u8(&body, why);
    tree_send(led->leader->options.tree, TREE_EVERYBODY, GN_SIGNAL, &body);
}

// The end: the nodes forget the group, then so do we.
static void led_forget(struct led *led)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, led->group);
    tree_send(led->leader->options.tree, TREE_EVERYBODY, GN_END, &body);
    led_destroy(led);
}

static void led_finish(struct led *led)
{
    struct pack body = PACK_EMPTY;
    log_debug("group %llu: all over: %s -> ended, code %d", (unsigned long long)led->group,
              state_names[led->state], led->code);
    pack_u64(&body, led->group);
    pack_i32(&body, led->code);
    pack_str(&body, led->cause);
    to_client(led->leader, led->owner_node, led->session, GC_DONE, &body);
    led_forget(led);
}

static void led_fail_start(struct led *led, dragon_err_t err, int code, const char *text)
{
    answer_start(led->leader, led->owner_node, led->session, led->request, NULL, err, code, text);
    led_forget(led);
}

// ---- stopping

static void led_stop(struct led *led, uint32_t grace_ms, const char *why)
{
    if (led->state != LED_RUNNING)
        return;
    led_enter(led, LED_STOPPING, why);
    order_signal(led, GROUP_ALL_RANKS, SIGTERM, led->why);
    loop_timer_start(led->step, grace_ms);
}

static void on_led_step(void *arg)
{
    struct led *led = arg;
    char text[500] = "these nodes did not get ready in time: ";
    struct exchange_key key = {.group = led->group, .what = EXCHANGE_START};
    size_t used = strlen(text);
    switch (led->state) {
    case LED_PREPARING:
        exchange_missing(led->leader->exchanges, &key, text + used, sizeof text - used);
        led_fail_start(led, DRAGON_ERR_TIMEOUT, 125, text);
        return;
    case LED_STOPPING:
        led_enter(led, LED_KILLING, "grace time over");
        order_signal(led, GROUP_ALL_RANKS, SIGKILL, led->why);
        return;
    default:
        return;
    }
}

static void on_led_limit(void *arg)
{
    struct led *led = arg;
    if (led->weight == WEIGHT_NONE) {
        led->weight = WEIGHT_DEATH;
        led->code = 124;
        snprintf(led->cause, sizeof led->cause, "the time limit of %g s is over",
                 (double)led->limit_ms / 1000);
    }
    led_stop(led, led->grace_ms, "time limit");
}

static void led_stop_asked(struct led *led, const char *why)
{
    if (led->weight == WEIGHT_NONE) {
        led->weight = WEIGHT_DEATH;
        led->code = 128 + SIGTERM;
        snprintf(led->cause, sizeof led->cause, "stopped: %s", why);
    }
    if (led->state == LED_PREPARING)
        led_fail_start(led, DRAGON_ERR_CANCELED, led->code, led->cause);
    else
        led_stop(led, led->grace_ms, why);
}

// Nobody wants its output any more. A group that is being stopped already may wait for its being read.
static void led_abandon(struct led *led, const char *why)
{
    led->why = SIGNAL_DISCARD;
    if (led->state >= LED_STOPPING)
        order_signal(led, GROUP_ALL_RANKS, SIGTERM, led->why);
    led_stop_asked(led, why);
}

// ---- causes

__attribute__((format(printf, 4, 5))) static void led_blame(struct led *led, enum weight weight,
                                                            int code, const char *format, ...)
{
    va_list args;
    if (weight <= led->weight)
        return;
    led->weight = weight;
    led->code = code;
    va_start(args, format);
    vsnprintf(led->cause, sizeof led->cause, format, args);
    va_end(args);
}

static void blame_exit(struct led *led, const struct rank_exit *ended)
{
    char who[128];
    int code = rank_exit_code(ended);
    snprintf(who, sizeof who, "rank %u on %s (pid %d)", ended->rank,
             node_name(led->leader, ended->node), ended->pid);
    switch ((enum rank_end)ended->end) {
    case RANK_EXITED:
        if (ended->value != 0)
            led_blame(led, WEIGHT_COMPLAINT, code, "%s exited with code %d", who, ended->value);
        break;
    case RANK_SIGNALED:
        led_blame(led, WEIGHT_DEATH, code, "%s was killed by signal %d (%s)", who, ended->value,
                  strsignal(ended->value));
        break;
    case RANK_NOT_STARTED:
        led_blame(led, WEIGHT_DEATH, code, "rank %u could not be started on %s: %s", ended->rank,
                  node_name(led->leader, ended->node), strerror(ended->value));
        break;
    case RANK_UNFINISHED:
        led_blame(led, WEIGHT_COMPLAINT, code ? code : 1,
                  "%s exited with code %d after MPI_Init and without MPI_Finalize", who,
                  ended->value);
        break;
    case RANK_STUCK:
        led_blame(led, WEIGHT_DEATH, code,
                  "%s does not end, though it was killed; it hangs in the kernel", who);
        break;
    case RANK_UNCONNECTED:
        led_blame(
            led, WEIGHT_COMPLAINT, 125,
            "%s exited without ever connecting to PMI: its MPI library found no process manager "
            "it knows and ran as a world of one, or it is no MPI program (leave --pmi out then)",
            who);
        break;
    case RANK_ENDS:
        break;
    }
}

static bool ends_the_group(const struct led *led, const struct rank_exit *ended)
{
    if (ended->end == RANK_NOT_STARTED)
        return true;
    if (!led->pmi || ended->ours)
        return false;
    return ended->end != RANK_EXITED || ended->value != 0;
}

bool leader_on_exits(struct leader *leader, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    struct led *led = led_find(leader, unpack_u64(&unpack));
    struct pack exits = PACK_EMPTY;
    struct rank_exit ended;
    bool stop = false;
    if (unpack.failed || unpack_left(&unpack) % RANK_EXIT_BYTES != 0)
        return false;
    if (!led)
        return true;
    pack_u64(&exits, led->group);
    pack_raw(&exits, unpack.at, unpack_left(&unpack));
    while (unpack_left(&unpack) > 0 && rank_exit_unpack(&unpack, &ended)) {
        led->over++;
        if (!ended.ours)
            blame_exit(led, &ended);
        stop = stop || ends_the_group(led, &ended);
    }
    to_client(leader, led->owner_node, led->session, GC_EXITS, &exits);
    if (led->over >= led->size)
        led_finish(led);
    else if (stop)
        led_stop(led, FAILURE_GRACE_MS, "a rank failed");
    return true;
}

bool leader_on_abort(struct leader *leader, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    struct led *led = led_find(leader, unpack_u64(&unpack));
    uint32_t rank = unpack_u32(&unpack);
    int32_t pid = unpack_i32(&unpack), code = unpack_i32(&unpack);
    const char *text = unpack_str(&unpack);
    if (!unpack_done(&unpack))
        return false;
    if (!led)
        return true;
    // What a process can exit with is one byte, and an abort is never a success.
    int exit_code = (code & 0xff) ? code & 0xff : 1;
    bool says = *text && strcmp(text, "N/A") != 0;
    led_blame(led, WEIGHT_COMPLAINT, exit_code,
              "rank %u on %s (pid %d) called MPI_Abort with code %d%s%.200s", rank,
              node_name(leader, message->source), pid, code, says ? ": " : "", says ? text : "");
    led_stop(led, FAILURE_GRACE_MS, "abort");
    return true;
}

bool leader_on_broken(struct leader *leader, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    struct led *led = led_find(leader, unpack_u64(&unpack));
    const char *text = unpack_str(&unpack);
    if (!unpack_done(&unpack))
        return false;
    if (!led)
        return true;
    led_blame(led, WEIGHT_DEATH, 125, "%s", text);
    led_stop(led, FAILURE_GRACE_MS, "broken");
    return true;
}

bool leader_on_ask(struct leader *leader, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    struct led *led = led_find(leader, unpack_u64(&unpack));
    int32_t rank = unpack_i32(&unpack);
    uint32_t signal = unpack_u32(&unpack);
    uint8_t why = unpack_u8(&unpack);
    if (!unpack_done(&unpack) || signal >= NSIG || why >= SIGNAL_WHYS)
        return false;
    if (!led)
        return true;
    if (why == SIGNAL_PASSED)
        order_signal(led, rank, (int)signal, SIGNAL_PASSED);
    else if (why == SIGNAL_STOP)
        led_stop_asked(led, "on request");
    else
        led_abandon(led, "its client has dropped it");
    return true;
}

bool leader_on_session_gone(struct leader *leader, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint64_t session = unpack_u64(&unpack);
    if (!unpack_done(&unpack))
        return false;
    struct led *led, *next;
    HASH_ITER (hh, leader->groups, led, next)
        if (led->session == session && led->owner_node == message->source)
            led_abandon(led, "its client is gone");
    return true;
}

// ---- starting

void leader_on_started(void *arg, uint64_t group, const struct exchange_piece *pieces, size_t count)
{
    struct leader *leader = arg;
    struct led *led = led_find(leader, group);
    if (!led || led->state != LED_PREPARING)
        return;
    for (size_t i = 0; i < count; i++) {
        struct unpack unpack = unpack_start(pieces[i].data, pieces[i].length);
        if (pieces[i].length == 0)
            continue;
        int code = unpack_i32(&unpack);
        const char *text = unpack_str(&unpack);
        led_fail_start(led, DRAGON_ERR_LAUNCH, unpack.failed ? 125 : code, text);
        return;
    }
    loop_timer_stop(led->step);
    led_enter(led, LED_RUNNING, "all nodes ready");
    if (led->limit_ms)
        loop_timer_start(led->limit, led->limit_ms);
    answer_start(leader, led->owner_node, led->session, led->request, led, DRAGON_OK, 0, "");
}

static struct led *led_create(struct leader *leader, const struct group_spec *spec,
                              const struct plan *plan)
{
    struct led *led = calloc(1, sizeof *led);
    if (!led)
        return NULL;
    *led = (struct led){
        .leader = leader,
        .group = leader->next_group++,
        .size = plan->size,
        .grace_ms = spec->grace_ms,
        .limit_ms = spec->limit_ms,
        .pmi = spec->pmi,
        .why = SIGNAL_STOP,
    };
    while (plan->count[led->rank0_node] == 0)
        led->rank0_node++;
    HASH_ADD(hh, leader->groups, group, sizeof led->group, led);
    led->step = loop_timer_create(leader->options.loop, on_led_step, led);
    led->limit = loop_timer_create(leader->options.loop, on_led_limit, led);
    if (led->step && led->limit)
        return led;
    led_destroy(led);
    return NULL;
}

static void order_prepare(struct led *led, const struct plan *plan, const struct group_spec *spec)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, led->group);
    pack_u64(&body, led->session);
    pack_u32(&body, led->owner_node);
    plan_pack(&body, plan);
    group_spec_pack(&body, spec);
    tree_send(led->leader->options.tree, TREE_EVERYBODY, GN_PREPARE, &body);
    loop_timer_start(led->step, led->leader->options.start_timeout_ms);
}

bool leader_on_submit(struct leader *leader, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint64_t session = unpack_u64(&unpack);
    uint32_t request = unpack_u32(&unpack), node = message->source;
    struct group_spec spec;
    struct plan plan;
    dragon_error_t error;
    if (unpack.failed || !group_spec_unpack(&unpack, &spec))
        return false;
    dragon_err_t err =
        plan_make(&spec.place, leader->cores, tree_count(leader->options.tree), &plan, &error);
    struct led *led = err == DRAGON_OK ? led_create(leader, &spec, &plan) : NULL;
    if (led) {
        led->session = session;
        led->owner_node = node;
        led->request = request;
        order_prepare(led, &plan, &spec);
    } else if (err == DRAGON_OK)
        err = err_set(&error, DRAGON_ERR_NOMEM, "out of memory");
    if (err != DRAGON_OK)
        answer_start(leader, node, session, request, NULL, err, 125, error.text);
    else
        plan_fini(&plan);
    group_spec_fini(&spec);
    return true;
}
