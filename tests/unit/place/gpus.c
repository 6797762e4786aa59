// SPDX-License-Identifier: BSD-3-Clause
//
// GPUs in trees of files as the drivers of each vendor make them, under masks, and declared.
#include "config.h"

#include "place/gpus.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/dragon-gpus-XXXXXX";

static void make_root(void)
{
    cr_assert_not_null(mkdtemp(root));
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static void remove_root(void)
{
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TestSuite(place_gpus, .init = make_root, .fini = remove_root);

// ---- making trees

static void make_folders(const char *path)
{
    char part[512];
    for (const char *slash = strchr(path + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        cr_assert(mkdir(part, 0700) == 0 || errno == EEXIST, "%s", part);
    }
}

__attribute__((format(printf, 2, 3))) static void plant(const char *content, const char *format,
                                                        ...)
{
    char path[512];
    int used = snprintf(path, sizeof path, "%s/", root);
    va_list args;
    va_start(args, format);
    vsnprintf(path + used, sizeof path - (size_t)used, format, args);
    va_end(args);
    make_folders(path);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    fputs(content, file);
    fclose(file);
}

static void plant_device(const char *driver, const char *address, const char *class,
                         const char *vendor, const char *numa)
{
    plant("", "sys/bus/pci/drivers/%s/%s", driver, address);
    plant(class, "sys/bus/pci/devices/%s/class", address);
    plant(vendor, "sys/bus/pci/devices/%s/vendor", address);
    plant(numa, "sys/bus/pci/devices/%s/numa_node", address);
}

static void plant_nvidia(const char *address, const char *numa, const char *uuid, int minor)
{
    char text[400];
    plant_device("nvidia", address, "0x030200\n", "0x10de\n", numa);
    snprintf(text, sizeof text,
             "Model: \t\t NVIDIA H100\nIRQ:   \t\t 120\nGPU UUID: \t %s\nVideo BIOS: \t 96.00\n"
             "Device Minor: \t %d\n",
             uuid, minor);
    plant(text, "proc/driver/nvidia/gpus/%s/information", address);
}

static void plant_amd(const char *address, const char *numa, const char *unique_id)
{
    plant_device("amdgpu", address, "0x038000\n", "0x1002\n", numa);
    if (unique_id)
        plant(unique_id, "sys/bus/pci/devices/%s/unique_id", address);
}

static void plant_kfd(int node, int simds, unsigned domain, unsigned location)
{
    char text[400];
    snprintf(text, sizeof text,
             "cpu_cores_count 0\nsimd_count %d\nmem_banks_count 1\nlocation_id %u\ndomain %u\n",
             simds, location, domain);
    plant(text, "sys/class/kfd/kfd/topology/nodes/%d/properties", node);
}

// Four of NVIDIA, the numbers of their device files the other way round.
static void plant_four(void)
{
    plant_nvidia("0000:c1:00.0", "3\n", "GPU-dddddddd-0000-0000-0000-000000000004", 0);
    plant_nvidia("0000:81:00.0", "2\n", "GPU-cccccccc-0000-0000-0000-000000000003", 1);
    plant_nvidia("0000:41:00.0", "1\n", "GPU-bbbbbbbb-0000-0000-0000-000000000002", 2);
    plant_nvidia("0000:01:00.0", "0\n", "GPU-aaaaaaaa-0000-0000-0000-000000000001", 3);
}

// ---- reading them

// "nvidia 0 GPU-... @1 *2": vendor, what shows it, identity, NUMA node, tiles when more than one.
static const char *as_text(struct gpu_found *found, size_t count)
{
    static char text[8192];
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s %s %s @%d", i ? "; " : "",
                                 gpu_vendor_name((enum gpu_vendor)found[i].gpu.vendor),
                                 found[i].gpu.visible, found[i].gpu.identity, found[i].system_numa);
        if (found[i].gpu.tiles != 1)
            used += (size_t)snprintf(text + used, sizeof text - used, " *%u", found[i].gpu.tiles);
        cr_expect_eq(found[i].gpu.numa, MACHINE_NO_NUMA);
    }
    free(found);
    return text;
}

static const char *found_with(const char *variable)
{
    char *env[] = {"PATH=/bin", (char *)variable, NULL};
    struct gpu_found *found;
    size_t count;
    dragon_error_t error = {0};
    cr_assert_eq(gpus_find(root, env, &found, &count, &error), DRAGON_OK, "%s", error.text);
    return as_text(found, count);
}

static const char *hierarchy; // what Intel's driver is told, or NULL

static const char *declared_with(const char *text, const char *variable)
{
    static const int numas[] = {0, 1, 4};
    char *env[] = {"PATH=/bin", (char *)variable, (char *)hierarchy, NULL};
    struct gpu_found *found;
    size_t count;
    dragon_error_t error = {0};
    if (gpus_declare(text, env, numas, 3, &found, &count, &error) == DRAGON_OK)
        return as_text(found, count);
    cr_expect_eq(error.code, DRAGON_ERR_INVAL);
    cr_expect_gt(strlen(error.text), 10);
    return "refused";
}

#define expect_text(got, expected)                                                \
    do {                                                                          \
        const char *the_got = (got);                                              \
        cr_expect_str_eq(the_got, (expected), "%s, not %s", the_got, (expected)); \
    } while (0)

Test(place_gpus, a_host_without_any)
{
    expect_text(found_with(NULL), "");
    plant_device("nvidia", "0000:01:00.0", "0x020000\n", "0x10de\n", "0\n"); // a network card
    plant_device("nvidia", "0000:02:00.0", "0x030000\n", "0x1af4\n", "0\n"); // of another vendor
    plant_device("mlx5_core", "0000:03:00.0", "0x030000\n", "0x10de\n", "0\n");
    plant_device("amdgpu", "0000:04:00.0", "0x040300\n", "0x1002\n", "0\n"); // sound
    plant("", "sys/bus/pci/drivers/nvidia/module");
    plant("", "sys/bus/pci/drivers/nvidia/new_id");
    expect_text(found_with(NULL), "");
}

Test(place_gpus, nvidia_in_the_order_of_addresses)
{
    plant_four();
    expect_text(found_with(NULL), "nvidia 0 GPU-aaaaaaaa-0000-0000-0000-000000000001 @0; "
                                  "nvidia 1 GPU-bbbbbbbb-0000-0000-0000-000000000002 @1; "
                                  "nvidia 2 GPU-cccccccc-0000-0000-0000-000000000003 @2; "
                                  "nvidia 3 GPU-dddddddd-0000-0000-0000-000000000004 @3");
}

Test(place_gpus, addresses_are_numbers)
{
    plant_nvidia("10000:01:00.0", "1\n", "GPU-b0", 1); // a domain of five digits
    plant_nvidia("000a:01:00.0", "0\n", "GPU-a0", 0);
    plant_nvidia("0002:0b:00.1", "0\n", "GPU-02", 2);
    expect_text(found_with(NULL), "nvidia 0 GPU-02 @0; nvidia 1 GPU-a0 @0; nvidia 2 GPU-b0 @1");
}

Test(place_gpus, malformed_files_of_nvidia)
{
    plant_nvidia("0000:01:00.0", "-1\n", "GPU-????????", 0);
    plant_nvidia("0000:02:00.0", "seven\n", "", 1);
    plant_device("nvidia", "0000:03:00.0", "0x030200\n", "0x10de\n", "");
    plant_nvidia("0000:04:00.0", "99999999999999999999\n",
                 "GPU-0123456789abcdef0123456789abcdef-"
                 "0123456789abcdef0123456789abcdef-0123456789abcdef",
                 1);
    plant_device("nvidia", "0000:05:00.0", "display\n", "0x10de\n", "0\n");
    plant_device("nvidia", "0000:06:00.0", "", "", "0\n");
    plant("", "sys/bus/pci/drivers/nvidia/0000:07:00.0"); // no device behind it
    plant("", "sys/bus/pci/drivers/nvidia/0000:08:00.0x");
    plant("", "sys/bus/pci/drivers/nvidia/0000:08");
    const char *text = found_with(NULL);
    cr_expect_not_null(strstr(text, "nvidia 0 0000:01:00.0 @-1; nvidia 1 0000:02:00.0 @-1; "
                                    "nvidia 2 0000:03:00.0 @-1; nvidia 3 GPU-0123456789abcdef"),
                       "%s", text);
    cr_expect_null(strstr(text, "nvidia 4"), "%s", text);
}

Test(place_gpus, what_may_not_be_used_is_not_there)
{
    char path[200];
    plant_four();
    // A device file that cannot be used, whatever the reason; that of the others is not made yet.
    snprintf(path, sizeof path, "%s/dev", root);
    cr_assert_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/dev/nvidia3", root);
    cr_assert_eq(symlink("nvidia3", path), 0);
    plant("", "dev/nvidia2");
    expect_text(found_with("CUDA_VISIBLE_DEVICES=0,1"),
                "nvidia 0 GPU-bbbbbbbb-0000-0000-0000-000000000002 @1; "
                "nvidia 1 GPU-cccccccc-0000-0000-0000-000000000003 @2");
}

Test(place_gpus, masks_of_nvidia)
{
    static const struct {
        const char *mask, *expected;
    } rows[] = {
        {"CUDA_VISIBLE_DEVICES=", ""},
        {"CUDA_VISIBLE_DEVICES=-1", ""},
        {"CUDA_VISIBLE_DEVICES=NoDevFiles", ""},
        {"CUDA_VISIBLE_DEVICES=4", ""},
        {"CUDA_VISIBLE_DEVICES=2", "nvidia 2 GPU-c @2"},
        {"CUDA_VISIBLE_DEVICES=3, 0", "nvidia 3 GPU-d @3; nvidia 0 GPU-a @0"},
        {"CUDA_VISIBLE_DEVICES=1,1,0", "nvidia 1 GPU-b @1; nvidia 0 GPU-a @0"},
        {"CUDA_VISIBLE_DEVICES=1,-1,0", "nvidia 1 GPU-b @1"}, // as with the vendor: it ends there
        {"CUDA_VISIBLE_DEVICES=1,,0", "nvidia 1 GPU-b @1"},
        {"CUDA_VISIBLE_DEVICES=0x1", ""},
        {"CUDA_VISIBLE_DEVICES=99999999999999999999", ""},
        {"CUDA_VISIBLE_DEVICES=GPU-bbbb", "nvidia GPU-bbbb GPU-b @1"},
        {"CUDA_VISIBLE_DEVICES=GPU-", ""}, // the beginning of several
        {"CUDA_VISIBLE_DEVICES=GPU-eeee", ""},
        {"CUDA_VISIBLE_DEVICES=MIG-GPU-cccccccc-0000-0000-0000-000000000003/1/0",
         "nvidia MIG-GPU-cccccccc-0000-0000-0000-000000000003/1/0 "
         "MIG-GPU-cccccccc-0000-0000-0000-000000000003/1/0 @2"},
        {"CUDA_VISIBLE_DEVICES=MIG-01234567-0000-0000-0000-000000000001,"
         "MIG-01234567-0000-0000-0000-000000000002",
         "nvidia MIG-01234567-0000-0000-0000-000000000001 "
         "MIG-01234567-0000-0000-0000-000000000001 @-1; "
         "nvidia MIG-01234567-0000-0000-0000-000000000002 "
         "MIG-01234567-0000-0000-0000-000000000002 @-1"},
        {"CUDA_VISIBLE_DEVICES=0,MIG-0123456789012345678901234567890123456789012345678901234567890",
         "nvidia 0 GPU-a @0"},
        {"ROCR_VISIBLE_DEVICES=0", "nvidia 0 GPU-a @0; nvidia 1 GPU-b @1; nvidia 2 GPU-c @2; "
                                   "nvidia 3 GPU-d @3"},
    };
    static const char *const uuids[] = {
        "GPU-aaaaaaaa-0000-0000-0000-000000000001", "GPU-bbbbbbbb-0000-0000-0000-000000000002",
        "GPU-cccccccc-0000-0000-0000-000000000003", "GPU-dddddddd-0000-0000-0000-000000000004"};
    plant_four();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        // The rows have the first letter only, where it is a whole word.
        char got[4096], *at;
        snprintf(got, sizeof got, "%s", found_with(rows[i].mask));
        for (size_t k = 0; k < 4; k++)
            while ((at = strstr(got, uuids[k])) && at > got && at[-1] == ' ')
                memmove(at + 5, at + strlen(uuids[k]), strlen(at + strlen(uuids[k])) + 1);
        cr_expect_str_eq(got, rows[i].expected, "%s: %s", rows[i].mask, got);
    }
}

