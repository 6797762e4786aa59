// SPDX-License-Identifier: BSD-3-Clause
//
// The leader: see leader.h. Here is who takes which message; what one group does is in led.c, how ranks come
// to be in part.c, and what is told of the whole in leader_query.c.
#include "config.h"

#include "group/led.h"

#include <signal.h>

static int compare_hosts(const void *a, const void *b)
{
    const struct tree_node *const *x = a, *const *y = b;
    return strcmp((*x)->host_key, (*y)->host_key);
}

// A node's name is its host's, with "-1" and so on when several nodes share the host.
static char *host_of(const struct tree_node *node, bool shares_host)
{
    char *host = strdup(node->name);
    char *dash = host && shares_host ? strrchr(host, '-') : NULL;
    if (dash)
        *dash = 0;
    return host;
}

// Sets a flag for each node that shares its host. False: out of memory.
static bool find_shared(const struct tree *tree, bool *shares)
{
    const struct tree_node *first = tree_node(tree, 0);
    size_t count = tree_count(tree);
    const struct tree_node **sorted = calloc(count, sizeof *sorted);
    if (!sorted)
        return false;
    for (size_t i = 0; i < count; i++)
        sorted[i] = first + i;
    qsort(sorted, count, sizeof *sorted, compare_hosts);
    for (size_t i = 1; i < count; i++)
        if (compare_hosts(&sorted[i - 1], &sorted[i]) == 0)
            shares[sorted[i - 1] - first] = shares[sorted[i] - first] = true;
    free(sorted);
    return true;
}

static bool name_hosts(struct leader *leader)
{
    struct tree *tree = leader->options.tree;
    bool *shares = calloc(tree_count(tree), sizeof *shares);
    leader->hosts = strv_alloc(tree_count(tree));
    bool good = shares && leader->hosts && find_shared(tree, shares);
    for (uint32_t i = 0; good && i < tree_count(tree); i++) {
        leader->hosts[i] = host_of(tree_node(tree, i), shares[i]);
        good = leader->hosts[i] != NULL;
    }
    free(shares);
    return good;
}

struct leader *leader_create(const struct groups_options *options, struct exchanges *exchanges)
{
    struct leader *leader = calloc(1, sizeof *leader);
    if (!leader)
        return NULL;
    leader->options = *options;
    leader->exchanges = exchanges;
    leader->again = (struct loop_later){.fn = leader_look_at_queue, .arg = leader};
    // Not from 1: a number that a client kept from an earlier runtime should mean nothing here.
    auth_random(&leader->next_group, sizeof leader->next_group);
    leader->next_group = (leader->next_group & 0xffffff) + 1;
    leader->ledger = ledger_create(tree_count(options->tree));
    leader->ended = calloc(ENDED_KEPT, sizeof *leader->ended);
    if (leader->ledger && leader->ended && name_hosts(leader))
        return leader;
    leader_destroy(leader);
    return NULL;
}

void leader_destroy(struct leader *leader)
{
    if (!leader)
        return;
    while (leader->groups)
        led_destroy(leader->groups);
    loop_later_cancel(leader->options.loop, &leader->again);
    ledger_destroy(leader->ledger);
    strv_free(leader->hosts);
    free(leader->ended);
    free(leader);
}

const char *leader_node_name(const struct leader *leader, uint32_t node)
{
    return node < tree_count(leader->options.tree) ? tree_node(leader->options.tree, node)->name
                                                   : "?";
}

void leader_to_client(struct leader *leader, struct asker asker, uint16_t type, struct pack *inner)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, asker.session);
    pack_u16(&body, type);
    pack_raw(&body, inner->data, inner->length);
    body.failed |= inner->failed;
    pack_fini(inner);
    tree_send(leader->options.tree, asker.node, GN_CLIENT, &body);
}

// ---- nodes

bool leader_describe(struct leader *leader, uint32_t node, const void *packed, size_t length)
{
    return ledger_describe(leader->ledger, node, leader_node_name(leader, node),
                           leader->hosts[node], packed, length);
}

bool leader_is_up(const struct leader *leader)
{
    return leader->ledger->described == leader->ledger->count;
}

