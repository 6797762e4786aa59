// SPDX-License-Identifier: BSD-3-Clause
//
// See made.h.
#include "config.h"

#include "made.h"
#include "place/lists.h"

#include <criterion/criterion.h>
#include <stdarg.h>

static uint32_t domain(uint32_t core, uint32_t size)
{
    return size ? core / size : 0;
}

struct machine made_machine(const struct made *made)
{
    struct machine machine = {
        .core_count = made->cores,
        .gpu_count = made->gpus,
        .numa_count = domain(made->cores - 1, made->numa) + 1,
        .l3_count = domain(made->cores - 1, made->l3) + 1,
        .socket_count = domain(made->cores - 1, made->socket) + 1,
        .thread_count = made->cores,
        .memory_bytes = 1 << 20,
    };
    machine.cores = calloc(made->cores, sizeof *machine.cores);
    machine.gpus = calloc(made->gpus ? made->gpus : 1, sizeof *machine.gpus);
    cr_assert(machine.cores && machine.gpus);
    for (uint32_t i = 0; i < made->cores; i++)
        machine.cores[i] = (struct machine_core){
            .numa = (uint16_t)domain(i, made->numa),
            .l3 = (uint16_t)domain(i, made->l3),
            .socket = (uint16_t)domain(i, made->socket),
            .thread_count = 1,
            .threads = {(uint16_t)i},
        };
    for (uint32_t i = 0; i < made->gpus; i++) {
        machine.gpus[i].vendor = made->vendor;
        machine.gpus[i].tiles = made->tiles ? (uint8_t)made->tiles : 1;
        machine.gpus[i].numa = (uint16_t)(i * machine.numa_count / made->gpus);
        snprintf(machine.gpus[i].visible, sizeof machine.gpus[i].visible, "%u", i);
    }
    return machine;
}

bool made_describe(struct ledger *ledger, uint32_t node, const char *name, const char *host,
                   const struct made *made)
{
    struct machine machine = made_machine(made);
    struct pack pack = PACK_EMPTY;
    machine_pack(&pack, &machine);
    bool good = ledger_describe(ledger, node, name, host, pack.data, pack.length);
    pack_fini(&pack);
    machine_fini(&machine);
    return good;
}

struct ledger *made_ledger(const struct made *nodes, uint32_t count)
{
    static char names[64][24], hosts[64][24];
    struct ledger *ledger = ledger_create(count);
    cr_assert(ledger && count <= 64);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "n%u", i);
        snprintf(hosts[i], sizeof hosts[i], "h%u.site", i);
        cr_assert(made_describe(ledger, i, names[i], hosts[i], &nodes[i]));
    }
    return ledger;
}

__attribute__((format(printf, 4, 5))) static void add(char *text, size_t room, size_t *used,
                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text + *used, room - *used, format, args);
    va_end(args);
    cr_assert(length >= 0 && (size_t)length < room - *used);
    *used += (size_t)length;
}

void made_text(const struct plan *plan, char *text, size_t room)
{
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < plan->size; i++) {
        struct plan_slot slot;
        char cores[64], units[64];
        uint32_t rank = plan->first_rank + i;
        add(text, room, &used, "%s%u:", i ? " " : "", plan_node(plan, rank));
        if (!plan_slot(plan, rank, &slot)) {
            add(text, room, &used, "?");
            continue;
        }
        lists_format_cores(slot.cores, slot.core_count, cores, sizeof cores);
        lists_format_units(slot.units, slot.unit_count, units, sizeof units);
        add(text, room, &used, "%s%s%s%s%s", cores, slot.unit_count ? "/" : "", units,
            slot.hide_gpus ? "-" : "", slot.shared ? "*" : "");
    }
}

void made_users(const struct ledger *ledger, char *text, size_t room)
{
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < ledger->count; i++) {
        const struct machine *machine = ledger->nodes[i].machine;
        add(text, room, &used, "%s", i ? " | " : "");
        for (uint32_t k = 0; k < machine->core_count; k++)
            add(text, room, &used, "%u", ledger->nodes[i].core_users[k]);
        for (uint32_t k = 0; k < machine->gpu_count; k++)
            add(text, room, &used, "%s%u", k ? "" : " ", ledger_gpu_users(ledger, i, k));
    }
}
