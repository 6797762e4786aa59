// SPDX-License-Identifier: BSD-3-Clause
//
// Commands and their ends as bytes: what was said comes back, and whatever else came is refused.
#include "config.h"

#include "pool/command.h"

#include <criterion/criterion.h>

static char *const the_argv[] = {"sh", "-c", "", NULL}, *const the_env[] = {"A=b", "C==", NULL};

static struct pack pack_it(const dragon_command_t *command)
{
    struct pack pack = PACK_EMPTY;
    cr_assert_eq(command_pack(&pack, command), DRAGON_OK);
    cr_assert(!pack.failed);
    return pack;
}

Test(pool_command, all_of_it)
{
    dragon_command_t said = {.argv = the_argv,
                             .env = the_env,
                             .cwd = "/somewhere",
                             .input = "abc\0d",
                             .input_bytes = 5,
                             .output = "out",
                             .error = "err",
                             .limit_ms = 1ull << 40};
    struct pack pack = pack_it(&said);
    struct command got;
    cr_assert(command_unpack(pack.data, pack.length, &got));
    cr_expect_eq(strv_count(got.argv), 3);
    cr_expect_str_eq(got.argv[0], "sh");
    cr_expect_str_eq(got.argv[2], "");
    cr_expect_str_eq(got.env[1], "C==");
    cr_expect_str_eq(got.cwd, "/somewhere");
    cr_expect_str_eq(got.output, "out");
    cr_expect_str_eq(got.error, "err");
    cr_expect(got.input_bytes == 5 && memcmp(got.input, said.input, 5) == 0);
    cr_expect_eq(got.limit_ms, said.limit_ms);
    command_fini(&got);
    pack_fini(&pack);
}

Test(pool_command, nothing_but_a_program)
{
    dragon_command_t said = {.argv = the_argv};
    struct pack pack = pack_it(&said);
    struct command got;
    cr_assert(command_unpack(pack.data, pack.length, &got));
    cr_expect(!got.cwd && !got.output && !got.error && !got.input);
    cr_expect_eq(strv_count(got.env), 0);
    command_fini(&got);
    pack_fini(&pack);
}

Test(pool_command, no_command)
{
    struct pack pack = PACK_EMPTY;
    char *const none[] = {NULL}, *const empty[] = {"", NULL}, *const bad[] = {"A", NULL},
                *const nameless[] = {"=b", NULL};
    cr_expect_eq(command_pack(&pack, NULL), DRAGON_ERR_INVAL);
    cr_expect_eq(command_pack(&pack, &(dragon_command_t){0}), DRAGON_ERR_INVAL);
    cr_expect_eq(command_pack(&pack, &(dragon_command_t){.argv = none}), DRAGON_ERR_INVAL);
    cr_expect_eq(command_pack(&pack, &(dragon_command_t){.argv = empty}), DRAGON_ERR_INVAL);
    cr_expect_eq(command_pack(&pack, &(dragon_command_t){.argv = the_argv, .env = bad}),
                 DRAGON_ERR_INVAL);
    cr_expect_eq(command_pack(&pack, &(dragon_command_t){.argv = the_argv, .env = nameless}),
                 DRAGON_ERR_INVAL);
    cr_expect_eq(command_pack(&pack, &(dragon_command_t){.argv = the_argv, .input_bytes = 1}),
                 DRAGON_ERR_INVAL);
    cr_expect_eq(pack.length, 0);
}

Test(pool_command, cut_off_anywhere)
{
    dragon_command_t said = {
        .argv = the_argv, .env = the_env, .cwd = "/", .input = "abc", .input_bytes = 3};
    struct pack pack = pack_it(&said);
    struct command got;
    for (size_t length = 0; length < pack.length; length++)
        cr_expect(!command_unpack(pack.data, length, &got), "%zu bytes", length);
    pack_u8(&pack, 0);
    cr_expect(!command_unpack(pack.data, pack.length, &got), "one byte more");
    pack_fini(&pack);
}

Test(pool_command, its_end)
{
    dragon_command_end_t said = {.exit_code = 137,
                                 .signal = 9,
                                 .output = "out",
                                 .output_bytes = 3,
                                 .error = "errors",
                                 .error_bytes = 6,
                                 .truncated = 1,
                                 .user_us = 1,
                                 .system_us = 2,
                                 .memory_bytes = 3};
    dragon_command_end_t got;
    size_t bytes = command_end_bytes(&said);
    _Alignas(16) uint8_t data[200];
    cr_assert(bytes < sizeof data);
    command_end_write(data, &said);
    cr_assert(command_end_read(data, bytes, &got));
    cr_expect(got.exit_code == 137 && got.signal == 9 && got.truncated == 1);
    cr_expect(got.user_us == 1 && got.system_us == 2 && got.memory_bytes == 3);
    cr_expect(got.output_bytes == 3 && memcmp(got.output, "out", 3) == 0);
    cr_expect(got.error_bytes == 6 && memcmp(got.error, "errors", 6) == 0);
    for (size_t length = 0; length < bytes; length++)
        cr_expect(!command_end_read(data, length, &got), "%zu bytes", length);
    cr_expect(!command_end_read(data, bytes + 1, &got));
}
