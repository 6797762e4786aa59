// SPDX-License-Identifier: BSD-3-Clause
//
// The life of groups: start, wait with and without a limit, signals, stop, time limit, destroy while
// running, what is known of each rank.
#include "tap.h"

static void check_plain(dragon_runtime_t *runtime)
{
    dragon_error_t error;
    memset(&error, 7, sizeof error);
    dragon_error_t before = error;
    dragon_group_t *group = tap_shell(runtime, "exit 0", 5);
    tap_equal(dragon_group_state(group), DRAGON_GROUP_NEW, "plain: it is new");
    tap_check(*dragon_group_descriptor(group) == 0, "plain: no descriptor before the start");
    tap_equal(dragon_group_exit_code(group), -1, "plain: no exit code before the start");
    tap_equal((long)dragon_group_id(group), 0, "plain: no number before the start");
    tap_equal(dragon_group_size(group), 0, "plain: no size before the start");
    tap_err(dragon_group_start(group, &error), DRAGON_OK, "plain: start");
    tap_check(memcmp(&error, &before, sizeof error) == 0, "plain: error is not touched on success");
    tap_check(dragon_group_id(group) != 0, "plain: it has a number");
    tap_equal(dragon_group_size(group), 5, "plain: it has five ranks");
    tap_has(dragon_group_descriptor(group), "dragon-group:", "plain: it has a descriptor");
    tap_err(dragon_group_wait(group, DRAGON_FOREVER), DRAGON_OK, "plain: wait");
    tap_equal(dragon_group_state(group), DRAGON_GROUP_ENDED, "plain: it has ended");
    tap_equal(dragon_group_exit_code(group), 0, "plain: exit code 0");
    tap_equal((long)strlen(dragon_group_cause(group)), 0, "plain: no cause");
    tap_err(dragon_group_wait(group, 0), DRAGON_OK, "plain: wait again");
    tap_err(dragon_group_wait(group, DRAGON_FOREVER), DRAGON_OK, "plain: wait a third time");
    dragon_rank_status_t status;
    bool good = true;
    for (uint32_t rank = 0; rank < 5; rank++)
        good = good && dragon_group_rank_status(group, rank, &status) == DRAGON_OK &&
               status.ended == 1 && status.exit_code == 0 && status.pid > 1 &&
               status.node < dragon_runtime_nodes(runtime);
    tap_check(good, "plain: each rank is known to have ended with 0");
    dragon_group_destroy(group);
}

static void check_waits(dragon_runtime_t *runtime)
{
    dragon_group_t *group = tap_shell(runtime, "sleep 600", 2);
    tap_start(group);
    tap_err(dragon_group_wait(group, 0), DRAGON_ERR_TIMEOUT, "wait of 0 ms while it runs");
    long began = tap_now_ms();
    tap_err(dragon_group_wait(group, 50), DRAGON_ERR_TIMEOUT, "wait of 50 ms while it runs");
    tap_check(tap_now_ms() - began >= 49, "it waited for so long");
    tap_equal(dragon_group_exit_code(group), -1, "no exit code while it runs");
    tap_equal((long)strlen(dragon_group_cause(group)), 0, "no cause while it runs");
    tap_equal(dragon_group_state(group), DRAGON_GROUP_RUNNING, "it is running");
    tap_err(dragon_group_stop(group), DRAGON_OK, "stop");
    tap_equal(dragon_group_state(group), DRAGON_GROUP_STOPPING, "it is stopping");
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "wait for the stop");
    tap_equal(dragon_group_exit_code(group), 143, "a stopped group has 143");
    tap_has(dragon_group_cause(group), "stop", "and says that it was stopped");
    tap_err(dragon_group_stop(group), DRAGON_ERR_STATE, "stop after the end");
    dragon_group_destroy(group);
}

static void check_codes(dragon_runtime_t *runtime)
{
    char host[64], who[100];
    dragon_rank_status_t status;
    gethostname(host, sizeof host);
    dragon_group_t *group = tap_shell(runtime, "[ $DRAGON_RANK != 3 ] || exit 42", 4);
    tap_start(group);
    dragon_group_wait(group, TAP_WAIT_MS);
    tap_equal(dragon_group_exit_code(group), 42, "exit code of the rank that failed");
    dragon_group_rank_status(group, 3, &status);
    tap_equal(status.exit_code, 42, "and in its status");
    snprintf(who, sizeof who, "(pid %d)", status.pid);
    tap_has(dragon_group_cause(group), "rank 3", "the cause names the rank");
    tap_has(dragon_group_cause(group), host, "the cause names the host");
    tap_has(dragon_group_cause(group), who, "the cause names the process");
    tap_has(dragon_group_cause(group), "exited with code 42", "the cause names the code");
    dragon_group_rank_status(group, 0, &status);
    tap_equal(status.exit_code, 0, "the others ended well");
    dragon_group_destroy(group);
}

static void check_signals(dragon_runtime_t *runtime)
{
    dragon_rank_status_t status;
    dragon_group_t *group =
        tap_shell(runtime, "trap 'exit 9' USR1; while :; do sleep 0.1; done", 3);
    tap_start(group);
    // Rank 1 may not have set its trap yet; then the signal kills it, which is an end as well.
    tap_err(dragon_group_signal(group, 1, SIGUSR1), DRAGON_OK, "a signal to one rank");
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    while ((dragon_group_rank_status(group, 1, &status) != DRAGON_OK || !status.ended) &&
           tap_now_ms() < deadline)
        dragon_runtime_progress(runtime, 10);
    tap_check(status.ended && (status.exit_code == 9 || status.exit_code == 128 + SIGUSR1),
              "that rank ends by it");
    tap_check(tap_is_up(runtime, group, 0, &status) && !status.ended && status.exit_code == -1,
              "another is known to run");
    tap_err(dragon_group_wait(group, 0), DRAGON_ERR_TIMEOUT, "the group goes on without it");
    tap_err(dragon_group_signal(group, 1, SIGUSR1), DRAGON_OK, "a signal to a rank that has ended");
    tap_err(dragon_group_signal(group, DRAGON_ALL_RANKS, SIGKILL), DRAGON_OK, "SIGKILL to all");
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "ends it");
    dragon_group_rank_status(group, 2, &status);
    tap_equal(status.exit_code, 128 + SIGKILL, "status of a killed rank");
    dragon_group_destroy(group);
}

