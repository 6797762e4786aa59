// SPDX-License-Identifier: BSD-3-Clause
//
// The vendors' visibility variables, where a batch system or a user has set them. Each is a list of numbers
// or names; as with the vendors, it ends at the first word that names no GPU ("-1", "NoDevFiles").
#include "config.h"

#include "place/gpus_internal.h"

#include <ctype.h>

static bool is_known(const struct gpu_found *found)
{
    return strncmp(found->gpu.identity, "GPU-", 4) == 0;
}

// The GPU that the variable counts by this number.
static const struct gpu_found *find_number(const struct gpu_list *list, enum gpu_vendor vendor,
                                           long long number)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct gpu_found *found = &list->items[i];
        long long its;
        if (found->gpu.vendor == vendor && parse_number(found->gpu.visible, 0, INT32_MAX, &its) &&
            its == number)
            return found;
    }
    return NULL;
}

// A UUID, or the beginning of one that is the beginning of no other.
static const struct gpu_found *find_name(const struct gpu_list *list, enum gpu_vendor vendor,
                                         const char *name, size_t length)
{
    const struct gpu_found *only = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const struct gpu_found *found = &list->items[i];
        if (found->gpu.vendor != vendor || strncmp(found->gpu.identity, name, length) != 0)
            continue;
        if (found->gpu.identity[length] == 0)
            return found;
        if (only)
            return NULL;
        only = found;
    }
    return only;
}

static bool all_known(const struct gpu_list *list, enum gpu_vendor vendor)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].gpu.vendor == vendor && !is_known(&list->items[i]))
            return false;
    return true;
}

static struct gpu_found named_only(enum gpu_vendor vendor, const char *word)
{
    struct gpu_found found = {.gpu = {.vendor = (uint8_t)vendor, .tiles = 1}, .system_numa = -1};
    found.gpu.numa = MACHINE_NO_NUMA;
    snprintf(found.gpu.identity, sizeof found.gpu.identity, "%s", word);
    return found;
}

// A part of an NVIDIA GPU: "MIG-UUID", or "MIG-GPU-UUID/1/0", which tells the GPU.
static struct gpu_found find_part(const struct gpu_list *list, const char *word)
{
    struct gpu_found part = named_only(GPU_NVIDIA, word);
    const struct gpu_found *whole = NULL;
    if (strncmp(word, "MIG-GPU-", 8) == 0)
        whole = find_name(list, GPU_NVIDIA, word + 4, strcspn(word + 4, "/"));
    else if (gpu_list_count_of(list, GPU_NVIDIA) == 1)
        whole = find_number(list, GPU_NVIDIA, 0);
    if (whole)
        part.system_numa = whole->system_numa;
    return part;
}

// Where Intel's driver takes each tile for a device its variable counts tiles.
static bool find_tile(const struct gpu_list *list, long long number, struct gpu_found *found_out)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct gpu_found *found = &list->items[i];
        if (found->gpu.vendor != GPU_INTEL)
            continue;
        if (number < found->gpu.tiles) {
            *found_out = *found;
            found_out->gpu.tiles = 1;
            return true;
        }
        number -= found->gpu.tiles;
    }
    return false;
}

// A number, and for Intel "gpu.tile", which then is a GPU of one tile.
static bool find_counted(const struct gpu_list *list, enum gpu_vendor vendor, const char *word,
                         bool tiles_count, struct gpu_found *found_out)
{
    char number[16];
    long long gpu, tile = -1;
    size_t length = vendor == GPU_INTEL ? strcspn(word, ".") : strlen(word);
    if (length >= sizeof number)
        return false;
    snprintf(number, sizeof number, "%.*s", (int)length, word);
    if (!parse_number(number, 0, INT32_MAX, &gpu))
        return false;
    if (tiles_count && !word[length])
        return find_tile(list, gpu, found_out);
    const struct gpu_found *found = find_number(list, vendor, gpu);
    if (!found)
        return false;
    if (word[length] && !parse_number(word + length + 1, 0, found->gpu.tiles - 1, &tile))
        return false;
    *found_out = *found;
    if (tile >= 0)
        found_out->gpu.tiles = 1;
    return true;
}

// False: the word names nothing that is here.
static bool find_word(const struct gpu_list *list, enum gpu_vendor vendor, const char *word,
                      bool tiles_count, struct gpu_found *found_out)
{
    if (gpu_list_count_of(list, vendor) == 0)
        return false;
    if (vendor == GPU_NVIDIA && strncmp(word, "MIG-", 4) == 0) {
        *found_out = find_part(list, word);
        return true;
    }
    if (vendor == GPU_INTEL || strncmp(word, "GPU-", 4) != 0)
        return find_counted(list, vendor, word, tiles_count, found_out);
    const struct gpu_found *found = find_name(list, vendor, word, strlen(word));
    if (found)
        *found_out = *found;
    else if (!all_known(list, vendor))
        *found_out = named_only(vendor, word); // it cannot be told which; the driver will know
    else
        return false;
    return true;
}

static bool is_listed(const struct gpu_list *list, const struct gpu_found *found)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].gpu.vendor == found->gpu.vendor &&
            strcmp(list->items[i].gpu.visible, found->gpu.visible) == 0)
            return true;
    return false;
}

static void add_words(struct gpu_list *shown, const struct gpu_list *list, enum gpu_vendor vendor,
                      const char *mask, bool tiles_count)
{
    while (*mask) {
        char word[sizeof shown->items->gpu.visible];
        struct gpu_found found;
        size_t length = strcspn(mask, ","), used = length;
        const char *start = mask;
        mask += length + (mask[length] == ',');
        for (; used && isspace((unsigned char)*start); used--)
            start++;
        while (used && isspace((unsigned char)start[used - 1]))
            used--;
        if (used >= sizeof word)
            return;
        snprintf(word, sizeof word, "%.*s", (int)used, start);
        if (!find_word(list, vendor, word, tiles_count, &found))
            return;
        snprintf(found.gpu.visible, sizeof found.gpu.visible, "%s", word);
        if (!is_listed(shown, &found))
            gpu_list_add(shown, &found);
    }
}

bool gpus_mask(struct gpu_list *list, char *const *env)
{
    struct gpu_list shown;
    const char *masks[GPU_VENDORS], *hierarchy = env_get(env, "ZE_FLAT_DEVICE_HIERARCHY");
    bool composite = hierarchy && strcmp(hierarchy, "COMPOSITE") == 0;
    if (!gpu_list_init(&shown))
        return false;
    for (int vendor = 0; vendor < GPU_VENDORS; vendor++)
        masks[vendor] = env_get(env, gpu_vendor_variable((enum gpu_vendor)vendor));
    for (size_t i = 0; i < list->count; i++)
        if (!masks[list->items[i].gpu.vendor])
            gpu_list_add(&shown, &list->items[i]);
    for (int vendor = 0; vendor < GPU_VENDORS; vendor++)
        if (masks[vendor])
            add_words(&shown, list, (enum gpu_vendor)vendor, masks[vendor],
                      vendor == GPU_INTEL && !composite);
    gpu_list_fini(list);
    *list = shown;
    return true;
}
