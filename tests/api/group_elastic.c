// SPDX-License-Identifier: BSD-3-Clause
//
// Groups that change while they run: ranks are added, removed and started again; and groups that run twice.
#include "tap.h"

static void check_add(dragon_runtime_t *runtime)
{
    dragon_error_t error;
    dragon_rank_status_t status;
    dragon_rank_place_t place;
    dragon_group_t *group = tap_shell(runtime, "exec sleep 600", 2);
    dragon_template_t *more = tap_template("echo added; exec sleep 600");
    dragon_template_t *wrong = tap_template("true");
    dragon_template_set_output(more, DRAGON_STREAM_PIPE);
    dragon_template_set_cwd(wrong, "/no/such/folder");
    tap_start(group);
    tap_err(dragon_group_add(group, more, 3, &error), DRAGON_OK,
            "ranks are added to a running group");
    tap_equal(dragon_group_size(group), 5, "it has five now");
    tap_check(tap_is_up(runtime, group, 4, &status), "the last of them runs");
    tap_err(dragon_group_rank_place(group, 4, &place), DRAGON_OK, "it has a place");
    tap_equal(place.process_template, 1, "of the template that was added");
    tap_err(dragon_group_add(group, wrong, 1, &error), DRAGON_ERR_LAUNCH,
            "one that cannot be started");
    tap_has(error.text, "/no/such/folder", "the text says why");
    tap_equal(dragon_group_size(group), 5, "nothing has changed");
    tap_err(dragon_group_wait(group, 0), DRAGON_ERR_TIMEOUT, "it runs on");
    tap_err(dragon_group_add(group, more, 1, &error), DRAGON_OK, "and takes further ranks");
    tap_equal(dragon_group_size(group), 6, "which are numbered on");
    tap_check(tap_is_up(runtime, group, 5, &status), "and run");
    dragon_output_t output;
    char text[20];
    tap_err(dragon_group_read(group, text, sizeof text, &output, TAP_WAIT_MS), DRAGON_OK,
            "what an added rank writes can be read");
    tap_check(output.rank >= 2 && output.bytes == 6, "it is an added one");

    tap_err(dragon_group_remove(group, 1), DRAGON_OK, "remove rank 1");
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    while (dragon_group_rank_status(group, 1, &status) == DRAGON_OK && !status.ended &&
           tap_now_ms() < deadline)
        dragon_runtime_progress(runtime, 50);
    tap_check(status.ended && status.removed, "it has ended, removed");
    tap_err(dragon_group_remove(group, 1), DRAGON_OK, "again: nothing happens");
    tap_err(dragon_group_wait(group, 0), DRAGON_ERR_TIMEOUT, "the others run on");
    for (uint32_t rank = 0; rank < 6; rank++)
        dragon_group_remove(group, rank);
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "without ranks it ends");
    tap_equal(dragon_group_exit_code(group), 0, "removed ranks have not failed");
    dragon_template_destroy(more);
    dragon_template_destroy(wrong);
    dragon_group_destroy(group);
}

struct seen {
    int up, down, again, ended, started;
};

static void note_event(void *arg, dragon_group_t *group, const dragon_event_t *event)
{
    struct seen *seen = (struct seen *)arg;
    (void)group;
    seen->started += event->kind == DRAGON_EVENT_STARTED;
    seen->up += event->kind == DRAGON_EVENT_RANK_UP;
    seen->down += event->kind == DRAGON_EVENT_RANK_DOWN;
    seen->again += event->kind == DRAGON_EVENT_RANK_AGAIN;
    seen->ended += event->kind == DRAGON_EVENT_ENDED;
}

static void check_restart(dragon_runtime_t *runtime)
{
    struct seen seen = {0, 0, 0, 0, 0};
    dragon_rank_status_t status;
    dragon_group_t *group = tap_shell(runtime, "[ $DRAGON_RANK = 0 ] || exit 5", 2);
    dragon_group_set_restart(group, DRAGON_RESTART_FAILED, 3, 10);
    dragon_group_on_event(group, note_event, &seen);
    tap_start(group);
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "a rank that fails each time");
    tap_equal(dragon_group_exit_code(group), 5, "fails in the end");
    dragon_group_rank_status(group, 1, &status);
    tap_equal(status.restarts, 3, "it was started again three times");
    dragon_group_rank_status(group, 0, &status);
    tap_equal(status.restarts, 0, "the one that went well was not");
    tap_check(seen.started == 1 && seen.up == 5 && seen.again == 3 && seen.down == 2 &&
                  seen.ended == 1,
              "events: %d started, %d up, %d again, %d down, %d ended", seen.started, seen.up,
              seen.again, seen.down, seen.ended);
    dragon_group_destroy(group);

    group = tap_shell(runtime, "[ -e tried ] || { : >tried; exit 1; }", 1);
    dragon_group_set_restart(group, DRAGON_RESTART_FAILED, 5, 10);
    tap_start(group);
    dragon_group_wait(group, TAP_WAIT_MS);
    tap_equal(dragon_group_exit_code(group), 0, "a failure after which all went well is none");
    dragon_group_destroy(group);

    group = tap_shell(runtime, "exit 0", 1);
    dragon_group_set_restart(group, DRAGON_RESTART_ALWAYS, 1000000, 1);
    tap_start(group);
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    while ((dragon_group_rank_status(group, 0, &status) != DRAGON_OK || status.restarts < 3) &&
           tap_now_ms() < deadline)
        dragon_runtime_progress(runtime, 50);
    tap_check(status.restarts >= 3, "one that ends well is started again when asked");
    tap_err(dragon_group_stop_restart(group), DRAGON_OK, "no more");
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "it ends by itself");
    dragon_group_destroy(group);
}

