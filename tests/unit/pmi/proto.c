// SPDX-License-Identifier: BSD-3-Clause
//
// Messages between agent and dragon-pmix: there and back, cut at every byte, and values that cannot
// be.
#include "config.h"

#include "pmi/proto.h"

#include <criterion/criterion.h>

static uint32_t the_nodes[] = {0, 1, 1, 0, 1};
static char *the_names[] = {"left", "right", NULL};
static char *the_argv[] = {"./program", "an argument", NULL};
static uint32_t the_first[] = {0, 3};
static struct pmi_app the_apps[] = {{"/home", the_argv}, {"/tmp", the_argv + 1}};

static char *the_bound[] = {"0,4", "", "2", NULL};

static struct pmi_job_message make_job(void)
{
    return (struct pmi_job_message){
        .job = 0x1122334455667788u,
        .nspace = "nspace-17",
        .map = {.size = 5,
                .nodes = 2,
                .node_names = the_names,
                .node_of_rank = the_nodes,
                .here = 1,
                .app_count = 2,
                .app_first = the_first},
        .dir = "/some/dir",
        .uid = 1000,
        .gid = 100,
        .apps = the_apps,
        .oversubscribed = true,
        .cpuset = "0-3",
        .bound = the_bound,
    };
}

static bool read_job(const void *data, size_t length)
{
    struct unpack unpack = unpack_start(data, length);
    struct pmi_job_message message;
    if (!unpack_pmi_job(&unpack, &message))
        return false;
    pmi_job_message_fini(&message);
    return true;
}

static bool read_ready(const void *data, size_t length)
{
    struct unpack unpack = unpack_start(data, length);
    struct pmi_ready_message message;
    if (!unpack_pmi_ready(&unpack, &message))
        return false;
    pmi_ready_message_fini(&message);
    return true;
}

static bool read_rank(const void *data, size_t length)
{
    struct unpack unpack = unpack_start(data, length);
    struct pmi_rank_message message;
    return unpack_pmi_rank(&unpack, &message);
}

static bool read_abort(const void *data, size_t length)
{
    struct unpack unpack = unpack_start(data, length);
    struct pmi_abort_message message;
    return unpack_pmi_abort(&unpack, &message);
}

static bool read_fence(const void *data, size_t length)
{
    struct unpack unpack = unpack_start(data, length);
    struct pmi_fence_message message;
    if (!unpack_pmi_fence(&unpack, &message))
        return false;
    pmi_fence_message_fini(&message);
    return true;
}

static bool read_modex(const void *data, size_t length)
{
    struct unpack unpack = unpack_start(data, length);
    struct pmi_modex_message message;
    return unpack_pmi_modex(&unpack, &message);
}

static bool read_answer(const void *data, size_t length)
{
    struct unpack unpack = unpack_start(data, length);
    struct pmi_answer_message message;
    return unpack_pmi_answer(&unpack, &message);
}

// Exact copies on the heap, so that a read behind the end is found by the sanitizer. Ends the pack.
static void expect_only_whole(struct pack *pack, bool (*read)(const void *, size_t))
{
    cr_assert_not(pack->failed);
    cr_expect(read(pack->data, pack->length));
    for (size_t length = 0; length < pack->length; length++) {
        uint8_t *cut = malloc(length ? length : 1);
        memcpy(cut, pack->data, length);
        cr_expect_not(read(cut, length), "cut to %zu of %zu", length, pack->length);
        free(cut);
    }
    pack_u8(pack, 0);
    cr_expect_not(read(pack->data, pack->length), "a byte too many");
    pack_fini(pack);
}

Test(pmi_proto, job)
{
    struct pmi_job_message job = make_job(), back;
    struct pack pack = PACK_EMPTY;
    pack_pmi_job(&pack, &job);
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(unpack_pmi_job(&unpack, &back));
    cr_expect_eq(back.job, job.job);
    cr_expect_str_eq(back.nspace, job.nspace);
    cr_expect_eq(back.map.size, 5);
    cr_expect_eq(back.map.nodes, 2);
    cr_expect_eq(back.map.here, 1);
    cr_expect_str_eq(back.map.node_names[1], "right");
    cr_expect_arr_eq(back.map.node_of_rank, the_nodes, sizeof the_nodes);
    cr_expect_str_eq(back.dir, job.dir);
    cr_expect(back.uid == 1000 && back.gid == 100);
    cr_expect_eq(back.map.app_count, 2);
    cr_expect_str_eq(back.apps[0].cwd, "/home");
    cr_expect_str_eq(back.apps[0].argv[1], "an argument");
    cr_expect_str_eq(back.apps[1].cwd, "/tmp");
    cr_expect_str_eq(back.apps[1].argv[0], "an argument");
    cr_expect(back.oversubscribed);
    cr_expect_str_eq(back.cpuset, "0-3");
    cr_expect_eq(strv_count(back.bound), 3);
    cr_expect_str_eq(back.bound[0], "0,4");
    cr_expect_str_eq(back.bound[1], "");
    pmi_job_message_fini(&back);
    expect_only_whole(&pack, read_job);

    // What the ranks of this node are bound to: of all of them, or of none.
    job.bound = the_bound + 3;
    pack = PACK_EMPTY;
    pack_pmi_job(&pack, &job);
    expect_only_whole(&pack, read_job);
    job.bound = the_bound + 1;
    pack = PACK_EMPTY;
    pack_pmi_job(&pack, &job);
    cr_expect_not(read_job(pack.data, pack.length));
    pack_fini(&pack);
}

