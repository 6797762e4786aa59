// SPDX-License-Identifier: BSD-3-Clause
//
// pool_commands THEME: commands as tasks, by workers that have no functions of their own.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tap.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

static dragon_runtime_t *runtime;
static dragon_pool_t *pool;
static dragon_error_t error;

static void need(dragon_err_t err, const char *what)
{
    if (err == DRAGON_OK)
        return;
    printf("Bail out! %s: %s: %s\n", what, dragon_err_name(err), error.text);
    exit(1);
}

static void make_pool(uint32_t workers, uint64_t limit_ms)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_policy_t *policy;
    need(dragon_policy_create(&policy), "a policy");
    dragon_policy_set_map(policy, DRAGON_MAP_CYCLIC);
    spec.argv = DRAGON_POOL_COMMANDS;
    spec.workers = workers;
    spec.policy = policy;
    spec.task_limit_ms = limit_ms;
    need(dragon_pool_create(runtime, &spec, &pool, &error), "a pool");
    dragon_policy_destroy(policy);
}

static void end_pool(void)
{
    dragon_pool_close(pool);
    tap_err(dragon_pool_join(pool, TAP_WAIT_MS), DRAGON_OK, "the pool ends");
    dragon_pool_destroy(pool);
}

static dragon_result_t *give(const dragon_command_t *command)
{
    dragon_result_t *result = NULL;
    need(dragon_pool_run(pool, command, &result), "a command");
    return result;
}

static dragon_result_t *give_script(const char *script)
{
    char shell[] = "sh", c[] = "-c";
    dragon_command_t command = DRAGON_COMMAND_INIT;
    char *text = strdup(script), *argv[] = {shell, c, text, NULL};
    command.argv = argv;
    dragon_result_t *result = give(&command);
    free(text);
    return result;
}

static dragon_command_end_t end_of(dragon_result_t *result, const char *what)
{
    dragon_command_end_t end;
    memset(&end, 0, sizeof end);
    need(dragon_result_wait(result, TAP_WAIT_MS), what);
    error.text[0] = 0;
    dragon_err_t err = dragon_result_error(result, &error);
    if (!tap_check(err == DRAGON_OK, "%s", what))
        printf("# %s: %s\n", dragon_err_name(err), error.text);
    else
        need(dragon_result_command(result, &end), what);
    return end;
}

static void check_wrote(const void *data, size_t bytes, const char *wanted, const char *what)
{
    char text[4096];
    snprintf(text, sizeof text, "%.*s", (int)bytes, bytes ? (const char *)data : "");
    tap_text(text, wanted, what);
}

static void check_fails(const dragon_command_t *command, dragon_err_t wanted, int code,
                        const char *words, const char *what)
{
    dragon_result_t *result = give(command);
    dragon_result_facts_t facts = {0};
    need(dragon_result_wait(result, TAP_WAIT_MS), what);
    tap_err(dragon_result_error(result, &error), wanted, what);
    tap_has(error.text, words, "it says why");
    dragon_result_facts(result, &facts);
    tap_equal(facts.code, code, "and with a shell's code");
    dragon_command_end_t end;
    tap_err(dragon_result_command(result, &end), DRAGON_ERR_STATE, "it has no end");
    dragon_result_destroy(result);
}

// ---- plain: what goes in and what comes out

