// SPDX-License-Identifier: BSD-3-Clause
//
// What is left, told from made-up files of the system.
#include "config.h"

#include "mem/available.h"

#include "base/base.h"

#include <criterion/criterion.h>

static char the_root[64];

static void set_up(void)
{
    snprintf(the_root, sizeof the_root, "/tmp/dragon-test-XXXXXX");
    cr_assert_not_null(mkdtemp(the_root));
}

static void tear_down(void)
{
    char command[200];
    snprintf(command, sizeof command, "rm -rf %s", the_root);
    cr_expect(system(command) == 0);
}

TestSuite(available, .init = set_up, .fini = tear_down);

static void put(const char *name, const char *text)
{
    char command[300], path[200];
    snprintf(path, sizeof path, "%s/%s", the_root, name);
    snprintf(command, sizeof command, "mkdir -p $(dirname %s)", path);
    cr_assert(system(command) == 0);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static void put_mib(const char *name, uint64_t mib)
{
    char text[40];
    snprintf(text, sizeof text, "%lu\n", mib << 20);
    put(name, text);
}

// Beside the part that is not ours to take.
static void expect_left(uint64_t mib, uint64_t spare_mib)
{
    uint64_t left = available_below(the_root, -1) >> 20;
    cr_expect_eq(left, mib - spare_mib, "%lu", left);
}

static void put_host(void)
{
    put("proc/meminfo", "MemTotal:       67108864 kB\nMemFree:          307200 kB\n"
                        "MemAvailable:   41943040 kB\nHugePages_Free:        0\n");
}

Test(available, of_the_host)
{
    put_host();
    expect_left(40 << 10, 1024);
}

Test(available, of_a_numa_node)
{
    put_host();
    put("sys/devices/system/node/node1/meminfo", "Node 1 MemTotal:       819200 kB\n"
                                                 "Node 1 MemFree:        102400 kB\n"
                                                 "Node 1 Active(file):   512000 kB\n"
                                                 "Node 1 Inactive(file):  20480 kB\n"
                                                 "Node 1 SReclaimable:    10240 kB\n");
    cr_expect_eq(available_below(the_root, 1), (100 + 20 + 5 - 16) << 20);
    cr_expect_eq(available_below(the_root, 0), UINT64_MAX, "nothing is known of it");
}

Test(available, of_groups_of_version_2)
{
    put_host();
    put("proc/self/mountinfo", "30 23 0:26 / /cg rw,nosuid shared:4 - cgroup2 cgroup2 rw\n");
    put("proc/self/cgroup", "0::/user/job\n");
    put("cg/user/job/memory.max", "max\n");
    put_mib("cg/user/job/memory.current", 100);
    expect_left(40 << 10, 1024);
    put_mib("cg/user/job/memory.max", 6400);
    put("cg/user/job/memory.stat", "anon 700\ninactive_file 10485760\nactive_file 3\n");
    expect_left(6400 - 100 + 10, 100);
    put_mib("cg/user/memory.max", 500);
    put_mib("cg/user/memory.current", 200);
    expect_left(300, 16);
    put_mib("cg/user/memory.current", 490);
    expect_left(0, 0);
    put_mib("cg/user/memory.current", 600);
    expect_left(0, 0);
}

Test(available, of_groups_of_version_1)
{
    put_host();
    put("proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
                               "32 31 0:29 / /cg/cpu rw - cgroup cgroup rw,cpu\n"
                               "35 31 0:32 / /cg/memory rw shared:9 - cgroup cgroup rw,memory\n"
                               "41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n");
    put("proc/self/cgroup", "9:name=systemd:/memory\n4:cpu,memory:/a/b\n0::/\n");
    put("cg/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n"); // none
    put_mib("cg/memory/a/b/memory.usage_in_bytes", 1);
    expect_left(40 << 10, 1024);
    put_mib("cg/memory/a/memory.limit_in_bytes", 1000);
    put_mib("cg/memory/a/memory.usage_in_bytes", 200);
    put("cg/memory/a/memory.stat", "inactive_file 1\ntotal_inactive_file 104857600\n");
    expect_left(900, 16);
}

Test(available, of_a_container)
{
    put_host();
    put("proc/self/mountinfo", "35 31 0:32 /docker/1 /cg/memory rw - cgroup cgroup rw,memory\n");
    put("proc/self/cgroup", "4:memory:/docker/1/inner\n");
    put_mib("cg/memory/memory.limit_in_bytes", 1000);
    put_mib("cg/memory/memory.usage_in_bytes", 0);
    put_mib("cg/memory/inner/memory.limit_in_bytes", 100);
    put_mib("cg/memory/inner/memory.usage_in_bytes", 0);
    expect_left(100, 16);
    put("proc/self/cgroup", "4:memory:/docker/12\n"); // cannot be seen from here
    expect_left(1000, 16);
    put("proc/self/cgroup", "4:memory:/../other\n");
    expect_left(1000, 16);
}

Test(available, of_a_system_that_tells_nothing)
{
    cr_expect_eq(available_below(the_root, -1), UINT64_MAX);
    put("proc/meminfo", "");
    put("proc/self/mountinfo", "short - cgroup2 \n - cgroup2 x\n\n35 - cgroup memory\n");
    put("proc/self/cgroup", "::\n0::\n4:memory\nnothing\n");
    cr_expect_eq(available_below(the_root, -1), UINT64_MAX);
    put("proc/meminfo", "MemAvailable: much kB\n");
    cr_expect_eq(available_below(the_root, -1), 0);
    put("proc/meminfo", "MemAvailable: 99999999999999999999999 kB\n");
    cr_expect_eq(available_below(the_root, -1), 0);
}

Test(available, of_this_system)
{
    uint64_t left = available_below("", -1);
    cr_expect(left > 0 && left < 1ull << 50, "%lu", left);
}