Test(place_gpus, a_uuid_that_cannot_be_compared_is_believed)
{
    plant_device("nvidia", "0000:01:00.0", "0x030200\n", "0x10de\n", "1\n");
    expect_text(found_with("CUDA_VISIBLE_DEVICES=GPU-1234"), "nvidia GPU-1234 GPU-1234 @-1");
    expect_text(found_with("CUDA_VISIBLE_DEVICES=MIG-1"), "nvidia MIG-1 MIG-1 @1"); // the only one
}

Test(place_gpus, amd_without_kfd)
{
    plant_amd("0000:c1:00.0", "1\n", "b3b5f1e2d4c6a788\n");
    plant_amd("0000:03:00.0", "0\n", "0000000000000001\n");
    plant_amd("0000:44:00.0", "0\n", NULL);
    plant_device("amdgpu", "0000:d0:00.0", "0x120000\n", "0x1002\n", "1\n");
    plant("0\n", "sys/bus/pci/devices/0000:d0:00.0/unique_id");
    expect_text(found_with(NULL), "amd 0 GPU-0000000000000001 @0; amd 1 0000:44:00.0 @0; "
                                  "amd 2 GPU-b3b5f1e2d4c6a788 @1; amd 3 0000:d0:00.0 @1");
    expect_text(found_with("ROCR_VISIBLE_DEVICES=GPU-b3b5f1e2d4c6a788,0"),
                "amd GPU-b3b5f1e2d4c6a788 GPU-b3b5f1e2d4c6a788 @1; amd 0 GPU-0000000000000001 @0");
}

