// SPDX-License-Identifier: BSD-3-Clause
//
// Groups of others and pictures of the system: what is made of the answers, good and bad.
#include "config.h"

#include "agent.h"

static struct agent the;

TestSuite(client_watch, .timeout = 60);

static uint32_t take_query(struct agent *agent, uint8_t query, uint64_t group)
{
    struct unpack unpack = agent_take(agent, GC_QUERY);
    uint32_t request = unpack_u32(&unpack);
    agent_check(agent, unpack_u8(&unpack) == query);
    agent_check(agent, unpack_u64(&unpack) == group && unpack_done(&unpack));
    return request;
}

static struct pack begin_answer(uint32_t request, dragon_err_t err)
{
    struct pack body = PACK_EMPTY;
    pack_u32(&body, request);
    pack_i32(&body, err);
    return body;
}

static void pack_plan_of(struct agent *agent, struct pack *body, uint32_t ranks, uint32_t cores)
{
    struct policy policy = {.cores = cores};
    struct plan_template of = {.ranks = ranks, .policy = &policy};
    struct plan_request request = {.templates = &of, .count = 1};
    struct plan plan;
    dragon_error_t error;
    dragon_err_t err = plan_make(&request, agent->ledger, &plan, &error);
    agent_check(agent, err == DRAGON_OK);
    if (err != DRAGON_OK)
        return;
    plan_pack(body, &plan);
    plan_fini(&plan);
}

static void pack_states(struct pack *body)
{
    pack_u32(body, 2);
    rank_state_pack(body, &(struct rank_state){.pid = 70, .code = 3, .restarts = 2});
    rank_state_pack(body, &(struct rank_state){.pid = 71, .code = 0, .ended = 1, .removed = 1});
}

// ---- descriptors

static void only_wait(struct agent *agent)
{
    agent_take_end(agent);
}

Test(client_watch, descriptors_are_read_strictly)
{
    static const char *const wrong[] = {
        "",
        "dragon-group",
        "dragon-group:",
        "dragon-group:the:runtime",
        "dragon-group:the:runtime:",
        "dragon-group:the:runtime:0",
        "dragon-group:the:runtime:01",
        "dragon-group:the:runtime:+1",
        "dragon-group:the:runtime: 1",
        "dragon-group:the:runtime:1 ",
        "dragon-group:the:runtime:1\n",
        "dragon-group:the:runtime:0x10",
        "dragon-group:the:runtime:18446744073709551616",
        " dragon-group:the:runtime:1",
        "dragon-group::1",
        "group:the:runtime:1",
    };
    dragon_runtime_t *runtime = agent_create(&the, only_wait);
    dragon_group_t *group = (dragon_group_t *)&the, *before = group;
    dragon_error_t error;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect_eq(dragon_group_attach(runtime, wrong[i], &group, &error), DRAGON_ERR_INVAL, "%s",
                     wrong[i]);
    cr_expect_eq(dragon_group_attach(runtime, NULL, &group, &error), DRAGON_ERR_INVAL);
    cr_expect_eq(dragon_group_attach(runtime, "dragon-group:other:1", &group, &error),
                 DRAGON_ERR_NOT_FOUND);
    cr_expect_eq(dragon_group_attach(runtime, "dragon-group:the:runtim:1", &group, &error),
                 DRAGON_ERR_NOT_FOUND);
    cr_expect_eq(group, before);
    agent_finish(&the, runtime);
}

// ---- one group

static void watch_one(struct agent *agent)
{
    struct pack body = begin_answer(take_query(agent, QUERY_WATCH, 33), DRAGON_OK);
    struct watch_record record = {
        .state = DRAGON_GROUP_RUNNING, .code = -1, .cause = "", .size = 2, .parts = 1};
    watch_record_pack(&body, &record);
    pack_plan_of(agent, &body, 2, 3);
    pack_states(&body);
    agent_send(agent, GC_ANSWER, &body);
    agent_take_ask(agent, 33, 0, SIGUSR1, ASK_SIGNAL); // asked once, though there are two handles
    agent_report(agent, 33, (struct rank_report){.rank = 5, .node = 1, .pid = 75, .end = RANK_UP});
    agent_take_ask(agent, 33, -1, SIGTERM, ASK_STOP);
    agent_done(agent, 33, 143, "stopped");
    agent_take_end(agent);
}

static void count_event(void *arg, dragon_group_t *group, const dragon_event_t *event)
{
    (void)group;
    (void)event;
    ++*(int *)arg;
}

