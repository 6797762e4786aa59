// SPDX-License-Identifier: BSD-3-Clause
//
// Segments, on the real system.
#include "config.h"

#include "mem/segment.h"

#include "mem/heap.h"
#include "proc/cgroup.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct segment_kind usual = {.numa = DRAGON_ANY_NUMA};
enum { MIB = 1 << 20 };

static int create(struct segment_kind kind, size_t bytes, size_t *bytes_out)
{
    dragon_error_t error = {0};
    int fd;
    cr_assert_eq(segment_create(kind, bytes, &fd, bytes_out, &error), DRAGON_OK, "%s", error.text);
    return fd;
}

static size_t reserved(int fd)
{
    struct stat stat;
    cr_assert_eq(fstat(fd, &stat), 0);
    return (size_t)stat.st_blocks * 512;
}

Test(segment, has_whole_pages_and_no_memory_at_first)
{
    size_t bytes;
    int fd = create(usual, 3 * HEAP_PAGE + 1, &bytes);
    cr_expect_eq(bytes % HEAP_PAGE, 0);
    cr_expect_geq(bytes, 4 * HEAP_PAGE);
    cr_expect_eq(reserved(fd), 0);
    cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}

Test(segment, is_reserved_in_steps_and_given_back)
{
    size_t bytes;
    int fd = create(usual, 4 * MIB, &bytes);
    cr_assert_eq(segment_reserve(fd, usual, 0, MIB, NULL), DRAGON_OK);
    cr_expect_eq(reserved(fd), MIB);
    cr_assert_eq(segment_reserve(fd, usual, MIB, bytes, NULL), DRAGON_OK);
    cr_expect_eq(reserved(fd), bytes);
    cr_assert_eq(segment_reserve(fd, usual, bytes, bytes, NULL), DRAGON_OK, "nothing");
    segment_give_back(fd, MIB, bytes);
    cr_expect_eq(reserved(fd), MIB);
    segment_give_back(fd, MIB, MIB);
    cr_expect_eq(reserved(fd), MIB);
    close(fd);
}

Test(segment, cannot_be_made_shorter_by_who_has_it)
{
    size_t bytes;
    int fd = create(usual, MIB, &bytes);
    cr_expect_eq(ftruncate(fd, 0), -1);
    cr_expect_eq(ftruncate(fd, 2 * MIB), -1);
    close(fd);
}

Test(segment, is_refused_with_figures_when_there_is_no_memory)
{
    size_t bytes;
    int fd = create(usual, (size_t)1 << 46, &bytes);
    dragon_error_t error;
    cr_assert_eq(segment_reserve(fd, usual, 0, bytes, &error), DRAGON_ERR_FULL);
    cr_expect(strstr(error.text, "67108864.0 MiB more") && strstr(error.text, "are left"), "%s",
              error.text);
    cr_expect_eq(reserved(fd), 0);
    close(fd);
    cr_expect_eq(segment_create(usual, (size_t)1 << 48, &fd, &bytes, &error), DRAGON_ERR_TOO_BIG);
    cr_expect_eq(segment_create(usual, 0, &fd, &bytes, &error), DRAGON_ERR_TOO_BIG);
}

// ---- the limit of a control group

static int fill_to_the_limit(const char *procs, size_t limit)
{
    FILE *file = fopen(procs, "w");
    if (!file || fprintf(file, "%d\n", (int)getpid()) < 0 || fclose(file))
        return 10;
    int fd;
    size_t bytes, have = 0;
    dragon_error_t error;
    if (segment_create(usual, 4 * limit, &fd, &bytes, &error))
        return 11;
    while (have < bytes && !segment_reserve(fd, usual, have, have + MIB, &error))
        have += MIB;
    if (error.code != DRAGON_ERR_FULL)
        return 12;
    // All that was reserved can be touched.
    uint8_t *base = segment_map(fd, bytes, usual);
    if (!base)
        return 13;
    memset(base, 1, have);
    return have < limit / 4 || have > limit ? 14 : 0;
}

