// SPDX-License-Identifier: BSD-3-Clause
//
// Pictures of the system: nodes with what they have and what is free, groups with their ranks. Each node of the
// runtime has eight cores in two NUMA nodes and two AMD GPUs.
#include "tap.h"

enum { CORES = 8, GPUS = 2 };

static dragon_system_t *look(dragon_runtime_t *runtime)
{
    dragon_system_t *system = NULL;
    dragon_error_t error;
    if (dragon_system_look(runtime, &system, &error) != DRAGON_OK) {
        printf("Bail out! no picture: %s\n", error.text);
        exit(1);
    }
    return system;
}

static uint32_t all_free(dragon_runtime_t *runtime, bool gpus)
{
    dragon_system_t *system = look(runtime);
    uint32_t count = 0;
    for (uint32_t i = 0; i < dragon_system_nodes(system); i++)
        count += gpus ? dragon_system_node(system, i)->free_gpus
                      : dragon_system_node(system, i)->free_cores;
    dragon_system_destroy(system);
    return count;
}

static void check_nodes(dragon_runtime_t *runtime)
{
    dragon_system_t *system = look(runtime);
    bool good = true;
    tap_equal(dragon_system_nodes(system), dragon_runtime_nodes(runtime), "all nodes are there");
    for (uint32_t i = 0; i < dragon_system_nodes(system); i++) {
        const dragon_node_t *node = dragon_system_node(system, i);
        good = good && node->number == i && *node->name && *node->host && node->memory_bytes > 0;
        good = good && node->cores == CORES && node->free_cores == CORES && node->numa == 2;
        good = good && node->gpus == GPUS && node->free_gpus == GPUS;
        for (uint32_t k = 0; good && k < node->cores; k++)
            good =
                node->core[k].numa == k / 4 && node->core[k].users == 0 && *node->core[k].threads;
        for (uint32_t k = 0; good && k < node->gpus; k++)
            good = strcmp(node->gpu[k].vendor, "amd") == 0 && node->gpu[k].tiles >= 1 &&
                   strcmp(node->gpu[k].variable, "ROCR_VISIBLE_DEVICES") == 0 &&
                   node->gpu[k].visible[0] == (char)('0' + k) && node->gpu[k].users == 0;
    }
    tap_check(good, "each is as it was declared, and free");
    const dragon_node_t *here = dragon_system_node(system, dragon_runtime_node(runtime));
    tap_check(strcmp(here->name, dragon_runtime_node_name(runtime)) == 0, "ours has our name");
    tap_check(dragon_system_node(system, dragon_system_nodes(system)) == NULL, "there is no other");
    tap_equal(dragon_system_groups(system), 0, "no groups yet");
    tap_check(dragon_system_group(system, 0) == NULL && dragon_system_rank(system, 0, 0) == NULL,
              "what is not there is NULL");
    dragon_system_destroy(system);
}

static void check_group(dragon_runtime_t *runtime)
{
    dragon_error_t error;
    dragon_policy_t *policy;
    dragon_rank_status_t status;
    uint32_t cores = all_free(runtime, false), gpus = all_free(runtime, true);
    dragon_group_t *group = tap_shell(runtime, "exec sleep 600", 2);
    dragon_policy_create(&policy);
    dragon_policy_set_cores(policy, 3);
    dragon_policy_set_gpus(policy, 1);
    dragon_policy_set_bind(policy, DRAGON_BIND_NONE);
    dragon_group_set_policy(group, policy);
    dragon_group_set_name(group, "the work");
    dragon_policy_destroy(policy);
    tap_start(group);
    tap_is_up(runtime, group, 0, &status);
    tap_is_up(runtime, group, 1, &status);
    dragon_system_t *system = look(runtime);
    tap_equal(dragon_system_groups(system), 1, "there is one group");
    const dragon_group_info_t *info = dragon_system_group(system, 0);
    tap_check(info->id == dragon_group_id(group) && info->ranks == 2 && info->running == 2 &&
                  info->state == DRAGON_GROUP_RUNNING && !info->pmi && !info->detached,
              "it runs with two ranks");
    tap_check(strcmp(info->name, "the work") == 0 && !*info->waits_for, "under its name");
    tap_check(strcmp(info->descriptor, dragon_group_descriptor(group)) == 0, "with its descriptor");
    tap_check(info->owner_pid == getpid() && info->owner_node == dragon_runtime_node(runtime) &&
                  info->age_ms < TAP_WAIT_MS,
              "we are its owner");
    dragon_rank_place_t place;
    bool good = true;
    for (uint32_t rank = 0; rank < 2; rank++) {
        const dragon_rank_info_t *seen = dragon_system_rank(system, 0, rank);
        dragon_group_rank_place(group, rank, &place);
        dragon_group_rank_status(group, rank, &status);
        good = good && seen && strcmp(seen->place.cores, place.cores) == 0 &&
               strcmp(seen->place.gpus, place.gpus) == 0 && seen->place.node == place.node &&
               seen->status.pid == status.pid && !seen->status.ended;
    }
    tap_check(good, "its ranks are where the group says");
    tap_check(dragon_system_rank(system, 0, 2) == NULL, "there is no third");
    dragon_system_destroy(system);
    tap_equal(all_free(runtime, false), cores - 6, "six cores are in use");
    tap_equal(all_free(runtime, true), gpus - 2, "and two GPUs");
    dragon_group_signal(group, 0, SIGKILL);
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    while ((dragon_group_rank_status(group, 0, &status) != DRAGON_OK || !status.ended) &&
           tap_now_ms() < deadline)
        dragon_runtime_progress(runtime, 50);
    tap_equal(all_free(runtime, false), cores - 3, "a killed rank has given back its cores");
    tap_equal(all_free(runtime, true), gpus - 1, "and its GPU");
    dragon_template_t *more = tap_template("exec sleep 600");
    tap_err(dragon_group_add(group, more, 1, &error), DRAGON_OK, "one is added");
    tap_equal(all_free(runtime, false), cores - 6, "which takes cores again");
    dragon_group_stop(group);
    dragon_group_wait(group, TAP_WAIT_MS);
    tap_equal(all_free(runtime, false), cores, "after the end all cores are free");
    tap_equal(all_free(runtime, true), gpus, "and all GPUs");
    dragon_template_destroy(more);
    dragon_group_destroy(group);
}

int main(void)
{
    dragon_runtime_t *runtime = tap_attach();
    tap_check(*dragon_runtime_identity(runtime) != 0, "the runtime has an identity");
    dragon_runtime_t *second = NULL;
    tap_err(dragon_runtime_attach_to(dragon_runtime_path(runtime), &second, NULL), DRAGON_OK,
            "attach by path");
    tap_check(strcmp(dragon_runtime_identity(second), dragon_runtime_identity(runtime)) == 0,
              "it is the same one");
    dragon_runtime_detach(second);
    tap_err(dragon_runtime_attach_to("", &second, NULL), DRAGON_ERR_INVAL, "attach to no path");
    check_nodes(runtime);
    check_group(runtime);
    dragon_runtime_detach(runtime);
    return tap_finish();
}
