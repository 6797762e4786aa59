// SPDX-License-Identifier: BSD-3-Clause
//
// Binding: see bind.h.
#include "config.h"

#include "group/bind.h"

// The two are of one kind: the same last-level cache, say.
static bool together(const struct machine_core *one, const struct machine_core *other,
                     dragon_bind_t bind)
{
    switch (bind) {
    case DRAGON_BIND_L3:
        return one->l3 == other->l3;
    case DRAGON_BIND_NUMA:
        return one->numa == other->numa;
    case DRAGON_BIND_SOCKET:
        return one->socket == other->socket;
    default:
        return one == other;
    }
}

static bool is_in(const struct machine *machine, uint32_t core, const struct plan_slot *slot)
{
    for (uint32_t i = 0; i < slot->core_count; i++)
        if (slot->cores[i] < machine->core_count &&
            together(&machine->cores[core], &machine->cores[slot->cores[i]], slot->bind))
            return true;
    return false;
}

static size_t most_threads(const struct machine *machine)
{
    size_t most = 0;
    for (uint32_t i = 0; i < machine->core_count; i++)
        for (uint32_t k = 0; k < machine->cores[i].thread_count; k++)
            if (machine->cores[i].threads[k] > most)
                most = machine->cores[i].threads[k];
    return most + 1;
}

bool bind_threads(const struct machine *machine, const struct plan_slot *slot, cpu_set_t **set_out,
                  size_t *size_out)
{
    *set_out = NULL;
    *size_out = 0;
    if (!machine->real || slot->bind == DRAGON_BIND_NONE || slot->core_count == 0)
        return true;
    size_t count = most_threads(machine), size = CPU_ALLOC_SIZE(count);
    cpu_set_t *set = CPU_ALLOC(count);
    if (!set)
        return false;
    CPU_ZERO_S(size, set);
    for (uint32_t i = 0; i < machine->core_count; i++) {
        const struct machine_core *core = &machine->cores[i];
        uint32_t threads = is_in(machine, i, slot) ? core->thread_count : 0;
        for (uint32_t k = 0; k < threads; k++)
            CPU_SET_S(core->threads[k], size, set);
    }
    *set_out = set;
    *size_out = size;
    return true;
}

static void print_runs(FILE *out, const cpu_set_t *set, size_t size)
{
    size_t cpus = size * 8;
    const char *before = "";
    for (size_t cpu = 0, end; cpu < cpus; cpu = end) {
        end = cpu + 1;
        if (!CPU_ISSET_S(cpu, size, set))
            continue;
        while (end < cpus && CPU_ISSET_S(end, size, set))
            end++;
        fprintf(out, end - cpu > 1 ? "%s%zu-%zu" : "%s%zu", before, cpu, end - 1);
        before = ",";
    }
}

char *bind_text(const struct machine *machine, const struct plan_slot *slot)
{
    cpu_set_t *set;
    size_t size, length;
    char *text = NULL;
    if (!bind_threads(machine, slot, &set, &size))
        return NULL;
    FILE *out = open_memstream(&text, &length);
    if (out && set)
        print_runs(out, set, size);
    if (set)
        CPU_FREE(set);
    if (out && fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}
