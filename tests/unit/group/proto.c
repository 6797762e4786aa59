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
        .name = strdup("a name"),
        .pmi = true,
        .detached = true,
        .full = DRAGON_FULL_WAIT,
        .failure = DRAGON_FAILURE_STOP,
        .input_rank = GROUP_ALL_RANKS,
        .grace_ms = 4321,
        .warn_signal = 10,
        .warn_ms = 77,
        .limit_ms = 0x1122334455667788,
        .wait_ms = 99,
        .template_count = 2,
        .templates = calloc(2, sizeof *spec.templates),
    };
    strv_push(&spec.env, "A=1");
    for (uint32_t i = 0; i < 2; i++) {
        struct template_spec *each = &spec.templates[i];
        *each = (struct template_spec){.ranks = i,
                                       .policy = {.ppn = 3, .map = DRAGON_MAP_CYCLIC},
                                       .cwd = strdup("/some/where"),
                                       .err = {.kind = STREAM_MERGED}};
        strv_push(&each->argv, "./work");
        strv_push(&each->argv, "");
        strv_push(&each->argv, "--fast");
        strv_push(&each->env, "B=2");
        strv_push(&each->env, "C");
    }
    spec.templates[1].out = (struct stream_spec){.kind = STREAM_FILE, .path = strdup("{rank}")};
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
    cr_expect_str_eq(back.name, "a name");
    cr_expect(back.pmi && back.detached && back.full == DRAGON_FULL_WAIT &&
              back.failure == DRAGON_FAILURE_STOP && back.input_rank == GROUP_ALL_RANKS);
    cr_expect(back.limit_ms == 0x1122334455667788 && back.grace_ms == 4321 &&
              back.warn_signal == 10 && back.warn_ms == 77 && back.wait_ms == 99);
    cr_assert_eq(back.template_count, 2);
    const struct template_spec *second = &back.templates[1];
    cr_expect(second->ranks == 1 && second->policy.ppn == 3 &&
              second->policy.map == DRAGON_MAP_CYCLIC);
    cr_expect_str_eq(second->cwd, "/some/where");
    cr_expect_eq(strv_count(second->argv), 3);
    cr_expect_str_eq(second->argv[2], "--fast");
    cr_expect_eq(strv_count(second->env), 2);
    cr_expect(second->in.kind == STREAM_CLIENT && second->out.kind == STREAM_FILE &&
              second->err.kind == STREAM_MERGED);
    cr_expect_str_eq(second->out.path, "{rank}");
    group_spec_fini(&back);
    cr_expect_null(back.templates);
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

// Whatever byte is wrong: it is refused, or it is another spec, which is written as it was read.
Test(group_proto, specs_with_a_wrong_byte)
{
    struct pack pack = PACK_EMPTY;
    pack_spec(&pack);
    for (size_t at = 0; at < pack.length; at++)
        for (int bit = 0; bit < 8; bit++) {
            pack.data[at] ^= (uint8_t)(1 << bit);
            struct unpack unpack = unpack_start(pack.data, pack.length);
            struct group_spec spec;
            if (group_spec_unpack(&unpack, &spec))
                group_spec_fini(&spec);
            pack.data[at] ^= (uint8_t)(1 << bit);
        }
    cr_expect(spec_reads(&pack));
    pack_fini(&pack);
}

static bool changed_spec_reads(void (*change)(struct group_spec *spec))
{
    struct pack pack = PACK_EMPTY;
    struct group_spec spec = spec_of();
    change(&spec);
    group_spec_pack(&pack, &spec);
    bool reads = spec_reads(&pack);
    group_spec_fini(&spec);
    pack_fini(&pack);
    return reads;
}

static void nothing(struct group_spec *spec)
{
    (void)spec;
}
static void full_unset(struct group_spec *spec)
{
    spec->full = DRAGON_FULL_UNSET;
}
static void failure_beyond(struct group_spec *spec)
{
    spec->failure = DRAGON_FAILURE_CONTINUE + 1;
}
static void restart_of_mpi(struct group_spec *spec)
{
    spec->restart = DRAGON_RESTART_ALWAYS;
}
static void input_of_no_such(struct group_spec *spec)
{
    spec->input_rank = -3;
}
static void signal_beyond(struct group_spec *spec)
{
    spec->warn_signal = 65;
}
static void ranks_beyond(struct group_spec *spec)
{
    spec->templates[0].ranks = PLAN_RANK_LIMIT + 1;
}
static void no_program(struct group_spec *spec)
{
    strv_free(spec->templates[0].argv);
    spec->templates[0].argv = NULL;
}
static void nameless_variable(struct group_spec *spec)
{
    strv_push(&spec->templates[0].env, "=1");
}
static void file_without_name(struct group_spec *spec)
{
    spec->templates[0].out.kind = STREAM_FILE;
}
static void merged_output(struct group_spec *spec)
{
    spec->templates[0].out.kind = STREAM_MERGED;
}
static void merged_input(struct group_spec *spec)
{
    spec->templates[0].in.kind = STREAM_MERGED;
}

Test(group_proto, specs_that_make_no_sense)
{
    static void (*const changes[])(struct group_spec *) = {
        full_unset,        failure_beyond, restart_of_mpi, input_of_no_such,
        signal_beyond,     ranks_beyond,   no_program,     nameless_variable,
        file_without_name, merged_output,  merged_input};
    cr_expect(changed_spec_reads(nothing));
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        cr_expect(!changed_spec_reads(changes[i]), "change %zu", i);
}

// ---- reports of ranks