static void check_streams(void)
{
    dragon_result_t *result = give_script("echo out; echo err >&2; exit 3");
    dragon_command_end_t end = end_of(result, "a script");
    tap_equal(end.exit_code, 3, "its code");
    tap_equal(end.signal, 0, "no signal");
    check_wrote(end.output, end.output_bytes, "out\n", "its output");
    check_wrote(end.error, end.error_bytes, "err\n", "its errors");
    tap_check(!end.truncated && end.memory_bytes > 0, "its figures");
    dragon_result_destroy(result);
    result = give_script("kill -9 $$");
    end = end_of(result, "a script that is killed");
    tap_check(end.exit_code == 137 && end.signal == 9, "its signal");
    dragon_result_destroy(result);
    result = give_script("while :; do :; done & i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
    end = end_of(result, "a script that leaves something behind");
    tap_check(end.user_us > 0, "its time");
    dragon_result_destroy(result);
}

static void check_input(void)
{
    enum { BYTES = 3 << 20 };
    char cat[] = "cat", head[] = "head", c[] = "-c1";
    char *argv[] = {cat, NULL}, *few[] = {head, c, NULL};
    dragon_command_t command = DRAGON_COMMAND_INIT;
    char *input = malloc(BYTES);
    for (int i = 0; i < BYTES; i++)
        input[i] = (char)(i * 31 + i / 251);
    command.argv = argv;
    command.input = input;
    command.input_bytes = BYTES;
    dragon_result_t *result = give(&command);
    dragon_command_end_t end = end_of(result, "cat of 3 MiB");
    tap_check(end.output_bytes == BYTES && memcmp(end.output, input, BYTES) == 0, "comes back");
    dragon_result_destroy(result);
    command.argv = few;
    result = give(&command);
    end = end_of(result, "one that reads one byte");
    tap_check(end.exit_code == 0 && end.output_bytes == 1, "is content");
    dragon_result_destroy(result);
    free(input);
    result = give_script("cat");
    end = end_of(result, "one without input");
    tap_equal((long)end.output_bytes, 0, "reads nothing");
    dragon_result_destroy(result);
}

static void check_surroundings(const char *directory)
{
    char shell[] = "sh", c[] = "-c", script[] = "pwd; echo $A $DRAGON_POOL_WORKER; echo oops >&2";
    char a[] = "A=b", file[] = "both", path[PATH_MAX];
    char *argv[] = {shell, c, script, NULL}, *env[] = {a, NULL};
    dragon_command_t command = DRAGON_COMMAND_INIT;
    command.argv = argv;
    command.env = env;
    command.cwd = directory;
    dragon_result_t *result = give(&command);
    dragon_command_end_t end = end_of(result, "a directory and a variable");
    snprintf(path, sizeof path, "%.4000s\nb\n", directory);
    check_wrote(end.output, end.output_bytes, path, "are there, and it is no worker");
    dragon_result_destroy(result);
    command.output = command.error = file;
    result = give(&command);
    end = end_of(result, "output to a file");
    tap_check(end.output_bytes == 0 && end.error_bytes == 0, "does not come with the result");
    dragon_result_destroy(result);
    struct stat info;
    snprintf(path, sizeof path, "%.4000s/both", directory);
    tap_check(stat(path, &info) == 0 && info.st_size == (long)strlen(directory) + 8,
              "the file has both streams");
}

static void check_cannot(const char *directory)
{
    char none[] = "no-such-program", file[PATH_MAX], shell[] = "true";
    char *argv[] = {none, NULL}, *good[] = {shell, NULL};
    dragon_command_t command = DRAGON_COMMAND_INIT;
    command.argv = argv;
    check_fails(&command, DRAGON_ERR_NOT_FOUND, 127, "no-such-program", "no such program");
    snprintf(file, sizeof file, "%.4000s/plain", directory);
    close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    argv[0] = file;
    check_fails(&command, DRAGON_ERR_DENIED, 126, "cannot run", "no program");
    command.argv = good;
    command.cwd = "/no/such/directory";
    check_fails(&command, DRAGON_ERR_NOT_FOUND, 125, "/no/such/directory", "no such directory");
    command.cwd = NULL;
    command.output = "/no/such/directory/file";
    check_fails(&command, DRAGON_ERR_NOT_FOUND, 125, "/no/such/directory", "no such file");
    dragon_result_t *result;
    argv[0] = NULL;
    command.argv = argv;
    tap_err(dragon_pool_run(pool, &command, &result), DRAGON_ERR_INVAL, "no command at all");
}

static void check_much(void)
{
    dragon_result_t *result = give_script("yes 0123456 | head -c 70000000; echo end >&2");
    dragon_command_end_t end = end_of(result, "70 MB of output");
    tap_check(end.output_bytes == DRAGON_COMMAND_OUTPUT_MOST && end.truncated, "are cut off");
    check_wrote(end.error, end.error_bytes, "end\n", "and it ran to its end");
    dragon_result_destroy(result);
}

static void check_many(void)
{
    enum { MANY = 200 };
    dragon_result_t *results[MANY];
    int good = 0;
    for (int i = 0; i < MANY; i++) {
        char script[40];
        snprintf(script, sizeof script, "echo %d; exit %d", i, i % 100);
        results[i] = give_script(script);
    }
    for (int i = 0; i < MANY; i++) {
        dragon_command_end_t end;
        dragon_result_wait(results[i], TAP_WAIT_MS);
        good += dragon_result_command(results[i], &end) == DRAGON_OK && end.exit_code == i % 100 &&
                atoi((const char *)end.output) == i;
        dragon_result_destroy(results[i]);
    }
    tap_equal(good, MANY, "each of many has its own end");
}

static void plain(const char *directory)
{
    make_pool(2, 0);
    check_streams();
    check_input();
    check_surroundings(directory);
    check_cannot(directory);
    check_much();
    check_many();
    end_pool();
}

// ---- limits: what is ended before its time leaves nothing

static void check_gone(const char *directory, const char *name)
{
    char path[PATH_MAX], line[32] = "";
    snprintf(path, sizeof path, "%.4000s/%s", directory, name);
    FILE *file = fopen(path, "r");
    int pid = file && fgets(line, sizeof line, file) ? atoi(line) : 0;
    if (file)
        fclose(file);
    long until = tap_now_ms() + TAP_WAIT_MS;
    while (pid > 0 && kill(pid, 0) == 0 && tap_now_ms() < until) {
        dragon_pool_progress(pool, 0);
        usleep(1000);
    }
    tap_check(pid > 0 && kill(pid, 0) != 0 && errno == ESRCH, "%s is gone", name);
}

static void wait_file(const char *directory, const char *name)
{
    char path[PATH_MAX];
    struct stat info;
    snprintf(path, sizeof path, "%.4000s/%s", directory, name);
    long until = tap_now_ms() + TAP_WAIT_MS;
    while ((stat(path, &info) != 0 || info.st_size == 0) && tap_now_ms() < until) {
        dragon_pool_progress(pool, 0);
        usleep(1000);
    }
}

// A command with a child in a session of its own, one with a clean environment below that, and one that ignores TERM.
static const char tree[] =
    "setsid sh -c 'sleep 1000 & echo $! >deep; env -i setsid sleep 1000 & echo $! >clean; wait' & "
    "(trap '' TERM; sleep 1000 & echo $! >deaf; while :; do sleep 1; done) & "
    "while [ ! -s deep ] || [ ! -s clean ] || [ ! -s deaf ]; do sleep 0.01; done; "
    "echo $$ >top; wait";

static void forget_tree(const char *directory)
{
    static const char *const names[] = {"deep", "clean", "deaf", "top"};
    char path[PATH_MAX];
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%.4000s/%s", directory, names[i]);
        unlink(path);
    }
}

