/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A process group in which every process has a policy of its own: its node, its cores, its GPU. One
 * process for each GPU, with a share of its node's cores; where there are no GPUs, two on each node,
 * with half of the cores each. The program starts itself as these processes.
 *
 *     cc policies.c $(pkg-config --cflags --libs dragon) -o policies
 *
 * On a laptop, the second time as two nodes with two made-up GPUs each; then in a PBS job, and in one of
 * Slurm (jobs/policies.pbs and jobs/policies.slurm are complete scripts):
 *
 *     dragon-run ./policies
 *     dragon-run --test-hosts 2 --gpus nvidia:4 ./policies
 *     mpiexec -n 2 --map-by ppr:1:node --hostfile $PBS_NODEFILE dragon-run ./policies
 *     srun --mpi=pmix -N2 -n2 dragon-run ./policies
 */
#define _GNU_SOURCE /* sched_getaffinity */
#include <dragon/dragon.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void must(dragon_err_t err, const dragon_error_t *error)
{
    if (err == DRAGON_OK)
        return;
    fprintf(stderr, "policies: %s\n", error ? error->text : dragon_err_text(err));
    exit(1); /* what was started ends with this process */
}

/* One process of the group: who it is, and what it was given. */
static int be_a_process(void)
{
    static const char *const masks[] = {"CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
                                        "ZE_AFFINITY_MASK"};
    const char *rank = getenv("DRAGON_RANK"), *cores = getenv("DRAGON_CORES");
    char host[256] = "";
    cpu_set_t threads;
    CPU_ZERO(&threads);
    sched_getaffinity(0, sizeof threads, &threads);
    gethostname(host, sizeof host - 1);
    printf("rank %s on %s: cores %s, may use %d hardware threads", rank ? rank : "?", host,
           cores ? cores : "?", CPU_COUNT(&threads));
    for (int i = 0; i < 3; i++)
        if (getenv(masks[i]))
            printf(", %s=%s", masks[i], getenv(masks[i]));
    putchar('\n');
    return 0;
}

static void add_process(dragon_group_t *group, char *program, const dragon_policy_t *policy)
{
    char as_process[] = "process", *argv[] = {program, as_process, NULL};
    dragon_template_t *process;
    dragon_error_t error;
    must(dragon_template_create(argv, &process, &error), &error);
    must(dragon_template_set_policy(process, policy), NULL);
    must(dragon_group_add(group, process, 1, &error), &error);
    dragon_template_destroy(process);
}

/* The policies are there, with node and GPU; what is left to say is how many cores. */
static void add_one_per_gpu(dragon_group_t *group, char *program, const dragon_system_t *system,
                            dragon_policy_t **policies, size_t count)
{
    uint32_t cores = UINT32_MAX;
    for (uint32_t i = 0; i < dragon_system_nodes(system); i++) {
        const dragon_node_t *node = dragon_system_node(system, i);
        if (node->gpus > 0 && node->cores / node->gpus < cores)
            cores = node->cores / node->gpus;
    }
    for (size_t i = 0; i < count; i++) {
        must(dragon_policy_set_cores(policies[i], cores > 0 ? cores : 1), NULL);
        add_process(group, program, policies[i]);
    }
}

/* The same by hand: cores are numbered from 0 on each node, and given as a list. */
static void add_two_per_node(dragon_group_t *group, char *program, const dragon_system_t *system,
                             dragon_policy_t **policies, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t cores = dragon_system_node(system, (uint32_t)i)->cores, parts = cores > 1 ? 2 : 1;
        for (uint32_t part = 0; part < parts; part++) {
            char list[32];
            snprintf(list, sizeof list, "%u-%u", cores * part / parts,
                     cores * (part + 1) / parts - 1);
            must(dragon_policy_set_core_list(policies[i], list), NULL);
            add_process(group, program, policies[i]);
        }
    }
}

static void print_places(const dragon_group_t *group, const dragon_system_t *system)
{
    static const char *const bound_to[] = {"", "nothing", "core", "l3", "numa", "socket"};
    printf("%4s  %-16s %-10s %-6s %s\n", "rank", "node", "cores", "gpus", "bound to");
    for (uint32_t rank = 0; rank < dragon_group_size(group); rank++) {
        dragon_rank_place_t place;
        must(dragon_group_rank_place(group, rank, &place), NULL);
        printf("%4u  %-16s %-10s %-6s %s%s\n", rank, dragon_system_node(system, place.node)->name,
               place.cores, place.gpus[0] ? place.gpus : "-", bound_to[place.bind],
               place.shared ? ", shared" : "");
    }
    fflush(stdout); /* before what the processes write */
}

int main(int argc, char **argv)
{
    dragon_runtime_t *runtime;
    dragon_system_t *system;
    dragon_group_t *group;
    dragon_policy_t **policies;
    dragon_error_t error;
    size_t count;

    if (argc > 1)
        return be_a_process();
    must(dragon_runtime_attach(&runtime, &error), &error);
    must(dragon_system_look(runtime, &system, &error), &error);
    must(dragon_group_create(runtime, &group, &error), &error);
    must(dragon_policy_gpus(runtime, &policies, &count, &error), &error);
    if (count > 0) {
        add_one_per_gpu(group, argv[0], system, policies, count);
    } else {
        must(dragon_policy_hosts(runtime, &policies, &count, &error), &error);
        add_two_per_node(group, argv[0], system, policies, count);
    }
    dragon_policy_free_list(policies, count);

    must(dragon_group_set_full(group, DRAGON_FULL_SHARE, 0), NULL); /* more GPUs than cores */
    must(dragon_group_start(group, &error), &error);
    print_places(group, system);
    must(dragon_group_wait(group, DRAGON_FOREVER), NULL);
    int code = dragon_group_exit_code(group);
    if (code != 0)
        fprintf(stderr, "policies: %s\n", dragon_group_cause(group));
    dragon_group_destroy(group);
    dragon_system_destroy(system);
    dragon_runtime_detach(runtime);
    return code;
}