Test(group_proto, report_round_trip_and_truncations)
{
    struct rank_report report = {.rank = 0xfffffffe,
                                 .node = 77,
                                 .pid = -5,
                                 .end = RANK_SIGNALED,
                                 .ours = 1,
                                 .again = 1,
                                 .value = RANK_VALUE_LIMIT};
    struct rank_report back = {0};
    struct pack pack = PACK_EMPTY;
    rank_report_pack(&pack, &report);
    cr_assert_eq(pack.length, RANK_REPORT_BYTES);
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(rank_report_unpack(&unpack, &back) && unpack_done(&unpack));
    cr_expect(back.rank == report.rank && back.node == 77 && back.pid == -5 &&
              back.end == RANK_SIGNALED && back.ours == 1 && back.again == 1 &&
              back.value == RANK_VALUE_LIMIT);
    for (size_t length = 0; length < pack.length; length++) {
        unpack = unpack_start(pack.data, length);
        back.rank = 1;
        cr_expect(!rank_report_unpack(&unpack, &back), "cut to %zu", length);
        cr_expect_eq(back.rank, 1, "written only on success");
    }
    for (int end = 0; end < 256; end++) {
        pack.data[12] = (uint8_t)end;
        unpack = unpack_start(pack.data, pack.length);
        cr_expect_eq(rank_report_unpack(&unpack, &back), end < RANK_ENDS, "end %d", end);
    }
    pack_fini(&pack);
    report.value = -1; // no exit code, signal or errno
    rank_report_pack(&pack, &report);
    unpack = unpack_start(pack.data, pack.length);
    cr_expect(!rank_report_unpack(&unpack, &back));
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
        {RANK_NO_MEMORY, 9, 137},
        {RANK_NOT_STARTED, ENOENT, 127},
        {RANK_NOT_STARTED, EACCES, 126},
        {RANK_NOT_STARTED, ENOMEM, 125},
        {RANK_UNFINISHED, 7, 7},
        {RANK_STUCK, 9, 125},
        {RANK_LOST, 9, 137},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rank_report report = {.end = rows[i].end, .value = rows[i].value};
        cr_expect_eq(rank_report_code(&report), rows[i].code, "row %zu: %d", i,
                     rank_report_code(&report));
    }
}

// ---- records

Test(group_proto, records_round_trip_and_truncations)
{
    struct group_record group = {.id = 1,
                                 .age_ms = 2,
                                 .name = "n",
                                 .waits_for = "w",
                                 .state = DRAGON_GROUP_QUEUED,
                                 .size = 9,
                                 .running = 3,
                                 .owner_node = 4,
                                 .owner_pid = 5,
                                 .parts = 2};
    struct watch_record watch = {
        .state = DRAGON_GROUP_ENDED, .pmi = true, .code = 3, .cause = "why", .size = 4};
    struct rank_state state = {.pid = 1, .code = -1, .restarts = 7, .ended = 1, .removed = 1};
    struct pack packs[3] = {PACK_EMPTY, PACK_EMPTY, PACK_EMPTY};
    group_record_pack(&packs[0], &group);
    watch_record_pack(&packs[1], &watch);
    rank_state_pack(&packs[2], &state);
    for (int which = 0; which < 3; which++)
        for (size_t length = 0; length <= packs[which].length; length++) {
            struct unpack unpack = unpack_start(packs[which].data, length);
            struct group_record group_back;
            struct watch_record watch_back;
            struct rank_state state_back;
            bool reads = which == 0   ? group_record_unpack(&unpack, &group_back)
                         : which == 1 ? watch_record_unpack(&unpack, &watch_back)
                                      : rank_state_unpack(&unpack, &state_back);
            cr_expect_eq(reads, length == packs[which].length, "record %d, %zu bytes", which,
                         length);
            if (reads && which == 0)
                cr_expect(group_back.size == 9 && group_back.parts == 2 &&
                          strcmp(group_back.waits_for, "w") == 0);
            if (reads && which == 1)
                cr_expect(watch_back.code == 3 && strcmp(watch_back.cause, "why") == 0);
            if (reads && which == 2)
                cr_expect(state_back.restarts == 7 && state_back.code == -1 && state_back.removed);
        }
    for (int which = 0; which < 3; which++)
        pack_fini(&packs[which]);
}

Test(group_proto, node_record_round_trip_and_truncations)
{
    struct machine_core cores[2] = {{.thread_count = 1}, {.thread_count = 1, .threads = {1}}};
    struct machine_gpu gpus[1] = {{.vendor = GPU_AMD, .tiles = 2, .visible = "0"}};
    struct machine machine = {.core_count = 2,
                              .gpu_count = 1,
                              .numa_count = 1,
                              .l3_count = 1,
                              .socket_count = 1,
                              .thread_count = 2,
                              .cores = cores,
                              .gpus = gpus};
    struct pack packed = PACK_EMPTY, record = PACK_EMPTY;
    struct node_record back;
    machine_pack(&packed, &machine);
    struct ledger *ledger = ledger_create(1);
    cr_assert(ledger_describe(ledger, 0, "n0", "host", packed.data, packed.length));
    ledger_take_core(ledger, 0, 1);
    ledger_take_gpu(ledger, 0, gpu_unit(0, 1));
    node_record_pack(&record, ledger, 0);
    for (size_t length = 0; length < record.length; length++) {
        struct unpack unpack = unpack_start(record.data, length);
        cr_expect(!node_record_unpack(&unpack, &back), "cut to %zu", length);
    }
    struct unpack unpack = unpack_start(record.data, record.length);
    cr_assert(node_record_unpack(&unpack, &back) && unpack_done(&unpack));
    cr_expect_str_eq(back.name, "n0");
    cr_expect_str_eq(back.host, "host");
    cr_expect(back.core_users[0] == 0 && back.core_users[1] == 1 && back.gpu_users[0] == 1);
    node_record_fini(&back);
    ledger_destroy(ledger);
    pack_fini(&record);
    pack_fini(&packed);
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
