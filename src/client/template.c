// SPDX-License-Identifier: BSD-3-Clause
//
// Process templates: a program, its arguments, and how it is to be run.
#include "config.h"

#include "client/template.h"

#include <errno.h>
#include <unistd.h>

static bool set_stream(struct stream_spec *stream, enum stream_kind kind, const char *path)
{
    char *copy = strdup(path);
    if (!copy)
        return false;
    free(stream->path);
    *stream = (struct stream_spec){.kind = (uint8_t)kind, .path = copy};
    return true;
}

dragon_err_t dragon_template_create(char *const argv[], dragon_template_t **template_out,
                                    dragon_error_t *error)
{
    if (!argv || !argv[0])
        return err_set(error, DRAGON_ERR_INVAL, "a template needs a program");
    char *base = getcwd(NULL, 0);
    if (!base && errno != ENOMEM)
        return err_set(error, DRAGON_ERR_SYS, "cannot tell the working directory: %s",
                       strerror(errno));
    struct dragon_template *made = calloc(1, sizeof *made);
    if (!made)
        free(base);
    else
        *made = (struct dragon_template){.base = base, .argv = strv_copy(argv)};
    if (made && base)
        made->cwd = strdup(base);
    if (!made || !made->cwd || !made->argv || !set_stream(&made->in, STREAM_CLIENT, "") ||
        !set_stream(&made->out, STREAM_CLIENT, "") || !set_stream(&made->err, STREAM_CLIENT, "")) {
        dragon_template_destroy(made);
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    }
    *template_out = made;
    return DRAGON_OK;
}

struct dragon_template *template_copy(const struct dragon_template *from)
{
    struct dragon_template *copy = calloc(1, sizeof *copy);
    if (!copy)
        return NULL;
    copy->base = strdup(from->base);
    copy->cwd = strdup(from->cwd);
    copy->argv = strv_copy(from->argv);
    copy->env = strv_copy(from->env);
    if (copy->base && copy->cwd && copy->argv && copy->env &&
        policy_copy(&from->policy, &copy->policy) &&
        set_stream(&copy->in, from->in.kind, from->in.path) &&
        set_stream(&copy->out, from->out.kind, from->out.path) &&
        set_stream(&copy->err, from->err.kind, from->err.path))
        return copy;
    dragon_template_destroy(copy);
    return NULL;
}

void dragon_template_destroy(dragon_template_t *process_template)
{
    if (!process_template)
        return;
    free(process_template->err.path);
    free(process_template->out.path);
    free(process_template->in.path);
    policy_fini(&process_template->policy);
    strv_free(process_template->env);
    strv_free(process_template->argv);
    free(process_template->cwd);
    free(process_template->base);
    free(process_template);
}

dragon_err_t dragon_template_set_cwd(dragon_template_t *process_template, const char *directory)
{
    char *cwd = NULL;
    if (!directory || !*directory)
        return DRAGON_ERR_INVAL;
    if (directory[0] == '/')
        cwd = strdup(directory);
    else if (asprintf(&cwd, "%s/%s", process_template->base, directory) < 0)
        cwd = NULL;
    if (!cwd)
        return DRAGON_ERR_NOMEM;
    free(process_template->cwd);
    process_template->cwd = cwd;
    return DRAGON_OK;
}

dragon_err_t dragon_template_set_env(dragon_template_t *process_template, const char *name,
                                     const char *value)
{
    if (!edit_is_name(name))
        return DRAGON_ERR_INVAL;
    return edits_set(&process_template->env, name, value) ? DRAGON_OK : DRAGON_ERR_NOMEM;
}

dragon_err_t dragon_template_set_policy(dragon_template_t *process_template,
                                        const dragon_policy_t *policy)
{
    struct policy copy = {0};
    if (policy && !policy_copy(&policy->policy, &copy))
        return DRAGON_ERR_NOMEM;
    policy_fini(&process_template->policy);
    process_template->policy = copy;
    return DRAGON_OK;
}

// ---- streams

// Each {word} is one that a file's name may have; a single brace is none.
static bool is_pattern(const char *text)
{
    while ((text = strpbrk(text, "{}"))) {
        size_t length;
        if (stream_word_at(text, &length) == STREAM_WORDS)
            return false;
        text += length;
    }
    return true;
}

static bool read_where(const char *where, enum stream_kind *kind_out)
{
    static const struct {
        const char *where;
        enum stream_kind kind;
    } rows[] = {{DRAGON_STREAM_INHERIT, STREAM_CLIENT},
                {DRAGON_STREAM_DISCARD, STREAM_DISCARD},
                {DRAGON_STREAM_PIPE, STREAM_PIPE},
                {DRAGON_STREAM_MERGE, STREAM_MERGED}};
    if (!where)
        return false;
    *kind_out = STREAM_FILE;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(where, rows[i].where) == 0)
            *kind_out = rows[i].kind;
    // A file of such a name is more likely meant to be something else.
    return *kind_out != STREAM_FILE || (*where != '&' && *where != '|' && is_pattern(where));
}

dragon_err_t dragon_template_set_output(dragon_template_t *process_template, const char *where)
{
    enum stream_kind kind;
    if (!read_where(where, &kind) || kind == STREAM_MERGED)
        return DRAGON_ERR_INVAL;
    return set_stream(&process_template->out, kind, kind == STREAM_FILE ? where : "")
               ? DRAGON_OK
               : DRAGON_ERR_NOMEM;
}

dragon_err_t dragon_template_set_error(dragon_template_t *process_template, const char *where)
{
    enum stream_kind kind;
    if (!read_where(where, &kind))
        return DRAGON_ERR_INVAL;
    return set_stream(&process_template->err, kind, kind == STREAM_FILE ? where : "")
               ? DRAGON_OK
               : DRAGON_ERR_NOMEM;
}

dragon_err_t dragon_template_set_input(dragon_template_t *process_template, const char *where)
{
    enum stream_kind kind;
    if (!read_where(where, &kind) || kind == STREAM_MERGED)
        return DRAGON_ERR_INVAL;
    return set_stream(&process_template->in, kind, kind == STREAM_FILE ? where : "")
               ? DRAGON_OK
               : DRAGON_ERR_NOMEM;
}