Test(place_gpus, amd_as_kfd_lists_them)
{
    plant_amd("0000:03:00.0", "0\n", "0000000000000001\n");
    plant_amd("0000:44:00.0", "0\n", "0000000000000002\n"); // not for computing
    plant_amd("0000:c1:00.0", "1\n", "0000000000000003\n");
    plant_amd("0001:03:00.0", "1\n", "0000000000000004\n");
    plant_kfd(0, 0, 0, 0); // a processor
    plant_kfd(1, 256, 0, 0xc100);
    plant_kfd(2, 256, 0, 0x0300);
    plant("nonsense\n\nsimd_count", "sys/class/kfd/kfd/topology/nodes/3/properties");
    plant("", "sys/class/kfd/kfd/topology/nodes/4/gpu_id"); // that of others: not to be read
    plant_kfd(5, 256, 1, 0x0300);
    // Listed by address, counted as its runtime counts them.
    expect_text(found_with(NULL), "amd 1 GPU-0000000000000001 @0; amd 0 GPU-0000000000000003 @1; "
                                  "amd 2 GPU-0000000000000004 @1");
    expect_text(found_with("ROCR_VISIBLE_DEVICES=0,1"),
                "amd 0 GPU-0000000000000003 @1; amd 1 GPU-0000000000000001 @0");
}

