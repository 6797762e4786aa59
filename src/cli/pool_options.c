// SPDX-License-Identifier: BSD-3-Clause
//
// The options of dragon-pool, named as GNU parallel's where they mean the same; the command, and where arguments come from.
#include "config.h"

#include "cli/pool.h"

#include "cli/options.h"

#include <fcntl.h>
#include <unistd.h>

enum {
    OPTION_MPI = 256,
    OPTION_TAG,
    OPTION_TAGSTRING,
    OPTION_RESULTS,
    OPTION_JOBLOG,
    OPTION_RESUME,
    OPTION_RESUME_FAILED,
    OPTION_HALT,
    OPTION_RETRIES,
    OPTION_TIMEOUT,
    OPTION_DELAY,
    OPTION_DRY_RUN,
    OPTION_PROGRESS,
    OPTION_QUIET,
    ARGS_MOST = 100000,
    RANKS_MOST = 1 << 20,
    CORES_MOST = 1 << 16,
};

static const struct option_row rows[] = {
    {OPTIONS_SECTION, 0, NULL, NULL, NULL, "Arguments"},
    {'a', 'a', "arg-file", "FILE", NULL, "arguments are the lines of this file, as with :::: FILE"},
    {'n', 'n', "max-args", "N", NULL, "so many arguments for each task"},
    {'C', 'C', "colsep", "REGEX", NULL, "lines have columns: {1}, {2}, ..."},
    {'0', '0', "null", NULL, NULL, "arguments in the input end with a zero byte, not a line"},
    {'d', 'd', "delimiter", "C", NULL, "or with this: a character, \\n, \\t, \\0"},
    {'r', 'r', "no-run-if-empty", NULL, NULL, "empty arguments make no task"},
    {'I', 'I', "replace", "TEXT", NULL, "what stands for the argument ({})"},
    {'q', 'q', "quote", NULL, NULL, "the command's words are for no shell"},
    {OPTIONS_SECTION, 0, NULL, NULL, NULL, "How many at a time, and where"},
    {'j', 'j', "jobs", "N", NULL,
     "so many tasks on each node (one for each core); 50% of the cores; +2, -1 more or less; 0: "
     "many"},
    {'c', 'c', "cpus-per-task", "N", NULL, "each has so many cores of its own"},
    {'g', 'g', "gpus-per-task", "N", NULL, "and so many GPUs"},
    {OPTION_MPI, 0, "mpi", "N", NULL, "each is an MPI program of N ranks, over nodes if need be"},
    {'H', 'H', "host", "LIST", NULL, "on these hosts or nodes"},
    {OPTIONS_SECTION, 0, NULL, NULL, NULL, "Output"},
    {'k', 'k', "keep-order", NULL, NULL, "in the order of the arguments"},
    {OPTION_TAG, 0, "tag", NULL, NULL, "each line begins with the arguments and a tab"},
    {OPTION_TAGSTRING, 0, "tagstring", "TEXT", NULL, "or with this and a tab: {1}, {#}"},
    {OPTION_RESULTS, 0, "results", "DIR", NULL, "also into files there, a folder for each task"},
    {OPTION_PROGRESS, 0, "progress", "[=auto|always|never|plain]", NULL,
     "how far it is, on standard error: a line on a terminal; plain: one every 30 s (auto: on a "
     "terminal, plain in a batch job)"},
    {OPTIONS_SECTION, 0, NULL, NULL, NULL, "What happened, and going on"},
    {OPTION_JOBLOG, 0, "joblog", "FILE", NULL, "a line for each task that ended"},
    {OPTION_RESUME, 0, "resume", NULL, NULL, "leave out the tasks that the job log has"},
    {OPTION_RESUME_FAILED, 0, "resume-failed", NULL, NULL, "but run those again that failed"},
    {OPTIONS_SECTION, 0, NULL, NULL, NULL, "Failures and time"},
    {OPTION_HALT, 0, "halt", "WHEN,WHAT=N", NULL,
     "stop soon (what runs goes on) or now, when so many fail, success or done: now,fail=1, "
     "soon,fail=10%"},
    {OPTION_RETRIES, 0, "retries", "N", NULL, "a task that fails is tried so often in all (1)"},
    {OPTION_TIMEOUT, 0, "timeout", "TIME", NULL, "a task that runs longer is ended"},
    {OPTION_DELAY, 0, "delay", "TIME", NULL, "so long between the starts of two tasks"},
    {OPTIONS_SECTION, 0, NULL, NULL, NULL, "In general"},
    {OPTION_DRY_RUN, 0, "dry-run", NULL, NULL, "print the command lines, run nothing"},
    {OPTION_QUIET, 0, "quiet", NULL, NULL, "no notices"},
    {'v', 'v', "verbose", NULL, NULL, "say what is run where"},
    {0},
};

