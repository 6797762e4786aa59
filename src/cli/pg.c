// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-pg: runs a program as a process group and waits for it. Uses the library's public headers
// alone, as any client. Outside a runtime it calls dragon-run, which brings one up around it.
#include "config.h"

#include "cli/options.h"
#include "cli/private.h"

#include <dragon/dragon.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { EXIT_OURS = 125 };

enum { OPTION_PPN = 256, OPTION_MAP_BY, OPTION_PMI, OPTION_ENV, OPTION_CWD, OPTION_GRACE };

struct pg_options {
    long long count, ppn; // 0: not given
    dragon_map_t map;
    bool pmi, label;
    char **env; // owned: "NAME=value"
    const char *cwd;
    uint64_t limit_ms, grace_ms;
};

static const struct option_row rows[] = {
    {'n', 'n', "ntasks", "N", NULL, "ranks (1; with --pmi one for each core)"},
    {OPTION_PPN, 0, "ppn", "K", NULL, "at most K ranks on a node"},
    {OPTION_MAP_BY, 0, "map-by", "core|node", NULL, "fill nodes one after another, or by turns"},
    {OPTION_PMI, 0, "pmi", NULL, NULL, "the ranks are one MPI program"},
    {'l', 'l', "label", NULL, NULL, "begin each line of output with its rank"},
    {OPTION_ENV, 0, "env", "NAME[=VALUE]", NULL, "set a variable for the ranks; repeatable"},
    {OPTION_CWD, 0, "cwd", "DIR", NULL, "run there, on every node"},
    {'t', 't', "timeout", "TIME", NULL, "end the group after TIME (exit code 124)"},
    {OPTION_GRACE, 0, "grace", "TIME", NULL, "between TERM and KILL of a stop (5s)"},
    {'q', 'q', "quiet", NULL, NULL, "no notices"},
    {'v', 'v', "verbose", NULL, NULL, "say what is done"},
    {0},
};

static const char about[] =
    "Runs PROGRAM as a process group: N ranks over the nodes of the runtime, one\n"
    "output, one exit code. Outside a runtime it starts one on this host for itself.\n\n"
    "  dragon-pg -n 4 -l hostname               four copies, lines labelled by rank\n"
    "  dragon-pg --pmi -n 64 ./mpi_app          an MPI program of 64 ranks\n"
    "  dragon-pg --ppn 1 --timeout 90s ./probe  one on each node, for 90 s at most\n\n"
    "Rank 0 reads standard input. The exit code is that of the first rank that failed\n"
    "on its own; 128+N when signal N killed it, 124 after --timeout, 126 or 127 when\n"
    "PROGRAM cannot be run, 125 when the runtime failed.";

static bool take_map(struct pg_options *options, const char *value, dragon_error_t *error)
{
    if (strcmp(value, "core") == 0)
        options->map = DRAGON_MAP_BLOCK;
    else if (strcmp(value, "node") == 0)
        options->map = DRAGON_MAP_CYCLIC;
    else {
        err_set(error, DRAGON_ERR_INVAL, "there are core and node");
        return false;
    }
    return true;
}

static bool take_env(struct pg_options *options, const char *value, dragon_error_t *error)
{
    if (*value == '=' || !*value) {
        err_set(error, DRAGON_ERR_INVAL, "a variable needs a name");
        return false;
    }
    if (strchr(value, '='))
        return strv_push(&options->env, value);
    const char *own = getenv(value);
    if (!own) {
        err_set(error, DRAGON_ERR_NOT_FOUND, "it is not set here; give NAME=VALUE");
        return false;
    }
    return strv_pushf(&options->env, "%s=%s", value, own);
}

static bool take_option(void *arg, int id, const char *value, dragon_error_t *error)
{
    struct pg_options *options = arg;
    switch (id) {
    case 'n':
        return option_number(value, 1, 1 << 20, &options->count, error);
    case OPTION_PPN:
        return option_number(value, 1, 1 << 20, &options->ppn, error);
    case OPTION_MAP_BY:
        return take_map(options, value, error);
    case OPTION_PMI:
        options->pmi = true;
        return true;
    case 'l':
        options->label = true;
        return true;
    case OPTION_ENV:
        return take_env(options, value, error);
    case OPTION_CWD:
        options->cwd = value;
        return true;
    case 't':
        return option_duration(value, &options->limit_ms, error);
    case OPTION_GRACE:
        return option_duration(value, &options->grace_ms, error);
    default:
        log_set_level(id == 'q' ? LOG_LEVEL_QUIET : LOG_LEVEL_VERBOSE);
        return true;
    }
}

