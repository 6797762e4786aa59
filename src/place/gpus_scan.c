// SPDX-License-Identifier: BSD-3-Clause
//
// GPUs as the kernel shows them. It starts from the devices that a GPU driver has, so that a host
// without GPUs costs four failed opens and not one for each of its PCI devices.
//
//     <root>/sys/bus/pci/drivers/DRIVER/                  links to its devices, by address
//     <root>/sys/bus/pci/devices/ADDRESS/                 class, vendor, numa_node, unique_id, tiles
//     <root>/proc/driver/nvidia/gpus/ADDRESS/information  UUID and number of the device file
//     <root>/sys/class/kfd/kfd/topology/nodes/            what AMD's runtime counts, in its order
//
// A GPU whose device file we may not use is not there: batch systems keep those of others away so.
#include "config.h"

#include "place/gpus_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

enum { DEVICES_LIMIT = MACHINE_GPUS_LIMIT, KFD_LIMIT = 4096, FILE_ROOM = 4096 };

struct driver {
    const char *name;
    enum gpu_vendor vendor;
    unsigned long pci_vendor;
};

static const struct driver drivers[] = {
    {"nvidia", GPU_NVIDIA, 0x10de},
    {"amdgpu", GPU_AMD, 0x1002},
    {"i915", GPU_INTEL, 0x8086},
    {"xe", GPU_INTEL, 0x8086},
};

struct device {
    const struct driver *driver;
    unsigned domain, bus, slot, function;
    char address[24]; // "0000:c1:00.0"
};

struct kfd_node {
    unsigned domain, location, part;
    unsigned long long unique_id;
};

struct scan {
    const char *root;
    struct device *devices; // owned
    size_t device_count;
    struct kfd_node *kfd; // owned: the GPUs among its nodes
    size_t kfd_count;
    bool has_kfd;
    struct gpu_list *list;
};

// ---- files

// Its beginning as text. False: not there or not for us.
__attribute__((format(printf, 3, 4))) static bool read_text(char *text, size_t room,
                                                            const char *format, ...)
{
    char path[512];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(path, sizeof path, format, args);
    va_end(args);
    int fd = length < (int)sizeof path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    ssize_t got = read(fd, text, room - 1);
    close(fd);
    text[got > 0 ? got : 0] = 0;
    return got > 0;
}

// A file of sysfs that holds one number. -1: it does not.
static long read_number(const struct scan *scan, const struct device *device, const char *name,
                        int base)
{
    char text[64], *end;
    if (!read_text(text, sizeof text, "%s/sys/bus/pci/devices/%s/%s", scan->root, device->address,
                   name))
        return -1;
    errno = 0;
    long value = strtol(text, &end, base);
    return end > text && (*end == 0 || *end == '\n') && errno == 0 ? value : -1;
}

// What follows `name` on its line in `text`, without blanks around it; cut off at `room`.
static bool find_field(const char *text, const char *name, char *value, size_t room)
{
    size_t length = strlen(name);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (strncmp(line, name, length) != 0 || !strchr(" \t", line[length]))
            continue;
        line += length;
        line += strspn(line, " \t");
        snprintf(value, room, "%.*s", (int)strcspn(line, " \t\n"), line);
        return true;
    }
    return false;
}

static unsigned long long number_field(const char *text, const char *name)
{
    char value[32];
    return find_field(text, name, value, sizeof value) ? strtoull(value, NULL, 10) : 0;
}

// May we use the device file? One that is not there yet is made when it is needed.
__attribute__((format(printf, 1, 2))) static bool may_use(const char *format, ...)
{
    char path[512];
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    return access(path, R_OK | W_OK) == 0 || errno == ENOENT;
}

// ---- devices

static bool parse_address(const char *text, struct device *device)
{
    int end = 0;
    return strlen(text) < sizeof device->address &&
           sscanf(text, "%8x:%2x:%2x.%1x%n", &device->domain, &device->bus, &device->slot,
                  &device->function, &end) == 4 &&
           text[end] == 0;
}

static bool is_gpu(const struct scan *scan, const struct device *device)
{
    long class = read_number(scan, device, "class", 16);
    if (read_number(scan, device, "vendor", 16) != (long)device->driver->pci_vendor || class < 0)
        return false;
    // Of the display controllers; and processing accelerators, which some of AMD's are.
    switch (class >> 8) {
    case 0x0300:
    case 0x0302:
    case 0x0380:
        // Intel's integrated ones are on the bus of the processor, and no place to compute.
        return device->driver->vendor != GPU_INTEL || device->bus != 0;
    case 0x1200:
        return device->driver->vendor == GPU_AMD;
    default:
        return false;
    }
}

