// SPDX-License-Identifier: BSD-3-Clause
//
// Policies: merging, sending, and the lists of cores and GPUs in them as text.
#include "config.h"

#include "place/policy.h"
#include "place/machine.h"

#include <stdarg.h>

enum { HOSTS_LIMIT = 1 << 20, LISTS_LIMIT = MACHINE_CORES_LIMIT, ENV_LIMIT = 1 << 16 };

void policy_fini(struct policy *policy)
{
    strv_free(policy->env);
    strv_free(policy->gpu_lists);
    strv_free(policy->core_lists);
    strv_free(policy->hosts);
    *policy = (struct policy){0};
}

// NULL stays NULL: nothing is said.
static bool copy_list(char *const *list, char ***copy_out)
{
    if (!list)
        return true;
    *copy_out = strv_copy(list);
    return *copy_out != NULL;
}

bool policy_copy(const struct policy *policy, struct policy *copy_out)
{
    struct policy copy = *policy;
    copy.hosts = copy.core_lists = copy.gpu_lists = copy.env = NULL;
    if (!copy_list(policy->hosts, &copy.hosts) ||
        !copy_list(policy->core_lists, &copy.core_lists) ||
        !copy_list(policy->gpu_lists, &copy.gpu_lists) || !copy_list(policy->env, &copy.env)) {
        policy_fini(&copy);
        return false;
    }
    *copy_out = copy;
    return true;
}

// ---- merging

static bool said(char *const *list)
{
    return list && list[0];
}

static bool replace_list(char ***list, char *const *over)
{
    if (!said(over))
        return true;
    char **copy = strv_copy(over);
    if (!copy)
        return false;
    strv_free(*list);
    *list = copy;
    return true;
}

static void drop_list(char ***list)
{
    strv_free(*list);
    *list = NULL;
}

// A number and a list of the same thing are two ways of saying it, so either takes the other's place.
static void drop_what_is_replaced(struct policy *policy, const struct policy *over)
{
    if (over->cores || said(over->core_lists)) {
        policy->cores = 0;
        drop_list(&policy->core_lists);
    }
    if (over->gpus_said || said(over->gpu_lists)) {
        policy->gpus = 0;
        policy->gpus_said = false;
        drop_list(&policy->gpu_lists);
    }
}

static void merge_numbers(struct policy *policy, const struct policy *over)
{
    if (over->map)
        policy->map = over->map;
    if (over->bind)
        policy->bind = over->bind;
    if (over->ppn)
        policy->ppn = over->ppn;
    if (over->cores)
        policy->cores = over->cores;
    if (over->gpus_said) {
        policy->gpus_said = true;
        policy->gpus = over->gpus;
    }
    if (over->memory_bytes)
        policy->memory_bytes = over->memory_bytes;
}

static bool merge_env(struct policy *policy, const struct policy *over)
{
    for (char **at = over->env; at && *at; at++) {
        const char *equals = strchr(*at, '=');
        char *name = strndup(*at, equals ? (size_t)(equals - *at) : strlen(*at));
        bool good = name && policy_env_set(&policy->env, name, equals ? equals + 1 : NULL);
        free(name);
        if (!good)
            return false;
    }
    return true;
}

bool policy_merge(struct policy *policy, const struct policy *over)
{
    struct policy merged;
    if (!policy_copy(policy, &merged))
        return false;
    drop_what_is_replaced(&merged, over);
    merge_numbers(&merged, over);
    if (!replace_list(&merged.hosts, over->hosts) ||
        !replace_list(&merged.core_lists, over->core_lists) ||
        !replace_list(&merged.gpu_lists, over->gpu_lists) || !merge_env(&merged, over)) {
        policy_fini(&merged);
        return false;
    }
    policy_fini(policy);
    *policy = merged;
    return true;
}

bool policy_asks(const struct policy *policy)
{
    return policy->cores || said(policy->core_lists) || (policy->gpus_said && policy->gpus) ||
           said(policy->gpu_lists) || policy->memory_bytes || policy->bind > DRAGON_BIND_NONE;
}

