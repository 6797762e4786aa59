// SPDX-License-Identifier: BSD-3-Clause
//
// Groups on the client's side: what is asked for, what is made of the answers, and what is said when an answer
// comes late, twice, or makes no sense.
#include "config.h"

#include "agent.h"

static struct agent the;

TestSuite(client_group, .timeout = 60);

static dragon_template_t *make_template(const char *script)
{
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)script, NULL};
    dragon_template_t *made = NULL;
    cr_assert_eq(dragon_template_create(argv, &made, NULL), DRAGON_OK);
    return made;
}

// A group of `ranks` ranks of a template, which is destroyed.
static dragon_group_t *make_group(dragon_runtime_t *runtime, dragon_template_t *from,
                                  uint32_t ranks)
{
    dragon_group_t *group = NULL;
    cr_assert_eq(dragon_group_create(runtime, &group, NULL), DRAGON_OK);
    cr_assert_eq(dragon_group_add(group, from, ranks, NULL), DRAGON_OK);
    dragon_template_destroy(from);
    return group;
}

static dragon_group_t *plain_group(dragon_runtime_t *runtime, uint32_t ranks)
{
    return make_group(runtime, make_template("true"), ranks);
}

static struct rank_report up(uint32_t rank, int pid)
{
    return (struct rank_report){.rank = rank, .node = 0, .pid = pid, .end = RANK_UP};
}

static struct rank_report down(uint32_t rank, int pid, int code, int again)
{
    return (struct rank_report){
        .rank = rank, .node = 0, .pid = pid, .end = RANK_EXITED, .value = code, .again = again};
}

// ---- the welcome

static void only_wait(struct agent *agent)
{
    agent_take_end(agent);
}

Test(client_group, the_runtime_tells_of_itself)
{
    uint64_t left = 0;
    the.end_s = (uint64_t)time(NULL) + 100;
    dragon_runtime_t *runtime = agent_create(&the, only_wait);
    cr_expect_eq(dragon_runtime_nodes(runtime), AGENT_NODES);
    cr_expect_eq(dragon_runtime_node(runtime), 0);
    cr_expect_str_eq(dragon_runtime_node_name(runtime), "n0");
    cr_expect_str_eq(dragon_runtime_identity(runtime), "the:runtime");
    cr_expect_str_eq(dragon_runtime_path(runtime), the.path);
    cr_expect_eq(dragon_runtime_time_left(runtime, &left), DRAGON_OK);
    cr_expect(left > 90000 && left <= 100000, "%llu", (unsigned long long)left);
    agent_finish(&the, runtime);
}

Test(client_group, time_left_without_an_end_and_after_it)
{
    uint64_t left = 7;
    dragon_runtime_t *runtime = agent_create(&the, only_wait);
    cr_expect_eq(dragon_runtime_time_left(runtime, &left), DRAGON_ERR_NOT_FOUND);
    cr_expect_eq(left, 7);
    agent_finish(&the, runtime);
    the.end_s = 1000;
    runtime = agent_create(&the, only_wait);
    cr_expect_eq(dragon_runtime_time_left(runtime, &left), DRAGON_OK);
    cr_expect_eq(left, 0);
    agent_finish(&the, runtime);
}

// ---- what is asked for