static void check_stop_ladder(dragon_runtime_t *runtime)
{
    dragon_group_t *group =
        tap_shell(runtime, "trap '' TERM; echo $$ >ladder.pid; while :; do sleep 0.1; done", 1);
    int pid = 0;
    dragon_group_set_grace(group, 200);
    tap_start(group);
    tap_check(tap_read_pid("ladder.pid", &pid), "a rank that ignores TERM runs");
    dragon_group_stop(group);
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "it is killed after the grace time");
    tap_equal(dragon_group_exit_code(group), 143, "the group was stopped");
    tap_check(tap_ends(pid), "its process is gone");
    dragon_group_destroy(group);

    group = tap_shell(runtime, "sleep 600", 1);
    dragon_group_set_time_limit(group, 100);
    tap_start(group);
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "a time limit ends it");
    tap_equal(dragon_group_exit_code(group), 124, "with 124");
    tap_has(dragon_group_cause(group), "time limit", "and says so");
    dragon_group_destroy(group);
}

static void check_destroy(dragon_runtime_t *runtime)
{
    int first = 0, second = 0;
    dragon_group_t *group =
        tap_shell(runtime, "sleep 600 & echo $! >child.pid; echo $$ >rank.pid; wait", 1);
    tap_start(group);
    tap_check(tap_read_pid("child.pid", &first) && tap_read_pid("rank.pid", &second),
              "a group runs");
    dragon_group_destroy(group);
    tap_check(tap_ends(second), "destroyed while it runs: its rank ends");
    tap_check(tap_ends(first), "and the rank's child");

    // One that floods: destroyed, nobody takes its output any more.
    group = tap_shell(runtime, "echo $$ >flood.pid; exec yes >/dev/stderr", 1);
    int null = dup(STDERR_FILENO);
    freopen("/dev/null", "w", stderr);
    tap_start(group);
    tap_check(tap_read_pid("flood.pid", &first), "a group that floods runs");
    dragon_group_destroy(group);
    tap_check(tap_ends(first), "destroyed: it ends");
    dup2(null, STDERR_FILENO);
    close(null);

    group = tap_shell(runtime, "true", 1);
    dragon_group_destroy(group);
    dragon_group_destroy(NULL);
    dragon_runtime_detach(NULL);
    tap_check(true, "destroy before the start, and of nothing");
}

// Several at once, ended in another order than started; a group made while another runs.
static void check_many(dragon_runtime_t *runtime)
{
    enum { GROUPS = 12 };
    dragon_group_t *groups[GROUPS];
    bool good = true;
    for (int i = 0; i < GROUPS; i++) {
        char script[40];
        snprintf(script, sizeof script, "exit %d", i);
        groups[i] = tap_shell(runtime, script, 1);
        tap_start(groups[i]);
    }
    for (int i = GROUPS - 1; i >= 0; i--) {
        good = good && dragon_group_wait(groups[i], TAP_WAIT_MS) == DRAGON_OK &&
               dragon_group_exit_code(groups[i]) == i;
        for (int k = 0; k < i; k++)
            good = good && dragon_group_id(groups[k]) != dragon_group_id(groups[i]);
    }
    tap_check(good, "twelve groups at once, each with its own number and exit code");
    for (int i = 0; i < GROUPS; i++)
        dragon_group_destroy(groups[i]);
}

// A single process in its short form, and a warning before the limit.
static void check_process(dragon_runtime_t *runtime)
{
    char shell[] = "sh", c[] = "-c", script[] = "exit 6";
    char *argv[] = {shell, c, script, NULL}, *nothing[] = {NULL};
    dragon_error_t error;
    dragon_group_t *group = NULL;
    tap_err(dragon_group_start_process(runtime, argv, NULL, &group, &error), DRAGON_OK,
            "a single process");
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "is waited for");
    tap_equal(dragon_group_exit_code(group), 6, "its exit code");
    tap_equal(dragon_group_size(group), 1, "it is a group of one");
    dragon_group_destroy(group);
    tap_err(dragon_group_start_process(runtime, nothing, NULL, &group, &error), DRAGON_ERR_INVAL,
            "a process of nothing");

    group = tap_shell(runtime, "trap 'exit 0' USR1; while :; do sleep 0.05; done", 2);
    dragon_group_set_time_limit(group, 60000);
    dragon_group_set_warning(group, SIGUSR1, 59000);
    tap_start(group);
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "warned before its limit it ends");
    tap_equal(dragon_group_exit_code(group), 0, "by itself");
    dragon_group_destroy(group);
}

int main(void)
{
    dragon_runtime_t *runtime = tap_attach();
    check_plain(runtime);
    check_waits(runtime);
    check_codes(runtime);
    check_signals(runtime);
    check_stop_ladder(runtime);
    check_destroy(runtime);
    check_many(runtime);
    check_process(runtime);
    dragon_runtime_detach(runtime);
    return tap_finish();
}
