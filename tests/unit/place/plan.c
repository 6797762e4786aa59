// SPDX-License-Identifier: BSD-3-Clause
//
// Plans as text: what is asked of which nodes, and who goes where.
#include "config.h"

#include "place/plan.h"

#include <criterion/criterion.h>

enum { NODES_LIMIT = 16, NONE = -1 };

// The cores of the nodes, "4 4 2", into numbers.
static uint32_t read_cores(const char *text, uint32_t *cores)
{
    uint32_t count = 0;
    char *end;
    for (const char *at = text; *at; at = end) {
        cores[count++] = (uint32_t)strtoul(at, &end, 10);
        cr_assert(end > at);
    }
    return count;
}

// The plan as text: how many ranks on each node, then the node of each rank: "2 1 | 0 0 1".
static void write_plan(const struct plan *plan, char *text, size_t room)
{
    size_t used = 0;
    uint32_t *node_of_rank = plan_node_of_rank(plan);
    for (uint32_t i = 0; i < plan->nodes; i++)
        used += (size_t)snprintf(text + used, room - used, "%u ", plan->count[i]);
    used += (size_t)snprintf(text + used, room - used, "|");
    for (uint32_t i = 0; i < plan->size; i++)
        used += (size_t)snprintf(text + used, room - used, " %u", node_of_rank[i]);
    free(node_of_rank);
}

static struct plan_request request_of(int64_t ranks, uint32_t ppn, bool per_core, uint8_t order)
{
    return (struct plan_request){.ranks = ranks, .ppn = ppn, .per_core = per_core, .order = order};
}

