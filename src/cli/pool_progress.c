// SPDX-License-Identifier: BSD-3-Clause
//
// How far it is: a line at the foot of a terminal, or now and then a line for a log. All on standard error.
#include "config.h"

#include "cli/pool.h"

#include "cli/text.h"

#include <sys/ioctl.h>
#include <unistd.h>

enum {
    LINE_FIRST_MS = 500, // what is done at once needs none
    LINE_MS = 100,
    PLAIN_MS = 30000,
    WIDTH = 80,
};

// The outputs of a job go to a file, which somebody looks at.
static bool is_in_batch_job(void)
{
    static const char *const names[] = {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "COBALT_JOBID",
                                        "FLUX_JOB_ID"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (getenv(names[i]))
            return true;
    return false;
}

static bool is_terminal(void)
{
    const char *terminal = getenv("TERM");
    return isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
}

void pool_progress_init(struct pool_progress *progress, enum pool_progress_when when)
{
    *progress = (struct pool_progress){.begun_ms = time_now_ms()};
    progress->line = when != PROGRESS_NEVER && when != PROGRESS_PLAIN && is_terminal();
    progress->plain = when == PROGRESS_PLAIN || (when == PROGRESS_ALWAYS && !progress->line) ||
                      (when == PROGRESS_AUTO && !progress->line && is_in_batch_job());
    progress->next_ms = progress->begun_ms + (progress->line ? LINE_FIRST_MS : PLAIN_MS);
}

int pool_progress_wait_ms(const struct pool_progress *progress)
{
    return progress->line || progress->plain ? time_left_ms(progress->next_ms) : -1;
}

static void add_rate(char *text, size_t room, double rate)
{
    snprintf(text, room, rate >= 100 ? "%.0f/s" : rate >= 1 ? "%.1f/s" : "%.3f/s", rate);
}

char *pool_progress_text(const struct pool_counts *counts, uint32_t running, uint64_t ms,
                         char *text, size_t room)
{
    char total[32] = "", failed[40] = "", pace[32] = "", left[32] = "", age[24];
    double rate = ms ? (double)counts->done * 1000 / (double)ms : 0;
    if (counts->total)
        snprintf(total, sizeof total, "/%llu", (unsigned long long)counts->total);
    if (counts->failed)
        snprintf(failed, sizeof failed, ", %llu failed", (unsigned long long)counts->failed);
    if (counts->done && ms)
        add_rate(pace, sizeof pace, rate);
    if (counts->done && counts->total > counts->done && rate > 0) {
        double more_ms = (double)(counts->total - counts->done) / rate * 1000;
        text_age(more_ms > 1e15 ? (uint64_t)1e15 : (uint64_t)more_ms, age, sizeof age);
        snprintf(left, sizeof left, ", %s left", age);
    }
    snprintf(text, room, "%llu%s done%s, %u running%s%s%s", (unsigned long long)counts->done, total,
             failed, running, *pace ? ", " : "", pace, left);
    return text;
}

static unsigned width_of_terminal(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : WIDTH;
}

static void put(const char *text, size_t bytes)
{
    // Nobody reads it: it is not for the result.
    if (write(STDERR_FILENO, text, bytes) < 0)
        return;
}

void pool_progress_show(struct pool_progress *progress, const struct pool_counts *counts,
                        uint32_t running)
{
    char text[160], line[200];
    uint64_t now_ms = time_now_ms();
    if ((!progress->line && !progress->plain) || now_ms < progress->next_ms)
        return;
    progress->next_ms = now_ms + (progress->line ? LINE_MS : PLAIN_MS);
    pool_progress_text(counts, running, now_ms - progress->begun_ms, text, sizeof text);
    if (progress->plain) {
        log_notice("%s", text);
        return;
    }
    int length = snprintf(line, sizeof line, "\r%.*s\033[K", (int)width_of_terminal() - 1, text);
    put(line, (size_t)length);
    progress->shown = true;
}

void pool_progress_hide(struct pool_progress *progress)
{
    if (progress->shown)
        put("\r\033[K", 4);
    progress->shown = false;
}

void pool_progress_end(struct pool_progress *progress, const struct pool_counts *counts)
{
    char text[160];
    uint64_t ms = time_now_ms() - progress->begun_ms;
    pool_progress_hide(progress);
    if (progress->plain)
        log_notice("%s", pool_progress_text(counts, 0, ms, text, sizeof text));
}