Test(client_watch, two_handles_on_a_group_of_somebody_else)
{
    int first_events = 0, second_events = 0;
    dragon_group_t *first = NULL, *second = NULL;
    dragon_rank_place_t place;
    dragon_rank_status_t status;
    const char *descriptor = "dragon-group:the:runtime:33";
    dragon_runtime_t *runtime = agent_create(&the, watch_one);
    cr_assert_eq(dragon_group_attach(runtime, descriptor, &first, NULL), DRAGON_OK);
    cr_assert_eq(dragon_group_attach(runtime, descriptor, &second, NULL), DRAGON_OK);
    dragon_group_on_event(first, count_event, &first_events);
    dragon_group_on_event(second, count_event, &second_events);
    cr_expect_str_eq(dragon_group_descriptor(second), descriptor);
    cr_expect_eq(dragon_group_state(first), DRAGON_GROUP_RUNNING);
    cr_expect_eq(dragon_group_size(first), 2);
    cr_expect_eq(dragon_group_rank_place(first, 1, &place), DRAGON_OK);
    cr_expect_eq(place.node, 1);
    cr_expect_str_eq(place.cores, "0-2");
    cr_expect_eq(dragon_group_rank_status(first, 0, &status), DRAGON_OK);
    cr_expect(status.pid == 70 && !status.ended && status.exit_code == 3 && status.restarts == 2);
    cr_expect_eq(dragon_group_rank_status(first, 1, &status), DRAGON_OK);
    cr_expect(status.pid == 71 && status.ended && status.removed && status.node == 1);
    cr_expect_eq(dragon_group_set_label(first, 1), DRAGON_ERR_STATE);
    cr_expect_eq(dragon_group_write(first, 0, "a", 1, 0), DRAGON_ERR_STATE);
    cr_expect_eq(dragon_group_plan(first, NULL), DRAGON_ERR_STATE);
    cr_expect_eq(dragon_group_signal(second, 0, SIGUSR1), DRAGON_OK);
    while (dragon_group_size(first) == 2)
        cr_assert_eq(dragon_runtime_progress(runtime, 1000), DRAGON_OK);
    cr_expect_eq(dragon_group_rank_status(second, 5, &status), DRAGON_OK, "added by its owner");
    cr_expect_eq(dragon_group_rank_place(second, 5, &place), DRAGON_ERR_NOT_FOUND);
    cr_expect_eq(dragon_group_rank_status(second, 4, &status), DRAGON_ERR_NOT_FOUND);
    cr_expect_eq(dragon_group_stop(first), DRAGON_OK);
    cr_expect_eq(dragon_group_wait(second, DRAGON_FOREVER), DRAGON_OK);
    cr_expect_eq(dragon_group_exit_code(first), 143);
    cr_expect_eq(dragon_group_exit_code(second), 143);
    cr_expect_eq(first_events, 2);
    cr_expect_eq(second_events, 2);
    dragon_group_destroy(first);
    dragon_group_destroy(second);
    cr_expect_null(run_find(runtime, 33));
    agent_finish(&the, runtime);
}

static void watch_ended(struct agent *agent)
{
    struct pack body = begin_answer(take_query(agent, QUERY_WATCH, 34), DRAGON_OK);
    struct watch_record record = {
        .state = DRAGON_GROUP_ENDED, .pmi = true, .code = 9, .cause = "rank 1", .size = 7};
    watch_record_pack(&body, &record);
    pack_u32(&body, 0);
    agent_send(agent, GC_ANSWER, &body);
    agent_take_end(agent);
}

Test(client_watch, a_group_that_has_ended)
{
    dragon_group_t *group = NULL;
    dragon_runtime_t *runtime = agent_create(&the, watch_ended);
    cr_assert_eq(dragon_group_attach(runtime, "dragon-group:the:runtime:34", &group, NULL),
                 DRAGON_OK);
    cr_expect_eq(dragon_group_state(group), DRAGON_GROUP_ENDED);
    cr_expect_eq(dragon_group_wait(group, 0), DRAGON_OK);
    cr_expect_eq(dragon_group_exit_code(group), 9);
    cr_expect_str_eq(dragon_group_cause(group), "rank 1");
    cr_expect_eq(dragon_group_size(group), 7);
    cr_expect_eq(dragon_group_stop(group), DRAGON_ERR_STATE);
    dragon_group_destroy(group);
    agent_finish(&the, runtime);
}

static void watch_nonsense(struct agent *agent)
{
    struct pack body = begin_answer(take_query(agent, QUERY_WATCH, 35), DRAGON_OK);
    struct watch_record record = {
        .state = DRAGON_GROUP_RUNNING, .code = -1, .cause = "", .size = 1};
    watch_record_pack(&body, &record);
    pack_states(&body); // more than it has
    agent_send(agent, GC_ANSWER, &body);
    agent_take_end(agent);
}

Test(client_watch, an_answer_that_contradicts_itself)
{
    dragon_group_t *group = NULL;
    dragon_runtime_t *runtime = agent_create(&the, watch_nonsense);
    cr_expect_eq(dragon_group_attach(runtime, "dragon-group:the:runtime:35", &group, NULL),
                 DRAGON_ERR_PROTO);
    cr_expect_null(group);
    agent_finish(&the, runtime);
}

// ---- everything