static void check_full_spec(struct agent *agent)
{
    struct submitted submitted = agent_take_submit(agent);
    const struct group_spec *spec = &submitted.spec;
    agent_check(agent, submitted.order == ORDER_START && submitted.group == 0);
    agent_check(agent, strcmp(spec->name, "sh") == 0);
    agent_check(agent, spec->template_count == 2 && spec->full == DRAGON_FULL_WAIT);
    agent_check(agent, spec->failure == DRAGON_FAILURE_CONTINUE && spec->wait_ms == 3600000);
    agent_check(agent, spec->input_rank == GROUP_NO_RANK && spec->grace_ms == 5000);
    agent_check(agent, strcmp(env_get(spec->env, "FROM"), "group") == 0);
    agent_check(agent, strcmp(env_get(spec->env, "OUTER"), "yes") == 0);
    agent_check(agent, !env_get(spec->env, "GONE"));
    const struct template_spec *first = &spec->templates[0], *second = &spec->templates[1];
    agent_check(agent, first->ranks == 1 && first->policy.cores == 2 && first->policy.ppn == 3);
    agent_check(agent, strcmp(env_get(first->env, "FROM"), "template") == 0);
    agent_check(agent, strcmp(env_get(first->env, "OWN"), "policy") == 0);
    agent_check(agent, !first->policy.env);
    agent_check(agent,
                first->out.kind == STREAM_FILE && strcmp(first->out.path, "{rank}.out") == 0);
    agent_check(agent, first->err.kind == STREAM_MERGED && first->in.kind == STREAM_PIPE);
    agent_check(agent, strcmp(first->cwd, "/tmp") == 0);
    agent_check(agent, second->policy.cores == 1 && second->policy.ppn == 3);
    agent_check(agent, second->policy.map == DRAGON_MAP_CYCLIC && strv_count(second->env) == 0);
    agent_check(agent, second->out.kind == STREAM_CLIENT && second->err.kind == STREAM_DISCARD);
    agent_refuse(agent, submitted.request, 5, DRAGON_ERR_LAUNCH, 127, "no such program");
    group_spec_fini(&submitted.spec);
    agent_take_end(agent);
}

Test(client_group, policies_environments_and_streams_are_merged)
{
    dragon_policy_t *outer, *inner, *of_group, *of_template;
    dragon_error_t error;
    setenv("GONE", "1", 1);
    dragon_runtime_t *runtime = agent_create(&the, check_full_spec);
    dragon_policy_create(&outer);
    dragon_policy_set_ppn(outer, 2);
    dragon_policy_set_map(outer, DRAGON_MAP_CYCLIC);
    dragon_policy_set_env(outer, "OUTER", "yes");
    dragon_policy_copy(outer, &inner);
    dragon_policy_set_ppn(inner, 3);
    dragon_policy_push(runtime, outer);
    dragon_policy_push(runtime, inner);
    dragon_policy_create(&of_group);
    dragon_policy_set_cores(of_group, 1);
    dragon_policy_set_env(of_group, "FROM", "group");
    dragon_policy_set_env(of_group, "GONE", NULL);
    dragon_policy_create(&of_template);
    dragon_policy_set_cores(of_template, 2);
    dragon_policy_set_env(of_template, "FROM", "policy");
    dragon_policy_set_env(of_template, "OWN", "policy");

    dragon_template_t *first = make_template("true");
    cr_expect_eq(dragon_template_set_policy(first, of_template), DRAGON_OK);
    cr_expect_eq(dragon_template_set_env(first, "FROM", "template"), DRAGON_OK);
    cr_expect_eq(dragon_template_set_output(first, "{rank}.out"), DRAGON_OK);
    cr_expect_eq(dragon_template_set_error(first, DRAGON_STREAM_MERGE), DRAGON_OK);
    cr_expect_eq(dragon_template_set_input(first, DRAGON_STREAM_PIPE), DRAGON_OK);
    cr_expect_eq(dragon_template_set_cwd(first, "/tmp"), DRAGON_OK);
    dragon_group_t *group = make_group(runtime, first, 1);
    dragon_template_t *second = make_template("false");
    cr_expect_eq(dragon_template_set_error(second, DRAGON_STREAM_DISCARD), DRAGON_OK);
    cr_expect_eq(dragon_group_add(group, second, 4, NULL), DRAGON_OK);
    dragon_template_destroy(second);
    cr_expect_eq(dragon_group_set_policy(group, of_group), DRAGON_OK);
    dragon_policy_destroy(outer);
    dragon_policy_destroy(inner);
    dragon_policy_destroy(of_group);
    dragon_policy_destroy(of_template);

    cr_expect_eq(dragon_group_start(group, &error), DRAGON_ERR_LAUNCH);
    cr_expect_str_eq(error.text, "no such program");
    cr_expect_eq(dragon_group_exit_code(group), 127);
    cr_expect_str_eq(dragon_group_cause(group), "no such program");
    cr_expect_eq(dragon_group_state(group), DRAGON_GROUP_ENDED);
    cr_expect_eq(dragon_group_wait(group, 0), DRAGON_OK);
    dragon_group_destroy(group);
    cr_expect_eq(dragon_policy_pop(runtime), DRAGON_OK);
    cr_expect_eq(dragon_policy_pop(runtime), DRAGON_OK);
    cr_expect_eq(dragon_policy_pop(runtime), DRAGON_ERR_STATE);
    agent_finish(&the, runtime);
}