static void scan_driver(struct scan *scan, const struct driver *driver)
{
    char path[512];
    struct dirent *entry;
    snprintf(path, sizeof path, "%s/sys/bus/pci/drivers/%s", scan->root, driver->name);
    DIR *folder = opendir(path);
    while (folder && (entry = readdir(folder)) && scan->device_count < DEVICES_LIMIT) {
        struct device *device = &scan->devices[scan->device_count];
        *device = (struct device){.driver = driver};
        if (!parse_address(entry->d_name, device))
            continue;
        snprintf(device->address, sizeof device->address, "%.23s", entry->d_name);
        scan->device_count += is_gpu(scan, device);
    }
    if (folder)
        closedir(folder);
}

static int compare_devices(const void *left, const void *right)
{
    const struct device *a = left, *b = right;
    unsigned long long first = (unsigned long long)a->domain << 32 | a->bus << 16 | a->slot << 8;
    unsigned long long second = (unsigned long long)b->domain << 32 | b->bus << 16 | b->slot << 8;
    first |= a->function;
    second |= b->function;
    return (first > second) - (first < second);
}

// Entries of a folder that are `name` and a number; the last of them in `last`.
static unsigned count_entries(const char *path, const char *name, char *last, size_t room)
{
    unsigned count = 0;
    struct dirent *entry;
    DIR *folder = opendir(path);
    while (folder && (entry = readdir(folder))) {
        long long number;
        if (strncmp(entry->d_name, name, strlen(name)) != 0 ||
            !parse_number(entry->d_name + strlen(name), 0, INT32_MAX, &number))
            continue;
        count++;
        snprintf(last, room, "%s", entry->d_name);
    }
    if (folder)
        closedir(folder);
    return count;
}

static bool may_render(const struct scan *scan, const struct device *device)
{
    char path[512], name[256];
    snprintf(path, sizeof path, "%s/sys/bus/pci/devices/%s/drm", scan->root, device->address);
    return count_entries(path, "renderD", name, sizeof name) == 0 ||
           may_use("%s/dev/dri/%s", scan->root, name);
}

// ---- each vendor's

static bool is_uuid(const char *text)
{
    return strncmp(text, "GPU-", 4) == 0 && text[4] &&
           strspn(text + 4, "0123456789abcdefABCDEF-") == strlen(text + 4);
}

static void add_gpu(struct scan *scan, const struct device *device, struct gpu_found *found,
                    size_t number)
{
    long numa = read_number(scan, device, "numa_node", 10);
    found->gpu.vendor = (uint8_t)device->driver->vendor;
    found->gpu.numa = MACHINE_NO_NUMA;
    found->system_numa = numa >= 0 && numa < MACHINE_NO_NUMA ? (int)numa : -1;
    if (found->gpu.tiles == 0)
        found->gpu.tiles = 1;
    if (!is_uuid(found->gpu.identity))
        snprintf(found->gpu.identity, sizeof found->gpu.identity, "%s", device->address);
    snprintf(found->gpu.visible, sizeof found->gpu.visible, "%zu", number);
    gpu_list_add(scan->list, found);
}

static void add_nvidia(struct scan *scan, const struct device *device)
{
    struct gpu_found found = {0};
    char text[FILE_ROOM], minor[16];
    if (read_text(text, sizeof text, "%s/proc/driver/nvidia/gpus/%s/information", scan->root,
                  device->address)) {
        find_field(text, "GPU UUID:", found.gpu.identity, sizeof found.gpu.identity);
        if (find_field(text, "Device Minor:", minor, sizeof minor) &&
            !may_use("%s/dev/nvidia%s", scan->root, minor))
            return;
    }
    add_gpu(scan, device, &found, gpu_list_count_of(scan->list, GPU_NVIDIA));
}

