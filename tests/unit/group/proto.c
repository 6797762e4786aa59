// SPDX-License-Identifier: BSD-3-Clause
//
// The bodies of group messages: what is written is read back, and nothing else is.
#include "config.h"

#include "group/proto.h"

#include <criterion/criterion.h>
#include <errno.h>

// ---- specs

static struct group_spec spec_of(void)
{
    struct group_spec spec = {
        .place = {.ranks = -1, .ppn = 3, .per_core = true, .order = PLAN_CYCLIC},
        .pmi = true,
        .input = true,
        .limit_ms = 0x1122334455667788,
        .grace_ms = 4321,
        .cwd = strdup("/some/where"),
    };
    strv_push(&spec.argv, "./work");
    strv_push(&spec.argv, "");
    strv_push(&spec.argv, "--fast");
    strv_push(&spec.env, "A=1");
    return spec;
}

static void pack_spec(struct pack *pack)
{
    struct group_spec spec = spec_of();
    group_spec_pack(pack, &spec);
    group_spec_fini(&spec);
}

static bool spec_reads(const struct pack *pack)
{
    struct unpack unpack = unpack_start(pack->data, pack->length);
    struct group_spec spec;
    if (!group_spec_unpack(&unpack, &spec))
        return false;
    group_spec_fini(&spec);
    return true;
}

Test(group_proto, spec_round_trip)
{
    struct pack pack = PACK_EMPTY;
    struct group_spec back;
    pack_spec(&pack);
    pack_u8(&pack, 1); // what follows is another's
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(group_spec_unpack(&unpack, &back));
    cr_expect_eq(unpack_left(&unpack), 1);
    cr_expect(back.place.ranks == -1 && back.place.ppn == 3 && back.place.per_core &&
              back.place.order == PLAN_CYCLIC);
    cr_expect(back.pmi && back.input && back.limit_ms == 0x1122334455667788 &&
              back.grace_ms == 4321);
    cr_expect_str_eq(back.cwd, "/some/where");
    cr_expect_eq(strv_count(back.argv), 3);
    cr_expect_str_eq(back.argv[2], "--fast");
    cr_expect_eq(strv_count(back.env), 1);
    group_spec_fini(&back);
    cr_expect_null(back.argv);
    group_spec_fini(&back);
    pack_fini(&pack);
}

Test(group_proto, spec_truncations)
{
    struct pack pack = PACK_EMPTY;
    pack_spec(&pack);
    for (size_t length = 0; length < pack.length; length++) {
        struct pack cut = {.data = malloc(length ? length : 1), .length = length};
        memcpy(cut.data, pack.data, length);
        cr_expect(!spec_reads(&cut), "cut to %zu", length);
        pack_fini(&cut);
    }
    pack_fini(&pack);
}

Test(group_proto, specs_that_make_no_sense)
{
    struct pack pack = PACK_EMPTY;
    struct group_spec spec = spec_of();
    spec.place.order = PLAN_CYCLIC + 1;
    group_spec_pack(&pack, &spec);
    cr_expect(!spec_reads(&pack), "an order that is none");
    pack_fini(&pack);
    spec.place.order = PLAN_BLOCK;
    spec.place.ranks = -2;
    group_spec_pack(&pack, &spec);
    cr_expect(!spec_reads(&pack), "fewer ranks than not said");
    pack_fini(&pack);
    spec.place.ranks = INT64_MAX; // the plan refuses that, with a text
    group_spec_pack(&pack, &spec);
    cr_expect(spec_reads(&pack));
    pack_fini(&pack);
    strv_free(spec.env);
    spec.env = NULL;
    group_spec_pack(&pack, &spec);
    cr_expect(spec_reads(&pack), "no environment is an empty one");
    pack_fini(&pack);
    strv_free(spec.argv);
    spec.argv = NULL;
    group_spec_pack(&pack, &spec);
    cr_expect(!spec_reads(&pack), "no program");
    pack_fini(&pack);
    group_spec_fini(&spec);
}

// ---- ends of ranks

