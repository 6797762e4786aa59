// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-run: makes the host it runs on a node of the runtime. A launcher starts one on each host; they
// find each other (boot/), each starts an agent, and from then on it only watches. On node 0 the agent
// runs the user's program, whose exit code becomes ours.
#include "config.h"

#include "cli/options.h"
#include "cli/places.h"
#include "cli/run.h"
#include "place/gpus.h"
#include "proc/sweep.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { EXIT_OURS = 125, NODES_LIMIT = 1 << 16 };
#define WALLTIME_LIMIT_MS (10 * 366 * UINT64_C(86400000))
#define MEMORY_LEAST (UINT64_C(2) << 20)

enum {
    OPTION_TEST_HOSTS = 256,
    OPTION_NETWORK,
    OPTION_UP_TIMEOUT,
    OPTION_NODE_TIMEOUT,
    OPTION_NODE_FAILURE,
    OPTION_GRACE,
    OPTION_FANOUT,
    OPTION_GPUS,
    OPTION_MEMORY,
    OPTION_MEMORY_TOTAL,
    OPTION_WALLTIME,
    OPTION_RANK,
    OPTION_SIZE,
    OPTION_ADDRESS,
    OPTION_SECRET_FILE,
    OPTION_DIRECTORY,
    OPTION_SHM_DIRECTORY,
};

static const struct option_row rows[] = {
    {OPTION_TEST_HOSTS, 0, "test-hosts", "N", NULL, "a runtime of N nodes on this machine alone"},
    {OPTION_NETWORK, 0, "network", "NET", "DRAGON_NETWORK",
     "interface, network (10.0.0.0/8) or address to use"},
    {OPTION_UP_TIMEOUT, 0, "up-timeout", "TIME", "DRAGON_UP_TIMEOUT",
     "limit for all nodes to come up (60s)"},
    {OPTION_NODE_TIMEOUT, 0, "node-timeout", "TIME", "DRAGON_NODE_TIMEOUT",
     "a host that is silent for so long is lost (10s)"},
    {OPTION_NODE_FAILURE, 0, "node-failure", "end|continue", "DRAGON_NODE_FAILURE",
     "the runtime ends when a node is lost, or goes on without it: all nodes are linked to the "
     "first then (end)"},
    {OPTION_GRACE, 0, "grace", "TIME", "DRAGON_GRACE", "between TERM and KILL at the end (1s)"},
    {OPTION_FANOUT, 0, "fanout", "N", "DRAGON_FANOUT", "nodes linked below each node (16)"},
    {OPTION_GPUS, 0, "gpus", "SPEC", "DRAGON_GPUS",
     "the GPUs of a host, where they cannot be found: none, nvidia:4, intel:6.2@0,0,0,1,1,1"},
    {OPTION_MEMORY, 0, "memory", "SIZE", "DRAGON_MEMORY",
     "of each node that channels and dictionaries may take: 512M, 8G (what is there)"},
    {OPTION_MEMORY_TOTAL, 0, "memory-total", "SIZE", "DRAGON_MEMORY_TOTAL",
     "the same for all nodes together"},
    {OPTION_WALLTIME, 0, "walltime", "TIME", "DRAGON_WALLTIME",
     "the allocation ends in so long, of which --signal of dragon-pg is told; Slurm's is known"},
    {OPTION_RANK, 0, "rank", "R", NULL, "start without a launcher: this is node R"},
    {OPTION_SIZE, 0, "size", "N", NULL, "  of N nodes,"},
    {OPTION_ADDRESS, 0, "address", "HOST:PORT", NULL, "  which meet here, where rank 0 listens,"},
    {OPTION_SECRET_FILE, 0, "secret-file", "FILE", NULL,
     "  and know each other by these 32 bytes (mode 0600)"},
    {OPTION_DIRECTORY, 0, "directory", "DIR", NULL, "make the runtime's directory below DIR"},
    {OPTION_SHM_DIRECTORY, 0, "shm-directory", "DIR", NULL,
     "and that for shared memory below DIR (/dev/shm)"},
    {'q', 'q', "quiet", NULL, NULL, "no notices"},
    {'v', 'v', "verbose", NULL, NULL, "say what is done"},
    {0},
};

