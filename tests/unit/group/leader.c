// SPDX-License-Identifier: BSD-3-Clause
//
// The leader: room and the queue, starts, ends and their causes, restarts, and what clients ask for.
#include "config.h"

#include "leaders.h"

static void set_up(void)
{
    set_up_nodes(1);
}

TestSuite(group_leader, .init = set_up, .fini = tear_down);

// ---- room

Test(group_leader, who_does_not_fit_waits_in_order)
{
    uint64_t first = run(spec_of(3, 1, DRAGON_FULL_WAIT));
    submit(2, spec_of(1, 2, DRAGON_FULL_WAIT)); // needs 2 of which 1 is free
    struct unpack unpack = expect(GC_QUEUED, CLIENT);
    cr_expect_eq(unpack_u32(&unpack), 2);
    uint64_t second = unpack_u64(&unpack);
    cr_expect_neq(second, first);
    cr_expect_gt(strlen(unpack_str(&unpack)), 0);
    submit(3, spec_of(1, 1, DRAGON_FULL_WAIT)); // would fit, but came later
    unpack = expect(GC_QUEUED, CLIENT);
    cr_expect_eq(unpack_u32(&unpack), 3);
    expect_none(GN_PREPARE);
    report(first, 1, RANK_EXITED, 0, false);
    cr_expect_eq(expect_prepare(), second);
    report(first, 0, RANK_SIGNALED, SIGKILL, false);
    cr_expect_neq(expect_prepare(), second);
}

Test(group_leader, who_does_not_want_to_wait_fails_at_once)
{
    run(spec_of(3, 1, DRAGON_FULL_WAIT));
    submit(2, spec_of(2, 1, DRAGON_FULL_FAIL));
    expect_started(2, DRAGON_ERR_FULL);
    submit(3, spec_of(1, 5, DRAGON_FULL_WAIT));
    expect_started(3, DRAGON_ERR_INVAL);
    submit(4, spec_of(8, 0, DRAGON_FULL_SHARE));
    expect_prepare();
}

Test(group_leader, waiting_has_an_end)
{
    run(spec_of(4, 1, DRAGON_FULL_WAIT));
    struct group_spec spec = spec_of(1, 1, DRAGON_FULL_WAIT);
    spec.wait_ms = 20;
    submit(2, spec);
    expect_started(2, DRAGON_ERR_TIMEOUT);
    submit(3, spec_of(1, 1, DRAGON_FULL_WAIT));
    struct unpack unpack = expect(GC_QUEUED, CLIENT);
    unpack_u32(&unpack);
    ask(CLIENT, unpack_u64(&unpack), GROUP_ALL_RANKS, ASK_STOP);
    expect_started(3, DRAGON_ERR_CANCELED);
}

Test(group_leader, the_next_comes_when_the_first_in_the_queue_leaves)
{
    uint64_t first = run(spec_of(3, 1, DRAGON_FULL_WAIT));
    (void)first;
    submit(2, spec_of(1, 2, DRAGON_FULL_WAIT));
    struct unpack unpack = expect(GC_QUEUED, CLIENT);
    unpack_u32(&unpack);
    uint64_t second = unpack_u64(&unpack);
    submit(3, spec_of(1, 1, DRAGON_FULL_WAIT));
    expect(GC_QUEUED, CLIENT);
    ask(CLIENT, second, GROUP_ALL_RANKS, ASK_DROP);
    expect_started(2, DRAGON_ERR_CANCELED);
    expect_prepare();
}

Test(group_leader, a_failed_start_gives_back_what_it_had)
{
    struct exchange_piece piece;
    struct pack text = PACK_EMPTY;
    submit(1, spec_of(4, 1, DRAGON_FULL_FAIL));
    uint64_t group = expect_prepare();
    pack_i32(&text, 127);
    pack_str(&text, "no such program");
    piece = (struct exchange_piece){.data = text.data, .length = text.length};
    leader_on_started(the.leader, group, 0, &piece, 1);
    expect_started(1, DRAGON_ERR_LAUNCH);
    expect(GN_END, 0);
    submit(2, spec_of(4, 1, DRAGON_FULL_FAIL));
    expect_prepare();
    pack_fini(&text);
}