static dragon_result_t *give_tree(const char *directory, uint64_t limit_ms)
{
    char shell[] = "sh", c[] = "-c", *script = strdup(tree);
    char *argv[] = {shell, c, script, NULL};
    dragon_command_t command = DRAGON_COMMAND_INIT;
    forget_tree(directory);
    command.argv = argv;
    command.cwd = directory;
    command.limit_ms = limit_ms;
    dragon_result_t *result = give(&command);
    free(script);
    return result;
}

static void check_tree_gone(const char *directory)
{
    check_gone(directory, "top");
    check_gone(directory, "deep");
    check_gone(directory, "clean");
    check_gone(directory, "deaf");
}

static void check_killed_worker(const char *directory)
{
    dragon_result_t *result = give_tree(directory, 0);
    wait_file(directory, "top");
    char path[PATH_MAX + 80], line[512];
    snprintf(path, sizeof path, "kill -9 $(ps -o ppid= -p $(cat %.4000s/top))", directory);
    tap_equal(system(path), 0, "the worker of a command is killed");
    (void)line;
    tap_err(dragon_result_wait(result, TAP_WAIT_MS), DRAGON_OK, "its command is done with");
    tap_err(dragon_result_error(result, &error), DRAGON_ERR_PEER, "it was not tried again");
    check_tree_gone(directory);
    dragon_result_destroy(result);
    dragon_result_t *after = give_script("echo $$");
    tap_equal(end_of(after, "another worker is there").exit_code, 0, "and works");
    dragon_result_destroy(after);
}

