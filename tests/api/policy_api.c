// SPDX-License-Identifier: BSD-3-Clause
//
// Policies: what they refuse, what they do, how they win over each other. Each node of the runtime has eight
// cores and two AMD GPUs; there are two nodes or more.
#include "tap.h"

static dragon_policy_t *make_policy(void)
{
    dragon_policy_t *policy = NULL;
    if (dragon_policy_create(&policy) != DRAGON_OK)
        exit(1);
    return policy;
}

static void check_setters(void)
{
    dragon_policy_t *policy = make_policy(), *copy = NULL;
    tap_err(dragon_policy_set_hosts(policy, "a,,b"), DRAGON_ERR_INVAL, "a host without a name");
    tap_err(dragon_policy_set_map(policy, (dragon_map_t)9), DRAGON_ERR_INVAL, "map 9");
    tap_err(dragon_policy_set_bind(policy, (dragon_bind_t)9), DRAGON_ERR_INVAL, "bind 9");
    tap_err(dragon_policy_set_core_list(policy, "0-"), DRAGON_ERR_INVAL, "cores 0-");
    tap_err(dragon_policy_set_core_list(policy, "3-1"), DRAGON_ERR_INVAL, "cores 3-1");
    tap_err(dragon_policy_set_core_list(policy, "1,1"), DRAGON_ERR_INVAL, "a core twice");
    tap_err(dragon_policy_set_gpu_list(policy, "0.x"), DRAGON_ERR_INVAL, "GPU 0.x");
    tap_err(dragon_policy_set_gpus(policy, -5), DRAGON_ERR_INVAL, "-5 GPUs");
    tap_err(dragon_policy_set_env(policy, "A=", "x"), DRAGON_ERR_INVAL, "a variable with =");
    tap_err(dragon_policy_set_cores(policy, UINT32_MAX), DRAGON_ERR_INVAL, "4 milliards of cores");
    tap_err(dragon_policy_copy(policy, &copy), DRAGON_OK, "a copy");
    dragon_policy_destroy(copy);
    dragon_policy_destroy(policy);
    dragon_policy_destroy(NULL);
}

// How the start of a group of two ranks with this policy fails.
static void fails(dragon_runtime_t *runtime, dragon_policy_t *policy, const char *part,
                  const char *what)
{
    dragon_error_t error;
    dragon_group_t *group = tap_shell(runtime, "true", 2);
    dragon_group_set_policy(group, policy);
    dragon_group_set_full(group, DRAGON_FULL_FAIL, 0);
    tap_err(dragon_group_start(group, &error), DRAGON_ERR_INVAL, what);
    tap_has(error.text, part, "the text says what");
    tap_err(dragon_group_plan(group, &error), DRAGON_ERR_STATE, "a plan is for before the start");
    dragon_group_destroy(group);
    dragon_policy_destroy(policy);
}

static void check_impossible(dragon_runtime_t *runtime)
{
    dragon_policy_t *policy = make_policy();
    dragon_policy_set_hosts(policy, "no-such-host");
    fails(runtime, policy, "no-such-host", "a host that is not there");
    policy = make_policy();
    dragon_policy_set_hosts(policy, "4711");
    fails(runtime, policy, "4711", "a node that is not there");
    policy = make_policy();
    dragon_policy_set_cores(policy, 9);
    fails(runtime, policy, "9", "more cores than a node has");
    policy = make_policy();
    dragon_policy_set_core_list(policy, "7,8");
    fails(runtime, policy, "8", "a core that is not there");
    policy = make_policy();
    dragon_policy_set_gpus(policy, 3);
    fails(runtime, policy, "3", "more GPUs than a node has");
    policy = make_policy();
    dragon_policy_set_gpu_list(policy, "2");
    fails(runtime, policy, "2", "a GPU that is not there");
}

