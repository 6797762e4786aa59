// SPDX-License-Identifier: BSD-3-Clause
//
// Bodies of the messages between agent and dragon-pmix: see proto.h. Each unpack_* reads all fields
// and checks once at the end, then the values.
#include "config.h"

#include "pmi/proto.h"

static const char *const the_names[PMI_MESSAGE_TYPES] = {
    [PMI_MESSAGE_NONE] = "none",
    [PMI_MESSAGE_JOB] = "job",
    [PMI_MESSAGE_FENCE_DONE] = "fence-done",
    [PMI_MESSAGE_MODEX_GET] = "modex-get",
    [PMI_MESSAGE_MODEX_DONE] = "modex-done",
    [PMI_MESSAGE_SETTLE] = "settle",
    [PMI_MESSAGE_JOB_END] = "job-end",
    [PMI_MESSAGE_JOB_READY] = "job-ready",
    [PMI_MESSAGE_CONNECTED] = "connected",
    [PMI_MESSAGE_FINALIZED] = "finalized",
    [PMI_MESSAGE_LOST] = "lost",
    [PMI_MESSAGE_ABORT] = "abort",
    [PMI_MESSAGE_FENCE] = "fence",
    [PMI_MESSAGE_MODEX] = "modex",
    [PMI_MESSAGE_MODEX_GOT] = "modex-got",
    [PMI_MESSAGE_SETTLED] = "settled",
};

enum { STRINGS_MAX = 1 << 20 }; // arguments, or variables of one rank

const char *pmi_message_name(unsigned type)
{
    return type < PMI_MESSAGE_TYPES ? the_names[type] : "unknown";
}

void pmi_job_message_fini(struct pmi_job_message *message)
{
    for (uint32_t i = 0; message->apps && i < pmi_map_apps(&message->map); i++)
        strv_free(message->apps[i].argv);
    free(message->apps);
    strv_free(message->bound);
    pmi_map_fini(&message->map);
    message->apps = NULL;
    message->bound = NULL;
}

void pack_pmi_job(struct pack *pack, const struct pmi_job_message *message)
{
    pack_u64(pack, message->job);
    pack_str(pack, message->nspace);
    pack_pmi_map(pack, &message->map);
    pack_str(pack, message->dir);
    pack_u32(pack, message->uid);
    pack_u32(pack, message->gid);
    for (uint32_t i = 0; i < pmi_map_apps(&message->map); i++) {
        pack_str(pack, message->apps[i].cwd);
        pack_strv(pack, message->apps[i].argv);
    }
    pack_u8(pack, message->oversubscribed);
    pack_str(pack, message->cpuset);
    pack_strv(pack, message->bound);
}

static bool unpack_bound(struct unpack *unpack, struct pmi_job_message *message)
{
    message->bound = unpack_strv(unpack, STRINGS_MAX);
    size_t count = strv_count(message->bound);
    return count == 0 || count == pmi_map_local_size(&message->map, message->map.here);
}

static bool unpack_apps(struct unpack *unpack, struct pmi_job_message *message)
{
    uint32_t count = pmi_map_apps(&message->map);
    // Each takes at least nine bytes.
    if (unpack->failed || count > unpack_left(unpack) / 9)
        return false;
    message->apps = calloc(count, sizeof *message->apps);
    for (uint32_t i = 0; message->apps && i < count; i++) {
        message->apps[i].cwd = unpack_str(unpack);
        message->apps[i].argv = unpack_strv(unpack, STRINGS_MAX);
    }
    return message->apps != NULL;
}

bool unpack_pmi_job(struct unpack *unpack, struct pmi_job_message *message_out)
{
    struct pmi_job_message message = {.job = unpack_u64(unpack)};
    message.nspace = unpack_str(unpack);
    unpack_pmi_map(unpack, &message.map);
    message.dir = unpack_str(unpack);
    message.uid = unpack_u32(unpack);
    message.gid = unpack_u32(unpack);
    bool good = unpack_apps(unpack, &message);
    message.oversubscribed = unpack_u8(unpack) != 0;
    message.cpuset = unpack_str(unpack);
    good = good && unpack_bound(unpack, &message);
    size_t length = strlen(message.nspace);
    if (!good || !unpack_done(unpack) || length == 0 || length > PMI_NSPACE_MAX) {
        pmi_job_message_fini(&message);
        return false;
    }
    *message_out = message;
    return true;
}

void pmi_ready_message_fini(struct pmi_ready_message *message)
{
    for (uint32_t i = 0; message->envs && i < message->count; i++)
        strv_free(message->envs[i]);
    free(message->envs);
    message->envs = NULL;
    message->count = 0;
}

void pack_pmi_ready(struct pack *pack, const struct pmi_ready_message *message)
{
    pack_u64(pack, message->job);
    pack_str(pack, message->error);
    pack_u32(pack, message->count);
    for (uint32_t i = 0; i < message->count; i++)
        pack_strv(pack, message->envs[i]);
}