static void limits(const char *directory)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_policy_t *policy;
    need(dragon_policy_create(&policy), "a policy");
    spec.argv = DRAGON_POOL_COMMANDS;
    spec.workers = 1;
    spec.policy = policy;
    spec.retries = 0;
    need(dragon_pool_create(runtime, &spec, &pool, &error), "a pool");
    dragon_result_t *result = give_tree(directory, 1500);
    need(dragon_result_wait(result, TAP_WAIT_MS), "a limit");
    tap_err(dragon_result_error(result, &error), DRAGON_ERR_TIMEOUT, "a limit");
    tap_has(error.text, "1500 ms", "it is in the words");
    check_tree_gone(directory);
    dragon_result_destroy(result);

    result = give_tree(directory, 0);
    wait_file(directory, "top");
    tap_err(dragon_result_cancel(result, true), DRAGON_OK, "a command is killed");
    tap_err(dragon_result_error(result, &error), DRAGON_ERR_CANCELED, "it was canceled");
    check_tree_gone(directory);
    dragon_result_destroy(result);

    result = give_script("echo $$");
    dragon_command_end_t end = end_of(result, "the same worker");
    tap_check(end.exit_code == 0, "goes on");
    dragon_result_destroy(result);
    dragon_pool_stats_t stats;
    dragon_pool_stats(pool, &stats);
    tap_equal((long)stats.replaced, 0, "it was not replaced");

    check_killed_worker(directory);
    result = give_tree(directory, 0);
    wait_file(directory, "top");
    tap_err(dragon_pool_terminate(pool), DRAGON_OK, "the pool is terminated");
    dragon_result_destroy(result);
    check_tree_gone(directory);
    dragon_pool_destroy(pool);
    dragon_policy_destroy(policy);
}

// ---- MPI programs. The runtime has eight cores, which it believes in; workers use none of them.

static dragon_result_t *give_mpi(const char *script, uint32_t ranks, uint64_t limit_ms,
                                 const char *input)
{
    char shell[] = "sh", c[] = "-c", *text = strdup(script);
    char *argv[] = {shell, c, text, NULL};
    dragon_command_t command = DRAGON_COMMAND_INIT;
    command.argv = argv;
    command.mpi_ranks = ranks;
    command.limit_ms = limit_ms;
    command.input = input;
    command.input_bytes = input ? strlen(input) : 0;
    dragon_result_t *result = give(&command);
    free(text);
    return result;
}

// How many of the ranks were there at once, by what they have written.
static int most_at_once(const char *path)
{
    char line[32];
    int now = 0, most = 0;
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        now += line[0] == '+' ? 1 : -1;
        most = now > most ? now : most;
    }
    if (file)
        fclose(file);
    return most;
}