static const char about[] =
    "Starts a runtime on this host, or on every host where a launcher starts\n"
    "dragon-run, runs PROGRAM on the first of them, and ends the runtime with it.\n\n"
    "  dragon-run ./workflow                       on this machine\n"
    "  mpiexec -n 4 --map-by ppr:1:node dragon-run ./workflow   on four hosts\n"
    "  srun --mpi=pmix -N4 -n4 dragon-run ./workflow            in a Slurm job\n"
    "  dragon-run --test-hosts 4 ./workflow        as if this machine were four\n\n"
    "The exit code is PROGRAM's own; 128+N when signal N killed it, 126 or 127\n"
    "when it cannot be run, 125 when the runtime failed.";

// Only whether it can be understood; each agent looks at it with its host in view.
static bool take_gpus(const char *value, const char **gpus_out, dragon_error_t *error)
{
    char *none[] = {NULL};
    struct gpu_found *found;
    size_t count;
    if (gpus_declare(value, none, NULL, 0, &found, &count, error) != DRAGON_OK)
        return false;
    free(found);
    *gpus_out = value;
    return true;
}

// Programs of the runtime find it from wherever they are.
static bool take_directory(const char *value, const char **directory_out, dragon_error_t *error)
{
    if (*value != '/') {
        err_set(error, DRAGON_ERR_INVAL, "give a path that begins with /");
        return false;
    }
    *directory_out = value;
    return true;
}

static bool take_walltime(const char *value, uint64_t *ms_out, dragon_error_t *error)
{
    uint64_t ms;
    if (!option_duration(value, &ms, error))
        return false;
    if (ms < 1000 || ms > WALLTIME_LIMIT_MS) {
        err_set(error, DRAGON_ERR_INVAL, "an allocation lasts from a second to ten years");
        return false;
    }
    *ms_out = ms;
    return true;
}

static bool take_memory(const char *value, uint64_t *bytes_out, dragon_error_t *error)
{
    uint64_t bytes;
    if (!option_size(value, &bytes, error))
        return false;
    if (bytes < MEMORY_LEAST) {
        err_set(error, DRAGON_ERR_INVAL, "shared memory begins with 2M");
        return false;
    }
    *bytes_out = bytes;
    return true;
}

static bool take_option(void *arg, int id, const char *value, dragon_error_t *error)
{
    struct run_options *options = arg;
    switch (id) {
    case OPTION_TEST_HOSTS:
        return option_number(value, 1, NODES_LIMIT, &options->test_hosts, error);
    case OPTION_NETWORK:
        options->network = value;
        return true;
    case OPTION_UP_TIMEOUT:
        return option_duration(value, &options->up_timeout_ms, error);
    case OPTION_NODE_TIMEOUT:
        return option_duration(value, &options->node_timeout_ms, error);
    case OPTION_NODE_FAILURE:
        options->node_failure = value;
        return true;
    case OPTION_GRACE:
        return option_duration(value, &options->grace_ms, error);
    case OPTION_FANOUT:
        return option_number(value, 1, 1024, &options->fanout, error);
    case OPTION_GPUS:
        return take_gpus(value, &options->gpus, error);
    case OPTION_MEMORY:
        return take_memory(value, &options->memory_bytes, error);
    case OPTION_MEMORY_TOTAL:
        return take_memory(value, &options->memory_total_bytes, error);
    case OPTION_WALLTIME:
        return take_walltime(value, &options->walltime_ms, error);
    case OPTION_RANK:
        return option_number(value, 0, NODES_LIMIT, &options->rank, error);
    case OPTION_SIZE:
        return option_number(value, 1, NODES_LIMIT, &options->size, error);
    case OPTION_ADDRESS:
        options->address = value;
        return true;
    case OPTION_SECRET_FILE:
        options->secret_file = value;
        return true;
    case OPTION_DIRECTORY:
        return take_directory(value, &options->base_dir, error);
    case OPTION_SHM_DIRECTORY:
        return take_directory(value, &options->shm_base_dir, error);
    case 'q':
        log_set_level(LOG_LEVEL_QUIET);
        return true;
    default:
        log_set_level(LOG_LEVEL_VERBOSE);
        return true;
    }
}

static const struct options command = {
    .command = "dragon-run",
    .usage = "[OPTION...] PROGRAM [ARGUMENT...]",
    .about = about,
    .rows = rows,
    .take = take_option,
};

