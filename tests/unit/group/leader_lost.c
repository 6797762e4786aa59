// SPDX-License-Identifier: BSD-3-Clause
//
// The leader when a node is lost and the runtime goes on.
#include "config.h"

#include "leaders.h"

static void set_up(void)
{
    set_up_nodes(3);
}

TestSuite(group_leader_lost, .init = set_up, .fini = tear_down);

static void lose(uint32_t node)
{
    tree_lose(the_trees.at[0].tree, node);
    leader_node_lost(the.leader, node, "it closed the connection");
}

static struct group_spec spec_on(uint32_t ranks, const char *host)
{
    struct group_spec spec = spec_of(ranks, 1, DRAGON_FULL_WAIT);
    strv_push(&spec.templates[0].policy.hosts, host);
    return spec;
}

// The reports that clients get: which of them say lost.
static uint32_t count_lost(uint64_t group)
{
    struct unpack unpack = expect(GC_REPORTS, CLIENT);
    struct rank_report report;
    uint32_t count = 0;
    cr_expect_eq(unpack_u64(&unpack), group);
    while (unpack_left(&unpack) > 0 && rank_report_unpack(&unpack, &report)) {
        cr_expect_eq(report.end, RANK_LOST);
        cr_expect_eq(report.again, 0);
        cr_expect_eq(rank_report_code(&report), 137);
        cr_expect_eq(report.node, 1);
        count++;
    }
    return count;
}

Test(group_leader_lost, its_ranks_have_ended_and_the_others_go_on)
{
    uint64_t group = run(spec_of(3 * CORES, 1, DRAGON_FULL_WAIT));
    lose(1);
    cr_expect_eq(count_lost(group), CORES);
    expect_none(GC_DONE);
    for (uint32_t rank = 0; rank < 3 * CORES; rank++)
        if (rank / CORES != 1)
            report(group, rank, RANK_EXITED, 0, false);
    expect_done(CLIENT, group, 137, "node 1 (host");
}

Test(group_leader_lost, a_group_that_stops_for_failures_is_stopped)
{
    struct group_spec spec = spec_of(3 * CORES, 1, DRAGON_FULL_WAIT);
    spec.failure = DRAGON_FAILURE_STOP;
    uint64_t group = run(spec);
    lose(1);
    cr_expect_eq(count_lost(group), CORES);
    struct unpack unpack = expect(GN_SIGNAL, 0);
    cr_expect_eq(unpack_u64(&unpack), group);
}

Test(group_leader_lost, a_part_of_an_mpi_job_is_none)
{
    struct group_spec spec = spec_of(2 * CORES, 1, DRAGON_FULL_WAIT);
    spec.pmi = true;
    uint64_t group = run(spec);
    report(group, 0, RANK_SIGNALED, SIGABRT, false); // its peer was gone before we knew
    expect(GC_REPORTS, CLIENT);
    lose(1);
    cr_expect_eq(count_lost(group), CORES);
    expect(GN_SIGNAL, 0);
    for (uint32_t rank = 1; rank < CORES; rank++)
        report(group, rank, RANK_SIGNALED, SIGTERM, true);
    expect_done(CLIENT, group, 137, "is gone with its node 1");
}

Test(group_leader_lost, nobody_is_started_again_there)
{
    struct group_spec spec = spec_on(2, "n1");
    spec.restart = DRAGON_RESTART_ALWAYS;
    spec.restart_most = 100;
    uint64_t group = run(spec);
    report(group, 1, RANK_EXITED, 1, false); // it waits to be started again
    expect(GC_REPORTS, CLIENT);
    lose(1);
    cr_expect_eq(count_lost(group), 2);
    expect_done(CLIENT, group, 137, "lost");
}

Test(group_leader_lost, what_is_being_started_there_fails)
{
    submit(1, spec_of(3 * CORES, 1, DRAGON_FULL_WAIT));
    expect_prepare();
    lose(1);
    expect_started(1, DRAGON_ERR_PEER);
    expect(GN_END, 0);
    run(spec_of(2 * CORES, 1, DRAGON_FULL_FAIL)); // the others are free again
}

Test(group_leader_lost, what_is_started_elsewhere_is_started)
{
    submit(1, spec_on(1, "n2"));
    uint64_t group = expect_prepare();
    lose(1);
    leader_on_started(the.leader, group, 0, NULL, 0);
    expect_started(1, DRAGON_OK);
}

Test(group_leader_lost, an_add_fails_and_its_group_goes_on)
{
    uint64_t group = run(spec_on(1, "n2"));
    submit_order(2, ORDER_ADD, group, spec_on(2, "n1"));
    expect(GN_PREPARE, 0);
    lose(1);
    expect_started(2, DRAGON_ERR_PEER);
    expect_none(GC_DONE);
    report(group, 0, RANK_EXITED, 0, false);
    expect_done(CLIENT, group, 0, "");
}

Test(group_leader_lost, it_is_given_to_nobody_any_more)
{
    lose(1);
    submit(1, spec_of(2 * CORES + 1, 1, DRAGON_FULL_WAIT));
    expect_started(1, DRAGON_ERR_INVAL);
    submit(2, spec_on(1, "n1"));
    expect_started(2, DRAGON_ERR_INVAL);
    submit(3, spec_of(1, 1, DRAGON_FULL_SHARE));
    expect_prepare();
    run(spec_of(2 * CORES - 1, 1, DRAGON_FULL_FAIL));
}

Test(group_leader_lost, who_waits_for_room_that_will_not_be_is_told)
{
    uint64_t first = run(spec_of(CORES, 1, DRAGON_FULL_WAIT)); // on node 0
    submit(2, spec_of(3 * CORES - 1, 1, DRAGON_FULL_WAIT));
    expect(GC_QUEUED, CLIENT);
    submit(3, spec_on(1, "n1"));
    expect(GC_QUEUED, CLIENT);
    submit(4, spec_of(2 * CORES, 1, DRAGON_FULL_WAIT));
    expect(GC_QUEUED, CLIENT);
    lose(1);
    expect_started(2, DRAGON_ERR_INVAL);
    expect_started(3, DRAGON_ERR_INVAL);
    expect_none(GN_PREPARE);
    for (uint32_t rank = 0; rank < CORES; rank++)
        report(first, rank, RANK_EXITED, 0, false);
    expect_prepare(); // the one that still can be
}

Test(group_leader_lost, its_clients_are_gone)
{
    struct pack body = PACK_EMPTY;
    struct group_spec spec = spec_on(1, "n2");
    pack_u64(&body, OTHER);
    pack_i32(&body, 4711);
    pack_u32(&body, 1);
    pack_u8(&body, ORDER_START);
    pack_u64(&body, 0);
    group_spec_pack(&body, &spec);
    struct link_message message = {.source = 1, .body = body.data, .length = (uint32_t)body.length};
    cr_assert(leader_on_submit(the.leader, &message));
    uint64_t group = expect_prepare();
    leader_on_started(the.leader, group, 0, NULL, 0);
    uint64_t mine = run(spec_on(1, "n2"));
    lose(1);
    struct unpack unpack = expect(GN_SIGNAL, 0);
    cr_expect_eq(unpack_u64(&unpack), group);
    expect_none(GN_SIGNAL);
    report(mine, 0, RANK_EXITED, 0, false);
    expect_done(CLIENT, mine, 0, "");
    group_spec_fini(&spec);
    pack_fini(&body);
}