static void check_pmi_spec(struct agent *agent)
{
    struct submitted submitted = agent_take_submit(agent);
    agent_check(agent, submitted.spec.pmi && submitted.spec.full == DRAGON_FULL_SHARE);
    agent_check(agent, submitted.spec.failure == DRAGON_FAILURE_STOP);
    agent_check(agent, strcmp(submitted.spec.name, "mine") == 0 && submitted.spec.detached);
    agent_check(agent, submitted.spec.warn_signal == SIGUSR1 && submitted.spec.warn_ms == 5);
    agent_refuse(agent, submitted.request, 5, DRAGON_ERR_FULL, 125, "full");
    group_spec_fini(&submitted.spec);
}

Test(client_group, what_is_left_open_is_resolved)
{
    dragon_runtime_t *runtime = agent_create(&the, check_pmi_spec);
    dragon_group_t *group = plain_group(runtime, 2);
    dragon_error_t error;
    dragon_group_set_pmi(group, 1);
    dragon_group_set_name(group, "mine");
    dragon_group_set_detached(group, 1);
    dragon_group_set_warning(group, SIGUSR1, 5);
    dragon_group_set_restart(group, DRAGON_RESTART_FAILED, 3, 0);
    cr_expect_eq(dragon_group_start(group, &error), DRAGON_ERR_INVAL, "no restarts with MPI");
    dragon_group_set_restart(group, DRAGON_RESTART_NEVER, 0, 0);
    cr_expect_eq(dragon_group_start(group, &error), DRAGON_ERR_FULL);
    dragon_group_destroy(group);
    agent_finish(&the, runtime);
}

// ---- starts

static void start_in_another_order(struct agent *agent)
{
    struct submitted first = agent_take_submit(agent), second = agent_take_submit(agent);
    agent_start(agent, &second, 12, 0);
    agent_start(agent, &first, 11, 0);
    agent_done(agent, 11, 0, "");
    agent_done(agent, 12, 3, "rank 0 did it");
    agent_take_end(agent);
}

Test(client_group, several_start_at_the_same_time)
{
    dragon_runtime_t *runtime = agent_create(&the, start_in_another_order);
    dragon_group_t *first = plain_group(runtime, 2), *second = plain_group(runtime, 3);
    cr_expect_eq(dragon_group_state(first), DRAGON_GROUP_NEW);
    cr_expect_eq(dragon_group_submit(first, NULL), DRAGON_OK);
    cr_expect_eq(dragon_group_state(first), DRAGON_GROUP_STARTING);
    cr_expect_eq(dragon_group_submit(first, NULL), DRAGON_ERR_STATE);
    cr_expect_eq(dragon_group_submit(second, NULL), DRAGON_OK);
    cr_expect_eq(dragon_group_wait(first, DRAGON_FOREVER), DRAGON_OK);
    cr_expect_eq(dragon_group_wait(second, DRAGON_FOREVER), DRAGON_OK);
    cr_expect_eq(dragon_group_id(first), 11);
    cr_expect_eq(dragon_group_id(second), 12);
    cr_expect_eq(dragon_group_size(second), 3);
    cr_expect_eq(dragon_group_exit_code(first), 0);
    cr_expect_eq(dragon_group_exit_code(second), 3);
    cr_expect_str_eq(dragon_group_cause(second), "rank 0 did it");
    cr_expect_str_eq(dragon_group_last_lines(second), "last words\n");
    dragon_group_destroy(first);
    dragon_group_destroy(second);
    agent_finish(&the, runtime);
}