static void places_are(dragon_group_t *group, uint32_t rank, uint32_t node, const char *cores,
                       const char *gpus, const char *what)
{
    dragon_rank_place_t place;
    dragon_err_t err = dragon_group_rank_place(group, rank, &place);
    bool good = err == DRAGON_OK && place.node == node && strcmp(place.cores, cores) == 0 &&
                strcmp(place.gpus, gpus) == 0;
    tap_check(good, "%s: rank %u", what, rank);
    if (err == DRAGON_OK && !good)
        printf("# node %u, cores %s, GPUs %s\n", place.node, place.cores, place.gpus);
}

static void check_plans(dragon_runtime_t *runtime)
{
    dragon_error_t error;
    dragon_group_t *group = tap_shell(runtime, "true", 4);
    dragon_policy_t *policy = make_policy();
    dragon_policy_set_cores(policy, 2);
    dragon_policy_set_map(policy, DRAGON_MAP_CYCLIC);
    dragon_group_set_policy(group, policy);
    tap_err(dragon_group_plan(group, &error), DRAGON_OK, "a plan");
    tap_equal(dragon_group_state(group), DRAGON_GROUP_NEW, "starts nothing");
    tap_equal(dragon_group_size(group), 4, "has a size");
    if (dragon_runtime_nodes(runtime) == 2) {
        places_are(group, 0, 0, "0-1", "", "round-robin");
        places_are(group, 1, 1, "0-1", "", "round-robin");
        places_are(group, 3, 1, "2-3", "", "round-robin");
    }
    dragon_policy_set_map(policy, DRAGON_MAP_BLOCK);
    dragon_policy_set_hosts(policy, "1,0");
    dragon_policy_set_ppn(policy, 3);
    dragon_group_set_policy(group, policy);
    tap_equal(dragon_group_size(group), 0, "another policy: no plan any more");
    tap_err(dragon_group_plan(group, &error), DRAGON_OK, "by blocks, the nodes in another order");
    places_are(group, 2, 1, "4-5", "", "block");
    places_are(group, 3, 0, "0-1", "", "block");
    dragon_policy_set_core_list(policy, "6:4-5");
    dragon_policy_set_cores(policy, 0);
    dragon_group_set_policy(group, policy);
    tap_err(dragon_group_plan(group, &error), DRAGON_OK, "explicit cores");
    places_are(group, 0, 1, "6", "", "explicit");
    places_are(group, 1, 1, "4-5", "", "explicit");
    dragon_policy_destroy(policy);
    dragon_group_destroy(group);
}

static void check_gpus(dragon_runtime_t *runtime)
{
    char text[100];
    dragon_group_t *group = tap_group(runtime);
    dragon_template_t *one = tap_template("echo gpu ${ROCR_VISIBLE_DEVICES-unset}");
    dragon_template_t *none = tap_template("echo gpu ${ROCR_VISIBLE_DEVICES-unset}");
    dragon_policy_t *policy = make_policy();
    dragon_policy_set_hosts(policy, "0");
    dragon_policy_set_gpus(policy, 1);
    dragon_template_set_policy(one, policy);
    dragon_policy_set_gpus(policy, 0);
    dragon_template_set_policy(none, policy);
    dragon_template_set_output(one, DRAGON_STREAM_PIPE);
    dragon_template_set_output(none, DRAGON_STREAM_PIPE);
    tap_add(group, one, 2);
    tap_add(group, none, 1);
    tap_start(group);
    tap_collect(group, 1, DRAGON_STDOUT, text, sizeof text);
    tap_check(strcmp(text, "gpu 1\n") == 0, "the second rank sees the second GPU: %s", text);
    dragon_group_wait(group, TAP_WAIT_MS);
    tap_start(group);
    tap_collect(group, 2, DRAGON_STDOUT, text, sizeof text);
    tap_check(strncmp(text, "gpu", 3) == 0 && !strpbrk(text, "01"), "one of none sees none: %s",
              text);
    dragon_group_wait(group, TAP_WAIT_MS);
    dragon_template_destroy(one);
    dragon_template_destroy(none);
    dragon_policy_destroy(policy);
    dragon_group_destroy(group);
}

