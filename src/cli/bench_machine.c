// SPDX-License-Identifier: BSD-3-Clause
//
// What the figures were taken on: hardware, load, versions. Nothing in it names a path or a user.
#include "config.h"

#include "cli/bench.h"
#include "cli/command.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

static const double load_limit = 0.5; // for each core

// The value of the first line "name : value" or "name=value" of a file.
static void read_value(const char *path, const char *name, char *value, size_t room)
{
    char line[512];
    FILE *file = fopen(path, "re");
    snprintf(value, room, "unknown");
    if (!file)
        return;
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, name, strlen(name)) != 0)
            continue;
        char *text = line + strlen(name);
        text += strspn(text, " \t:=\"");
        text[strcspn(text, "\"\n")] = 0;
        snprintf(value, room, "%s", text);
        break;
    }
    fclose(file);
}

static int usable_cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                       : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static void report_load(struct bench *bench, int cores)
{
    double load[3] = {0};
    char text[160];
    if (getloadavg(load, 3) < 1)
        return;
    snprintf(text, sizeof text, "%.2f %.2f %.2f", load[0], load[1], load[2]);
    report_fact(bench->report, "load", text);
    if (load[0] <= load_limit * cores)
        return;
    snprintf(text, sizeof text,
             "the load is %.2f on %d cores when this begins: the figures are not worth much",
             load[0], cores);
    report_warn(bench->report, text);
}

static void report_peer(struct bench *bench)
{
    struct mpi_setup setup;
    char line[200];
    mpi_setup_find(bench, &setup);
    char *argv[] = {setup.mpiexec, "--version", NULL};
    if (setup.mpiexec && command_first_line(argv, line, sizeof line))
        report_fact(bench->report, "mpiexec", line);
    mpi_setup_fini(&setup);
}

void machine_report(struct bench *bench)
{
    char text[400], value[200];
    struct utsname system;
    int cores = usable_cores();
    read_value("/proc/cpuinfo", "model name", value, sizeof value);
    snprintf(text, sizeof text, "%d x %s", cores, value);
    report_fact(bench->report, "cores", text);
    read_value("/proc/meminfo", "MemTotal", value, sizeof value);
    report_fact(bench->report, "memory", value);
    read_value("/etc/os-release", "PRETTY_NAME", value, sizeof value);
    if (uname(&system) == 0) {
        snprintf(text, sizeof text, "%s, %s %.60s", value, system.sysname, system.release);
        report_fact(bench->report, "system", text);
    }
    report_fact(bench->report, "dragon", dragon_version());
    report_peer(bench);
    report_fact(bench->report, "runs", bench->quick ? "few (--quick)" : "all");
    report_load(bench, cores);
}