static void answer_after_the_destroy(struct agent *agent)
{
    struct submitted first = agent_take_submit(agent);
    struct unpack unpack = agent_take(agent, GC_QUERY); // it is destroyed by now
    uint32_t request = unpack_u32(&unpack);
    struct pack body = PACK_EMPTY;
    agent_start(agent, &first, 21, 0);
    agent_output(agent, 21, 1, 0, OUTPUT_STDOUT, "dropped", 7);
    agent_take_ask(agent, 21, -1, SIGTERM, ASK_DROP);
    agent_take_credit(agent, 21, 1, 7);
    agent_done(agent, 21, 143, "dropped");
    pack_u32(&body, request);
    pack_i32(&body, DRAGON_ERR_NOT_FOUND);
    agent_send(agent, GC_ANSWER, &body);
    agent_take_end(agent);
}

Test(client_group, destroyed_before_the_answer_it_is_dropped)
{
    dragon_runtime_t *runtime = agent_create(&the, answer_after_the_destroy);
    dragon_group_t *group = plain_group(runtime, 1), *other = NULL;
    cr_expect_eq(dragon_group_submit(group, NULL), DRAGON_OK);
    dragon_group_destroy(group);
    cr_expect_eq(dragon_group_attach(runtime, "dragon-group:the:runtime:99", &other, NULL),
                 DRAGON_ERR_NOT_FOUND);
    agent_finish(&the, runtime);
}

static void queue_then_cancel(struct agent *agent)
{
    struct submitted submitted = agent_take_submit(agent);
    struct pack body = PACK_EMPTY;
    pack_u32(&body, submitted.request);
    pack_u64(&body, 31);
    pack_str(&body, "2 cores");
    agent_send(agent, GC_QUEUED, &body);
    agent_take_ask(agent, 31, -1, SIGTERM, ASK_STOP);
    agent_refuse(agent, submitted.request, 31, DRAGON_ERR_CANCELED, 143, "stopped: on request");
    group_spec_fini(&submitted.spec);
    agent_take_end(agent);
}

struct seen {
    dragon_event_kind_t kinds[32];
    int count, code, waits;
    char text[64];
};

static void note_event(void *arg, dragon_group_t *group, const dragon_event_t *event)
{
    struct seen *seen = arg;
    (void)group;
    if (seen->count < 32)
        seen->kinds[seen->count++] = event->kind;
    seen->code = event->code;
    snprintf(seen->text, sizeof seen->text, "%s", event->text);
}

static void answer_one_of_three(struct agent *agent)
{
    struct submitted submitted;
    struct pack body = PACK_EMPTY;
    for (uint32_t i = 0; i < 3; i++) {
        submitted = agent_take_submit(agent);
        group_spec_fini(&submitted.spec);
    }
    pack_u32(&body, submitted.request);
    pack_u64(&body, 31);
    pack_str(&body, "2 cores");
    agent_send(agent, GC_QUEUED, &body);
    agent_take_ask(agent, 31, -1, SIGTERM, ASK_DROP);
    agent_take_end(agent);
}

// Nobody has a handle on any of them: only the sanitizer sees what is wrong with that.
Test(client_group, leaving_while_groups_without_a_handle_start)
{
    dragon_runtime_t *runtime = agent_create(&the, answer_one_of_three);
    dragon_group_t *groups[3];
    for (int i = 0; i < 3; i++) {
        groups[i] = plain_group(runtime, 1);
        dragon_group_set_detached(groups[i], i == 1);
        cr_expect_eq(dragon_group_submit(groups[i], NULL), DRAGON_OK);
    }
    while (dragon_group_state(groups[2]) != DRAGON_GROUP_QUEUED)
        dragon_runtime_progress(runtime, 1000);
    for (int i = 0; i < 3; i++)
        dragon_group_destroy(groups[i]);
    agent_finish(&the, runtime);
}

