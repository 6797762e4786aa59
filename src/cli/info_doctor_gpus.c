// SPDX-License-Identifier: BSD-3-Clause
//
// The doctor on GPUs: what an agent would find here, with the masks and the declaration of this environment.
#include "config.h"

#include "cli/info_doctor_parts.h"
#include "place/gpus.h"

#include <unistd.h>

static void say_gpu(struct doctor *doctor, const struct gpu_found *found)
{
    enum gpu_vendor vendor = (enum gpu_vendor)found->gpu.vendor;
    char tiles[32] = "", numa[32] = "";
    if (found->gpu.tiles > 1)
        snprintf(tiles, sizeof tiles, ", %u tiles", found->gpu.tiles);
    if (found->system_numa >= 0)
        snprintf(numa, sizeof numa, ", NUMA node %d", found->system_numa);
    doctor_fine(doctor, "GPU", "%s %s, shown by %s=%s%s%s", gpu_vendor_name(vendor),
                found->gpu.identity, gpu_vendor_variable(vendor), found->gpu.visible, tiles, numa);
}

// Which variables keep GPUs out of sight.
static void list_masks(char *text, size_t room)
{
    size_t used = 0;
    text[0] = 0;
    for (int vendor = 0; vendor < GPU_VENDORS; vendor++) {
        const char *variable = gpu_vendor_variable((enum gpu_vendor)vendor);
        const char *mask = getenv(variable);
        if (mask && used < room)
            used += (size_t)snprintf(text + used, room - used, ", with %s=%s", variable, mask);
    }
}

void doctor_check_gpus(struct doctor *doctor)
{
    const char *declared = getenv("DRAGON_GPUS");
    struct gpu_found *found = NULL;
    char masks[400];
    size_t count = 0;
    dragon_error_t error = {0};
    bool is_declared = declared && *declared;
    dragon_err_t err = is_declared
                           ? gpus_declare(declared, environ, NULL, 0, &found, &count, &error)
                           : gpus_find("", environ, &found, &count, &error);
    if (err != DRAGON_OK) {
        doctor_fail(doctor, "GPUs", "correct DRAGON_GPUS or unset it", "%s", error.text);
        return;
    }
    list_masks(masks, sizeof masks);
    if (count)
        doctor_fine(doctor, "GPUs", "%zu%s%s", count,
                    is_declared ? ", declared by DRAGON_GPUS" : "", masks);
    else
        doctor_fine(doctor, "GPUs", "none%s%s", is_declared ? ", by DRAGON_GPUS" : "", masks);
    for (size_t i = 0; i < count; i++)
        say_gpu(doctor, &found[i]);
    free(found);
}