Test(group_leader, nodes_that_do_not_get_ready)
{
    submit(1, spec_of(4, 1, DRAGON_FULL_FAIL));
    expect_prepare();
    expect_started(1, DRAGON_ERR_TIMEOUT);
    submit(2, spec_of(4, 1, DRAGON_FULL_FAIL));
    expect_prepare();
}

Test(group_leader, a_plan_alone_takes_nothing)
{
    submit_order(1, ORDER_PLAN, 0, spec_of(4, 1, DRAGON_FULL_FAIL));
    cr_expect_eq(expect_started(1, DRAGON_OK), 0);
    expect_none(GN_PREPARE);
    run(spec_of(4, 1, DRAGON_FULL_FAIL));
}

// ---- ends

Test(group_leader, the_first_that_failed_on_its_own_is_the_cause)
{
    uint64_t group = run(spec_of(3, 1, DRAGON_FULL_WAIT));
    report(group, 0, RANK_EXITED, 0, false);
    report(group, 2, RANK_EXITED, 3, false);
    report(group, 1, RANK_EXITED, 5, false);
    expect_done(CLIENT, group, 3, "rank 2");
}

Test(group_leader, the_last_lines_of_the_cause)
{
    uint64_t group = run(spec_of(2, 1, DRAGON_FULL_WAIT));
    for (uint32_t rank = 0; rank < 2; rank++) {
        struct pack body = PACK_EMPTY;
        pack_u64(&body, group);
        pack_u32(&body, rank);
        pack_str(&body, rank ? "lines of one" : "lines of zero");
        cr_expect(say(leader_on_last_lines, &body));
    }
    report(group, 1, RANK_EXITED, 4, false);
    report(group, 0, RANK_EXITED, 5, false);
    struct unpack unpack = expect(GC_DONE, CLIENT);
    unpack_u64(&unpack);
    cr_expect_eq(unpack_i32(&unpack), 4);
    unpack_str(&unpack);
    cr_expect_str_eq(unpack_str(&unpack), "lines of one");
}

Test(group_leader, the_last_lines_of_the_last_end)
{
    struct group_spec spec = spec_of(1, 1, DRAGON_FULL_WAIT);
    spec.restart = DRAGON_RESTART_FAILED;
    spec.restart_most = 20;
    uint64_t group = run(spec);
    for (int i = 0; i <= 20; i++) {
        char text[20];
        struct pack body = PACK_EMPTY;
        snprintf(text, sizeof text, "end %d", i);
        pack_u64(&body, group);
        pack_u32(&body, 0);
        pack_str(&body, text);
        cr_expect(say(leader_on_last_lines, &body));
        report(group, 0, RANK_UP, 0, false);
        report(group, 0, RANK_EXITED, 4, false);
    }
    struct unpack unpack = expect(GC_DONE, CLIENT);
    unpack_u64(&unpack);
    unpack_i32(&unpack);
    unpack_str(&unpack);
    cr_expect_str_eq(unpack_str(&unpack), "end 20");
}

Test(group_leader, a_failure_stops_the_others_when_asked)
{
    struct group_spec spec = spec_of(3, 1, DRAGON_FULL_WAIT);
    spec.failure = DRAGON_FAILURE_STOP;
    uint64_t group = run(spec);
    report(group, 1, RANK_EXITED, 9, false);
    struct unpack unpack = expect(GN_SIGNAL, 0);
    unpack_u64(&unpack);
    cr_expect_eq(unpack_i32(&unpack), GROUP_ALL_RANKS);
    cr_expect_eq(unpack_u32(&unpack), SIGTERM);
    unpack = expect(GN_SIGNAL, 0); // after the grace of failures
    unpack_u64(&unpack);
    unpack_i32(&unpack);
    cr_expect_eq(unpack_u32(&unpack), SIGKILL);
    report(group, 0, RANK_SIGNALED, SIGTERM, true);
    report(group, 2, RANK_SIGNALED, SIGKILL, true);
    expect_done(CLIENT, group, 9, "rank 1");
}

