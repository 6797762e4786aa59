// SPDX-License-Identifier: BSD-3-Clause
//
// Control groups: where they can be made is told from made-up files; the rest is tried on the real ones, where this
// user may make some.
#include "config.h"

#include "proc/cgroup.h"
#include "proc/spawn.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char the_root[64];

static void set_up(void)
{
    snprintf(the_root, sizeof the_root, "/tmp/dragon-test-XXXXXX");
    cr_assert_not_null(mkdtemp(the_root));
}

static void tear_down(void)
{
    char command[200];
    snprintf(command, sizeof command, "chmod -R u+w %s; rm -rf %s", the_root, the_root);
    cr_expect(system(command) == 0);
}

TestSuite(proc_cgroup, .init = set_up, .fini = tear_down);

// ---- where

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

static void expect_place(const char *directory, int version)
{
    struct cgroup_place place = {0};
    dragon_error_t error = {0};
    cr_assert_eq(cgroup_place_find(the_root, &place, &error), DRAGON_OK, "%s", error.text);
    cr_expect_str_eq(place.directory + strlen(the_root), directory);
    cr_expect_eq(place.version, version);
    cgroup_place_fini(&place);
}

static void expect_none(const char *wanted)
{
    struct cgroup_place place = {0};
    dragon_error_t error = {0};
    cr_expect_eq(cgroup_place_find(the_root, &place, &error), DRAGON_ERR_UNSUPPORTED);
    cr_expect_null(place.directory);
    cr_expect(strstr(error.text, wanted), "%s", error.text);
}

static const char version_1[] = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
                                "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                                "35 31 0:32 / /cg/memory rw shared:9 - cgroup cgroup rw,memory\n"
                                "41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n";
static const char version_2[] = "30 23 0:26 / /cg rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";

Test(proc_cgroup, version_1)
{
    put("proc/self/mountinfo", version_1);
    put("proc/self/cgroup", "9:name=systemd:/memory\n4:cpu,memory:/a/b\n0::/elsewhere\n");
    put("cg/memory/a/b/x", "");
    expect_place("/cg/memory/a/b", 1);
}

Test(proc_cgroup, a_container_sees_a_part)
{
    put("proc/self/mountinfo", "35 31 0:32 /docker/1 /cg/memory rw - cgroup cgroup rw,memory\n");
    put("proc/self/cgroup", "4:memory:/docker/1/inner\n");
    put("cg/memory/inner/x", "");
    expect_place("/cg/memory/inner", 1);
    put("proc/self/cgroup", "4:memory:/docker/12\n");
    expect_place("/cg/memory", 1);
}

Test(proc_cgroup, version_2_below)
{
    put("proc/self/mountinfo", version_2);
    put("proc/self/cgroup", "0::/user/scope\n");
    put("cg/user/scope/cgroup.controllers", "cpu memory pids\n");
    put("cg/user/scope/cgroup.subtree_control", "memory pids\n");
    expect_place("/cg/user/scope", 2);
}

// The file of our own group takes nothing, as that of a group with processes does.
Test(proc_cgroup, version_2_beside)
{
    put("proc/self/mountinfo", version_2);
    put("proc/self/cgroup", "0::/user/scope\n");
    put("cg/user/scope/cgroup.controllers", "cpu memory\n");
    put("cg/user/cgroup.controllers", "cpu memory\n");
    put("cg/user/cgroup.subtree_control", "cpu memory\n");
    expect_place("/cg/user", 2);
}

Test(proc_cgroup, version_2_nowhere)
{
    put("proc/self/mountinfo", version_2);
    put("proc/self/cgroup", "0::/\n");
    put("cg/cgroup.controllers", "cpu memory\n");
    expect_none("delegated");
    put("cg/cgroup.controllers", "cpu memory_not\n");
    expect_none("not given the memory controller");
}

Test(proc_cgroup, none)
{
    expect_none("mounted");
    put("proc/self/mountinfo",
        "32 31 0:29 / /cg/cpu rw - cgroup cgroup rw,cpu\nshort - cgroup\n\n");
    expect_none("mounted");
    put("proc/self/mountinfo", version_2);
    expect_none("does not say");
}

// ---- the real ones

static struct cgroup_place the_place;

