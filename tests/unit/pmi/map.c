// SPDX-License-Identifier: BSD-3-Clause
//
// Job maps: the texts made of them, and what is refused.
#include "config.h"

#include "pmi/map.h"

#include <criterion/criterion.h>

// `places`: one letter per rank, 'a' for node 0.
static struct pmi_map make_map(const char *places)
{
    struct pmi_map map = {.size = (uint32_t)strlen(places)};
    map.node_of_rank = calloc(map.size + 1u, sizeof *map.node_of_rank);
    for (uint32_t rank = 0; rank < map.size; rank++) {
        map.node_of_rank[rank] = (uint32_t)(places[rank] - 'a');
        if (map.node_of_rank[rank] >= map.nodes)
            map.nodes = map.node_of_rank[rank] + 1;
    }
    map.node_names = strv_alloc(map.nodes);
    for (uint32_t node = 0; node < map.nodes; node++)
        strv_pushf(&map.node_names, "h%u", node);
    return map;
}

static void expect_text(const char *places, char *(*make)(const struct pmi_map *),
                        const char *expected)
{
    struct pmi_map map = make_map(places);
    char *text = make(&map);
    cr_expect_str_eq(text, expected, "%s: got %s, expected %s", places, text, expected);
    free(text);
    pmi_map_fini(&map);
}