Test(group_leader, time_limit_and_its_warning)
{
    struct group_spec spec = spec_of(1, 1, DRAGON_FULL_WAIT);
    spec.limit_ms = 60;
    spec.warn_ms = 40;
    spec.warn_signal = SIGUSR1;
    uint64_t group = run(spec);
    struct unpack unpack = expect(GN_SIGNAL, 0);
    unpack_u64(&unpack);
    unpack_i32(&unpack);
    cr_expect_eq(unpack_u32(&unpack), SIGUSR1);
    cr_expect_eq(unpack_u8(&unpack), SIGNAL_PASSED);
    unpack = expect(GN_SIGNAL, 0);
    unpack_u64(&unpack);
    unpack_i32(&unpack);
    cr_expect_eq(unpack_u32(&unpack), SIGTERM);
    report(group, 0, RANK_SIGNALED, SIGTERM, true);
    expect_done(CLIENT, group, 124, "time limit");
}

Test(group_leader, reports_that_make_no_sense)
{
    uint64_t group = run(spec_of(2, 1, DRAGON_FULL_WAIT));
    report(group, 2, RANK_EXITED, 1, false);
    report(group, 0, RANK_EXITED, 0, false);
    report(group, 0, RANK_EXITED, 1, false); // twice
    report(group + 1, 0, RANK_EXITED, 1, false);
    expect_none(GC_DONE);
    report(group, 1, RANK_EXITED, 0, false);
    expect_done(CLIENT, group, 0, "");
}

// ---- restarts

Test(group_leader, failed_ranks_start_again_with_growing_waits)
{
    struct group_spec spec = spec_of(2, 1, DRAGON_FULL_WAIT);
    spec.restart = DRAGON_RESTART_FAILED;
    spec.restart_most = 3;
    spec.backoff_ms = 1000; // so that a slow test is no long life
    uint64_t group = run(spec);
    for (uint32_t i = 0; i < 3; i++) {
        report(group, 1, RANK_UP, 0, false);
        report(group, 1, i == 1 ? RANK_SIGNALED : RANK_EXITED, 9, false);
        cr_expect_eq(expect_again(group, 1), 1000u << i);
        submit(9, spec_of(3, 1, DRAGON_FULL_FAIL)); // it keeps its core meanwhile
        expect_started(9, DRAGON_ERR_FULL);
    }
    report(group, 1, RANK_UP, 0, false);
    report(group, 1, RANK_EXITED, 7, false);
    report(group, 0, RANK_EXITED, 0, false);
    expect_done(CLIENT, group, 7, "restarted 3 times");
    expect_none(GN_RANK);
}

Test(group_leader, restart_of_every_end_until_told_not_to)
{
    struct group_spec spec = spec_of(1, 1, DRAGON_FULL_WAIT);
    spec.restart = DRAGON_RESTART_ALWAYS;
    spec.restart_most = 100;
    uint64_t group = run(spec);
    report(group, 0, RANK_EXITED, 0, false);
    expect_again(group, 0);
    ask(CLIENT, group, GROUP_ALL_RANKS, ASK_NO_RESTART);
    report(group, 0, RANK_EXITED, 0, false);
    expect_done(CLIENT, group, 0, "");
}

Test(group_leader, no_more_restarts_ends_the_wait_for_one)
{
    struct group_spec spec = spec_of(1, 1, DRAGON_FULL_WAIT);
    spec.restart = DRAGON_RESTART_FAILED;
    spec.restart_most = 100;
    uint64_t group = run(spec);
    report(group, 0, RANK_EXITED, 3, false);
    expect_again(group, 0);
    ask(CLIENT, group, GROUP_ALL_RANKS, ASK_NO_RESTART);
    struct unpack unpack = expect(GN_SIGNAL, 0);
    unpack_u64(&unpack);
    cr_expect_eq(unpack_i32(&unpack), GROUP_ALL_RANKS);
    cr_expect_eq(unpack_u32(&unpack), 0);
    cr_expect_eq(unpack_u8(&unpack), SIGNAL_NO_RESTART);
    report(group, 0, RANK_EXITED, 3, false);
    expect_done(CLIENT, group, 3, "rank 0 on n0 (pid 100) exited with code 3");
}

