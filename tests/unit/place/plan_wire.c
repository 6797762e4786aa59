// SPDX-License-Identifier: BSD-3-Clause
//
// Plans on the wire: whole, in parts, cut, bent, and large.
#include "config.h"

#include "made.h"

#include <criterion/criterion.h>

enum { TEXT = 4096 };

#define LIST(...) ((char *[]){__VA_ARGS__, NULL})

// Three nodes that are alike and one that is not: two templates, lists, GPUs, sharing.
static const struct made nodes[] = {{.cores = 4, .gpus = 2, .tiles = 2},
                                    {.cores = 2},
                                    {.cores = 4, .gpus = 2, .tiles = 2},
                                    {.cores = 4, .gpus = 2, .tiles = 2}};

static struct plan rich_plan(struct ledger *ledger)
{
    const struct policy a = {.hosts = LIST("3", "0", "2"),
                             .core_lists = LIST("2-3"),
                             .gpu_lists = LIST("0.1,1", "0"),
                             .ppn = 2};
    const struct policy b = {.map = DRAGON_MAP_CYCLIC, .gpus_said = true};
    const struct plan_template templates[] = {{0, &a}, {8, &b}};
    struct plan_request request = {
        .templates = templates, .count = 2, .first_rank = 1000, .share = true};
    struct plan plan;
    dragon_error_t error = {0};
    cr_assert_eq(plan_make(&request, ledger, &plan, &error), DRAGON_OK, "%s", error.text);
    return plan;
}

static void expect_same(const struct plan *a, const struct plan *b)
{
    char one[TEXT], other[TEXT];
    cr_assert_eq(a->size, b->size);
    cr_expect_eq(a->first_rank, b->first_rank);
    cr_expect_eq(a->shared, b->shared);
    made_text(a, one, sizeof one);
    made_text(b, other, sizeof other);
    cr_expect_str_eq(one, other);
    for (uint32_t rank = a->first_rank; plan_has(a, rank); rank++) {
        struct plan_slot x, y;
        cr_expect_eq(plan_template_of(a, rank), plan_template_of(b, rank));
        cr_expect(plan_slot(a, rank, &x) && plan_slot(b, rank, &y) && x.bind == y.bind);
    }
}

Test(place_plan_wire, everything)
{
    struct ledger *ledger = made_ledger(nodes, 4);
    struct plan plan = rich_plan(ledger), back;
    struct pack pack = PACK_EMPTY, again = PACK_EMPTY;
    char text[TEXT];
    made_text(&plan, text, sizeof text);
    cr_expect_str_eq(text, "3:2-3/0.1,1* 3:2-3/0* 0:2-3/0.1,1* 0:2-3/0* 2:2-3/0.1,1* 2:2-3/0* "
                           "0:0- 1:0- 2:0- 3:0- 0:1- 1:1- 2:1- 3:1-");
    plan_pack(&pack, &plan);
    pack_u8(&pack, 99); // what follows is another's
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(plan_unpack(&unpack, 4, &back));
    cr_expect_eq(unpack_left(&unpack), 1);
    expect_same(&plan, &back);
    plan_pack(&again, &back);
    cr_expect_eq(again.length, pack.length - 1);
    cr_expect_eq(memcmp(again.data, pack.data, again.length), 0);
    plan_fini(&back);
    unpack = unpack_start(pack.data, pack.length);
    cr_expect(!plan_unpack(&unpack, 3, &back), "a plan for more nodes than there are");
    unpack = unpack_start(pack.data, pack.length - 1);
    cr_expect(!plan_unpack(&unpack, 5, &back), "a plan for fewer nodes than there are");
    pack_fini(&again);
    pack_fini(&pack);
    plan_fini(&plan);
    ledger_destroy(ledger);
}

