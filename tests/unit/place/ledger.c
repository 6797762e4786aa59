// SPDX-License-Identifier: BSD-3-Clause
//
// The ledger: who is counted, what is free, and nodes by their names.
#include "config.h"

#include "made.h"

#include <criterion/criterion.h>

static const struct made alike = {.cores = 4, .gpus = 2, .tiles = 2, .vendor = GPU_INTEL};

Test(place_ledger, users_and_what_is_free)
{
    const struct made two[] = {alike, alike};
    struct ledger *ledger = made_ledger(two, 2);
    cr_expect(ledger->described == 2 && ledger->all_cores == 8 && ledger->free_cores == 8);
    cr_expect(ledger->all_gpus == 4 && ledger->free_gpus == 4);
    ledger_take_core(ledger, 1, 3);
    ledger_take_core(ledger, 1, 3);
    cr_expect(ledger->free_cores == 7 && ledger->nodes[1].free_cores == 3);
    cr_expect_eq(ledger->nodes[0].free_cores, 4);
    ledger_give_core(ledger, 1, 3);
    cr_expect_eq(ledger->free_cores, 7);
    ledger_give_core(ledger, 1, 3);
    cr_expect(ledger->free_cores == 8 && ledger->nodes[1].free_cores == 4);
    ledger_destroy(ledger);
    ledger_destroy(NULL);
}

Test(place_ledger, a_node_that_is_lost)
{
    const struct made two[] = {alike, alike};
    struct ledger *ledger = made_ledger(two, 2);
    ledger_take_core(ledger, 1, 3);
    ledger_take_gpu(ledger, 1, gpu_unit(1, GPU_WHOLE));
    ledger_lose(ledger, 1);
    ledger_lose(ledger, 1);
    cr_expect(ledger->lost == 1 && ledger->all_cores == 4 && ledger->free_cores == 4);
    cr_expect(ledger->all_gpus == 2 && ledger->free_gpus == 2);
    cr_expect(ledger->nodes[1].free_cores == 0 && ledger->nodes[1].free_gpus == 0);
    ledger_give_core(ledger, 1, 3); // as its ranks end
    ledger_give_gpu(ledger, 1, gpu_unit(1, GPU_WHOLE));
    cr_expect(ledger->free_cores == 4 && ledger->free_gpus == 2 &&
              ledger->nodes[1].free_cores == 0);
    cr_expect_eq(ledger->nodes[1].core_users[3], 0);
    struct ledger *empty = ledger_empty_copy(ledger);
    cr_expect(empty->lost == 1 && empty->free_cores == 4 && empty->nodes[1].free_cores == 0);
    ledger_destroy(empty);
    ledger_destroy(ledger);
}

Test(place_ledger, tiles_and_whole_gpus)
{
    struct ledger *ledger = made_ledger(&alike, 1);
    const uint16_t whole = gpu_unit(1, GPU_WHOLE), tile = gpu_unit(1, 1), other = gpu_unit(1, 0);
    ledger_take_gpu(ledger, 0, tile);
    cr_expect(ledger->free_gpus == 1 && ledger->nodes[0].free_gpus == 1);
    cr_expect_eq(ledger_unit_users(ledger, 0, tile), 1);
    cr_expect_eq(ledger_unit_users(ledger, 0, other), 0);
    cr_expect_eq(ledger_unit_users(ledger, 0, whole), 1);
    ledger_take_gpu(ledger, 0, whole);
    cr_expect_eq(ledger_unit_users(ledger, 0, tile), 2);
    cr_expect_eq(ledger_unit_users(ledger, 0, other), 1);
    cr_expect_eq(ledger_unit_users(ledger, 0, whole), 2);
    cr_expect_eq(ledger_gpu_users(ledger, 0, 1), 2);
    cr_expect_eq(ledger_gpu_users(ledger, 0, 0), 0);
    ledger_give_gpu(ledger, 0, tile);
    cr_expect_eq(ledger->free_gpus, 1);
    ledger_give_gpu(ledger, 0, whole);
    cr_expect_eq(ledger->free_gpus, 2);
    cr_expect_eq(ledger_unit_users(ledger, 0, whole), 0);
    ledger_destroy(ledger);
}