// ---- asking for ranks

static void refuse(struct leader *leader, struct asker asker, uint32_t request, uint64_t group,
                   dragon_err_t err, const char *text)
{
    struct pack body = PACK_EMPTY;
    pack_u32(&body, request);
    pack_u64(&body, group);
    pack_i32(&body, err);
    pack_i32(&body, 125);
    pack_str(&body, text);
    leader_to_client(leader, asker, GC_STARTED, &body);
}

static void start_group(struct leader *leader, struct asker asker, int32_t pid, uint32_t request,
                        struct group_spec *spec)
{
    struct led *led = led_create(leader, spec, asker, pid);
    struct part *part = led ? part_create(led, asker, request, spec) : NULL;
    if (part) {
        part_place(part);
        return;
    }
    if (led)
        led_destroy(led);
    refuse(leader, asker, request, 0, DRAGON_ERR_NOMEM, "out of memory");
}

static void add_ranks(struct leader *leader, struct asker asker, uint32_t request, uint64_t group,
                      struct group_spec *spec)
{
    struct led *led = led_find(leader, group);
    if (!led || !same_asker(led->owner, asker))
        refuse(leader, asker, request, group, DRAGON_ERR_CLOSED, "the group has ended");
    else if (led->pmi)
        refuse(leader, asker, request, group, DRAGON_ERR_STATE,
               "an MPI group has as many ranks as it was started with");
    else if (led->state != LED_RUNNING)
        refuse(leader, asker, request, group, DRAGON_ERR_STATE, "the group does not run");
    else {
        struct part *part = part_create(led, asker, request, spec);
        if (part)
            part_place(part);
        else
            refuse(leader, asker, request, group, DRAGON_ERR_NOMEM, "out of memory");
    }
}

bool leader_on_submit(struct leader *leader, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    struct asker asker = {.session = unpack_u64(&unpack), .node = message->source};
    int32_t pid = unpack_i32(&unpack);
    uint32_t request = unpack_u32(&unpack);
    uint8_t order = unpack_u8(&unpack);
    uint64_t group = unpack_u64(&unpack);
    struct group_spec spec;
    if (unpack.failed || order >= GROUP_ORDERS || !group_spec_unpack(&unpack, &spec))
        return false;
    if (!leader_is_up(leader))
        refuse(leader, asker, request, 0, DRAGON_ERR_AGAIN, "the runtime is still coming up");
    else if (order == ORDER_START)
        start_group(leader, asker, pid, request, &spec);
    else if (order == ORDER_ADD)
        add_ranks(leader, asker, request, group, &spec);
    else
        leader_plan_only(leader, asker, request, &spec);
    group_spec_fini(&spec);
    return true;
}

void leader_on_started(void *arg, uint64_t group, uint32_t number,
                       const struct exchange_piece *pieces, size_t count)
{
    struct led *led = led_find(arg, group);
    struct part *part = led ? led->parts : NULL;
    while (part && part->number != number)
        part = part->next;
    if (!part || part->state != PART_PREPARING)
        return;
    for (size_t i = 0; i < count; i++) {
        struct unpack unpack = unpack_start(pieces[i].data, pieces[i].length);
        if (pieces[i].length == 0)
            continue;
        int code = unpack_i32(&unpack);
        const char *text = unpack_str(&unpack);
        part_fail(part, DRAGON_ERR_LAUNCH, unpack.failed ? 125 : code, text);
        return;
    }
    if (number == 0)
        led_run(led);
    part_answer(part, DRAGON_OK, 0, "");
}

// ---- what hosts tell

bool leader_on_last_lines(struct leader *leader, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    struct led *led = led_find(leader, unpack_u64(&unpack));
    uint32_t rank = unpack_u32(&unpack);
    const char *text = unpack_str(&unpack);
    if (!unpack_done(&unpack) || strlen(text) > GROUP_LAST_LINES)
        return false;
    if (led)
        led_keep_lines(led, rank, text);
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
              leader_node_name(leader, message->source), pid, code, says ? ": " : "",
              says ? text : "");
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