Test(place_plan_wire, the_common_slice_and_the_others)
{
    struct ledger *ledger = made_ledger(nodes, 4);
    struct plan plan = rich_plan(ledger), back;
    struct plan_slot slot;
    struct pack pack = PACK_EMPTY, other = PACK_EMPTY;
    plan_pack_common(&pack, &plan);
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(plan_unpack(&unpack, 4, &back) && unpack_done(&unpack));
    cr_expect_eq(plan.slice_count, 2);
    for (uint32_t node = 0; node < 4; node++) {
        cr_expect_eq(plan_slice_is_common(&plan, node), node != 1);
        cr_expect_eq(plan_slice_is_common(&back, node), node != 1);
    }
    cr_expect(plan_slot(&back, 1000, &slot) && slot.unit_count == 2);
    cr_expect_not(plan_slot(&back, 1007, &slot), "node 1 has another");
    plan_pack_slice(&other, &plan, 1);
    struct unpack whole = unpack_start(other.data, other.length);
    cr_expect(!plan_unpack_slice(&whole, &back, 4), "no such node");
    whole = unpack_start(other.data, other.length);
    cr_expect(!plan_unpack_slice(&whole, &back, 0), "it has one");
    whole = unpack_start(other.data, other.length);
    cr_assert(plan_unpack_slice(&whole, &back, 1) && unpack_done(&whole));
    cr_expect_not(plan_slice_is_common(&back, 1));
    expect_same(&plan, &back);
    pack_fini(&other);
    pack_fini(&pack);
    plan_fini(&back);
    plan_fini(&plan);
    ledger_destroy(ledger);
}

Test(place_plan_wire, a_slice_of_other_length_is_refused)
{
    struct ledger *ledger = made_ledger(nodes, 4);
    struct plan plan = rich_plan(ledger), back;
    struct pack common = PACK_EMPTY, slice = PACK_EMPTY;
    plan_pack_common(&common, &plan);
    plan_pack_slice(&slice, &plan, 0); // four slots, node 1 has two ranks
    struct unpack unpack = unpack_start(common.data, common.length);
    cr_assert(plan_unpack(&unpack, 4, &back));
    unpack = unpack_start(slice.data, slice.length);
    cr_expect_not(plan_unpack_slice(&unpack, &back, 1));
    cr_expect_eq(back.slice_of_node[1], PLAN_NO_SLICE);
    pack_fini(&slice);
    pack_fini(&common);
    plan_fini(&back);
    plan_fini(&plan);
    ledger_destroy(ledger);
}

// A node without ranks needs no slice, and has none to be written.
Test(place_plan_wire, nodes_without_ranks)
{
    struct ledger *ledger = made_ledger(nodes, 4);
    const struct policy policy = {.hosts = LIST("2")};
    const struct plan_template template = {1, &policy};
    struct plan_request request = {.templates = &template, .count = 1};
    struct plan plan;
    struct pack pack = PACK_EMPTY;
    cr_assert_eq(plan_make(&request, ledger, &plan, NULL), DRAGON_OK);
    for (uint32_t node = 0; node < 4; node++)
        cr_expect(plan_slice_is_common(&plan, node));
    plan_pack_slice(&pack, &plan, 1);
    cr_expect(pack.failed);
    pack_fini(&pack);
    plan_fini(&plan);
    ledger_destroy(ledger);
}

// ---- what others may send