static const struct option_alias aliases[] = {{"max-procs", 'j'},
                                              {"max-replace-args", 'n'},
                                              {"cpus-per-rank", 'c'},
                                              {"gpus-per-rank", 'g'},
                                              {"no-run-if-empty", 'r'},
                                              {"keeporder", 'k'},
                                              {"bar", OPTION_PROGRESS},
                                              {"eta", OPTION_PROGRESS},
                                              {"dryrun", OPTION_DRY_RUN},
                                              {"result", OPTION_RESULTS},
                                              {0}};

static const char about[] =
    "Runs a command for each line of the input, on all nodes of the allocation:\n\n"
    "  seq 100000 | dragon-pool ./task {}             as many at a time as there are cores\n"
    "  dragon-pool ./task {1} {2} ::: a b c ::: 1 2   every combination\n"
    "  dragon-pool gzip -k ::: *.txt                  without {} the argument comes last\n"
    "  dragon-pool -k --tag './sim {} | tail -1' :::: cases.txt     lines of a file\n"
    "  dragon-pool -c 4 -g 1 ./train {} ::: *.json    4 cores and a GPU for each\n"
    "  dragon-pool --mpi 64 ./mpi_app {} ::: *.in     each an MPI program of 64 ranks\n"
    "  dragon-pool --joblog log --resume ./task {} :::: all.txt     go on where it ended\n\n"
    "{} the argument  {.} without extension  {/} without folder  {//} its folder\n"
    "{/.} without both  {1} {2.} one of several  {#} number of the task  {%} of its place\n\n"
    "It is a part of GNU parallel's language. Output of a task is written when it has\n"
    "ended, in one piece. Without a runtime it starts one on this host.\n\n"
    "The exit code is the number of tasks that failed, 101 for more than 100; with\n"
    "--halt, the code of the task that made it stop; 125 after an error of ours.";

// ---- taking options

static bool wrong(dragon_error_t *error, const char *text)
{
    err_set(error, DRAGON_ERR_INVAL, "%s", text);
    return false;
}

static bool push_source(struct pool_call *call, struct pool_source_spec spec)
{
    struct pool_source_spec *grown =
        realloc(call->sources, (call->source_count + 1) * sizeof *grown);
    if (!grown)
        return false;
    call->sources = grown;
    call->sources[call->source_count++] = spec;
    return true;
}

static bool push_file(struct pool_call *call, const char *file, bool linked, dragon_error_t *error)
{
    struct pool_source_spec spec = {.is_file = true, .file = file, .linked = linked};
    if (!*file)
        return wrong(error, "a file needs a name");
    return push_source(call, spec) || wrong(error, "out of memory");
}

static bool take_delimiter(struct pool_call *call, const char *value, dragon_error_t *error)
{
    static const char *const escapes = "n\nt\tr\r\\\\";
    if (value[0] && !value[1]) {
        call->separator = (unsigned char)value[0];
        return true;
    }
    if (strcmp(value, "\\0") == 0) {
        call->separator = 0;
        return true;
    }
    for (const char *at = escapes; *at && value[0] == '\\' && value[1] && !value[2]; at += 2)
        if (*at == value[1]) {
            call->separator = (unsigned char)at[1];
            return true;
        }
    return wrong(error, "give one character, or \\n, \\t, \\0");
}