Test(place_plan, who_goes_where)
{
    static const struct {
        const char *cores;
        int ranks, ppn;
        bool per_core;
        uint8_t order;
        const char *wanted;
    } rows[] = {
        // nothing said: one rank, or one for each core
        {"4", NONE, 0, false, PLAN_BLOCK, "1 | 0"},
        {"4 4", NONE, 0, false, PLAN_BLOCK, "1 0 | 0"},
        {"4 4", NONE, 0, false, PLAN_CYCLIC, "1 0 | 0"},
        {"2 3", NONE, 0, true, PLAN_BLOCK, "2 3 | 0 0 1 1 1"},
        {"1 1 1", NONE, 0, true, PLAN_BLOCK, "1 1 1 | 0 1 2"},
        // block: a node's cores are filled before the next node is used
        {"2 2", 1, 0, false, PLAN_BLOCK, "1 0 | 0"},
        {"2 2", 2, 0, false, PLAN_BLOCK, "2 0 | 0 0"},
        {"2 2", 3, 0, false, PLAN_BLOCK, "2 1 | 0 0 1"},
        {"2 2", 4, 0, false, PLAN_BLOCK, "2 2 | 0 0 1 1"},
        {"2 2", 3, 0, true, PLAN_BLOCK, "2 1 | 0 0 1"},
        // uneven cores
        {"1 4 2", 3, 0, false, PLAN_BLOCK, "1 2 0 | 0 1 1"},
        {"1 4 2", 7, 0, false, PLAN_BLOCK, "1 4 2 | 0 1 1 1 1 2 2"},
        {"5 1", 6, 0, false, PLAN_BLOCK, "5 1 | 0 0 0 0 0 1"},
        // more ranks than cores: all nodes take their cores' worth before any takes more
        {"1 1", 4, 0, false, PLAN_BLOCK, "2 2 | 0 0 1 1"},
        {"2 2", 5, 0, false, PLAN_BLOCK, "3 2 | 0 0 0 1 1"},
        {"1 2", 7, 0, false, PLAN_BLOCK, "3 4 | 0 0 0 1 1 1 1"},
        {"1 3", 9, 0, false, PLAN_BLOCK, "3 6 | 0 0 0 1 1 1 1 1 1"},
        {"1", 3, 0, false, PLAN_BLOCK, "3 | 0 0 0"},
        // cyclic: round and round
        {"2 2", 3, 0, false, PLAN_CYCLIC, "2 1 | 0 1 0"},
        {"4 4 4", 7, 0, false, PLAN_CYCLIC, "3 2 2 | 0 1 2 0 1 2 0"},
        {"1 1 1 1", 2, 0, false, PLAN_CYCLIC, "1 1 0 0 | 0 1"},
        {"8 1", 6, 0, false, PLAN_CYCLIC, "3 3 | 0 1 0 1 0 1"},
        {"2 3", NONE, 0, true, PLAN_CYCLIC, "3 2 | 0 1 0 1 0"},
        // at most so many on a node
        {"4 4", NONE, 2, false, PLAN_BLOCK, "2 2 | 0 0 1 1"},
        {"4 4", NONE, 2, true, PLAN_BLOCK, "2 2 | 0 0 1 1"},
        {"4 4", NONE, 2, false, PLAN_CYCLIC, "2 2 | 0 1 0 1"},
        {"4 4 4", 3, 2, false, PLAN_BLOCK, "2 1 0 | 0 0 1"},
        {"4 4 4", 6, 2, false, PLAN_BLOCK, "2 2 2 | 0 0 1 1 2 2"},
        {"1 1", NONE, 3, false, PLAN_BLOCK, "3 3 | 0 0 0 1 1 1"},
        {"1 1 1 1", 4, 2, false, PLAN_CYCLIC, "1 1 1 1 | 0 1 2 3"},
        {"1 1 1 1", 7, 2, false, PLAN_CYCLIC, "2 2 2 1 | 0 1 2 3 0 1 2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t cores[NODES_LIMIT], nodes = read_cores(rows[i].cores, cores);
        struct plan_request request =
            request_of(rows[i].ranks, (uint32_t)rows[i].ppn, rows[i].per_core, rows[i].order);
        struct plan plan;
        dragon_error_t error = {0};
        char text[256];
        cr_assert_eq(plan_make(&request, cores, nodes, &plan, &error), DRAGON_OK, "row %zu: %s", i,
                     error.text);
        write_plan(&plan, text, sizeof text);
        cr_expect_str_eq(text, rows[i].wanted, "row %zu (%s, %d ranks, %d a node): %s", i,
                         rows[i].cores, rows[i].ranks, rows[i].ppn, text);
        plan_fini(&plan);
    }
}

Test(place_plan, what_cannot_be_done)
{
    static const struct {
        int64_t ranks;
        uint32_t ppn;
        const char *wanted;
    } rows[] = {
        {0, 0, "a group of no ranks was asked for"},
        {PLAN_RANK_LIMIT + 1, 0, "1048577 ranks were asked for, the limit is 1048576"},
        {INT64_MAX, 0, "9223372036854775807 ranks were asked for, the limit is 1048576"},
        {INT64_MAX, 1, "9223372036854775807 ranks were asked for, the limit is 1048576"},
        {5, 2, "5 ranks with at most 2 on a node need 3 nodes, this runtime has 2"},
        {PLAN_RANK_LIMIT, 1,
         "1048576 ranks with at most 1 on a node need 1048576 nodes, this runtime has 2"},
        {NONE, UINT32_MAX, "8589934590 ranks were asked for, the limit is 1048576"},
    };
    static const uint32_t cores[] = {4, 4};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct plan_request request = request_of(rows[i].ranks, rows[i].ppn, true, PLAN_BLOCK);
        struct plan plan = {.size = 77};
        dragon_error_t error = {0};
        cr_expect_eq(plan_make(&request, cores, 2, &plan, &error), DRAGON_ERR_INVAL);
        cr_expect_str_eq(error.text, rows[i].wanted);
        cr_expect_eq(plan.size, 77, "written only on success");
        cr_expect_eq(plan_make(&request, cores, 2, &plan, NULL), DRAGON_ERR_INVAL);
    }
}