// Whatever was accepted must be answerable; a copy of exactly its length shows reads beyond it.
static bool try_plan(const uint8_t *data, size_t length)
{
    uint8_t *copy = malloc(length ? length : 1);
    struct plan plan;
    if (length)
        memcpy(copy, data, length);
    struct unpack unpack = unpack_start(copy, length);
    bool good = plan_unpack(&unpack, 4, &plan);
    for (uint32_t i = 0; good && i < plan.size; i++) {
        struct plan_slot slot;
        uint32_t rank = plan.first_rank + i;
        cr_assert_lt(plan_node(&plan, rank), 4);
        cr_assert_lt(plan_template_of(&plan, rank), plan.part_count);
        if (!plan_slot(&plan, rank, &slot))
            continue;
        cr_assert(slot.bind >= DRAGON_BIND_NONE && slot.bind <= DRAGON_BIND_SOCKET);
        cr_assert_geq(slot.core_count, 1);
        for (uint32_t k = 0; k < slot.core_count; k++)
            cr_assert_lt(slot.cores[k], MACHINE_CORES_LIMIT);
        for (uint32_t k = 0; k < slot.unit_count; k++)
            cr_assert_lt(gpu_of_unit(slot.units[k]), MACHINE_GPUS_LIMIT);
    }
    if (good)
        plan_fini(&plan);
    free(copy);
    return good;
}

static bool try_slice(const struct plan *plan, const uint8_t *data, size_t length)
{
    struct pack pack = PACK_EMPTY;
    struct plan copy;
    struct plan_slot slot;
    plan_pack_common(&pack, plan);
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(plan_unpack(&unpack, 4, &copy));
    uint8_t *exact = malloc(length ? length : 1);
    if (length)
        memcpy(exact, data, length);
    unpack = unpack_start(exact, length);
    bool good = plan_unpack_slice(&unpack, &copy, 1);
    for (uint32_t i = 0; i < copy.size; i++)
        plan_slot(&copy, copy.first_rank + i, &slot);
    free(exact);
    plan_fini(&copy);
    pack_fini(&pack);
    return good;
}

Test(place_plan_wire, cut_short)
{
    struct ledger *ledger = made_ledger(nodes, 4);
    struct plan plan = rich_plan(ledger);
    struct pack whole = PACK_EMPTY, slice = PACK_EMPTY;
    plan_pack(&whole, &plan);
    plan_pack_slice(&slice, &plan, 1);
    cr_expect(try_plan(whole.data, whole.length));
    cr_expect(try_slice(&plan, slice.data, slice.length));
    for (size_t length = 0; length < whole.length; length++)
        cr_expect(!try_plan(whole.data, length), "cut to %zu", length);
    for (size_t length = 0; length < slice.length; length++)
        cr_expect(!try_slice(&plan, slice.data, length), "cut to %zu", length);
    pack_fini(&slice);
    pack_fini(&whole);
    plan_fini(&plan);
    ledger_destroy(ledger);
}

Test(place_plan_wire, bent)
{
    struct ledger *ledger = made_ledger(nodes, 4);
    struct plan plan = rich_plan(ledger);
    struct pack whole = PACK_EMPTY, slice = PACK_EMPTY;
    uint32_t random = 12345;
    plan_pack(&whole, &plan);
    plan_pack_slice(&slice, &plan, 1);
    for (size_t at = 0; at < whole.length; at++)
        for (unsigned int bit = 0; bit < 8; bit++) {
            whole.data[at] ^= (uint8_t)(1u << bit);
            try_plan(whole.data, whole.length);
            whole.data[at] ^= (uint8_t)(1u << bit);
        }
    for (size_t at = 0; at < slice.length; at++)
        for (unsigned int bit = 0; bit < 8; bit++) {
            slice.data[at] ^= (uint8_t)(1u << bit);
            try_slice(&plan, slice.data, slice.length);
            slice.data[at] ^= (uint8_t)(1u << bit);
        }
    for (int i = 0; i < 20000; i++) {
        struct pack copy = PACK_EMPTY;
        pack_raw(&copy, whole.data, whole.length);
        for (int k = 0; k < 3; k++) {
            random = random * 1664525 + 1013904223;
            copy.data[(random >> 8) % copy.length] = (uint8_t)(k % 2 ? random >> 24 : random & 3);
        }
        try_plan(copy.data, copy.length);
        pack_fini(&copy);
    }
    pack_fini(&slice);
    pack_fini(&whole);
    plan_fini(&plan);
    ledger_destroy(ledger);
}

