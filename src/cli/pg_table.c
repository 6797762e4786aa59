// SPDX-License-Identifier: BSD-3-Clause
//
// The table of dragon-pg's options, its help, and the words that have a meaning.
#include "config.h"

#include "cli/pg.h"

#include "cli/text.h"

static const struct option_row rows[] = {
    {OPTIONS_SECTION, 0, NULL, NULL, NULL, "Ranks of a program"},
    {'n', 'n', "ntasks", "N", NULL, "how many (1; with --pmi one for each core)"},
    {PG_PPN, 0, "ppn", "K", NULL, "at most K on a node"},
    {'H', 'H', "hosts", "LIST", NULL, "on these nodes only: names or numbers, a,b"},
    {PG_MAP_BY, 0, "map-by", "core|block|node|cyclic|round-robin", NULL,
     "fill nodes one after another, or by turns"},
    {'c', 'c', "cpus-per-rank", "N", NULL, "cores for each rank alone (1, shared)"},
    {'g', 'g', "gpus-per-rank", "N", NULL, "GPUs for each rank alone; 0: it sees none"},
    {PG_BIND, 0, "bind", "none|core|l3|numa|socket", NULL, "to what holds its cores"},
    {PG_ENV, 0, "env", "NAME[=VALUE]", NULL, "set a variable; repeatable"},
    {PG_CWD, 0, "cwd", "DIR", NULL, "run there, on every node"},
    {OPTIONS_SECTION, 0, NULL, NULL, NULL, "Input and output"},
    {'l', 'l', "label", NULL, NULL, "begin each line of output with its rank"},
    {PG_OUTPUT, 0, "output", "FILE|inherit|none", NULL, "may have {rank} {node} {host} {group}"},
    {PG_ERROR, 0, "error", "FILE|inherit|none|merge", NULL, "or merge: where output goes"},
    {PG_STDIN, 0, "stdin", "RANK|all|none|FILE", NULL, "who reads, or from a file: ./in (0)"},
    {OPTIONS_SECTION, 0, NULL, NULL, NULL, "The group"},
    {PG_PMI, 0, "pmi", NULL, NULL, "the ranks are one MPI program"},
    {'t', 't', "timeout", "TIME", NULL, "end the group after TIME (exit code 124)"},
    {PG_SIGNAL, 0, "signal", "SIG@TIME", NULL, "send SIG so long before that: USR1@60s"},
    {PG_ON_FAILURE, 0, "on-failure", "stop|continue|restart[:N]", NULL,
     "when a rank fails (stop for MPI)"},
    {PG_ON_FULL, 0, "on-full", "wait|fail|share", NULL, "when cores or GPUs are in use"},
    {PG_DETACH, 0, "detach", NULL, NULL, "print how to attach to it, and leave it"},
    {OPTIONS_SECTION, 0, NULL, NULL, NULL, "Looking at it"},
    {PG_DRY_RUN, 0, "dry-run", NULL, NULL, "show where ranks would go; 125: they do not fit"},
    {PG_DISPLAY, 0, "display", "map|bind,...", NULL, "show where they are, and run"},
    {PG_JSON, 0, "json", NULL, NULL, "show either as JSON"},
    {PG_STATUS_FILE, 0, "status-file", "FILE", NULL, "how it ended, as JSON"},
    {PG_SPEC, 0, "spec", "FILE", NULL, "the group as JSON; - is standard input"},
    {'q', 'q', "quiet", NULL, NULL, "no notices"},
    {'v', 'v', "verbose", NULL, NULL, "say what is done"},
    {OPTIONS_RARE, 0, NULL, NULL, NULL, "Less often"},
    {PG_CORES, 0, "cores", "LIST", NULL, "these cores: 0-3; rank by rank: 0-3:4-7"},
    {PG_GPU_LIST, 0, "gpu-list", "LIST", NULL, "these GPUs: 0,1; tiles, rank by rank: 0.0:0.1"},
    {PG_MEMORY, 0, "memory", "SIZE", NULL, "a rank that takes more is killed: 512M, 4G"},
    {PG_ENV_REMOVE, 0, "env-remove", "GLOB", NULL, "remove variables, 'OMP_*' say; repeatable"},
    {PG_RESTART, 0, "restart", "N", NULL, "start ranks again however they end, N times"},
    {PG_WAIT, 0, "wait", "TIME", NULL, "wait for room at most so long (1h)"},
    {PG_OVERSUBSCRIBE, 0, "oversubscribe", NULL, NULL, "the same as --on-full share"},
    {PG_GRACE, 0, "grace", "TIME", NULL, "between TERM and KILL of a stop (5s)"},
    {PG_NAME, 0, "name", "TEXT", NULL, "what dragon-info calls it"},
    {PG_PRINT_SPEC, 0, "print-spec", NULL, NULL, "print what --spec would take for this, and end"},
    {0},
};