Test(group_proto, exit_round_trip_and_truncations)
{
    struct rank_exit ended = {.rank = 0xfffffffe,
                              .node = 77,
                              .pid = -5,
                              .end = RANK_SIGNALED,
                              .ours = 1,
                              .value = INT32_MIN};
    struct rank_exit back = {0};
    struct pack pack = PACK_EMPTY;
    rank_exit_pack(&pack, &ended);
    cr_assert_eq(pack.length, RANK_EXIT_BYTES);
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(rank_exit_unpack(&unpack, &back) && unpack_done(&unpack));
    cr_expect(back.rank == ended.rank && back.node == 77 && back.pid == -5 &&
              back.end == RANK_SIGNALED && back.ours == 1 && back.value == INT32_MIN);
    for (size_t length = 0; length < pack.length; length++) {
        unpack = unpack_start(pack.data, length);
        back.rank = 1;
        cr_expect(!rank_exit_unpack(&unpack, &back), "cut to %zu", length);
        cr_expect_eq(back.rank, 1, "written only on success");
    }
    for (int end = 0; end < 256; end++) {
        pack.data[12] = (uint8_t)end;
        unpack = unpack_start(pack.data, pack.length);
        cr_expect_eq(rank_exit_unpack(&unpack, &back), end < RANK_ENDS, "end %d", end);
    }
    pack_fini(&pack);
}

Test(group_proto, exit_codes)
{
    static const struct {
        uint8_t end;
        int32_t value;
        int code;
    } rows[] = {
        {RANK_EXITED, 0, 0},
        {RANK_EXITED, 255, 255},
        {RANK_SIGNALED, 9, 137},
        {RANK_SIGNALED, 15, 143},
        {RANK_NOT_STARTED, ENOENT, 127},
        {RANK_NOT_STARTED, EACCES, 126},
        {RANK_NOT_STARTED, ENOMEM, 125},
        {RANK_UNFINISHED, 7, 7},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rank_exit ended = {.end = rows[i].end, .value = rows[i].value};
        cr_expect_eq(rank_exit_code(&ended), rows[i].code, "row %zu: %d", i,
                     rank_exit_code(&ended));
    }
}

// ---- output

Test(group_proto, output_round_trip_and_truncations)
{
    struct pack pack = PACK_EMPTY;
    uint32_t rank;
    uint8_t stream;
    const uint8_t *data;
    size_t length;
    output_pack(&pack, 12, OUTPUT_STDERR, "text\n", 5);
    output_pack(&pack, 13, OUTPUT_STDOUT, "", 0);
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(output_unpack(&unpack, &rank, &stream, &data, &length));
    cr_expect(rank == 12 && stream == OUTPUT_STDERR && length == 5 &&
              memcmp(data, "text\n", 5) == 0);
    cr_assert(output_unpack(&unpack, &rank, &stream, &data, &length));
    cr_expect(rank == 13 && stream == OUTPUT_STDOUT && length == 0);
    cr_expect(unpack_done(&unpack));
    for (size_t cut = 0; cut < 14; cut++) {
        unpack = unpack_start(pack.data, cut);
        cr_expect(!output_unpack(&unpack, &rank, &stream, &data, &length), "cut to %zu", cut);
    }
    for (int other = 0; other < 256; other++) {
        pack.data[4] = (uint8_t)other;
        unpack = unpack_start(pack.data, pack.length);
        cr_expect_eq(output_unpack(&unpack, &rank, &stream, &data, &length),
                     other == OUTPUT_STDOUT || other == OUTPUT_STDERR, "stream %d", other);
    }
    pack_fini(&pack);
}

// ---- numbers

Test(group_proto, numbers_and_directions)
{
    static const struct {
        int number;
        const char *name, *body;
    } rows[] = {
#define ROW(name, number, body) {number, #name, body},
        GROUP_MESSAGES(ROW)
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool client = strncmp(rows[i].name, "GC_", 3) == 0;
        cr_expect_geq(rows[i].number, client ? 64 : GROUP_FIRST_TYPE, "%s", rows[i].name);
        cr_expect(client || rows[i].number < 64, "%s", rows[i].name);
        cr_expect_eq(client && rows[i].number >= 80, strncmp(rows[i].body, "agent:", 6) == 0, "%s",
                     rows[i].name);
        for (size_t k = 0; k < i; k++)
            cr_expect_neq(rows[i].number, rows[k].number, "%s", rows[i].name);
    }
}
