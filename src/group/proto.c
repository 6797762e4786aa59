// SPDX-License-Identifier: BSD-3-Clause
//
// Encoding and decoding of what a client asks for: see proto.h. Records of what is true of groups, ranks and
// nodes are in proto_records.c.
#include "config.h"

#include "group/proto.h"

#include <signal.h>

const char *const stream_words[STREAM_WORDS] = {
    [WORD_RANK] = "{rank}",   [WORD_NODE] = "{node}",         [WORD_HOST] = "{host}",
    [WORD_GROUP] = "{group}", [WORD_TEMPLATE] = "{template}",
};

enum stream_word stream_word_at(const char *text, size_t *length_out)
{
    enum stream_word word = 0;
    while (word < STREAM_WORDS &&
           strncmp(text, stream_words[word], strlen(stream_words[word])) != 0)
        word++;
    *length_out = word < STREAM_WORDS ? strlen(stream_words[word]) : 0;
    return word;
}

static void stream_spec_pack(struct pack *pack, const struct stream_spec *stream)
{
    pack_u8(pack, stream->kind);
    pack_str(pack, stream->path ? stream->path : "");
}

static bool stream_spec_unpack(struct unpack *unpack, struct stream_spec *stream_out)
{
    stream_out->kind = unpack_u8(unpack);
    stream_out->path = strdup(unpack_str(unpack));
    if (unpack->failed || !stream_out->path || stream_out->kind >= STREAM_KINDS)
        return false;
    return (stream_out->kind == STREAM_FILE) == (*stream_out->path != 0);
}

void template_spec_fini(struct template_spec *spec)
{
    policy_fini(&spec->policy);
    free(spec->cwd);
    strv_free(spec->argv);
    strv_free(spec->env);
    free(spec->in.path);
    free(spec->out.path);
    free(spec->err.path);
    *spec = (struct template_spec){0};
}

static void template_spec_pack(struct pack *pack, const struct template_spec *spec)
{
    pack_u32(pack, spec->ranks);
    policy_pack(pack, &spec->policy);
    pack_str(pack, spec->cwd);
    pack_strv(pack, spec->argv);
    pack_strv(pack, spec->env);
    stream_spec_pack(pack, &spec->in);
    stream_spec_pack(pack, &spec->out);
    stream_spec_pack(pack, &spec->err);
}

static bool has_names(char *const *env)
{
    for (; *env; env++)
        if (**env == 0 || **env == '=')
            return false;
    return true;
}

static bool template_spec_unpack(struct unpack *unpack, struct template_spec *spec_out)
{
    spec_out->ranks = unpack_u32(unpack);
    if (!policy_unpack(unpack, &spec_out->policy))
        return false;
    spec_out->cwd = strdup(unpack_str(unpack));
    spec_out->argv = unpack_strv(unpack, GROUP_ARGS_LIMIT);
    spec_out->env = unpack_strv(unpack, GROUP_ARGS_LIMIT);
    bool good = stream_spec_unpack(unpack, &spec_out->in) && spec_out->in.kind != STREAM_MERGED;
    good =
        good && stream_spec_unpack(unpack, &spec_out->out) && spec_out->out.kind != STREAM_MERGED;
    good = good && stream_spec_unpack(unpack, &spec_out->err);
    return good && spec_out->ranks <= PLAN_RANK_LIMIT && spec_out->cwd && *spec_out->cwd &&
           strv_count(spec_out->argv) > 0 && spec_out->env && has_names(spec_out->env);
}

void group_spec_fini(struct group_spec *spec)
{
    for (uint32_t i = 0; spec->templates && i < spec->template_count; i++)
        template_spec_fini(&spec->templates[i]);
    free(spec->templates);
    free(spec->name);
    strv_free(spec->env);
    *spec = (struct group_spec){0};
}

