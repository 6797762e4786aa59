// SPDX-License-Identifier: BSD-3-Clause
//
// The command as a whole: its life, its parts, which are joined by ":", and what one option alone does
// not show to be wrong. All of it happens before anything is started.
#include "config.h"

#include "cli/pg.h"
#include "cli/private.h"

#include <sys/stat.h>

enum { DAY_MS = 86400000 };

// ---- life

static void part_init(struct pg_part *part)
{
    *part = (struct pg_part){.policy.gpus = -1};
}

static void part_fini(struct pg_part *part)
{
    char *texts[] = {part->policy.hosts, part->policy.core_list, part->policy.gpu_list,
                     part->cwd,          part->output,           part->error,
                     part->input};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    strv_free(part->program);
    strv_free(part->env);
}

void pg_command_init(struct pg_command *command)
{
    *command = (struct pg_command){.grace_ms = 5000, .restarts = -1, .is_first = true};
    part_init(&command->all);
    command->at = &command->all;
}

void pg_command_fini(struct pg_command *command)
{
    for (size_t i = 0; i < command->count; i++)
        part_fini(&command->parts[i]);
    part_fini(&command->all);
    free(command->parts);
    free(command->name);
    free(command->status_file);
    free(command->spec);
    pg_command_init(command);
}

struct pg_part *pg_command_add_part(struct pg_command *command)
{
    struct pg_part *parts = reallocarray(command->parts, command->count + 1, sizeof *parts);
    if (!parts)
        return NULL;
    command->parts = parts;
    command->at = &parts[command->count++];
    part_init(command->at);
    return command->at;
}

bool pg_set_text(char **text, const char *value)
{
    char *copy = strdup(value);
    if (!copy)
        return false;
    free(*text);
    *text = copy;
    return true;
}

// ---- the command line

static void refuse(const dragon_error_t *error)
{
    options_refuse(&pg_options, "%s", error->text);
}

static int end_of_part(int argc, char **argv, int start)
{
    int end = start + 1;
    while (end < argc && strcmp(argv[end], ":") != 0)
        end++;
    return end;
}

// argv[start] is the command's name or the ":"; returns the index of the next one, or argc.
static int take_part(struct pg_command *command, int argc, char **argv, int start)
{
    struct options options = pg_options;
    options.arg = command;
    int end = end_of_part(argc, argv, start);
    int first = start + options_parse(&options, end - start, argv + start);
    if (first == end && (start > 0 || end < argc))
        options_refuse(&options, "no program was given %s \":\"", start > 0 ? "after" : "before");
    for (int i = first; i < end; i++)
        if (!strv_push(&command->at->program, argv[i]))
            options_refuse(&options, "out of memory");
    return end;
}

static void take_parts(struct pg_command *command, int argc, char **argv)
{
    int start = 0;
    do {
        command->is_first = start == 0;
        if (!pg_command_add_part(command))
            options_refuse(&pg_options, "out of memory");
        start = take_part(command, argc, argv, start);
    } while (start < argc);
    command->is_first = true;
    command->at = &command->all;
}

// Another process reads the spec once more when there is no runtime yet.
static void prepare_for_private(const char *name, const char *text, size_t length)
{
    struct stat status;
    if (strcmp(name, "-") == 0) {
        if (!pg_spec_hand_over(text, length))
            options_refuse(&pg_options, "--spec: \"-\": it cannot be kept for the runtime");
    } else if (stat(name, &status) == 0 && !S_ISREG(status.st_mode))
        options_refuse(
            &pg_options,
            "--spec: \"%s\": it can be read only once; outside a runtime give a file or -", name);
}

// The file says what the group is, and what was given beside it is said after it, to all its parts. So the
// command line, which was read to find the file's name, is read again.
static void take_spec(struct pg_command *command, int argc, char **argv)
{
    char *name = command->spec, *text;
    dragon_error_t error;
    size_t length;
    if (command->parts[0].program)
        options_refuse(&pg_options, "--spec: the programs are those of %s, not \"%s\"", name,
                       command->parts[0].program[0]);
    command->spec = NULL;
    if (!pg_spec_load(name, &text, &length, &error))
        refuse(&error);
    if (!is_inside_runtime())
        prepare_for_private(name, text, length);
    pg_command_fini(command);
    if (!pg_spec_read(command, text, length, &error))
        options_refuse(&pg_options, "%s: %s", name, error.text);
    free(text);
    free(name);
    command->at = &command->all;
    command->is_first = true;
    take_part(command, argc, argv, 0);
}

