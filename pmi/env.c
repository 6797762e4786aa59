// SPDX-License-Identifier: BSD-3-Clause
//
// The environment of a rank: see env.h. What the launchers leave was found by running `env` under
// them; what Open MPI needs, by leaving variables out. Values are not looked at: a variable is the
// launcher's or the user's by its name alone.
#include "config.h"

#include "pmi/env.h"

enum match { EXACT, PREFIX };

struct name_rule {
    const char *text;
    enum match match;
    bool keep; // the first rule that matches decides, so exceptions stand before what they except
};

static const struct name_rule the_removals[] = {
    // ORTE (mpiexec of Open MPI 4): OMPI_MCA_ is the user's but for these
    {"OMPI_MCA_orte_", PREFIX, false},
    {"OMPI_MCA_ess", EXACT, false},
    {"OMPI_MCA_ess_", PREFIX, false},
    {"OMPI_MCA_pmix", EXACT, false},
    {"OMPI_MCA_initial_wdir", EXACT, false},
    {"OMPI_MCA_mpi_oversubscribe", EXACT, false},
    {"OMPI_MCA_rmaps_", PREFIX, false},
    {"OMPI_MCA_shmem_RUNTIME_QUERY_hint", EXACT, false},
    {"OMPI_COMM_WORLD_", PREFIX, false},
    {"OMPI_APP_CTX_NUM_PROCS", EXACT, false},
    {"OMPI_ARGV", EXACT, false},
    {"OMPI_COMMAND", EXACT, false},
    {"OMPI_FILE_LOCATION", EXACT, false},
    {"OMPI_FIRST_RANKS", EXACT, false},
    {"OMPI_NUM_APP_CTX", EXACT, false},
    {"OMPI_PARENT_PORT", EXACT, false},
    {"OMPI_UNIVERSE_SIZE", EXACT, false},
    // PMIx: its MCA settings are the user's but for the one that ORTE passes on
    {"PMIX_MCA_mca_base_component_show_load_errors", EXACT, false},
    {"PMIX_MCA_", PREFIX, true},
    {"PMIX_INSTALL_PREFIX", EXACT, true},
    {"PMIX_", PREFIX, false},
    {"PRTE_MCA_", PREFIX, true},
    {"PRTE_", PREFIX, false},
    // hydra (mpiexec of MPICH): MPIR_CVAR_ is the user's but for the one that hydra sets
    {"MPIR_CVAR_CH3_INTERFACE_HOSTNAME", EXACT, false},
    {"MPIR_CVAR_", PREFIX, true},
    {"MPIR_", PREFIX, false},
    {"MPI_LOCALNRANKS", EXACT, false},
    {"MPI_LOCALRANKID", EXACT, false},
    {"HYD_", PREFIX, false},
    {"HYDI_", PREFIX, false},
    {"HYDRA_", PREFIX, false},
    {"PMI_", PREFIX, false},
    // srun: what belongs to a step or a task; what belongs to the job stays
    {"SLURM_PMI", PREFIX, false},
    {"SLURM_STEP", PREFIX, false},
    {"SLURM_PROCID", EXACT, false},
    {"SLURM_LOCALID", EXACT, false},
    {"SLURM_NODEID", EXACT, false},
    {"SLURM_GTIDS", EXACT, false},
    {"SLURM_TASK_PID", EXACT, false},
    {"SLURM_CPU_BIND", PREFIX, false},
    {"SLURM_MPI_TYPE", EXACT, false},
    {"SLURM_LAUNCH_NODE_IPADDR", EXACT, false},
    {"SLURM_SRUN_COMM_HOST", EXACT, false},
    {"SLURM_SRUN_COMM_PORT", EXACT, false},
    // PALS, jsrun, Flux
    {"PALS_", PREFIX, false},
    {"JSM_", PREFIX, false},
    {"FLUX_JOB_ID", EXACT, false}, // Open MPI would add its Flux component to the race
    {"FLUX_PMI_", PREFIX, false},
    {"FLUX_TASK_", PREFIX, false},
};

static bool rule_matches(const struct name_rule *rule, const char *entry)
{
    size_t length = strlen(rule->text);
    return strncmp(entry, rule->text, length) == 0 &&
           (rule->match == PREFIX || entry[length] == '=');
}

static bool is_launchers(const char *entry)
{
    for (size_t i = 0; i < sizeof the_removals / sizeof *the_removals; i++)
        if (rule_matches(&the_removals[i], entry))
            return !the_removals[i].keep;
    return false;
}

void pmi_env_clean(char **env)
{
    char **to = env;
    for (char **from = env; *from; from++) {
        if (is_launchers(*from))
            free(*from);
        else
            *to++ = *from;
    }
    *to = NULL;
}

