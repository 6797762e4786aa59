// SPDX-License-Identifier: BSD-3-Clause
//
// Output and input of groups on the client's side: pipes, windows, and who is told what has been taken.
#include "config.h"

#include "agent.h"

#include <fcntl.h>

static struct agent the;

TestSuite(client_streams, .timeout = 60);

// One rank on each node: all that it writes and reads goes through pipes, or the group's descriptor.
static dragon_group_t *make_group(dragon_runtime_t *runtime, bool piped, uint32_t ranks)
{
    char *argv[] = {(char *)"cat", NULL};
    dragon_template_t *made = NULL;
    dragon_policy_t *policy = NULL;
    dragon_group_t *group = NULL;
    dragon_policy_create(&policy);
    dragon_policy_set_map(policy, DRAGON_MAP_CYCLIC);
    cr_assert_eq(dragon_template_create(argv, &made, NULL), DRAGON_OK);
    dragon_template_set_policy(made, policy);
    if (piped) {
        dragon_template_set_output(made, DRAGON_STREAM_PIPE);
        dragon_template_set_error(made, DRAGON_STREAM_PIPE);
        dragon_template_set_input(made, DRAGON_STREAM_PIPE);
    }
    cr_assert_eq(dragon_group_create(runtime, &group, NULL), DRAGON_OK);
    cr_assert_eq(dragon_group_add(group, made, ranks, NULL), DRAGON_OK);
    dragon_template_destroy(made);
    dragon_policy_destroy(policy);
    return group;
}

// ---- pipes from ranks

static void write_pieces(struct agent *agent)
{
    static char much[20000];
    memset(much, 'x', sizeof much);
    agent_take_and_start(agent, 5);
    agent_output(agent, 5, 0, 0, OUTPUT_STDOUT, "one\ntwo\nthree", 13);
    agent_output(agent, 5, 1, 1, OUTPUT_STDERR, "oops\n", 5);
    agent_output(agent, 5, 1, 1, OUTPUT_STDOUT, much, sizeof much);
    agent_take_credit(agent, 5, 1, 16384 + 5);
    agent_done(agent, 5, 0, "");
    agent_take_end(agent);
}

static void expect_read(dragon_group_t *group, size_t room, uint32_t rank, int stream,
                        const char *wanted)
{
    char data[64];
    dragon_output_t output = {0};
    cr_expect_eq(dragon_group_read(group, data, room, &output, DRAGON_FOREVER), DRAGON_OK);
    cr_expect_eq(output.rank, rank);
    cr_expect_eq(output.stream, stream);
    cr_expect_eq(output.bytes, strlen(wanted));
    cr_expect_arr_eq(data, wanted, strlen(wanted), "%.*s", (int)output.bytes, data);
}

Test(client_streams, pieces_are_read_in_order_by_lines)
{
    static char data[32768];
    dragon_output_t output;
    dragon_runtime_t *runtime = agent_create(&the, write_pieces);
    dragon_group_t *group = make_group(runtime, true, 2), *other = NULL;
    cr_expect_eq(dragon_group_read(group, data, 4, &output, 0), DRAGON_ERR_STATE);
    cr_expect_eq(dragon_group_start(group, NULL), DRAGON_OK);
    cr_expect_eq(dragon_group_read(group, data, 0, &output, 0), DRAGON_ERR_INVAL);
    expect_read(group, 9, 0, DRAGON_STDOUT, "one\ntwo\n");
    expect_read(group, 3, 0, DRAGON_STDOUT, "thr");
    expect_read(group, 9, 0, DRAGON_STDOUT, "ee");
    expect_read(group, 9, 1, DRAGON_STDERR, "oops\n");
    cr_expect_eq(dragon_group_attach(runtime, dragon_group_descriptor(group), &other, NULL),
                 DRAGON_OK);
    cr_expect_eq(dragon_group_read(other, data, 4, &output, 0), DRAGON_ERR_STATE);
    dragon_group_destroy(other);
    cr_expect_eq(dragon_group_read(group, data, 16384, &output, DRAGON_FOREVER), DRAGON_OK);
    cr_expect_eq(output.bytes, 16384, "no line ends: as much as there is room");
    cr_expect_eq(dragon_group_wait(group, DRAGON_FOREVER), DRAGON_OK);
    cr_expect_eq(dragon_group_read(group, data, sizeof data, &output, 0), DRAGON_OK);
    cr_expect_eq(output.bytes, 20000 - 16384, "what was not read stays after the end");
    cr_expect_eq(dragon_group_read(group, data, sizeof data, &output, DRAGON_FOREVER),
                 DRAGON_ERR_CLOSED);
    dragon_group_destroy(group);
    agent_finish(&the, runtime);
}

