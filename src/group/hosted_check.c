// SPDX-License-Identifier: BSD-3-Clause
//
// What a prepare looks at on each node: directory, program, cores, memory limit and files of every rank that is to
// run here. The first thing that is missing is told.
#include "config.h"

#include "group/hosted.h"

#include "base/self.h"
#include "pmi/env.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

struct check {
    struct hosted_part *part; // borrowed
    const char *node;         // its name
    int code;                 // what a shell would exit with
    char *text;               // borrowed
    size_t room;
};

__attribute__((format(printf, 3, 4))) static bool missing(struct check *check, int code,
                                                          const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(check->text, check->room, format, args);
    va_end(args);
    check->code = code;
    return false;
}

static bool out_of_memory(struct check *check)
{
    return missing(check, 125, "%s: out of memory", check->node);
}

// ---- templates

static char **template_env(const struct group_spec *spec, const struct template_spec *template,
                           uint32_t number)
{
    char **env = strv_copy(spec->env ? spec->env : (char *[]){NULL});
    if (!env || !edits_apply(template->policy.env, &env) || !edits_apply(template->env, &env)) {
        strv_free(env);
        return NULL;
    }
    pmi_env_clean(env);
    if (env_setf(&env, "DRAGON_TEMPLATE", "%u", number))
        return env;
    strv_free(env);
    return NULL;
}

static bool check_program(struct check *check, const struct template_spec *template,
                          struct hosted_template *here)
{
    struct stat info;
    if (stat(template->cwd, &info) != 0 || !S_ISDIR(info.st_mode))
        return missing(check, 125,
                       "%s has no directory %.300s, in which the program is to run; give another "
                       "with --cwd, or use a file system that all nodes share",
                       check->node, template->cwd);
    // The runtime's own, such as dragon-dict-manager, are not in PATH.
    const char *name = template->argv[0];
    bool own = strncmp(name, "dragon-", 7) == 0 && !strchr(name, '/');
    here->path = own ? self_beside(name) : NULL;
    int problem =
        here->path ? 0 : spawn_find(name, env_get(here->env, "PATH"), template->cwd, &here->path);
    if (problem == 0)
        return true;
    int code = err_exit_code(problem);
    return missing(check, code, "cannot run \"%.300s\" on %s: %s", name, check->node,
                   code == 127 ? "there is no such program" : strerror(problem));
}

static bool check_memory(struct check *check, uint64_t limit_bytes)
{
    dragon_error_t error;
    struct hosted *hosted = check->part->hosted;
    if (limit_bytes == 0 || memory_check(hosted->host->memory, limit_bytes, &error) == DRAGON_OK)
        return true;
    return missing(check, 125, "memory limits cannot be set on %s: %s", check->node, error.text);
}

// Once for each template that has a rank here.
static bool check_template(struct check *check, uint32_t number)
{
    const struct group_spec *spec = &check->part->spec;
    const struct template_spec *template = &spec->templates[number];
    struct hosted_template *here = &check->part->templates[number];
    if (here->env)
        return true;
    here->env = template_env(spec, template, number);
    if (!here->env)
        return out_of_memory(check);
    if (!template->argv || !template->argv[0])
        return missing(check, 125, "%s: there is no program to run", check->node);
    return check_program(check, template, here) &&
           check_memory(check, template->policy.memory_bytes);
}

// ---- files

dragon_err_t hosted_file_name(const struct hosted_part *part, const struct rank *rank,
                              const struct stream_spec *stream, char **path_out,
                              dragon_error_t *error)
{
    const struct hosted *hosted = part->hosted;
    uint32_t number = plan_template_of(&part->plan, rank->number);
    struct file_words words = {.group = hosted->group,
                               .rank = rank->number,
                               .node = tree_here(hosted->host->options.tree),
                               .template_number = number,
                               .host = hosted->host->name};
    return file_name(stream->path, part->spec.templates[number].cwd, &words, path_out, error);
}

static bool rank_file_name(struct check *check, const struct rank *rank,
                           const struct stream_spec *stream, char **path_out)
{
    dragon_error_t error;
    if (hosted_file_name(check->part, rank, stream, path_out, &error) == DRAGON_OK)
        return true;
    return missing(check, 125, "%s: rank %u: %s", check->node, rank->number, error.text);
}

static bool open_output(struct check *check, const struct rank *rank,
                        const struct stream_spec *stream, struct file **file_out)
{
    dragon_error_t error;
    char *path;
    if (stream->kind != STREAM_FILE)
        return true;
    if (!rank_file_name(check, rank, stream, &path))
        return false;
    dragon_err_t err = file_open(check->part->hosted->files, path, file_out, &error);
    free(path);
    return err == DRAGON_OK ||
           missing(check, 125, "%s: rank %u %s", check->node, rank->number, error.text);
}

// Opened again when the rank starts, for each has a place of its own in the file.
static bool check_input(struct check *check, const struct rank *rank,
                        const struct stream_spec *stream)
{
    char *path;
    if (stream->kind != STREAM_FILE)
        return true;
    if (!rank_file_name(check, rank, stream, &path))
        return false;
    int fd = file_open_input(path), problem = errno;
    if (fd >= 0)
        close(fd);
    else
        missing(check, 125, "%s: rank %u cannot read from %.200s: %s", check->node, rank->number,
                path, strerror(problem));
    free(path);
    return fd >= 0;
}

static bool check_rank(struct check *check, struct rank *rank)
{
    const struct template_spec *template = hosted_template_of(check->part, rank->number);
    struct plan_slot slot;
    if (!plan_slot(&check->part->plan, rank->number, &slot))
        return missing(check, 125, "%s was not told which cores rank %u is to have", check->node,
                       rank->number);
    return check_template(check, plan_template_of(&check->part->plan, rank->number)) &&
           check_input(check, rank, &template->in) &&
           open_output(check, rank, &template->out, &rank->out_file) &&
           open_output(check, rank, &template->err, &rank->err_file);
}

bool hosted_check(struct hosted_part *part, int *code_out, char *text, size_t room)
{
    struct check check = {
        .part = part, .node = host_node_name(part->hosted->host), .text = text, .room = room};
    for (uint32_t i = 0; i < part->place.count; i++)
        if (!check_rank(&check, &part->ranks[i])) {
            *code_out = check.code;
            return false;
        }
    return true;
}