Test(client_group, a_queued_group_leaves_the_queue)
{
    struct seen seen = {0};
    dragon_runtime_t *runtime = agent_create(&the, queue_then_cancel);
    dragon_group_t *group = plain_group(runtime, 1);
    dragon_group_on_event(group, note_event, &seen);
    cr_expect_eq(dragon_group_submit(group, NULL), DRAGON_OK);
    while (dragon_group_state(group) != DRAGON_GROUP_QUEUED)
        dragon_runtime_progress(runtime, 1000);
    cr_expect_eq(seen.count, 1);
    cr_expect_eq(seen.kinds[0], DRAGON_EVENT_QUEUED);
    cr_expect_str_eq(seen.text, "2 cores");
    cr_expect_eq(dragon_group_id(group), 31);
    cr_expect_eq(dragon_group_signal(group, 0, SIGTERM), DRAGON_ERR_STATE);
    cr_expect_eq(dragon_group_stop(group), DRAGON_OK);
    cr_expect_eq(dragon_group_state(group), DRAGON_GROUP_STOPPING);
    cr_expect_eq(dragon_group_wait(group, DRAGON_FOREVER), DRAGON_OK);
    cr_expect_eq(dragon_group_exit_code(group), 143);
    cr_expect_eq(seen.kinds[seen.count - 1], DRAGON_EVENT_ENDED);
    cr_expect_eq(seen.code, 143);
    dragon_group_destroy(group);
    agent_finish(&the, runtime);
}

static void stop_without_number(struct agent *agent)
{
    struct submitted submitted = agent_take_submit(agent);
    agent_take(agent, GC_QUERY);
    agent_start(agent, &submitted, 41, 0);
    agent_take_ask(agent, 41, -1, SIGTERM, ASK_STOP);
    agent_done(agent, 41, 143, "stopped");
    agent_take_end(agent);
}

Test(client_group, a_stop_before_its_number_is_known_is_sent_later)
{
    dragon_runtime_t *runtime = agent_create(&the, stop_without_number);
    dragon_group_t *group = plain_group(runtime, 1);
    dragon_group_submit(group, NULL);
    cr_expect_eq(dragon_group_stop(group), DRAGON_OK);
    struct request *mark = request_create(runtime, NULL); // its answer never comes
    request_query(mark, QUERY_WATCH, 1, NULL);
    cr_expect_eq(dragon_group_wait(group, DRAGON_FOREVER), DRAGON_OK);
    cr_expect_eq(dragon_group_exit_code(group), 143);
    dragon_group_destroy(group);
    agent_finish(&the, runtime);
}

static void run_twice(struct agent *agent)
{
    agent_take_and_start(agent, 51);
    agent_report(agent, 51, up(0, 500));
    agent_take_ask(agent, 51, -1, SIGHUP, ASK_SIGNAL);
    agent_done(agent, 51, 9, "first");
    agent_take_and_start(agent, 52);
    agent_take_ask(agent, 52, -1, SIGHUP, ASK_SIGNAL);
    agent_done(agent, 52, 0, "");
    agent_take_end(agent);
}

Test(client_group, started_again_everything_is_new)
{
    dragon_rank_status_t status;
    dragon_runtime_t *runtime = agent_create(&the, run_twice);
    dragon_group_t *group = plain_group(runtime, 1), *old = NULL;
    cr_expect_eq(dragon_group_start(group, NULL), DRAGON_OK);
    cr_expect_eq(dragon_group_start(group, NULL), DRAGON_ERR_STATE);
    cr_expect_eq(dragon_group_signal(group, DRAGON_ALL_RANKS, SIGHUP), DRAGON_OK);
    cr_expect_eq(dragon_group_wait(group, DRAGON_FOREVER), DRAGON_OK);
    cr_expect_str_eq(dragon_group_descriptor(group), "dragon-group:the:runtime:51");
    cr_expect_eq(dragon_group_rank_status(group, 0, &status), DRAGON_OK);
    cr_expect_eq(dragon_group_attach(runtime, dragon_group_descriptor(group), &old, NULL),
                 DRAGON_OK);
    cr_expect_eq(dragon_group_start(group, NULL), DRAGON_OK);
    cr_expect_eq(dragon_group_exit_code(group), -1);
    cr_expect_str_eq(dragon_group_cause(group), "");
    cr_expect_eq(dragon_group_id(group), 52);
    cr_expect_eq(dragon_group_rank_status(group, 0, &status), DRAGON_ERR_NOT_FOUND);
    cr_expect_eq(dragon_group_signal(group, DRAGON_ALL_RANKS, SIGHUP), DRAGON_OK);
    cr_expect_eq(dragon_group_wait(group, DRAGON_FOREVER), DRAGON_OK);
    cr_expect_eq(dragon_group_exit_code(old), 9, "the other handle stays with the first run");
    cr_expect_eq(dragon_group_start(old, NULL), DRAGON_ERR_STATE);
    dragon_group_destroy(group);
    dragon_group_destroy(old);
    agent_finish(&the, runtime);
}