static void add_amd(struct scan *scan, const struct device *device)
{
    unsigned location = device->bus << 8 | device->slot << 3 | device->function;
    char text[64] = "";
    if (!may_render(scan, device))
        return;
    read_text(text, sizeof text, "%s/sys/bus/pci/devices/%s/unique_id", scan->root,
              device->address);
    unsigned long long unique_id = strtoull(text, NULL, 16);
    for (size_t i = 0; i < scan->kfd_count; i++) {
        const struct kfd_node *node = &scan->kfd[i];
        struct gpu_found found = {0};
        if (node->domain != device->domain || node->location != location)
            continue;
        if (node->unique_id || (unique_id && node->part == 0))
            snprintf(found.gpu.identity, sizeof found.gpu.identity, "GPU-%016llx",
                     node->unique_id ? node->unique_id : unique_id);
        add_gpu(scan, device, &found, i);
    }
    if (scan->has_kfd)
        return;
    struct gpu_found found = {0};
    if (unique_id)
        snprintf(found.gpu.identity, sizeof found.gpu.identity, "GPU-%016llx", unique_id);
    add_gpu(scan, device, &found, gpu_list_count_of(scan->list, GPU_AMD));
}

static unsigned count_tiles(const struct scan *scan, const struct device *device)
{
    char path[512], card[256], last[256];
    snprintf(path, sizeof path, "%s/sys/bus/pci/devices/%s", scan->root, device->address);
    unsigned tiles = count_entries(path, "tile", last, sizeof last);
    snprintf(path, sizeof path, "%s/sys/bus/pci/devices/%s/drm", scan->root, device->address);
    if (tiles == 0 && count_entries(path, "card", card, sizeof card)) {
        snprintf(path, sizeof path, "%s/sys/bus/pci/devices/%s/drm/%s/gt", scan->root,
                 device->address, card);
        tiles = count_entries(path, "gt", last, sizeof last);
    }
    if (tiles == 0)
        return 1;
    return tiles < MACHINE_TILES ? tiles : MACHINE_TILES;
}

static void add_intel(struct scan *scan, const struct device *device)
{
    struct gpu_found found = {.gpu.tiles = (uint8_t)count_tiles(scan, device)};
    if (may_render(scan, device))
        add_gpu(scan, device, &found, gpu_list_count_of(scan->list, GPU_INTEL));
}

// ---- AMD's nodes

// A GPU in several partitions is several nodes, with the number of the partition on top of the location.
static bool parse_node(const char *text, struct kfd_node *node)
{
    unsigned long long location = number_field(text, "location_id");
    *node = (struct kfd_node){
        .domain = (unsigned)number_field(text, "domain"),
        .location = (unsigned)location & 0x0fffffff,
        .part = (unsigned)(location >> 28) & 15,
        .unique_id = number_field(text, "unique_id"),
    };
    return number_field(text, "simd_count") > 0;
}

static bool read_kfd(struct scan *scan)
{
    char path[512], text[FILE_ROOM];
    snprintf(path, sizeof path, "%s/sys/class/kfd/kfd/topology/nodes", scan->root);
    scan->has_kfd = access(path, F_OK) == 0;
    scan->kfd = calloc(MACHINE_GPUS_LIMIT, sizeof *scan->kfd);
    for (unsigned i = 0; scan->has_kfd && scan->kfd && i < KFD_LIMIT; i++) {
        snprintf(path, sizeof path, "%s/sys/class/kfd/kfd/topology/nodes/%u", scan->root, i);
        if (access(path, F_OK) != 0 || scan->kfd_count == MACHINE_GPUS_LIMIT)
            break;
        // Those of others cannot be read.
        if (read_text(text, sizeof text, "%s/properties", path))
            scan->kfd_count += parse_node(text, &scan->kfd[scan->kfd_count]);
    }
    return scan->kfd != NULL;
}

bool gpus_scan(const char *root, struct gpu_list *list)
{
    struct scan scan = {.root = root, .list = list};
    bool good = true;
    scan.devices = calloc(DEVICES_LIMIT, sizeof *scan.devices);
    for (size_t i = 0; scan.devices && i < sizeof drivers / sizeof *drivers; i++)
        scan_driver(&scan, &drivers[i]);
    if (scan.device_count) {
        qsort(scan.devices, scan.device_count, sizeof *scan.devices, compare_devices);
        good = read_kfd(&scan);
    }
    for (size_t i = 0; good && i < scan.device_count; i++) {
        enum gpu_vendor vendor = scan.devices[i].driver->vendor;
        if (vendor == GPU_NVIDIA)
            add_nvidia(&scan, &scan.devices[i]);
        else if (vendor == GPU_AMD)
            add_amd(&scan, &scan.devices[i]);
        else
            add_intel(&scan, &scan.devices[i]);
    }
    good = good && scan.devices;
    free(scan.kfd);
    free(scan.devices);
    return good;
}
