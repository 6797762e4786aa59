// SPDX-License-Identifier: BSD-3-Clause
//
// Encoding and decoding of what is true of ranks, groups and nodes, and of their output: see proto.h.
#include "config.h"

#include "group/proto.h"

// ---- ranks

void rank_report_pack(struct pack *pack, const struct rank_report *report)
{
    pack_u32(pack, report->rank);
    pack_u32(pack, report->node);
    pack_i32(pack, report->pid);
    pack_u8(pack, report->end);
    pack_u8(pack, report->ours);
    pack_u8(pack, report->again);
    pack_i32(pack, report->value);
}

bool rank_report_unpack(struct unpack *unpack, struct rank_report *report_out)
{
    struct rank_report report;
    report.rank = unpack_u32(unpack);
    report.node = unpack_u32(unpack);
    report.pid = unpack_i32(unpack);
    report.end = unpack_u8(unpack);
    report.ours = unpack_u8(unpack);
    report.again = unpack_u8(unpack);
    report.value = unpack_i32(unpack);
    if (unpack->failed || report.end >= RANK_ENDS || report.value < 0 ||
        report.value > RANK_VALUE_LIMIT)
        return false;
    *report_out = report;
    return true;
}

int rank_report_code(const struct rank_report *report)
{
    switch ((enum rank_end)report->end) {
    case RANK_SIGNALED:
    case RANK_NO_MEMORY:
    case RANK_LOST:
        return 128 + report->value;
    case RANK_STUCK:
        return 125;
    case RANK_NOT_STARTED:
        return err_exit_code(report->value);
    default:
        return report->value;
    }
}

void rank_state_pack(struct pack *pack, const struct rank_state *state)
{
    pack_i32(pack, state->pid);
    pack_i32(pack, state->code);
    pack_u32(pack, state->restarts);
    pack_u8(pack, state->ended);
    pack_u8(pack, state->removed);
    pack_u8(pack, state->lost);
}

bool rank_state_unpack(struct unpack *unpack, struct rank_state *state_out)
{
    struct rank_state state;
    state.pid = unpack_i32(unpack);
    state.code = unpack_i32(unpack);
    state.restarts = unpack_u32(unpack);
    state.ended = unpack_u8(unpack);
    state.removed = unpack_u8(unpack);
    state.lost = unpack_u8(unpack);
    if (unpack->failed)
        return false;
    *state_out = state;
    return true;
}

// ---- groups

void watch_record_pack(struct pack *pack, const struct watch_record *record)
{
    pack_u8(pack, record->state);
    pack_u8(pack, record->pmi);
    pack_i32(pack, record->code);
    pack_str(pack, record->cause);
    pack_u32(pack, record->size);
    pack_u32(pack, record->parts);
}

bool watch_record_unpack(struct unpack *unpack, struct watch_record *record_out)
{
    struct watch_record record;
    record.state = unpack_u8(unpack);
    record.pmi = unpack_u8(unpack);
    record.code = unpack_i32(unpack);
    record.cause = unpack_str(unpack);
    record.size = unpack_u32(unpack);
    record.parts = unpack_u32(unpack);
    if (unpack->failed || record.state > DRAGON_GROUP_ENDED || record.size > PLAN_RANK_LIMIT ||
        record.parts > record.size)
        return false;
    *record_out = record;
    return true;
}

void group_record_pack(struct pack *pack, const struct group_record *record)
{
    pack_u64(pack, record->id);
    pack_u64(pack, record->age_ms);
    pack_str(pack, record->name);
    pack_str(pack, record->waits_for);
    pack_u8(pack, record->state);
    pack_u8(pack, record->pmi);
    pack_u8(pack, record->detached);
    pack_u32(pack, record->size);
    pack_u32(pack, record->running);
    pack_u32(pack, record->owner_node);
    pack_i32(pack, record->owner_pid);
    pack_u32(pack, record->parts);
}

