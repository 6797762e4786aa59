// SPDX-License-Identifier: BSD-3-Clause
//
// The system: one answer of node 0, made into a picture that needs neither the message nor the runtime.
#include "config.h"

#include "client/group.h"

#include <dragon/system.h>

enum { CHUNK_BYTES = 64 << 10 };

// Texts live in chunks: there may be one for each core of the machine.
struct chunk {
    struct chunk *next;
    size_t used, room;
    char data[];
};

struct seen_group {
    dragon_group_info_t info;
    dragon_rank_info_t *ranks; // owned, info.ranks of them; without cores: it has no place
};

struct dragon_system {
    uint32_t node_count, group_count;
    dragon_node_t *nodes;      // owned
    struct seen_group *groups; // owned
    struct chunk *texts;       // owned
    bool no_memory;            // while it is made
};

void dragon_system_destroy(dragon_system_t *system)
{
    if (!system)
        return;
    for (uint32_t i = 0; system->nodes && i < system->node_count; i++) {
        free((dragon_core_t *)system->nodes[i].core);
        free((dragon_gpu_t *)system->nodes[i].gpu);
    }
    for (uint32_t i = 0; i < system->group_count; i++)
        free(system->groups[i].ranks);
    while (system->texts) {
        struct chunk *chunk = system->texts;
        system->texts = chunk->next;
        free(chunk);
    }
    free(system->groups);
    free(system->nodes);
    free(system);
}

static const char *keep(struct dragon_system *system, const char *text)
{
    size_t length = strlen(text) + 1;
    struct chunk *chunk = system->texts;
    if (!chunk || chunk->room - chunk->used < length) {
        size_t room = length > CHUNK_BYTES ? length : CHUNK_BYTES;
        chunk = malloc(sizeof *chunk + room);
        if (!chunk) {
            system->no_memory = true;
            return "";
        }
        *chunk = (struct chunk){.next = system->texts, .room = room};
        system->texts = chunk;
    }
    char *kept = chunk->data + chunk->used;
    memcpy(kept, text, length);
    chunk->used += length;
    return kept;
}

static void *make_array(struct dragon_system *system, size_t count, size_t size)
{
    void *array = calloc(count ? count : 1, size);
    system->no_memory = system->no_memory || !array;
    return array;
}

// ---- nodes

static const char *keep_threads(struct dragon_system *system, const struct machine_core *core)
{
    char text[MACHINE_THREADS * 6 + 1] = "";
    size_t length = 0;
    for (int i = 0; i < core->thread_count && i < MACHINE_THREADS; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%u", i ? "," : "",
                                   core->threads[i]);
    return keep(system, text);
}

static void fill_cores(struct dragon_system *system, dragon_node_t *node,
                       const struct node_record *record)
{
    dragon_core_t *cores = make_array(system, record->machine.core_count, sizeof *cores);
    node->core = cores;
    for (uint32_t i = 0; cores && i < record->machine.core_count; i++) {
        const struct machine_core *from = &record->machine.cores[i];
        cores[i] = (dragon_core_t){
            .numa = from->numa,
            .l3 = from->l3,
            .socket = from->socket,
            .users = record->core_users[i],
            .threads = keep_threads(system, from),
        };
        node->free_cores += cores[i].users == 0;
    }
    node->cores = cores ? record->machine.core_count : 0;
}

static void fill_gpus(struct dragon_system *system, dragon_node_t *node,
                      const struct node_record *record)
{
    dragon_gpu_t *gpus = make_array(system, record->machine.gpu_count, sizeof *gpus);
    node->gpu = gpus;
    for (uint32_t i = 0; gpus && i < record->machine.gpu_count; i++) {
        const struct machine_gpu *from = &record->machine.gpus[i];
        gpus[i] = (dragon_gpu_t){
            .vendor = gpu_vendor_name(from->vendor),
            .identity = keep(system, from->identity),
            .visible = keep(system, from->visible),
            .variable = gpu_vendor_variable(from->vendor),
            .tiles = from->tiles,
            .numa = from->numa == MACHINE_NO_NUMA ? -1 : from->numa,
            .users = record->gpu_users[i],
        };
        node->free_gpus += gpus[i].users == 0;
    }
    node->gpus = gpus ? record->machine.gpu_count : 0;
}

static bool take_node(struct dragon_system *system, uint32_t number, struct unpack *unpack)
{
    dragon_node_t *node = &system->nodes[number];
    struct node_record record;
    if (!node_record_unpack(unpack, &record))
        return false;
    *node = (dragon_node_t){
        .number = number,
        .name = keep(system, record.name),
        .host = keep(system, record.host),
        .threads = record.machine.thread_count,
        .numa = record.machine.numa_count,
        .l3 = record.machine.l3_count,
        .sockets = record.machine.socket_count,
        .memory_bytes = record.machine.memory_bytes,
        .lost = record.lost,
    };
    fill_cores(system, node, &record);
    fill_gpus(system, node, &record);
    if (record.lost)
        node->free_cores = node->free_gpus = 0;
    node_record_fini(&record);
    return true;
}

// ---- groups

static const char *keep_descriptor(struct dragon_system *system,
                                   const struct dragon_runtime *runtime, uint64_t id)
{
    char *text = descriptor_make(runtime, id);
    if (!text) {
        system->no_memory = true;
        return "";
    }
    const char *kept = keep(system, text);
    free(text);
    return kept;
}