Test(pmi_proto, job_with_bad_nspace)
{
    char name[PMI_NSPACE_MAX + 2];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    struct pmi_job_message job = make_job();
    const char *const names[] = {"", name};
    for (size_t i = 0; i < 2; i++) {
        job.nspace = names[i];
        struct pack pack = PACK_EMPTY;
        pack_pmi_job(&pack, &job);
        cr_expect_not(read_job(pack.data, pack.length));
        pack_fini(&pack);
    }
}

// The map's numbers as they stand on the wire.
static bool apps_accepted(uint32_t size, uint32_t here, const uint32_t *runs, size_t run_words,
                          const uint32_t *apps, size_t app_words)
{
    struct pack pack = PACK_EMPTY;
    pack_u32(&pack, size);
    pack_u32(&pack, here);
    pack_strv(&pack, the_names);
    for (size_t i = 0; i < run_words; i++)
        pack_u32(&pack, runs[i]);
    for (size_t i = 0; i < app_words; i++)
        pack_u32(&pack, apps[i]);
    struct unpack unpack = unpack_start(pack.data, pack.length);
    struct pmi_map map;
    bool accepted = unpack_pmi_map(&unpack, &map) && unpack_done(&unpack);
    if (accepted)
        pmi_map_fini(&map);
    pack_fini(&pack);
    return accepted;
}

static bool map_accepted(uint32_t size, uint32_t here, const uint32_t *runs, size_t run_words)
{
    return apps_accepted(size, here, runs, run_words, (uint32_t[]){1, 0}, 2);
}

Test(pmi_proto, programs_that_cannot_be)
{
    static const uint32_t runs[] = {0, 2, 1, 2};
    cr_expect(apps_accepted(4, 1, runs, 4, (uint32_t[]){2, 0, 3}, 3));
    cr_expect_not(apps_accepted(4, 1, runs, 4, NULL, 0), "cut");
    cr_expect_not(apps_accepted(4, 1, runs, 4, (uint32_t[]){0}, 1), "none");
    cr_expect_not(apps_accepted(4, 1, runs, 4, (uint32_t[]){2, 0}, 2), "cut");
    cr_expect_not(apps_accepted(4, 1, runs, 4, (uint32_t[]){2, 0, 4}, 3), "beyond the ranks");
    cr_expect_not(apps_accepted(4, 1, runs, 4, (uint32_t[]){UINT32_MAX, 0}, 2), "count");
}

Test(pmi_proto, maps_that_cannot_be)
{
    cr_expect(map_accepted(4, 1, (uint32_t[]){0, 2, 1, 2}, 4));
    cr_expect_not(map_accepted(4, 2, (uint32_t[]){0, 2, 1, 2}, 4), "here");
    cr_expect_not(map_accepted(4, 1, (uint32_t[]){0, 2, 2, 2}, 4), "node");
    cr_expect_not(map_accepted(4, 1, (uint32_t[]){0, 2, 1, 3}, 4), "run too long");
    cr_expect_not(map_accepted(4, 1, (uint32_t[]){0, 2, 1, 0, 1, 2}, 6), "empty run");
    cr_expect_not(map_accepted(4, 1, (uint32_t[]){0, 4}, 2), "node without rank");
    cr_expect_not(map_accepted(0, 1, NULL, 0), "no ranks");
    cr_expect_not(map_accepted(UINT32_MAX, 1, (uint32_t[]){0, UINT32_MAX}, 2), "size");
    cr_expect_not(map_accepted(PMI_RANKS_MAX + 1, 1, (uint32_t[]){0, PMI_RANKS_MAX, 1, 1}, 4));
}

