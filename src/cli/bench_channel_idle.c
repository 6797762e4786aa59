// SPDX-License-Identifier: BSD-3-Clause
//
// What a process costs that waits for a message, of its own node and of another one.
#include "config.h"

#include "cli/bench_channel.h"

#include <unistd.h>

struct waiting {
    long wakeups, ticks;
};

// A process that waits at a channel of this node, looked at for so long.
static bool look_at(struct bench *bench, int node, unsigned seconds, struct figure *figure,
                    struct waiting *waiting_out)
{
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    struct crew crew = {.bench = bench, .figure = figure};
    struct usage before, after;
    bool good = false;
    dragon_channel_t *from = bench_channel_make(bench, &spec, figure), *to = NULL;
    spec.node = node;
    if (from)
        to = bench_channel_make(bench, &spec, figure);
    struct partner_plan plan = {
        .role = PARTNER_WAIT, .cores = "", .node = DRAGON_HERE, .channels = {to, from}};
    if (to && bench_crew_add(&crew, &plan)) {
        sleep(1); // it has gone to sleep
        good = usage_read(crew.pids[0], &before);
        sleep(seconds);
        good = usage_read(crew.pids[0], &after) && good;
        if (!good)
            figure_fail(figure, "the process that waits cannot be looked at in /proc");
        dragon_channel_send(to, NULL, 0, TAG_STOP, BENCH_WAIT_MS);
    }
    bench_crew_end(&crew);
    if (to)
        dragon_channel_destroy(to, NULL);
    if (from)
        dragon_channel_destroy(from, NULL);
    if (good)
        *waiting_out =
            (struct waiting){after.wakeups - before.wakeups, after.cpu_ticks - before.cpu_ticks};
    return good;
}

static void measure(struct bench *bench, int node, const char *name, const char *where)
{
    unsigned seconds = bench->quick ? 2 : 5;
    struct figure wakes = {.aim = AIM_AT_MOST, .unit = ""};
    struct figure ticks = {.aim = AIM_AT_MOST, .unit = "ticks"};
    struct waiting waiting;
    snprintf(wakes.name, sizeof wakes.name, "%s-wakes", name);
    snprintf(wakes.what, sizeof wakes.what, "wake-ups, waiting at a channel %s, %u s", where,
             seconds);
    snprintf(ticks.name, sizeof ticks.name, "%s-time", name);
    snprintf(ticks.what, sizeof ticks.what, "  its processor time then");
    bool good = look_at(bench, node, seconds, &wakes, &waiting);
    if (good)
        figure_add_ours(&wakes, (double)waiting.wakeups);
    report_figure(bench->report, &wakes);
    if (!good)
        return;
    figure_add_ours(&ticks, (double)waiting.ticks);
    report_figure(bench->report, &ticks);
}

void bench_channel_idle(struct bench *bench)
{
    int other = bench_find_other(bench).node;
    measure(bench, DRAGON_HERE, "idle-wait", "here");
    if (other >= 0)
        measure(bench, other, "idle-wait-far", "elsewhere");
}
