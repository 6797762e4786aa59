// SPDX-License-Identifier: BSD-3-Clause
//
// What happens when the cores are in use: groups wait in the order of asking, fail, or share. Each node of the
// runtime has eight cores.
#include "tap.h"

enum { CORES = 8 };

struct seen {
    int queued, started, ended;
    char text[200];
    dragon_group_state_t at_queued;
};

static void note_event(void *arg, dragon_group_t *group, const dragon_event_t *event)
{
    struct seen *seen = (struct seen *)arg;
    if (event->kind == DRAGON_EVENT_QUEUED) {
        seen->queued++;
        seen->at_queued = dragon_group_state(group);
        snprintf(seen->text, sizeof seen->text, "%s", event->text);
    }
    seen->started += event->kind == DRAGON_EVENT_STARTED;
    seen->ended += event->kind == DRAGON_EVENT_ENDED;
}

// One rank on each node that takes so many of its cores.
static dragon_group_t *make_group(dragon_runtime_t *runtime, const char *script, uint32_t cores,
                                  dragon_full_t full, uint64_t wait_ms)
{
    dragon_policy_t *policy;
    dragon_group_t *group = tap_shell(runtime, script, dragon_runtime_nodes(runtime));
    dragon_policy_create(&policy);
    dragon_policy_set_cores(policy, cores);
    dragon_policy_set_ppn(policy, 1);
    dragon_group_set_policy(group, policy);
    dragon_policy_destroy(policy);
    tap_err(dragon_group_set_full(group, full, wait_ms), DRAGON_OK, "set_full");
    return group;
}

static void check_fail(dragon_runtime_t *runtime)
{
    dragon_error_t error;
    dragon_rank_place_t place;
    dragon_group_t *fails = make_group(runtime, "true", CORES, DRAGON_FULL_FAIL, 0);
    tap_err(dragon_group_start(fails, &error), DRAGON_ERR_FULL, "there is no room: fail");
    tap_check(*error.text != 0, "it says what is missing: %s", error.text);
    tap_equal(dragon_group_exit_code(fails), 125, "exit code 125");
    dragon_group_destroy(fails);
    dragon_group_t *shares = make_group(runtime, "true", CORES, DRAGON_FULL_SHARE, 0);
    tap_err(dragon_group_start(shares, &error), DRAGON_OK, "there is no room: share");
    tap_check(dragon_group_rank_place(shares, 0, &place) == DRAGON_OK && place.shared,
              "its place says so");
    tap_err(dragon_group_wait(shares, TAP_WAIT_MS), DRAGON_OK, "it runs");
    dragon_group_destroy(shares);
    dragon_group_t *plain = tap_shell(runtime, "true", 3);
    tap_err(dragon_group_start(plain, &error), DRAGON_OK, "one that asks for nothing shares too");
    dragon_group_wait(plain, TAP_WAIT_MS);
    dragon_group_destroy(plain);
    dragon_group_t *late = make_group(runtime, "true", CORES, DRAGON_FULL_WAIT, 200);
    long began = tap_now_ms();
    tap_err(dragon_group_start(late, &error), DRAGON_ERR_TIMEOUT, "it waits for so long");
    tap_check(tap_now_ms() - began >= 190, "not shorter");
    dragon_group_destroy(late);
}