static void parse(struct run *run, int argc, char **argv)
{
    struct options options = command;
    run->options = (struct run_options){.network = "",
                                        .gpus = "",
                                        .up_timeout_ms = 60000,
                                        .node_timeout_ms = 10000,
                                        .node_failure = "end",
                                        .grace_ms = 1000,
                                        .fanout = 16,
                                        .rank = -1,
                                        .size = -1};
    options.arg = &run->options;
    run->options.program = argv + options_parse(&options, argc, argv);
    const struct run_options *given = &run->options;
    bool placed = given->rank >= 0 || given->size >= 0 || given->address || given->secret_file;
    if (placed && (given->rank < 0 || given->size < 0 || !given->address || !given->secret_file))
        options_refuse(&options, "--rank, --size, --address and --secret-file go together");
    if (placed && given->rank >= given->size)
        options_refuse(&options, "--rank %lld is not below --size %lld", given->rank, given->size);
    if (placed && given->test_hosts)
        options_refuse(&options, "--test-hosts starts all nodes itself; leave --rank out");
    if (given->up_timeout_ms == 0 || given->node_timeout_ms < 1000 ||
        given->up_timeout_ms > 86400000 || given->node_timeout_ms > 86400000 ||
        given->grace_ms > 86400000)
        options_refuse(&options,
                       "times are up to a day, --node-timeout from 1s, --up-timeout above 0");
}

// An end that is over is none: the job was given more time since its variables were made.
static void find_end(struct run *run)
{
    const char *slurm = getenv("SLURM_JOB_END_TIME");
    long long now = (long long)time(NULL), end;
    if (run->options.walltime_ms)
        run->end_s = (uint64_t)now + run->options.walltime_ms / 1000;
    else if (slurm && parse_number(slurm, now + 1, LLONG_MAX, &end))
        run->end_s = (uint64_t)end;
}

// What a runtime that is started inside this one is to know: the same GPUs, and not an end that counts from the
// start of this one.
static void set_variables(const struct run *run)
{
    if (*run->options.gpus)
        setenv("DRAGON_GPUS", run->options.gpus, 1);
    unsetenv("DRAGON_WALLTIME");
}

// The first rank needs a program; on a terminal that is a shell. All ranks of a launcher were called with
// the same words, so one of them speaks.
static void choose_program(struct run *run)
{
    static char *shell[2];
    const char *pmix = getenv("PMIX_RANK"), *pmi = getenv("PMI_RANK");
    if (run->options.program[0] || run->options.rank > 0)
        return;
    if ((pmix && strcmp(pmix, "0") != 0) || (!pmix && pmi && strcmp(pmi, "0") != 0))
        exit(EXIT_OURS);
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        options_refuse(&command, "no program was given");
    shell[0] = getenv("SHELL");
    if (!shell[0] || !*shell[0])
        shell[0] = "/bin/sh";
    log_notice(
        "no program was given: this is a shell inside the runtime; leave it to end the runtime");
    run->options.program = shell;
}

