// SPDX-License-Identifier: BSD-3-Clause
//
// What becomes of ranks, as their hosts report it: who is started again, what stops the group.
#include "config.h"

#include "group/led.h"

static bool starts_again(const struct led *led, const struct rank_report *report)
{
    const struct rank_state *state = &led->ranks[report->rank].state;
    if (led->state != LED_RUNNING || report->ours || report->end == RANK_NOT_STARTED ||
        report->end == RANK_STUCK || report->end == RANK_LOST || state->removed ||
        state->restarts >= led->restart_most)
        return false;
    return led->restart == DRAGON_RESTART_ALWAYS ||
           (led->restart == DRAGON_RESTART_FAILED && rank_failed(report));
}

static void start_again(struct led *led, uint32_t rank)
{
    struct backoff *backoff = &led->ranks[rank].backoff;
    led_order_rank(led, rank, RANK_START_AGAIN,
                   backoff_next(backoff, led->backoff_ms, time_now_ms()));
}

static bool ends_the_group(const struct led *led, const struct rank_report *report)
{
    if (report->end == RANK_NOT_STARTED)
        return true;
    return led->failure == DRAGON_FAILURE_STOP && !report->ours && rank_failed(report);
}

bool led_take_report(struct led *led, struct rank_report *report)
{
    struct rank_state *state = &led->ranks[report->rank].state;
    if (report->end == RANK_UP) {
        state->pid = report->pid;
        state->restarts += state->code >= 0;
        backoff_up(&led->ranks[report->rank].backoff, time_now_ms());
        return false;
    }
    if (report->pid)
        state->pid = report->pid;
    state->code = rank_report_code(report);
    state->lost = report->end == RANK_LOST;
    report->again = starts_again(led, report);
    if (report->again) {
        start_again(led, report->rank);
        return false;
    }
    led->over++;
    if (!report->ours)
        led_blame_report(led, report);
    led_give_rank(led, report->rank);
    return ends_the_group(led, report);
}

bool leader_on_reports(struct leader *leader, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    struct led *led = led_find(leader, unpack_u64(&unpack));
    struct pack reports = PACK_EMPTY;
    struct rank_report report;
    bool stop = false;
    if (unpack.failed || unpack_left(&unpack) % RANK_REPORT_BYTES != 0)
        return false;
    if (!led)
        return true;
    pack_u64(&reports, led->group);
    while (unpack_left(&unpack) > 0 && rank_report_unpack(&unpack, &report)) {
        if (report.rank >= led->size || led->ranks[report.rank].state.ended)
            continue;
        stop = led_take_report(led, &report) || stop;
        rank_report_pack(&reports, &report);
    }
    led_to_clients(led, GC_REPORTS, &reports);
    pack_fini(&reports);
    if (stop)
        led_stop(led, FAILURE_GRACE_MS, "a rank failed");
    else
        led_check_over(led);
    return true;
}
