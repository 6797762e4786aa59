// SPDX-License-Identifier: BSD-3-Clause
//
// Encoding and decoding of what the messages of groups hold: see proto.h.
#include "config.h"

#include "group/proto.h"

#include <errno.h>

void group_spec_fini(struct group_spec *spec)
{
    free(spec->cwd);
    strv_free(spec->argv);
    strv_free(spec->env);
    *spec = (struct group_spec){0};
}

void group_spec_pack(struct pack *pack, const struct group_spec *spec)
{
    pack_u64(pack, (uint64_t)spec->place.ranks);
    pack_u32(pack, spec->place.ppn);
    pack_u8(pack, spec->place.per_core);
    pack_u8(pack, spec->place.order);
    pack_u8(pack, spec->pmi);
    pack_u8(pack, spec->input);
    pack_u64(pack, spec->limit_ms);
    pack_u32(pack, spec->grace_ms);
    pack_str(pack, spec->cwd);
    pack_strv(pack, spec->argv);
    pack_strv(pack, spec->env);
}

bool group_spec_unpack(struct unpack *unpack, struct group_spec *spec_out)
{
    struct group_spec spec = {0};
    spec.place.ranks = (int64_t)unpack_u64(unpack);
    spec.place.ppn = unpack_u32(unpack);
    spec.place.per_core = unpack_u8(unpack);
    spec.place.order = unpack_u8(unpack);
    spec.pmi = unpack_u8(unpack);
    spec.input = unpack_u8(unpack);
    spec.limit_ms = unpack_u64(unpack);
    spec.grace_ms = unpack_u32(unpack);
    spec.cwd = strdup(unpack_str(unpack));
    spec.argv = unpack_strv(unpack, GROUP_ARGS_LIMIT);
    spec.env = unpack_strv(unpack, GROUP_ARGS_LIMIT);
    if (unpack->failed || !spec.cwd || strv_count(spec.argv) == 0 || !spec.env ||
        spec.place.order > PLAN_CYCLIC || spec.place.ranks < -1) {
        group_spec_fini(&spec);
        return false;
    }
    *spec_out = spec;
    return true;
}

void rank_exit_pack(struct pack *pack, const struct rank_exit *ended)
{
    pack_u32(pack, ended->rank);
    pack_u32(pack, ended->node);
    pack_i32(pack, ended->pid);
    pack_u8(pack, ended->end);
    pack_u8(pack, ended->ours);
    pack_i32(pack, ended->value);
}

bool rank_exit_unpack(struct unpack *unpack, struct rank_exit *ended_out)
{
    struct rank_exit ended;
    ended.rank = unpack_u32(unpack);
    ended.node = unpack_u32(unpack);
    ended.pid = unpack_i32(unpack);
    ended.end = unpack_u8(unpack);
    ended.ours = unpack_u8(unpack);
    ended.value = unpack_i32(unpack);
    if (unpack->failed || ended.end >= RANK_ENDS)
        return false;
    *ended_out = ended;
    return true;
}

static int code_of_failed_start(int problem)
{
    switch (problem) {
    case ENOENT:
    case ENOTDIR:
        return 127;
    case EACCES:
    case EISDIR:
    case ELOOP:
    case ENOEXEC:
    case EPERM:
    case ETXTBSY:
        return 126;
    default:
        return 125;
    }
}

int rank_exit_code(const struct rank_exit *ended)
{
    if (ended->end == RANK_SIGNALED)
        return 128 + ended->value;
    if (ended->end == RANK_STUCK)
        return 125;
    return ended->end == RANK_NOT_STARTED ? code_of_failed_start(ended->value) : ended->value;
}

void output_pack(struct pack *pack, uint32_t rank, uint8_t stream, const void *data, size_t length)
{
    pack_u32(pack, rank);
    pack_u8(pack, stream);
    pack_bytes(pack, data, length);
}

bool output_unpack(struct unpack *unpack, uint32_t *rank_out, uint8_t *stream_out,
                   const uint8_t **data_out, size_t *length_out)
{
    *rank_out = unpack_u32(unpack);
    *stream_out = unpack_u8(unpack);
    *data_out = unpack_bytes(unpack, length_out);
    return !unpack->failed && (*stream_out == OUTPUT_STDOUT || *stream_out == OUTPUT_STDERR);
}