// Which of the ranks' places one plan tells; `templates` counts those of what came before it.
static bool take_plan(struct dragon_system *system, const struct dragon_runtime *runtime,
                      struct seen_group *group, uint32_t *templates, struct unpack *unpack)
{
    struct plan plan;
    struct place_text text = {0};
    if (!plan_unpack(unpack, runtime->nodes, &plan))
        return false;
    bool good = plan.size <= group->info.ranks && plan.first_rank <= group->info.ranks - plan.size;
    for (uint32_t rank = plan.first_rank; good && plan_has(&plan, rank); rank++) {
        dragon_rank_place_t *place = &group->ranks[rank].place;
        if (!place_read(&plan, rank, *templates, &text, place))
            continue;
        place->cores = keep(system, place->cores);
        place->gpus = keep(system, place->gpus);
    }
    *templates += plan.part_count;
    free(text.cores);
    free(text.gpus);
    plan_fini(&plan);
    return good;
}

static bool take_ranks(struct seen_group *group, struct unpack *unpack)
{
    uint32_t count = unpack_u32(unpack);
    struct rank_state state;
    if (count > group->info.ranks)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!rank_state_unpack(unpack, &state))
            return false;
        group->ranks[i].status = status_of(&state, group->ranks[i].place.node);
    }
    return true;
}

static bool take_group(struct dragon_system *system, const struct dragon_runtime *runtime,
                       struct unpack *unpack)
{
    struct group_record record;
    if (!group_record_unpack(unpack, &record))
        return false;
    struct seen_group *group = &system->groups[system->group_count++];
    *group = (struct seen_group){.info = {
                                     .id = record.id,
                                     .name = keep(system, record.name),
                                     .descriptor = keep_descriptor(system, runtime, record.id),
                                     .state = (dragon_group_state_t)record.state,
                                     .ranks = record.size,
                                     .running = record.running,
                                     .owner_node = record.owner_node,
                                     .owner_pid = record.owner_pid,
                                     .age_ms = record.age_ms,
                                     .pmi = record.pmi,
                                     .detached = record.detached,
                                     .waits_for = keep(system, record.waits_for),
                                 }};
    group->ranks = make_array(system, record.size, sizeof *group->ranks);
    if (!group->ranks)
        return true; // told as out of memory
    for (uint32_t i = 0; i < record.size; i++)
        group->ranks[i].status.exit_code = -1;
    uint32_t templates = 0;
    for (uint32_t i = 0; i < record.parts; i++)
        if (!take_plan(system, runtime, group, &templates, unpack))
            return false;
    return take_ranks(group, unpack);
}

// ---- the picture

static bool take_answer(struct dragon_system *system, const struct dragon_runtime *runtime,
                        struct unpack *unpack)
{
    system->node_count = unpack_u32(unpack);
    if (unpack->failed || system->node_count != runtime->nodes)
        return false;
    system->nodes = make_array(system, system->node_count, sizeof *system->nodes);
    for (uint32_t i = 0; i < system->node_count && !system->no_memory; i++)
        if (!take_node(system, i, unpack))
            return false;
    uint32_t groups = system->no_memory ? 0 : unpack_u32(unpack);
    if (groups > unpack_left(unpack))
        return false; // each takes more than a byte
    system->groups = make_array(system, groups, sizeof *system->groups);
    for (uint32_t i = 0; i < groups && !system->no_memory; i++)
        if (!take_group(system, runtime, unpack))
            return false;
    return system->no_memory || unpack_done(unpack);
}

static bool on_looked(struct request *request, struct unpack *unpack)
{
    struct dragon_system **system_out = request->arg;
    if (request->given_up || request->error.code != DRAGON_OK)
        return true;
    struct dragon_system *system = calloc(1, sizeof *system);
    if (!system) {
        err_set(&request->error, DRAGON_ERR_NOMEM, "out of memory");
        return true;
    }
    bool good = take_answer(system, request->runtime, unpack);
    if (good && !system->no_memory) {
        *system_out = system;
        return true;
    }
    if (system->no_memory)
        err_set(&request->error, DRAGON_ERR_NOMEM, "out of memory");
    good = system->no_memory;
    dragon_system_destroy(system);
    return good;
}

dragon_err_t system_look(struct dragon_runtime *runtime, uint32_t most_ms,
                         struct dragon_system **system_out, dragon_error_t *error)
{
    struct dragon_system *system = NULL;
    struct request *request = request_create(runtime, on_looked);
    if (!request)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    request->arg = &system;
    request->most_ms = most_ms;
    dragon_err_t err = request_query(request, QUERY_SYSTEM, 0, error);
    if (err == DRAGON_OK)
        err = request_wait(request, error);
    else
        request_destroy(request);
    if (err == DRAGON_OK)
        *system_out = system;
    return err;
}

dragon_err_t dragon_system_look(dragon_runtime_t *runtime, dragon_system_t **system_out,
                                dragon_error_t *error)
{
    return system_look(runtime, 0, system_out, error);
}

uint32_t dragon_system_nodes(const dragon_system_t *system)
{
    return system->node_count;
}

const dragon_node_t *dragon_system_node(const dragon_system_t *system, uint32_t number)
{
    return number < system->node_count ? &system->nodes[number] : NULL;
}

uint32_t dragon_system_groups(const dragon_system_t *system)
{
    return system->group_count;
}

const dragon_group_info_t *dragon_system_group(const dragon_system_t *system, uint32_t index)
{
    return index < system->group_count ? &system->groups[index].info : NULL;
}

const dragon_rank_info_t *dragon_system_rank(const dragon_system_t *system, uint32_t index,
                                             uint32_t rank)
{
    if (index >= system->group_count || rank >= system->groups[index].info.ranks)
        return NULL;
    const dragon_rank_info_t *info = &system->groups[index].ranks[rank];
    return info->place.cores ? info : NULL;
}