static void check_stack(dragon_runtime_t *runtime)
{
    dragon_error_t error;
    dragon_rank_place_t place;
    dragon_policy_t *outer = make_policy(), *inner = make_policy(), *own = make_policy();
    dragon_policy_set_hosts(outer, "1");
    dragon_policy_set_cores(outer, 2);
    dragon_policy_set_cores(inner, 3);
    dragon_policy_set_cores(own, 4);
    tap_err(dragon_policy_push(runtime, outer), DRAGON_OK, "push");
    tap_err(dragon_policy_push(runtime, inner), DRAGON_OK, "push another");
    dragon_policy_destroy(outer);
    dragon_policy_destroy(inner);
    dragon_group_t *group = tap_shell(runtime, "true", 1);
    dragon_group_plan(group, &error);
    places_are(group, 0, 1, "0-2", "", "the innermost wins, the outer fills in");
    dragon_group_set_policy(group, own);
    dragon_group_plan(group, &error);
    places_are(group, 0, 1, "0-3", "", "the group's own wins");
    dragon_group_set_policy(group, NULL);
    dragon_policy_pop(runtime);
    dragon_group_plan(group, &error);
    places_are(group, 0, 1, "0-1", "", "popped");
    tap_err(dragon_policy_pop(runtime), DRAGON_OK, "pop");
    tap_err(dragon_policy_pop(runtime), DRAGON_ERR_STATE, "pop of nothing");
    dragon_group_plan(group, &error);
    tap_check(dragon_group_rank_place(group, 0, &place) == DRAGON_OK && place.node == 0,
              "without defaults it goes to the first node");
    dragon_policy_destroy(own);
    dragon_group_destroy(group);
}

// One process for each GPU and each node, as the lists have them.
static void check_lists(dragon_runtime_t *runtime)
{
    dragon_error_t error;
    dragon_policy_t **list = NULL;
    size_t count = 0;
    uint32_t nodes = dragon_runtime_nodes(runtime);
    char name[] = "true";
    char *argv[] = {name, NULL};
    bool good = true;
    tap_err(dragon_policy_gpus(runtime, &list, &count, &error), DRAGON_OK, "a policy for each GPU");
    tap_equal((long)count, 2L * nodes, "two for each node");
    for (size_t i = 0; i < count; i++) {
        dragon_group_t *group = NULL;
        dragon_rank_place_t place;
        good = good &&
               dragon_group_start_process(runtime, argv, list[i], &group, &error) == DRAGON_OK &&
               dragon_group_rank_place(group, 0, &place) == DRAGON_OK && place.node == i / 2 &&
               place.gpus[0] == (char)('0' + i % 2) && !place.gpus[1] &&
               dragon_group_wait(group, TAP_WAIT_MS) == DRAGON_OK;
        dragon_group_destroy(group);
    }
    tap_check(good, "each leads to its GPU");
    dragon_policy_free_list(list, count);
    tap_err(dragon_policy_hosts(runtime, &list, &count, &error), DRAGON_OK,
            "a policy for each node");
    tap_equal((long)count, nodes, "one for each");
    for (size_t i = 0; i < count; i++) {
        dragon_group_t *group = NULL;
        dragon_rank_place_t place;
        good = good &&
               dragon_group_start_process(runtime, argv, list[i], &group, &error) == DRAGON_OK &&
               dragon_group_rank_place(group, 0, &place) == DRAGON_OK && place.node == i &&
               dragon_group_wait(group, TAP_WAIT_MS) == DRAGON_OK;
        dragon_group_destroy(group);
    }
    tap_check(good, "each leads to its node");
    dragon_policy_free_list(list, count);
    dragon_policy_free_list(NULL, 0);
}

int main(void)
{
    dragon_runtime_t *runtime = tap_attach();
    check_setters();
    check_impossible(runtime);
    check_plans(runtime);
    check_gpus(runtime);
    check_stack(runtime);
    check_lists(runtime);
    dragon_runtime_detach(runtime);
    return tap_finish();
}