bool unpack_pmi_ready(struct unpack *unpack, struct pmi_ready_message *message_out)
{
    struct pmi_ready_message message = {.job = unpack_u64(unpack)};
    message.error = unpack_str(unpack);
    uint32_t count = unpack_u32(unpack);
    // Each list takes at least four bytes.
    if (!unpack->failed && count <= PMI_RANKS_MAX && count <= unpack_left(unpack) / 4)
        message.envs = calloc(count + 1u, sizeof *message.envs);
    if (!message.envs)
        return false;
    while (message.count < count && !unpack->failed)
        message.envs[message.count++] = unpack_strv(unpack, STRINGS_MAX);
    if (!unpack_done(unpack)) {
        pmi_ready_message_fini(&message);
        return false;
    }
    *message_out = message;
    return true;
}

void pack_pmi_rank(struct pack *pack, const struct pmi_rank_message *message)
{
    pack_u64(pack, message->job);
    pack_u32(pack, message->rank);
}

bool unpack_pmi_rank(struct unpack *unpack, struct pmi_rank_message *message_out)
{
    struct pmi_rank_message message = {.job = unpack_u64(unpack)};
    message.rank = unpack_u32(unpack);
    if (!unpack_done(unpack))
        return false;
    *message_out = message;
    return true;
}

void pack_pmi_abort(struct pack *pack, const struct pmi_abort_message *message)
{
    pack_u64(pack, message->job);
    pack_u32(pack, message->rank);
    pack_i32(pack, message->code);
    pack_str(pack, message->text);
}

bool unpack_pmi_abort(struct unpack *unpack, struct pmi_abort_message *message_out)
{
    struct pmi_abort_message message = {.job = unpack_u64(unpack)};
    message.rank = unpack_u32(unpack);
    message.code = unpack_i32(unpack);
    message.text = unpack_str(unpack);
    if (!unpack_done(unpack))
        return false;
    *message_out = message;
    return true;
}

void pmi_fence_message_fini(struct pmi_fence_message *message)
{
    free(message->ranks);
    message->ranks = NULL;
    message->count = 0;
}

void pack_pmi_fence(struct pack *pack, const struct pmi_fence_message *message)
{
    pack_u64(pack, message->id);
    pack_u64(pack, message->job);
    pack_u32(pack, message->sequence);
    pack_u8(pack, message->all);
    pack_u8(pack, message->collect);
    pack_u32(pack, message->count);
    for (uint32_t i = 0; i < message->count; i++)
        pack_u32(pack, message->ranks[i]);
    pack_bytes(pack, message->data, message->length);
}

static bool unpack_ranks(struct unpack *unpack, struct pmi_fence_message *message)
{
    uint32_t count = unpack_u32(unpack);
    if (unpack->failed || count > unpack_left(unpack) / 4 || message->all != (count == 0))
        return false;
    message->ranks = calloc(count + 1u, sizeof *message->ranks);
    if (!message->ranks)
        return false;
    while (message->count < count) {
        uint32_t rank = unpack_u32(unpack), at = message->count++;
        message->ranks[at] = rank;
        if (at > 0 && message->ranks[at - 1] >= rank)
            return false;
    }
    return true;
}

bool unpack_pmi_fence(struct unpack *unpack, struct pmi_fence_message *message_out)
{
    struct pmi_fence_message message = {.id = unpack_u64(unpack)};
    message.job = unpack_u64(unpack);
    message.sequence = unpack_u32(unpack);
    message.all = unpack_u8(unpack) != 0;
    message.collect = unpack_u8(unpack) != 0;
    bool good = unpack_ranks(unpack, &message);
    message.data = unpack_bytes(unpack, &message.length);
    if (!good || !unpack_done(unpack)) {
        pmi_fence_message_fini(&message);
        return false;
    }
    *message_out = message;
    return true;
}

void pack_pmi_modex(struct pack *pack, const struct pmi_modex_message *message)
{
    pack_u64(pack, message->id);
    pack_u64(pack, message->job);
    pack_u32(pack, message->rank);
}

bool unpack_pmi_modex(struct unpack *unpack, struct pmi_modex_message *message_out)
{
    struct pmi_modex_message message = {.id = unpack_u64(unpack)};
    message.job = unpack_u64(unpack);
    message.rank = unpack_u32(unpack);
    if (!unpack_done(unpack))
        return false;
    *message_out = message;
    return true;
}

void pack_pmi_answer(struct pack *pack, const struct pmi_answer_message *message)
{
    pack_u64(pack, message->id);
    pack_i32(pack, (int32_t)message->err);
    pack_bytes(pack, message->data, message->length);
}

bool unpack_pmi_answer(struct unpack *unpack, struct pmi_answer_message *message_out)
{
    struct pmi_answer_message message = {.id = unpack_u64(unpack)};
    message.err = (dragon_err_t)unpack_i32(unpack);
    message.data = unpack_bytes(unpack, &message.length);
    if (!unpack_done(unpack) || message.err > DRAGON_OK)
        return false;
    *message_out = message;
    return true;
}
