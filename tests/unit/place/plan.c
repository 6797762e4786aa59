// SPDX-License-Identifier: BSD-3-Clause
//
// Plans as text: what is asked of which nodes, who goes where, and with which cores and GPUs.
#include "config.h"

#include "made.h"
#include "place/lists.h"

#include <criterion/criterion.h>

enum { NODES_LIMIT = 16, TEXT = 4096 };

#define LIST(...) ((char *[]){__VA_ARGS__, NULL})

static dragon_err_t plan_one(struct ledger *ledger, const struct policy *policy, uint32_t ranks,
                             bool per_core, bool share, struct plan *plan, dragon_error_t *error)
{
    struct plan_template template = {.ranks = ranks, .policy = policy};
    struct plan_request request = {
        .templates = &template, .count = 1, .per_core = per_core, .share = share};
    return plan_make(&request, ledger, plan, error);
}

// ---- which node

// The cores of the nodes, "4 4 2".
static struct ledger *ledger_of(const char *text)
{
    struct made nodes[NODES_LIMIT] = {{0}};
    uint32_t count = 0;
    char *end;
    for (const char *at = text; *at; at = end) {
        nodes[count++].cores = (uint32_t)strtoul(at, &end, 10);
        cr_assert(end > at);
    }
    return made_ledger(nodes, count);
}

// How many ranks on each node, then the node of each rank: "2 1 | 0 0 1".
static void write_nodes(const struct plan *plan, char *text, size_t room)
{
    size_t used = 0;
    for (uint32_t i = 0; i < plan->nodes; i++)
        used += (size_t)snprintf(text + used, room - used, "%u ", plan->count_on[i]);
    used += (size_t)snprintf(text + used, room - used, "|");
    for (uint32_t i = 0; i < plan->size; i++)
        used += (size_t)snprintf(text + used, room - used, " %u", plan_node(plan, i));
}

enum { BLOCK = DRAGON_MAP_BLOCK, CYCLIC = DRAGON_MAP_CYCLIC, FIT = 0 };