Test(group_leader, what_is_stopped_does_not_start_again)
{
    struct group_spec spec = spec_of(1, 1, DRAGON_FULL_WAIT);
    spec.restart = DRAGON_RESTART_ALWAYS;
    spec.restart_most = 100;
    uint64_t group = run(spec);
    ask(OTHER, group, GROUP_ALL_RANKS, ASK_STOP); // anybody of this user may
    report(group, 0, RANK_EXITED, 0, true);
    expect_done(CLIENT, group, 143, "stopped");
    expect_none(GN_RANK);
}

// ---- more ranks, and fewer

static struct unpack add(uint64_t group, uint32_t request, uint32_t ranks)
{
    submit_order(request, ORDER_ADD, group, spec_of(ranks, 1, DRAGON_FULL_FAIL));
    return expect(GN_PREPARE, 0);
}

Test(group_leader, ranks_are_added_with_the_next_numbers)
{
    uint64_t group = run(spec_of(2, 1, DRAGON_FULL_WAIT));
    struct unpack unpack = add(group, 2, 1);
    cr_expect_eq(unpack_u64(&unpack), group);
    uint32_t part = unpack_u32(&unpack);
    cr_expect_eq(part, 1);
    report(group, 0, RANK_EXITED, 0, false);
    report(group, 1, RANK_EXITED, 0, false);
    leader_on_started(the.leader, group, part, NULL, 0);
    cr_expect_eq(expect_started(2, DRAGON_OK), group);
    expect_none(GC_DONE);
    report(group, 2, RANK_EXITED, 6, false);
    expect_done(CLIENT, group, 6, "rank 2");
}

Test(group_leader, an_add_that_fails_changes_nothing)
{
    struct exchange_piece piece = {.data = "\1\0\0\0", .length = 4};
    uint64_t group = run(spec_of(2, 1, DRAGON_FULL_WAIT));
    add(group, 2, 2);
    leader_on_started(the.leader, group, 1, &piece, 1);
    expect_started(2, DRAGON_ERR_LAUNCH);
    struct unpack unpack = expect(GN_END, 0);
    unpack_u64(&unpack);
    cr_expect_eq(unpack_u32(&unpack), 1);
    unpack = add(group, 3, 2); // there is room again
    unpack_u64(&unpack);
    uint32_t part = unpack_u32(&unpack);
    cr_expect_eq(part, 2, "what comes late for the one that failed is not for this one");
    leader_on_started(the.leader, group, part, NULL, 0);
    expect_started(3, DRAGON_OK);
    for (uint32_t rank = 0; rank < 4; rank++)
        report(group, rank, RANK_EXITED, 0, false);
    expect_done(CLIENT, group, 0, "");
}

Test(group_leader, an_add_while_the_group_stops)
{
    struct exchange_piece piece = {.data = "\1\0\0\0", .length = 4};
    uint64_t group = run(spec_of(1, 1, DRAGON_FULL_WAIT));
    add(group, 2, 1);
    ask(CLIENT, group, GROUP_ALL_RANKS, ASK_STOP);
    expect_started(2, DRAGON_ERR_CANCELED);
    struct unpack unpack = expect(GN_END, 0);
    unpack_u64(&unpack);
    cr_expect_eq(unpack_u32(&unpack), 1, "its ranks never come to be, so nobody waits for them");
    leader_on_started(the.leader, group, 1, &piece, 1);
    report(group, 0, RANK_SIGNALED, SIGTERM, true);
    expect_done(CLIENT, group, 143, "stopped");
}

Test(group_leader, a_stop_when_only_an_add_is_left)
{
    uint64_t group = run(spec_of(1, 1, DRAGON_FULL_WAIT));
    add(group, 2, 1);
    report(group, 0, RANK_EXITED, 0, false);
    expect_none(GC_DONE);
    ask(CLIENT, group, GROUP_ALL_RANKS, ASK_STOP);
    expect_started(2, DRAGON_ERR_CANCELED);
    expect_done(CLIENT, group, 143, "stopped");
}

