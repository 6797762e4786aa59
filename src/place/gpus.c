// SPDX-License-Identifier: BSD-3-Clause
//
// GPUs: see gpus.h. Here is what both ways of knowing them share, and the way of being told.
#include "config.h"

#include "place/gpus_internal.h"

// ---- lists

bool gpu_list_init(struct gpu_list *list)
{
    *list = (struct gpu_list){.items = calloc(MACHINE_GPUS_LIMIT, sizeof *list->items)};
    return list->items != NULL;
}

void gpu_list_fini(struct gpu_list *list)
{
    free(list->items);
    *list = (struct gpu_list){0};
}

struct gpu_found *gpu_list_add(struct gpu_list *list, const struct gpu_found *found)
{
    if (list->count == MACHINE_GPUS_LIMIT)
        return NULL;
    list->items[list->count] = *found;
    return &list->items[list->count++];
}

size_t gpu_list_count_of(const struct gpu_list *list, enum gpu_vendor vendor)
{
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++)
        count += list->items[i].gpu.vendor == vendor;
    return count;
}

static dragon_err_t hand_out(struct gpu_list *list, char *const *env, struct gpu_found **found_out,
                             size_t *count_out, dragon_error_t *error)
{
    if (!gpus_mask(list, env)) {
        gpu_list_fini(list);
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    }
    *found_out = list->items;
    *count_out = list->count;
    return DRAGON_OK;
}

dragon_err_t gpus_find(const char *root, char *const *env, struct gpu_found **found_out,
                       size_t *count_out, dragon_error_t *error)
{
    struct gpu_list list;
    if (!gpu_list_init(&list) || !gpus_scan(root, &list)) {
        gpu_list_fini(&list);
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    }
    return hand_out(&list, env, found_out, count_out, error);
}

// ---- declarations

// VENDOR:COUNT.TILES@NUMA,NUMA... in parts; what is left out is NULL.
struct declaration {
    char *vendor, *count, *tiles, *numas;
};

struct declared {
    enum gpu_vendor vendor;
    long long count, tiles;
    int numas[MACHINE_GPUS_LIMIT];
    size_t numa_count; // of those named; 0: not said
};

static char *cut(char *text, char at)
{
    char *found = text ? strchr(text, at) : NULL;
    if (found)
        *found++ = 0;
    return found;
}

static bool read_vendor(const char *text, enum gpu_vendor *vendor_out)
{
    for (int vendor = 0; vendor < GPU_VENDORS; vendor++)
        if (strcmp(text, gpu_vendor_name((enum gpu_vendor)vendor)) == 0) {
            *vendor_out = (enum gpu_vendor)vendor;
            return true;
        }
    return false;
}

static dragon_err_t read_numas(char *text, struct declared *declared, dragon_error_t *error)
{
    for (char *word = text, *next; word; word = next) {
        long long number;
        next = cut(word, ',');
        if (!parse_number(word, 0, MACHINE_NO_NUMA - 1, &number))
            return err_set(error, DRAGON_ERR_INVAL, "\"%.40s\" is no number of a NUMA node", word);
        if (declared->numa_count < MACHINE_GPUS_LIMIT)
            declared->numas[declared->numa_count] = (int)number;
        declared->numa_count++;
    }
    if (declared->numa_count != (size_t)declared->count)
        return err_set(error, DRAGON_ERR_INVAL,
                       "%lld GPUs need as many NUMA nodes after the @, there are %zu",
                       declared->count, declared->numa_count);
    return DRAGON_OK;
}