static void answer_nonsense(struct agent *agent)
{
    struct submitted submitted = agent_take_submit(agent);
    struct pack body = PACK_EMPTY;
    pack_u32(&body, submitted.request);
    pack_u64(&body, 61);
    pack_i32(&body, DRAGON_OK);
    pack_i32(&body, 0);
    pack_str(&body, "");
    pack_str(&body, "this is no plan");
    group_spec_fini(&submitted.spec);
    agent_send(agent, GC_STARTED, &body);
    agent_take_end(agent);
}

Test(client_group, an_answer_that_makes_no_sense_ends_the_connection)
{
    dragon_error_t error;
    dragon_runtime_t *runtime = agent_create(&the, answer_nonsense);
    dragon_group_t *group = plain_group(runtime, 1);
    cr_expect_eq(dragon_group_start(group, &error), DRAGON_ERR_PROTO);
    cr_expect_eq(dragon_group_state(group), DRAGON_GROUP_ENDED);
    cr_expect_eq(dragon_runtime_progress(runtime, 0), DRAGON_ERR_PEER);
    cr_expect_eq(dragon_group_start(group, &error), DRAGON_ERR_PEER);
    cr_expect_eq(dragon_group_exit_code(group), 125);
    dragon_group_destroy(group);
    agent_finish(&the, runtime);
}

static void start_one_and_leave(struct agent *agent)
{
    agent_take_and_start(agent, 71);
    struct submitted second = agent_take_submit(agent);
    group_spec_fini(&second.spec);
}

Test(client_group, when_the_runtime_ends_everything_says_so)
{
    char data[8];
    dragon_output_t output;
    dragon_runtime_t *runtime = agent_create(&the, start_one_and_leave);
    dragon_group_t *running = plain_group(runtime, 1), *starting = plain_group(runtime, 1);
    cr_expect_eq(dragon_group_start(running, NULL), DRAGON_OK);
    cr_expect_eq(dragon_group_start(starting, NULL), DRAGON_ERR_PEER);
    cr_expect_eq(dragon_group_wait(running, DRAGON_FOREVER), DRAGON_ERR_PEER);
    cr_expect_eq(dragon_group_wait(running, 0), DRAGON_ERR_PEER);
    cr_expect_eq(dragon_group_exit_code(running), 125);
    cr_expect_eq(dragon_group_exit_code(starting), 125);
    cr_expect_eq(dragon_group_read(running, data, sizeof data, &output, 0), DRAGON_ERR_PEER);
    cr_expect_eq(dragon_group_stop(running), DRAGON_ERR_STATE);
    dragon_system_t *system;
    cr_expect_eq(dragon_system_look(runtime, &system, NULL), DRAGON_ERR_PEER);
    dragon_group_destroy(running);
    dragon_group_destroy(starting);
    agent_finish(&the, runtime);
}

// ---- ranks

static void rank_life(struct agent *agent)
{
    agent_take_and_start(agent, 81);
    agent_report(agent, 81, up(0, 100));
    agent_report(agent, 81, up(1, 101));
    agent_report(agent, 81, down(0, 100, 4, 1));
    agent_report(agent, 81, up(0, 102));
    agent_report(agent, 81, down(0, 102, 5, 0));
    agent_take_ask(agent, 81, 1, SIGTERM, ASK_REMOVE);
    agent_take_ask(agent, 81, -1, 0, ASK_NO_RESTART);
    agent_take_ask(agent, 81, 1, SIGUSR2, ASK_SIGNAL);
    agent_report(agent, 81, down(1, 101, 0, 0));
    agent_done(agent, 81, 5, "rank 0");
    agent_take_end(agent);
}

