// SPDX-License-Identifier: BSD-3-Clause
//
// What people read about ranks that are missing.
#include "config.h"

#include "boot/internal.h"

#include <criterion/criterion.h>

// `present` holds '1' for a rank that is there.
static void check(const char *present, const char *expected)
{
    bool here[64];
    char text[BOOT_TEXT_BYTES];
    uint32_t size = (uint32_t)strlen(present);
    for (uint32_t i = 0; i < size; i++)
        here[i] = present[i] == '1';
    boot_missing(here, size, text);
    cr_assert(strcmp(text, expected) == 0, "\"%s\"", text);
}

Test(boot_text, missing_ranks)
{
    check("1101", "rank 2 of 4");
    check("1001", "ranks 1, 2 of 4");
    check("10001", "ranks 1-3 of 5");
    check("1011000010", "ranks 1, 4-7, 9 of 10");
    check("0", "rank 0 of 1");
}

Test(boot_text, many_missing_ranks_are_shortened)
{
    enum { SIZE = 1 << 20 };
    bool *here = calloc(SIZE, sizeof *here);
    char text[BOOT_TEXT_BYTES];
    for (uint32_t i = 0; i < SIZE; i += 2)
        here[i] = true;
    boot_missing(here, SIZE, text);
    cr_assert(strncmp(text, "ranks 1, 3, 5, 7", 16) == 0, "%s", text);
    cr_assert(strstr(text, " more of 1048576"), "%s", text);
    cr_assert(strlen(text) < BOOT_TEXT_BYTES - 1);
    memset(here, 0, SIZE);
    here[0] = true;
    boot_missing(here, SIZE, text);
    cr_assert(strcmp(text, "ranks 1-1048575 of 1048576") == 0, "%s", text);
    free(here);
}
