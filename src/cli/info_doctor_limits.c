// SPDX-License-Identifier: BSD-3-Clause
//
// The doctor on what the kernel lets us do: limits of resources, subreapers, copying between processes, memory
// cgroups, the clock.
#include "config.h"

#include "cli/info_doctor_parts.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

// ---- limits

static void limit_text(rlim_t value, bool is_bytes, char *text, size_t room)
{
    if (value == RLIM_INFINITY)
        snprintf(text, room, "unlimited");
    else if (is_bytes)
        doctor_size(value, text, room);
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

struct cgroups {
    char v2[512], v1[512]; // where we are; "": there is none
};

// Of /proc/self/mountinfo: field 4 is what is mounted, 5 where; after " - " come the type and the options.
static void read_mounts(struct cgroups *cgroups)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char line[2048], where[512];
    while (file && fgets(line, sizeof line, file)) {
        const char *type = strstr(line, " - ");
        if (!type || sscanf(line, "%*s %*s %*s %*s %511s", where) != 1)
            continue;
        if (strncmp(type, " - cgroup2 ", 11) == 0 && !*cgroups->v2)
            snprintf(cgroups->v2, sizeof cgroups->v2, "%s", where);
        else if (strncmp(type, " - cgroup ", 10) == 0 && strstr(type, "memory"))
            snprintf(cgroups->v1, sizeof cgroups->v1, "%s", where);
    }
    if (file)
        fclose(file);
}

static void append_path(char *place, size_t room, const char *path)
{
    size_t used = strlen(place);
    if (used && strcmp(path, "/") != 0)
        snprintf(place + used, room - used, "%.*s", (int)strcspn(path, "\n"), path);
}

// "0::/path" is that of v2, "4:memory:/path" of v1.
static void read_own(struct cgroups *cgroups)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[1024];
    while (file && fgets(line, sizeof line, file)) {
        const char *controllers = strchr(line, ':');
        const char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "0::", 3) == 0)
            append_path(cgroups->v2, sizeof cgroups->v2, path + 1);
        else if (strncmp(controllers, ":memory:", 8) == 0)
            append_path(cgroups->v1, sizeof cgroups->v1, path + 1);
    }
    if (file)
        fclose(file);
}

// Whether a group can be made below it.
static bool can_make(const char *place)
{
    char path[600];
    snprintf(path, sizeof path, "%s/dragon-doctor-%d", place, (int)getpid());
    if (!*place || mkdir(path, 0755) != 0)
        return false;
    rmdir(path);
    return true;
}

static bool has_memory_controller(const char *place)
{
    char path[600], text[400];
    snprintf(path, sizeof path, "%s/cgroup.controllers", place);
    return *place && doctor_read(path, text, sizeof text) && strstr(text, "memory");
}

static void check_cgroups(struct doctor *doctor)
{
    static const char advice[] = "groups with a memory limit are refused here: ask for delegated "
                                 "cgroups (systemd: Delegate=yes, or systemd-run --user --scope)";
    struct cgroups cgroups = {0};
    read_mounts(&cgroups);
    read_own(&cgroups);
    if (has_memory_controller(cgroups.v2) && can_make(cgroups.v2))
        doctor_fine(doctor, "memory cgroups", "v2, %s is writable", cgroups.v2);
    else if (can_make(cgroups.v1))
        doctor_fine(doctor, "memory cgroups", "v1, %s is writable", cgroups.v1);
    else if (*cgroups.v1 || has_memory_controller(cgroups.v2))
        doctor_warn(doctor, "memory cgroups", advice, "%s is not writable",
                    *cgroups.v1 ? cgroups.v1 : cgroups.v2);
    else
        doctor_warn(doctor, "memory cgroups", advice, "the memory controller is not here");
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
