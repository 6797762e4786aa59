// SPDX-License-Identifier: BSD-3-Clause
//
// The doctor on what the kernel lets us do: limits of resources, subreapers, copying between processes, memory
// cgroups, the clock.
#include "config.h"

#include "cli/info_doctor_parts.h"
#include "cli/text.h"
#include "proc/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <unistd.h>

// ---- limits

static void limit_text(rlim_t value, bool is_bytes, char *text, size_t room)
{
    if (value == RLIM_INFINITY)
        snprintf(text, room, "unlimited");
    else if (is_bytes)
        text_size(value, text, room);
    else
        snprintf(text, room, "%llu", (unsigned long long)value);
}

// Warns when the hard limit, or the soft one where nobody raises it, is below `least`.
static void check_limit(struct doctor *doctor, const char *name, int resource, bool is_bytes,
                        bool raised, rlim_t least, const char *advice)
{
    struct rlimit limit;
    char soft[32], hard[32];
    if (getrlimit(resource, &limit) != 0)
        return;
    limit_text(limit.rlim_cur, is_bytes, soft, sizeof soft);
    limit_text(limit.rlim_max, is_bytes, hard, sizeof hard);
    if ((raised ? limit.rlim_max : limit.rlim_cur) >= least)
        doctor_fine(doctor, name, "%s (hard limit %s)", soft, hard);
    else
        doctor_warn(doctor, name, advice, "%s (hard limit %s)", soft, hard);
}

static bool has_entries(const char *path)
{
    struct dirent *entry;
    bool found = false;
    DIR *folder = opendir(path);
    while (folder && !found && (entry = readdir(folder)))
        found = entry->d_name[0] != '.';
    if (folder)
        closedir(folder);
    return found;
}

static void check_resources(struct doctor *doctor)
{
    enum { FEW_FILES = 4096, FEW_PROCESSES = 4096, LITTLE_LOCKED = 64 << 20 };
    bool rdma = has_entries("/sys/class/infiniband");
    // The agent raises its own soft limit to the hard one.
    check_limit(doctor, "open files", RLIMIT_NOFILE, false, true, FEW_FILES,
                "an agent needs some for each rank of its node: ask for a higher hard limit");
    check_limit(doctor, "processes", RLIMIT_NPROC, false, false, FEW_PROCESSES,
                "it counts all threads of the user on this host: raise it with ulimit -u");
    check_limit(doctor, "locked memory", RLIMIT_MEMLOCK, true, false, rdma ? LITTLE_LOCKED : 0,
                "the fast network needs it: ask for \"memlock unlimited\", and for "
                "PropagateResourceLimitsExcept=MEMLOCK in Slurm");
    check_limit(doctor, "core files", RLIMIT_CORE, true, false, 0, "");
}

// ---- processes

static void check_reaping(struct doctor *doctor)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
        doctor_fine(doctor, "process control", "subreaper and parent-death signal work");
    else
        doctor_fail(doctor, "process control",
                    "a runtime cannot clean up after itself here: use another kernel or container "
                    "runtime",
                    "the kernel refuses a subreaper or a parent-death signal: %s", strerror(errno));
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    prctl(PR_SET_PDEATHSIG, 0);
}

static void check_ptrace(struct doctor *doctor)
{
    static const char advice[] =
        "MPI libraries copy twice instead of once between ranks of a host, "
        "unless they ask to be allowed; sysctl kernel.yama.ptrace_scope=0";
    char text[16];
    if (!doctor_read("/proc/sys/kernel/yama/ptrace_scope", text, sizeof text))
        doctor_fine(doctor, "ptrace scope", "not restricted: ranks can copy from each other (CMA)");
    else if (text[0] == '0')
        doctor_fine(doctor, "ptrace scope", "0: ranks can copy from each other (CMA)");
    else
        doctor_warn(doctor, "ptrace scope", advice, "%.*s: CMA is restricted",
                    (int)strcspn(text, "\n"), text);
}

// ---- memory cgroups

// Found out as a runtime would, by making one with a limit.
static void check_cgroups(struct doctor *doctor)
{
    static const char advice[] = "groups with a memory limit are refused here: ask for delegated "
                                 "cgroups (systemd: Delegate=yes, or systemd-run --user --scope)";
    struct cgroup_place place = {0};
    dragon_error_t error;
    char *path = NULL;
    dragon_err_t err = cgroup_place_find("", &place, &error);
    if (err == DRAGON_OK)
        err = cgroup_create(&place, "doctor", 1 << 30, &path, &error);
    if (err == DRAGON_OK)
        doctor_fine(doctor, "memory cgroups", "v%d, %s is writable", place.version,
                    place.directory);
    else
        doctor_warn(doctor, "memory cgroups", advice, "%s", error.text);
    if (path)
        cgroup_remove(path);
    free(path);
    cgroup_place_fini(&place);
}

// ---- the clock

static void check_clock(struct doctor *doctor)
{
    enum { RELEASE_YEAR = 2024 };
    struct timex timex = {0};
    char text[64];
    time_t now = time(NULL);
    struct tm parts;
    if (!gmtime_r(&now, &parts))
        parts = (struct tm){0};
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
    if (parts.tm_year + 1900 < RELEASE_YEAR)
        doctor_warn(doctor, "clock", "set it: times of jobs and certificates are wrong", "%s",
                    text);
    else if (adjtimex(&timex) == TIME_ERROR)
        doctor_fine(doctor, "clock", "%s, not known to be synchronised", text);
    else
        doctor_fine(doctor, "clock", "%s, synchronised", text);
}

void doctor_check_limits(struct doctor *doctor)
{
    check_resources(doctor);
    check_reaping(doctor);
    check_ptrace(doctor);
    check_cgroups(doctor);
    check_clock(doctor);
}
