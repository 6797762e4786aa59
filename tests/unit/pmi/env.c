// SPDX-License-Identifier: BSD-3-Clause
//
// The environment of a rank: one row here for each row of the tables.
#include "config.h"

#include "pmi/env.h"

#include <criterion/criterion.h>

// True when a variable of this name is removed.
static bool removed(const char *name)
{
    char **env = NULL;
    env_set(&env, "BEFORE", "1");
    env_set(&env, name, "value");
    env_set(&env, "AFTER", "2");
    pmi_env_clean(env);
    bool gone = !env_get(env, name);
    cr_expect_eq(strv_count(env), gone ? 2 : 3);
    cr_expect_str_eq(env_get(env, "BEFORE"), "1");
    cr_expect_str_eq(env_get(env, "AFTER"), "2");
    strv_free(env);
    return gone;
}

Test(pmi_env, launchers_variables_are_removed)
{
    static const char *const names[] = {
        // as found under mpiexec of Open MPI 4.1.4
        "OMPI_APP_CTX_NUM_PROCS",
        "OMPI_COMMAND",
        "OMPI_ARGV",
        "OMPI_COMM_WORLD_LOCAL_RANK",
        "OMPI_COMM_WORLD_LOCAL_SIZE",
        "OMPI_COMM_WORLD_NODE_RANK",
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_FILE_LOCATION",
        "OMPI_FIRST_RANKS",
        "OMPI_MCA_ess",
        "OMPI_MCA_ess_base_jobid",
        "OMPI_MCA_ess_base_vpid",
        "OMPI_MCA_initial_wdir",
        "OMPI_MCA_mpi_oversubscribe",
        "OMPI_MCA_orte_app_num",
        "OMPI_MCA_orte_bound_at_launch",
        "OMPI_MCA_orte_ess_num_procs",
        "OMPI_MCA_orte_hnp_uri",
        "OMPI_MCA_orte_launch",
        "OMPI_MCA_orte_local_daemon_uri",
        "OMPI_MCA_orte_top_session_dir",
        "OMPI_MCA_pmix",
        "OMPI_MCA_rmaps_base_oversubscribe",
        "OMPI_MCA_rmaps_base_mapping_policy",
        "OMPI_MCA_shmem_RUNTIME_QUERY_hint",
        "OMPI_NUM_APP_CTX",
        "OMPI_PARENT_PORT",
        "OMPI_UNIVERSE_SIZE",
        "PMIX_BFROP_BUFFER_TYPE",
        "PMIX_DSTORE_21_BASE_PATH",
        "PMIX_GDS_MODULE",
        "PMIX_HOSTNAME",
        "PMIX_ID",
        "PMIX_MCA_mca_base_component_show_load_errors",
        "PMIX_NAMESPACE",
        "PMIX_RANK",
        "PMIX_SECURITY_MODE",
        "PMIX_SERVER_TMPDIR",
        "PMIX_SERVER_URI2",
        "PMIX_SERVER_URI41",
        "PMIX_SYSTEM_TMPDIR",
        "PMIX_VERSION",
        "PRTE_LAUNCHED",
        // as found under hydra of MPICH 4.0.2
        "HYDI_CONTROL_FD",
        "HYDRA_LAUNCHER",
        "HYD_PROXY_PORT",
        "MPIR_CVAR_CH3_INTERFACE_HOSTNAME",
        "MPIR_PROCTABLE",
        "MPI_LOCALNRANKS",
        "MPI_LOCALRANKID",
        "PMI_FD",
        "PMI_RANK",
        "PMI_SIZE",
        "PMI_PORT",
        "PMI_ID",
        "PMI_SPAWNED",
        // of a step of srun
        "SLURM_PMIXP_ABORT_AGENT_PORT",
        "SLURM_PMIX_MAPPING_SERV",
        "SLURM_PMI2_SRUN_PORT",
        "SLURM_STEP_ID",
        "SLURM_STEPID",
        "SLURM_STEP_NODELIST",
        "SLURM_PROCID",
        "SLURM_LOCALID",
        "SLURM_NODEID",
        "SLURM_GTIDS",
        "SLURM_TASK_PID",
        "SLURM_CPU_BIND",
        "SLURM_CPU_BIND_LIST",
        "SLURM_MPI_TYPE",
        "SLURM_LAUNCH_NODE_IPADDR",
        "SLURM_SRUN_COMM_HOST",
        "SLURM_SRUN_COMM_PORT",
        // others
        "PALS_APINFO",
        "JSM_JSRUN_PORT",
        "FLUX_JOB_ID",
        "FLUX_PMI_LIBRARY_PATH",
        "FLUX_TASK_RANK",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        cr_expect(removed(names[i]), "%s", names[i]);
}

Test(pmi_env, users_variables_stay)
{
    static const char *const names[] = {
        "PATH",
        "OMPI_MCA_pml",
        "OMPI_MCA_osc",
        "OMPI_MCA_btl_tcp_if_include",
        "OMPI_MCA_pmix_base_async_modex",
        "OMPI_MCA_mpi_yield_when_idle",
        "OMPI_MCA_essence",
        "OMPI_CC",
        "OMPI_MCA_btl_vader_backing_directory",
        "PMIX_MCA_gds",
        "PMIX_INSTALL_PREFIX",
        "PRTE_MCA_plm",
        "MPIR_CVAR_CH4_NETMOD",
        "MPICH_ENV_DISPLAY",
        "PMIXER",
        "PMI",
        "HYDROGEN",
        "SLURM_JOB_ID",
        "SLURM_JOB_NODELIST",
        "SLURM_NTASKS",
        "SLURM_PROCIDS",
        "FLUX_URI",
        "UCX_TLS",
        "OMP_NUM_THREADS",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        cr_expect_not(removed(names[i]), "%s", names[i]);
}

Test(pmi_env, clean_takes_neighbours_and_nothing)
{
    char **env = strv_alloc(0);
    pmi_env_clean(env);
    cr_expect_eq(strv_count(env), 0);
    strv_push(&env, "PMI_FD=3");
    strv_push(&env, "PMI_RANK=0");
    strv_push(&env, "no equals sign");
    strv_push(&env, "PMI_SIZE=1");
    pmi_env_clean(env);
    cr_expect_eq(strv_count(env), 1);
    strv_free(env);
}

static uint32_t the_nodes[] = {0, 0, 1, 1};
static char *the_names[] = {"h0", "h1", NULL};
static const struct pmi_map the_map = {
    .size = 4, .nodes = 2, .node_names = the_names, .node_of_rank = the_nodes, .here = 1};
static const struct pmi_env_rank the_rank = {
    .rank = 3, .shm_dir = "/shm/dir", .yield = true, .pmi_fd = 7};

static const struct {
    const char *name, *value;
} the_expected[] = {
    {"JSM_JSRUN_PORT", "1"},
    {"OMPI_MCA_btl_vader_backing_directory", "/shm/dir"},
    {"OMPI_MCA_osc_sm_backing_directory", "/shm/dir"},
    {"OMPI_MCA_osc_rdma_backing_directory", "/shm/dir"},
    {"OMPI_MCA_mpi_yield_when_idle", "1"},
    {"OMPI_MCA_osc", "^ucx"},
    {"OMPI_MCA_orte_ess_num_procs", "4"},
    {"OMPI_COMM_WORLD_SIZE", "4"},
    {"OMPI_COMM_WORLD_RANK", "3"},
    {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
    {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
    {"OMPI_COMM_WORLD_NODE_RANK", "1"},
    {"OMPI_UNIVERSE_SIZE", "4"},
    {"PMI_FD", "7"},
    {"PMI_RANK", "3"},
    {"PMI_SIZE", "4"},
};
enum { EXPECTED = sizeof the_expected / sizeof *the_expected };

Test(pmi_env, every_row_sets_its_variable)
{
    char **env = NULL;
    cr_assert(pmi_env_set(&env, &the_map, &the_rank));
    cr_expect_eq(strv_count(env), EXPECTED);
    for (size_t i = 0; i < EXPECTED; i++) {
        cr_expect_str_eq(pmi_env_names()[i], the_expected[i].name);
        const char *value = env_get(env, the_expected[i].name);
        cr_assert(value, "%s", the_expected[i].name);
        cr_expect_str_eq(value, the_expected[i].value, "%s is %s", the_expected[i].name, value);
    }
    cr_expect_null(pmi_env_names()[EXPECTED]);
    strv_free(env);
}

Test(pmi_env, what_the_user_set_stays)
{
    char **env = NULL;
    for (size_t i = 0; i < EXPECTED; i++)
        env_set(&env, the_expected[i].name, "user");
    cr_assert(pmi_env_set(&env, &the_map, &the_rank));
    for (size_t i = 0; i < EXPECTED; i++) {
        const char *name = the_expected[i].name;
        bool users = strncmp(name, "OMPI_MCA_", 9) == 0 && strncmp(name, "OMPI_MCA_orte_", 14) != 0;
        cr_expect_str_eq(env_get(env, name), users ? "user" : the_expected[i].value, "%s", name);
    }
    strv_free(env);
}

Test(pmi_env, rows_that_depend)
{
    struct pmi_env_rank rank = {.rank = 2, .shm_dir = NULL, .pmi_fd = -1};
    char **env = NULL;
    cr_assert(pmi_env_set(&env, &the_map, &rank));
    cr_expect_null(env_get(env, "OMPI_MCA_btl_vader_backing_directory"));
    cr_expect_null(env_get(env, "OMPI_MCA_osc_sm_backing_directory"));
    cr_expect_null(env_get(env, "OMPI_MCA_mpi_yield_when_idle"), "a core for each rank");
    cr_expect_null(env_get(env, "PMI_FD"));
    cr_expect_null(env_get(env, "PMI_RANK"));
    cr_expect_str_eq(env_get(env, "OMPI_COMM_WORLD_LOCAL_RANK"), "0");
    strv_free(env);
}

Test(pmi_env, one_host)
{
    uint32_t nodes[] = {0, 0};
    struct pmi_map map = {.size = 2, .nodes = 1, .node_names = the_names, .node_of_rank = nodes};
    struct pmi_env_rank rank = {.rank = 1, .shm_dir = "/d", .pmi_fd = -1};
    char **env = NULL;
    cr_assert(pmi_env_set(&env, &map, &rank));
    cr_expect_null(env_get(env, "OMPI_MCA_osc"));
    cr_expect_null(env_get(env, "OMPI_MCA_mpi_yield_when_idle"), "cores are not known");
    strv_free(env);
}