Test(group_leader, who_may_not_add)
{
    struct group_spec spec = spec_of(1, 1, DRAGON_FULL_WAIT);
    spec.pmi = true;
    uint64_t group = run(spec);
    submit_order(2, ORDER_ADD, group, spec_of(1, 1, DRAGON_FULL_FAIL));
    expect_started(2, DRAGON_ERR_STATE);
    submit_order(3, ORDER_ADD, group + 1, spec_of(1, 1, DRAGON_FULL_FAIL));
    expect_started(3, DRAGON_ERR_CLOSED);
}

Test(group_leader, a_removed_rank_is_no_failure)
{
    uint64_t group = run(spec_of(2, 1, DRAGON_FULL_WAIT));
    ask(CLIENT, group, 1, ASK_REMOVE);
    struct unpack unpack = expect(GN_RANK, 0);
    unpack_u64(&unpack);
    cr_expect_eq(unpack_u32(&unpack), 1);
    cr_expect_eq(unpack_u8(&unpack), RANK_REMOVE);
    report(group, 1, RANK_SIGNALED, SIGTERM, true);
    expect_none(GC_DONE);
    report(group, 0, RANK_EXITED, 0, false);
    expect_done(CLIENT, group, 0, "");
}

Test(group_leader, a_rank_that_is_not_started_yet_is_not_removed)
{
    uint64_t group = run(spec_of(1, 1, DRAGON_FULL_WAIT));
    struct unpack unpack = add(group, 2, 1);
    unpack_u64(&unpack);
    uint32_t part = unpack_u32(&unpack);
    ask(OTHER, group, 1, ASK_REMOVE); // which can only be guessed
    expect_none(GN_RANK);
    leader_on_started(the.leader, group, part, NULL, 0);
    ask(OTHER, group, 1, ASK_REMOVE);
    expect(GN_RANK, 0);
}

// ---- clients that come and go

Test(group_leader, groups_end_with_their_client)
{
    uint64_t group = run(spec_of(1, 1, DRAGON_FULL_WAIT));
    client_gone(OTHER);
    expect_none(GN_SIGNAL);
    client_gone(CLIENT);
    struct unpack unpack = expect(GN_DISCARD, 0);
    cr_expect_eq(unpack_u64(&unpack), group);
    expect(GN_SIGNAL, 0);
}

Test(group_leader, detached_groups_do_not)
{
    struct group_spec spec = spec_of(1, 1, DRAGON_FULL_WAIT);
    spec.detached = true;
    uint64_t group = run(spec);
    client_gone(CLIENT);
    expect(GN_DISCARD, 0);
    expect_none(GN_SIGNAL);
    report(group, 0, RANK_EXITED, 0, false);
    expect(GN_END, 0);
    expect_none(GC_DONE); // there is nobody to tell
}

Test(group_leader, a_detached_group_whose_client_goes_while_it_waits)
{
    struct group_spec spec = spec_of(1, 1, DRAGON_FULL_WAIT);
    spec.detached = true;
    submit_order(1, ORDER_START, 0, spec_of(4, 1, DRAGON_FULL_WAIT));
    uint64_t first = expect_prepare();
    leader_on_started(the.leader, first, 0, NULL, 0);
    submit(2, spec);
    expect(GC_QUEUED, CLIENT);
    client_gone(CLIENT);
    expect(GN_DISCARD, 0); // of the first
    expect(GN_DISCARD, 0); // of the second, which no node knows yet
    report(first, 0, RANK_SIGNALED, SIGTERM, true);
    uint64_t second = expect_prepare();
    struct unpack unpack = expect(GN_DISCARD, 0);
    cr_expect_eq(unpack_u64(&unpack), second, "or its ranks wait for a reader for ever");
}

static struct unpack watch(uint64_t session, uint64_t group, dragon_err_t err)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, session);
    pack_u32(&body, 5);
    pack_u8(&body, QUERY_WATCH);
    pack_u64(&body, group);
    cr_expect(say(leader_on_query, &body));
    struct unpack unpack = expect(GC_ANSWER, session);
    cr_expect_eq(unpack_u32(&unpack), 5);
    cr_expect_eq(unpack_i32(&unpack), err);
    return unpack;
}