// Programs of three ranks on eight cores: two at once. The first two wait for each other.
static void check_cores(const char *const *programs, int count)
{
    enum { PROGRAMS = 5, RANKS = 3, CORES = 8 };
    dragon_result_t *results[PROGRAMS];
    char script[PATH_MAX];
    unlink("log");
    for (int i = 0; i < PROGRAMS; i++) {
        snprintf(script, sizeof script,
                 "echo +%d >>log; n=0; while [ $(grep -c + log) -lt 6 ] && [ $n -lt 3000 ]; do "
                 "sleep 0.01; n=$((n + 1)); done; %.3000s all; code=$?; echo -%d >>log; exit $code",
                 i, programs[i % count], i);
        results[i] = give_mpi(script, RANKS, 0, NULL);
    }
    int good = 0, in_order = 1;
    uint64_t latest = 0;
    for (int i = 0; i < PROGRAMS; i++) {
        dragon_command_end_t end = end_of(results[i], "an MPI program");
        dragon_result_facts_t facts = {0};
        dragon_result_facts(results[i], &facts);
        in_order &= facts.started_ns >= latest;
        latest = facts.started_ns;
        good += end.exit_code == 0 && end.output_bytes > 0;
        if (end.exit_code || !end.output_bytes)
            printf("# code %d, output %.*s, errors %.*s\n", end.exit_code, (int)end.output_bytes,
                   (const char *)end.output, (int)end.error_bytes, (const char *)end.error);
        dragon_result_destroy(results[i]);
    }
    tap_equal(good, PROGRAMS, "all have done well, with output");
    int most = most_at_once("log");
    // Cores of ranks that have ended are free.
    if (!tap_check(most >= 2 * RANKS && most <= CORES, "two at once, and no more"))
        printf("# %d ranks\n", most);
    tap_check(in_order, "in their order");
}

static void check_mpi_ends(const char *program)
{
    char script[PATH_MAX], none[] = "no-such-program", *argv[] = {none, NULL};
    snprintf(script, sizeof script, "cat; exec %.3000s hello", program);
    dragon_result_t *result = give_mpi(script, 2, 0, "some input\n");
    dragon_command_end_t end = end_of(result, "input");
    tap_check(end.output_bytes > 11 && memmem(end.output, end.output_bytes, "some input\n", 11),
              "goes to its first rank");
    dragon_result_destroy(result);
    snprintf(script, sizeof script, "exec %.3000s exit 1 7", program);
    result = give_mpi(script, 2, 0, NULL);
    tap_equal(end_of(result, "one that exits with 7").exit_code, 7, "its code");
    dragon_result_destroy(result);
    result = give_mpi("kill -9 $$", 1, 0, NULL);
    end = end_of(result, "one that is killed");
    tap_check(end.exit_code == 137 && end.signal == 9, "its signal");
    dragon_result_destroy(result);
    result = give_mpi("sleep 1000", 1, 500, NULL);
    need(dragon_result_wait(result, TAP_WAIT_MS), "a limit");
    tap_err(dragon_result_error(result, &error), DRAGON_ERR_TIMEOUT, "a limit");
    dragon_result_destroy(result);
    dragon_command_t command = DRAGON_COMMAND_INIT;
    command.argv = argv;
    command.mpi_ranks = 1;
    check_fails(&command, DRAGON_ERR_NOT_FOUND, 127, "no-such-program", "no such MPI program");
    command.mpi_ranks = 9;
    argv[0] = strdup("true");
    check_fails(&command, DRAGON_ERR_LAUNCH, 125, "", "more ranks than cores");
    command.mpi_ranks = 8;
    check_fails(&command, DRAGON_ERR_INVAL, 0, "leave 7 of 8", "more than the worker leaves");
    free(argv[0]);
}

static void check_mpi_cancel(const char *directory)
{
    unlink("up");
    dragon_result_t *first = give_mpi("echo $$ >up; sleep 1000", 7, 0, NULL);
    dragon_result_t *second = give_mpi("echo $$ >second; sleep 1000", 7, 0, NULL);
    wait_file(directory, "up");
    tap_err(dragon_result_cancel(second, false), DRAGON_OK, "one that waits for cores is canceled");
    tap_err(dragon_result_cancel(first, true), DRAGON_OK, "one that runs is killed");
    tap_err(dragon_result_error(first, &error), DRAGON_ERR_CANCELED, "it was canceled");
    check_gone(directory, "up");
    dragon_result_destroy(first);
    dragon_result_destroy(second);
    first = give_mpi("echo $$ >third; sleep 1000", 1, 0, NULL);
    wait_file(directory, "third");
    tap_check(access("second", F_OK) != 0, "the canceled one did not run");
    tap_err(dragon_pool_terminate(pool), DRAGON_OK, "the pool is terminated");
    tap_err(dragon_result_error(first, &error), DRAGON_ERR_CANCELED, "what ran is canceled");
    check_gone(directory, "third");
    dragon_result_destroy(first);
}

