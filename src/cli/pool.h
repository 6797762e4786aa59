// SPDX-License-Identifier: BSD-3-Clause
//
// What the parts of dragon-pool share. The command line becomes a `struct pool_call` (pool_options.c). Then each set of
// arguments that the input gives (pool_input.c) becomes a command line by the template (pool_template.c), is run by a
// pool of the library (pool_run.c), and what came of it is written (pool_output.c) and noted (pool_log.c).
#ifndef CLI_POOL_H
#define CLI_POOL_H

#include "base/base.h"

#include <dragon/dragon.h>

#include <regex.h>
#include <stdio.h>

enum {
    POOL_EXIT_MANY = 101, // so many tasks failed, or more
    POOL_EXIT_TIME = 124, // of a task
    POOL_EXIT_OURS = 125,
    POOL_EXIT_SIGNAL = 128,
    POOL_EXIT_PIPE = 141, // who reads our output went away
};

// ---- when it ends early (pool_halt.c)

enum pool_halt_what { HALT_NEVER, HALT_FAIL, HALT_SUCCESS, HALT_DONE };

struct pool_halt {
    enum pool_halt_what what;
    bool now;       // those that run are ended
    bool percent;   // of all tasks
    uint32_t limit; // tasks, or percent
};

struct pool_counts {
    uint64_t total; // 0: not known yet
    uint64_t done;  // of these
    uint64_t failed;
};

bool pool_halt_parse(const char *value, struct pool_halt *halt_out, dragon_error_t *error);
// Whether it is time, after a task that did or did not fail.
bool pool_halt_reached(const struct pool_halt *halt, const struct pool_counts *counts);

// ---- how many at a time

enum pool_jobs_kind { JOBS_AUTO, JOBS_NUMBER, JOBS_PERCENT, JOBS_MORE, JOBS_MOST };

struct pool_jobs { // on each node
    enum pool_jobs_kind kind;
    int number; // of MORE: may be negative
};

bool pool_jobs_parse(const char *value, struct pool_jobs *jobs_out, dragon_error_t *error);
uint32_t pool_jobs_on(const struct pool_jobs *jobs, uint32_t cores);

// ---- the call (pool_options.c)

enum pool_progress_when { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER, PROGRESS_PLAIN };

struct pool_source_spec { // where arguments come from
    bool is_file;         // else words
    bool linked;          // goes along with the one before
    const char *file;     // "-": standard input
    char **words;         // borrowed from argv
    size_t count;
};

struct pool_call {
    char **command; // borrowed from argv; the first `words` of it
    size_t words;
    struct pool_source_spec *sources; // owned
    size_t source_count;
    struct pool_jobs jobs;
    uint32_t cores, mpi_ranks, max_args, tries;
    int gpus; // -1: nothing is said
    const char *hosts, *joblog, *results, *colsep, *tag, *replace;
    int separator; // of arguments in the input
    struct pool_halt halt;
    uint64_t limit_ms, delay_ms;
    enum pool_progress_when progress;
    bool keep_order, resume, resume_failed, dry_run, quote, skip_empty, verbose;
    bool no_input, no_output; // ours were closed by who started us
};

void pool_call_take(struct pool_call *call, int argc, char **argv);
void pool_call_fini(struct pool_call *call);

// ---- arguments (pool_input.c, pool_source.c)

enum pool_next {
    NEXT_ARGS,
    NEXT_WAIT, // for input_fd to be readable
    NEXT_END,
    NEXT_FAILED,
};

struct pool_source;
struct pool_input {
    struct pool_source *sources; // owned
    size_t count;
    size_t *at;      // owned: of each source, where it is
    bool begun;      // `at` stands for a combination that was handed out
    uint32_t group;  // arguments of one source that go together
    char **gathered; // owned: of them
    bool has_columns;
    regex_t columns;
};

bool pool_input_open(struct pool_input *input, const struct pool_call *call, dragon_error_t *error);
void pool_input_close(struct pool_input *input);
// *args_out: the caller frees with strv_free.
enum pool_next pool_input_next(struct pool_input *input, char ***args_out, dragon_error_t *error);
// What to wait for, and then to read ahead; -1: nothing.
int pool_input_fd(const struct pool_input *input);
bool pool_input_read(struct pool_input *input, dragon_error_t *error);
uint64_t pool_input_total(const struct pool_input *input); // sets of arguments in all; 0: not known
// One text as columns. NULL: out of memory.
char **pool_columns(const regex_t *columns, const char *text);

struct pool_source {
    char **words; // all of it, borrowed or owned; NULL: it is read as it is needed
    size_t count;
    bool owned, linked, eof;
    bool starved; // there was no whole line
    int fd;       // -1: not open
    int separator;
    const char *name; // for words
    char *data;       // owned: what was read and not handed out
    size_t start, end, room;
    uint64_t taken; // lines handed out
    uint64_t left;  // after the end: lines that are still there
};

bool pool_source_open(struct pool_source *source, const struct pool_source_spec *spec,
                      int separator, dragon_error_t *error);