Test(place_gpus, amd_in_partitions)
{
    plant_amd("0000:03:00.0", "0\n", "0000000000000001\n");
    plant_kfd(0, 64, 0, 0x0300);
    plant_kfd(1, 64, 0, 0x10000300);
    expect_text(found_with(NULL), "amd 0 GPU-0000000000000001 @0; amd 1 0000:03:00.0 @0");
}

Test(place_gpus, intel_and_its_tiles)
{
    plant_device("i915", "0000:00:02.0", "0x030000\n", "0x8086\n", "0\n"); // integrated
    plant_device("i915", "0000:18:00.0", "0x038000\n", "0x8086\n", "0\n");
    plant("0", "sys/bus/pci/devices/0000:18:00.0/drm/card1/gt/gt0/id");
    plant("1", "sys/bus/pci/devices/0000:18:00.0/drm/card1/gt/gt1/id");
    plant("", "sys/bus/pci/devices/0000:18:00.0/drm/card1/gt/gtx/id");
    plant("", "sys/bus/pci/devices/0000:18:00.0/drm/renderD129/dev");
    plant_device("xe", "0000:2a:00.0", "0x038000\n", "0x8086\n", "1\n");
    plant("", "sys/bus/pci/devices/0000:2a:00.0/tile0/gt0/id");
    plant("", "sys/bus/pci/devices/0000:2a:00.0/tile1/gt1/id");
    plant_device("xe", "0000:3a:00.0", "0x030000\n", "0x8086\n", "1\n");
    expect_text(found_with(NULL), "intel 0 0000:18:00.0 @0 *2; intel 1 0000:2a:00.0 @1 *2; "
                                  "intel 2 0000:3a:00.0 @1");
}

