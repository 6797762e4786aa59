// SPDX-License-Identifier: BSD-3-Clause
//
// The ledger: users of every core and tile, with the free ones counted, and finding nodes by their names.
//
// Nodes are described in the same bytes when they are alike, so the bytes are the key under which a
// machine is shared.
#include "config.h"

#include "place/ledger.h"

#include <uthash.h>

struct ledger_machine {
    uint8_t *packed; // owned: the key
    struct machine machine;
    UT_hash_handle hh;
};

// A name by which nodes can be found: the first `length` bytes of `text`.
struct ledger_name {
    const char *text; // borrowed
    size_t length;
    uint32_t node;
    uint8_t kind; // enum ledger_kind
};

struct ledger *ledger_create(uint32_t nodes)
{
    struct ledger *ledger = calloc(1, sizeof *ledger);
    if (!ledger)
        return NULL;
    ledger->count = nodes;
    ledger->nodes = calloc(nodes ? nodes : 1, sizeof *ledger->nodes);
    if (!ledger->nodes) {
        free(ledger);
        return NULL;
    }
    return ledger;
}

static void machine_destroy(struct ledger_machine *shared)
{
    if (!shared)
        return;
    machine_fini(&shared->machine);
    free(shared->packed);
    free(shared);
}

void ledger_destroy(struct ledger *ledger)
{
    if (!ledger)
        return;
    struct ledger_machine *shared, *next;
    for (uint32_t i = 0; i < ledger->count; i++)
        free(ledger->nodes[i].core_users);
    HASH_ITER (hh, ledger->machines, shared, next) {
        HASH_DEL(ledger->machines, shared);
        machine_destroy(shared);
    }
    free(ledger->names);
    free(ledger->nodes);
    free(ledger);
}

// ---- what nodes have

static struct ledger_machine *machine_create(const void *packed, size_t length)
{
    struct unpack unpack = unpack_start(packed, length);
    struct ledger_machine *shared = calloc(1, sizeof *shared);
    if (!shared)
        return NULL;
    shared->packed = malloc(length ? length : 1);
    if (!shared->packed || !machine_unpack(&unpack, &shared->machine) || !unpack_done(&unpack)) {
        machine_destroy(shared);
        return NULL;
    }
    memcpy(shared->packed, packed, length);
    return shared;
}

static const struct machine *find_machine(struct ledger *ledger, const void *packed, size_t length)
{
    struct ledger_machine *shared;
    HASH_FIND(hh, ledger->machines, packed, length, shared);
    if (!shared) {
        shared = machine_create(packed, length);
        if (!shared)
            return NULL;
        HASH_ADD_KEYPTR(hh, ledger->machines, shared->packed, length, shared);
    }
    return &shared->machine;
}

bool ledger_describe(struct ledger *ledger, uint32_t node, const char *name, const char *host,
                     const void *packed, size_t length)
{
    if (node >= ledger->count || ledger->nodes[node].machine)
        return false;
    const struct machine *machine = find_machine(ledger, packed, length);
    if (!machine)
        return false;
    size_t cores = machine->core_count, gpus = machine->gpu_count;
    uint16_t *users = calloc(cores + gpus * (MACHINE_TILES + 1), sizeof *users);
    if (!users)
        return false;
    free(ledger->names); // made anew when it is asked for
    ledger->names = NULL;
    ledger->nodes[node] = (struct ledger_node){
        .name = name,
        .host = host,
        .machine = machine,
        .core_users = users,
        .tile_users = users + cores,
        .gpu_users = users + cores + gpus * MACHINE_TILES,
        .free_cores = machine->core_count,
        .free_gpus = machine->gpu_count,
    };
    ledger->described++;
    ledger->all_cores += cores;
    ledger->all_gpus += gpus;
    ledger->free_cores += cores;
    ledger->free_gpus += gpus;
    return true;
}

void ledger_lose(struct ledger *ledger, uint32_t node)
{
    struct ledger_node *it = &ledger->nodes[node];
    if (it->lost || !it->machine)
        return;
    it->lost = true;
    ledger->lost++;
    ledger->all_cores -= it->machine->core_count;
    ledger->all_gpus -= it->machine->gpu_count;
    ledger->free_cores -= it->free_cores;
    ledger->free_gpus -= it->free_gpus;
    it->free_cores = it->free_gpus = 0;
}

static void empty_node(struct ledger *empty, uint32_t index)
{
    struct ledger_node *node = &empty->nodes[index];
    if (!node->machine)
        return;
    size_t cores = node->machine->core_count, gpus = node->machine->gpu_count;
    node->core_users = calloc(cores + gpus * (MACHINE_TILES + 1), sizeof *node->core_users);
    node->tile_users = node->core_users ? node->core_users + cores : NULL;
    node->gpu_users = node->core_users ? node->tile_users + gpus * MACHINE_TILES : NULL;
    node->free_cores = node->lost ? 0 : node->machine->core_count;
    node->free_gpus = node->lost ? 0 : node->machine->gpu_count;
}

