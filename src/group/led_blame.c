// SPDX-License-Identifier: BSD-3-Clause
//
// Why a group has not ended well. The cause that is told is the first failure that was a rank's own. Ranks
// that we told to stop do not count. A death by a signal displaces an exit code or an abort that was
// heard of first: when a rank dies its peers notice, and their complaints may arrive before the news of its
// death.
#include "config.h"

#include "group/led.h"

#include <signal.h>
#include <stdarg.h>

enum { LINES_KEPT = 16 };

struct last_lines {
    struct last_lines *next;
    uint32_t rank;
    char text[];
};

void led_blame(struct led *led, enum weight weight, int code, const char *format, ...)
{
    va_list args;
    if (weight <= led->weight)
        return;
    led->weight = weight;
    led->code = code;
    led->blamed = -1;
    va_start(args, format);
    vsnprintf(led->cause, sizeof led->cause, format, args);
    va_end(args);
}

bool rank_failed(const struct rank_report *report)
{
    return report->end != RANK_EXITED || report->value != 0;
}

static void blame_ended(struct led *led, const struct rank_report *report, const char *who)
{
    int code = rank_report_code(report), value = report->value;
    switch ((enum rank_end)report->end) {
    case RANK_EXITED:
        led_blame(led, WEIGHT_COMPLAINT, code, "%s exited with code %d", who, value);
        break;
    case RANK_SIGNALED:
        led_blame(led, WEIGHT_DEATH, code, "%s was killed by signal %d (%s)", who, value,
                  strsignal(value));
        break;
    case RANK_NO_MEMORY:
        led_blame(led, WEIGHT_DEATH, code, "%s was killed: it took more memory than its limit",
                  who);
        break;
    case RANK_NOT_STARTED:
        led_blame(led, WEIGHT_DEATH, code, "rank %u could not be started on %s: %s", report->rank,
                  leader_node_name(led->leader, report->node), strerror(value));
        break;
    case RANK_UNFINISHED:
        led_blame(led, WEIGHT_COMPLAINT, code ? code : 1,
                  "%s exited with code %d after MPI_Init and without MPI_Finalize", who, value);
        break;
    case RANK_STUCK:
        led_blame(led, WEIGHT_DEATH, code,
                  "%s does not end, though it was killed; it hangs in the kernel", who);
        break;
    case RANK_UNCONNECTED:
        led_blame(
            led, WEIGHT_COMPLAINT, 125,
            "%s exited without ever connecting to PMI: its MPI library found no process manager "
            "it knows and ran as a world of one, or it is no MPI program (leave --pmi out then)",
            who);
        break;
    case RANK_LOST: // ranks of an MPI job may have died of it before it was noticed
        led_blame(led, led->pmi ? WEIGHT_LOST : WEIGHT_DEATH, code,
                  "%s is gone with its node %u (host %s), which is lost", who, report->node,
                  led->leader->hosts[report->node]);
        break;
    case RANK_UP:
    case RANK_ENDS:
        break;
    }
}

void led_blame_report(struct led *led, const struct rank_report *report)
{
    char who[128], after[40] = "";
    enum weight before = led->weight;
    uint32_t restarts = led->ranks[report->rank].state.restarts;
    if (!rank_failed(report))
        return;
    if (restarts)
        snprintf(after, sizeof after, ", restarted %u time%s,", restarts, restarts == 1 ? "" : "s");
    snprintf(who, sizeof who, "rank %u on %s (pid %d)%s", report->rank,
             leader_node_name(led->leader, report->node), report->pid, after);
    blame_ended(led, report, who);
    if (led->weight != before)
        led->blamed = report->rank;
}

void led_keep_lines(struct led *led, uint32_t rank, const char *text)
{
    size_t length = strlen(text), kept = 0;
    struct last_lines **at = &led->lines;
    for (; *at && (*at)->rank != rank; at = &(*at)->next)
        if (++kept >= LINES_KEPT)
            return; // the first that failed are those that matter
    struct last_lines *lines = malloc(sizeof *lines + length + 1);
    if (!lines)
        return;
    *lines = (struct last_lines){.rank = rank};
    memcpy(lines->text, text, length + 1);
    if (*at) { // of an end after which it was started again
        lines->next = (*at)->next;
        free(*at);
    }
    *at = lines;
}

const char *led_last_lines(const struct led *led)
{
    for (const struct last_lines *lines = led->lines; lines; lines = lines->next)
        if (lines->rank == led->blamed)
            return lines->text;
    return "";
}

void led_drop_lines(struct led *led)
{
    while (led->lines) {
        struct last_lines *next = led->lines->next;
        free(led->lines);
        led->lines = next;
    }
}