struct facts {
    const struct pmi_map *map;
    const struct pmi_env_rank *rank;
    uint32_t local_rank;
    uint32_t local_size;
};

static bool with_shm_dir(const struct facts *facts)
{
    return facts->rank->shm_dir != NULL;
}

static bool when_oversubscribed(const struct facts *facts)
{
    return facts->rank->yield;
}

static bool over_hosts(const struct facts *facts)
{
    return facts->map->nodes > 1;
}

static bool with_pmi_fd(const struct facts *facts)
{
    return facts->rank->pmi_fd >= 0;
}

static bool set_one(char ***env, const char *name, const struct facts *facts)
{
    (void)facts;
    return env_set(env, name, "1");
}

static bool set_shm_dir(char ***env, const char *name, const struct facts *facts)
{
    return env_set(env, name, facts->rank->shm_dir);
}

static bool set_size(char ***env, const char *name, const struct facts *facts)
{
    return env_setf(env, name, "%u", facts->map->size);
}

static bool set_rank(char ***env, const char *name, const struct facts *facts)
{
    return env_setf(env, name, "%u", facts->rank->rank);
}

static bool set_local_rank(char ***env, const char *name, const struct facts *facts)
{
    return env_setf(env, name, "%u", facts->local_rank);
}

static bool set_local_size(char ***env, const char *name, const struct facts *facts)
{
    return env_setf(env, name, "%u", facts->local_size);
}

static bool set_osc(char ***env, const char *name, const struct facts *facts)
{
    (void)facts;
    return env_set(env, name, "^ucx");
}

static bool set_pmi_fd(char ***env, const char *name, const struct facts *facts)
{
    return env_setf(env, name, "%d", facts->rank->pmi_fd);
}

static const struct set_row {
    const char *name;
    bool (*when)(const struct facts *facts); // NULL: always
    bool (*set)(char ***env, const char *name, const struct facts *facts);
    bool users; // what is there already stays
} the_settings[] = {
    // Without it Open MPI 4 takes every rank for a world of its own, and says nothing.
    {"JSM_JSRUN_PORT", NULL, set_one, false},
    // The files there are named by host, user and local rank: agents that share a host must differ.
    {"OMPI_MCA_btl_vader_backing_directory", with_shm_dir, set_shm_dir, true},
    {"OMPI_MCA_osc_sm_backing_directory", with_shm_dir, set_shm_dir, true},
    {"OMPI_MCA_osc_rdma_backing_directory", with_shm_dir, set_shm_dir, true},
    // Ranks spin: ten times slower without when they share cores.
    {"OMPI_MCA_mpi_yield_when_idle", when_oversubscribed, set_one, true},
    // Debian's default excludes pt2pt, which is all that has one-sided over TCP.
    {"OMPI_MCA_osc", over_hosts, set_osc, true},
    // For scripts that read them.
    {"OMPI_MCA_orte_ess_num_procs", NULL, set_size, false},
    {"OMPI_COMM_WORLD_SIZE", NULL, set_size, false},
    {"OMPI_COMM_WORLD_RANK", NULL, set_rank, false},
    {"OMPI_COMM_WORLD_LOCAL_RANK", NULL, set_local_rank, false},
    {"OMPI_COMM_WORLD_LOCAL_SIZE", NULL, set_local_size, false},
    {"OMPI_COMM_WORLD_NODE_RANK", NULL, set_local_rank, false},
    {"OMPI_UNIVERSE_SIZE", NULL, set_size, false},
    // PMI-1: MPICH and its family.
    {"PMI_FD", with_pmi_fd, set_pmi_fd, false},
    {"PMI_RANK", with_pmi_fd, set_rank, false},
    {"PMI_SIZE", with_pmi_fd, set_size, false},
};

enum { SETTINGS = sizeof the_settings / sizeof *the_settings };

bool pmi_env_set(char ***env, const struct pmi_map *map, const struct pmi_env_rank *rank)
{
    struct facts facts = {
        .map = map,
        .rank = rank,
        .local_rank = pmi_map_local_rank(map, rank->rank),
        .local_size = pmi_map_local_size(map, map->here),
    };
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct set_row *row = &the_settings[i];
        if ((row->when && !row->when(&facts)) || (row->users && env_get(*env, row->name)))
            continue;
        if (!row->set(env, row->name, &facts))
            return false;
    }
    return true;
}

const char *const *pmi_env_names(void)
{
    static const char *names[SETTINGS + 1];
    for (size_t i = 0; i < SETTINGS; i++)
        names[i] = the_settings[i].name;
    return names;
}