void pg_command_take(struct pg_command *command, int argc, char **argv)
{
    dragon_error_t error;
    take_parts(command, argc, argv);
    if (command->spec)
        take_spec(command, argc, argv);
    else if (!command->parts[0].program)
        options_refuse(&pg_options, "no program was given");
    if (!pg_command_check(command, &error))
        refuse(&error);
}

// ---- what does not go together

static bool check_spec(const struct pg_command *command, dragon_error_t *error)
{
    const struct pg_part *all = &command->all;
    const char *what = all->ranks    ? "-n"
                       : all->cwd    ? "--cwd"
                       : all->output ? "--output"
                       : all->error  ? "--error"
                       : all->input  ? "--stdin FILE"
                                     : NULL;
    if (what)
        err_set(error, DRAGON_ERR_INVAL, "%s is said in the spec, for each program", what);
    else if (command->spec && strcmp(command->spec, "-") == 0 && command->input_said &&
             command->input_rank != DRAGON_NO_RANK)
        err_set(error, DRAGON_ERR_INVAL,
                "--spec -: standard input is the spec, so no rank can read it");
    else
        return true;
    return false;
}

static bool check_detached(const struct pg_command *command, dragon_error_t *error)
{
    bool inherits = false;
    for (size_t i = 0; i < command->count; i++) {
        const struct pg_part *part = &command->parts[i];
        inherits = inherits || (part->output && strcmp(part->output, "inherit") == 0) ||
                   (part->error && strcmp(part->error, "inherit") == 0);
    }
    const char *what = inherits               ? "--output or --error inherit"
                       : command->status_file ? "--status-file"
                       : command->input_said && command->input_rank != DRAGON_NO_RANK ? "--stdin"
                                                                                      : NULL;
    if (!command->detach || !what)
        return true;
    err_set(error, DRAGON_ERR_INVAL, "--detach: nobody is here for %s", what);
    return false;
}

static bool check_restarts(const struct pg_command *command, dragon_error_t *error)
{
    bool failed = command->failure == PG_FAILURE_RESTART;
    if (failed && command->restarts >= 0)
        err_set(error, DRAGON_ERR_INVAL, "give --restart or --on-failure restart, not both");
    else if (command->pmi && (failed || command->restarts >= 0))
        err_set(error, DRAGON_ERR_INVAL, "--pmi: a rank of an MPI program cannot be started again");
    else
        return true;
    return false;
}

static bool check_times(const struct pg_command *command, dragon_error_t *error)
{
    if (command->grace_ms > DAY_MS)
        err_set(error, DRAGON_ERR_INVAL, "--grace is up to a day");
    else if (command->warn_signal && command->limit_ms && command->warn_ms >= command->limit_ms)
        err_set(error, DRAGON_ERR_INVAL, "--signal: its time is not shorter than --timeout");
    else if (command->wait_ms && command->full != DRAGON_FULL_UNSET &&
             command->full != DRAGON_FULL_WAIT)
        err_set(error, DRAGON_ERR_INVAL, "--wait goes with --on-full wait");
    else
        return true;
    return false;
}

static bool check_reader(const struct pg_command *command, dragon_error_t *error)
{
    uint64_t ranks = 0;
    for (size_t i = 0; i < command->count; i++) {
        const struct pg_part *part = &command->parts[i];
        if (part->ranks == 0 && (command->pmi || part->policy.ppn || command->all.policy.ppn))
            return true; // how many there are is known with the plan
        ranks += part->ranks ? part->ranks : 1;
    }
    if (!command->input_said || command->input_rank < 0 || (uint64_t)command->input_rank < ranks)
        return true;
    err_set(error, DRAGON_ERR_INVAL, "--stdin %d: the last rank is %llu", command->input_rank,
            (unsigned long long)ranks - 1);
    return false;
}

bool pg_command_check(const struct pg_command *command, dragon_error_t *error)
{
    if (!check_spec(command, error) || !check_detached(command, error) ||
        !check_restarts(command, error) || !check_times(command, error) ||
        !check_reader(command, error))
        return false;
    if (command->json && !command->dry_run && !command->display_map && !command->display_bind) {
        err_set(error, DRAGON_ERR_INVAL, "--json goes with --dry-run or --display");
        return false;
    }
    return true;
}
