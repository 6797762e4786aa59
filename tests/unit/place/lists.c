// SPDX-License-Identifier: BSD-3-Clause
//
// Lists of cores and GPUs as text.
#include "config.h"

#include "made.h"
#include "place/lists.h"

#include <criterion/criterion.h>

Test(place_lists, lists_of_cores)
{
    static const struct {
        const char *text;
        int count;
        const char *back;
    } rows[] = {
        {"0", 1, "0"},           {"0-3", 4, "0-3"},
        {"0-3,8", 5, "0-3,8"},   {"8,0-3", 5, "8,0-3"},
        {"1,0", 2, "1,0"},       {"0,1,2", 3, "0-2"},
        {"4-4", 1, "4"},         {"63", 1, "63"},
        {"007", 1, "7"},         {"", -1, ""},
        {"64", -1, ""},          {"0-64", -1, ""},
        {"3-1", -1, ""},         {"1,1", -1, ""},
        {"0-3,2", -1, ""},       {"-1", -1, ""},
        {"1-", -1, ""},          {"1,", -1, ""},
        {",1", -1, ""},          {"1,,2", -1, ""},
        {" 1", -1, ""},          {"1 ", -1, ""},
        {"a", -1, ""},           {"1-2-3", -1, ""},
        {"0x1", -1, ""},         {"+1", -1, ""},
        {"4294967296", -1, ""},  {"65536", -1, ""},
        {"1.0", -1, ""},         {"1:2", -1, ""},
        {"99999999999", -1, ""}, {"0-10", -1, ""}, // more than ten
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint16_t cores[10];
        char text[64];
        int count = lists_parse_cores(rows[i].text, 63, cores, 10);
        cr_expect_eq(count, rows[i].count, "\"%s\": %d", rows[i].text, count);
        if (count < 0)
            continue;
        lists_format_cores(cores, (size_t)count, text, sizeof text);
        cr_expect_str_eq(text, rows[i].back);
    }
}

Test(place_lists, lists_of_gpus)
{
    static const struct {
        const char *text;
        int count;
        const char *back;
    } rows[] = {
        {"0", 1, "0"},     {"0,1.0", 2, "0,1.0"}, {"1.7,0.0", 2, "1.7,0.0"},
        {"255", 1, "255"}, {"0-2", 3, "0,1,2"},   {"256", -1, ""},
        {"1.8", -1, ""},   {"256.0", -1, ""},     {"", -1, ""},
        {"0,0", -1, ""},   {"0.1,0.1", -1, ""},   {"0.1,0", -1, ""}, // the tile is in the whole
        {"0,0.1", -1, ""}, {"0.", -1, ""},        {".0", -1, ""},
        {"0.0.0", -1, ""}, {"0.0-1", -1, ""},     {"0-1.0", -1, ""},
        {"0,", -1, ""},    {"a", -1, ""},         {"-1", -1, ""},
        {"0-4", -1, ""}, // more than four
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint16_t units[4];
        char text[64];
        int count = lists_parse_units(rows[i].text, units, 4);
        cr_expect_eq(count, rows[i].count, "\"%s\": %d", rows[i].text, count);
        if (count < 0)
            continue;
        lists_format_units(units, (size_t)count, text, sizeof text);
        cr_expect_str_eq(text, rows[i].back);
    }
}

// Never a part of a number, never beyond the room.
Test(place_lists, lists_that_do_not_fit)
{
    static const uint16_t cores[] = {10, 12, 14, 15, 16, 20};
    for (size_t room = 1; room < 32; room++) {
        char *text = malloc(room);
        lists_format_cores(cores, 6, text, room);
        cr_assert_lt(strlen(text), room);
        const char *dots = strstr(text, "..");
        cr_expect(strcmp(text, "10,12,14-16,20") == 0 || dots || room < 3, "%zu: %s", room, text);
        if (dots && dots > text)
            cr_expect(strncmp("10,12,14-16,20", text, (size_t)(dots - text)) == 0 &&
                          strchr(",", "10,12,14-16,20"[dots - text]),
                      "%zu: %s", room, text);
        free(text);
    }
    char text[4] = "abc";
    lists_format_cores(cores, 0, text, sizeof text);
    cr_expect_str_eq(text, "");
    lists_format_cores(cores, 1, text, 0);
    lists_format_units(NULL, 0, text, sizeof text);
    cr_expect_str_eq(text, "");
}
