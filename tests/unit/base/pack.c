// SPDX-License-Identifier: BSD-3-Clause
//
// Message bodies: what is written is read back, and no bytes make a reader leave its message.
#include "config.h"

#include "base/base.h"

#include <criterion/criterion.h>

static void pack_everything(struct pack *pack)
{
    char *list[] = {"one", "", "three", NULL};
    pack_u8(pack, 0xfe);
    pack_u16(pack, 0xfedc);
    pack_u32(pack, 0xfedcba98);
    pack_u64(pack, 0xfedcba9876543210);
    pack_i32(pack, INT32_MIN);
    pack_raw(pack, "raw", 3);
    pack_bytes(pack, "a\0b", 3);
    pack_bytes(pack, NULL, 0);
    pack_str(pack, "text");
    pack_str(pack, "");
    pack_strv(pack, list);
    pack_strv(pack, NULL);
}

// How many fields were as written; stops at the first that is not.
static int read_everything(struct unpack *unpack)
{
    int good = 0;
    size_t length;
    good += unpack_u8(unpack) == 0xfe;
    good += unpack_u16(unpack) == 0xfedc;
    good += unpack_u32(unpack) == 0xfedcba98;
    good += unpack_u64(unpack) == 0xfedcba9876543210;
    good += unpack_i32(unpack) == INT32_MIN;
    const void *raw = unpack_raw(unpack, 3);
    good += raw && memcmp(raw, "raw", 3) == 0;
    const void *bytes = unpack_bytes(unpack, &length);
    good += bytes && length == 3 && memcmp(bytes, "a\0b", 3) == 0;
    bytes = unpack_bytes(unpack, &length);
    good += bytes && length == 0;
    good += strcmp(unpack_str(unpack), "text") == 0;
    good += !unpack->failed && unpack_str(unpack)[0] == 0;
    char **list = unpack_strv(unpack, 3);
    good += list && strv_count(list) == 3 && strcmp(list[2], "three") == 0;
    strv_free(list);
    list = unpack_strv(unpack, 0);
    good += list && strv_count(list) == 0;
    strv_free(list);
    return good;
}

Test(base_pack, round_trip)
{
    struct pack pack = PACK_EMPTY;
    pack_everything(&pack);
    cr_assert(!pack.failed);
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_expect_eq(unpack_left(&unpack), pack.length);
    cr_expect_eq(read_everything(&unpack), 12);
    cr_expect(unpack_done(&unpack));
    cr_expect_eq(unpack_left(&unpack), 0);
    pack_fini(&pack);
    cr_expect_null(pack.data);
    cr_expect_eq(pack.length, 0);
}

Test(base_pack, numbers_are_little_endian)
{
    struct pack pack = PACK_EMPTY;
    static const uint8_t wanted[] = {1, 3, 2,   7,   6,   5,   4, 15, 14, 13, 12,  11, 10,
                                     9, 8, 254, 255, 255, 255, 2, 0,  0,  0,  'x', 0};
    pack_u8(&pack, 1);
    pack_u16(&pack, 0x0203);
    pack_u32(&pack, 0x04050607);
    pack_u64(&pack, 0x08090a0b0c0d0e0f);
    pack_i32(&pack, -2);
    pack_str(&pack, "x");
    cr_assert_eq(pack.length, sizeof wanted);
    cr_expect_arr_eq(pack.data, wanted, sizeof wanted);
    pack_fini(&pack);
}

Test(base_pack, no_truncation_reads_as_whole)
{
    struct pack pack = PACK_EMPTY;
    pack_everything(&pack);
    for (size_t length = 0; length < pack.length; length++) {
        uint8_t *cut = malloc(length ? length : 1); // exactly as long, for the sanitizer
        memcpy(cut, pack.data, length);
        struct unpack unpack = unpack_start(cut, length);
        cr_expect_lt(read_everything(&unpack), 12, "cut to %zu", length);
        cr_expect(unpack.failed && !unpack_done(&unpack), "cut to %zu", length);
        free(cut);
    }
    pack_fini(&pack);
}

Test(base_pack, after_a_failure_everything_is_zero_or_empty)
{
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7};
    size_t length = 99;
    struct unpack unpack = unpack_start(bytes, sizeof bytes);
    cr_expect_eq(unpack_u64(&unpack), 0);
    cr_expect_eq(unpack_u8(&unpack), 0, "nothing is read behind a failure, though it would fit");
    cr_expect_null(unpack_raw(&unpack, 1));
    cr_expect_null(unpack_bytes(&unpack, &length));
    cr_expect_eq(length, 0);
    cr_expect_str_eq(unpack_str(&unpack), "");
    cr_expect_null(unpack_strv(&unpack, 10));
    cr_expect(!unpack_done(&unpack));
}