// A plan of one part on four nodes, then slices and who has them, from numbers.
struct hostile {
    uint32_t first, size, map, run[3]; // one run
    uint32_t slots, sets, numbers, cores, units, core, unit;
    uint32_t flags, set, length; // one run of slots
    uint32_t slice_of;           // of all nodes
    bool good;
    const char *what;
};

static bool try_hostile(const struct hostile *row)
{
    struct pack pack = PACK_EMPTY;
    pack_u32(&pack, row->first);
    pack_u32(&pack, row->size);
    pack_u8(&pack, 0);
    pack_u32(&pack, 1);
    pack_u8(&pack, (uint8_t)row->map);
    pack_u32(&pack, row->size);
    pack_u32(&pack, 1);
    for (int i = 0; i < 3; i++)
        pack_u32(&pack, row->run[i]);
    pack_u32(&pack, 1);
    pack_u32(&pack, row->slots);
    pack_u32(&pack, row->sets);
    pack_u32(&pack, row->numbers);
    pack_u16(&pack, (uint16_t)row->cores);
    pack_u16(&pack, (uint16_t)row->units);
    pack_u16(&pack, (uint16_t)row->core);
    pack_u16(&pack, (uint16_t)row->unit);
    pack_u8(&pack, (uint8_t)row->flags);
    pack_u32(&pack, row->set);
    pack_u32(&pack, row->length);
    pack_u32(&pack, 4);
    pack_u32(&pack, row->slice_of);
    bool good = try_plan(pack.data, pack.length);
    pack_fini(&pack);
    return good;
}

#define GOOD                                                                                \
    .size = 4, .map = 1, .run = {0, 4, 1}, .slots = 1, .sets = 1, .numbers = 2, .cores = 1, \
    .units = 1, .core = 4095, .unit = 0xfff, .flags = 1, .length = 1

Test(place_plan_wire, hostile_numbers)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
    static const struct hostile rows[] = {
        {GOOD, .good = true, .what = "as it should be"},
        {GOOD, .map = 2, .good = true, .what = "cyclic"},
        {GOOD, .slice_of = PLAN_NO_SLICE, .good = true, .what = "a slice that nobody has"},
        {GOOD, .map = 0, .what = "no map"},
        {GOOD, .map = 3, .what = "unknown map"},
        {GOOD, .first = 0x7ffffffe, .what = "ranks beyond all numbers"},
        {GOOD, .first = 0xffffffff, .what = "ranks around the corner"},
        {GOOD, .size = 0, .what = "no ranks"},
        {GOOD, .size = PLAN_RANK_LIMIT + 1, .what = "too many ranks"},
        {GOOD, .size = 3, .what = "fewer ranks than in its runs"},
        {GOOD, .size = 5, .what = "more ranks than in its runs"},
        {GOOD, .run = {0, 4, 0x80000001}, .what = "a run that overflows"},
        {GOOD, .run = {0, 5, 1}, .what = "a run beyond the nodes"},
        {GOOD, .run = {1, 4, 1}, .what = "a run that ends beyond the nodes"},
        {GOOD, .run = {4, 1, 4}, .what = "a run that begins beyond the nodes"},
        {GOOD, .run = {0, 0, 4}, .what = "an empty run"},
        {GOOD, .run = {0, 4, 0}, .what = "a run without ranks"},
        {GOOD, .slots = 0, .what = "no slots"},
        {GOOD, .slots = 5, .length = 5, .what = "more slots than ranks"},
        {GOOD, .run = {0, 2, 2}, .what = "other slots than ranks on a node"},
        {GOOD, .sets = 2, .what = "more sets than slots"},
        {GOOD, .sets = 0, .what = "no sets"},
        {GOOD, .numbers = 3, .what = "more numbers than in its sets"},
        {GOOD, .numbers = 1, .what = "fewer numbers than in its sets"},
        {GOOD, .numbers = 0x80000000, .what = "numbers without end"},
        {GOOD, .cores = 0, .units = 2, .what = "no cores"},
        {GOOD, .cores = 0xffff, .units = 0xffff, .what = "many cores"},
        {GOOD, .core = 4096, .what = "a core that cannot be"},
        {GOOD, .unit = 0x1000, .what = "a GPU that cannot be"},
        {GOOD, .unit = 0xff8, .what = "a tile that cannot be"},
        {GOOD, .unit = 0xffe, .what = "a tile that cannot be"},
        {GOOD, .flags = 0, .what = "no binding"},
        {GOOD, .flags = 6, .what = "unknown binding"},
        {GOOD, .flags = 33, .what = "unknown flag"},
        {GOOD, .set = 1, .what = "no such set"},
        {GOOD, .set = 0xffffffff, .what = "no such set"},
        {GOOD, .length = 2, .what = "more in a run than slots"},
        {GOOD, .length = 0, .what = "nothing in a run"},
        {GOOD, .slice_of = 1, .what = "no such slice"},
    };