bool group_record_unpack(struct unpack *unpack, struct group_record *record_out)
{
    struct group_record record;
    record.id = unpack_u64(unpack);
    record.age_ms = unpack_u64(unpack);
    record.name = unpack_str(unpack);
    record.waits_for = unpack_str(unpack);
    record.state = unpack_u8(unpack);
    record.pmi = unpack_u8(unpack);
    record.detached = unpack_u8(unpack);
    record.size = unpack_u32(unpack);
    record.running = unpack_u32(unpack);
    record.owner_node = unpack_u32(unpack);
    record.owner_pid = unpack_i32(unpack);
    record.parts = unpack_u32(unpack);
    if (unpack->failed || record.state > DRAGON_GROUP_ENDED || record.size > PLAN_RANK_LIMIT ||
        record.parts > record.size)
        return false;
    *record_out = record;
    return true;
}

// ---- nodes

static void pack_users(struct pack *pack, const struct ledger_node *node)
{
    for (uint32_t i = 0; i < node->machine->core_count; i++)
        pack_u16(pack, node->core_users[i]);
    for (uint32_t i = 0; i < node->machine->gpu_count; i++) {
        uint16_t most = 0;
        for (int tile = 0; tile < MACHINE_TILES; tile++)
            if (node->tile_users[i * MACHINE_TILES + tile] > most)
                most = node->tile_users[i * MACHINE_TILES + tile];
        pack_u16(pack, most);
    }
}

void node_record_pack(struct pack *pack, const struct ledger *ledger, uint32_t node)
{
    const struct ledger_node *entry = &ledger->nodes[node];
    pack_str(pack, entry->name);
    pack_str(pack, entry->host);
    pack_u8(pack, entry->lost);
    machine_pack(pack, entry->machine);
    pack_users(pack, entry);
}

void node_record_fini(struct node_record *record)
{
    machine_fini(&record->machine);
    free(record->core_users);
    free(record->gpu_users);
    *record = (struct node_record){0};
}

static uint16_t *unpack_users(struct unpack *unpack, uint32_t count)
{
    uint16_t *users = calloc(count ? count : 1, sizeof *users);
    for (uint32_t i = 0; users && i < count; i++)
        users[i] = unpack_u16(unpack);
    return users;
}

bool node_record_unpack(struct unpack *unpack, struct node_record *record_out)
{
    struct node_record record = {.name = unpack_str(unpack)};
    record.host = unpack_str(unpack);
    record.lost = unpack_u8(unpack);
    if (!machine_unpack(unpack, &record.machine))
        return false;
    record.core_users = unpack_users(unpack, record.machine.core_count);
    record.gpu_users = unpack_users(unpack, record.machine.gpu_count);
    if (!unpack->failed && record.core_users && record.gpu_users) {
        *record_out = record;
        return true;
    }
    node_record_fini(&record);
    return false;
}

// ---- output

enum { WINDOW_ALL = 16 << 20, WINDOW_MOST = 1 << 20, WINDOW_LEAST = 64 << 10 };

int64_t output_first_window(uint32_t nodes)
{
    int64_t window = WINDOW_ALL / (nodes ? nodes : 1);
    if (window > WINDOW_MOST)
        return WINDOW_MOST;
    return window < WINDOW_LEAST ? WINDOW_LEAST : window;
}

void output_pack(struct pack *pack, uint32_t rank, uint8_t stream, const void *data, size_t length)
{
    pack_u32(pack, rank);
    pack_u8(pack, stream);
    pack_bytes(pack, data, length);
}

bool output_unpack(struct unpack *unpack, uint32_t *rank_out, uint8_t *stream_out,
                   const uint8_t **data_out, size_t *length_out)
{
    *rank_out = unpack_u32(unpack);
    *stream_out = unpack_u8(unpack);
    *data_out = unpack_bytes(unpack, length_out);
    return !unpack->failed && (*stream_out == OUTPUT_STDOUT || *stream_out == OUTPUT_STDERR);
}