// One that is stopped while it waits to be started again does not come back.
static void check_stop_between(dragon_runtime_t *runtime)
{
    dragon_rank_status_t status = {0};
    dragon_group_t *group = tap_shell(runtime, "exit 1", 1);
    dragon_group_set_restart(group, DRAGON_RESTART_FAILED, 100, 20000);
    tap_start(group);
    long began = tap_now_ms();
    while ((dragon_group_rank_status(group, 0, &status) != DRAGON_OK || status.exit_code < 0) &&
           tap_now_ms() < began + TAP_WAIT_MS)
        dragon_runtime_progress(runtime, 50);
    tap_check(!status.ended && status.exit_code == 1, "a rank waits to be started again");
    dragon_group_stop(group);
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "stopped meanwhile it ends");
    tap_check(tap_now_ms() - began < 15000, "at once");
    tap_equal(dragon_group_exit_code(group), 143, "as a stopped group");
    dragon_group_destroy(group);
}

static void check_failure(dragon_runtime_t *runtime)
{
    dragon_group_t *group = tap_shell(runtime, "[ $DRAGON_RANK = 0 ] && exit 8; exec sleep 600", 3);
    dragon_group_set_failure(group, DRAGON_FAILURE_STOP);
    tap_start(group);
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "a failure stops the others");
    tap_equal(dragon_group_exit_code(group), 8, "with its code");
    dragon_group_destroy(group);

    // Rank 1 ends only when the failure of rank 0 is known here.
    group = tap_shell(runtime,
                      "[ $DRAGON_RANK = 0 ] && exit 8; until [ -e failed ]; do sleep 0.02; done; "
                      "echo on >went.on",
                      2);
    tap_start(group);
    dragon_rank_status_t status = {0};
    long limit = tap_now_ms() + TAP_WAIT_MS;
    while (!status.ended && tap_now_ms() < limit) {
        dragon_runtime_progress(runtime, 100);
        dragon_group_rank_status(group, 0, &status);
    }
    fclose(fopen("failed", "w"));
    dragon_group_wait(group, TAP_WAIT_MS);
    tap_equal(dragon_group_exit_code(group), 8, "by default it does not");
    tap_check(access("went.on", F_OK) == 0, "the others went on");
    dragon_group_destroy(group);
}

static void check_again(dragon_runtime_t *runtime)
{
    char first[200];
    dragon_rank_status_t status;
    dragon_template_t *more = tap_template("exit 0");
    dragon_group_t *group = tap_shell(runtime, "exit 4", 2);
    tap_start(group);
    uint64_t id = dragon_group_id(group);
    snprintf(first, sizeof first, "%s", dragon_group_descriptor(group));
    dragon_group_wait(group, TAP_WAIT_MS);
    tap_equal(dragon_group_exit_code(group), 4, "the first run");
    tap_err(dragon_group_add(group, more, 1, NULL), DRAGON_OK, "a template is added for the next");
    tap_start(group);
    tap_check(dragon_group_id(group) != id, "the second has another number");
    tap_check(strcmp(dragon_group_descriptor(group), first) != 0, "and another descriptor");
    tap_equal(dragon_group_size(group), 3, "and a rank more");
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "it ends");
    tap_equal(dragon_group_exit_code(group), 4, "as the first did");
    tap_err(dragon_group_rank_status(group, 2, &status), DRAGON_OK, "the new rank is known");
    dragon_template_destroy(more);
    dragon_group_destroy(group);
}

static void check_mpi(dragon_runtime_t *runtime)
{
    dragon_error_t error;
    dragon_template_t *more = tap_template("true");
    dragon_group_t *group = tap_shell(runtime, "exec sleep 600", 2);
    dragon_group_set_pmi(group, 1);
    tap_start(group);
    tap_err(dragon_group_add(group, more, 1, &error), DRAGON_ERR_STATE, "add to an MPI group");
    tap_err(dragon_group_remove(group, 0), DRAGON_ERR_UNSUPPORTED, "remove from an MPI group");
    dragon_group_stop(group);
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "it is stopped");
    dragon_group_destroy(group);
    group = tap_shell(runtime, "true", 2);
    dragon_group_set_pmi(group, 1);
    dragon_group_set_restart(group, DRAGON_RESTART_FAILED, 1, 0);
    tap_err(dragon_group_start(group, &error), DRAGON_ERR_INVAL, "restarts in an MPI group");
    dragon_template_destroy(more);
    dragon_group_destroy(group);
}

int main(void)
{
    dragon_runtime_t *runtime = tap_attach();
    check_add(runtime);
    check_restart(runtime);
    check_stop_between(runtime);
    check_failure(runtime);
    check_again(runtime);
    check_mpi(runtime);
    dragon_runtime_detach(runtime);
    return tap_finish();
}
