// SPDX-License-Identifier: BSD-3-Clause
//
// The pool of the library: how many workers on which nodes, with what. Tasks that ask for cores or GPUs have workers that
// own them; others share what there is, as commands that a user starts by hand do.
#include "config.h"

#include "cli/pool.h"

struct crew {
    const struct pool_call *call;     // borrowed
    const dragon_system_t *system;    // borrowed
    uint64_t total;                   // tasks; 0: not known
    dragon_policy_t *policy;          // owned
    dragon_policy_t **list;           // owned: one for each node
    const dragon_policy_t **repeated; // owned: each as often as it has workers
    dragon_pool_spec_t spec;
    uint32_t slots;
};

static dragon_err_t make_policy(const struct pool_call *call, dragon_policy_t **policy_out)
{
    dragon_err_t err = dragon_policy_create(policy_out);
    if (err == DRAGON_OK && call->hosts)
        err = dragon_policy_set_hosts(*policy_out, call->hosts);
    if (err == DRAGON_OK && call->cores)
        err = dragon_policy_set_cores(*policy_out, call->cores);
    if (err == DRAGON_OK && call->gpus >= 0)
        err = dragon_policy_set_gpus(*policy_out, call->gpus);
    return err;
}

// How many tasks a node takes at a time.
static uint32_t on_node(const struct pool_call *call, const dragon_node_t *node)
{
    if (call->jobs.kind != JOBS_AUTO || (!call->cores && call->gpus <= 0))
        return pool_jobs_on(&call->jobs, node->cores);
    uint32_t count = node->cores / (call->cores ? call->cores : 1);
    if (call->gpus > 0 && node->gpus / (uint32_t)call->gpus < count)
        count = node->gpus / (uint32_t)call->gpus;
    return count;
}

static uint64_t on_all(const struct crew *crew)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < dragon_system_nodes(crew->system); i++)
        count += on_node(crew->call, dragon_system_node(crew->system, i));
    return count;
}

static bool is_same_everywhere(const struct crew *crew)
{
    uint32_t first = on_node(crew->call, dragon_system_node(crew->system, 0));
    for (uint32_t i = 1; i < dragon_system_nodes(crew->system); i++)
        if (on_node(crew->call, dragon_system_node(crew->system, i)) != first)
            return false;
    return true;
}

// Nodes that differ each get what is theirs.
static dragon_err_t list_nodes(struct crew *crew, dragon_error_t *error)
{
    uint32_t nodes = dragon_system_nodes(crew->system);
    uint64_t all = on_all(crew);
    char number[16];
    if (crew->call->hosts)
        return err_set(
            error, DRAGON_ERR_INVAL,
            "nodes have different numbers of cores: with --host give --jobs as a number");
    crew->list = calloc(nodes + 1, sizeof(dragon_policy_t *));
    crew->repeated = calloc(all, sizeof(dragon_policy_t *));
    if (!crew->list || !crew->repeated)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    for (uint32_t i = 0; i < nodes; i++) {
        const dragon_node_t *node = dragon_system_node(crew->system, i);
        dragon_err_t err = make_policy(crew->call, &crew->list[i]);
        snprintf(number, sizeof number, "%u", node->number);
        if (err == DRAGON_OK)
            err = dragon_policy_set_hosts(crew->list[i], number);
        if (err != DRAGON_OK)
            return err_set(error, err, "the workers' policy: %s", dragon_err_text(err));
        for (uint32_t k = on_node(crew->call, node); k > 0; k--)
            crew->repeated[crew->spec.policy_count++] = crew->list[i];
    }
    crew->spec.policies = crew->repeated;
    return DRAGON_OK;
}

// No more workers than there are tasks; one on each node, then a second one, and so on.
static dragon_err_t use_few(struct crew *crew)
{
    crew->spec.workers = (uint32_t)crew->total;
    return dragon_policy_set_map(crew->policy, DRAGON_MAP_CYCLIC);
}

static dragon_err_t choose(struct crew *crew, dragon_error_t *error)
{
    const struct pool_call *call = crew->call;
    dragon_err_t err;
    if (call->mpi_ranks) {
        uint64_t cores = 0, each = (uint64_t)call->mpi_ranks * (call->cores ? call->cores : 1);
        for (uint32_t i = 0; i < dragon_system_nodes(crew->system); i++)
            cores += dragon_system_node(crew->system, i)->cores;
        // One more waits for room, so that none stays empty.
        crew->slots = call->jobs.kind == JOBS_NUMBER ? (uint32_t)call->jobs.number
                                                     : (uint32_t)(cores / each) + 1;
        crew->spec.argv = DRAGON_POOL_MPI;
        return DRAGON_OK;
    }
    if ((err = make_policy(call, &crew->policy)) != DRAGON_OK)
        return err_set(error, err, "the workers' policy: %s", dragon_err_text(err));
    crew->spec.policy = crew->policy;
    if (crew->total && crew->total < on_all(crew))
        return use_few(crew);
    if (call->jobs.kind == JOBS_AUTO)
        return DRAGON_OK; // the library's own choice
    if (call->jobs.kind != JOBS_NUMBER && !is_same_everywhere(crew)) {
        crew->spec.policy = NULL;
        return list_nodes(crew, error);
    }
    crew->spec.workers_per_node = on_node(call, dragon_system_node(crew->system, 0));
    return DRAGON_OK;
}

static void crew_fini(struct crew *crew)
{
    for (uint32_t i = 0; crew->list && crew->list[i]; i++)
        dragon_policy_destroy(crew->list[i]);
    free(crew->list);
    free(crew->repeated);
    dragon_policy_destroy(crew->policy);
}

dragon_err_t pool_crew_start(const struct pool_call *call, dragon_runtime_t *runtime,
                             const dragon_system_t *system, uint64_t total,
                             dragon_pool_t **pool_out, uint32_t *slots_out, dragon_error_t *error)
{
    struct crew crew = {
        .call = call, .system = system, .total = total, .spec = DRAGON_POOL_SPEC_INIT};
    dragon_pool_stats_t stats;
    crew.spec.argv = DRAGON_POOL_COMMANDS;
    crew.spec.name = "dragon-pool";
    // That a worker was lost is no fault of its task.
    crew.spec.retries = call->tries > 1 ? call->tries - 1 : 1;
    dragon_err_t err = choose(&crew, error);
    if (err == DRAGON_OK)
        err = dragon_pool_create(runtime, &crew.spec, pool_out, error);
    if (err == DRAGON_OK) {
        dragon_pool_stats(*pool_out, &stats);
        *slots_out = crew.slots ? crew.slots : stats.workers + stats.coming;
    }
    crew_fini(&crew);
    return err;
}
