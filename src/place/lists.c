// SPDX-License-Identifier: BSD-3-Clause
//
// Lists of cores and GPUs as text: see lists.h.
#include "config.h"

#include "place/lists.h"

#include "place/machine.h"

#include <stdarg.h>

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

int lists_parse_cores(const char *text, uint32_t most, uint16_t *cores, size_t limit)
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

void lists_format_cores(const uint16_t *cores, size_t count, char *text, size_t room)
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

int lists_parse_units(const char *text, uint16_t *units, size_t limit)
{
    size_t count = 0;
    const char *at = text;
    do
        if (!read_units(&at, units, &count, limit))
            return -1;
    while (*at);
    return (int)count;
}

void lists_format_units(const uint16_t *units, size_t count, char *text, size_t room)
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