static void stay_silent(struct agent *agent)
{
    agent_take_and_start(agent, 6);
    agent_take_ask(agent, 6, -1, SIGTERM, ASK_DROP);
    agent_take_end(agent);
}

Test(client_streams, reading_has_a_limit)
{
    char data[4];
    dragon_output_t output;
    dragon_runtime_t *runtime = agent_create(&the, stay_silent);
    dragon_group_t *group = make_group(runtime, true, 1);
    dragon_group_start(group, NULL);
    cr_expect_eq(dragon_group_read(group, data, 4, &output, 0), DRAGON_ERR_TIMEOUT);
    cr_expect_eq(dragon_group_read(group, data, 4, &output, 20), DRAGON_ERR_TIMEOUT);
    dragon_group_destroy(group);
    agent_finish(&the, runtime);
}

// ---- inherited

static void write_labelled(struct agent *agent)
{
    agent_take_and_start(agent, 7);
    agent_output(agent, 7, 0, 0, OUTPUT_STDOUT, "a\nb", 3);
    agent_output(agent, 7, 1, 1, OUTPUT_STDOUT, "c\n", 2);
    agent_done(agent, 7, 0, "");
    agent_take_end(agent);
}

Test(client_streams, inherited_output_is_labelled)
{
    char got[64] = "";
    int pair[2], saved = dup(STDOUT_FILENO);
    cr_assert_eq(pipe(pair), 0);
    dup2(pair[1], STDOUT_FILENO);
    dragon_runtime_t *runtime = agent_create(&the, write_labelled);
    dragon_group_t *group = make_group(runtime, false, 2);
    dragon_group_set_label(group, 1);
    dragon_err_t err = dragon_group_start(group, NULL);
    dragon_err_t waited = dragon_group_wait(group, DRAGON_FOREVER);
    dragon_group_destroy(group);
    dup2(saved, STDOUT_FILENO);
    cr_expect(err == DRAGON_OK && waited == DRAGON_OK);
    cr_expect_gt(read(pair[0], got, sizeof got - 1), 0);
    cr_expect_str_eq(got, "0: a\n0: b\n1: c\n");
    agent_finish(&the, runtime);
}

static void write_to_nobody(struct agent *agent)
{
    agent_take_and_start(agent, 8);
    agent_output(agent, 8, 0, 0, OUTPUT_STDOUT, "gone\n", 5);
    agent_take_ask(agent, 8, -1, SIGTERM, ASK_STOP);
    agent_done(agent, 8, 143, "stopped");
    agent_take_end(agent);
}

Test(client_streams, a_closed_output_stops_the_group)
{
    int pair[2], saved = dup(STDOUT_FILENO);
    signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(pipe(pair), 0);
    dup2(pair[1], STDOUT_FILENO);
    close(pair[0]);
    dragon_runtime_t *runtime = agent_create(&the, write_to_nobody);
    dragon_group_t *group = make_group(runtime, false, 1);
    dragon_group_start(group, NULL);
    dragon_err_t err = dragon_group_wait(group, DRAGON_FOREVER);
    int code = dragon_group_exit_code(group);
    cr_expect_str_eq(dragon_group_cause(group), "");
    dragon_group_destroy(group);
    dup2(saved, STDOUT_FILENO);
    cr_expect_eq(err, DRAGON_OK);
    cr_expect_eq(code, 141);
    agent_finish(&the, runtime);
}

static void detached_goes_on(struct agent *agent)
{
    agent_take_and_start(agent, 9);
    struct unpack unpack = agent_take(agent, GC_INPUT);
    agent_check(agent, unpack_u64(&unpack) == 9 && unpack_u32(&unpack) == 0);
    agent_output(agent, 9, 1, 0, OUTPUT_STDOUT, "to nobody", 9);
    agent_take_credit(agent, 9, 1, 9);
    agent_done(agent, 9, 0, "");
    agent_take(agent, GC_QUERY);
    agent_take_end(agent);
}