Test(place_ledger, machines_that_are_alike_are_one)
{
    const struct made nodes[] = {alike, {.cores = 4}, alike};
    struct ledger *ledger = made_ledger(nodes, 3);
    cr_expect_eq(ledger->nodes[0].machine, ledger->nodes[2].machine);
    cr_expect_neq(ledger->nodes[0].machine, ledger->nodes[1].machine);
    ledger_take_core(ledger, 0, 0);
    cr_expect_eq(ledger->nodes[2].core_users[0], 0);
    ledger_destroy(ledger);
}

Test(place_ledger, what_is_not_described)
{
    struct ledger *ledger = ledger_create(2);
    struct machine machine = made_machine(&alike);
    struct pack pack = PACK_EMPTY;
    machine_pack(&pack, &machine);
    cr_expect(!ledger_describe(ledger, 2, "c", "c", pack.data, pack.length), "no such node");
    cr_expect(!ledger_describe(ledger, 0, "a", "a", pack.data, pack.length - 1), "cut");
    cr_expect_not(ledger_describe(ledger, 0, "a", "a", NULL, 0));
    cr_expect_eq(ledger->described, 0);
    cr_expect(ledger_describe(ledger, 0, "a", "a", pack.data, pack.length));
    cr_expect(!ledger_describe(ledger, 0, "a", "a", pack.data, pack.length), "twice");
    pack_u8(&pack, 0);
    cr_expect(!ledger_describe(ledger, 1, "b", "b", pack.data, pack.length), "more than that");
    cr_expect_eq(ledger->described, 1);
    cr_expect_null(ledger->nodes[1].machine);
    pack_fini(&pack);
    machine_fini(&machine);
    ledger_destroy(ledger);
}

Test(place_ledger, an_empty_copy)
{
    struct ledger *ledger = ledger_create(2);
    cr_assert(made_describe(ledger, 1, "b", "b", &alike));
    ledger_take_core(ledger, 1, 2);
    ledger_take_gpu(ledger, 1, gpu_unit(0, GPU_WHOLE));
    struct ledger *empty = ledger_empty_copy(ledger);
    cr_assert_not_null(empty);
    cr_expect(empty->described == 1 && empty->free_cores == 4 && empty->free_gpus == 2);
    cr_expect(empty->nodes[1].free_cores == 4 && empty->nodes[1].free_gpus == 2);
    cr_expect_eq(empty->nodes[1].core_users[2], 0);
    cr_expect_eq(ledger_unit_users(empty, 1, gpu_unit(0, 0)), 0);
    ledger_take_core(empty, 1, 0);
    cr_expect_eq(ledger->nodes[1].core_users[0], 0);
    cr_expect_eq(ledger->nodes[1].core_users[2], 1);
    ledger_destroy(empty);
    ledger_destroy(ledger);
}

Test(place_ledger, names)
{
    static const struct {
        const char *name, *host;
    } nodes[] = {{"a.site-0", "a.site"}, {"b", "b"}, {"a.site-1", "a.site"}, {"a", "c.site"}};
    static const struct {
        const char *name, *wanted;
        enum ledger_kind kind;
    } rows[] = {
        {"a.site-1", "2", LEDGER_NODE},
        {"a.site", "02", LEDGER_HOST},
        {"b", "1", LEDGER_NODE},
        {"a", "3", LEDGER_NODE},
        {"c", "3", LEDGER_BRIEF_HOST},
        {"c.site", "3", LEDGER_HOST},
        {"a.sit", "", 0},
        {"a.site-", "", 0},
        {"", "", 0},
        {"zz", "", 0},
    };
    struct ledger *ledger = ledger_create(4);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(made_describe(ledger, i, nodes[i].name, nodes[i].host, &alike));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ledger_found found;
        char text[16] = "";
        cr_assert(ledger_find(ledger, rows[i].name, &found));
        for (size_t k = 0; k < found.count; k++)
            text[k] = (char)('0' + ledger_found_node(&found, k));
        cr_expect_str_eq(text, rows[i].wanted, "%s: %s", rows[i].name, text);
        cr_expect(found.count == 0 || found.kind == rows[i].kind, "%s", rows[i].name);
    }
    ledger_destroy(ledger);
}
