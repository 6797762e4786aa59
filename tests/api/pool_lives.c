// SPDX-License-Identifier: BSD-3-Clause
//
// A worker's next life begins as its first did, whatever its tasks have changed.
#include "tap.h"

#include <fcntl.h>
#include <sys/stat.h>

static char *the_first, *the_second; // arguments
static bool has_changed;             // in this life

// Those that programs of ours would have.
static int open_fds(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        int flags = fcntl(fd, F_GETFD);
        count += flags >= 0 && !(flags & FD_CLOEXEC);
    }
    return count;
}

static void change_all(void)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGUSR1, SIG_IGN);
    setenv("POOL_LIVES", "changed", 1);
    unsetenv("HOME");
    umask(0);
    if (chdir("/") != 0 || open("/dev/null", O_RDONLY) < 0) // NOLINT: not closed by exec
        abort();
    alarm(1000);
    has_changed = true;
}

// All that there is to see, as text.
static int look(dragon_task_t *task)
{
    char text[4096], cwd[1024] = "";
    sigset_t mask;
    struct sigaction action;
    mode_t umask_now = umask(0);
    umask(umask_now);
    sigprocmask(SIG_SETMASK, NULL, &mask);
    sigaction(SIGUSR1, NULL, &action);
    const char *variable = getenv("POOL_LIVES"), *home = getenv("HOME");
    int length = snprintf(text, sizeof text, "%d %s %s %s %s %s %d %d %d %o %u %d", (int)getpid(),
                          the_first, the_second, getcwd(cwd, sizeof cwd), variable ? variable : "-",
                          home ? home : "-", open_fds(), sigismember(&mask, SIGTERM),
                          action.sa_handler == SIG_IGN, (unsigned)umask_now, alarm(0), has_changed);
    change_all();
    return dragon_task_return(task, text, (size_t)length + 1) != DRAGON_OK;
}

static const dragon_function_t functions[] = {{"look", look}, {NULL, NULL}};

int main(int argc, char **argv)
{
    enum { LIVES = 5 };
    int code;
    the_first = argc > 2 ? argv[1] : NULL;
    the_second = argc > 2 ? argv[2] : NULL;
    if (dragon_pool_work(functions, &code))
        return code;
    char one[] = "with spaces", two[] = "";
    char *workers[] = {argv[0], one, two, NULL};
    char texts[LIVES][4096] = {""};
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_pool_t *pool;
    dragon_error_t error;
    dragon_runtime_t *runtime = tap_attach();
    spec.argv = workers;
    spec.workers = 1;
    spec.tasks_per_worker = 1;
    setenv("POOL_LIVES", "", 1);
    tap_err(dragon_pool_create(runtime, &spec, &pool, &error), DRAGON_OK, "a pool");
    for (int i = 0; i < LIVES; i++) {
        void *value = NULL;
        size_t bytes;
        tap_err(dragon_pool_apply(pool, "look", NULL, 0, &value, &bytes, TAP_WAIT_MS, &error),
                DRAGON_OK, "a life");
        if (value)
            snprintf(texts[i], sizeof texts[i], "%s", (char *)value);
        free(value);
        if (i == 0)
            printf("# %s\n", texts[0]);
        else
            tap_text(texts[i], texts[0], "is as the first");
    }
    tap_has(texts[0], " with spaces  /", "with its arguments");
    dragon_pool_stats_t stats;
    dragon_pool_stats(pool, &stats);
    tap_equal((long)stats.retried, 0, "no task was lost");
    dragon_pool_close(pool);
    tap_err(dragon_pool_join(pool, TAP_WAIT_MS), DRAGON_OK, "the pool ends");
    dragon_pool_destroy(pool);
    dragon_runtime_detach(runtime);
    return tap_finish();
}