static int open_signals(void)
{
    static const int wanted[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM};
    sigset_t mask;
    sigemptyset(&mask);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        sigaddset(&mask, wanted[i]);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

// The ranks' environment is ours as it was before this.
static dragon_err_t apply(dragon_group_t *group, const struct pg_options *options)
{
    dragon_err_t err = dragon_group_set_map(group, options->map);
    if (err == DRAGON_OK && options->count)
        err = dragon_group_set_count(group, (uint32_t)options->count);
    if (err == DRAGON_OK && options->ppn)
        err = dragon_group_set_ppn(group, (uint32_t)options->ppn);
    if (err == DRAGON_OK && options->pmi)
        err = dragon_group_set_pmi(group, 1);
    if (err == DRAGON_OK && options->label)
        err = dragon_group_set_label(group, 1);
    if (err == DRAGON_OK && options->cwd)
        err = dragon_group_set_cwd(group, options->cwd);
    if (err == DRAGON_OK && options->limit_ms)
        err = dragon_group_set_time_limit(group, options->limit_ms);
    if (err == DRAGON_OK)
        err = dragon_group_set_grace(group, (uint32_t)options->grace_ms);
    if (err == DRAGON_OK)
        err = dragon_group_set_input(group, STDIN_FILENO);
    for (char **entry = options->env; err == DRAGON_OK && entry && *entry; entry++) {
        char *equals = strchr(*entry, '=');
        *equals = 0;
        err = dragon_group_set_env(group, *entry, equals + 1);
        *equals = '=';
    }
    return err;
}

struct told {
    int interrupts; // Ctrl-C
    bool stop;      // by a signal to us, of which whoever sent it knows
};

// Ctrl-C once is passed on, twice stops the group, a third time leaves it to the runtime.
static void on_signal(dragon_group_t *group, int signal, struct told *told)
{
    if (signal == SIGTERM || signal == SIGHUP) {
        told->stop = true;
        dragon_group_stop(group);
    } else if (signal != SIGINT)
        dragon_group_signal(group, DRAGON_ALL_RANKS, signal);
    else if (++told->interrupts == 1)
        dragon_group_signal(group, DRAGON_ALL_RANKS, SIGINT);
    else if (told->interrupts == 2) {
        log_notice("interrupted twice: stopping the group; once more leaves at once");
        dragon_group_stop(group);
    } else
        _exit(128 + SIGINT);
}

static int wait_for_group(dragon_runtime_t *runtime, dragon_group_t *group, int signal_fd)
{
    struct told told = {0};
    dragon_err_t err;
    while ((err = dragon_group_wait(group, 0)) == DRAGON_ERR_TIMEOUT) {
        struct pollfd fds[] = {{.fd = dragon_runtime_fd(runtime), .events = POLLIN},
                               {.fd = signal_fd, .events = POLLIN}};
        struct signalfd_siginfo info;
        poll(fds, 2, dragon_runtime_wait_ms(runtime));
        while (read(signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
            on_signal(group, (int)info.ssi_signo, &told);
    }
    int code = dragon_group_exit_code(group);
    // When the runtime itself has ended, dragon-run says why.
    bool known = told.stop || err == DRAGON_ERR_PEER;
    if (code != 0 && !known && *dragon_group_cause(group))
        log_error("%s", dragon_group_cause(group));
    return code < 0 ? EXIT_OURS : code;
}

static int run_group(dragon_runtime_t *runtime, const struct pg_options *options, char **program)
{
    dragon_error_t error;
    dragon_group_t *group = NULL;
    int code = EXIT_OURS;
    dragon_err_t err = dragon_group_create(runtime, program, &group, &error);
    if (err == DRAGON_OK) {
        err = apply(group, options);
        if (err != DRAGON_OK)
            err_set(&error, err, "%s", dragon_err_text(err));
    }
    int signal_fd = open_signals();
    if (err == DRAGON_OK)
        err = dragon_group_start(group, &error);
    if (err == DRAGON_OK) {
        log_verbose("group %llu: %u ranks", (unsigned long long)dragon_group_id(group),
                    dragon_group_size(group));
        code = wait_for_group(runtime, group, signal_fd);
    } else {
        log_error("%s", error.text);
        if (group && dragon_group_exit_code(group) > 0)
            code = dragon_group_exit_code(group);
    }
    dragon_group_destroy(group);
    return code;
}

int main(int argc, char **argv)
{
    struct pg_options given = {.grace_ms = 5000};
    struct options options = {.command = "dragon-pg",
                              .usage = "[OPTION...] PROGRAM [ARGUMENT...]",
                              .about = about,
                              .rows = rows,
                              .take = take_option,
                              .arg = &given};
    dragon_runtime_t *runtime;
    dragon_error_t error;
    self_fill_streams();
    log_open("dragon-pg", "");
    int first = options_parse(&options, argc, argv);
    if (!argv[first])
        options_refuse(&options, "no program was given");
    if (given.grace_ms > 86400000)
        options_refuse(&options, "--grace is up to a day");
    if (!getenv("DRAGON_RUNTIME"))
        return run_privately(argv);
    if (dragon_runtime_attach(&runtime, &error) != DRAGON_OK) {
        log_error("%s", error.text);
        return EXIT_OURS;
    }
    int code = run_group(runtime, &given, argv + first);
    dragon_runtime_detach(runtime);
    strv_free(given.env);
    return code;
}
