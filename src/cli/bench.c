// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-bench: measures this machine's runtime against what people would use instead. A client of the
// public API; outside a runtime it starts one around itself. The first operand says what is measured,
// see bench.h; standard output gets the report and nothing else.
#include "config.h"

#include "cli/bench_pool.h"
#include "cli/options.h"
#include "cli/private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

enum { OPTION_QUICK = 256, OPTION_JSON, OPTION_ONLY, OPTION_MPI_PROGRAM, OPTION_MPIEXEC };

static const struct bench_word words[] = {
    {"launch", "starting: the runtime, processes, MPI programs; and what it costs idle",
     bench_launch_parts, 1},
    {"channel", "messages between processes, on one node and between two", bench_channel_parts, 2},
    {"dict", "the dictionary, on one node and between two", bench_dict_parts, 2},
    {"pool", "tasks on the workers of a pool, on one node and on two", bench_pool_parts, 2},
    {0},
};

static const struct option_row rows[] = {
    {OPTION_QUICK, 0, "quick", NULL, NULL, "few repetitions: half a minute, rough figures"},
    {OPTION_JSON, 0, "json", NULL, NULL, "the report as one JSON object"},
    {OPTION_ONLY, 0, "only", "PART", NULL, "this part alone; repeatable"},
    {OPTION_MPI_PROGRAM, 0, "mpi-program", "FILE", NULL,
     "an Open MPI program that says hello and ends; it gets the argument \"hello\""},
    {OPTION_MPIEXEC, 0, "mpiexec", "FILE", NULL,
     "that program's mpiexec, the peer of the MPI figures"},
    {0},
};

static const char about[] =
    "Measures the runtime on this machine, each figure together with a peer in pairs\n"
    "of runs that take turns, and prints ours, the peer's, the ratio (median, lowest\n"
    "and highest of the pairs) and what the project aims at.\n\n"
    "  dragon-bench launch                  all about starting programs, some minutes\n"
    "  dragon-bench launch --quick --json   half a minute, for a script\n"
    "  dragon-bench launch --only spawn     64 and 256 processes as a group, no more\n"
    "  dragon-bench channel                 all about messages, some minutes\n"
    "  dragon-bench dict                    all about the dictionary, some minutes\n"
    "  dragon-bench pool                    all about tasks, some minutes\n\n"
    "WORD is launch, channel, dict or pool. The parts of launch, for --only:\n"
    "  one-node   a runtime that runs true, from nothing to its end, against\n"
    "             mpiexec -n 1\n"
    "  idle       memory and wake-ups of an agent that has nothing to do\n"
    "  spawn      64 and 256 ranks of true as one group, against posix_spawn and\n"
    "             mpiexec -n 64; the same with and without policies\n"
    "  mpi        an MPI hello of 2, 8 and 16 ranks, against mpiexec of the same MPI\n"
    "  plan       plans of 10,000 nodes, computed and weighed, not launched\n"
    "  series     10,000 groups of one rank after another, and 1,000 MPI groups of\n"
    "             two: rates, memory and descriptors at the beginning and at the end\n"
    "The parts of channel:\n"
    "  latency    8 bytes from process to process, both looking or both sleeping,\n"
    "             against bare cache lines and futexes\n"
    "  crowd      the same with four times as many processes as cores\n"
    "  copy       64 KiB and 1 MiB, copied in and out, against memcpy\n"
    "  handover   blocks of 4 KiB to 64 MiB, handed over without a copy\n"
    "  rate       messages a second, of one and four senders and receivers\n"
    "  idle       wake-ups and time of a process that waits\n"
    "  nodes      between two nodes, against ucx_perftest\n"
    "  zmq, nng, mpi\n"
    "             beside ZeroMQ, nng and Open MPI on one host\n"
    "The parts of dict:\n"
    "  single     get and put of 128 bytes by one client, against Redis and memcached\n"
    "  rate       the same by 1, 2 and 4 clients, against Redis with 50\n"
    "  batch      16 at once, against Redis with as many under way\n"
    "  manager    values of 1 KiB a second, of one manager\n"
    "  large      1 MiB and 64 MiB, copied, against memcpy\n"
    "  frozen     views of a frozen dictionary, of 128 bytes to 64 MiB\n"
    "  nodes      with a manager of another node, against ucx_perftest\n"
    "  grid       values of 1 KiB to 64 MiB, by clients and managers\n"
    "The parts of pool:\n"
    "  python     functions that do nothing, against Python's multiprocessing.Pool\n"
    "  task       the round trip of one task, against that of a message\n"
    "  commands   true as a task, against posix_spawn and GNU parallel\n"
    "  sleep      tasks that sleep, all alike and not, against the ideal\n"
    "  mpi        MPI jobs of two ranks, against mpiexec in a shell's loop\n"
    "  steady     10 million tasks: speed and memory at the end, and the beginning\n"
    "  crowd      the head with 512 workers\n\n"
    "Ratios are times (less is better) or rates (more is better), as the unit says.\n"
    "A busy machine makes all figures worthless: look at the load, of which a warning\n"
    "is given. Outside a runtime one is started around the command, for channel, dict\n"
    "and pool one of two nodes on this host. The exit code is 0 also when aims are\n"
    "missed, 1 when a figure could not be taken (one whose peer is not installed is\n"
    "skipped), and 125 when nothing could be.";

