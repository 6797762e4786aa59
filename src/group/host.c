// SPDX-License-Identifier: BSD-3-Clause
//
// All groups on one node: see host.h. What one of them does is in hosted.c; here is who takes which
// message.
#include "config.h"

#include "group/hosted.h"

static struct hosted *hosted_find(struct host *host, uint64_t group)
{
    struct hosted *hosted;
    HASH_FIND(hh, host->groups, &group, sizeof group, hosted);
    return hosted;
}

struct host *host_create(const struct groups_options *options, struct exchanges *exchanges,
                         void (*on_started)(void *arg, uint64_t group,
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
    host->mpi = mpi_create(options, exchanges);
    if (!host->mpi) {
        free(host);
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
    free(host);
}

bool host_on_prepare(struct host *host, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint64_t group = unpack_u64(&unpack), session = unpack_u64(&unpack);
    uint32_t owner_node = unpack_u32(&unpack), nodes = tree_count(host->options.tree);
    uint32_t here = tree_here(host->options.tree);
    struct plan plan;
    struct group_spec spec;
    if (unpack.failed || owner_node >= nodes || !plan_unpack(&unpack, nodes, &plan))
        return false;
    if ((plan.count[here] == 0 && here != 0) || hosted_find(host, group)) {
        plan_fini(&plan);
        return true; // nothing for us
    }
    if (!group_spec_unpack(&unpack, &spec)) {
        plan_fini(&plan);
        return false;
    }
    struct hosted_order order = {
        .group = group, .session = session, .owner_node = owner_node, .plan = plan, .spec = spec};
    hosted_create(host, &order);
    return true;
}

// ---- while it runs

bool host_on_signal(struct host *host, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint64_t group = unpack_u64(&unpack);
    int32_t rank = unpack_i32(&unpack);
    int signal = (int)unpack_u32(&unpack);
    uint8_t why = unpack_u8(&unpack);
    if (!unpack_done(&unpack) || why >= SIGNAL_WHYS)
        return false;
    struct hosted *hosted = hosted_find(host, group);
    if (hosted)
        hosted_signal(hosted, rank, signal, why);
    return true;
}

bool host_on_end(struct host *host, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint64_t group = unpack_u64(&unpack);
    if (!unpack_done(&unpack))
        return false;
    exchanges_end_group(host->exchanges, group);
    hosted_destroy(hosted_find(host, group));
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
        output_grant(&hosted->place.output, bytes);
    return true;
}

bool host_on_input(struct host *host, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint64_t group = unpack_u64(&unpack);
    size_t length;
    const void *data = unpack_bytes(&unpack, &length);
    if (!unpack_done(&unpack))
        return false;
    struct hosted *hosted = hosted_find(host, group);
    if (hosted && hosted->spec.input)
        input_add(&hosted->place.input, data, length);
    return true;
}

bool host_on_modex(struct host *host, const struct link_message *message)
{
    return mpi_on_message(host->mpi, message);
}

size_t host_signal_ranks(struct host *host, int signal)
{
    size_t count = 0;
    for (struct hosted *hosted = host->groups; hosted; hosted = hosted->hh.next)
        for (uint32_t i = 0; i < hosted->started; i++)
            count += rank_signal(&hosted->ranks[i], signal);
    return count;
}

size_t host_running_ranks(const struct host *host)
{
    size_t count = 0;
    for (struct hosted *hosted = host->groups; hosted; hosted = hosted->hh.next)
        for (uint32_t i = 0; i < hosted->started; i++)
            count += hosted->ranks[i].pid > 0 && !hosted->ranks[i].exited;
    return count;
}
