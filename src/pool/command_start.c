// SPDX-License-Identifier: BSD-3-Clause
//
// Starting a command: its program, environment and streams. What a shell would say of one that cannot be run is said in the
// same numbers.
#include "config.h"

#include "pool/command_run.h"
#include "proc/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { EXIT_NO_ROOM = 125 };

struct start {
    struct command_run *run; // borrowed, as the next two
    const struct command *command;
    struct command_failure *failure;
    const char *place;
    char *cwd, *path; // owned; cwd is absolute; NULL: ours
    char **env;       // owned, not its strings; NULL: ours
    int stdio[3];
    bool ours[3]; // to be closed here
};

__attribute__((format(printf, 3, 4))) static dragon_err_t fail(struct start *start, int problem,
                                                               const char *format, ...)
{
    struct command_failure *failure = start->failure;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(failure->text, sizeof failure->text, format, args);
    va_end(args);
    size_t used = length < 0                              ? 0
                  : (size_t)length < sizeof failure->text ? (size_t)length
                                                          : sizeof failure->text - 1;
    snprintf(failure->text + used, sizeof failure->text - used, " on %s: %s", start->place,
             strerror(problem));
    failure->code = EXIT_NO_ROOM;
    return err_from_errno(problem);
}

// ---- where and with what

// A program is looked for from here, and run from there.
static dragon_err_t make_cwd(struct start *start)
{
    const char *cwd = start->command->cwd;
    if (!cwd)
        return DRAGON_OK;
    char *here = cwd[0] == '/' ? NULL : getcwd(NULL, 0);
    if (cwd[0] == '/')
        start->cwd = strdup(cwd);
    else if (!here || asprintf(&start->cwd, "%s/%s", here, cwd) < 0)
        start->cwd = NULL;
    free(here);
    return start->cwd ? DRAGON_OK
                      : fail(start, errno, "cannot change to the directory %.200s", cwd);
}

static char **entry_of(char **env, size_t count, const char *entry)
{
    size_t name = (size_t)(strchrnul(entry, '=') - entry) + 1;
    for (size_t i = 0; i < count; i++)
        if (strncmp(env[i], entry, name) == 0)
            return &env[i];
    return NULL;
}

static dragon_err_t make_env(struct start *start)
{
    size_t count = strv_count(environ), more = strv_count(start->command->env);
    if (more == 0)
        return DRAGON_OK;
    start->env = calloc(count + more + 1, sizeof *start->env);
    if (!start->env)
        return fail(start, ENOMEM, "cannot run \"%.200s\"", start->command->argv[0]);
    memcpy(start->env, environ, count * sizeof *start->env);
    for (size_t i = 0; i < more; i++) {
        char **there = entry_of(start->env, count, start->command->env[i]);
        *(there ? there : &start->env[count++]) = start->command->env[i];
    }
    return DRAGON_OK;
}

static dragon_err_t find_program(struct start *start)
{
    const char *name = start->command->argv[0];
    const char *list = start->env ? env_get(start->env, "PATH") : getenv("PATH");
    int problem = spawn_find(name, list, start->cwd, &start->path);
    if (problem == 0)
        return DRAGON_OK;
    dragon_err_t err = fail(start, problem, "cannot run \"%.200s\"", name);
    start->failure->code = err_exit_code(problem);
    return err;
}

// ---- streams

static bool unblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

// number 0: it reads from it.
static dragon_err_t make_pipe(struct start *start, int number, int *ours_out)
{
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) != 0)
        return fail(start, errno, "no pipe for a command");
    *ours_out = pair[number == 0];
    start->stdio[number] = pair[number != 0];
    start->ours[number] = true;
    return unblock(*ours_out) ? DRAGON_OK : fail(start, errno, "no pipe for a command");
}

static dragon_err_t open_file(struct start *start, int number, const char *name)
{
    char *path = NULL;
    if (asprintf(&path, "%s%s%s", name[0] == '/' || !start->cwd ? "" : start->cwd,
                 name[0] == '/' || !start->cwd ? "" : "/", name) < 0)
        return fail(start, ENOMEM, "cannot write to %.200s", name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
    int problem = errno;
    free(path);
    if (fd < 0)
        return fail(start, problem, "cannot write to %.200s", name);
    start->stdio[number] = fd;
    start->ours[number] = true;
    return DRAGON_OK;
}

static dragon_err_t make_output(struct start *start, int number, const char *name)
{
    return name ? open_file(start, number, name)
                : make_pipe(start, number, &start->run->out[number - 1]);
}

static dragon_err_t make_streams(struct start *start)
{
    const struct command *command = start->command;
    bool shared = command->output && command->error && strcmp(command->output, command->error) == 0;
    dragon_err_t err = command->input ? make_pipe(start, 0, &start->run->in) : DRAGON_OK;
    if (err == DRAGON_OK)
        err = make_output(start, 1, command->output);
    if (err == DRAGON_OK && !shared)
        err = make_output(start, 2, command->error);
    if (shared)
        start->stdio[2] = start->stdio[1];
    return err;
}

// ---- the whole

static dragon_err_t start_program(struct start *start)
{
    const char *name = start->command->argv[0];
    struct spawn spawn = {.path = start->path,
                          .argv = start->command->argv,
                          .env = start->env ? start->env : environ,
                          .cwd = start->cwd,
                          .stdio = {start->stdio[0], start->stdio[1], start->stdio[2]},
                          .fd3 = -1};
    enum spawn_step step;
    int problem = spawn_start(&spawn, &start->run->pid, &step);
    if (problem == 0) {
        start->run->pidfd = (int)syscall(SYS_pidfd_open, start->run->pid, 0);
        return DRAGON_OK;
    }
    if (step == SPAWN_CWD)
        return fail(start, problem, "cannot change to the directory %.200s", start->cwd);
    if (step != SPAWN_EXEC)
        return fail(start, problem, "cannot %s", spawn_step_name(step));
    dragon_err_t err = fail(start, problem, "cannot run \"%.200s\"", name);
    start->failure->code = err_exit_code(problem);
    return err;
}

static void start_fini(struct start *start)
{
    for (int i = 0; i < 3; i++)
        if (start->ours[i])
            close(start->stdio[i]);
    free(start->env);
    free(start->cwd);
    free(start->path);
}

dragon_err_t command_start(struct command_run *run, const struct command *command, int null_fd,
                           const char *place, struct command_failure *failure_out)
{
    struct start start = {.run = run,
                          .command = command,
                          .failure = failure_out,
                          .place = place,
                          .stdio = {null_fd, -1, -1}};
    *run = (struct command_run){.command = command, .pidfd = -1, .in = -1, .out = {-1, -1}};
    dragon_err_t err = make_cwd(&start);
    if (err == DRAGON_OK)
        err = make_env(&start);
    if (err == DRAGON_OK)
        err = find_program(&start);
    if (err == DRAGON_OK)
        err = make_streams(&start);
    if (err == DRAGON_OK && !command_sweep_begin(run))
        err = fail(&start, ENOMEM, "cannot run \"%.200s\"", command->argv[0]);
    if (err == DRAGON_OK && (err = start_program(&start)) != DRAGON_OK)
        command_sweep_end(run); // the process that could not become the program
    start_fini(&start);
    return err;
}