// Every rank has a node, every node the ranks it was counted for, none more than its share.
Test(place_plan, many_requests_keep_their_promises)
{
    static const uint32_t cores[] = {1, 7, 3, 16, 2};
    for (uint8_t order = PLAN_BLOCK; order <= PLAN_CYCLIC; order++)
        for (uint32_t ppn = 0; ppn <= 20; ppn += 4)
            for (int ranks = 1; ranks <= 100; ranks++) {
                struct plan_request request = request_of(ranks, ppn, false, order);
                struct plan plan;
                if (plan_make(&request, cores, 5, &plan, NULL) != DRAGON_OK) {
                    cr_assert(ppn && ranks > (int)ppn * 5);
                    continue;
                }
                uint32_t *node_of_rank = plan_node_of_rank(&plan), seen[5] = {0}, total = 0;
                for (int rank = 0; rank < ranks; rank++)
                    seen[node_of_rank[rank]]++;
                for (int node = 0; node < 5; node++) {
                    total += plan.count[node];
                    cr_assert_eq(seen[node], plan.count[node]);
                    cr_assert(!ppn || plan.count[node] <= ppn);
                }
                cr_assert_eq(total, (uint32_t)ranks);
                free(node_of_rank);
                plan_fini(&plan);
            }
}

// ---- on the wire

static bool same_plan(const struct plan *a, const struct plan *b)
{
    return a->order == b->order && a->size == b->size && a->nodes == b->nodes &&
           memcmp(a->count, b->count, a->nodes * sizeof *a->count) == 0;
}

Test(place_plan, round_trip_and_truncations)
{
    static const uint32_t cores[] = {4, 4, 1, 4, 4, 4};
    struct plan_request request = request_of(21, 0, false, PLAN_BLOCK);
    struct plan plan, back;
    struct pack pack = PACK_EMPTY;
    cr_assert_eq(plan_make(&request, cores, 6, &plan, NULL), DRAGON_OK);
    plan_pack(&pack, &plan);
    pack_u8(&pack, 99); // what follows is another's
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(plan_unpack(&unpack, 6, &back));
    cr_expect_eq(unpack_left(&unpack), 1);
    cr_expect(same_plan(&plan, &back));
    plan_fini(&back);
    for (size_t length = 0; length < pack.length - 1; length++) {
        uint8_t *cut = malloc(length ? length : 1);
        memcpy(cut, pack.data, length);
        unpack = unpack_start(cut, length);
        cr_expect(!plan_unpack(&unpack, 6, &back), "cut to %zu", length);
        free(cut);
    }
    unpack = unpack_start(pack.data, pack.length);
    cr_expect(!plan_unpack(&unpack, 5, &back), "a plan for more nodes than there are");
    unpack = unpack_start(pack.data, pack.length);
    cr_expect(!plan_unpack(&unpack, 7, &back), "a plan for fewer nodes than there are");
    pack_fini(&pack);
    plan_fini(&plan);
}

