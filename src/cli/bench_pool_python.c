// SPDX-License-Identifier: BSD-3-Clause
//
// Functions that do nothing, beside Python's multiprocessing.Pool with as many workers and the same chunks. Each run of
// the peer is a program of its own, which takes its own time without its start, and ends with its workers.
#include "config.h"

#include "cli/bench_pool.h"
#include "cli/command.h"

#include <unistd.h>

enum { PYTHON_MS = 60000 };

// WORKERS COUNT CHUNK; with chunk 0 they go one by one, with -1 in chunks as Pool.map likes. Prints tasks a second.
static const char script[] =
    "import multiprocessing, sys, time\n"
    "def nothing(item):\n"
    "    return None\n"
    "workers, count, chunk = map(int, sys.argv[1:])\n"
    "with multiprocessing.get_context('fork').Pool(workers) as pool:\n"
    "    pool.map(nothing, range(1000), 1)\n"
    "    begin = time.monotonic_ns()\n"
    "    if chunk:\n"
    "        pool.map(nothing, range(count), chunk if chunk > 0 else None)\n"
    "    else:\n"
    "        for item in range(count):\n"
    "            pool.apply(nothing, (item,))\n"
    "    print(count * 1e9 / (time.monotonic_ns() - begin))\n";

static const struct python_case {
    const char *name, *what;
    int chunk;                   // as in the script
    uint32_t count, count_quick; // of ours; of the peer's a tenth
    double aim;
} cases[] = {
    {"map-1", "map, chunks of 1, 2 workers", 1, 1000000, 100000, 10},
    {"map-100", "map, chunks of 100", 100, 10000000, 1000000, 10},
    {"map", "map, chunks as each likes", -1, 10000000, 1000000, 0},
    {"apply", "apply, one by one", 0, 50000, 10000, 0.1},
};

struct python {
    const struct python_case *which;
    char *program; // owned; NULL: not installed
    char version[40];
    dragon_pool_t *pool;
    uint32_t count;
};

static double run_ours(struct versus *versus)
{
    const struct python *python = versus->arg;
    return python->which->chunk ? pool_map_rate(python->pool, python->count, &versus->figure)
                                : pool_apply_us(python->pool, versus->ms, &versus->figure);
}

static double run_peer(struct versus *versus)
{
    const struct python *python = versus->arg;
    char numbers[2][16];
    snprintf(numbers[0], sizeof numbers[0], "%u", python->count / 10);
    snprintf(numbers[1], sizeof numbers[1], "%d", python->which->chunk);
    char workers[16], *end;
    snprintf(workers, sizeof workers, "%d", POOL_WORKERS);
    char *argv[] = {python->program, "-c", (char *)script, workers, numbers[0], numbers[1], NULL};
    struct command command = {.argv = argv, .limit_ms = PYTHON_MS};
    char *text = command_text(&command, NULL);
    double rate = text ? strtod(text, &end) : -1;
    free(text);
    if (rate <= 0)
        return -1;
    return python->which->chunk ? rate : 1e6 / rate;
}

static void measure(struct bench *bench, struct python *python)
{
    const struct python_case *which = python->which;
    struct versus versus = versus_init(bench, 0);
    struct pool_plan plan = {.workers = POOL_WORKERS,
                             .node = DRAGON_HERE,
                             .chunk = which->chunk > 0 ? (uint32_t)which->chunk : 0};
    versus_name(&versus, "python-%s", which->name);
    versus_what(&versus, "%s", which->what);
    versus.figure.unit = which->chunk ? "1/s" : "us";
    versus.figure.aim = which->aim == 0 ? AIM_NONE : which->chunk ? AIM_AT_LEAST : AIM_AT_MOST;
    versus.figure.aim_value = which->aim;
    versus.ours = run_ours;
    versus.arg = python;
    python->count = bench->quick ? which->count_quick : which->count;
    if (python->program) {
        versus_peer(&versus, "Pool.%s, %s", which->chunk ? "map" : "apply", python->version);
        versus.peer = run_peer;
    } else {
        figure_note(&versus.figure, "the peer was not measured: install python3");
        versus.figure.aim = AIM_NONE;
    }
    python->pool = bench_pool_make(bench, &plan, &versus.figure);
    if (python->pool)
        versus_run(&versus);
    else
        report_figure(bench->report, &versus.figure);
    dragon_pool_destroy(python->pool);
}

// The system's own: what is first along the path may be a wrapper.
static char *find_python(void)
{
    static const char usual[] = "/usr/bin/python3";
    return access(usual, X_OK) == 0 ? strdup(usual) : command_find("python3");
}

void bench_pool_python(struct bench *bench)
{
    struct python python = {.program = find_python()};
    char *argv[] = {python.program, "--version", NULL};
    if (python.program && !command_first_line(argv, python.version, sizeof python.version))
        snprintf(python.version, sizeof python.version, "Python");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        python.which = &cases[i];
        measure(bench, &python);
    }
    free(python.program);
}