Test(pmi_map, process_mapping)
{
    static const struct {
        const char *places, *text;
    } rows[] = {
        {"a", "(vector,(0,1,1))"},
        {"aaaa", "(vector,(0,1,1))"}, // repeated by the reader
        {"aabb", "(vector,(0,2,2))"},
        {"abcdabcd", "(vector,(0,4,1))"},
        {"abcdabc", "(vector,(0,4,1))"},
        {"aabbccd", "(vector,(0,4,2))"},
        {"aaab", "(vector,(0,2,3))"},
        {"aab", "(vector,(0,2,2))"},
        {"abb", "(vector,(0,1,1),(1,1,2))"},
        {"aabbaabb", "(vector,(0,2,2))"},
        {"aabba", "(vector,(0,2,2))"},
        {"ba", "(vector,(1,1,1),(0,1,1))"},
        {"aabccd", "(vector,(0,1,2),(1,1,1),(2,2,2))"},
        {"abaa", "(vector,(0,2,1),(0,1,1))"},
        {"acb", "(vector,(0,1,1),(2,1,1),(1,1,1))"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_text(rows[i].places, pmi_map_process_mapping, rows[i].text);
}

// What a reader of the mapping does, to check texts of any map against it.
static bool mapping_gives(const char *text, const struct pmi_map *map)
{
    const char *at = text + strlen("(vector");
    uint32_t rank = 0;
    while (rank < map->size) {
        unsigned first, nodes, each;
        if (*at == ')')
            at = text + strlen("(vector");
        if (sscanf(at, ",(%u,%u,%u)", &first, &nodes, &each) != 3)
            return false;
        for (unsigned i = 0; i < nodes * each && rank < map->size; i++)
            if (map->node_of_rank[rank++] != first + i / each)
                return false;
        at = strchr(at, ')') + 1;
    }
    return true;
}

Test(pmi_map, process_mapping_of_all_small_maps)
{
    char places[8];
    for (unsigned length = 1; length <= 7; length++) {
        unsigned count = 1;
        for (unsigned i = 0; i < length; i++)
            count *= 3;
        for (unsigned number = 0; number < count; number++) {
            unsigned left = number;
            for (unsigned i = 0; i < length; i++, left /= 3)
                places[i] = (char)('a' + left % 3);
            places[length] = 0;
            struct pmi_map map = make_map(places);
            char *text = pmi_map_process_mapping(&map);
            cr_assert(mapping_gives(text, &map), "%s gave %s", places, text);
            free(text);
            pmi_map_fini(&map);
        }
    }
}

Test(pmi_map, ppn_and_names)
{
    expect_text("abab", pmi_map_ppn, "0,2;1,3");
    expect_text("aab", pmi_map_ppn, "0,1;2");
    expect_text("a", pmi_map_ppn, "0");
    expect_text("ab", pmi_map_node_list, "h0,h1");
    expect_text("a", pmi_map_node_list, "h0");
}

Test(pmi_map, local_ranks)
{
    struct pmi_map map = make_map("abacab");
    cr_expect_eq(pmi_map_local_size(&map, 0), 3);
    cr_expect_eq(pmi_map_local_size(&map, 2), 1);
    static const uint32_t expected[] = {0, 0, 1, 0, 2, 1};
    uint32_t *all = pmi_map_local_ranks(&map);
    for (uint32_t rank = 0; rank < 6; rank++) {
        cr_expect_eq(all[rank], expected[rank]);
        cr_expect_eq(pmi_map_local_rank(&map, rank), expected[rank]);
    }
    uint32_t *here = pmi_map_ranks_of_node(&map, 1);
    cr_expect(here[0] == 1 && here[1] == 5);
    char *peers = pmi_map_peers(&map, 0);
    cr_expect_str_eq(peers, "0,2,4");
    free(peers);
    free(here);
    free(all);
    pmi_map_fini(&map);
}

static bool valid_with_name(const char *name)
{
    struct pmi_map map = make_map("ab");
    free(map.node_names[1]);
    map.node_names[1] = strdup(name);
    bool valid = pmi_map_valid(&map);
    pmi_map_fini(&map);
    return valid;
}

Test(pmi_map, names_that_are_refused)
{
    cr_expect(valid_with_name("h1"));
    cr_expect(valid_with_name("h1.example.org"));
    cr_expect_not(valid_with_name("h0"), "twice");
    cr_expect_not(valid_with_name(""));
    cr_expect_not(valid_with_name("a,b"));
    cr_expect_not(valid_with_name("a;b"));
    cr_expect_not(valid_with_name("a b"));
    cr_expect_not(valid_with_name("a[1]"));
}

Test(pmi_map, numbers_that_are_refused)
{
    struct pmi_map map = make_map("aabb");
    cr_expect(pmi_map_valid(&map));
    map.here = 2;
    cr_expect_not(pmi_map_valid(&map));
    map.here = 1;
    map.node_of_rank[3] = 2;
    cr_expect_not(pmi_map_valid(&map));
    map.node_of_rank[2] = map.node_of_rank[3] = 0;
    cr_expect_not(pmi_map_valid(&map), "a node without a rank");
    map.node_of_rank[3] = 1;
    map.nodes = 1;
    cr_expect_not(pmi_map_valid(&map), "more names than nodes");
    pmi_map_fini(&map);
    cr_expect_not(pmi_map_valid(&map), "empty");
}

// `firsts` of `count` programs in a map of five ranks on two nodes.
static bool valid_with_apps(const uint32_t *firsts, uint32_t count)
{
    struct pmi_map map = make_map("aabba");
    map.app_count = count;
    map.app_first = calloc(count + 1, sizeof *map.app_first);
    for (uint32_t app = 0; app < count; app++)
        map.app_first[app] = firsts[app];
    bool valid = pmi_map_valid(&map);
    pmi_map_fini(&map);
    return valid;
}

Test(pmi_map, what_programs_cannot_be)
{
    cr_expect(valid_with_apps((uint32_t[]){0}, 1));
    cr_expect(valid_with_apps((uint32_t[]){0, 1, 4}, 3));
    cr_expect_not(valid_with_apps((uint32_t[]){1}, 1), "who has rank 0?");
    cr_expect_not(valid_with_apps((uint32_t[]){0, 0}, 2), "one without ranks");
    cr_expect_not(valid_with_apps((uint32_t[]){0, 3, 2}, 3));
    cr_expect_not(valid_with_apps((uint32_t[]){0, 5}, 2));
    cr_expect_not(valid_with_apps(NULL, 0));
}

Test(pmi_map, programs)
{
    static const uint32_t apps[] = {0, 0, 0, 1, 2, 2}, sizes[] = {3, 1, 2};
    struct pmi_map map = make_map("ababab"), back;
    struct pack pack = PACK_EMPTY;
    cr_expect_eq(pmi_map_apps(&map), 1);
    cr_expect_eq(pmi_map_app_of(&map, 5), 0);
    cr_expect_eq(pmi_map_app_size(&map, 0), 6);
    map.app_first = calloc(3, sizeof *map.app_first);
    map.app_count = 3;
    map.app_first[1] = 3;
    map.app_first[2] = 4;
    pack_pmi_map(&pack, &map);
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(unpack_pmi_map(&unpack, &back) && unpack_done(&unpack));
    cr_expect_eq(pmi_map_apps(&back), 3);
    for (uint32_t rank = 0; rank < 6; rank++)
        cr_expect_eq(pmi_map_app_of(&back, rank), apps[rank], "rank %u", rank);
    for (uint32_t app = 0; app < 3; app++)
        cr_expect_eq(pmi_map_app_size(&back, app), sizes[app]);
    pmi_map_fini(&back);
    cr_assert(pmi_map_copy(&map, &back));
    cr_expect_eq(pmi_map_app_of(&back, 4), 2);
    pmi_map_fini(&back);
    pmi_map_fini(&map);
    pack_fini(&pack);
}

Test(pmi_map, copy)
{
    struct pmi_map map = make_map("abc"), copy;
    cr_assert(pmi_map_copy(&map, &copy));
    pmi_map_fini(&map);
    cr_expect(pmi_map_valid(&copy));
    cr_expect_str_eq(copy.node_names[2], "h2");
    pmi_map_fini(&copy);
}
