// SPDX-License-Identifier: BSD-3-Clause
//
// Which cores are measured on.
#include "config.h"

#include "cli/bench_channel.h"

#include <sched.h>

static cpu_set_t allowed; // to this process at first
static bool known;

static void learn(void)
{
    if (!known && sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        known = true;
}

void cores_widen(void)
{
    cpu_set_t all;
    learn();
    if (CPU_COUNT(&allowed) > 1)
        return;
    memset(&all, 0xff, sizeof all); // the kernel takes those that there are
    if (sched_setaffinity(0, sizeof all, &all) == 0)
        sched_getaffinity(0, sizeof allowed, &allowed);
}

// The first hardware thread of the core that `cpu` belongs to; `cpu` itself when it cannot be told.
static int core_of(int cpu)
{
    char path[100], line[100];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    FILE *file = fopen(path, "re");
    if (!file)
        return cpu;
    int first = fgets(line, sizeof line, file) ? (int)strtol(line, NULL, 10) : cpu;
    fclose(file);
    return first;
}

struct cores cores_choose(void)
{
    struct cores cores = {.a = -1};
    learn();
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!known || !CPU_ISSET(cpu, &allowed))
            continue;
        if (cores.a < 0)
            cores.a = cores.b = cpu;
        else if (cores.b == cores.a || core_of(cores.b) == core_of(cores.a))
            cores.b = cpu;
    }
    if (cores.a < 0)
        cores.a = cores.b = 0;
    snprintf(cores.both, sizeof cores.both, "%d,%d", cores.a, cores.b);
    return cores;
}

void cores_pin_thread(pid_t thread, const char *list)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',')
        CPU_SET((size_t)strtol(at, NULL, 10), &set);
    if (*list)
        sched_setaffinity(thread, sizeof set, &set);
}

void cores_pin(const char *list)
{
    cores_pin_thread(0, list);
}

void cores_pin_to(int core)
{
    char list[16];
    snprintf(list, sizeof list, "%d", core);
    cores_pin(list);
}

void cores_unpin(void)
{
    if (known)
        sched_setaffinity(0, sizeof allowed, &allowed);
}