Test(client_group, the_life_of_ranks_is_known)
{
    struct seen seen = {0};
    dragon_rank_status_t status;
    dragon_runtime_t *runtime = agent_create(&the, rank_life);
    dragon_group_t *group = plain_group(runtime, 2);
    dragon_group_on_event(group, note_event, &seen);
    dragon_group_start(group, NULL);
    while (dragon_group_rank_status(group, 0, &status) != DRAGON_OK || !status.ended)
        dragon_runtime_progress(runtime, 1000);
    cr_expect_eq(status.restarts, 1);
    cr_expect_eq(status.pid, 102);
    cr_expect_eq(status.exit_code, 5);
    cr_expect_eq(dragon_group_rank_status(group, 1, &status), DRAGON_OK);
    cr_expect(!status.ended && status.exit_code == -1 && status.pid == 101 && !status.removed);
    cr_expect_eq(dragon_group_rank_status(group, 2, &status), DRAGON_ERR_INVAL);
    cr_expect_eq(dragon_group_remove(group, 2), DRAGON_ERR_INVAL);
    cr_expect_eq(dragon_group_remove(group, 0), DRAGON_OK, "it has ended: nothing to do");
    cr_expect_eq(dragon_group_remove(group, 1), DRAGON_OK);
    cr_expect_eq(dragon_group_stop_restart(group), DRAGON_OK);
    cr_expect_eq(dragon_group_signal(group, 1, SIGUSR2), DRAGON_OK);
    cr_expect_eq(dragon_group_wait(group, DRAGON_FOREVER), DRAGON_OK);
    dragon_group_rank_status(group, 1, &status);
    cr_expect(status.removed && status.ended);
    const dragon_event_kind_t wanted[] = {
        DRAGON_EVENT_STARTED,    DRAGON_EVENT_RANK_UP, DRAGON_EVENT_RANK_UP,
        DRAGON_EVENT_RANK_AGAIN, DRAGON_EVENT_RANK_UP, DRAGON_EVENT_RANK_DOWN,
        DRAGON_EVENT_RANK_DOWN,  DRAGON_EVENT_ENDED,
    };
    cr_assert_eq(seen.count, 8);
    cr_expect_arr_eq(seen.kinds, wanted, sizeof wanted);
    dragon_group_destroy(group);
    agent_finish(&the, runtime);
}

static void stop_on_first(struct agent *agent)
{
    agent_take_and_start(agent, 91);
    agent_report(agent, 91, up(0, 100));
    agent_take_ask(agent, 91, -1, SIGTERM, ASK_STOP);
    agent_report(agent, 91, down(0, 100, 0, 0));
    agent_done(agent, 91, 143, "stopped");
    agent_take_end(agent);
}

// Stops the group and waits for it from inside of the callback.
static void stop_and_wait(void *arg, dragon_group_t *group, const dragon_event_t *event)
{
    struct seen *seen = arg;
    seen->count++;
    if (event->kind != DRAGON_EVENT_RANK_UP)
        return;
    cr_expect_eq(dragon_group_stop(group), DRAGON_OK);
    cr_expect_eq(dragon_group_wait(group, DRAGON_FOREVER), DRAGON_OK);
    seen->waits++;
}

Test(client_group, a_callback_may_stop_and_wait)
{
    struct seen seen = {0};
    dragon_runtime_t *runtime = agent_create(&the, stop_on_first);
    dragon_group_t *group = plain_group(runtime, 1);
    dragon_group_on_event(group, stop_and_wait, &seen);
    dragon_group_start(group, NULL);
    cr_expect_eq(dragon_group_wait(group, DRAGON_FOREVER), DRAGON_OK);
    cr_expect_eq(seen.waits, 1);
    cr_expect_eq(seen.count, 4);
    dragon_group_destroy(group);
    agent_finish(&the, runtime);
}

