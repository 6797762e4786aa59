// SPDX-License-Identifier: BSD-3-Clause
//
// Cores of synthetic hosts, which hwloc makes from a variable, and of this one.
#include "config.h"

#include "place/topo.h"

#include <criterion/criterion.h>

static struct topo *topo_of(const char *synthetic)
{
    dragon_error_t error = {0};
    if (synthetic)
        setenv("HWLOC_SYNTHETIC", synthetic, 1);
    struct topo *topo = topo_create(&error);
    cr_assert_not_null(topo, "%s", error.text);
    return topo;
}

Test(place_topo, shares_of_synthetic_hosts)
{
    static const struct {
        const char *host;
        uint32_t cores, index, count, share;
        const char *cpuset;
    } rows[] = {
        {"pack:2 core:4 pu:1", 8, 0, 1, 8, "0-7"},
        {"pack:2 core:4 pu:1", 8, 1, 2, 4, "4-7"},
        {"pack:2 core:4 pu:1", 8, 2, 3, 3, "5-7"},
        {"pack:2 core:2 pu:2", 4, 0, 2, 2, "0-3"}, // a core comes with its threads
        {"pack:1 core:2 pu:2", 2, 1, 2, 1, "2-3"},
        {"pack:1 core:2 pu:1", 2, 2, 4, 1, "1"}, // fewer cores than nodes
        {"pack:1 core:1 pu:1", 1, 63, 64, 1, "0"},
        {"core:2 pu:2(indexes=0,2,1,3)", 2, 0, 2, 1, "0,2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct topo *topo = topo_of(rows[i].host);
        struct topo_share share;
        cr_expect_eq(topo_cores(topo), rows[i].cores, "%s", rows[i].host);
        cr_expect_eq(topo_take_share(topo, rows[i].index, rows[i].count, &share, NULL), DRAGON_OK);
        cr_expect_eq(share.cores, rows[i].share, "%s", rows[i].host);
        cr_expect_str_eq(share.cpuset, rows[i].cpuset, "%s, %u of %u: %s", rows[i].host,
                         rows[i].index, rows[i].count, share.cpuset);
        topo_destroy(topo);
    }
}

Test(place_topo, this_host)
{
    struct topo *topo = topo_of(NULL);
    struct topo_share share;
    cr_expect_geq(topo_cores(topo), 1);
    cr_expect_eq(topo_take_share(topo, 0, 1, &share, NULL), DRAGON_OK);
    cr_expect_eq(share.cores, topo_cores(topo));
    topo_destroy(topo);
    topo_destroy(NULL);
}
