// SPDX-License-Identifier: BSD-3-Clause
//
// All groups on one node: see host.h. What one of them does is in hosted.c; here is who takes which
// message.
#include "config.h"

#include "group/hosted.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static struct hosted *hosted_find(const struct host *host, uint64_t group)
{
    struct hosted *hosted;
    HASH_FIND(hh, host->groups, &group, sizeof group, hosted);
    return hosted;
}

const char *host_node_name(const struct host *host)
{
    return tree_node(host->options.tree, tree_here(host->options.tree))->name;
}

// ---- life

static char *read_host_name(void)
{
    char name[256] = "";
    gethostname(name, sizeof name - 1);
    return strdup(name);
}

struct host *host_create(const struct groups_options *options, struct exchanges *exchanges,
                         void (*on_started)(void *arg, uint64_t group, uint32_t part,
                                            const struct exchange_piece *pieces, size_t count),
                         void *arg)
{
    struct host *host = calloc(1, sizeof *host);
    if (!host)
        return NULL;
    host->options = *options;
    host->exchanges = exchanges;
    host->on_started = on_started;
    host->arg = arg;
    host->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    host->name = read_host_name();
    host->slices = slices_create();
    host->memory = memory_create(options->loop);
    host->mpi = mpi_create(options, exchanges);
    if (host->null_fd < 0 || !host->name || !host->slices || !host->memory || !host->mpi) {
        host_destroy(host);
        return NULL;
    }
    return host;
}

void host_destroy(struct host *host)
{
    if (!host)
        return;
    struct hosted *hosted, *next;
    HASH_ITER (hh, host->groups, hosted, next) {
        exchanges_end_group(host->exchanges, hosted->group);
        hosted_destroy(hosted);
    }
    mpi_destroy(host->mpi);
    memory_destroy(host->memory);
    slices_destroy(host->slices);
    free(host->name);
    if (host->null_fd >= 0)
        close(host->null_fd);
    free(host);
}

// ---- preparing

static bool has_part(const struct hosted *hosted, uint32_t number)
{
    for (struct hosted_part *part = hosted ? hosted->parts : NULL; part; part = part->next)
        if (part->number == number)
            return true;
    return false;
}

bool host_on_slice(struct host *host, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint64_t group = unpack_u64(&unpack);
    uint32_t part = unpack_u32(&unpack);
    if (unpack.failed || part == GROUP_ALL_PARTS)
        return false;
    slices_keep(host->slices, group, part, unpack.at, unpack_left(&unpack));
    return true;
}

// False: what was kept is no slice of this plan.
static bool add_slice(struct host *host, uint64_t group, uint32_t part, struct plan *plan)
{
    size_t length;
    void *data = slices_take(host->slices, group, part, &length);
    if (!data)
        return true;
    struct unpack unpack = unpack_start(data, length);
    bool good = plan_unpack_slice(&unpack, plan, tree_here(host->options.tree));
    free(data);
    return good;
}

// What both say of templates fits together.
static bool order_fits(const struct hosted_order *order)
{
    return order->plan.size > 0 && order->plan.part_count == order->spec.template_count;
}

bool host_on_prepare(struct host *host, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint64_t group = unpack_u64(&unpack);
    struct hosted_order order = {.number = unpack_u32(&unpack)};
    uint64_t session = unpack_u64(&unpack);
    uint32_t owner_node = unpack_u32(&unpack), nodes = tree_count(host->options.tree);
    uint32_t here = tree_here(host->options.tree);
    if (unpack.failed || owner_node >= nodes || order.number == GROUP_ALL_PARTS ||
        !plan_unpack(&unpack, nodes, &order.plan))
        return false;
    struct hosted *hosted = hosted_find(host, group);
    if ((order.plan.count_on[here] == 0 && here != 0) || has_part(hosted, order.number)) {
        plan_fini(&order.plan);
        return true; // nothing for us
    }
    if (!group_spec_unpack(&unpack, &order.spec)) {
        plan_fini(&order.plan);
        return false;
    }
    bool good = unpack_done(&unpack) && order_fits(&order) &&
                add_slice(host, group, order.number, &order.plan);
    if (good && !hosted)
        hosted = hosted_create(host, group, session, owner_node);
    if (good && hosted) {
        hosted_part_create(hosted, &order);
        return true;
    }
    plan_fini(&order.plan);
    group_spec_fini(&order.spec);
    return good;
}

