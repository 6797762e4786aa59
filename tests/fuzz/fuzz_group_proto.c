// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target: what the messages of groups hold. The first byte says which; what is read well must be
// writable, and read again. Exchange messages go to the exchanges of a node that has joined one.
#include "config.h"

#include "group/exchange.h"
#include "group/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NODES = 5 };

// Each writes into `again` what it could read; false when it could not.
static bool try_spec(struct unpack *unpack, struct pack *again)
{
    struct group_spec spec;
    if (!group_spec_unpack(unpack, &spec))
        return false;
    group_spec_pack(again, &spec);
    group_spec_fini(&spec);
    return true;
}

static bool try_plan(struct unpack *unpack, struct pack *again)
{
    struct plan plan;
    struct plan_slot slot;
    if (!plan_unpack(unpack, NODES, &plan))
        return false;
    for (uint32_t rank = plan.first_rank; plan_has(&plan, rank); rank++) {
        if (plan_node(&plan, rank) >= NODES || plan.count_on[plan_node(&plan, rank)] == 0 ||
            plan_template_of(&plan, rank) >= plan.part_count)
            abort();
        plan_slot(&plan, rank, &slot);
    }
    plan_pack(again, &plan);
    plan_fini(&plan);
    return true;
}

static bool try_reports(struct unpack *unpack, struct pack *again)
{
    struct rank_report report;
    while (unpack_left(unpack) > 0) {
        if (!rank_report_unpack(unpack, &report))
            return false;
        rank_report_code(&report);
        rank_report_pack(again, &report);
    }
    return true;
}

static bool try_machine(struct unpack *unpack, struct pack *again)
{
    struct machine machine;
    if (!machine_unpack(unpack, &machine))
        return false;
    machine_pack(again, &machine);
    machine_fini(&machine);
    return true;
}

static bool try_node_record(struct unpack *unpack, struct pack *again)
{
    struct node_record record;
    if (!node_record_unpack(unpack, &record))
        return false;
    machine_pack(again, &record.machine);
    node_record_fini(&record);
    return false; // only the reading is looked at
}

static bool try_group_record(struct unpack *unpack, struct pack *again)
{
    struct group_record record;
    if (!group_record_unpack(unpack, &record))
        return false;
    group_record_pack(again, &record);
    return true;
}

static bool try_output(struct unpack *unpack, struct pack *again)
{
    uint32_t rank;
    uint8_t stream;
    const uint8_t *data;
    size_t length;
    while (unpack_left(unpack) > 0) {
        if (!output_unpack(unpack, &rank, &stream, &data, &length))
            return false;
        output_pack(again, rank, stream, data, length);
    }
    return true;
}

static bool (*const the_tries[])(struct unpack *, struct pack *) = {
    try_spec, try_plan, try_reports, try_output, try_machine, try_node_record, try_group_record};
enum { TRIES = sizeof the_tries / sizeof *the_tries };

static void try_twice(bool (*try)(struct unpack *, struct pack *), const uint8_t *data, size_t size)
{
    struct unpack unpack = unpack_start(data, size);
    struct pack first = PACK_EMPTY, second = PACK_EMPTY;
    if (try(&unpack, &first) && first.length > 0) {
        unpack = unpack_start(first.data, first.length);
        if (!try(&unpack, &second) || second.length != first.length ||
            memcmp(first.data, second.data, first.length) != 0)
            abort();
    }
    pack_fini(&second);
    pack_fini(&first);
}

// ---- exchanges: the root of a tree of five nodes, whose others never come

static void on_nothing(void *arg)
{
    (void)arg;
}

static void on_text(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

static void on_lost(void *arg, uint32_t node, const char *reason)
{
    (void)arg;
    (void)node;
    (void)reason;
}

static void on_message(void *arg, const struct link_message *message)
{
    exchanges_on_message(*(struct exchanges **)arg, message);
}

static void on_done(void *arg, dragon_err_t err, const struct exchange_piece *pieces, size_t count)
{
    int *calls = arg;
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < pieces[i].length; k++)
            total += ((const uint8_t *)pieces[i].data)[k]; // all of it can be read
    if (++*calls > 1 || (err != DRAGON_OK && count > 0) || total == SIZE_MAX)
        abort();
}

// Messages are: u8 gather or spread, u16 length, body.
static void try_exchange(const uint8_t *data, size_t size)
{
    static const struct tree_handler handler = {.on_up = on_nothing,
                                                .on_failed = on_text,
                                                .on_message = on_message,
                                                .on_lost = on_lost,
                                                .on_left = on_nothing};
    static const struct exchange_key key = {.group = 1, .what = 1, .turn = 1};
    static const uint8_t secret[AUTH_SECRET_BYTES];
    static char name[] = "n0";
    struct tree_node nodes[NODES];
    for (int i = 0; i < NODES; i++)
        nodes[i] = (struct tree_node){.name = name, .host_key = name};
    struct tree_options options = {.nodes = nodes,
                                   .count = NODES,
                                   .fanout = 2,
                                   .secret = secret,
                                   .listen_fd = -1,
                                   .timeout_ms = 1000,
                                   .silence_ms = 1000,
                                   .first_type = GROUP_FIRST_TYPE};
    struct exchanges *exchanges = NULL;
    int calls = 0;
    struct loop *loop = loop_create();
    struct tree *tree = tree_create(loop, &options, &handler, &exchanges);
    exchanges = exchanges_create(tree);
    exchange_join(exchanges, &key, (uint32_t[]){0, 1, 2, 3, 4}, NODES, "own", 3, on_done, &calls);
    struct unpack unpack = unpack_start(data, size);
    while (unpack_left(&unpack) > 0) {
        struct link_message message = {.type = unpack_u8(&unpack) & 1 ? GN_SPREAD : GN_GATHER};
        message.length = unpack_u16(&unpack);
        message.body = unpack_raw(&unpack, message.length);
        if (unpack.failed)
            break;
        exchanges_on_message(exchanges, &message);
    }
    loop_turn(loop, 0);
    exchanges_end_group(exchanges, key.group);
    exchanges_destroy(exchanges);
    if (calls != 1)
        abort();
    tree_destroy(tree);
    loop_destroy(loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    int which = data[0] % (TRIES + 1);
    if (which < TRIES)
        try_twice(the_tries[which], data + 1, size - 1);
    else
        try_exchange(data + 1, size - 1);
    return 0;
}
