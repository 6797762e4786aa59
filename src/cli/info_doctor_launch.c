// SPDX-License-Identifier: BSD-3-Clause
//
// The doctor on what starts dragon-run on several hosts: the launchers on PATH, and the allocation of a
// batch system that this shell is in.
#include "config.h"

#include "cli/command.h"
#include "cli/info_doctor_parts.h"

#include <ctype.h>
#include <sys/wait.h>
#include <unistd.h>

// ---- launchers

struct flavour {
    const char *word; // in what --version prints
    const char *name;
};

static const struct flavour flavours[] = {
    {"OpenRTE", "Open MPI"},
    {"Open MPI", "Open MPI"},
    {"Intel(R) MPI", "Intel MPI"},
    {"HYDRA", "Hydra (MPICH)"},
    {"PRRTE", "PRRTE"},
    {"prte", "PRRTE"},
    {"MVAPICH", "MVAPICH"},
    {"slurm", "Slurm"},
    {"PALS", "PALS"},
    {"IBM Spectrum MPI", "IBM Spectrum MPI"},
};

static const char *flavour_of(const char *text)
{
    char line[8];
    for (size_t i = 0; i < sizeof flavours / sizeof *flavours; i++)
        if (doctor_line(text, flavours[i].word, line, sizeof line))
            return flavours[i].name;
    return "unknown flavour";
}

// The first word that looks like a version: of the line that says so, else of the first line with one.
static void version_of(const char *text, char *version, size_t room)
{
    char line[200];
    snprintf(version, room, "of unknown version");
    if (!doctor_line(text, "Version:", line, sizeof line) &&
        !doctor_line(text, ".", line, sizeof line))
        return;
    for (const char *at = line; *at; at++) {
        if (!isdigit((unsigned char)*at) || (at > line && !strchr(" v(", at[-1])))
            continue;
        size_t length = strcspn(at, " \t),");
        if (!memchr(at, '.', length))
            continue;
        snprintf(version, room, "%.*s", (int)length, at);
        return;
    }
}

// Slurm starts dragon-run with PMIx, if it was built with it.
static void check_srun_pmix(struct doctor *doctor, char *path)
{
    static const char advice[] =
        "use mpiexec inside the allocation, or ask for Slurm's PMIx plugin";
    char *argv[] = {path, "--mpi=list", NULL}, line[200];
    int status;
    char *text = doctor_run(argv, NULL, &status);
    if (text && doctor_line(text, "pmix", line, sizeof line))
        doctor_fine(doctor, "srun PMIx", "there: srun --mpi=pmix");
    else
        doctor_warn(doctor, "srun PMIx", advice, "srun --mpi=list does not have pmix");
    free(text);
}

// True: it is there.
static bool check_launcher(struct doctor *doctor, const char *name)
{
    static const char advice[] = "harmless unless it is to start dragon-run; else see what it says";
    char line[200], version[80], *path = command_find(name);
    int status = 0;
    if (!path)
        return false;
    char *argv[] = {path, "--version", NULL}, *text = doctor_run(argv, NULL, &status);
    bool good = text && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!text)
        doctor_warn(doctor, name, advice, "%s --version does not answer within 5 s", path);
    else if (!good)
        doctor_warn(doctor, name, advice, "%s --version fails: %s", path,
                    doctor_line(text, "", line, sizeof line) ? line : "without a word");
    else {
        version_of(text, version, sizeof version);
        doctor_fine(doctor, name, "%s %s, %s", flavour_of(text), version, path);
    }
    if (good && strcmp(name, "srun") == 0)
        check_srun_pmix(doctor, path);
    free(text);
    free(path);
    return true;
}

static void check_launchers(struct doctor *doctor)
{
    static const char *const names[] = {"mpiexec", "mpiexec.hydra", "mpirun", "srun",
                                        "prterun", "aprun",         "jsrun"};
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        found = check_launcher(doctor, names[i]) || found;
    if (!found)
        doctor_warn(
            doctor, "launcher",
            "one is needed for several hosts: put mpiexec or srun on PATH (module load), or "
            "start dragon-run --rank on each host",
            "neither mpiexec nor srun is on PATH");
}

// ---- allocation

// Different lines of a file of host names. -1: it cannot be read.
static long count_hosts(const char *path)
{
    FILE *file = fopen(path, "re");
    char **hosts = NULL, line[300];
    long count = 0;
    if (!file)
        return -1;
    while (fgets(line, sizeof line, file)) {
        bool known = false;
        line[strcspn(line, " \t\n")] = 0;
        for (long i = 0; i < count && !known; i++)
            known = strcmp(hosts[i], line) == 0;
        if (*line && !known)
            count += strv_push(&hosts, line);
    }
    fclose(file);
    strv_free(hosts);
    return count;
}

static void check_host_file(struct doctor *doctor, const char *system, const char *job,
                            const char *variable)
{
    const char *path = getenv(variable);
    long hosts = path ? count_hosts(path) : -1;
    if (hosts > 0)
        doctor_fine(doctor, "allocation", "%s job %s, %ld host%s", system, job, hosts,
                    hosts == 1 ? "" : "s");
    else
        doctor_warn(doctor, "allocation",
                    "call this inside the job, and mpiexec with the hosts that are meant",
                    "%s job %s, but %s (%s) does not list its hosts", system, job, variable,
                    path ? path : "not set");
}

static void check_slurm(struct doctor *doctor, const char *job)
{
    const char *nodes = getenv("SLURM_JOB_NUM_NODES"), *list = getenv("SLURM_JOB_NODELIST");
    const char *end = getenv("SLURM_JOB_END_TIME");
    char left[60] = "";
    long long end_s;
    if (end && parse_number(end, 0, INT64_MAX, &end_s))
        snprintf(left, sizeof left, ", ends in %lld min", (end_s - (long long)time(NULL)) / 60);
    if (!nodes && !list)
        doctor_warn(doctor, "allocation", "enter the job with srun or sbatch, not with ssh alone",
                    "Slurm job %s, but neither SLURM_JOB_NUM_NODES nor SLURM_JOB_NODELIST is set",
                    job);
    else
        doctor_fine(doctor, "allocation", "Slurm job %s, %s node%s (%s)%s", job,
                    nodes ? nodes : "some", nodes && strcmp(nodes, "1") == 0 ? "" : "s",
                    list ? list : "not listed", left);
}

static void check_allocation(struct doctor *doctor)
{
    const char *slurm = getenv("SLURM_JOB_ID"), *pbs = getenv("PBS_JOBID");
    const char *lsf = getenv("LSB_JOBID");
    if (slurm)
        check_slurm(doctor, slurm);
    else if (pbs)
        check_host_file(doctor, "PBS", pbs, "PBS_NODEFILE");
    else if (lsf)
        check_host_file(doctor, "LSF", lsf, "LSB_DJOB_HOSTFILE");
    else
        doctor_fine(doctor, "allocation", "none of Slurm, PBS or LSF: this host alone");
}

void doctor_check_launchers(struct doctor *doctor)
{
    check_launchers(doctor);
    check_allocation(doctor);
}