bool host_on_end(struct host *host, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint64_t group = unpack_u64(&unpack);
    uint32_t part = unpack_u32(&unpack);
    if (!unpack_done(&unpack))
        return false;
    slices_forget(host->slices, group, part);
    struct hosted *hosted = hosted_find(host, group);
    if (part == GROUP_ALL_PARTS) {
        exchanges_end_group(host->exchanges, group);
        hosted_destroy(hosted);
        return true;
    }
    struct exchange_key key = {.group = group, .what = EXCHANGE_START, .turn = part};
    exchange_end(host->exchanges, &key);
    if (hosted)
        hosted_end_part(hosted, part);
    return true;
}

// ---- while it runs

bool host_on_signal(struct host *host, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint64_t group = unpack_u64(&unpack);
    int32_t rank = unpack_i32(&unpack);
    uint32_t signal = unpack_u32(&unpack);
    uint8_t why = unpack_u8(&unpack);
    if (!unpack_done(&unpack) || why >= SIGNAL_WHYS || signal >= NSIG)
        return false;
    struct hosted *hosted = hosted_find(host, group);
    if (hosted)
        hosted_signal(hosted, rank, (int)signal, why);
    return true;
}

bool host_on_rank(struct host *host, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint64_t group = unpack_u64(&unpack);
    uint32_t rank = unpack_u32(&unpack);
    uint8_t order = unpack_u8(&unpack);
    uint32_t ms = unpack_u32(&unpack);
    if (!unpack_done(&unpack) || order >= RANK_ORDERS)
        return false;
    struct hosted *hosted = hosted_find(host, group);
    if (hosted)
        hosted_order_rank(hosted, rank, order, ms);
    return true;
}

bool host_on_discard(struct host *host, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint64_t group = unpack_u64(&unpack);
    if (!unpack_done(&unpack))
        return false;
    struct hosted *hosted = hosted_find(host, group);
    if (hosted)
        output_discard(&hosted->output);
    return true;
}

bool host_on_credit(struct host *host, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint64_t group = unpack_u64(&unpack);
    uint32_t bytes = unpack_u32(&unpack);
    if (!unpack_done(&unpack))
        return false;
    struct hosted *hosted = hosted_find(host, group);
    if (hosted)
        output_grant(&hosted->output, bytes);
    return true;
}

bool host_on_input(struct host *host, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint64_t group = unpack_u64(&unpack);
    int32_t rank = unpack_i32(&unpack);
    size_t length;
    const void *data = unpack_bytes(&unpack, &length);
    if (!unpack_done(&unpack) || rank < GROUP_ALL_RANKS)
        return false;
    struct hosted *hosted = hosted_find(host, group);
    return !hosted || hosted_add_input(hosted, rank, data, length);
}

bool host_on_modex(struct host *host, const struct link_message *message)
{
    return mpi_on_message(host->mpi, message);
}

size_t host_signal_ranks(struct host *host, int signal)
{
    size_t count = 0;
    for (struct hosted *hosted = host->groups; hosted; hosted = hosted->hh.next)
        count += hosted_signal_all(hosted, signal);
    return count;
}

size_t host_running_ranks(const struct host *host)
{
    size_t count = 0;
    for (struct hosted *hosted = host->groups; hosted; hosted = hosted->hh.next)
        count += hosted_signal_all(hosted, 0);
    return count;
}