// False: this user may make none here, or there are none.
static bool have_place(void)
{
    char *path;
    dragon_error_t error = {0};
    if (cgroup_place_find("", &the_place, &error) == DRAGON_OK &&
        cgroup_create(&the_place, "try", 1 << 26, &path, &error) == DRAGON_OK) {
        cr_expect(cgroup_remove(path));
        free(path);
        return true;
    }
    cr_log_warn("not tried: %s", error.text);
    return false;
}

static int run_limited(char *script, uint64_t limit_bytes, bool *ran_out)
{
    char *argv[] = {"sh", "-c", script, NULL}, *path;
    dragon_error_t error = {0};
    cr_assert_eq(cgroup_create(&the_place, "run", limit_bytes, &path, &error), DRAGON_OK, "%s",
                 error.text);
    char *procs = cgroup_procs(path);
    struct spawn spawn = {.path = "/bin/sh",
                          .argv = argv,
                          .env = environ,
                          .stdio = {0, 1, 2},
                          .fd3 = -1,
                          .cgroup_procs = procs};
    enum spawn_step step;
    pid_t pid;
    int status;
    cr_assert_eq(spawn_start(&spawn, &pid, &step), 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    *ran_out = cgroup_ran_out(path);
    uint64_t deadline = time_now_ms() + 5000;
    while (!cgroup_remove(path) && time_left_ms(deadline) > 0)
        usleep(1000);
    cr_expect_eq(access(path, F_OK), -1, "it is gone");
    free(procs);
    free(path);
    return status;
}

Test(proc_cgroup, a_limit_kills)
{
    bool ran_out;
    if (!have_place())
        return;
    // The shell itself grows: a variable that doubles until it is far beyond the limit.
    int status = run_limited("x=0123456789abcdef; while :; do x=$x$x; done", 32 << 20, &ran_out);
    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %x", status);
    cr_expect(ran_out);
    status = run_limited("exit 3", 64 << 20, &ran_out);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    cr_expect(!ran_out);
    status = run_limited("kill -9 $$", 64 << 20, &ran_out);
    cr_expect(WIFSIGNALED(status) && !ran_out, "killed by somebody else");
    cgroup_place_fini(&the_place);
}

// Its maker is gone, and what it left runs in it.
Test(proc_cgroup, a_sweep_takes_what_was_left)
{
    if (!have_place())
        return;
    pid_t maker = fork();
    if (maker == 0) {
        char *path, *argv[] = {"sleep", "1000", NULL};
        enum spawn_step step;
        pid_t pid;
        if (cgroup_create(&the_place, "left-1", 1 << 26, &path, NULL) != DRAGON_OK ||
            cgroup_create(&the_place, "left-2", 1 << 26, &path, NULL) != DRAGON_OK)
            _exit(1);
        struct spawn spawn = {.path = "/bin/sleep",
                              .argv = argv,
                              .env = environ,
                              .stdio = {0, 1, 2},
                              .fd3 = -1,
                              .cgroup_procs = cgroup_procs(path)};
        _exit(spawn_start(&spawn, &pid, &step) == 0 ? 0 : 2);
    }
    int status;
    cr_assert(waitpid(maker, &status, 0) == maker && status == 0);
    cr_expect(cgroup_sweep(maker, time_now_ms() + 5000));
    char prefix[40];
    snprintf(prefix, sizeof prefix, "dragon-%d-", (int)maker);
    DIR *groups = opendir(the_place.directory);
    for (struct dirent *entry; groups && (entry = readdir(groups));)
        cr_expect(strncmp(entry->d_name, prefix, strlen(prefix)) != 0, "%s", entry->d_name);
    if (groups)
        closedir(groups);
    cgroup_place_fini(&the_place);
}

Test(proc_cgroup, limits_that_cannot_be)
{
    struct cgroup_place place = {.directory = the_root, .version = 1};
    char *path = NULL;
    dragon_error_t error = {0};
    cr_expect_eq(cgroup_create(&place, "x", 1, &path, &error), DRAGON_ERR_UNSUPPORTED);
    cr_expect_null(path);
    cr_expect(strstr(error.text, "takes no limit"), "%s", error.text);
    DIR *left = opendir(the_root);
    int count = 0;
    while (readdir(left))
        count++;
    closedir(left);
    cr_expect_eq(count, 2, "nothing is left");
    place.directory = (char *)"/nowhere";
    cr_expect_eq(cgroup_create(&place, "x", 1, &path, &error), DRAGON_ERR_UNSUPPORTED);
}