static void mpi(const char *directory, const char *const *programs, int count)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_policy_t *policy;
    need(dragon_policy_create(&policy), "a policy");
    spec.argv = DRAGON_POOL_COMMANDS;
    spec.workers = 1;
    spec.policy = policy;
    need(dragon_pool_create(runtime, &spec, &pool, &error), "a pool");
    dragon_policy_destroy(policy);
    check_cores(programs, count);
    for (int i = 0; i < count; i++)
        check_mpi_ends(programs[i]);
    check_mpi_cancel(directory);
    dragon_pool_destroy(pool);
}

// ---- functions of a shared object, in workers that have none

static void plugin(const char *path)
{
    enum { COUNT = 1000 };
    char name[PATH_MAX], text[PATH_MAX];
    long items[COUNT], results[COUNT];
    int good = 0;
    make_pool(2, 0);
    for (int i = 0; i < COUNT; i++)
        items[i] = i;
    snprintf(name, sizeof name, "%.4000s:twice", path);
    tap_err(dragon_pool_map(pool, name, items, sizeof *items, COUNT, results, sizeof *results,
                            TAP_WAIT_MS, &error),
            DRAGON_OK, "a map of a function of a shared object");
    for (int i = 0; i < COUNT; i++)
        good += results[i] == 2L * i;
    tap_equal(good, COUNT, "its results");
    void *value = NULL;
    size_t bytes = 0;
    snprintf(name, sizeof name, "%.4000s:place", path);
    tap_err(dragon_pool_apply(pool, name, NULL, 0, &value, &bytes, TAP_WAIT_MS, &error), DRAGON_OK,
            "one that uses the worker's runtime");
    snprintf(text, sizeof text, "%u nodes", dragon_runtime_nodes(runtime));
    check_wrote(value, bytes, text, "which is this one");
    free(value);
    snprintf(name, sizeof name, "%.4000s:nothing", path);
    tap_err(dragon_pool_apply(pool, name, NULL, 0, NULL, NULL, TAP_WAIT_MS, &error),
            DRAGON_ERR_NOT_FOUND, "a function that is not there");
    tap_has(error.text, "undefined symbol: nothing", "in the loader's words");
    tap_err(dragon_pool_apply(pool, "/no/such.so:x", NULL, 0, NULL, NULL, TAP_WAIT_MS, &error),
            DRAGON_ERR_NOT_FOUND, "a shared object that is not there");
    tap_has(error.text, "/no/such.so: cannot open", "in the loader's words");
    tap_err(dragon_pool_apply(pool, "twice", NULL, 0, NULL, NULL, TAP_WAIT_MS, &error),
            DRAGON_ERR_NOT_FOUND, "a function of the workers' own");
    tap_has(error.text, "no function \"twice\"", "which has none");
    end_pool();
}

int main(int argc, char **argv)
{
    runtime = tap_attach();
    char *directory = realpath(".", NULL);
    const char *theme = argc > 1 ? argv[1] : "";
    if (strcmp(theme, "plain") == 0)
        plain(directory);
    else if (strcmp(theme, "limits") == 0)
        limits(directory);
    else if (strcmp(theme, "mpi") == 0 && argc > 2)
        mpi(directory, (const char *const *)argv + 2, argc - 2);
    else if (strcmp(theme, "plugin") == 0 && argc > 2)
        plugin(argv[2]);
    free(directory);
    dragon_runtime_detach(runtime);
    return tap_finish();
}