#pragma GCC diagnostic pop
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(try_hostile(&rows[i]), rows[i].good, "%s", rows[i].what);
}

// ---- large ones

enum { NODES = 10000, CORES = 64 };

static struct ledger *large_ledger(bool uneven)
{
    const struct made even = {.cores = CORES, .l3 = 8, .numa = 16, .socket = 32, .gpus = 4};
    const struct made half = {.cores = CORES / 2, .l3 = 8, .numa = 16, .gpus = 4};
    struct ledger *ledger = ledger_create(NODES);
    static char names[NODES][12];
    for (uint32_t i = 0; i < NODES; i++) {
        snprintf(names[i], sizeof names[i], "nid%u", i);
        cr_assert(made_describe(ledger, i, names[i], names[i], uneven && i % 2 ? &half : &even));
    }
    return ledger;
}

static void check_large(const char *what, const struct policy *policy, uint32_t ranks, bool share,
                        bool uneven)
{
    struct ledger *ledger = large_ledger(uneven);
    const struct plan_template template = {ranks, policy};
    struct plan_request request = {.templates = &template, .count = 1, .share = share};
    struct plan plan, back;
    struct pack pack = PACK_EMPTY;
    dragon_error_t error = {0};
    size_t slices = 0;
    uint64_t start = time_now_ns();
    cr_assert_eq(plan_make(&request, ledger, &plan, &error), DRAGON_OK, "%s: %s", what, error.text);
    uint64_t made = time_now_ns();
    plan_pack_common(&pack, &plan);
    uint64_t packed = time_now_ns();
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(plan_unpack(&unpack, NODES, &back) && unpack_done(&unpack));
    uint64_t unpacked = time_now_ns();
    cr_expect_eq(back.size, plan.size);
    cr_expect_eq(memcmp(back.node_of_rank, plan.node_of_rank, 4 * (size_t)plan.size), 0);
    for (uint32_t node = 0; node < NODES; node++)
        if (!plan_slice_is_common(&plan, node)) {
            struct pack slice = PACK_EMPTY;
            plan_pack_slice(&slice, &plan, node);
            slices += slice.length;
            pack_fini(&slice);
        }
    uint64_t giving = time_now_ns();
    plan_give_all(&plan, ledger);
    uint64_t given = time_now_ns();
    cr_expect_eq(ledger->free_cores, ledger->all_cores);
    cr_expect_eq(ledger->free_gpus, ledger->all_gpus);
    cr_expect_lt(given - start, UINT64_C(5000000000));
    cr_expect_lt(pack.length + slices, UINT64_C(1000) * NODES);
    cr_log_info("%s: %u ranks, made %u us, packed %u us, unpacked %u us, given back %u us; "
                "%zu bytes, slices %zu bytes",
                what, plan.size, (unsigned)((made - start) / 1000),
                (unsigned)((packed - made) / 1000), (unsigned)((unpacked - packed) / 1000),
                (unsigned)((given - giving) / 1000), pack.length, slices);
    pack_fini(&pack);
    plan_fini(&back);
    plan_fini(&plan);
    ledger_destroy(ledger);
}

