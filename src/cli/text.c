// SPDX-License-Identifier: BSD-3-Clause
//
// Sizes, times and lists of numbers as text: see text.h.
#include "config.h"

#include "cli/text.h"

void text_size(uint64_t bytes, char *text, size_t room)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1023.95 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1024;
        unit++;
    }
    snprintf(text, room, "%.*f %s", unit == 0 ? 0 : 1, value, units[unit]);
}

void text_age(uint64_t ms, char *text, size_t room)
{
    unsigned long long seconds = ms / 1000, minutes = seconds / 60, hours = minutes / 60;
    if (minutes == 0)
        snprintf(text, room, "%llus", seconds);
    else if (hours == 0)
        snprintf(text, room, "%llum %llus", minutes, seconds % 60);
    else if (hours < 48)
        snprintf(text, room, "%lluh %llum", hours, minutes % 60);
    else
        snprintf(text, room, "%llud %lluh", hours / 24, hours % 24);
}

const char *text_bind(dragon_bind_t bind)
{
    static const char *const names[] = {
        [DRAGON_BIND_UNSET] = "", [DRAGON_BIND_NONE] = "none", [DRAGON_BIND_CORE] = "core",
        [DRAGON_BIND_L3] = "l3",  [DRAGON_BIND_NUMA] = "numa", [DRAGON_BIND_SOCKET] = "socket",
    };
    return (unsigned)bind < sizeof names / sizeof *names ? names[bind] : "";
}

char *text_ranges(const bool *flags, uint32_t count)
{
    char *text = NULL;
    size_t length;
    FILE *file = open_memstream(&text, &length);
    if (!file)
        return NULL;
    const char *comma = "";
    for (uint32_t first = 0, last; first < count; first = last + 1) {
        last = first;
        if (!flags[first])
            continue;
        while (last + 1 < count && flags[last + 1])
            last++;
        fprintf(file, last > first ? "%s%u-%u" : "%s%u", comma, first, last);
        comma = ",";
    }
    bool good = !ferror(file);
    if (fclose(file) == 0 && good)
        return text;
    free(text);
    return NULL;
}

char *text_plain(const char *text)
{
    char *copy = strdup(text);
    for (char *at = copy; at && *at; at++)
        if (*at & 0x80)
            *at = '?';
    return copy;
}

// ---- lists of numbers

// A number at *at, which is moved behind it.
static bool take_number(const char **at, uint32_t *number_out)
{
    char *end;
    if (**at < '0' || **at > '9')
        return false;
    unsigned long number = strtoul(*at, &end, 10);
    if (number >= UINT32_MAX)
        return false;
    *at = end;
    *number_out = (uint32_t)number;
    return true;
}

// "3", "0-3" or "1.0".
static bool take_range(const char **at, uint32_t *first_out, uint32_t *last_out)
{
    uint32_t tile;
    if (!take_number(at, first_out))
        return false;
    *last_out = *first_out;
    if (**at == '.') {
        ++*at;
        return take_number(at, &tile);
    }
    if (**at != '-')
        return true;
    ++*at;
    return take_number(at, last_out) && *last_out >= *first_out;
}

bool numbers_each(const char *list, uint32_t limit, bool (*fn)(void *arg, uint32_t number),
                  void *arg)
{
    while (*list) {
        uint32_t first, last;
        if (!take_range(&list, &first, &last) || last > limit)
            return false;
        for (uint32_t number = first; number <= last; number++)
            if (!fn(arg, number))
                return false;
        if (*list && *list++ != ',')
            return false;
    }
    return true;
}