void group_spec_pack(struct pack *pack, const struct group_spec *spec)
{
    pack_str(pack, spec->name);
    pack_u8(pack, spec->pmi);
    pack_u8(pack, spec->detached);
    pack_u8(pack, spec->full);
    pack_u8(pack, spec->failure);
    pack_u8(pack, spec->restart);
    pack_u32(pack, spec->restart_most);
    pack_u32(pack, spec->backoff_ms);
    pack_i32(pack, spec->input_rank);
    pack_u32(pack, spec->grace_ms);
    pack_u32(pack, spec->warn_signal);
    pack_u64(pack, spec->warn_ms);
    pack_u64(pack, spec->limit_ms);
    pack_u64(pack, spec->wait_ms);
    pack_strv(pack, spec->env);
    pack_u32(pack, spec->template_count);
    for (uint32_t i = 0; i < spec->template_count; i++)
        template_spec_pack(pack, &spec->templates[i]);
}

static bool unpack_templates(struct unpack *unpack, struct group_spec *spec)
{
    uint32_t count = unpack_u32(unpack);
    // A template takes more bytes than this on the wire: no more can have been sent.
    if (unpack->failed || count == 0 || count > PLAN_TEMPLATES_LIMIT ||
        count > unpack_left(unpack) / 16)
        return false;
    spec->templates = calloc(count, sizeof *spec->templates);
    if (!spec->templates)
        return false;
    spec->template_count = count;
    for (uint32_t i = 0; i < count; i++)
        if (!template_spec_unpack(unpack, &spec->templates[i]))
            return false;
    return true;
}

static bool is_sane(const struct group_spec *spec)
{
    if (spec->full == DRAGON_FULL_UNSET || spec->full > DRAGON_FULL_FAIL ||
        spec->failure == DRAGON_FAILURE_UNSET || spec->failure > DRAGON_FAILURE_CONTINUE ||
        spec->restart > DRAGON_RESTART_ALWAYS || (spec->pmi && spec->restart))
        return false;
    return spec->input_rank >= GROUP_NO_RANK && spec->warn_signal < NSIG && spec->name &&
           spec->env && has_names(spec->env);
}

bool group_spec_unpack(struct unpack *unpack, struct group_spec *spec_out)
{
    struct group_spec spec = {.name = strdup(unpack_str(unpack))};
    spec.pmi = unpack_u8(unpack);
    spec.detached = unpack_u8(unpack);
    spec.full = unpack_u8(unpack);
    spec.failure = unpack_u8(unpack);
    spec.restart = unpack_u8(unpack);
    spec.restart_most = unpack_u32(unpack);
    spec.backoff_ms = unpack_u32(unpack);
    spec.input_rank = unpack_i32(unpack);
    spec.grace_ms = unpack_u32(unpack);
    spec.warn_signal = unpack_u32(unpack);
    spec.warn_ms = unpack_u64(unpack);
    spec.limit_ms = unpack_u64(unpack);
    spec.wait_ms = unpack_u64(unpack);
    spec.env = unpack_strv(unpack, GROUP_ARGS_LIMIT);
    if (!unpack->failed && is_sane(&spec) && unpack_templates(unpack, &spec)) {
        *spec_out = spec;
        return true;
    }
    group_spec_fini(&spec);
    return false;
}

bool group_spec_request(const struct group_spec *spec, uint32_t first_rank,
                        struct plan_request *request_out, struct plan_template **templates_out)
{
    struct plan_template *templates = calloc(spec->template_count, sizeof *templates);
    if (!templates)
        return false;
    for (uint32_t i = 0; i < spec->template_count; i++)
        templates[i] = (struct plan_template){.ranks = spec->templates[i].ranks,
                                              .policy = &spec->templates[i].policy};
    *request_out = (struct plan_request){.templates = templates,
                                         .count = spec->template_count,
                                         .first_rank = first_rank,
                                         .per_core = spec->pmi,
                                         .share = spec->full == DRAGON_FULL_SHARE};
    *templates_out = templates;
    return true;
}