Test(place_plan, who_goes_where)
{
    static const struct {
        const char *cores;
        uint32_t ranks, ppn;
        bool per_core;
        uint8_t map;
        const char *wanted;
    } rows[] = {
        // nothing said: one rank, or one for each core
        {"4", FIT, 0, false, 0, "1 | 0"},
        {"4 4", FIT, 0, false, BLOCK, "1 0 | 0"},
        {"4 4", FIT, 0, false, CYCLIC, "1 0 | 0"},
        {"2 3", FIT, 0, true, BLOCK, "2 3 | 0 0 1 1 1"},
        {"1 1 1", FIT, 0, true, BLOCK, "1 1 1 | 0 1 2"},
        // block: a node's cores are filled before the next node is used
        {"2 2", 1, 0, false, BLOCK, "1 0 | 0"},
        {"2 2", 2, 0, false, BLOCK, "2 0 | 0 0"},
        {"2 2", 3, 0, false, 0, "2 1 | 0 0 1"},
        {"2 2", 4, 0, false, BLOCK, "2 2 | 0 0 1 1"},
        {"2 2", 3, 0, true, BLOCK, "2 1 | 0 0 1"},
        // uneven cores
        {"1 4 2", 3, 0, false, BLOCK, "1 2 0 | 0 1 1"},
        {"1 4 2", 7, 0, false, BLOCK, "1 4 2 | 0 1 1 1 1 2 2"},
        {"5 1", 6, 0, false, BLOCK, "5 1 | 0 0 0 0 0 1"},
        // more ranks than cores: all nodes take their cores' worth before any takes more
        {"1 1", 4, 0, false, BLOCK, "2 2 | 0 0 1 1"},
        {"2 2", 5, 0, false, BLOCK, "3 2 | 0 0 0 1 1"},
        {"1 2", 7, 0, false, BLOCK, "3 4 | 0 0 0 1 1 1 1"},
        {"1 3", 9, 0, false, BLOCK, "3 6 | 0 0 0 1 1 1 1 1 1"},
        {"1", 3, 0, false, BLOCK, "3 | 0 0 0"},
        // cyclic: round and round
        {"2 2", 3, 0, false, CYCLIC, "2 1 | 0 1 0"},
        {"4 4 4", 7, 0, false, CYCLIC, "3 2 2 | 0 1 2 0 1 2 0"},
        {"1 1 1 1", 2, 0, false, CYCLIC, "1 1 0 0 | 0 1"},
        {"8 1", 6, 0, false, CYCLIC, "3 3 | 0 1 0 1 0 1"},
        {"2 3", FIT, 0, true, CYCLIC, "3 2 | 0 1 0 1 0"},
        // at most so many on a node
        {"4 4", FIT, 2, false, BLOCK, "2 2 | 0 0 1 1"},
        {"4 4", FIT, 2, true, BLOCK, "2 2 | 0 0 1 1"},
        {"4 4", FIT, 2, false, CYCLIC, "2 2 | 0 1 0 1"},
        {"4 4 4", 3, 2, false, BLOCK, "2 1 0 | 0 0 1"},
        {"4 4 4", 6, 2, false, BLOCK, "2 2 2 | 0 0 1 1 2 2"},
        {"1 1", FIT, 3, false, BLOCK, "3 3 | 0 0 0 1 1 1"},
        {"1 1 1", 4, 3, false, BLOCK, "3 1 0 | 0 0 0 1"},
        {"1 1 1 1", 4, 2, false, CYCLIC, "1 1 1 1 | 0 1 2 3"},
        {"1 1 1 1", 7, 2, false, CYCLIC, "2 2 2 1 | 0 1 2 3 0 1 2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ledger *ledger = ledger_of(rows[i].cores);
        struct policy policy = {.ppn = rows[i].ppn, .map = rows[i].map};
        struct plan plan;
        dragon_error_t error = {0};
        char text[256];
        cr_assert_eq(
            plan_one(ledger, &policy, rows[i].ranks, rows[i].per_core, true, &plan, &error),
            DRAGON_OK, "row %zu: %s", i, error.text);
        write_nodes(&plan, text, sizeof text);
        cr_expect_str_eq(text, rows[i].wanted, "row %zu (%s, %u ranks, %u a node): %s", i,
                         rows[i].cores, rows[i].ranks, rows[i].ppn, text);
        plan_give_all(&plan, ledger);
        cr_expect_eq(ledger->free_cores, ledger->all_cores);
        plan_fini(&plan);
        ledger_destroy(ledger);
    }
}

Test(place_plan, what_cannot_be_done)
{
    static const struct {
        uint32_t ranks, ppn;
        const char *wanted;
    } rows[] = {
        {PLAN_RANK_LIMIT + 1, 0, "1048577 ranks were asked for, the limit is 1048576"},
        {UINT32_MAX, 1, "4294967295 ranks were asked for, the limit is 1048576"},
        {5, 2, "5 ranks with at most 2 on a node need 3 nodes, this runtime has 2"},
        {PLAN_RANK_LIMIT, 1,
         "1048576 ranks with at most 1 on a node need 1048576 nodes, this runtime has 2"},
        {FIT, UINT32_MAX, "8589934590 ranks were asked for, the limit is 1048576"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ledger *ledger = ledger_of("4 4");
        struct policy policy = {.ppn = rows[i].ppn};
        struct plan plan = {.size = 77};
        dragon_error_t error = {0};
        cr_expect_eq(plan_one(ledger, &policy, rows[i].ranks, true, true, &plan, &error),
                     DRAGON_ERR_INVAL);
        cr_expect_str_eq(error.text, rows[i].wanted);
        cr_expect_eq(plan.size, 77, "written only on success");
        cr_expect_eq(plan_one(ledger, &policy, rows[i].ranks, true, true, &plan, NULL),
                     DRAGON_ERR_INVAL);
        ledger_destroy(ledger);
    }
}

// Every rank has a node, every node the ranks it was counted for, none more than its share.
Test(place_plan, many_requests_keep_their_promises)
{
    for (uint8_t map = BLOCK; map <= CYCLIC; map++)
        for (uint32_t ppn = 0; ppn <= 20; ppn += 4)
            for (uint32_t ranks = 1; ranks <= 100; ranks++) {
                struct ledger *ledger = ledger_of("1 7 3 16 2");
                struct policy policy = {.ppn = ppn, .map = map};
                struct plan plan;
                uint32_t seen[5] = {0}, total = 0;
                if (plan_one(ledger, &policy, ranks, false, true, &plan, NULL) != DRAGON_OK) {
                    cr_assert(ppn && ranks > ppn * 5);
                    ledger_destroy(ledger);
                    continue;
                }
                for (uint32_t rank = 0; rank < ranks; rank++) {
                    uint32_t node = plan_node(&plan, rank);
                    cr_assert_eq(plan.local_of_rank[rank], seen[node]++);
                }
                for (int node = 0; node < 5; node++) {
                    total += plan.count_on[node];
                    cr_assert_eq(seen[node], plan.count_on[node]);
                    cr_assert(!ppn || plan.count_on[node] <= ppn);
                }
                cr_assert_eq(total, ranks);
                plan_give_all(&plan, ledger);
                cr_assert_eq(ledger->free_cores, 29);
                plan_fini(&plan);
                ledger_destroy(ledger);
            }
}

// ---- cores and GPUs

static const struct made plain[] = {{.cores = 4}, {.cores = 4}};
static const struct made two_l3[] = {{.cores = 8, .l3 = 4, .numa = 4, .socket = 8}};
static const struct made odd_l3[] = {{.cores = 8, .l3 = 3, .numa = 6}};
static const struct made gpus4[] = {{.cores = 8, .l3 = 2, .numa = 4, .gpus = 4}};
static const struct made sockets[] = {{.cores = 16, .l3 = 4, .numa = 4, .socket = 8, .gpus = 4}};
static const struct made tiles[] = {{.cores = 4, .gpus = 2, .tiles = 2, .vendor = GPU_INTEL}};

struct asked {
    const struct made *nodes;
    uint32_t count;
    const char *used; // one plan before, of ranks with these cores on every node, "" none
    struct policy policy;
    uint32_t ranks;
    bool share;
    const char *wanted; // the plan, or the error
};

static void occupy(struct ledger *ledger, const char *cores)
{
    uint16_t numbers[64];
    int count = *cores ? lists_parse_cores(cores, 63, numbers, 64) : 0;
    cr_assert_geq(count, 0);
    for (uint32_t node = 0; node < ledger->count; node++)
        for (int i = 0; i < count; i++)
            ledger_take_core(ledger, node, numbers[i]);
}

static void check_rows(const struct asked *rows, size_t count, dragon_err_t code)
{
    for (size_t i = 0; i < count; i++) {
        struct ledger *ledger = made_ledger(rows[i].nodes, rows[i].count);
        struct plan plan;
        dragon_error_t error = {0};
        char text[TEXT], before[TEXT], after[TEXT];
        occupy(ledger, rows[i].used);
        made_users(ledger, before, sizeof before);
        dragon_err_t err =
            plan_one(ledger, &rows[i].policy, rows[i].ranks, false, rows[i].share, &plan, &error);
        cr_expect_eq(err, code, "row %zu: %d, %s", i, err, error.text);
        if (err == DRAGON_OK) {
            made_text(&plan, text, sizeof text);
            cr_expect_str_eq(text, rows[i].wanted, "row %zu: %s", i, text);
            plan_give_all(&plan, ledger);
            plan_fini(&plan);
        } else
            cr_expect_str_eq(error.text, rows[i].wanted, "row %zu: %s", i, error.text);
        made_users(ledger, after, sizeof after);
        cr_expect_str_eq(after, before, "row %zu: the ledger is as before", i);
        ledger_destroy(ledger);
    }
}

#define CHECK_ROWS(rows, code) check_rows(rows, sizeof(rows) / sizeof *(rows), code)

Test(place_plan, cores_for_oneself)
{
    const struct asked rows[] = {
        {plain, 2, "", {0}, 6, false, "0:0 0:1 0:2 0:3 1:0 1:1"},
        {plain, 2, "", {.map = CYCLIC}, 5, false, "0:0 1:0 0:1 1:1 0:2"},
        {plain, 2, "", {.cores = 2}, 3, false, "0:0-1 0:2-3 1:0-1"},
        {plain, 2, "", {.cores = 3}, 2, false, "0:0-2 1:0-2"},
        {plain, 2, "", {.cores = 2, .ppn = 1}, FIT, false, "0:0-1 1:0-1"},
        {plain, 2, "0,2", {.cores = 2}, 2, false, "0:1,3 1:1,3"},
        {plain, 2, "1", {0}, 4, false, "0:0 0:2 0:3 1:0"},
        // a full node is left out in the round
        {(struct made[]){{.cores = 1}, {.cores = 4}},
         2,
         "",
         {.map = CYCLIC},
         4,
         false,
         "0:0 1:0 1:1 1:2"},
        // together in one L3, NUMA node, socket; what is left at last
        {two_l3, 1, "0,1", {.cores = 3}, 1, false, "0:4-6"},
        {two_l3, 1, "0-1,4-5", {.cores = 3}, 1, false, "0:2-3,6"},
        {two_l3, 1, "", {.cores = 3}, 2, false, "0:0-2 0:4-6"},
        {two_l3, 1, "", {.cores = 2}, 4, false, "0:0-1 0:2-3 0:4-5 0:6-7"},
        {odd_l3, 1, "", {.cores = 4}, 2, false, "0:0-3 0:4-7"},
        {odd_l3, 1, "", {.cores = 2}, 4, false, "0:0-1 0:3-4 0:6-7 0:2,5"},
    };
    CHECK_ROWS(rows, DRAGON_OK);
}

Test(place_plan, gpus_near_the_cores)
{
    const struct asked rows[] = {
        {gpus4, 1, "", {.gpus_said = true, .gpus = 1}, 4, false, "0:0/0 0:1/1 0:4/2 0:5/3"},
        {gpus4, 1, "0-3", {.gpus_said = true, .gpus = 1}, 2, false, "0:4/2 0:5/3"},
        {gpus4, 1, "", {.cores = 2, .gpus_said = true, .gpus = 2}, 2, false, "0:0-1/0,1 0:4-5/2,3"},
        {gpus4, 1, "", {.cores = 4, .gpus_said = true, .gpus = 1}, 2, false, "0:0-3/0 0:4-7/2"},
        // no NUMA node has cores enough: the nearest to the cores' own
        {gpus4, 1, "", {.cores = 6, .gpus_said = true, .gpus = 3}, 1, false, "0:0-5/0,1,2"},
        {gpus4, 1, "0-1,4-5", {.cores = 3, .gpus_said = true, .gpus = 1}, 1, false, "0:2-3,6/0"},
        // of the same socket before any other
        {sockets, 1, "", {.gpus_said = true, .gpus = 2}, 2, false, "0:0/0,1 0:8/2,3"},
        {sockets, 1, "0-11", {.gpus_said = true, .gpus = 2}, 1, false, "0:12/2,3"},
        // explicit cores decide
        {gpus4,
         1,
         "",
         {.core_lists = LIST("6-7", "0-1"), .gpus_said = true, .gpus = 1},
         2,
         false,
         "0:6-7/2 0:0-1/0"},
        {sockets,
         1,
         "",
         {.core_lists = LIST("12"), .gpus_said = true, .gpus = 3},
         1,
         false,
         "0:12/0,2,3"},
        // none is not nothing said
        {gpus4, 1, "", {.gpus_said = true}, 1, false, "0:0-"},
        {gpus4, 1, "", {0}, 1, false, "0:0"},
    };
    CHECK_ROWS(rows, DRAGON_OK);
}

Test(place_plan, lists)
{
    const struct asked rows[] = {
        {plain, 2, "", {.core_lists = LIST("2")}, FIT, false, "0:2"},
        {plain, 2, "", {.core_lists = LIST("0-1", "2-3")}, 4, false, "0:0-1 0:2-3 1:0-1 1:2-3"},
        {plain, 2, "", {.core_lists = LIST("3,1"), .map = CYCLIC}, 2, false, "0:3,1 1:3,1"},
        // ranks that have the same list share it, on all nodes in turn
        {plain,
         2,
         "",
         {.core_lists = LIST("0-1", "2-3")},
         5,
         false,
         "0:0-1* 0:2-3 0:0-1* 1:0-1 1:2-3"},
        {plain, 2, "", {.core_lists = LIST("0"), .ppn = 2}, FIT, false, "0:0* 0:0* 1:0* 1:0*"},
        // overlapping lists of one template are no conflict
        {plain, 2, "", {.core_lists = LIST("0-2", "2-3")}, 2, false, "0:0-2* 0:2-3*"},
        // only the lists before the first in use
        {plain, 2, "3", {.core_lists = LIST("0-1", "2-3")}, 2, false, "0:0-1 1:0-1"},
        // a list wins over a number
        {plain, 2, "", {.core_lists = LIST("1"), .cores = 3}, 1, false, "0:1"},
        {gpus4, 1, "", {.gpu_lists = LIST("3", "0,1")}, 2, false, "0:4/3 0:0/0,1"},
        {gpus4, 1, "", {.gpu_lists = LIST("3")}, 3, false, "0:4/3* 0:5/3* 0:6/3*"},
        // Cores near the GPUs, as long as there are some.
        {gpus4,
         1,
         "",
         {.cores = 2, .gpu_lists = LIST("3")},
         3,
         false,
         "0:4-5/3* 0:6-7/3* 0:0-1/3*"},
        {gpus4, 1, "4-7", {.gpu_lists = LIST("3")}, 1, false, "0:0/3"},
        {tiles, 1, "", {.gpu_lists = LIST("0.0", "0.1", "1")}, 3, false, "0:0/0.0 0:1/0.1 0:2/1"},
        {tiles, 1, "", {.gpu_lists = LIST("0.0", "0")}, 2, false, "0:0/0.0* 0:1/0*"},
    };
    CHECK_ROWS(rows, DRAGON_OK);
}

Test(place_plan, sharing)
{
    const struct asked rows[] = {
        {plain, 2, "", {0}, 9, true, "0:0* 0:1 0:2 0:3 0:0* 1:0 1:1 1:2 1:3"},
        {plain, 1, "0", {0}, 1, true, "0:1"},
        {plain, 1, "0-2", {.cores = 2}, 1, true, "0:0,3*"},
        {plain, 1, "0-3", {0}, 1, true, "0:0*"},
        {plain, 1, "", {.cores = 3}, 2, true, "0:0-2* 0:0-1,3*"},
        {two_l3, 1, "0-6", {.cores = 3}, 1, true, "0:4-5,7*"}, // the idle one, and its neighbours
        {gpus4, 1, "", {.gpus_said = true, .gpus = 3}, 2, true, "0:0/0,1,2* 0:4/0,2,3*"},
        {plain, 1, "0", {.core_lists = LIST("0")}, 1, true, "0:0*"},
        {plain, 2, "0", {.core_lists = LIST("0")}, 3, true, "0:0* 0:0* 1:0*"},
    };
    CHECK_ROWS(rows, DRAGON_OK);
}

// Nodes with idle cores are used before cores are shared.
Test(place_plan, sharing_takes_the_idle_nodes_first)
{
    struct ledger *ledger = ledger_of("2 2 2");
    struct policy first = {.hosts = LIST("n1")}, any = {0}, round = {.map = CYCLIC};
    struct plan plans[4];
    char text[TEXT];
    cr_assert_eq(plan_one(ledger, &first, 2, false, true, &plans[0], NULL), DRAGON_OK);
    cr_assert_eq(plan_one(ledger, &any, 4, false, true, &plans[1], NULL), DRAGON_OK);
    made_text(&plans[1], text, sizeof text);
    cr_expect_str_eq(text, "0:0 0:1 2:0 2:1");
    cr_expect_not(plans[1].shared);
    cr_assert_eq(plan_one(ledger, &any, 5, false, true, &plans[2], NULL), DRAGON_OK);
    made_text(&plans[2], text, sizeof text);
    cr_expect_str_eq(text, "0:0* 0:1* 1:0* 1:1* 2:0*");
    cr_expect(plans[2].shared);
    cr_assert_eq(plan_one(ledger, &round, 3, false, true, &plans[3], NULL), DRAGON_OK);
    made_text(&plans[3], text, sizeof text);
    cr_expect_str_eq(text, "0:0* 1:0* 2:1*");
    for (int i = 0; i < 4; i++) {
        plan_give_all(&plans[i], ledger);
        plan_fini(&plans[i]);
    }
    cr_expect_eq(ledger->free_cores, 6);
    ledger_destroy(ledger);
}

Test(place_plan, no_room_now)
{
    const struct asked rows[] = {
        {plain, 2, "0", {0}, 7, false, "7 ranks need 7 cores, 6 of 8 are free on the 2 nodes"},
        {plain,
         2,
         "0-1",
         {.cores = 3},
         2,
         false,
         "2 ranks of 3 cores need 6 cores, 4 of 8 are free on the 2 nodes"},
        {plain,
         2,
         "0-1",
         {.cores = 4, .hosts = LIST("n1")},
         1,
         false,
         "1 rank of 4 cores needs 4 cores, 2 of 4 are free on node n1"},
        {(struct made[]){{.cores = 5}, {.cores = 5}, {.cores = 9}},
         3,
         "0-1",
         {.cores = 4, .ppn = 2},
         2,
         false,
         "2 ranks of 4 cores, at most 2 on a node, need 8 cores, 13 of 19 are free on the 3 nodes, "
         "in parts that hold 1 rank"},
        {plain,
         2,
         "2",
         {.core_lists = LIST("1-2")},
         1,
         false,
         "1 rank on listed cores: core 2 of node n0 is in use"},
    };
    CHECK_ROWS(rows, DRAGON_ERR_FULL);
}

Test(place_plan, no_room_ever)
{
    const struct asked rows[] = {
        {plain, 2, "0", {0}, 9, false, "9 ranks need 9 cores, the 2 nodes have 8"},
        {plain,
         2,
         "0",
         {.cores = 5},
         1,
         false,
         "a rank is to have 5 cores, the 2 nodes have 4 each at most"},
        {plain,
         2,
         "",
         {.cores = 5},
         1,
         true,
         "a rank is to have 5 cores, the 2 nodes have 4 each at most"},
        {plain,
         2,
         "",
         {.cores = 5, .map = CYCLIC},
         1,
         true,
         "a rank is to have 5 cores, the 2 nodes have 4 each at most"},
        {plain,
         2,
         "0",
         {.cores = 3},
         3,
         false,
         "3 ranks of 3 cores need 9 cores, the 2 nodes have 8"},
        {plain,
         2,
         "",
         {.cores = 4, .hosts = LIST("1", "n0")},
         3,
         false,
         "3 ranks of 4 cores need 12 cores, the 2 nodes allowed have 8"},
        {plain,
         2,
         "",
         {.gpus_said = true, .gpus = 1},
         1,
         true,
         "a rank is to have 1 GPU, the 2 nodes have none"},
        {gpus4,
         1,
         "",
         {.gpus_said = true, .gpus = 5},
         1,
         true,
         "a rank is to have 5 GPUs, node n0 has 4"},
        {gpus4,
         1,
         "",
         {.gpus_said = true, .gpus = 2},
         3,
         false,
         "3 ranks of 2 GPUs need 6 GPUs, node n0 has 4"},
        {plain,
         2,
         "",
         {.core_lists = LIST("3-4")},
         1,
         false,
         "core 4 is not there: node n0 has 4 cores, from 0"},
        {plain,
         2,
         "",
         {.core_lists = LIST("4")},
         1,
         true,
         "core 4 is not there: node n0 has 4 cores, from 0"},
        {plain, 2, "", {.core_lists = LIST("0-x")}, 1, false, "\"0-x\" is no list of cores"},
        {plain, 2, "", {.core_lists = LIST("5000")}, 1, false, "\"5000\" is no list of cores"},
        {plain, 2, "", {.gpu_lists = LIST("0")}, 1, false, "GPU 0 is not there: node n0 has none"},
        {gpus4,
         1,
         "",
         {.gpu_lists = LIST("4")},
         1,
         false,
         "GPU 4 is not there: node n0 has 4 GPUs, from 0"},
        {tiles,
         1,
         "",
         {.gpu_lists = LIST("1.2")},
         1,
         false,
         "GPU 1.2 is not there: GPU 1 of node n0 has 2 tiles, from 0"},
        {tiles, 1, "", {.gpu_lists = LIST("0.9")}, 1, false, "\"0.9\" is no list of GPUs"},
        {plain,
         2,
         "",
         {.hosts = LIST("n2")},
         1,
         false,
         "no node or host is named \"n2\"; did you mean \"n0\"? There are n0, n1"},
        {plain,
         2,
         "",
         {.hosts = LIST("rack7")},
         1,
         false,
         "no node or host is named \"rack7\"; there are n0, n1"},
        {plain,
         2,
         "",
         {.hosts = LIST("2")},
         1,
         false,
         "there is no node 2, the last of this runtime is 1"},
        {plain,
         2,
         "",
         {.hosts = LIST("-1")},
         1,
         false,
         "no node or host is named \"-1\"; did you mean \"n1\"? There are n0, n1"},
        {plain,
         2,
         "",
         {.hosts = LIST("n1"), .ppn = 2},
         3,
         false,
         "3 ranks with at most 2 on a node need 2 nodes, its policy allows 1"},
    };
    CHECK_ROWS(rows, DRAGON_ERR_INVAL);
}

// ---- hosts

Test(place_plan, hosts_restrict_and_order)
{
    static const struct {
        const char *name, *host;
    } nodes[] = {{"a.site-0", "a.site"}, {"b.site", "b.site"}, {"a.site-1", "a.site"},
                 {"7", "seven"},         {"c.one", "c.one"},   {"c.two", "c.two"}};
    static const struct made made = {.cores = 2};
    const struct {
        char **hosts;
        const char *wanted;
    } rows[] = {
        {LIST("b.site"), "1"},
        {LIST("b"), "1"},
        {LIST("a.site"), "0 0 2 2"},
        {LIST("a"), "0 0 2 2"},
        {LIST("a.site-1", "a"), "2 2 0 0"},
        {LIST("b", "0"), "1 1 0 0"},
        {LIST("1", "b", "b.site", "1"), "1"},
        {LIST("7"), "3"},
        {LIST("seven"), "3"},
        {LIST("seven.site"), "3"},
        {LIST("5"), "5"},
        {LIST("05"), "5"},
    };
    struct ledger *ledger = ledger_create(6);
    char text[TEXT];
    for (uint32_t i = 0; i < 6; i++)
        cr_assert(made_describe(ledger, i, nodes[i].name, nodes[i].host, &made));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct policy policy = {.hosts = rows[i].hosts, .cores = 1};
        struct plan plan;
        dragon_error_t error = {0};
        uint32_t ranks = (uint32_t)(strlen(rows[i].wanted) + 1) / 2;
        size_t used = 0;
        cr_assert_eq(plan_one(ledger, &policy, ranks, false, false, &plan, &error), DRAGON_OK,
                     "row %zu: %s", i, error.text);
        for (uint32_t k = 0; k < ranks; k++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%u", k ? " " : "",
                                     plan_node(&plan, k));
        cr_expect_str_eq(text, rows[i].wanted, "row %zu", i);
        plan_give_all(&plan, ledger);
        plan_fini(&plan);
    }
    struct policy policy = {.hosts = LIST("c")};
    struct plan plan;
    dragon_error_t error = {0};
    cr_expect_eq(plan_one(ledger, &policy, 1, false, false, &plan, &error), DRAGON_ERR_INVAL);
    cr_expect_str_eq(error.text, "\"c\" may be c.one or c.two");
    policy.hosts = LIST("b.elsewhere");
    cr_expect_eq(plan_one(ledger, &policy, 1, false, false, &plan, &error), DRAGON_ERR_INVAL);
    policy.hosts = LIST("7.site"); // the name of a node, not of its host
    cr_expect_eq(plan_one(ledger, &policy, 1, false, false, &plan, &error), DRAGON_ERR_INVAL);
    ledger_destroy(ledger);
}

// ---- several templates

static dragon_err_t plan_many(struct ledger *ledger, const struct plan_template *templates,
                              uint32_t count, uint32_t first, bool share, struct plan *plan,
                              dragon_error_t *error)
{
    struct plan_request request = {
        .templates = templates, .count = count, .first_rank = first, .share = share};
    return plan_make(&request, ledger, plan, error);
}

Test(place_plan, templates_follow_each_other)
{
    struct ledger *ledger = made_ledger(plain, 2);
    const struct policy wide = {.cores = 3}, narrow = {.map = CYCLIC, .bind = DRAGON_BIND_NUMA};
    const struct plan_template templates[] = {{2, &wide}, {2, &narrow}};
    struct plan plan;
    struct plan_slot slot;
    char text[TEXT];
    cr_assert_eq(plan_many(ledger, templates, 2, 100, false, &plan, NULL), DRAGON_OK);
    made_text(&plan, text, sizeof text);
    cr_expect_str_eq(text, "0:0-2 1:0-2 0:3 1:3");
    cr_expect_eq(plan.size, 4);
    cr_expect(!plan_has(&plan, 99) && plan_has(&plan, 100) && plan_has(&plan, 103) &&
              !plan_has(&plan, 104));
    cr_expect_eq(plan_template_of(&plan, 101), 0);
    cr_expect_eq(plan_template_of(&plan, 102), 1);
    cr_assert(plan_slot(&plan, 101, &slot));
    cr_expect_eq(slot.bind, DRAGON_BIND_CORE);
    cr_assert(plan_slot(&plan, 103, &slot));
    cr_expect_eq(slot.bind, DRAGON_BIND_NUMA);
    cr_expect_eq(ledger->free_cores, 0);
    plan_give_rank(&plan, 101, ledger);
    cr_expect_eq(ledger->free_cores, 3);
    cr_expect_eq(ledger->nodes[1].free_cores, 3);
    plan_fini(&plan);
    ledger_destroy(ledger);
}

Test(place_plan, a_later_template_that_fails_gives_all_back)
{
    struct ledger *ledger = made_ledger(plain, 2);
    const struct policy wide = {.cores = 3}, list = {.core_lists = LIST("1")},
                        none = {.hosts = LIST("nowhere")};
    const struct {
        struct plan_template templates[2];
        uint32_t taken; // cores in use before
        dragon_err_t code;
        const char *text;
    } rows[] = {
        {{{2, &wide}, {3, &(struct policy){0}}},
         0,
         DRAGON_ERR_INVAL,
         "template 1: 3 ranks need 3 cores, other templates leave 2 of 8 on the 2 nodes"},
        {{{1, &wide}, {1, &wide}},
         2,
         DRAGON_ERR_FULL,
         "template 1: 1 rank of 3 cores needs 3 cores, 3 of 8 are free on the 2 nodes, in parts "
         "that "
         "hold 0 ranks"},
        {{{2, &list}, {1, &list}},
         0,
         DRAGON_ERR_INVAL,
         "template 1: 1 rank on listed cores: core 1 of node n0 is listed by two templates"},
        {{{2, &wide}, {1, &none}},
         0,
         DRAGON_ERR_INVAL,
         "template 1: no node or host is named \"nowhere\"; there are n0, n1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct plan plan;
        dragon_error_t error = {0};
        for (uint16_t k = 0; k < rows[i].taken; k++)
            ledger_take_core(ledger, 0, k);
        dragon_err_t err = plan_many(ledger, rows[i].templates, 2, 0, false, &plan, &error);
        cr_expect_eq(err, rows[i].code, "row %zu: %d", i, err);
        cr_expect_str_eq(error.text, rows[i].text);
        cr_expect_eq(ledger->free_cores, 8 - rows[i].taken, "row %zu", i);
        for (uint16_t k = 0; k < rows[i].taken; k++)
            ledger_give_core(ledger, 0, k);
    }
    ledger_destroy(ledger);
}

Test(place_plan, sharing_is_told_unless_it_is_of_ones_own_lists)
{
    struct ledger *ledger = made_ledger(plain, 1);
    const struct policy list = {.core_lists = LIST("0-1")}, any = {0};
    struct plan own, other, third;
    struct plan_slot slot;
    cr_assert_eq(plan_one(ledger, &list, 2, false, false, &own, NULL), DRAGON_OK);
    cr_expect_not(own.shared);
    cr_assert(plan_slot(&own, 0, &slot));
    cr_expect(slot.shared);
    cr_assert_eq(plan_one(ledger, &list, 1, false, true, &other, NULL), DRAGON_OK);
    cr_expect(other.shared, "the other group's");
    cr_assert_eq(plan_one(ledger, &any, 3, false, true, &third, NULL), DRAGON_OK);
    cr_expect(third.shared, "two cores were left");
    plan_fini(&own);
    plan_fini(&other);
    plan_fini(&third);
    ledger_destroy(ledger);
}

// ---- requests at the edge

Test(place_plan, strange_requests)
{
    struct ledger *ledger = made_ledger(plain, 1), *unknown = ledger_create(2);
    const struct policy any = {0};
    const struct plan_template one = {1, &any};
    struct plan plan;
    dragon_error_t error = {0};
    cr_expect_eq(plan_many(ledger, &one, 0, 0, false, &plan, &error), DRAGON_ERR_INVAL);
    cr_expect_str_eq(error.text, "a group of no ranks was asked for");
    cr_expect_eq(plan_many(ledger, &one, PLAN_TEMPLATES_LIMIT + 1, 0, false, &plan, &error),
                 DRAGON_ERR_INVAL);
    cr_expect_eq(plan_many(ledger, &one, 1, INT32_MAX, false, &plan, &error), DRAGON_ERR_INVAL);
    cr_expect_str_eq(error.text, "there are no numbers left for 1 rank");
    cr_expect_eq(ledger->free_cores, 4);
    cr_expect_eq(plan_many(unknown, &one, 1, 0, false, &plan, &error), DRAGON_ERR_FULL);
    cr_expect_str_eq(error.text, "2 of 2 nodes have not said yet what they have");
    ledger_destroy(unknown);
    ledger_destroy(ledger);
}

// Who knows that it fits into the empty runtime is spared the search.
Test(place_plan, known_to_be_possible)
{
    struct ledger *ledger = made_ledger(plain, 1);
    const struct policy any = {0};
    const struct plan_template nine = {9, &any};
    struct plan_request request = {.templates = &nine, .count = 1, .possible = true};
    struct plan plan;
    cr_expect_eq(plan_make(&request, ledger, &plan, NULL), DRAGON_ERR_FULL);
    request.possible = false;
    cr_expect_eq(plan_make(&request, ledger, &plan, NULL), DRAGON_ERR_INVAL);
    ledger_destroy(ledger);
}

// What is in use drives the rank to a node that lacks its core: it has to wait, not to be given up.
Test(place_plan, a_list_that_fits_one_node_only)
{
    const struct made uneven[] = {{.cores = 4}, {.cores = 2}};
    struct ledger *ledger = made_ledger(uneven, 2);
    const struct policy list = {.core_lists = LIST("3")};
    struct plan plan;
    dragon_error_t error = {0};
    ledger_take_core(ledger, 0, 3);
    cr_expect_eq(plan_one(ledger, &list, 1, false, false, &plan, &error), DRAGON_ERR_FULL);
    cr_expect_eq(error.code, DRAGON_ERR_FULL);
    ledger_give_core(ledger, 0, 3);
    cr_assert_eq(plan_one(ledger, &list, 1, false, false, &plan, &error), DRAGON_OK);
    plan_fini(&plan);
    ledger_destroy(ledger);
}

// More users than can be counted are refused, and nothing is left behind.
Test(place_plan, users_without_end)
{
    struct ledger *ledger = ledger_of("1");
    const struct policy any = {0}, list = {.core_lists = LIST("0")}, round = {.map = CYCLIC};
    struct plan plan;
    dragon_error_t error = {0};
    cr_expect_eq(plan_one(ledger, &any, 65536, false, true, &plan, &error), DRAGON_ERR_INVAL);
    cr_expect_str_eq(error.text, "65536 ranks cannot be placed on node n0");
    cr_expect_eq(plan_one(ledger, &round, 65536, false, true, &plan, &error), DRAGON_ERR_INVAL);
    cr_expect_str_eq(error.text, "a core or GPU of node n0 would have more than 65535 users");
    cr_expect_eq(plan_one(ledger, &list, 65536, false, false, &plan, &error), DRAGON_ERR_INVAL);
    cr_expect_eq(ledger->free_cores, 1);
    cr_assert_eq(plan_one(ledger, &any, 65535, false, true, &plan, &error), DRAGON_OK);
    cr_expect_eq(ledger->nodes[0].core_users[0], 65535);
    plan_give_all(&plan, ledger);
    cr_expect_eq(ledger->free_cores, 1);
    plan_fini(&plan);
    ledger_destroy(ledger);
}

Test(place_plan, the_same_input_gives_the_same_plan)
{
    struct pack packs[2] = {PACK_EMPTY, PACK_EMPTY};
    for (int i = 0; i < 2; i++) {
        struct ledger *ledger = made_ledger(sockets, 1);
        const struct policy a = {.cores = 3, .gpus_said = true, .gpus = 1}, b = {.map = CYCLIC};
        const struct plan_template templates[] = {{3, &a}, {4, &b}};
        struct plan plan;
        cr_assert_eq(plan_many(ledger, templates, 2, 0, false, &plan, NULL), DRAGON_OK);
        plan_pack(&packs[i], &plan);
        plan_fini(&plan);
        ledger_destroy(ledger);
    }
    cr_expect_eq(packs[0].length, packs[1].length);
    cr_expect_eq(memcmp(packs[0].data, packs[1].data, packs[0].length), 0);
    pack_fini(&packs[0]);
    pack_fini(&packs[1]);
}

// ---- dividing a host

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
