// SPDX-License-Identifier: BSD-3-Clause
//
// What is left: of the host, or of one of its NUMA nodes; and of each control group that this process is in, all the
// way up, as far as they can be seen from here. What the kernel can drop at once (files that are not in use) counts as
// left. Of each a part is not ours to take: who is the last to ask for memory, perhaps for a few pages, is killed.
#include "config.h"

#include "mem/available.h"

#include "base/base.h"
#include "mem/segment.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <unistd.h>

enum {
    FILE_MOST = 64 << 10,
    SPARE_PART = 64,        // one in so many of all
    SPARE_LEAST = 16 << 20, // bytes
};

// A file of the system as text; "" when it cannot be read. The caller frees. NULL: out of memory.
__attribute__((format(printf, 2, 3))) static char *read_text(const char *root, const char *format,
                                                             ...)
{
    char path[PATH_MAX];
    int at = snprintf(path, sizeof path, "%s", root);
    va_list args;
    va_start(args, format);
    if (at >= 0 && (size_t)at < sizeof path)
        vsnprintf(path + at, sizeof path - (size_t)at, format, args);
    va_end(args);
    char *text = calloc(1, FILE_MOST);
    if (!text)
        return NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    while (fd >= 0 && length < FILE_MOST - 1) {
        ssize_t got = read(fd, text + length, FILE_MOST - 1 - length);
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    if (fd >= 0)
        close(fd);
    return text;
}

// The number behind a name, anywhere in the text; false: it is not there.
static bool find_number(const char *text, const char *name, uint64_t *out)
{
    size_t length = strlen(name);
    for (const char *at = text; at && (at = strstr(at, name)); at += length) {
        bool begins = at == text || at[-1] == '\n' || at[-1] == ' ';
        const char *number = at + length;
        if (!begins || (*number != ' ' && *number != ':'))
            continue;
        number += strspn(number, ": \t");
        char *end;
        unsigned long long value = strtoull(number, &end, 10);
        if (end == number)
            return false;
        *out = value;
        return true;
    }
    return false;
}

static uint64_t kilobytes(const char *text, const char *name)
{
    uint64_t value = 0;
    return find_number(text, name, &value) && value < UINT64_MAX / 1024 ? value * 1024 : 0;
}

static uint64_t without_spare(uint64_t left, uint64_t all)
{
    uint64_t spare = all / SPARE_PART > SPARE_LEAST ? all / SPARE_PART : SPARE_LEAST;
    return left > spare ? left - spare : 0;
}

// ---- the host

static uint64_t host_available(const char *root, int numa)
{
    char *text = numa < 0 ? read_text(root, "/proc/meminfo")
                          : read_text(root, "/sys/devices/system/node/node%d/meminfo", numa);
    uint64_t left = UINT64_MAX; // no such file: nothing is known
    if (text && *text) {
        left = numa < 0 ? kilobytes(text, "MemAvailable")
                        : kilobytes(text, "MemFree") + kilobytes(text, "Inactive(file)") +
                              kilobytes(text, "SReclaimable") / 2;
        left = without_spare(left, kilobytes(text, "MemTotal"));
    }
    free(text);
    return left;
}

// ---- control groups

struct hierarchy {
    const char *limit, *use, *stat, *reclaimable;
};
static const struct hierarchy v1 = {"memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat",
                                    "total_inactive_file"};
static const struct hierarchy v2 = {"memory.max", "memory.current", "memory.stat", "inactive_file"};

// What one group leaves; UINT64_MAX: it has no limit.
static uint64_t group_available(const char *root, const char *folder, const struct hierarchy *kind)
{
    uint64_t left = UINT64_MAX;
    char *limit_text = read_text(root, "%s/%s", folder, kind->limit);
    char *use_text = read_text(root, "%s/%s", folder, kind->use);
    char *stat = read_text(root, "%s/%s", folder, kind->stat);
    char *end = limit_text;
    unsigned long long limit = limit_text ? strtoull(limit_text, &end, 10) : 0;
    if (end != limit_text && use_text && stat) { // "max" is no number
        unsigned long long use = strtoull(use_text, NULL, 10);
        uint64_t reclaimable = 0;
        find_number(stat, kind->reclaimable, &reclaimable);
        use = use > reclaimable ? use - reclaimable : 0;
        left = without_spare(limit > use ? limit - use : 0, limit);
    }
    free(limit_text);
    free(use_text);
    free(stat);
    return left;
}

// The group and all above it, up to where the hierarchy is mounted.
static uint64_t path_available(const char *root, const char *mount, const char *group,
                               const struct hierarchy *kind)
{
    char folder[PATH_MAX];
    int length = snprintf(folder, sizeof folder, "%s%s", mount, group);
    if (length < 0 || (size_t)length >= sizeof folder)
        return UINT64_MAX;
    uint64_t least = UINT64_MAX;
    while (strlen(folder) >= strlen(mount)) {
        uint64_t left = group_available(root, folder, kind);
        least = left < least ? left : least;
        char *slash = strrchr(folder, '/');
        if (!slash)
            break;
        *slash = '\0';
    }
    return least;
}

// The path of our group in a hierarchy: of "0::/path" (v2), or of "4:memory:/path". False: we are in none.
static bool own_group(const char *root, bool second, char *group, size_t room)
{
    char *text = read_text(root, "/proc/self/cgroup");
    bool found = false;
    char *rest = NULL;
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line && !found;
         line = strtok_r(NULL, "\n", &rest)) {
        char *names = strchr(line, ':');
        char *path = names ? strchr(names + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        names++;
        char *part_rest = NULL;
        bool ours = second && !*names;
        for (char *part = strtok_r(names, ",", &part_rest); part && !second;
             part = strtok_r(NULL, ",", &part_rest))
            ours |= !strcmp(part, "memory");
        found = ours && (size_t)snprintf(group, room, "%s", path) < room;
    }
    free(text);
    return found;
}

struct mount {
    char folder[PATH_MAX]; // where it is mounted
    char top[PATH_MAX];    // which group that shows
};

// From the lines of mountinfo: "36 35 98:0 /top /folder rw,noatime master:1 - cgroup cgroup rw,memory".
static bool find_mount(const char *root, bool second, struct mount *mount)
{
    char *text = read_text(root, "/proc/self/mountinfo");
    bool found = false;
    char *rest = NULL;
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line && !found;
         line = strtok_r(NULL, "\n", &rest)) {
        char *kind = strstr(line, " - ");
        if (!kind)
            continue;
        if (second ? strncmp(kind + 3, "cgroup2 ", 8)
                   : strncmp(kind + 3, "cgroup ", 7) || !strstr(kind, "memory"))
            continue;
        char *word_rest = NULL;
        const char *words[5] = {0};
        char *word = strtok_r(line, " ", &word_rest);
        for (int i = 0; i < 5 && word; i++, word = strtok_r(NULL, " ", &word_rest))
            words[i] = word;
        found =
            words[4] &&
            (size_t)snprintf(mount->top, sizeof mount->top, "%s", words[3]) < sizeof mount->top &&
            (size_t)snprintf(mount->folder, sizeof mount->folder, "%s", words[4]) <
                sizeof mount->folder;
    }
    free(text);
    return found;
}

static uint64_t groups_available(const char *root, bool second)
{
    char group[PATH_MAX];
    struct mount *mount = calloc(1, sizeof *mount);
    uint64_t least = UINT64_MAX;
    if (mount && own_group(root, second, group, sizeof group) && find_mount(root, second, mount)) {
        // In a container the mount may begin at a group of its own.
        const char *path = group;
        size_t top = strcmp(mount->top, "/") ? strlen(mount->top) : 0;
        if (top && !strncmp(group, mount->top, top) && (!group[top] || group[top] == '/'))
            path = group + top;
        if (!strcmp(path, "/") || strstr(path, "/.."))
            path = "";
        least = path_available(root, mount->folder, path, second ? &v2 : &v1);
    }
    free(mount);
    return least;
}

uint64_t available_below(const char *root, int numa)
{
    uint64_t host = host_available(root, numa);
    uint64_t first = groups_available(root, false);
    uint64_t second = groups_available(root, true);
    uint64_t least = first < second ? first : second;
    return host < least ? host : least;
}

uint64_t segment_available(int numa)
{
    return available_below("", numa);
}