Test(place_plan_wire, ten_thousand_nodes)
{
    const struct policy any = {0}, round = {.map = DRAGON_MAP_CYCLIC}, four = {.cores = 4},
                        gpus = {.cores = 16, .gpus_said = true, .gpus = 1},
                        list = {.core_lists = LIST("0-15", "16-31")};
    check_large("block", &any, NODES * CORES, true, false);
    check_large("block, not shared", &any, NODES * CORES, false, false);
    check_large("cyclic", &round, NODES * CORES, false, false);
    check_large("uneven", &any, NODES * CORES, true, true);
    check_large("uneven, cyclic", &round, NODES * CORES * 3 / 4, false, true);
    check_large("four cores each", &four, NODES * CORES / 4, false, false);
    check_large("a GPU each", &gpus, NODES * 4, false, false);
    check_large("lists", &list, NODES * 4, true, true);
    check_large("all there can be", &any, PLAN_RANK_LIMIT, true, false);
    check_large("one", &any, 1, true, false);
}

// Many ranks on few cores, and on one core each.
Test(place_plan_wire, many_ranks_a_node)
{
    static const struct made one[] = {{.cores = 64}};
    struct ledger *ledger = made_ledger(one, 1);
    const struct policy any = {0}, three = {.cores = 3};
    const struct plan_template templates[] = {{PLAN_RANK_LIMIT / 2, &any}, {50000, &three}};
    struct plan_request request = {.templates = templates, .count = 2, .share = true};
    struct plan plan, back;
    struct pack pack = PACK_EMPTY;
    dragon_error_t error = {0};
    uint64_t start = time_now_ms();
    cr_assert_eq(plan_make(&request, ledger, &plan, &error), DRAGON_OK, "%s", error.text);
    plan_pack(&pack, &plan);
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(plan_unpack(&unpack, 1, &back) && unpack_done(&unpack));
    uint64_t took = time_now_ms() - start;
    for (uint32_t i = 1; i < 64; i++)
        cr_expect_leq(abs(ledger->nodes[0].core_users[i] - ledger->nodes[0].core_users[0]), 1);
    cr_expect_lt(took, 5000);
    cr_log_info("%u ranks on 64 cores: %zu bytes, %u ms", plan.size, pack.length, (unsigned)took);
    pack_fini(&pack);
    plan_fini(&back);
    plan_fini(&plan);
    ledger_destroy(ledger);
}

// On the path of every start of a group.
Test(place_plan_wire, one_rank_on_a_small_runtime)
{
    enum { TIMES = 1000 };
    struct made small[4];
    for (int i = 0; i < 4; i++)
        small[i] = (struct made){.cores = 64, .l3 = 8, .numa = 16, .socket = 32, .gpus = 4};
    struct ledger *ledger = made_ledger(small, 4);
    const struct policy any = {0};
    const struct plan_template template = {1, &any};
    struct plan_request request = {.templates = &template, .count = 1, .share = true};
    static struct plan plans[TIMES];
    uint64_t start = time_now_ns();
    for (int i = 0; i < TIMES; i++)
        cr_assert_eq(plan_make(&request, ledger, &plans[i], NULL), DRAGON_OK);
    uint64_t took = (time_now_ns() - start) / TIMES;
    cr_log_info("one rank: %u ns", (unsigned)took);
    cr_expect_lt(took, 1000000);
    for (int i = 0; i < TIMES; i++) {
        plan_give_all(&plans[i], ledger);
        plan_fini(&plans[i]);
    }
    cr_expect_eq(ledger->free_cores, 256);
    ledger_destroy(ledger);
}
