// SPDX-License-Identifier: BSD-3-Clause
//
// Descriptors: what is written is read, and nothing else is.
#include "config.h"

#include "client/shared.h"

#include <criterion/criterion.h>

enum { NUMBERS = 2 };
static const char name[] = "dragon-0123:x"; // a runtime's name may have any character

TestSuite(client_descriptor);

static dragon_err_t read_text(const char *text, uint64_t *numbers)
{
    return descriptor_read(text, "channel", name, numbers, NUMBERS, NULL);
}

Test(client_descriptor, what_is_written_is_read)
{
    static const uint64_t pairs[][NUMBERS] = {
        {0, 1}, {7, 281474976710656}, {4294967295u, 18446744073709551615u}, {1, 0}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        uint64_t numbers[NUMBERS];
        char *text = descriptor_write("channel", name, pairs[i], NUMBERS);
        cr_assert(text);
        cr_assert_eq(read_text(text, numbers), DRAGON_OK, "%s", text);
        cr_assert(numbers[0] == pairs[i][0] && numbers[1] == pairs[i][1], "%s", text);
        free(text);
    }
}

Test(client_descriptor, everything_else_is_refused)
{
    static const char *const bad[] = {
        "",
        "dragon",
        "dragon-channel",
        "dragon-channel:",
        "dragon-channel::0:1",
        "dragon-channel:0:1",
        "dragon-channel:dragon-0123:x:0",
        "dragon-channel:dragon-0123:x:0:",
        "dragon-channel:dragon-0123:x::1",
        "dragon-channel:dragon-0123:x:0:1 ",
        "dragon-channel:dragon-0123:x:0:1\n",
        "dragon-channel:dragon-0123:x:0:+1",
        "dragon-channel:dragon-0123:x:0:-1",
        "dragon-channel:dragon-0123:x:0: 1",
        "dragon-channel:dragon-0123:x:0:01",
        "dragon-channel:dragon-0123:x:0:0x1",
        "dragon-channel:dragon-0123:x:0:18446744073709551616",
        "dragon-channels:dragon-0123:x:0:1",
        "dragon-chan:dragon-0123:x:0:1",
        "dragon-queue:dragon-0123:x:0:1",
        " dragon-channel:dragon-0123:x:0:1",
        "DRAGON-CHANNEL:dragon-0123:x:0:1",
    };
    uint64_t numbers[NUMBERS];
    cr_expect_eq(read_text(NULL, numbers), DRAGON_ERR_INVAL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(read_text(bad[i], numbers), DRAGON_ERR_INVAL, "\"%s\"", bad[i]);
}

Test(client_descriptor, of_another_runtime)
{
    uint64_t numbers[NUMBERS];
    dragon_error_t error;
    cr_expect_eq(descriptor_read("dragon-channel:dragon-0123:0:1", "channel", name, numbers, NUMBERS,
                                 &error),
                 DRAGON_ERR_NOT_FOUND);
    cr_expect(strstr(error.text, "another runtime"));
    cr_expect_eq(descriptor_read("dragon-channel:dragon-0123:xx:0:1", "channel", name, numbers,
                                 NUMBERS, &error),
                 DRAGON_ERR_NOT_FOUND);
}

Test(client_descriptor, objects_of_any_kind_are_found)
{
    uint32_t node;
    uint64_t id;
    for (int kind = OBJECT_NONE + 1; kind < OBJECT_KINDS; kind++) {
        char *text =
            descriptor_write(object_kind_names[kind], name, (uint64_t[]){3, 99}, NUMBERS);
        cr_assert(descriptor_find_object(text, name, &node, &id), "%s", text);
        cr_assert(node == 3 && id == 99);
        cr_assert(!descriptor_find_object(text, "another", &node, &id));
        free(text);
    }
    cr_assert(!descriptor_find_object("dragon-group:dragon-0123:x:0:1", name, &node, &id));
    cr_assert(!descriptor_find_object("a text", name, &node, &id));
    cr_assert(!descriptor_find_object("dragon-channel:dragon-0123:x:4294967296:1", name, &node, &id));
}