struct ledger *ledger_empty_copy(const struct ledger *ledger)
{
    struct ledger *empty = ledger_create(ledger->count);
    if (!empty)
        return NULL;
    empty->described = ledger->described;
    empty->lost = ledger->lost;
    empty->all_cores = empty->free_cores = ledger->all_cores;
    empty->all_gpus = empty->free_gpus = ledger->all_gpus;
    memcpy(empty->nodes, ledger->nodes, ledger->count * sizeof *empty->nodes);
    bool good = true;
    for (uint32_t i = 0; i < empty->count; i++) {
        empty_node(empty, i);
        good = good && (!empty->nodes[i].machine || empty->nodes[i].core_users);
    }
    if (!good) {
        ledger_destroy(empty);
        return NULL;
    }
    return empty;
}

// ---- users

// True when it was free.
static bool take(uint16_t *users)
{
    return (*users)++ == 0;
}

// True when it is free now.
static bool give(uint16_t *users)
{
    return --*users == 0;
}

void ledger_take_core(struct ledger *ledger, uint32_t node, uint16_t core)
{
    struct ledger_node *it = &ledger->nodes[node];
    if (take(&it->core_users[core])) {
        it->free_cores--;
        ledger->free_cores--;
    }
}

void ledger_give_core(struct ledger *ledger, uint32_t node, uint16_t core)
{
    struct ledger_node *it = &ledger->nodes[node];
    if (give(&it->core_users[core]) && !it->lost) {
        it->free_cores++;
        ledger->free_cores++;
    }
}

// All tiles when it is whole, up to *end_out.
static uint16_t *tiles_of(struct ledger_node *node, uint16_t unit, uint16_t **end_out)
{
    uint32_t gpu = gpu_of_unit(unit), tile = tile_of_unit(unit);
    uint16_t *first = node->tile_users + (size_t)gpu * MACHINE_TILES;
    if (tile == GPU_WHOLE) {
        *end_out = first + node->machine->gpus[gpu].tiles;
        return first;
    }
    *end_out = first + tile + 1;
    return first + tile;
}

void ledger_take_gpu(struct ledger *ledger, uint32_t node, uint16_t unit)
{
    struct ledger_node *it = &ledger->nodes[node];
    uint16_t *end;
    for (uint16_t *tile = tiles_of(it, unit, &end); tile < end; tile++)
        take(tile);
    if (take(&it->gpu_users[gpu_of_unit(unit)])) {
        it->free_gpus--;
        ledger->free_gpus--;
    }
}

void ledger_give_gpu(struct ledger *ledger, uint32_t node, uint16_t unit)
{
    struct ledger_node *it = &ledger->nodes[node];
    uint16_t *end;
    for (uint16_t *tile = tiles_of(it, unit, &end); tile < end; tile++)
        give(tile);
    if (give(&it->gpu_users[gpu_of_unit(unit)]) && !it->lost) {
        it->free_gpus++;
        ledger->free_gpus++;
    }
}

uint32_t ledger_gpu_users(const struct ledger *ledger, uint32_t node, uint32_t gpu)
{
    return ledger->nodes[node].gpu_users[gpu];
}

uint32_t ledger_unit_users(const struct ledger *ledger, uint32_t node, uint16_t unit)
{
    uint16_t *end, most = 0;
    for (uint16_t *tile = tiles_of(&ledger->nodes[node], unit, &end); tile < end; tile++)
        most = *tile > most ? *tile : most;
    return most;
}

// ---- names

static int compare_text(const struct ledger_name *name, const char *text, size_t length)
{
    size_t common = name->length < length ? name->length : length;
    int order = memcmp(name->text, text, common);
    if (order == 0 && name->length != length)
        order = name->length < length ? -1 : 1;
    return order;
}

static int compare_names(const void *a, const void *b)
{
    const struct ledger_name *x = a, *y = b;
    int order = compare_text(x, y->text, y->length);
    if (order == 0)
        order = (int)x->kind - (int)y->kind;
    if (order == 0)
        order = x->node < y->node ? -1 : x->node > y->node;
    return order;
}

static bool make_names(struct ledger *ledger)
{
    struct ledger_name *names = calloc(3 * (size_t)ledger->count + 1, sizeof *names);
    size_t count = 0;
    if (!names)
        return false;
    for (uint32_t i = 0; i < ledger->count; i++) {
        const struct ledger_node *node = &ledger->nodes[i];
        if (!node->machine)
            continue;
        size_t host = strlen(node->host), brief = strcspn(node->host, ".");
        names[count++] = (struct ledger_name){node->name, strlen(node->name), i, LEDGER_NODE};
        names[count++] = (struct ledger_name){node->host, host, i, LEDGER_HOST};
        if (brief < host)
            names[count++] = (struct ledger_name){node->host, brief, i, LEDGER_BRIEF_HOST};
    }
    qsort(names, count, sizeof *names, compare_names);
    ledger->names = names;
    ledger->name_count = count;
    return true;
}

bool ledger_find(struct ledger *ledger, const char *name, struct ledger_found *found_out)
{
    if (!ledger->names && !make_names(ledger))
        return false;
    size_t low = 0, high = ledger->name_count, length = strlen(name);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_text(&ledger->names[middle], name, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    struct ledger_found found = {.names = &ledger->names[low]};
    // Sorted by kind: what is of the best kind comes first, and only that was meant.
    while (low + found.count < ledger->name_count &&
           compare_text(&found.names[found.count], name, length) == 0 &&
           found.names[found.count].kind == found.names[0].kind)
        found.count++;
    if (found.count)
        found.kind = found.names[0].kind;
    *found_out = found;
    return true;
}

uint32_t ledger_found_node(const struct ledger_found *found, size_t index)
{
    return found->names[index].node;
}