Test(segment, stops_before_the_limit_of_a_control_group)
{
    enum { LIMIT = 128 * MIB };
    struct cgroup_place place;
    dragon_error_t error = {0};
    char *path;
    if (cgroup_place_find("", &place, &error) ||
        cgroup_create(&place, "segment", LIMIT, &path, &error)) {
        cr_log_warn("not tried: %s", error.text);
        return;
    }
    char *procs = cgroup_procs(path);
    pid_t child = fork();
    if (child == 0)
        _exit(fill_to_the_limit(procs, LIMIT));
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_not(cgroup_ran_out(path));
    uint64_t deadline = time_now_ms() + 5000;
    while (!cgroup_remove(path) && time_left_ms(deadline) > 0)
        usleep(1000);
    free(procs);
    free(path);
    cgroup_place_fini(&place);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
}

// ---- kinds

Test(segment, is_taken_from_a_numa_node)
{
    struct segment_kind kind = {.numa = 0};
    dragon_error_t error = {0};
    size_t bytes;
    int fd = create(kind, MIB, &bytes), before = -1, after = -1;
    if (access("/sys/devices/system/node/node0", F_OK)) {
        cr_log_warn("not tried: this system has no NUMA nodes");
        return;
    }
    syscall(SYS_get_mempolicy, &before, NULL, 0ul, NULL, 0ul);
    cr_expect_eq(segment_reserve(fd, kind, 0, bytes, &error), DRAGON_OK, "%s", error.text);
    syscall(SYS_get_mempolicy, &after, NULL, 0ul, NULL, 0ul);
    cr_expect_eq(before, after);
    cr_expect_eq(reserved(fd), MIB);
    kind.numa = 900;
    cr_expect_eq(segment_reserve(fd, kind, 0, bytes, &error), DRAGON_ERR_INVAL);
    cr_expect(strstr(error.text, "no NUMA node 900"), "%s", error.text);
    kind.numa = 9000;
    cr_expect_eq(segment_reserve(fd, kind, 0, bytes, &error), DRAGON_ERR_INVAL);
    close(fd);
}

Test(segment, with_huge_pages_if_there_are_any)
{
    struct segment_kind kind = {.numa = DRAGON_ANY_NUMA, .huge = DRAGON_HUGE_TRY};
    dragon_error_t error = {0};
    size_t bytes;
    int fd = create(kind, 1, &bytes);
    cr_expect_geq(bytes, 2 * MIB);
    cr_expect_eq(segment_reserve(fd, kind, 0, bytes, &error), DRAGON_OK, "%s", error.text);
    cr_expect_eq(reserved(fd), bytes);
    uint8_t *base = segment_map(fd, bytes, kind);
    cr_assert_not_null(base);
    memset(base, 1, bytes);
    segment_unmap(base, bytes);
    close(fd);
}

// There are fewer than that anywhere.
Test(segment, says_that_there_are_not_enough_huge_pages)
{
    struct segment_kind kind = {.numa = DRAGON_ANY_NUMA, .huge = DRAGON_HUGE_REQUIRE};
    dragon_error_t error = {0};
    size_t bytes;
    int fd;
    dragon_err_t code = segment_create(kind, (size_t)1 << 45, &fd, &bytes, &error);
    if (!code) {
        code = segment_reserve(fd, kind, 0, bytes, &error);
        close(fd);
    }
    cr_expect_eq(code, DRAGON_ERR_FULL, "%s", error.text);
    cr_expect(strstr(error.text, "huge pages"), "%s", error.text);
}

// ---- mapping

Test(segment, is_seen_by_all_who_map_it_but_not_by_children)
{
    size_t bytes;
    int fd = create(usual, MIB, &bytes);
    cr_assert_eq(segment_reserve(fd, usual, 0, bytes, NULL), DRAGON_OK);
    uint8_t *one = segment_map(fd, bytes, usual), *other = segment_map(fd, bytes, usual);
    cr_assert(one && other && one != other);
    one[5000] = 42;
    cr_expect_eq(other[5000], 42);
    pid_t child = fork();
    if (child == 0) {
        unsigned char in_core;
        _exit(mincore(one, 4096, &in_core) == -1 && errno == ENOMEM ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_eq(status, 0);
    segment_unmap(one, bytes);
    segment_unmap(other, bytes);
    segment_unmap(NULL, 0);
    close(fd);
    cr_expect_null(segment_map(-1, bytes, usual));
}