Test(pmi_proto, ready)
{
    char *first[] = {"A=1", "B=2", NULL}, *second[] = {NULL};
    char **envs[] = {first, second};
    struct pmi_ready_message ready = {.job = 7, .error = "", .envs = envs, .count = 2}, back;
    struct pack pack = PACK_EMPTY;
    pack_pmi_ready(&pack, &ready);
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(unpack_pmi_ready(&unpack, &back));
    cr_expect(back.job == 7 && back.count == 2);
    cr_expect_str_eq(back.error, "");
    cr_expect_str_eq(back.envs[0][1], "B=2");
    cr_expect_null(back.envs[1][0]);
    pmi_ready_message_fini(&back);
    expect_only_whole(&pack, read_ready);

    pack_u64(&pack, 1);
    pack_str(&pack, "");
    pack_u32(&pack, UINT32_MAX);
    cr_expect_not(read_ready(pack.data, pack.length), "more lists than bytes");
    pack_fini(&pack);
}

Test(pmi_proto, rank)
{
    struct pmi_rank_message back;
    struct pack pack = PACK_EMPTY;
    pack_pmi_rank(&pack, &(struct pmi_rank_message){3, 4});
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(unpack_pmi_rank(&unpack, &back));
    cr_expect(back.job == 3 && back.rank == 4);
    expect_only_whole(&pack, read_rank);
}

Test(pmi_proto, abort)
{
    struct pmi_abort_message back;
    struct pack pack = PACK_EMPTY;
    pack_pmi_abort(&pack, &(struct pmi_abort_message){3, 4, -5, "why"});
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(unpack_pmi_abort(&unpack, &back));
    cr_expect(back.job == 3 && back.rank == 4 && back.code == -5);
    cr_expect_str_eq(back.text, "why");
    expect_only_whole(&pack, read_abort);
}

Test(pmi_proto, fence)
{
    uint32_t ranks[] = {1, 4};
    struct pmi_fence_message back, fence = {.id = 9,
                                            .job = 8,
                                            .sequence = 2,
                                            .collect = true,
                                            .ranks = ranks,
                                            .count = 2,
                                            .data = (const uint8_t *)"bytes",
                                            .length = 5};
    struct pack pack = PACK_EMPTY;
    pack_pmi_fence(&pack, &fence);
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(unpack_pmi_fence(&unpack, &back));
    cr_expect(back.id == 9 && back.job == 8 && back.sequence == 2 && back.collect && !back.all);
    cr_expect(back.count == 2 && back.ranks[1] == 4);
    cr_expect(back.length == 5 && memcmp(back.data, "bytes", 5) == 0);
    pmi_fence_message_fini(&back);
    expect_only_whole(&pack, read_fence);
}

static bool fence_accepted(bool all, uint32_t *ranks, uint32_t count)
{
    struct pack pack = PACK_EMPTY;
    pack_pmi_fence(&pack, &(struct pmi_fence_message){.all = all, .ranks = ranks, .count = count});
    bool accepted = read_fence(pack.data, pack.length);
    pack_fini(&pack);
    return accepted;
}

Test(pmi_proto, fence_members)
{
    cr_expect(fence_accepted(true, NULL, 0));
    cr_expect(fence_accepted(false, (uint32_t[]){0}, 1));
    cr_expect_not(fence_accepted(false, NULL, 0), "nobody");
    cr_expect_not(fence_accepted(true, (uint32_t[]){0}, 1), "all and some");
    cr_expect_not(fence_accepted(false, (uint32_t[]){1, 1}, 2), "twice");
    cr_expect_not(fence_accepted(false, (uint32_t[]){2, 1}, 2), "not ascending");
}

Test(pmi_proto, modex)
{
    struct pmi_modex_message back;
    struct pack pack = PACK_EMPTY;
    pack_pmi_modex(&pack, &(struct pmi_modex_message){1, 2, 3});
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(unpack_pmi_modex(&unpack, &back));
    cr_expect(back.id == 1 && back.job == 2 && back.rank == 3);
    expect_only_whole(&pack, read_modex);
}

Test(pmi_proto, answer)
{
    struct pmi_answer_message back;
    struct pack pack = PACK_EMPTY;
    pack_pmi_answer(&pack, &(struct pmi_answer_message){1, DRAGON_ERR_PEER, NULL, 0});
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(unpack_pmi_answer(&unpack, &back));
    cr_expect(back.id == 1 && back.err == DRAGON_ERR_PEER && back.length == 0);
    expect_only_whole(&pack, read_answer);
    pack_pmi_answer(&pack, &(struct pmi_answer_message){.err = (dragon_err_t)1});
    cr_expect_not(read_answer(pack.data, pack.length), "an error is not positive");
    pack_fini(&pack);
}

Test(pmi_proto, names)
{
    for (unsigned type = 0; type < PMI_MESSAGE_TYPES; type++)
        cr_expect(pmi_message_name(type) != NULL, "%u", type);
    cr_expect_str_eq(pmi_message_name(PMI_MESSAGE_TYPES), "unknown");
}
