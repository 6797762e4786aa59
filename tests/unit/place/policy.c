// SPDX-License-Identifier: BSD-3-Clause
//
// Policies: merging and sending.
#include "config.h"

#include "made.h"

#include <criterion/criterion.h>

#define LIST(...) ((char *[]){__VA_ARGS__, NULL})

static const char *join(char *const *list, char *text, size_t room)
{
    size_t used = 0;
    text[0] = 0;
    for (char *const *at = list; at && *at; at++)
        used += (size_t)snprintf(text + used, room - used, "%s%s", used ? " " : "", *at);
    return text;
}

static void expect_list(char *const *list, const char *wanted)
{
    char text[512];
    cr_expect_str_eq(join(list, text, sizeof text), wanted);
}

// ---- merging

Test(place_policy, what_is_over_wins)
{
    const struct policy below = {.map = DRAGON_MAP_BLOCK,
                                 .bind = DRAGON_BIND_L3,
                                 .ppn = 2,
                                 .cores = 4,
                                 .gpus_said = true,
                                 .gpus = 1,
                                 .memory_bytes = 100,
                                 .hosts = LIST("a"),
                                 .env = LIST("A=1", "B=2", "C")};
    const struct policy over = {.map = DRAGON_MAP_CYCLIC,
                                .cores = 8,
                                .gpus_said = true,
                                .hosts = LIST("b", "c"),
                                .env = LIST("B", "C=3", "D=x=y")};
    struct policy policy;
    cr_assert(policy_copy(&below, &policy));
    cr_assert(policy_merge(&policy, &over));
    cr_expect(policy.map == DRAGON_MAP_CYCLIC && policy.bind == DRAGON_BIND_L3);
    cr_expect(policy.ppn == 2 && policy.cores == 8 && policy.memory_bytes == 100);
    cr_expect(policy.gpus_said && policy.gpus == 0, "none is said, not left open");
    expect_list(policy.hosts, "b c");
    expect_list(policy.env, "A=1 B C=3 D=x=y");
    policy_fini(&policy);
    policy_fini(&policy);
}

Test(place_policy, what_is_left_open_stays)
{
    const struct policy below = {.map = DRAGON_MAP_CYCLIC,
                                 .bind = DRAGON_BIND_NUMA,
                                 .ppn = 1,
                                 .memory_bytes = 5,
                                 .core_lists = LIST("0", "1"),
                                 .gpu_lists = LIST("0.1"),
                                 .hosts = LIST("a"),
                                 .env = LIST("A=1")};
    const struct policy nothing = {0};
    struct policy policy;
    cr_assert(policy_copy(&below, &policy));
    cr_assert(policy_merge(&policy, &nothing));
    cr_expect(policy.map == DRAGON_MAP_CYCLIC && policy.bind == DRAGON_BIND_NUMA &&
              policy.ppn == 1 && policy.memory_bytes == 5 && !policy.gpus_said);
    expect_list(policy.core_lists, "0 1");
    expect_list(policy.gpu_lists, "0.1");
    expect_list(policy.hosts, "a");
    expect_list(policy.env, "A=1");
    policy_fini(&policy);
}

Test(place_policy, numbers_and_lists_replace_each_other)
{
    const struct policy numbers = {.cores = 2, .gpus_said = true, .gpus = 1};
    const struct policy lists = {.core_lists = LIST("0-1"), .gpu_lists = LIST("1")};
    struct policy policy = {0};
    cr_assert(policy_merge(&policy, &numbers) && policy_merge(&policy, &lists));
    cr_expect(policy.cores == 0 && !policy.gpus_said && policy.gpus == 0);
    expect_list(policy.core_lists, "0-1");
    expect_list(policy.gpu_lists, "1");
    cr_assert(policy_merge(&policy, &numbers));
    cr_expect(policy.cores == 2 && policy.gpus_said && policy.gpus == 1);
    cr_expect(!policy.core_lists && !policy.gpu_lists);
    policy_fini(&policy);
}