Test(group_leader, those_who_watch_are_told)
{
    struct watch_record record;
    uint64_t group = run(spec_of(2, 1, DRAGON_FULL_WAIT));
    struct unpack unpack = watch(OTHER, group, DRAGON_OK);
    cr_assert(watch_record_unpack(&unpack, &record));
    cr_expect(record.state == DRAGON_GROUP_RUNNING && record.size == 2 && record.parts == 1);
    report(group, 0, RANK_EXITED, 0, false);
    expect(GC_REPORTS, OTHER);
    report(group, 1, RANK_EXITED, 2, false);
    expect_done(OTHER, group, 2, "rank 1");
    unpack = watch(OTHER, group, DRAGON_OK); // it is remembered
    cr_assert(watch_record_unpack(&unpack, &record));
    cr_expect(record.state == DRAGON_GROUP_ENDED && record.code == 2);
    watch(OTHER, group + 100, DRAGON_ERR_NOT_FOUND);
}

Test(group_leader, a_watcher_that_goes_is_forgotten)
{
    uint64_t group = run(spec_of(1, 1, DRAGON_FULL_WAIT));
    watch(OTHER, group, DRAGON_OK);
    watch(OTHER, group, DRAGON_OK);
    client_gone(OTHER);
    report(group, 0, RANK_EXITED, 0, false);
    expect_done(CLIENT, group, 0, "");
    for (size_t i = 0; i < the.count; i++)
        cr_expect(the.heard[i].session != OTHER || the.heard[i].type == GC_ANSWER);
}

Test(group_leader, the_picture_of_everything)
{
    struct pack body = PACK_EMPTY;
    struct node_record node;
    struct group_record group;
    run(spec_of(3, 1, DRAGON_FULL_WAIT));
    submit(2, spec_of(2, 1, DRAGON_FULL_WAIT));
    pack_u64(&body, OTHER);
    pack_u32(&body, 5);
    pack_u8(&body, QUERY_SYSTEM);
    pack_u64(&body, 0);
    cr_expect(say(leader_on_query, &body));
    struct unpack unpack = expect(GC_ANSWER, OTHER);
    unpack_u32(&unpack);
    cr_expect_eq(unpack_i32(&unpack), DRAGON_OK);
    cr_assert_eq(unpack_u32(&unpack), 1);
    cr_assert(node_record_unpack(&unpack, &node));
    cr_expect_str_eq(node.name, "n0");
    cr_expect(node.core_users[2] == 1 && node.core_users[3] == 0);
    node_record_fini(&node);
    cr_assert_eq(unpack_u32(&unpack), 2);
    cr_assert(group_record_unpack(&unpack, &group));
    cr_expect(group.size == 3 && group.state == DRAGON_GROUP_RUNNING && group.owner_pid == 4711);
}

Test(group_leader, those_who_watch_a_queued_group_learn_of_its_end)
{
    run(spec_of(4, 1, DRAGON_FULL_WAIT));
    submit(2, spec_of(1, 1, DRAGON_FULL_WAIT));
    struct unpack unpack = expect(GC_QUEUED, CLIENT);
    unpack_u32(&unpack);
    uint64_t group = unpack_u64(&unpack);
    watch(OTHER, group, DRAGON_OK);
    ask(CLIENT, group, GROUP_ALL_RANKS, ASK_STOP);
    expect_started(2, DRAGON_ERR_CANCELED);
    expect_done(OTHER, group, 143, "stopped");
    watch(OTHER, group, DRAGON_OK);
}

static void family(uint64_t group, uint32_t rank, uint8_t what)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, group);
    pack_u32(&body, rank);
    pack_u8(&body, what);
    cr_expect(say(leader_on_family, &body));
}

Test(group_leader, an_mpi_job_of_two_libraries_is_stopped)
{
    struct group_spec spec = spec_of(3, 1, DRAGON_FULL_WAIT);
    spec.pmi = true;
    uint64_t group = run(spec);
    family(group, 0, FAMILY_PMIX);
    family(group, 1, FAMILY_PMIX);
    expect_none(GN_SIGNAL);
    family(group, 2, FAMILY_PMI1);
    expect(GN_SIGNAL, 0);
    for (uint32_t rank = 0; rank < 3; rank++)
        report(group, rank, RANK_SIGNALED, SIGTERM, true);
    expect_done(CLIENT, group, 125, "rank 2 PMI-1");
}
