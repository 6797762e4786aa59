// SPDX-License-Identifier: BSD-3-Clause
//
// Groups as the bench runs them, and the MPI program that the MPI figures use with its mpiexec.
#include "config.h"

#include "cli/bench.h"
#include "cli/command.h"

#include <sys/wait.h>
#include <unistd.h>

enum { GROUP_LIMIT_MS = 120000 };

// Shared memory and the plain point-to-point layer: what else MPI_Init looks for is not the launcher's
// work, and takes longer than it. Ranks that wait give the core away, as there may be more than cores.
const char *const mpi_settings[] = {
    "OMPI_MCA_pml", "ob1", "OMPI_MCA_btl", "self,vader,tcp", "OMPI_MCA_mpi_yield_when_idle", "1",
    NULL,
};

static dragon_err_t set_mpi(dragon_group_t *group, dragon_template_t *template)
{
    dragon_err_t err = dragon_group_set_pmi(group, 1);
    for (const char *const *at = mpi_settings; err == DRAGON_OK && *at; at += 2)
        err = dragon_template_set_env(template, at[0], at[1]);
    return err;
}

static double run_group(dragon_group_t *group, struct figure *figure)
{
    dragon_error_t error;
    uint64_t before = time_now_ns();
    if (dragon_group_start(group, &error) != DRAGON_OK) {
        figure_fail(figure, "%.190s", error.text);
        return -1;
    }
    dragon_err_t err = dragon_group_wait(group, GROUP_LIMIT_MS);
    uint64_t after = time_now_ns();
    if (err == DRAGON_OK && dragon_group_exit_code(group) == 0)
        return (double)(after - before) / 1e6;
    figure_fail(figure, "%.190s",
                err == DRAGON_OK ? dragon_group_cause(group) : dragon_err_text(err));
    return -1;
}

static dragon_err_t fill_group(dragon_group_t *group, dragon_template_t *template,
                               const struct group_run *run, dragon_error_t *error)
{
    dragon_err_t err = run->pmi ? set_mpi(group, template) : DRAGON_OK;
    if (err == DRAGON_OK && run->policy)
        err = dragon_template_set_policy(template, run->policy);
    if (err == DRAGON_OK) // there are more ranks than cores here
        err = dragon_group_set_full(group, DRAGON_FULL_SHARE, 0);
    if (err != DRAGON_OK)
        return err_set(error, err, "%s", dragon_err_text(err));
    return dragon_group_add(group, template, run->ranks, error);
}

double group_run_ms(struct bench *bench, const struct group_run *run, struct figure *figure)
{
    dragon_error_t error;
    dragon_group_t *group = NULL;
    dragon_template_t *template = NULL;
    dragon_err_t err = dragon_template_create(run->argv, &template, &error);
    if (err == DRAGON_OK)
        err = dragon_group_create(bench->runtime, &group, &error);
    if (err == DRAGON_OK)
        err = fill_group(group, template, run, &error);
    double ms = -1;
    if (err == DRAGON_OK)
        ms = run_group(group, figure);
    else
        figure_fail(figure, "%.190s", error.text);
    dragon_group_destroy(group);
    dragon_template_destroy(template);
    return ms;
}

// ---- MPI

static bool is_open_mpi(const char *mpiexec)
{
    char *argv[] = {(char *)mpiexec, "--version", NULL}, line[200];
    return command_first_line(argv, line, sizeof line) &&
           (strstr(line, "Open MPI") || strstr(line, "OpenRTE"));
}

void mpi_setup_find(const struct bench *bench, struct mpi_setup *setup)
{
    *setup = (struct mpi_setup){0};
    setup->program = bench->mpi_program ? command_find(bench->mpi_program)
                                        : self_beside("tests/mpi/mpi_check.openmpi");
    setup->mpiexec = command_find(bench->mpiexec ? bench->mpiexec : "mpiexec.openmpi");
    if (!setup->mpiexec && !bench->mpiexec)
        setup->mpiexec = command_find("mpiexec");
    if (!setup->mpiexec)
        snprintf(setup->missing, sizeof setup->missing, "there is no mpiexec; install Open MPI");
    else if (!is_open_mpi(setup->mpiexec))
        snprintf(setup->missing, sizeof setup->missing,
                 "%.90s is not Open MPI's; give that with --mpiexec", setup->mpiexec);
    else if (!setup->program)
        snprintf(setup->missing, sizeof setup->missing, "%s",
                 bench->mpi_program ? "there is no such --mpi-program"
                                    : "there is no MPI program; give one with --mpi-program");
}

void mpi_setup_fini(struct mpi_setup *setup)
{
    free(setup->program);
    free(setup->mpiexec);
}

char **mpi_setup_command(const struct mpi_setup *setup, int ranks, const char *program,
                         const char *argument)
{
    char **list = NULL;
    bool good = strv_push(&list, setup->mpiexec);
    if (good && geteuid() == 0)
        good = strv_push(&list, "--allow-run-as-root");
    good = good && strv_push(&list, "--oversubscribe") && strv_push(&list, "--bind-to") &&
           strv_push(&list, "none");
    for (const char *const *at = mpi_settings; good && *at; at += 2)
        good = strv_push(&list, "--mca") && strv_push(&list, at[0] + strlen("OMPI_MCA_")) &&
               strv_push(&list, at[1]);
    good = good && strv_push(&list, "-n") && strv_pushf(&list, "%d", ranks) &&
           strv_push(&list, program) && (!argument || strv_push(&list, argument));
    if (good)
        return list;
    strv_free(list);
    return NULL;
}