Test(client_streams, what_a_detached_group_writes_is_dropped)
{
    dragon_runtime_t *runtime = agent_create(&the, detached_goes_on);
    dragon_group_t *group = make_group(runtime, true, 1);
    dragon_group_set_detached(group, 1);
    dragon_group_start(group, NULL);
    dragon_group_destroy(group);
    cr_expect_not_null(run_find(runtime, 9), "its messages still come");
    while (run_find(runtime, 9))
        cr_assert_eq(dragon_runtime_progress(runtime, 1000), DRAGON_OK);
    struct request *mark = request_create(runtime, NULL);
    request_query(mark, QUERY_WATCH, 1, NULL);
    agent_finish(&the, runtime);
}

static void detached_starts_later(struct agent *agent)
{
    struct submitted submitted = agent_take_submit(agent);
    agent_take(agent, GC_QUERY); // it is destroyed by now
    agent_start(agent, &submitted, 10, 0);
    agent_take(agent, GC_INPUT);
    agent_take_end(agent);
}

Test(client_streams, a_detached_group_destroyed_while_it_starts_runs)
{
    dragon_runtime_t *runtime = agent_create(&the, detached_starts_later);
    dragon_group_t *group = make_group(runtime, true, 1);
    dragon_group_set_detached(group, 1);
    dragon_group_submit(group, NULL);
    dragon_group_destroy(group);
    struct request *mark = request_create(runtime, NULL);
    request_query(mark, QUERY_WATCH, 1, NULL);
    while (!run_find(runtime, 10))
        cr_assert_eq(dragon_runtime_progress(runtime, 1000), DRAGON_OK);
    agent_finish(&the, runtime);
}

// ---- pipes to ranks

enum { MUCH = 200000 };

static uint32_t take_input(struct agent *agent, uint64_t group, uint32_t node, int32_t rank)
{
    size_t length;
    struct unpack unpack = agent_take(agent, GC_INPUT);
    agent_check(agent, unpack_u64(&unpack) == group);
    agent_check(agent, unpack_u32(&unpack) == node);
    agent_check(agent, unpack_i32(&unpack) == rank);
    unpack_bytes(&unpack, &length);
    agent_check(agent, unpack_done(&unpack));
    return (uint32_t)length;
}

static void tell_taken(struct agent *agent, uint64_t group, uint32_t node, int32_t rank,
                       uint32_t bytes)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, group);
    pack_u32(&body, node);
    pack_i32(&body, rank);
    pack_u32(&body, bytes);
    agent_send(agent, GC_TAKEN, &body);
}

static void read_slowly(struct agent *agent)
{
    uint32_t all = 0, open = 0;
    agent_take_and_start(agent, 15);
    while (all < MUCH + 3) {
        uint32_t got = take_input(agent, 15, 1, 1);
        all += got;
        open += got;
        agent_check(agent, got > 0 && open <= GROUP_INPUT_WINDOW);
        tell_taken(agent, 15, 1, 1, open);
        open = 0;
    }
    agent_check(agent, all == MUCH + 3);
    agent_check(agent, take_input(agent, 15, 1, 1) == 0);
    agent_report(agent, 15, (struct rank_report){.rank = 0, .pid = 1, .end = RANK_EXITED});
    agent_done(agent, 15, 0, "");
    agent_take_end(agent);
}

Test(client_streams, a_write_of_any_size_keeps_to_the_window)
{
    static char much[MUCH];
    dragon_runtime_t *runtime = agent_create(&the, read_slowly);
    dragon_group_t *group = make_group(runtime, true, 2);
    cr_expect_eq(dragon_group_write(group, 1, "a", 1, 0), DRAGON_ERR_STATE);
    dragon_group_start(group, NULL);
    cr_expect_eq(dragon_group_write(group, 2, "a", 1, 0), DRAGON_ERR_INVAL);
    cr_expect_eq(dragon_group_write(group, 1, "abc", 3, 0), DRAGON_OK);
    cr_expect_eq(dragon_group_write(group, 1, much, MUCH, DRAGON_FOREVER), DRAGON_OK);
    cr_expect_eq(dragon_group_write(group, 1, NULL, 0, DRAGON_FOREVER), DRAGON_OK);
    cr_expect_eq(dragon_group_write(group, 1, "a", 1, 0), DRAGON_ERR_CLOSED);
    cr_expect_eq(dragon_group_wait(group, DRAGON_FOREVER), DRAGON_OK);
    cr_expect_eq(dragon_group_write(group, 0, "a", 1, 0), DRAGON_ERR_CLOSED);
    dragon_group_destroy(group);
    agent_finish(&the, runtime);
}

