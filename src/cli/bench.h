// SPDX-License-Identifier: BSD-3-Clause
//
// What the parts of dragon-bench share. A word of the command ("launch") is a table of parts; a part
// measures and hands figures to the report. Further words are further tables.
//
// Everything that has a peer is measured in pairs, ours and the peer's one after the other and each
// first in turn, so that what else the machine does meets both. The ratio of a figure is the median
// of the pairs' ratios.
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "base/base.h"

#include <dragon/dragon.h>
#include <sys/types.h>

enum { BENCH_EXIT_OURS = 125 };

struct bench {
    bool quick, json;
    char **only;             // owned; NULL: all parts
    const char *mpi_program; // NULL: not given
    const char *mpiexec;     // NULL: not given
    dragon_runtime_t *runtime;
    struct report *report;
};

struct bench_part {
    const char *name, *help;
    void (*run)(struct bench *bench);
};

struct bench_word {
    const char *name, *help;
    const struct bench_part *parts; // ends with an empty row
    int nodes;                      // of the runtime that is started for it
};

extern const struct bench_part bench_launch_parts[];  // bench_launch.c
extern const struct bench_part bench_channel_parts[]; // bench_channel.c
extern const struct bench_part bench_dict_parts[];    // bench_dict.c
extern const struct bench_part bench_pool_parts[];    // bench_pool.c

// bench_plan.c
void bench_plan(struct bench *bench);

// bench_steady.c
void bench_idle(struct bench *bench);
void bench_series_mpi(struct bench *bench);
void bench_series_true(struct bench *bench);

// ---- figures (bench_report.c)

enum { FIGURE_SAMPLES = 64 };

struct samples {
    double values[FIGURE_SAMPLES];
    int count;
};

enum aim_kind { AIM_NONE, AIM_AT_MOST, AIM_AT_LEAST };

struct figure {
    char name[48];     // "spawn-64"
    char what[80];     // "64 ranks of true, one group"
    char peer[80];     // what it is measured against; "": nothing
    const char *unit;  // "ms", "1/s", "MB", ""
    enum aim_kind aim; // of the ratio, or of ours when there is no peer
    double aim_value;
    char note[200]; // what else is to be said
    bool failed;    // nothing was measured though it should have been; the note says why
    struct samples ours, peers, ratios;
};

void figure_add(struct figure *figure, double ours, double peer);
void figure_add_ours(struct figure *figure, double ours);
// The note, once: the first one stays.
__attribute__((format(printf, 2, 3))) void figure_note(struct figure *figure, const char *format,
                                                       ...);
__attribute__((format(printf, 2, 3))) void figure_fail(struct figure *figure, const char *format,
                                                       ...);

struct report *report_create(const char *word, bool json, int fd); // NULL: out of memory
void report_destroy(struct report *report);
void report_fact(struct report *report, const char *name, const char *value);
void report_warn(struct report *report, const char *text);
void report_figure(struct report *report, const struct figure *figure);
// Figures of ours alone as a table for people: its head, then rows. In JSON they are figures like others.
void report_table(struct report *report, const char *head, const char *const *columns, int count);
void report_row(struct report *report, const char *head, const struct figure *figures, int count);
bool report_end(struct report *report); // false: a figure failed, or it could not be written

// ---- groups (bench_group.c)

struct group_run {
    char *const *argv;
    uint32_t ranks;
    bool pmi;
    const dragon_policy_t *policy; // NULL: none
};

// A group from its start to the end of the wait, in ms; below 0: `figure` got the reason.
double group_run_ms(struct bench *bench, const struct group_run *run, struct figure *figure);

// The MPI program and its peer's command, or the reason why there is none.
struct mpi_setup {
    char *program, *mpiexec; // owned
    char missing[160];       // "": both are there
};

void mpi_setup_find(const struct bench *bench, struct mpi_setup *setup);
void mpi_setup_fini(struct mpi_setup *setup);
// The settings that both sides get, as environment variables: name, value, name, value, NULL.
extern const char *const mpi_settings[];
// mpiexec with those settings; the caller frees the list with strv_free.
char **mpi_setup_command(const struct mpi_setup *setup, int ranks, const char *program,
                         const char *argument);

// ---- processes (bench_process.c)

struct usage {
    double own_mb;   // private memory
    double share_mb; // with its share of what it has in common with others (PSS)
    double rss_mb;
    long descriptors;
    long wakeups;   // context switches of all threads so far
    long cpu_ticks; // user and system time so far
};

bool usage_read(pid_t pid, struct usage *usage_out);
pid_t process_agent(void);                           // of this node; 0: not found
pid_t process_parent(pid_t pid);                     // 0: not found
pid_t process_child(pid_t parent, const char *name); // 0: not found

// ---- the machine (bench_machine.c)

void machine_report(struct bench *bench);

#endif