// Ranks of one family wait for the others in their own way, and would for ever.
bool leader_on_family(struct leader *leader, const struct link_message *message)
{
    static const char *const names[PMI_FAMILIES] = {"no PMI", "PMIx (Open MPI)", "PMI-1 (MPICH)"};
    struct unpack unpack = unpack_start(message->body, message->length);
    struct led *led = led_find(leader, unpack_u64(&unpack));
    uint32_t rank = unpack_u32(&unpack);
    uint8_t family = unpack_u8(&unpack);
    if (!unpack_done(&unpack) || family == FAMILY_NONE || family >= PMI_FAMILIES)
        return false;
    if (!led || led->family == family)
        return true;
    if (led->family == FAMILY_NONE) {
        led->family = family;
        led->family_rank = rank;
        return true;
    }
    led_blame(led, WEIGHT_DEATH, 125,
              "the MPI library of rank %u speaks %s and that of rank %u %s: programs of one MPI "
              "job need the same library",
              led->family_rank, names[led->family], rank, names[family]);
    led_stop(led, FAILURE_GRACE_MS, "two MPI libraries");
    return true;
}

// ---- what clients ask for

// Those that wait to be started again have ended; an order that is under way comes before this one.
static void stop_restart(struct led *led)
{
    if (led->restart == DRAGON_RESTART_NEVER)
        return;
    led->restart = DRAGON_RESTART_NEVER;
    led_order_signal(led, GROUP_ALL_RANKS, 0, SIGNAL_NO_RESTART);
}

static void remove_rank(struct led *led, int32_t rank)
{
    if (led->pmi || rank < 0 || (uint32_t)rank >= led->size || led->state != LED_RUNNING ||
        !led_is_started(led, (uint32_t)rank))
        return;
    led->ranks[rank].state.removed = true;
    if (!led->ranks[rank].state.ended)
        led_order_rank(led, (uint32_t)rank, RANK_REMOVE, led->grace_ms);
}

bool leader_on_ask(struct leader *leader, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    struct asker asker = {.session = unpack_u64(&unpack), .node = message->source};
    struct led *led = led_find(leader, unpack_u64(&unpack));
    int32_t rank = unpack_i32(&unpack);
    uint32_t signal = unpack_u32(&unpack);
    uint8_t ask = unpack_u8(&unpack);
    if (!unpack_done(&unpack) || signal >= NSIG || ask >= GROUP_ASKS)
        return false;
    if (!led)
        return true;
    if (ask == ASK_SIGNAL)
        led_order_signal(led, rank, (int)signal, SIGNAL_PASSED);
    else if (ask == ASK_STOP)
        led_stop_asked(led, "on request");
    else if (ask == ASK_REMOVE)
        remove_rank(led, rank);
    else if (ask == ASK_NO_RESTART)
        stop_restart(led);
    else if (same_asker(led->owner, asker))
        led_abandon(led, "its client has dropped it");
    return true;
}

static bool is_gone(struct asker asker, struct asker gone)
{
    return asker.node == gone.node &&
           (gone.session == ALL_SESSIONS || asker.session == gone.session);
}

static void forget_watcher(struct led *led, struct asker gone)
{
    for (size_t i = 0; i < led->watcher_count; i++)
        if (is_gone(led->watchers[i], gone))
            led->watchers[i--] = led->watchers[--led->watcher_count];
}

void leader_forget_client(struct leader *leader, struct asker gone, const char *why)
{
    struct led *led, *next;
    HASH_ITER (hh, leader->groups, led, next) {
        forget_watcher(led, gone);
        if (led->orphan || !is_gone(led->owner, gone))
            continue;
        if (led->detached) {
            led->orphan = true;
            led->owner_pid = 0;
            led_discard(led);
        } else
            led_abandon(led, why);
    }
}

bool leader_on_session_gone(struct leader *leader, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    struct asker asker = {.session = unpack_u64(&unpack), .node = message->source};
    if (!unpack_done(&unpack) || asker.session == ALL_SESSIONS)
        return false;
    leader_forget_client(leader, asker, "its client is gone");
    return true;
}