static void read_nothing(struct agent *agent)
{
    agent_take_and_start(agent, 16);
    agent_check(agent, take_input(agent, 16, 0, 0) == GROUP_INPUT_WINDOW);
    agent_take_ask(agent, 16, -1, SIGTERM, ASK_DROP);
    agent_take_end(agent);
}

Test(client_streams, a_write_that_finds_no_room_writes_nothing)
{
    static char much[MUCH];
    dragon_runtime_t *runtime = agent_create(&the, read_nothing);
    dragon_group_t *group = make_group(runtime, true, 1);
    dragon_group_start(group, NULL);
    cr_expect_eq(dragon_group_write(group, 0, much, MUCH, 0), DRAGON_OK);
    cr_expect_eq(dragon_group_write(group, 0, much, 1, 20), DRAGON_ERR_TIMEOUT);
    dragon_group_destroy(group);
    agent_finish(&the, runtime);
}

// ---- the group's descriptor

static void read_on_both(struct agent *agent)
{
    agent_take_and_start(agent, 17);
    uint32_t first = take_input(agent, 17, 0, -1);
    agent_check(agent, first > 0 && first == take_input(agent, 17, 1, -1));
    uint32_t sent = first;
    while (sent < GROUP_INPUT_WINDOW) {
        first = take_input(agent, 17, 0, -1);
        agent_check(agent, first > 0 && first == take_input(agent, 17, 1, -1));
        sent += first;
    }
    agent_check(agent, sent == GROUP_INPUT_WINDOW);
    tell_taken(agent, 17, 0, -1, sent); // the other one has taken half
    tell_taken(agent, 17, 1, -1, sent / 2);
    for (uint32_t more = 0; more < sent / 2; more += first) {
        first = take_input(agent, 17, 0, -1);
        agent_check(agent, first > 0 && first == take_input(agent, 17, 1, -1));
    }
    agent_take_ask(agent, 17, -1, SIGHUP, ASK_SIGNAL); // nothing more before that
    agent_done(agent, 17, 0, "");
    agent_take_end(agent);
}

Test(client_streams, what_all_read_goes_as_fast_as_the_slowest)
{
    dragon_runtime_t *runtime = agent_create(&the, read_on_both);
    dragon_group_t *group = make_group(runtime, false, 4);
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    cr_expect_eq(dragon_group_set_input(group, fd, -3), DRAGON_ERR_INVAL);
    cr_expect_eq(dragon_group_set_input(group, fd, DRAGON_ALL_RANKS), DRAGON_OK);
    dragon_group_start(group, NULL);
    cr_expect_eq(dragon_group_wait(group, 300), DRAGON_ERR_TIMEOUT);
    dragon_group_signal(group, DRAGON_ALL_RANKS, SIGHUP);
    cr_expect_eq(dragon_group_wait(group, DRAGON_FOREVER), DRAGON_OK);
    dragon_group_destroy(group);
    close(fd);
    agent_finish(&the, runtime);
}

static void read_on_one(struct agent *agent)
{
    agent_take_and_start(agent, 18);
    agent_check(agent, take_input(agent, 18, 1, 3) == 5);
    agent_check(agent, take_input(agent, 18, 1, 3) == 0);
    agent_done(agent, 18, 0, "");
    agent_take_end(agent);
}

Test(client_streams, one_rank_reads_to_the_end)
{
    int pair[2];
    cr_assert_eq(pipe(pair), 0);
    cr_assert_eq(write(pair[1], "hello", 5), 5);
    close(pair[1]);
    dragon_runtime_t *runtime = agent_create(&the, read_on_one);
    dragon_group_t *group = make_group(runtime, false, 4);
    dragon_group_set_input(group, pair[0], 3);
    dragon_group_start(group, NULL);
    cr_expect_eq(dragon_group_wait(group, DRAGON_FOREVER), DRAGON_OK);
    dragon_group_destroy(group);
    cr_expect_geq(fcntl(pair[0], F_GETFD), 0, "it stays the caller's");
    agent_finish(&the, runtime);
}