void pool_source_close(struct pool_source *source);
// Reads what is there, or waits for it. False with the reason.
bool pool_source_read(struct pool_source *source, dragon_error_t *error);
bool pool_source_wants(const struct pool_source *source); // it has room, and there may be more
// The next one, the caller's to free.
enum pool_next pool_source_next(struct pool_source *source, char **text_out, dragon_error_t *error);
bool pool_source_load(struct pool_source *source, dragon_error_t *error); // all of it

// ---- command lines (pool_template.c, pool_quote.c)

struct pool_template; // see pool_template.c

struct pool_line {
    char **argv; // owned: what is run
    char *text;  // owned: how it is shown
};
struct pool_place { // for {#} and {%}
    uint64_t seq;
    uint32_t slot;
};

struct pool_template *pool_template_create(const struct pool_call *call); // NULL: out of memory
void pool_template_destroy(struct pool_template *template);
bool pool_template_expand(const struct pool_template *template, char *const *args,
                          struct pool_place place, struct pool_line *line_out);
void pool_line_fini(struct pool_line *line);
// One word as text, for --tagstring. NULL: out of memory.
char *pool_template_text(const struct pool_call *call, const char *word, char *const *args,
                         struct pool_place place);

// A text that grows, for what is put together.
struct pool_text {
    char *data; // owned; ended by a zero
    size_t bytes, room;
    bool failed;
};
void pool_text_add(struct pool_text *text, const char *data, size_t bytes);
void pool_text_quote(struct pool_text *text, const char *word, size_t bytes); // for a shell

bool pool_needs_shell(const char *word, bool is_first); // what is no replacement in it
const char *pool_shell(void);

// ---- tasks

struct pool_run; // see pool_run.h
struct pool_task {
    uint64_t seq;   // from 1, in the order of the input
    uint64_t order; // from 0, of those that are run
    uint32_t slot;  // from 1
    uint32_t tries;
    char **args;             // owned
    struct pool_line line;   // owned
    dragon_result_t *result; // owned
    struct pool_run *run;    // borrowed
    struct pool_task *next;  // of those that are done and not looked at
    // once it is done
    int code, signal;
    bool canceled;
    bool gone; // its worker, each time
    bool lost; // a worker, and was run again
    double started, seconds;
    const char *host;         // borrowed; NULL: it was not run
    dragon_command_end_t end; // borrowed from the result
    char *error;              // owned: why it was not run to its end
};
// Takes from its result what came of it.
void pool_task_take(struct pool_task *task, const dragon_system_t *system);
void pool_task_destroy(struct pool_task *task);

// ---- the job log (pool_log.c)

struct pool_log {
    int fd; // -1: none
    const char *name;
    uint64_t *done; // owned: bits of the tasks not to be run again
    uint64_t bits;
};
bool pool_log_open(struct pool_log *log, const struct pool_call *call, dragon_error_t *error);
void pool_log_close(struct pool_log *log);
bool pool_log_has(const struct pool_log *log, uint64_t seq);
bool pool_log_write(struct pool_log *log, const struct pool_task *task, dragon_error_t *error);

struct pool_log_line {
    uint64_t seq;
    bool failed;
};
// False: this is no line of a task.
bool pool_log_parse(const char *line, struct pool_log_line *line_out);

// ---- output (pool_output.c, pool_results.c)

struct pool_output {
    const struct pool_call *call; // borrowed
    // Whether to go on: called while a reader makes us wait.
    bool (*wait)(void *arg, int fd);
    void *arg;
};
// 0, or the errno of why it cannot be written; ECANCELED: `wait` said so.
int pool_output_write(struct pool_output *output, const struct pool_task *task);
bool pool_results_write(const struct pool_call *call, const struct pool_task *task,
                        dragon_error_t *error);
// The folder of a task below --results, "1/a/2/b". NULL: out of memory.
char *pool_results_path(char *const *args);

// ---- progress (pool_progress.c)

struct pool_progress {
    bool line, plain; // on a terminal; for a log
    bool shown;       // there is a line on the terminal
    uint64_t begun_ms, next_ms;
};
void pool_progress_init(struct pool_progress *progress, enum pool_progress_when when);
int pool_progress_wait_ms(const struct pool_progress *progress); // -1: for ever
void pool_progress_show(struct pool_progress *progress, const struct pool_counts *counts,
                        uint32_t running);
void pool_progress_hide(struct pool_progress *progress);
void pool_progress_end(struct pool_progress *progress, const struct pool_counts *counts);
// "120/1000 done, 2 failed, 35.2/s, 25s left". Returns `text`.
char *pool_progress_text(const struct pool_counts *counts, uint32_t running, uint64_t ms,
                         char *text, size_t room);

// ---- the workers (pool_crew.c)

// *slots_out: how many tasks are under way at a time.
dragon_err_t pool_crew_start(const struct pool_call *call, dragon_runtime_t *runtime,
                             const dragon_system_t *system, uint64_t total,
                             dragon_pool_t **pool_out, uint32_t *slots_out, dragon_error_t *error);

// ---- the whole (pool_run.c)

int pool_run(const struct pool_call *call);
int pool_dry_run(const struct pool_call *call);

#endif