Test(base_pack, what_is_left_over_is_not_done)
{
    struct unpack unpack = unpack_start("\1\2", 2);
    unpack_u8(&unpack);
    cr_expect(!unpack.failed && !unpack_done(&unpack));
    unpack_u8(&unpack);
    cr_expect(unpack_done(&unpack));
}

Test(base_pack, an_empty_message_is_done_at_once)
{
    struct unpack unpack = unpack_start(NULL, 0);
    cr_expect(unpack_done(&unpack));
    unpack_u8(&unpack);
    cr_expect(unpack.failed);
}

Test(base_pack, hostile_lengths_of_bytes)
{
    static const uint32_t lengths[] = {2, 5, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct pack pack = PACK_EMPTY;
        size_t length;
        pack_u32(&pack, lengths[i]);
        pack_u8(&pack, 0);
        struct unpack unpack = unpack_start(pack.data, pack.length);
        cr_expect_null(unpack_bytes(&unpack, &length), "%u", lengths[i]);
        cr_expect(unpack.failed && length == 0, "%u", lengths[i]);
        unpack = unpack_start(pack.data, pack.length);
        cr_expect_null(unpack_strv(&unpack, SIZE_MAX), "%u", lengths[i]);
        pack_fini(&pack);
    }
}

static bool is_string(const char *bytes, uint32_t length)
{
    struct pack pack = PACK_EMPTY;
    pack_bytes(&pack, bytes, length);
    struct unpack unpack = unpack_start(pack.data, pack.length);
    bool good = *unpack_str(&unpack) != 0 && unpack_done(&unpack);
    pack_fini(&pack);
    return good;
}

Test(base_pack, strings_end_in_their_one_zero)
{
    cr_expect(is_string("ab", 3));
    cr_expect(!is_string("ab", 2), "no zero");
    cr_expect(!is_string("a\0b", 4), "a zero inside");
    cr_expect(!is_string("ab\0", 4), "two zeros");
    cr_expect(!is_string("", 0), "not even a zero");
}

Test(base_pack, lists_keep_to_their_limit)
{
    char *list[] = {"a", "b", "c", NULL};
    struct pack pack = PACK_EMPTY;
    pack_strv(&pack, list);
    struct unpack unpack = unpack_start(pack.data, pack.length);
    char **copy = unpack_strv(&unpack, 3);
    cr_expect_eq(strv_count(copy), 3);
    strv_free(copy);
    unpack = unpack_start(pack.data, pack.length);
    cr_expect_null(unpack_strv(&unpack, 2));
    cr_expect(unpack.failed);
    pack.data[pack.length - 1] = 'x'; // the last string has no end
    unpack = unpack_start(pack.data, pack.length);
    cr_expect_null(unpack_strv(&unpack, 3));
    cr_expect(unpack.failed);
    pack_fini(&pack);
}

Test(base_pack, a_list_that_was_read_can_grow)
{
    char *list[] = {"a", "b", "c", NULL};
    for (size_t count = 0; count <= 3; count++) {
        struct pack pack = PACK_EMPTY;
        char *some[] = {count > 0 ? list[0] : NULL, count > 1 ? list[1] : NULL,
                        count > 2 ? list[2] : NULL, NULL};
        pack_strv(&pack, some);
        struct unpack unpack = unpack_start(pack.data, pack.length);
        char **copy = unpack_strv(&unpack, 3);
        for (size_t i = 0; i < 9; i++)
            cr_assert(strv_push(&copy, "more"));
        cr_expect_eq(strv_count(copy), count + 9);
        strv_free(copy);
        pack_fini(&pack);
    }
}

Test(base_pack, large_bodies)
{
    enum { LENGTH = 3 << 20 };
    struct pack pack = PACK_EMPTY;
    uint8_t *data = malloc(LENGTH);
    size_t length;
    for (size_t i = 0; i < LENGTH; i++)
        data[i] = (uint8_t)(i * 7);
    pack_u8(&pack, 1);
    pack_bytes(&pack, data, LENGTH);
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_expect_eq(unpack_u8(&unpack), 1);
    const uint8_t *back = unpack_bytes(&unpack, &length);
    cr_assert(back && length == LENGTH);
    cr_expect_eq(memcmp(back, data, LENGTH), 0);
    free(data);
    pack_fini(&pack);
}

Test(base_pack, a_pack_that_failed_stays_so)
{
    struct pack pack = PACK_EMPTY;
    pack_u8(&pack, 1);
    pack_raw(&pack, "", SIZE_MAX / 2 + 1); // more than there can be: nothing is read from it
    cr_expect(pack.failed);
    cr_expect_eq(pack.length, 1);
    pack_u64(&pack, 1);
    cr_expect_eq(pack.length, 1);
    pack_fini(&pack);
    cr_expect(!pack.failed);
}
