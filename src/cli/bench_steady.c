// SPDX-License-Identifier: BSD-3-Clause
//
// What stays: an idle runtime's memory and wake-ups, and whether memory, descriptors and speed stay as
// they are over many groups. There is no peer here but an earlier moment of the same processes.
#include "config.h"

#include "cli/bench.h"
#include "cli/command.h"

#include <unistd.h>

// ---- idle

static void report_own(struct bench *bench, const char *name, const char *what, const char *unit,
                       double value, double most)
{
    struct figure figure = {
        .unit = unit, .aim = most < 0 ? AIM_NONE : AIM_AT_MOST, .aim_value = most};
    snprintf(figure.name, sizeof figure.name, "%s", name);
    snprintf(figure.what, sizeof figure.what, "%s", what);
    figure_add_ours(&figure, value);
    report_figure(bench->report, &figure);
}

void bench_idle(struct bench *bench)
{
    unsigned seconds = bench->quick ? 2 : 5;
    pid_t agent = process_agent(), run = process_parent(agent);
    struct usage agent_before, agent_after, run_before, run_after;
    char what[80];
    sleep(1); // what the start of this program has left to do is done
    bool good = usage_read(agent, &agent_before) && usage_read(run, &run_before);
    sleep(seconds);
    if (!good || !usage_read(agent, &agent_after) || !usage_read(run, &run_after)) {
        struct figure figure = {
            .name = "idle-agent", .what = "memory of an idle agent", .unit = "MB"};
        figure_fail(&figure, "the agent or dragon-run cannot be looked at in /proc");
        report_figure(bench->report, &figure);
        return;
    }
    report_own(bench, "idle-agent", "an idle agent, its own memory", "MB", agent_after.own_mb, 20);
    report_own(bench, "idle-agent-share", "  with its share of libraries", "MB",
               agent_after.share_mb, -1);
    report_own(bench, "idle-run", "dragon-run beside it, its own", "MB", run_after.own_mb, -1);
    report_own(bench, "idle-run-share", "  with its share of libraries", "MB", run_after.share_mb,
               -1);
    snprintf(what, sizeof what, "wake-ups of the agent in %u s", seconds);
    // Reading /proc wakes nobody up; another process's exit may.
    report_own(bench, "idle-agent-wakes", what, "",
               (double)(agent_after.wakeups - agent_before.wakeups), 0);
    snprintf(what, sizeof what, "wake-ups of dragon-run in %u s", seconds);
    report_own(bench, "idle-run-wakes", what, "", (double)(run_after.wakeups - run_before.wakeups),
               0);
    report_own(bench, "idle-time", "processor time of both then", "ticks",
               (double)(agent_after.cpu_ticks - agent_before.cpu_ticks + run_after.cpu_ticks -
                        run_before.cpu_ticks),
               0);
}

// ---- series

enum { WATCHED = 3 };

static const char *const watched_names[WATCHED] = {"agent", "helper", "client"};

// The most that was seen in a tenth of the series. The helper is replaced now and then, and the next one
// begins small: only the most of a stretch longer than its life tells whether it grows.
struct stretch {
    double ms;
    double rss_mb[WATCHED];
    long descriptors[WATCHED];
};

struct series {
    struct bench *bench;
    const char *name; // "series-mpi"
    struct group_run run;
    int groups;
    struct stretch first, last; // tenth
    struct figure rate;
};

static void stretch_look(struct stretch *stretch, double ms)
{
    pid_t agent = process_agent();
    pid_t pids[WATCHED] = {agent, process_child(agent, "dragon-pmix"), getpid()};
    struct usage usage;
    stretch->ms += ms;
    for (int i = 0; i < WATCHED; i++) {
        if (!usage_read(pids[i], &usage))
            continue;
        if (usage.rss_mb > stretch->rss_mb[i])
            stretch->rss_mb[i] = usage.rss_mb;
        if (usage.descriptors > stretch->descriptors[i])
            stretch->descriptors[i] = usage.descriptors;
    }
}

static bool series_run(struct series *series)
{
    int tenth = series->groups / 10;
    for (int i = 0; i < series->groups; i++) {
        double ms = group_run_ms(series->bench, &series->run, &series->rate);
        if (ms < 0)
            return false;
        if (i < tenth)
            stretch_look(&series->first, ms);
        else if (i >= series->groups - tenth)
            stretch_look(&series->last, ms);
    }
    figure_add(&series->rate, tenth * 1e3 / series->last.ms, tenth * 1e3 / series->first.ms);
    return true;
}

static void report_growth(struct series *series, int i, const char *what, const char *unit,
                          double first, double last, double most)
{
    struct figure figure = {.unit = unit, .aim = AIM_AT_MOST, .aim_value = most};
    snprintf(figure.name, sizeof figure.name, "%s-%s-%s", series->name, watched_names[i], what);
    snprintf(figure.what, sizeof figure.what, "  most %s of the %s", what, watched_names[i]);
    snprintf(figure.peer, sizeof figure.peer, "the same in the first tenth");
    // Ten groups are less than a helper's life.
    if (series->groups / 10 < 100 && i == 1)
        figure.aim = AIM_NONE;
    figure_add(&figure, last, first);
    report_figure(series->bench->report, &figure);
}

static void series_report(struct series *series)
{
    const struct stretch *first = &series->first, *last = &series->last;
    report_figure(series->bench->report, &series->rate);
    for (int i = 0; i < WATCHED; i++) {
        bool is_helper = i == 1;
        if ((is_helper && !series->run.pmi) || first->descriptors[i] == 0 ||
            last->descriptors[i] == 0)
            continue;
        report_growth(series, i, "memory", "MB", first->rss_mb[i], last->rss_mb[i], 1.05);
        report_growth(series, i, "descriptors", "", (double)first->descriptors[i],
                      (double)last->descriptors[i], 1);
    }
}

static void series_start(struct series *series)
{
    struct figure *rate = &series->rate;
    *rate = (struct figure){.unit = "1/s", .aim = AIM_AT_LEAST, .aim_value = 0.95};
    snprintf(rate->name, sizeof rate->name, "%s", series->name);
    snprintf(rate->what, sizeof rate->what, "group after group, the last of %d", series->groups);
    snprintf(rate->peer, sizeof rate->peer, "the first %d of them", series->groups / 10);
    if (series_run(series))
        series_report(series);
    else
        report_figure(series->bench->report, rate);
}

void bench_series_true(struct bench *bench)
{
    char *program = command_find("true");
    char *argv[] = {program, NULL};
    struct series series = {.bench = bench,
                            .name = "series-true",
                            .run = {.argv = argv, .ranks = 1},
                            .groups = bench->quick ? 200 : 10000};
    if (program)
        series_start(&series);
    free(program);
}

void bench_series_mpi(struct bench *bench)
{
    struct mpi_setup setup;
    mpi_setup_find(bench, &setup);
    struct series series = {.bench = bench,
                            .name = "series-mpi",
                            .run = {.ranks = 2, .pmi = true},
                            .groups = bench->quick ? 50 : 1000};
    char *argv[] = {setup.program, "hello", NULL};
    series.run.argv = argv;
    if (setup.program)
        series_start(&series);
    else {
        struct figure figure = {
            .name = "series-mpi", .what = "MPI group after MPI group", .unit = "1/s"};
        figure_note(&figure, "skipped: %s", setup.missing);
        report_figure(bench->report, &figure);
    }
    mpi_setup_fini(&setup);
}
