// SPDX-License-Identifier: BSD-3-Clause
//
// What the parts of dragon-pg share: a *command* is what the command line, or a file given with --spec,
// stands for. It becomes a process group (pg_group.c), or JSON again (pg_spec_print.c).
#ifndef CLI_PG_H
#define CLI_PG_H

#include "base/base.h"
#include "cli/options.h"

#include <dragon/dragon.h>

enum { PG_EXIT_OURS = 125, PG_RANKS_LIMIT = 1 << 20 };

enum pg_option {
    PG_PPN = 256,
    PG_CORES,
    PG_GPU_LIST,
    PG_BIND,
    PG_MAP_BY,
    PG_MEMORY,
    PG_ENV,
    PG_ENV_REMOVE,
    PG_CWD,
    PG_OUTPUT,
    PG_ERROR,
    PG_STDIN,
    PG_PMI,
    PG_SIGNAL,
    PG_GRACE,
    PG_RESTART,
    PG_ON_FAILURE,
    PG_ON_FULL,
    PG_WAIT,
    PG_OVERSUBSCRIBE,
    PG_DRY_RUN,
    PG_DISPLAY,
    PG_JSON,
    PG_STATUS_FILE,
    PG_NAME,
    PG_DETACH,
    PG_SPEC,
    PG_PRINT_SPEC,
};

// All texts and lists of these three are owned; NULL: not said.
struct pg_policy {
    char *hosts, *core_list, *gpu_list;
    dragon_map_t map;
    dragon_bind_t bind;
    uint32_t ppn, cores;   // 0: not said
    int gpus;              // -1: not said
    uint64_t memory_bytes; // 0: not said
};

// A program and its ranks.
struct pg_part {
    char **program;
    uint32_t ranks; // 0: as many as fit
    struct pg_policy policy;
    char **env; // edits, see base/edits.h
    char *cwd;
    char *output, *error; // "inherit", "none", of errors "merge", or a file
    char *input;          // "none" or a file; NULL: what the group says
};

enum pg_failure { PG_FAILURE_UNSET, PG_FAILURE_STOP, PG_FAILURE_CONTINUE, PG_FAILURE_RESTART };

struct pg_command {
    // the group
    char *name;
    bool pmi, label, detach;
    uint64_t limit_ms; // 0: none
    uint64_t grace_ms;
    int warn_signal;  // 0: none
    uint64_t warn_ms; // so long before the limit
    int restarts;     // of --restart; -1: not said
    enum pg_failure failure;
    int failure_restarts; // of --on-failure=restart
    dragon_full_t full;
    uint64_t wait_ms; // 0: not said
    bool input_said;
    int input_rank;     // or DRAGON_ALL_RANKS, DRAGON_NO_RANK
    struct pg_part all; // what is said for all parts: of it policy and env count
    struct pg_part *parts;
    size_t count;

    // what is done with it
    bool dry_run, json, print_spec, display_map, display_bind;
    char *status_file, *spec; // owned

    struct pg_part *at; // whom rank options are for at present
    bool is_first;      // options of the group may be given
};

// ---- pg_parts.c

void pg_command_init(struct pg_command *command);
void pg_command_fini(struct pg_command *command);
struct pg_part *pg_command_add_part(struct pg_command *command); // NULL: out of memory

// Takes the whole command line, and what --spec names; exits when it is wrong. argv is as of main.
void pg_command_take(struct pg_command *command, int argc, char **argv);

// What cannot be seen from one option alone. False with the reason.
bool pg_command_check(const struct pg_command *command, dragon_error_t *error);

// Replaces the text; false: out of memory.
bool pg_set_text(char **text, const char *value);

// ---- pg_options.c

bool pg_take_option(void *arg, int id, const char *value, dragon_error_t *error);

// ---- pg_table.c

extern const struct options pg_options; // its arg is to be set to the command

// The word for a value, "" when there is none; and the value of a word, which is known to be one.
const char *pg_map_name(dragon_map_t map);
dragon_map_t pg_map_value(const char *name);
dragon_bind_t pg_bind_value(const char *name);
const char *pg_full_name(dragon_full_t full);
dragon_full_t pg_full_value(const char *name);
const char *pg_failure_name(enum pg_failure failure);
enum pg_failure pg_failure_value(const char *name);

// ---- pg_spec.c

// The JSON text becomes the group and its parts. False with the reason, and the place in the text.
bool pg_spec_read(struct pg_command *command, const char *text, size_t length,
                  dragon_error_t *error);
// The file of that name; "-" is standard input. On success *text_out is the caller's to free.
bool pg_spec_load(const char *name, char **text_out, size_t *length_out, dragon_error_t *error);
// Makes the text our standard input, for another process that reads it with `--spec -`.
bool pg_spec_hand_over(const char *text, size_t length);

// ---- pg_spec_print.c

// The JSON that pg_spec_read would take; the caller frees. NULL: out of memory.
char *pg_spec_format(const struct pg_command *command);

// ---- pg_group.c

// Makes the group as the command says. The runtime may be NULL: then everything is checked that can be
// without one, and *group_out is not written.
dragon_err_t pg_group_create(const struct pg_command *command, dragon_runtime_t *runtime,
                             dragon_group_t **group_out, dragon_error_t *error);
// The program of a rank's template.
const char *pg_program(const struct pg_command *command, uint32_t number);

// ---- pg_show.c: where ranks are, or would be

// Which columns of the plan.
struct pg_view {
    bool bind; // cores, bound to, GPUs
    bool json;
};
// The table or the JSON, which the caller frees; NULL with the reason.
char *pg_show_plan(const struct pg_command *command, dragon_runtime_t *runtime,
                   const dragon_group_t *group, struct pg_view view, dragon_error_t *error);
// Says it when ranks share cores though they should not, or are of one MPI program.
void pg_show_sharing(const struct pg_command *command, const dragon_group_t *group);

// ---- pg_status.c: the status file

struct pg_times {
    double started, ended;         // seconds since 1970; 0: not yet
    uint64_t started_ms, ended_ms; // of the monotonic clock
};
// Before anything is started: whether the file can be made. An old one is removed, so that what is there in the
// end is of this run. False: it said why not.
bool pg_status_prepare(const char *name);
// Which nodes there are: read once, while the runtime is there. The caller frees with strv_free.
char **pg_status_nodes(dragon_runtime_t *runtime);
// Writes it, whole or not at all. `group` NULL: there is none. False: it said why not.
bool pg_status_write(const struct pg_command *command, const dragon_group_t *group,
                     char *const *nodes, const struct pg_times *times, int exit_code,
                     const char *cause);

// ---- pg_signals.c

struct pg_signals {
    int fd;
    int interrupts; // Ctrl-C
    bool stop;      // by a signal to us, of which whoever sent it knows
    bool leave;     // at once
    uint64_t early; // signals that came before there were ranks, one bit each
};

bool pg_signals_open(struct pg_signals *signals);
void pg_signals_close(struct pg_signals *signals);
// Takes those that came.
void pg_signals_take(struct pg_signals *signals, dragon_runtime_t *runtime, dragon_group_t *group);
// The ranks are there: passes on what came early.
void pg_signals_started(struct pg_signals *signals, dragon_group_t *group);

#endif