Test(place_plan, hostile_bytes)
{
    static const struct {
        uint8_t order;
        uint32_t size, runs[6]; // run, count; until 0, 0
        bool good;
    } rows[] = {
        {PLAN_BLOCK, 6, {3, 2}, true},
        {PLAN_CYCLIC, 3, {1, 3, 2, 0}, true},
        {PLAN_BLOCK, 4, {1, 4, 1, 0, 1, 0}, true},
        {2, 6, {3, 2}, false},
        {255, 6, {3, 2}, false},
        {PLAN_BLOCK, 0, {3, 0xffffffff}, false},
        {PLAN_BLOCK, PLAN_RANK_LIMIT + 1, {3, 2}, false},
        {PLAN_BLOCK, 7, {3, 2}, false},
        {PLAN_BLOCK, 5, {3, 2}, false},
        {PLAN_BLOCK, 6, {4, 2}, false},
        {PLAN_BLOCK, 6, {0xffffffff, 2}, false},
        {PLAN_BLOCK, 6, {2, 3, 0xffffffff, 0}, false},
        {PLAN_BLOCK, 6, {1, 6, 0, 5, 2, 0}, false},
        {PLAN_BLOCK, 6, {1, 7, 2, 0}, false},
        {PLAN_BLOCK, 6, {1, 0x80000003, 2, 0x80000003}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pack pack = PACK_EMPTY;
        struct plan plan;
        pack_u8(&pack, rows[i].order);
        pack_u32(&pack, rows[i].size);
        for (size_t k = 0; k < 6 && (rows[i].runs[k] || rows[i].runs[k + 1]); k += 2) {
            pack_u32(&pack, rows[i].runs[k]);
            pack_u32(&pack, rows[i].runs[k + 1]);
        }
        struct unpack unpack = unpack_start(pack.data, pack.length);
        bool good = plan_unpack(&unpack, 3, &plan);
        cr_expect_eq(good, rows[i].good, "row %zu", i);
        if (good)
            plan_fini(&plan);
        pack_fini(&pack);
    }
}

static void check_large(uint32_t ppn, uint8_t order, bool uneven)
{
    enum { NODES = 10000 };
    static uint32_t cores[NODES];
    for (uint32_t i = 0; i < NODES; i++)
        cores[i] = uneven ? 32 + i % 2 * 64 : 64;
    struct plan_request request = request_of(64 * NODES, ppn, true, order);
    struct plan plan, back;
    struct pack pack = PACK_EMPTY;
    uint64_t start = time_now_ms();
    cr_assert_eq(plan_make(&request, cores, NODES, &plan, NULL), DRAGON_OK);
    uint32_t *node_of_rank = plan_node_of_rank(&plan);
    plan_pack(&pack, &plan);
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(plan_unpack(&unpack, NODES, &back) && unpack_done(&unpack));
    uint64_t took = time_now_ms() - start;
    cr_expect(same_plan(&plan, &back));
    cr_expect_lt(took, 1000);
    cr_expect_lt(pack.length, uneven && order == PLAN_BLOCK ? 100000u : 100u);
    cr_log_info("640000 ranks on %d nodes, %s, %s cores: %zu bytes, %llu ms", (int)NODES,
                order == PLAN_CYCLIC ? "cyclic" : "block", uneven ? "uneven" : "even", pack.length,
                (unsigned long long)took);
    free(node_of_rank);
    plan_fini(&back);
    plan_fini(&plan);
    pack_fini(&pack);
}

Test(place_plan, ten_thousand_nodes)
{
    for (int uneven = 0; uneven < 2; uneven++)
        for (uint8_t order = PLAN_BLOCK; order <= PLAN_CYCLIC; order++)
            check_large(uneven ? 0 : 64, order, uneven);
}

// A great number for each node must not make a plan that takes for ever to number.
Test(place_plan, all_ranks_in_one_round_of_few_nodes)
{
    enum { NODES = 10000 };
    static uint32_t cores[NODES];
    for (uint32_t i = 0; i < NODES; i++)
        cores[i] = 1;
    struct plan_request request = request_of(PLAN_RANK_LIMIT, PLAN_RANK_LIMIT, false, PLAN_CYCLIC);
    struct plan plan;
    uint64_t start = time_now_ms();
    cr_assert_eq(plan_make(&request, cores, NODES, &plan, NULL), DRAGON_OK);
    free(plan_node_of_rank(&plan));
    cr_expect_lt(time_now_ms() - start, 1000);
    plan_fini(&plan);
}

// ---- cores

Test(place_plan, every_core_goes_to_one_node)
{
    for (uint32_t cores = 1; cores <= 70; cores++)
        for (uint32_t count = 1; count <= 70; count++) {
            uint32_t first, next = 0;
            for (uint32_t i = 0; i < count; i++) {
                uint32_t share = plan_divide_cores(cores, i, count, &first);
                cr_assert_geq(share, 1);
                cr_assert_leq(first + share, cores);
                if (cores < count)
                    continue; // some share one
                cr_assert_eq(first, next, "%u cores, node %u of %u", cores, i, count);
                cr_assert_leq(share, (cores + count - 1) / count);
                next = first + share;
            }
            cr_assert(cores < count || next == cores);
        }
}