// Signals come through descriptors only, from here on and in every thread.
static bool open_signals(struct run *run)
{
    static const int wanted[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};
    sigset_t mask;
    sigemptyset(&mask);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        sigaddset(&mask, wanted[i]);
    sigaddset(&mask, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    run->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return run->signal_fd >= 0;
}

// A launcher that dies without a word takes its processes with it; we see to that ourselves. From a
// shell we may well outlive our parent.
static void watch_launcher(struct run *run)
{
    if (!getenv("PMIX_NAMESPACE") && !getenv("PMI_FD") && !getenv("PMI_PORT") &&
        run->options.rank < 0)
        return;
    run->launcher = getppid();
    prctl(PR_SET_PDEATHSIG, SIGRTMIN);
}

static void watch_terminal(struct run *run)
{
    int tty = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (tty < 0)
        return;
    run->foreground = tcgetpgrp(tty) == getpgrp() && isatty(STDIN_FILENO);
    close(tty);
}

static bool make_directories(struct run *run, dragon_error_t *error)
{
    const struct run_options *options = &run->options;
    const char *places[PLACES_LIMIT];
    size_t place_count = places_list(places);
    const char *shm_place = options->shm_base_dir ? options->shm_base_dir : "/dev/shm";
    run->run_dir = options->base_dir ? sweep_make_directory(&options->base_dir, 1, error)
                                     : sweep_make_directory(places, place_count, error);
    if (run->run_dir)
        run->shm_dir = sweep_make_directory(&shm_place, 1, NULL);
    // Without /dev/shm MPI libraries share memory through files below the other directory.
    if (run->run_dir && !run->shm_dir)
        run->shm_dir = sweep_make_directory((const char *[]){run->run_dir}, 1, error);
    return run->shm_dir != NULL;
}

static bool join_run(struct run *run, dragon_error_t *error)
{
    if (run->options.test_hosts)
        return run_hosts_start(run, error);
    struct boot_options options = {
        .rank = run->options.rank,
        .size = run->options.size,
        .address = run->options.address,
        .secret_file = run->options.secret_file,
        .listen_fd = -1,
        .deadline_ms = run->deadline_ms,
        .cancel_fd = run->signal_fd,
    };
    return boot_join(&options, &run->boot, error) == DRAGON_OK;
}

// From nothing to a runtime in which the head runs. False: `error` says why not.
static bool come_up(struct run *run, dragon_error_t *error)
{
    run->deadline_ms = time_now_ms() + run->options.up_timeout_ms;
    if (!make_directories(run, error) || !run_agent_start(run, error) || !join_run(run, error))
        return false;
    run->rank = boot_rank(run->boot);
    run->size = boot_size(run->boot);
    log_verbose("rank %u of %u, met by %s", run->rank, run->size,
                boot_kind_name(boot_kind(run->boot)));
    run->launched = boot_kind(run->boot) != BOOT_EXPLICIT;
    if (!run_agent_setup(run, error) || !run_join(run, error))
        return false;
    boot_destroy(run->boot);
    run->boot = NULL;
    if (run->listen_fd >= 0)
        close(run->listen_fd);
    return true;
}

// Ranks of a launcher often fail alike, and the end of the first one makes the launcher end the others.
// So one message is enough, and that of rank 0 is the first. One that is not ended speaks for itself.
static bool is_told(struct run *run)
{
    enum { LAUNCHER_ENDS_US_MS = 5000 }; // mpiexec takes 3 s, and 4 until it kills
    enum boot_teller teller = run->boot ? boot_teller(run->boot) : BOOT_TELLER_SELF;
    if (run->told || teller == BOOT_TELLER_OTHER)
        return true;
    if (run->rank == 0 || teller == BOOT_TELLER_SELF || boot_kind(run->boot) == BOOT_EXPLICIT)
        return false;
    run_agent_end(run); // while there is time
    struct pollfd ended = {.fd = run->signal_fd, .events = POLLIN};
    if (poll(&ended, 1, LAUNCHER_ENDS_US_MS) <= 0)
        return false;
    run->boot = NULL; // there is no time for a goodbye, and nobody who waits for it
    return true;
}

// A signal while coming up ends that; it is in the descriptor that was polled.
static int code_of_failure(struct run *run, const dragon_error_t *error)
{
    struct signalfd_siginfo info;
    if (error->code != DRAGON_ERR_CANCELED ||
        read(run->signal_fd, &info, sizeof info) != (ssize_t)sizeof info) {
        if (!is_told(run))
            log_error("%s", error->text);
        return EXIT_OURS;
    }
    return 128 + (int)(info.ssi_signo == (uint32_t)SIGRTMIN ? SIGTERM : info.ssi_signo);
}

static void run_fini(struct run *run)
{
    strv_free(run->ready.addresses);
    link_destroy(run->control);
    loop_watch_destroy(run->signals);
    children_destroy(run->children);
    loop_destroy(run->loop);
    free(run->run_dir);
    free(run->shm_dir);
    boot_destroy(run->boot); // last: to some launchers it means that they may kill us
}

int main(int argc, char **argv)
{
    struct run run = {.signal_fd = -1, .listen_fd = -1, .board_fd = -1};
    dragon_error_t error = {0};
    self_fill_streams();
    log_open("dragon-run", "");
    parse(&run, argc, argv);
    find_end(&run);
    set_variables(&run);
    choose_program(&run);
    watch_terminal(&run);
    if (open_signals(&run) && auth_open())
        run.loop = loop_create();
    if (run.loop)
        run.children = children_create(run.loop, &error);
    if (!run.children) {
        log_error("out of memory or descriptors");
        return EXIT_OURS;
    }
    watch_launcher(&run);
    if (come_up(&run, &error)) {
        run_agent_guard(&run);
        if (run.cause[0])
            log_error("%s", run.cause);
    } else {
        run.exit_code = code_of_failure(&run, &error);
    }
    run_agent_end(&run);
    run_fini(&run);
    return run.exit_code;
}