dragon_bind_t policy_bind(const struct policy *policy)
{
    if (policy->bind != DRAGON_BIND_UNSET)
        return (dragon_bind_t)policy->bind;
    return policy->cores || said(policy->core_lists) ? DRAGON_BIND_CORE : DRAGON_BIND_NONE;
}

// ---- on the wire

void policy_pack(struct pack *pack, const struct policy *policy)
{
    pack_u8(pack, policy->map);
    pack_u8(pack, policy->bind);
    pack_u8(pack, policy->gpus_said);
    pack_u32(pack, policy->ppn);
    pack_u32(pack, policy->cores);
    pack_u32(pack, policy->gpus);
    pack_u64(pack, policy->memory_bytes);
    pack_strv(pack, policy->hosts);
    pack_strv(pack, policy->core_lists);
    pack_strv(pack, policy->gpu_lists);
    pack_strv(pack, policy->env);
}

// An empty list is one that says nothing.
static char **unpack_list(struct unpack *unpack, size_t limit)
{
    char **list = unpack_strv(unpack, limit);
    if (said(list))
        return list;
    strv_free(list);
    return NULL;
}

bool policy_unpack(struct unpack *unpack, struct policy *policy_out)
{
    struct policy policy = {0};
    policy.map = unpack_u8(unpack);
    policy.bind = unpack_u8(unpack);
    policy.gpus_said = unpack_u8(unpack) != 0;
    policy.ppn = unpack_u32(unpack);
    policy.cores = unpack_u32(unpack);
    policy.gpus = unpack_u32(unpack);
    policy.memory_bytes = unpack_u64(unpack);
    policy.hosts = unpack_list(unpack, HOSTS_LIMIT);
    policy.core_lists = unpack_list(unpack, LISTS_LIMIT);
    policy.gpu_lists = unpack_list(unpack, LISTS_LIMIT);
    policy.env = unpack_list(unpack, ENV_LIMIT);
    if (unpack->failed || policy.map > DRAGON_MAP_CYCLIC || policy.bind > DRAGON_BIND_SOCKET) {
        unpack->failed = true;
        policy_fini(&policy);
        return false;
    }
    *policy_out = policy;
    return true;
}

// ---- edits of an environment

static bool names(const char *edit, const char *name, size_t length)
{
    return strncmp(edit, name, length) == 0 && (edit[length] == '=' || edit[length] == 0);
}

bool policy_env_set(char ***env, const char *name, const char *value)
{
    char *edit = NULL;
    if (!value)
        edit = strdup(name);
    else if (asprintf(&edit, "%s=%s", name, value) < 0)
        edit = NULL;
    if (!edit)
        return false;
    for (char **at = *env; at && *at; at++)
        if (names(*at, name, strlen(name))) {
            free(*at);
            *at = edit;
            return true;
        }
    bool good = strv_push(env, edit);
    free(edit);
    return good;
}

bool policy_env_apply(char ***env, char *const *edits)
{
    for (char *const *at = edits; at && *at; at++) {
        const char *equals = strchr(*at, '=');
        char *name = strndup(*at, equals ? (size_t)(equals - *at) : strlen(*at));
        if (!name)
            return false;
        bool good = true;
        if (equals)
            good = env_set(env, name, equals + 1);
        else
            env_unset(*env, name);
        free(name);
        if (!good)
            return false;
    }
    return true;
}

// ---- lists as text

// Digits only, at most 65535; *at is then behind them.
static bool read_number(const char **at, uint32_t *number_out)
{
    uint32_t number = 0;
    size_t digits = strspn(*at, "0123456789");
    if (digits == 0)
        return false;
    for (size_t i = 0; i < digits; i++) {
        number = number * 10 + (uint32_t)((*at)[i] - '0');
        if (number > UINT16_MAX)
            return false;
    }
    *at += digits;
    *number_out = number;
    return true;
}

// "3" or "3-5"; the separator behind it is skipped.
static bool read_range(const char **at, uint32_t most, uint32_t *first_out, uint32_t *last_out)
{
    if (!read_number(at, first_out))
        return false;
    *last_out = *first_out;
    if (**at == '-') {
        (*at)++;
        if (!read_number(at, last_out))
            return false;
    }
    if (**at == ',' && (*at)[1])
        (*at)++;
    else if (**at)
        return false;
    return *first_out <= *last_out && *last_out <= most;
}