Test(place_gpus, masks_of_intel)
{
    static const struct {
        const char *mask;
        bool composite;
        const char *expected;
    } rows[] = {
        {"ZE_AFFINITY_MASK=0", true, "intel 0 declared-0 @0 *2"},
        {"ZE_AFFINITY_MASK=1,0.1", true, "intel 1 declared-1 @1 *2; intel 0.1 declared-0 @0"},
        {"ZE_AFFINITY_MASK=3", true, ""},
        {"ZE_AFFINITY_MASK=0.2", true, ""},
        {"ZE_AFFINITY_MASK=0.", true, ""},
        {"ZE_AFFINITY_MASK=.0", true, ""},
        {"ZE_AFFINITY_MASK=0.0.0", true, ""},
        {"ZE_AFFINITY_MASK=", true, ""},
        // Else each tile is a device, and counted.
        {"ZE_AFFINITY_MASK=3,0", false, "intel 3 declared-1 @1; intel 0 declared-0 @0"},
        {"ZE_AFFINITY_MASK=5,6", false, "intel 5 declared-2 @4"},
        {"ZE_AFFINITY_MASK=0.0,0.1", false, "intel 0.0 declared-0 @0; intel 0.1 declared-0 @0"},
        {"CUDA_VISIBLE_DEVICES=1", false,
         "intel 0 declared-0 @0 *2; intel 1 declared-1 @1 *2; intel 2 declared-2 @4 *2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hierarchy = rows[i].composite ? "ZE_FLAT_DEVICE_HIERARCHY=COMPOSITE" : NULL;
        cr_expect_str_eq(declared_with("intel:3.2", rows[i].mask), rows[i].expected, "%s",
                         rows[i].mask);
    }
}

Test(place_gpus, a_render_node_that_may_not_be_used)
{
    char path[200];
    plant_device("i915", "0000:18:00.0", "0x038000\n", "0x8086\n", "0\n");
    plant("", "sys/bus/pci/devices/0000:18:00.0/drm/renderD128/dev");
    plant_amd("0000:19:00.0", "0\n", NULL);
    plant("", "sys/bus/pci/devices/0000:19:00.0/drm/renderD129/dev");
    plant("", "dev/dri/renderD129");
    snprintf(path, sizeof path, "%s/dev/dri/renderD128", root);
    cr_assert_eq(symlink("renderD128", path), 0);
    expect_text(found_with(NULL), "amd 0 0000:19:00.0 @0");
}

Test(place_gpus, declarations)
{
    static const struct {
        const char *text, *variable, *expected;
    } rows[] = {
        {"none", NULL, ""},
        {"nvidia:1", NULL, "nvidia 0 declared-0 @0"},
        {"nvidia:2@4,0", NULL, "nvidia 0 declared-0 @4; nvidia 1 declared-1 @0"},
        {"intel:1.8", NULL, "intel 0 declared-0 @0 *8"},
        {"amd:1.1", NULL, "amd 0 declared-0 @0"},
        {"amd:3;nvidia:1@1", NULL,
         "amd 0 declared-0 @0; amd 1 declared-1 @1; amd 2 declared-2 @4; nvidia 0 declared-3 @1"},
        {"amd:1;amd:1@1", NULL, "amd 0 declared-0 @0; amd 1 declared-1 @1"},
        {"amd:2", "ROCR_VISIBLE_DEVICES=1", "amd 1 declared-1 @1"},
        {"nvidia:2", "CUDA_VISIBLE_DEVICES=", ""},
        {"none", "CUDA_VISIBLE_DEVICES=MIG-0123", ""},
    };
    static const char *const wrong[] = {
        "",           "nvidia",       "nvidia:",           "nvidia:0",    "nvidia:257",
        "nvidia:-1",  "nvidia:x",     "Nvidia:1",          ":4",          "nvidia:1@",
        "nvidia:2@0", "nvidia:1@0,1", "nvidia:1@9",        "nvidia:1@-1", "nvidia:1@x",
        "nvidia:1;",  ";nvidia:1",    "nvidia:1,amd:1",    "intel:1.0",   "intel:1.9",
        "intel:1.",   "intel:1@0.2",  "amd:200;amd:57",    "nvidia:2.2",  "none;none",
        "none;amd:1", "nvidia:1 ",    "nvidia:4@1,1,0,0,",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_str_eq(declared_with(rows[i].text, rows[i].variable), rows[i].expected, "%s",
                         rows[i].text);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect_str_eq(declared_with(wrong[i], NULL), "refused", "%s", wrong[i]);
}

Test(place_gpus, a_declaration_for_a_host_that_is_not_known)
{
    char *none[] = {NULL};
    struct gpu_found *found;
    size_t count;
    cr_assert_eq(gpus_declare("nvidia:2@7,300", none, NULL, 0, &found, &count, NULL), DRAGON_OK);
    expect_text(as_text(found, count), "nvidia 0 declared-0 @7; nvidia 1 declared-1 @300");
    cr_assert_eq(gpus_declare("nvidia:256", none, NULL, 0, &found, &count, NULL), DRAGON_OK);
    cr_expect_eq(count, 256);
    cr_expect_eq(found[255].system_numa, -1);
    free(found);
    cr_expect_eq(gpus_declare("nvidia:1@65535", none, NULL, 0, &found, &count, NULL),
                 DRAGON_ERR_INVAL);
}