static dragon_err_t read_declaration(char *text, struct declared *declared_out,
                                     dragon_error_t *error)
{
    struct declaration parts = {.vendor = text, .count = cut(text, ':')};
    struct declared declared = {.tiles = 1};
    parts.numas = cut(parts.count, '@');
    parts.tiles = cut(parts.count, '.');
    if (!parts.count)
        return err_set(error, DRAGON_ERR_INVAL,
                       "\"%.40s\": declare GPUs as VENDOR:COUNT, \"nvidia:4\" say, or as \"none\"",
                       text);
    if (!read_vendor(parts.vendor, &declared.vendor))
        return err_set(error, DRAGON_ERR_INVAL,
                       "no GPU vendor \"%.40s\": it is nvidia, amd or intel", parts.vendor);
    if (!parse_number(parts.count, 1, MACHINE_GPUS_LIMIT, &declared.count))
        return err_set(error, DRAGON_ERR_INVAL, "\"%.40s\": give a number of GPUs from 1 to %d",
                       parts.count, MACHINE_GPUS_LIMIT);
    if (parts.tiles && !parse_number(parts.tiles, 1, MACHINE_TILES, &declared.tiles))
        return err_set(error, DRAGON_ERR_INVAL, "\"%.40s\": a GPU has from 1 to %d tiles",
                       parts.tiles, MACHINE_TILES);
    if (declared.tiles > 1 && declared.vendor != GPU_INTEL)
        return err_set(error, DRAGON_ERR_INVAL, "only GPUs of intel have tiles, not those of %.10s",
                       parts.vendor);
    if (parts.numas && read_numas(parts.numas, &declared, error) != DRAGON_OK)
        return DRAGON_ERR_INVAL;
    *declared_out = declared;
    return DRAGON_OK;
}

static bool has_numa(int numa, const int *numas, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (numas[i] == numa)
            return true;
    return false;
}

static dragon_err_t add_declared(struct gpu_list *list, const struct declared *declared,
                                 const int *numas, size_t numa_count, dragon_error_t *error)
{
    size_t before = gpu_list_count_of(list, declared->vendor);
    size_t count = (size_t)declared->count;
    if (list->count + count > MACHINE_GPUS_LIMIT)
        return err_set(error, DRAGON_ERR_INVAL, "a host has at most %d GPUs", MACHINE_GPUS_LIMIT);
    for (size_t i = 0; i < count; i++) {
        struct gpu_found found = {.system_numa = -1};
        if (declared->numa_count)
            found.system_numa = declared->numas[i];
        else if (numa_count)
            found.system_numa = numas[i * numa_count / count];
        if (numa_count && !has_numa(found.system_numa, numas, numa_count))
            return err_set(error, DRAGON_ERR_INVAL,
                           "this host has no NUMA node %d for a declared GPU; it has %zu, from %d "
                           "to %d",
                           found.system_numa, numa_count, numas[0], numas[numa_count - 1]);
        found.gpu.vendor = (uint8_t)declared->vendor;
        found.gpu.tiles = (uint8_t)declared->tiles;
        found.gpu.numa = MACHINE_NO_NUMA;
        snprintf(found.gpu.visible, sizeof found.gpu.visible, "%zu", before + i);
        snprintf(found.gpu.identity, sizeof found.gpu.identity, "declared-%zu", list->count);
        gpu_list_add(list, &found);
    }
    return DRAGON_OK;
}

// `text` is cut into pieces.
static dragon_err_t read_declarations(char *text, const int *numas, size_t numa_count,
                                      struct gpu_list *list, dragon_error_t *error)
{
    struct declared declared = {0};
    dragon_err_t err = DRAGON_OK;
    if (strcmp(text, "none") == 0)
        return DRAGON_OK;
    for (char *piece = text, *next; piece && err == DRAGON_OK; piece = next) {
        next = cut(piece, ';');
        err = read_declaration(piece, &declared, error);
        if (err == DRAGON_OK)
            err = add_declared(list, &declared, numas, numa_count, error);
    }
    return err;
}

dragon_err_t gpus_declare(const char *text, char *const *env, const int *numas, size_t numa_count,
                          struct gpu_found **found_out, size_t *count_out, dragon_error_t *error)
{
    struct gpu_list list;
    char *copy = strdup(text);
    dragon_err_t err = DRAGON_ERR_NOMEM;
    if (!gpu_list_init(&list) || !copy)
        err_set(error, err, "out of memory");
    else
        err = read_declarations(copy, numas, numa_count, &list, error);
    free(copy);
    if (err == DRAGON_OK)
        return hand_out(&list, env, found_out, count_out, error);
    gpu_list_fini(&list);
    return err;
}