static void show_system(struct agent *agent)
{
    uint32_t request = take_query(agent, QUERY_SYSTEM, 0);
    struct pack plan = PACK_EMPTY, body = begin_answer(request, DRAGON_OK);
    pack_plan_of(agent, &plan, 2, 3);
    ledger_take_gpu(agent->ledger, 1, gpu_unit(0, GPU_WHOLE));
    pack_u32(&body, AGENT_NODES);
    for (uint32_t i = 0; i < AGENT_NODES; i++)
        node_record_pack(&body, agent->ledger, i);
    pack_u32(&body, 2);
    struct group_record running = {.id = 77,
                                   .age_ms = 5,
                                   .name = "work",
                                   .waits_for = "",
                                   .state = DRAGON_GROUP_RUNNING,
                                   .detached = true,
                                   .size = 2,
                                   .running = 1,
                                   .owner_node = 1,
                                   .owner_pid = 4,
                                   .parts = 1};
    group_record_pack(&body, &running);
    pack_raw(&body, plan.data, plan.length);
    pack_states(&body);
    struct group_record queued = {.id = 78, .name = "later", .waits_for = "2 cores", .state = 1};
    group_record_pack(&body, &queued);
    pack_u32(&body, 0);
    pack_fini(&plan);
    agent_send(agent, GC_ANSWER, &body);
    agent_take_end(agent);
}

Test(client_watch, a_picture_of_the_system)
{
    dragon_system_t *system = NULL;
    dragon_runtime_t *runtime = agent_create(&the, show_system);
    cr_assert_eq(dragon_system_look(runtime, &system, NULL), DRAGON_OK);
    agent_finish(&the, runtime); // it needs neither
    cr_assert_eq(dragon_system_nodes(system), AGENT_NODES);
    cr_expect_null(dragon_system_node(system, AGENT_NODES));
    const dragon_node_t *node = dragon_system_node(system, 1);
    cr_expect_str_eq(node->name, "n1");
    cr_expect_str_eq(node->host, "h1");
    cr_expect(node->cores == AGENT_CORES && node->free_cores == 1 && node->threads == AGENT_CORES);
    cr_expect_eq(node->memory_bytes, 1 << 30);
    cr_expect(node->core[0].users == 1 && node->core[3].users == 0);
    cr_expect_str_eq(node->core[2].threads, "2");
    cr_expect(node->gpus == 1 && node->free_gpus == 0 && node->gpu[0].users == 1);
    cr_expect_str_eq(node->gpu[0].vendor, "amd");
    cr_expect_str_eq(node->gpu[0].variable, "ROCR_VISIBLE_DEVICES");
    cr_expect_str_eq(node->gpu[0].identity, "card");
    cr_expect_eq(dragon_system_node(system, 0)->free_gpus, 1);
    cr_assert_eq(dragon_system_groups(system), 2);
    const dragon_group_info_t *info = dragon_system_group(system, 0);
    cr_expect_str_eq(info->name, "work");
    cr_expect_str_eq(info->descriptor, "dragon-group:the:runtime:77");
    cr_expect(info->ranks == 2 && info->running == 1 && info->detached && !info->pmi);
    const dragon_rank_info_t *rank = dragon_system_rank(system, 0, 1);
    cr_assert_not_null(rank);
    cr_expect_str_eq(rank->place.cores, "0-2");
    cr_expect(rank->status.pid == 71 && rank->status.node == 1);
    cr_expect_null(dragon_system_rank(system, 0, 2));
    cr_expect_null(dragon_system_rank(system, 1, 0));
    cr_expect_str_eq(dragon_system_group(system, 1)->waits_for, "2 cores");
    cr_expect_null(dragon_system_group(system, 2));
    dragon_system_destroy(system);
    dragon_system_destroy(NULL);
}

Test(client_watch, policies_for_each_gpu_and_each_node)
{
    dragon_policy_t **list = NULL;
    size_t count = 0;
    dragon_runtime_t *runtime = agent_create(&the, show_system);
    cr_assert_eq(dragon_policy_gpus(runtime, &list, &count, NULL), DRAGON_OK);
    cr_assert_eq(count, 2);
    cr_expect_str_eq(list[1]->policy.hosts[0], "1");
    cr_expect_str_eq(list[1]->policy.gpu_lists[0], "0");
    dragon_policy_free_list(list, count);
    agent_finish(&the, runtime);
    runtime = agent_create(&the, show_system);
    cr_assert_eq(dragon_policy_hosts(runtime, &list, &count, NULL), DRAGON_OK);
    cr_assert_eq(count, AGENT_NODES);
    cr_expect_str_eq(list[0]->policy.hosts[0], "0");
    cr_expect_null(list[0]->policy.gpu_lists);
    dragon_policy_free_list(list, count);
    agent_finish(&the, runtime);
}

static void show_half(struct agent *agent)
{
    struct pack body = begin_answer(take_query(agent, QUERY_SYSTEM, 0), DRAGON_OK);
    pack_u32(&body, AGENT_NODES);
    node_record_pack(&body, agent->ledger, 0);
    agent_send(agent, GC_ANSWER, &body);
    agent_take_end(agent);
}

Test(client_watch, half_a_picture_is_none)
{
    dragon_system_t *system = NULL;
    dragon_runtime_t *runtime = agent_create(&the, show_half);
    cr_expect_eq(dragon_system_look(runtime, &system, NULL), DRAGON_ERR_PROTO);
    cr_expect_null(system);
    agent_finish(&the, runtime);
}
