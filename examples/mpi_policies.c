/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One MPI program whose ranks are not all alike: a group of two templates, each with its policy. Rank 0
 * ("writer") has one core of the first node and sees no GPU; the others ("worker") are spread over all nodes,
 * one for each GPU of a node or one a node, and share the cores. The exit code is the MPI program's.
 *
 *     cc mpi_policies.c $(pkg-config --cflags --libs dragon) -o mpi_policies
 *     mpicc mpi_hello.c -o mpi_hello
 *
 * On a laptop, the second time as two nodes with two made-up GPUs each; then in a PBS job, and in one of
 * Slurm (jobs/mpi_policies.pbs and jobs/mpi_policies.slurm are complete scripts):
 *
 *     dragon-run ./mpi_policies ./mpi_hello
 *     dragon-run --test-hosts 2 --gpus nvidia:4 ./mpi_policies ./mpi_hello
 *     mpiexec -n 2 --map-by ppr:1:node --hostfile $PBS_NODEFILE dragon-run ./mpi_policies ./mpi_hello
 *     srun --mpi=pmix -N2 -n2 dragon-run ./mpi_policies ./mpi_hello
 */
#include <dragon/dragon.h>
#include <stdio.h>
#include <stdlib.h>

static void must(dragon_err_t err, const dragon_error_t *error)
{
    if (err == DRAGON_OK)
        return;
    fprintf(stderr, "mpi_policies: %s\n", error ? error->text : dragon_err_text(err));
    exit(1); /* what was started ends with this process */
}

/* Adds ranks of the program with this policy, which is ended here. */
static void add_ranks(dragon_group_t *group, char *const argv[], dragon_policy_t *policy,
                      uint32_t ranks)
{
    dragon_template_t *program;
    dragon_error_t error;
    must(dragon_template_create(argv, &program, &error), &error);
    must(dragon_template_set_policy(program, policy), NULL);
    must(dragon_group_add(group, program, ranks, &error), &error);
    dragon_template_destroy(program);
    dragon_policy_destroy(policy);
}

static dragon_policy_t *policy_of_writer(const dragon_system_t *system)
{
    dragon_policy_t *policy;
    must(dragon_policy_create(&policy), NULL);
    must(dragon_policy_set_hosts(policy, dragon_system_node(system, 0)->name), NULL);
    must(dragon_policy_set_cores(policy, 1), NULL);
    must(dragon_policy_set_gpus(policy, 0), NULL); /* it sees none */
    must(dragon_policy_set_env(policy, "ROLE", "writer"), NULL);
    return policy;
}

/* What every node has is taken for what each has. */
static dragon_policy_t *policy_of_worker(const dragon_system_t *system, uint32_t *per_node_out)
{
    uint32_t cores = UINT32_MAX, gpus = UINT32_MAX;
    for (uint32_t i = 0; i < dragon_system_nodes(system); i++) {
        const dragon_node_t *node = dragon_system_node(system, i);
        cores = node->cores < cores ? node->cores : cores;
        gpus = node->gpus < gpus ? node->gpus : gpus;
    }
    uint32_t per_node = gpus > 0 ? gpus : 1;
    uint32_t each = (cores - 1) / per_node; /* the writer has one */

    dragon_policy_t *policy;
    must(dragon_policy_create(&policy), NULL);
    must(dragon_policy_set_map(policy, DRAGON_MAP_BLOCK), NULL);
    must(dragon_policy_set_ppn(policy, per_node), NULL);
    must(dragon_policy_set_cores(policy, each > 0 ? each : 1), NULL);
    must(dragon_policy_set_bind(policy, DRAGON_BIND_CORE), NULL);
    if (gpus > 0)
        must(dragon_policy_set_gpus(policy, 1), NULL); /* the one nearest to its cores */
    must(dragon_policy_set_env(policy, "ROLE", "worker"), NULL);
    *per_node_out = per_node;
    return policy;
}

static void print_places(const dragon_group_t *group, const dragon_system_t *system)
{
    printf("%4s  %-8s %-16s %-10s %s\n", "rank", "template", "node", "cores", "gpus");
    for (uint32_t rank = 0; rank < dragon_group_size(group); rank++) {
        dragon_rank_place_t place;
        must(dragon_group_rank_place(group, rank, &place), NULL);
        printf("%4u  %-8u %-16s %-10s %s\n", rank, place.process_template,
               dragon_system_node(system, place.node)->name, place.cores,
               place.gpus[0] ? place.gpus : "-");
    }
    fflush(stdout); /* before what the ranks write */
}

int main(int argc, char **argv)
{
    dragon_runtime_t *runtime;
    dragon_system_t *system;
    dragon_group_t *group;
    dragon_error_t error;
    uint32_t per_node;

    if (argc < 2) {
        fprintf(stderr, "usage: mpi_policies PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    must(dragon_runtime_attach(&runtime, &error), &error);
    must(dragon_system_look(runtime, &system, &error), &error);
    must(dragon_group_create(runtime, &group, &error), &error);
    must(dragon_group_set_pmi(group, 1), NULL);
    must(dragon_group_set_full(group, DRAGON_FULL_SHARE, 0), NULL); /* nodes of a single core */
    add_ranks(group, argv + 1, policy_of_writer(system), 1);
    dragon_policy_t *worker = policy_of_worker(system, &per_node);
    add_ranks(group, argv + 1, worker, per_node * dragon_system_nodes(system));

    must(dragon_group_start(group, &error), &error);
    print_places(group, system);
    must(dragon_group_wait(group, DRAGON_FOREVER), NULL);
    int code = dragon_group_exit_code(group);
    if (code != 0)
        fprintf(stderr, "mpi_policies: %s\n", dragon_group_cause(group));
    dragon_group_destroy(group);
    dragon_system_destroy(system);
    dragon_runtime_detach(runtime);
    return code;
}
