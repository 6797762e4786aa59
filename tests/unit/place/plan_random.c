// SPDX-License-Identifier: BSD-3-Clause
//
// Plans of random requests on random nodes, one upon the other: what must be true of all of them.
#include "config.h"

#include "made.h"

#include <criterion/criterion.h>

enum { TEXT = 8192, ROUNDS = 3000, PLANS = 6 };

static uint32_t random_state = 7;

static uint32_t below(uint32_t limit)
{
    random_state = random_state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(random_state >> 4) * limit >> 28);
}

static struct ledger *random_ledger(void)
{
    struct made nodes[6];
    uint32_t count = 1 + below(6);
    for (uint32_t i = 0; i < count; i++)
        nodes[i] = (struct made){
            .cores = 1 + below(12),
            .l3 = below(4),
            .numa = below(7),
            .socket = below(9),
            .gpus = below(4),
            .tiles = 1 + below(3),
            .vendor = GPU_INTEL,
        };
    return made_ledger(nodes, count);
}

static struct policy random_policy(void)
{
    static char *core_lists[][3] = {{"0"}, {"0", "1"}, {"1,0", "2-3"}, {"0-1", "0-2"}};
    static char *gpu_lists[][3] = {{"0"}, {"0.0", "0.1"}, {"1", "0"}};
    static char *hosts[][3] = {{"n0"}, {"0", "1"}, {"h1", "n0"}, {"n2"}};
    struct policy policy = {.map = (uint8_t)below(3)};
    if (below(3) == 0)
        policy.ppn = 1 + below(5);
    if (below(2))
        policy.cores = below(5);
    if (below(3) == 0) {
        policy.gpus_said = true;
        policy.gpus = below(3);
    }
    if (below(5) == 0)
        policy.core_lists = core_lists[below(4)];
    if (below(6) == 0)
        policy.gpu_lists = gpu_lists[below(3)];
    if (below(4) == 0)
        policy.hosts = hosts[below(4)];
    return policy;
}

static void check_slots(const struct plan *plan, const struct plan_template *templates,
                        const struct ledger *ledger, bool share)
{
    uint32_t seen[8] = {0};
    for (uint32_t i = 0; i < plan->size; i++) {
        uint32_t rank = plan->first_rank + i, node = plan_node(plan, rank);
        const struct policy *policy = templates[plan_template_of(plan, rank)].policy;
        struct plan_slot slot;
        cr_assert(plan_slot(plan, rank, &slot));
        cr_assert_eq(plan->local_of_rank[i], seen[node]++);
        if (!policy->core_lists)
            cr_assert_eq(slot.core_count, policy->cores ? policy->cores : 1);
        if (!policy->gpu_lists)
            cr_assert_eq(slot.unit_count, policy->gpus_said ? policy->gpus : 0);
        for (uint32_t k = 0; k < slot.core_count; k++) {
            uint32_t users = ledger->nodes[node].core_users[slot.cores[k]];
            cr_assert_geq(users, 1);
            cr_assert(share || users == 1 || policy->core_lists, "a core with %u users", users);
            cr_assert(slot.shared || users == 1);
            for (uint32_t n = 0; n < k; n++)
                cr_assert_neq(slot.cores[n], slot.cores[k]);
        }
        for (uint32_t k = 0; k < slot.unit_count; k++) {
            uint32_t users = ledger_unit_users(ledger, node, slot.units[k]);
            cr_assert_geq(users, 1);
            cr_assert(share || users == 1 || policy->gpu_lists, "a GPU with %u users", users);
        }
        cr_assert(share || !plan->shared);
    }
}

static void check_wire(const struct plan *plan, uint32_t nodes)
{
    char one[TEXT], other[TEXT];
    struct plan back;
    struct pack pack = PACK_EMPTY;
    plan_pack_common(&pack, plan);
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(plan_unpack(&unpack, nodes, &back) && unpack_done(&unpack));
    for (uint32_t node = 0; node < nodes; node++) {
        struct pack slice = PACK_EMPTY;
        if (plan_slice_is_common(plan, node))
            continue;
        plan_pack_slice(&slice, plan, node);
        struct unpack one_slice = unpack_start(slice.data, slice.length);
        cr_assert(plan_unpack_slice(&one_slice, &back, node) && unpack_done(&one_slice));
        pack_fini(&slice);
    }
    made_text(plan, one, sizeof one);
    made_text(&back, other, sizeof other);
    cr_assert_str_eq(one, other);
    pack_fini(&pack);
    plan_fini(&back);
}

// What does not fit now, but fits into the empty runtime, is FULL, and nothing else is.
static void check_failure(const struct plan_request *request, const struct ledger *ledger,
                          dragon_err_t err)
{
    struct ledger *empty = ledger_empty_copy(ledger);
    struct plan plan;
    cr_assert(empty && (err == DRAGON_ERR_FULL || err == DRAGON_ERR_INVAL));
    dragon_err_t alone = plan_make(request, empty, &plan, NULL);
    if (!request->share)
        cr_assert_eq(err == DRAGON_ERR_FULL, alone == DRAGON_OK);
    if (alone == DRAGON_OK)
        plan_fini(&plan);
    ledger_destroy(empty);
}

static void one_round(uint32_t *planned, uint32_t *full)
{
    struct ledger *ledger = random_ledger();
    struct plan plans[PLANS];
    char empty[TEXT], before[TEXT], after[TEXT];
    uint32_t count = 0;
    made_users(ledger, empty, sizeof empty);
    for (uint32_t i = 0; i < PLANS; i++) {
        struct policy policies[3] = {random_policy(), random_policy(), random_policy()};
        struct plan_template templates[3];
        for (uint32_t k = 0; k < 3; k++)
            templates[k] = (struct plan_template){below(7), &policies[k]};
        struct plan_request request = {.templates = templates,
                                       .count = 1 + below(3),
                                       .first_rank = below(100),
                                       .per_core = below(4) == 0,
                                       .share = below(3) == 0};
        made_users(ledger, before, sizeof before);
        dragon_error_t error = {0};
        dragon_err_t err = plan_make(&request, ledger, &plans[count], &error);
        if (err != DRAGON_OK) {
            made_users(ledger, after, sizeof after);
            cr_assert_str_eq(after, before);
            cr_assert(error.text[0] != 0 && error.code == err);
            check_failure(&request, ledger, err);
            *full += err == DRAGON_ERR_FULL;
            continue;
        }
        check_slots(&plans[count], templates, ledger, request.share);
        check_wire(&plans[count], ledger->count);
        count++;
        (*planned)++;
    }
    while (count-- > 0) {
        plan_give_all(&plans[count], ledger);
        plan_fini(&plans[count]);
    }
    made_users(ledger, after, sizeof after);
    cr_assert_str_eq(after, empty);
    ledger_destroy(ledger);
}

Test(place_plan_random, what_is_always_true)
{
    uint32_t planned = 0, full = 0;
    for (int i = 0; i < ROUNDS; i++)
        one_round(&planned, &full);
    cr_log_info("%u of %d planned, %u did not fit", planned, ROUNDS * PLANS, full);
    cr_expect_gt(planned, ROUNDS);
    cr_expect_gt(full, ROUNDS / 10);
}