static void check_wait(dragon_runtime_t *runtime, dragon_group_t *holder)
{
    struct seen first_seen = {0, 0, 0, "", DRAGON_GROUP_NEW}, second_seen = first_seen;
    dragon_system_t *system = NULL;
    dragon_group_t *first = make_group(runtime, "exit 1", CORES, DRAGON_FULL_WAIT, 0);
    dragon_group_t *second = make_group(runtime, "exit 2", 1, DRAGON_FULL_UNSET, 0);
    dragon_group_t *third = make_group(runtime, "exit 3", 1, DRAGON_FULL_WAIT, 0);
    dragon_group_on_event(first, note_event, &first_seen);
    dragon_group_on_event(second, note_event, &second_seen);
    tap_err(dragon_group_submit(first, NULL), DRAGON_OK, "submit");
    tap_err(dragon_group_submit(second, NULL), DRAGON_OK, "submit a small one");
    tap_err(dragon_group_submit(third, NULL), DRAGON_OK, "and another");
    tap_check(tap_reaches(runtime, first, DRAGON_GROUP_QUEUED), "the first waits");
    tap_check(tap_reaches(runtime, second, DRAGON_GROUP_QUEUED), "the second too, though small");
    tap_check(tap_reaches(runtime, third, DRAGON_GROUP_QUEUED), "and the third");
    tap_check(first_seen.queued == 1 && first_seen.at_queued == DRAGON_GROUP_QUEUED &&
                  *first_seen.text,
              "an event says what it waits for: %s", first_seen.text);
    tap_err(dragon_group_wait(first, 50), DRAGON_ERR_TIMEOUT, "waiting for it has a limit");
    dragon_system_look(runtime, &system, NULL);
    tap_equal(dragon_system_groups(system), 4, "the system shows them in the order of asking");
    const dragon_group_info_t *info = dragon_system_group(system, 1);
    tap_check(info && info->id == dragon_group_id(first) && info->state == DRAGON_GROUP_QUEUED &&
                  *info->waits_for && info->running == 0,
              "and what they wait for");
    dragon_system_destroy(system);
    tap_err(dragon_group_stop(third), DRAGON_OK, "one leaves the queue");
    tap_err(dragon_group_wait(third, TAP_WAIT_MS), DRAGON_OK, "it has ended");
    tap_equal(dragon_group_exit_code(third), 143, "as stopped");
    dragon_group_stop(holder);
    tap_err(dragon_group_wait(first, TAP_WAIT_MS), DRAGON_OK, "there is room: the first runs");
    tap_err(dragon_group_wait(second, TAP_WAIT_MS), DRAGON_OK, "and then the second");
    tap_equal(dragon_group_exit_code(first), 1, "to its end");
    tap_equal(dragon_group_exit_code(second), 2, "both");
    tap_check(first_seen.started == 1 && first_seen.ended == 1 && second_seen.started == 1,
              "with their events");
    tap_err(dragon_group_wait(holder, TAP_WAIT_MS), DRAGON_OK, "who had the cores has ended");
    dragon_group_destroy(first);
    dragon_group_destroy(second);
    dragon_group_destroy(third);
}

// Who is destroyed while it waits does not hold up the others.
static void check_destroyed(dragon_runtime_t *runtime)
{
    dragon_group_t *holder = make_group(runtime, "exec sleep 600", CORES, DRAGON_FULL_FAIL, 0);
    tap_start(holder);
    dragon_group_t *gone = make_group(runtime, "true", CORES, DRAGON_FULL_WAIT, 0);
    dragon_group_t *next = make_group(runtime, "exit 9", 1, DRAGON_FULL_WAIT, 0);
    dragon_group_submit(gone, NULL);
    dragon_group_submit(next, NULL);
    tap_check(tap_reaches(runtime, next, DRAGON_GROUP_QUEUED), "two wait");
    dragon_group_destroy(gone);
    dragon_group_destroy(holder);
    tap_err(dragon_group_wait(next, TAP_WAIT_MS), DRAGON_OK, "the other runs");
    tap_equal(dragon_group_exit_code(next), 9, "to its end");
    dragon_group_destroy(next);
}

int main(void)
{
    dragon_runtime_t *runtime = tap_attach();
    dragon_group_t *holder = make_group(runtime, "exec sleep 600", CORES, DRAGON_FULL_FAIL, 0);
    tap_start(holder);
    check_fail(runtime);
    check_wait(runtime, holder);
    dragon_group_destroy(holder);
    check_destroyed(runtime);
    dragon_runtime_detach(runtime);
    return tap_finish();
}
