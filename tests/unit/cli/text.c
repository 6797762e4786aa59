// SPDX-License-Identifier: BSD-3-Clause
//
// Sizes, times and lists of numbers as text, tables, and the places of runtimes.
#include "config.h"

#include "cli/places.h"
#include "cli/table.h"
#include "cli/text.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

Test(cli_text, sizes_and_times)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {{0, "0 B"},
                 {1023, "1023 B"},
                 {1536, "1.5 KiB"},
                 {UINT64_C(12) << 30, "12.0 GiB"},
                 {(UINT64_C(1) << 40) - 1, "1.0 TiB"}};
    static const struct {
        uint64_t ms;
        const char *text;
    } times[] = {{900, "0s"}, {61000, "1m 1s"}, {7380000, "2h 3m"}, {UINT64_C(180000000), "2d 2h"}};
    char text[32];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        text_size(sizes[i].bytes, text, sizeof text);
        cr_expect_str_eq(text, sizes[i].text);
    }
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        text_age(times[i].ms, text, sizeof text);
        cr_expect_str_eq(text, times[i].text);
    }
    cr_expect_str_eq(text_bind(DRAGON_BIND_L3), "l3");
    cr_expect_str_eq(text_bind(DRAGON_BIND_UNSET), "");
}

static bool set_flag(void *arg, uint32_t number)
{
    bool *flags = arg;
    flags[number] = true;
    return number != 15;
}

Test(cli_text, lists_of_numbers)
{
    static const char *const good[] = {"", "0", "0-3,8", "1-2,4-6,14"};
    static const char *const wrong[] = {"a", "-1", "3-1", "1,,2", "16", "1-", "15", "1.x"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        bool flags[16] = {false};
        cr_assert(numbers_each(good[i], 15, set_flag, flags), "%s", good[i]);
        char *text = text_ranges(flags, 16);
        cr_expect_str_eq(text, good[i]);
        free(text);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        bool flags[16] = {false};
        cr_expect_not(numbers_each(wrong[i], 15, set_flag, flags), "%s", wrong[i]);
    }
    bool tiles[16] = {false};
    cr_expect(numbers_each("0.1,0.0,3", 15, set_flag, tiles) && tiles[0] && tiles[3] && !tiles[1]);
}

Test(cli_text, without_odd_bytes)
{
    char *text = text_plain("caf\xe9 \xff!");
    cr_expect_str_eq(text, "caf? ?!");
    free(text);
}

Test(cli_table, columns)
{
    static const char *const headers[] = {">n", "name", "last", NULL};
    char *text = NULL;
    size_t length;
    FILE *file = open_memstream(&text, &length);
    struct table *table = table_create(headers);
    table_add(table, "%d", 7);
    table_add(table, "%s", "caf\xc3\xa9\033[1m");
    table_add(table, "%s", "x");
    table_add(table, "%d", 10);
    table_add(table, "%s", "");
    table_add(table, "%s", "yy");
    cr_expect(table_print(table, file));
    fclose(file);
    cr_expect_str_eq(text, " n  name      last\n"
                           " 7  caf\xc3\xa9?[1m  x\n"
                           "10  -         yy\n");
    table_destroy(table);
    free(text);
}

Test(cli_places, names_and_owners)
{
    char path[] = "/tmp/dragon-places-XXXXXX";
    struct stat info;
    cr_expect(places_is_name("dragon-aB3xYz"));
    cr_expect_not(places_is_name("dragon-aB3xY"));
    cr_expect_not(places_is_name("dragon-aB3xYzz"));
    cr_expect_not(places_is_name("wyvern-aB3xYz"));
    cr_assert(mkdtemp(path));
    cr_assert_eq(stat(path, &info), 0);
    cr_expect(places_is_ours(&info));
    chmod(path, 0750);
    cr_assert_eq(stat(path, &info), 0);
    cr_expect_not(places_is_ours(&info));
    rmdir(path);
    cr_expect_eq(places_try("/nowhere/agent.sock"), ENOENT);
}