static const struct option_alias aliases[] = {
    {"np", 'n'},
    {"ntasks-per-node", PG_PPN},
    {"cpus-per-task", 'c'},
    {"gpus-per-task", 'g'},
    {"bind-to", PG_BIND},
    {"label-io", 'l'},
    {0},
};

static const char about[] =
    "  dragon-pg -n 4 -l hostname               four copies, lines labelled by rank\n"
    "  dragon-pg --pmi -n 64 ./mpi_app          an MPI program of 64 ranks\n"
    "  dragon-pg -n 8 -c 4 -g 1 --output 'out.{rank}' ./work     4 cores, a GPU each\n"
    "  dragon-pg --pmi -n 1 ./master : -n 63 ./worker           two programs, one job\n"
    "\n"
    "Runs programs as one group of ranks over the nodes of the runtime and waits for\n"
    "it; outside a runtime it starts one on this host. The exit code is that of the\n"
    "first rank that failed on its own.";

struct name {
    const char *name;
    int value;
};

static const struct name maps[] = {
    {"core", DRAGON_MAP_BLOCK},    {"block", DRAGON_MAP_BLOCK},        {"node", DRAGON_MAP_CYCLIC},
    {"cyclic", DRAGON_MAP_CYCLIC}, {"round-robin", DRAGON_MAP_CYCLIC}, {0}};
static const struct name fulls[] = {
    {"wait", DRAGON_FULL_WAIT}, {"fail", DRAGON_FULL_FAIL}, {"share", DRAGON_FULL_SHARE}, {0}};
static const struct name failures[] = {{"stop", PG_FAILURE_STOP},
                                       {"continue", PG_FAILURE_CONTINUE},
                                       {"restart", PG_FAILURE_RESTART},
                                       {0}};

// What is not in the table was refused before, see options_take.
static int value_of(const struct name *names, const char *name)
{
    while (names->name && strcmp(names->name, name) != 0)
        names++;
    return names->value;
}

static const char *name_of(const struct name *names, int value)
{
    while (names->name && names->value != value)
        names++;
    return names->name ? names->name : "";
}

const char *pg_map_name(dragon_map_t map)
{
    return name_of(maps, (int)map);
}

dragon_map_t pg_map_value(const char *name)
{
    return (dragon_map_t)value_of(maps, name);
}

dragon_bind_t pg_bind_value(const char *name)
{
    dragon_bind_t bind = DRAGON_BIND_NONE;
    while (bind < DRAGON_BIND_SOCKET && strcmp(text_bind(bind), name) != 0)
        bind++;
    return bind;
}

const char *pg_full_name(dragon_full_t full)
{
    return name_of(fulls, (int)full);
}

dragon_full_t pg_full_value(const char *name)
{
    return (dragon_full_t)value_of(fulls, name);
}

const char *pg_failure_name(enum pg_failure failure)
{
    return name_of(failures, (int)failure);
}

enum pg_failure pg_failure_value(const char *name)
{
    return (enum pg_failure)value_of(failures, name);
}

const struct options pg_options = {
    .command = "dragon-pg",
    .usage = "[OPTION...] PROGRAM [ARGUMENT...] [: [OPTION...] PROGRAM...]",
    .about = about,
    .rows = rows,
    .take = pg_take_option,
    .aliases = aliases,
    .joined = true,
};