int core_list_parse(const char *text, uint32_t most, uint16_t *cores, size_t limit)
{
    uint8_t seen[(UINT16_MAX + 1) / 8] = {0};
    size_t count = 0;
    const char *at = text;
    do {
        uint32_t first, last;
        if (!read_range(&at, most, &first, &last))
            return -1;
        for (uint32_t core = first; core <= last; core++) {
            if (count == limit || seen[core / 8] & 1u << core % 8)
                return -1;
            seen[core / 8] |= (uint8_t)(1u << core % 8);
            cores[count++] = (uint16_t)core;
        }
    } while (*at);
    return (int)count;
}

struct text {
    char *at;
    size_t room; // with the zero
    bool full;
};

// What does not fit whole is left out, and all that follows; dots tell of it where there is room.
__attribute__((format(printf, 2, 3))) static void add_text(struct text *text, const char *format,
                                                           ...)
{
    static const char dots[] = "..";
    char piece[32];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    if (text->full || length < 0 || text->room == 0)
        return;
    // Room for the dots is kept until the end, so that they always follow a whole number.
    text->full = (size_t)length + sizeof dots > text->room;
    int written = snprintf(text->at, text->room, "%s", text->full ? dots : piece);
    if (written > 0 && (size_t)written < text->room) {
        text->at += written;
        text->room -= (size_t)written;
    }
}

void core_list_format(const uint16_t *cores, size_t count, char *text, size_t room)
{
    struct text list = {text, room, false};
    add_text(&list, "%s", "");
    for (size_t i = 0, run; i < count; i += run) {
        for (run = 1; i + run < count && cores[i + run] == cores[i] + run;)
            run++;
        const char *comma = i ? "," : "";
        if (run > 1)
            add_text(&list, "%s%u-%u", comma, cores[i], cores[i + run - 1]);
        else
            add_text(&list, "%s%u", comma, cores[i]);
    }
}

// The tile may be GPU_WHOLE.
static bool add_unit(uint32_t gpu, uint32_t tile, uint16_t *units, size_t *count, size_t limit)
{
    for (size_t i = 0; i < *count; i++)
        if (gpu_of_unit(units[i]) == gpu &&
            (tile == GPU_WHOLE || tile_of_unit(units[i]) == GPU_WHOLE ||
             tile_of_unit(units[i]) == tile))
            return false;
    if (*count == limit)
        return false;
    units[(*count)++] = gpu_unit(gpu, tile);
    return true;
}

// "3", "0-3", or "1.0".
static bool read_units(const char **at, uint16_t *units, size_t *count, size_t limit)
{
    uint32_t gpu, last, tile;
    const char *point = *at + strspn(*at, "0123456789");
    if (*point != '.') {
        if (!read_range(at, MACHINE_GPUS_LIMIT - 1, &gpu, &last))
            return false;
        for (; gpu <= last; gpu++)
            if (!add_unit(gpu, GPU_WHOLE, units, count, limit))
                return false;
        return true;
    }
    if (!read_number(at, &gpu) || gpu >= MACHINE_GPUS_LIMIT)
        return false;
    *at = point + 1;
    return read_range(at, MACHINE_TILES - 1, &tile, &last) && tile == last &&
           add_unit(gpu, tile, units, count, limit);
}

int gpu_list_parse(const char *text, uint16_t *units, size_t limit)
{
    size_t count = 0;
    const char *at = text;
    do
        if (!read_units(&at, units, &count, limit))
            return -1;
    while (*at);
    return (int)count;
}

void gpu_list_format(const uint16_t *units, size_t count, char *text, size_t room)
{
    struct text list = {text, room, false};
    add_text(&list, "%s", "");
    for (size_t i = 0; i < count; i++) {
        const char *comma = i ? "," : "";
        if (tile_of_unit(units[i]) == GPU_WHOLE)
            add_text(&list, "%s%u", comma, gpu_of_unit(units[i]));
        else
            add_text(&list, "%s%u.%u", comma, gpu_of_unit(units[i]), tile_of_unit(units[i]));
    }
}