static bool take_of_input(struct pool_call *call, int id, const char *value, dragon_error_t *error)
{
    switch (id) {
    case 'a':
        return push_file(call, value, false, error);
    case 'n':
        return option_count(value, 1, ARGS_MOST, &call->max_args, error);
    case 'C':
        return option_text(value, &call->colsep, error);
    case '0':
        call->separator = 0;
        return true;
    case 'd':
        return take_delimiter(call, value, error);
    case 'r':
        call->skip_empty = true;
        return true;
    case 'I':
        return option_text(value, &call->replace, error);
    default:
        call->quote = true;
        return true;
    }
}

static bool take_of_place(struct pool_call *call, int id, const char *value, dragon_error_t *error)
{
    uint32_t number;
    switch (id) {
    case 'j':
        return pool_jobs_parse(value, &call->jobs, error);
    case 'c':
        return option_count(value, 1, CORES_MOST, &call->cores, error);
    case 'g':
        if (!option_count(value, 0, CORES_MOST, &number, error))
            return false;
        call->gpus = (int)number;
        return true;
    case OPTION_MPI:
        return option_count(value, 1, RANKS_MOST, &call->mpi_ranks, error);
    default:
        return option_text(value, &call->hosts, error);
    }
}

static bool take_of_output(struct pool_call *call, int id, const char *value, dragon_error_t *error)
{
    static const char *const words[] = {"auto", "always", "never", "plain"};
    size_t index = PROGRESS_ALWAYS;
    switch (id) {
    case 'k':
        call->keep_order = true;
        return true;
    case OPTION_TAG:
        call->tag = "{}";
        return true;
    case OPTION_TAGSTRING:
        return option_text(value, &call->tag, error);
    case OPTION_RESULTS:
        return option_text(value, &call->results, error);
    case OPTION_JOBLOG:
        return option_text(value, &call->joblog, error);
    default:
        if (value && !option_choice(value, words, sizeof words / sizeof *words, &index, error))
            return false;
        call->progress = (enum pool_progress_when)index;
        return true;
    }
}

static bool take_of_run(struct pool_call *call, int id, const char *value, dragon_error_t *error)
{
    switch (id) {
    case OPTION_RESUME:
        call->resume = true;
        return true;
    case OPTION_RESUME_FAILED:
        call->resume_failed = true;
        return true;
    case OPTION_HALT:
        return pool_halt_parse(value, &call->halt, error);
    case OPTION_RETRIES:
        return option_count(value, 1, UINT32_MAX, &call->tries, error);
    case OPTION_TIMEOUT:
        return option_duration(value, &call->limit_ms, error) &&
               (call->limit_ms > 0 || wrong(error, "nothing can be done in that time"));
    case OPTION_DELAY:
        return option_duration(value, &call->delay_ms, error);
    case OPTION_DRY_RUN:
        call->dry_run = true;
        return true;
    case OPTION_QUIET:
        log_set_level(LOG_LEVEL_QUIET);
        return true;
    default:
        call->verbose = true;
        log_set_level(LOG_LEVEL_VERBOSE);
        return true;
    }
}

static bool take_option(void *arg, int id, const char *value, dragon_error_t *error)
{
    static const int of_input[] = {'a', 'n', 'C', '0', 'd', 'r', 'I', 'q', 0};
    static const int of_place[] = {'j', 'c', 'g', OPTION_MPI, 'H', 0};
    static const int of_output[] = {
        'k', OPTION_TAG, OPTION_TAGSTRING, OPTION_RESULTS, OPTION_JOBLOG, OPTION_PROGRESS, 0};
    for (const int *at = of_input; *at; at++)
        if (*at == id)
            return take_of_input(arg, id, value, error);
    for (const int *at = of_place; *at; at++)
        if (*at == id)
            return take_of_place(arg, id, value, error);
    for (const int *at = of_output; *at; at++)
        if (*at == id)
            return take_of_output(arg, id, value, error);
    return take_of_run(arg, id, value, error);
}