static bool take_option(void *arg, int id, const char *value, dragon_error_t *error)
{
    struct bench *bench = arg;
    switch (id) {
    case OPTION_QUICK:
        bench->quick = true;
        return true;
    case OPTION_JSON:
        bench->json = true;
        return true;
    case OPTION_ONLY:
        if (strv_push(&bench->only, value))
            return true;
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
        return false;
    case OPTION_MPI_PROGRAM:
        bench->mpi_program = value;
        return true;
    default:
        bench->mpiexec = value;
        return true;
    }
}

static const char *const operands[] = {"launch", "channel", "dict", "pool", NULL};

static const struct options command = {
    .command = "dragon-bench",
    .usage = "WORD [OPTION...]",
    .about = about,
    .rows = rows,
    .take = take_option,
    .operands = operands,
};

static const struct bench_word *find_word(const char *name)
{
    for (const struct bench_word *word = words; word->name; word++)
        if (strcmp(word->name, name) == 0)
            return word;
    return NULL;
}

static const struct bench_part *find_part(const struct bench_word *word, const char *name)
{
    for (const struct bench_part *part = word->parts; part->name; part++)
        if (strcmp(part->name, name) == 0)
            return part;
    return NULL;
}

// Options are taken before the word and behind it.
static const struct bench_word *parse(struct bench *bench, int argc, char **argv)
{
    struct options options = command;
    options.arg = bench;
    int first = options_parse(&options, argc, argv);
    if (!argv[first])
        options_refuse(&options,
                       "nothing was given to measure (there are launch, channel, dict and pool)");
    const struct bench_word *word = find_word(argv[first]);
    if (!word)
        options_refuse(&options,
                       "there is nothing to measure by the name of \"%s\" (there are launch, "
                       "channel, dict and pool)",
                       argv[first]);
    int more = options_parse(&options, argc - first, argv + first);
    if (argv[first + more])
        options_refuse(&options, "too many words: \"%s\"", argv[first + more]);
    for (char **name = bench->only; name && *name; name++)
        if (!find_part(word, *name))
            options_refuse(&options, "%s has no part \"%s\"", word->name, *name);
    return word;
}

static bool is_wanted(const struct bench *bench, const struct bench_part *part)
{
    for (char **name = bench->only; name && *name; name++)
        if (strcmp(*name, part->name) == 0)
            return true;
    return !bench->only;
}

// Groups write to our standard output, which is not what is measured: the report has a copy of the
// descriptor, and everything else goes to /dev/null.
static int take_output(void)
{
    int report = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (report < 0 || nowhere < 0 || dup2(nowhere, STDOUT_FILENO) < 0)
        return -1;
    close(nowhere);
    return report;
}

static int measure(struct bench *bench, const struct bench_word *word)
{
    if (word->nodes > 1)
        cores_widen();
    machine_report(bench);
    for (const struct bench_part *part = word->parts; part->name; part++)
        if (is_wanted(bench, part))
            part->run(bench);
    return report_end(bench->report) ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    dragon_error_t error;
    int work_code;
    self_fill_streams();
    if (bench_pool_work(argc, argv, &work_code))
        return work_code;
    log_open("dragon-bench", "");
    if (argc > 1 && strcmp(argv[1], PARTNER_WORD) == 0)
        return partner_main(argc - 1, argv + 1);
    const struct bench_word *word = parse(&bench, argc, argv);
    if (!is_inside_runtime())
        return run_privately(argv, word->nodes);
    signal(SIGPIPE, SIG_IGN);
    if (dragon_runtime_attach(&bench.runtime, &error) != DRAGON_OK) {
        log_error("%s", error.text);
        return BENCH_EXIT_OURS;
    }
    int output = take_output(), code = BENCH_EXIT_OURS;
    bench.report = output < 0 ? NULL : report_create(word->name, bench.json, output);
    if (bench.report)
        code = measure(&bench, word);
    else
        log_error("out of memory or descriptors");
    report_destroy(bench.report);
    dragon_runtime_detach(bench.runtime);
    strv_free(bench.only);
    return code;
}
