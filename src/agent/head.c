// SPDX-License-Identifier: BSD-3-Clause
//
// The head program: see head.h.
#include "config.h"

#include "agent/head.h"

#include "pmi/env.h"
#include "proc/spawn.h"

#include <signal.h>
#include <unistd.h>

static void on_head_exit(void *arg, pid_t pid, int status)
{
    struct head *head = arg;
    (void)pid;
    head->pid = 0;
    head->on_exit(head->arg, status);
}

static int spawn_head(struct head *head, const struct head_options *options, const char *path,
                      char *const *env, dragon_error_t *error)
{
    enum spawn_step step;
    struct spawn spawn = {
        .path = path,
        .argv = options->argv,
        .env = env,
        .cwd = options->cwd,
        .stdio = {options->stdio[0], options->stdio[1], options->stdio[2]},
        .fd3 = -1,
        .process_group = options->process_group,
        .die_with_parent = true,
        .nofile = options->nofile,
    };
    int problem = spawn_start(&spawn, &head->pid, &step);
    if (problem == 0)
        return 0;
    head->pid = 0;
    if (step == SPAWN_CWD)
        err_set_errno(error, problem, "cannot run the program in %s", options->cwd);
    else
        err_set_errno(error, problem, "cannot run \"%s\"", options->argv[0]);
    return step == SPAWN_EXEC ? err_exit_code(problem) : 125;
}

int head_start(struct head *head, struct children *children, const struct head_options *options,
               dragon_error_t *error)
{
    char *path = NULL, **env = strv_copy(environ);
    if (!env) {
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
        return 125;
    }
    pmi_env_clean(env);
    int code = 125;
    int problem = spawn_find(options->argv[0], env_get(env, "PATH"), options->cwd, &path);
    if (problem) {
        err_set_errno(error, problem, "cannot run \"%s\"", options->argv[0]);
        code = err_exit_code(problem);
    } else if (!env_set(&env, "DRAGON_RUNTIME", options->socket_path))
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    else
        code = spawn_head(head, options, path, env, error);
    strv_free(env);
    free(path);
    if (code != 0)
        return code;
    head->joined = options->process_group != 0;
    if (!children_add(children, head->pid, on_head_exit, head)) {
        kill(head->pid, SIGKILL);
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
        return 125;
    }
    return 0;
}

void head_signal(const struct head *head, int signal)
{
    if (head->pid > 0)
        kill(head->joined ? head->pid : -head->pid, signal);
}