static const struct options options = {
    .command = "dragon-pool",
    .usage = "[OPTION...] [COMMAND [ARG...]] [::: ARG... | :::: FILE...]...",
    .about = about,
    .rows = rows,
    .take = take_option,
    .aliases = aliases,
};

// ---- what follows the options

// ":::", "::::", and both with "+".
static bool is_source(const char *word)
{
    return strcmp(word, ":::") == 0 || strcmp(word, "::::") == 0 || strcmp(word, ":::+") == 0 ||
           strcmp(word, "::::+") == 0;
}

// From the word ":::" on; the index of what follows.
static int take_source(struct pool_call *call, const struct options *mine, char **argv, int at)
{
    const char *word = argv[at++];
    bool files = word[3] == ':', linked = strchr(word, '+') != NULL;
    dragon_error_t error;
    int from = at;
    while (argv[at] && !is_source(argv[at]))
        at++;
    if (linked && call->source_count == 0)
        options_refuse(mine, "%s goes along with arguments before it: there are none", word);
    if (files && at == from)
        options_refuse(mine, "%s: which file?", word);
    if (!files && !push_source(call, (struct pool_source_spec){.linked = linked,
                                                               .words = argv + from,
                                                               .count = (size_t)(at - from)}))
        options_refuse(mine, "out of memory");
    for (int i = from; files && i < at; i++)
        if (!push_file(call, argv[i], linked && i == from, &error))
            options_refuse(mine, "%s: %s", word, error.text);
    return at;
}

static void check(const struct pool_call *call, const struct options *mine)
{
    if (call->no_output)
        options_refuse(mine, "standard output is closed: what tasks write would be lost");
    if ((call->resume || call->resume_failed) && !call->joblog)
        options_refuse(mine, "--resume goes on from a job log: give --joblog FILE too");
    if (call->max_args > 1 && call->source_count > 1)
        options_refuse(mine, "--max-args takes arguments of one source, not of %zu",
                       call->source_count);
    if (call->mpi_ranks && call->jobs.kind != JOBS_AUTO && call->jobs.kind != JOBS_NUMBER)
        options_refuse(mine, "--mpi: give --jobs as a number: of programs at a time, in all");
    if (call->quote && call->words == 0)
        options_refuse(mine, "--quote: there is no command");
    for (size_t i = 0, readers = 0; i < call->source_count; i++) {
        readers += call->sources[i].is_file && strcmp(call->sources[i].file, "-") == 0;
        if (readers > 1)
            options_refuse(mine, "standard input can be read only once");
        if (readers && call->no_input)
            options_refuse(mine, "standard input is closed");
    }
}

void pool_call_take(struct pool_call *call, int argc, char **argv)
{
    struct options mine = options;
    dragon_error_t error;
    *call = (struct pool_call){.gpus = -1,
                               .separator = '\n',
                               .max_args = 1,
                               .tries = 1,
                               .no_input = fcntl(STDIN_FILENO, F_GETFD) < 0,
                               .no_output = fcntl(STDOUT_FILENO, F_GETFD) < 0};
    self_fill_streams();
    mine.arg = call;
    int at = options_parse(&mine, argc, argv);
    call->command = argv + at;
    while (argv[at] && !is_source(argv[at]))
        at++;
    call->words = (size_t)(argv + at - call->command);
    if (call->words == 0 && argc == 1 && isatty(STDIN_FILENO))
        options_refuse(&mine, "which command?");
    while (argv[at])
        at = take_source(call, &mine, argv, at);
    if (call->source_count == 0 && !push_file(call, "-", false, &error))
        options_refuse(&mine, "%s", error.text);
    check(call, &mine);
}

void pool_call_fini(struct pool_call *call)
{
    free(call->sources);
}