Test(place_policy, what_it_asks_for)
{
    const struct {
        struct policy policy;
        bool asks;
        dragon_bind_t bind;
    } rows[] = {
        {{0}, false, DRAGON_BIND_NONE},
        {{.ppn = 3, .map = 2, .hosts = LIST("a"), .env = LIST("A")}, false, DRAGON_BIND_NONE},
        {{.cores = 1}, true, DRAGON_BIND_CORE},
        {{.core_lists = LIST("0")}, true, DRAGON_BIND_CORE},
        {{.cores = 1, .bind = DRAGON_BIND_NONE}, true, DRAGON_BIND_NONE},
        {{.cores = 1, .bind = DRAGON_BIND_SOCKET}, true, DRAGON_BIND_SOCKET},
        {{.bind = DRAGON_BIND_L3}, true, DRAGON_BIND_L3},
        {{.bind = DRAGON_BIND_NONE}, false, DRAGON_BIND_NONE},
        {{.gpus_said = true}, false, DRAGON_BIND_NONE},
        {{.gpus_said = true, .gpus = 1}, true, DRAGON_BIND_NONE},
        {{.gpu_lists = LIST("0")}, true, DRAGON_BIND_NONE},
        {{.memory_bytes = 1}, true, DRAGON_BIND_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(policy_asks(&rows[i].policy), rows[i].asks, "row %zu", i);
        cr_expect_eq(policy_bind(&rows[i].policy), rows[i].bind, "row %zu", i);
    }
}

// ---- on the wire

static const struct policy *everything(void)
{
    static struct policy policy;
    static char *hosts[] = {"a", "7", NULL}, *cores[] = {"0-3", "4", NULL};
    static char *gpus[] = {"0,1.0", NULL}, *env[] = {"A=1", "B", NULL};
    policy = (struct policy){
        DRAGON_MAP_CYCLIC, DRAGON_BIND_SOCKET, true, 1, 2, 3, UINT64_MAX, hosts, cores, gpus, env};
    return &policy;
}

Test(place_policy, round_trip)
{
    struct pack pack = PACK_EMPTY;
    struct policy back, nothing = {0};
    policy_pack(&pack, everything());
    policy_pack(&pack, &nothing);
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(policy_unpack(&unpack, &back));
    cr_expect(back.map == DRAGON_MAP_CYCLIC && back.bind == DRAGON_BIND_SOCKET && back.gpus_said &&
              back.ppn == 1 && back.cores == 2 && back.gpus == 3 &&
              back.memory_bytes == UINT64_MAX);
    expect_list(back.hosts, "a 7");
    expect_list(back.core_lists, "0-3 4");
    expect_list(back.gpu_lists, "0,1.0");
    expect_list(back.env, "A=1 B");
    policy_fini(&back);
    cr_assert(policy_unpack(&unpack, &back) && unpack_done(&unpack));
    cr_expect(!back.hosts && !back.core_lists && !back.gpu_lists && !back.env && !back.gpus_said);
    policy_fini(&back);
    pack_fini(&pack);
}

static bool try_policy(const uint8_t *data, size_t length)
{
    uint8_t *copy = malloc(length ? length : 1); // of exactly its length: reads beyond are seen
    struct policy policy;
    if (length)
        memcpy(copy, data, length);
    struct unpack unpack = unpack_start(copy, length);
    bool good = policy_unpack(&unpack, &policy);
    if (good) {
        cr_assert(policy.map <= DRAGON_MAP_CYCLIC && policy.bind <= DRAGON_BIND_SOCKET);
        policy_fini(&policy);
    }
    free(copy);
    return good;
}

Test(place_policy, cut_and_bent)
{
    struct pack pack = PACK_EMPTY;
    policy_pack(&pack, everything());
    cr_expect(try_policy(pack.data, pack.length));
    for (size_t length = 0; length < pack.length; length++)
        cr_expect(!try_policy(pack.data, length), "cut to %zu", length);
    for (size_t at = 0; at < pack.length; at++)
        for (unsigned int value = 0; value < 256; value++) {
            uint8_t was = pack.data[at];
            pack.data[at] = (uint8_t)value;
            bool good = try_policy(pack.data, pack.length);
            cr_expect(!good || at != 0 || value <= DRAGON_MAP_CYCLIC);
            cr_expect(!good || at != 1 || value <= DRAGON_BIND_SOCKET);
            pack.data[at] = was;
        }
    pack_fini(&pack);
}