static void add_ranks(struct agent *agent)
{
    agent_take_and_start(agent, 101);
    struct submitted added = agent_take_submit(agent);
    agent_check(agent, added.order == ORDER_ADD && added.group == 101);
    agent_check(agent, added.spec.template_count == 1 && added.spec.templates[0].ranks == 2);
    agent_start(agent, &added, 101, 2);
    agent_report(agent, 101, up(3, 103));
    struct submitted refused = agent_take_submit(agent);
    agent_refuse(agent, refused.request, 101, DRAGON_ERR_FULL, 125, "no room");
    group_spec_fini(&refused.spec);
    agent_done(agent, 101, 0, "");
    agent_take_end(agent);
}

Test(client_group, ranks_are_added_while_it_runs)
{
    dragon_error_t error;
    dragon_rank_place_t place;
    dragon_rank_status_t status;
    dragon_runtime_t *runtime = agent_create(&the, add_ranks);
    dragon_group_t *group = plain_group(runtime, 2), *other = NULL;
    dragon_template_t *more = make_template("more");
    cr_expect_eq(dragon_group_add(group, more, PLAN_RANK_LIMIT, NULL), DRAGON_ERR_TOO_BIG);
    dragon_group_start(group, NULL);
    dragon_group_attach(runtime, dragon_group_descriptor(group), &other, NULL);
    cr_expect_eq(dragon_group_add(other, more, 1, NULL), DRAGON_ERR_STATE, "it is not theirs");
    cr_expect_eq(dragon_group_add(group, more, 2, &error), DRAGON_OK);
    cr_expect_eq(dragon_group_size(group), 4);
    cr_expect_eq(dragon_group_size(other), 4);
    cr_expect_eq(dragon_group_rank_place(group, 3, &place), DRAGON_OK);
    cr_expect_eq(place.process_template, 1);
    cr_expect_eq(dragon_group_rank_place(group, 0, &place), DRAGON_OK);
    cr_expect_eq(place.process_template, 0);
    cr_expect_eq(dragon_group_add(group, more, 9, &error), DRAGON_ERR_FULL);
    cr_expect_str_eq(error.text, "no room");
    cr_expect_eq(dragon_group_size(group), 4);
    cr_expect_eq(dragon_group_wait(group, DRAGON_FOREVER), DRAGON_OK);
    cr_expect_eq(dragon_group_rank_status(group, 3, &status), DRAGON_OK);
    cr_expect_eq(status.pid, 103);
    dragon_template_destroy(more);
    dragon_group_destroy(group);
    dragon_group_destroy(other);
    agent_finish(&the, runtime);
}

static void answer_plan(struct agent *agent)
{
    struct submitted submitted = agent_take_submit(agent);
    agent_check(agent, submitted.order == ORDER_PLAN);
    agent_start(agent, &submitted, 0, 0);
    agent_take_end(agent);
}

Test(client_group, a_plan_starts_nothing)
{
    dragon_rank_place_t place;
    dragon_policy_t *policy;
    dragon_runtime_t *runtime = agent_create(&the, answer_plan);
    dragon_group_t *group = plain_group(runtime, 2);
    dragon_policy_create(&policy);
    dragon_policy_set_cores(policy, 3);
    dragon_policy_set_gpus(policy, 1);
    dragon_group_set_policy(group, policy);
    dragon_policy_destroy(policy);
    cr_expect_eq(dragon_group_rank_place(group, 0, &place), DRAGON_ERR_NOT_FOUND);
    cr_expect_eq(dragon_group_plan(group, NULL), DRAGON_OK);
    cr_expect_eq(dragon_group_state(group), DRAGON_GROUP_NEW);
    cr_expect_eq(dragon_group_size(group), 2);
    cr_expect_eq(dragon_group_rank_place(group, 2, &place), DRAGON_ERR_INVAL);
    cr_assert_eq(dragon_group_rank_place(group, 1, &place), DRAGON_OK);
    cr_expect_eq(place.node, 1);
    cr_expect_str_eq(place.cores, "0-2");
    cr_expect_str_eq(place.gpus, "0");
    cr_expect_eq(place.bind, DRAGON_BIND_CORE);
    cr_expect_eq(dragon_group_set_pmi(group, 0), DRAGON_OK);
    cr_expect_eq(dragon_group_size(group), 0, "the plan was of something else");
    dragon_group_destroy(group);
    agent_finish(&the, runtime);
}
