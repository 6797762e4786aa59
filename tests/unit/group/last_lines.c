// SPDX-License-Identifier: BSD-3-Clause
//
// The last lines of a file: what is shown of them, and what never is.
#include "config.h"

#include "group/last_lines.h"

#include <criterion/criterion.h>
#include <unistd.h>

static void expect_clean(const char *text, bool cut, const char *wanted)
{
    char copy[256];
    snprintf(copy, sizeof copy, "%s", text);
    last_lines_clean(copy, strlen(copy), cut);
    cr_expect_str_eq(copy, wanted, "\"%s\" gives \"%s\"", text, copy);
}

Test(group_last_lines, lines)
{
    expect_clean("", false, "");
    expect_clean("\n\n", false, "");
    expect_clean("one", false, "one");
    expect_clean("one\ntwo\n", false, "one\ntwo");
    expect_clean("ne\ntwo\n", true, "two");
    expect_clean("a very long line", true, "a very long line"); // better than nothing
    expect_clean("a very long line\n", true, "a very long line");
    expect_clean("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n", false,
                 "3\n4\n5\n6\n7\n8\n9\n10\n11\n12");
    expect_clean("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", false, "1\n2\n3\n4\n5\n6\n7\n8\n9\n10");
}

Test(group_last_lines, unprintable)
{
    expect_clean("\033[31mred\033[0m\a\n", false, "[31mred[0m");
    expect_clean("tab\there\r\n", false, "tab\there");
    expect_clean("gr\303\274n \342\202\254 \360\237\220\211", false,
                 "gr\303\274n \342\202\254 \360\237\220\211");
    expect_clean("bad \374 \303 \300\200 x\342\202", false, "bad    x");
    expect_clean("\302\233"
                 "31m",
                 false, "31m"); // a control sequence of eight bits
    expect_clean("\177", false, "");
}

Test(group_last_lines, of_a_file)
{
    char path[] = "/tmp/dragon-test-XXXXXX", text[64];
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    last_lines_read(path, text, sizeof text);
    cr_expect_str_eq(text, "", "empty");
    for (int i = 0; i < 1000; i++)
        dprintf(fd, "this is line %d\n", i);
    last_lines_read(path, text, sizeof text);
    cr_expect_str_eq(text, "this is line 997\nthis is line 998\nthis is line 999");
    close(fd);
    unlink(path);
    last_lines_read(path, text, sizeof text);
    cr_expect_str_eq(text, "", "gone");
    last_lines_read("/tmp", text, sizeof text);
    cr_expect_str_eq(text, "", "no file");
}
