// SPDX-License-Identifier: BSD-3-Clause
//
// Several partners at once: more processes than cores, and channels with several senders and receivers. They are all
// ready before they are told to go, and report when they began and ended.
#include "config.h"

#include "cli/bench_channel.h"

struct crowd {
    struct crew crew;
    struct versus *versus;
    dragon_channel_t *go, *report;         // owned
    dragon_channel_t *channels[CREW_MOST]; // owned; of the partners
    int channel_count;
};

static bool crowd_start(struct crowd *crowd, struct versus *versus)
{
    *crowd = (struct crowd){.versus = versus};
    crowd->crew.bench = versus->bench;
    crowd->crew.figure = &versus->figure;
    crowd->go = bench_channel_make(versus->bench, NULL, &versus->figure);
    crowd->report = crowd->go ? bench_channel_make(versus->bench, NULL, &versus->figure) : NULL;
    return crowd->report != NULL;
}

static dragon_channel_t *crowd_channel(struct crowd *crowd)
{
    dragon_channel_t *channel =
        bench_channel_make(crowd->versus->bench, NULL, &crowd->versus->figure);
    if (channel)
        crowd->channels[crowd->channel_count++] = channel;
    return channel;
}

static void crowd_end(struct crowd *crowd)
{
    bench_crew_end(&crowd->crew);
    for (int i = 0; i < crowd->channel_count; i++)
        dragon_channel_destroy(crowd->channels[i], NULL);
    if (crowd->report)
        dragon_channel_destroy(crowd->report, NULL);
    if (crowd->go)
        dragon_channel_destroy(crowd->go, NULL);
}

// Tells `count` partners to go.
static bool crowd_go(struct crowd *crowd, int count)
{
    for (int i = 0; i < count; i++) {
        dragon_err_t err = dragon_channel_send(crowd->go, NULL, 0, 0, BENCH_WAIT_MS);
        if (err == DRAGON_OK)
            continue;
        bench_channel_fail(&crowd->versus->figure, "the partners cannot be told to go", err);
        return false;
    }
    return true;
}

static bool crowd_report(struct crowd *crowd, struct partner_report *report_out)
{
    dragon_err_t err =
        dragon_channel_receive(crowd->report, report_out, sizeof *report_out, NULL, BENCH_WAIT_MS);
    if (err != DRAGON_OK)
        bench_channel_fail(&crowd->versus->figure, "no report of a partner", err);
    return err == DRAGON_OK;
}

// ---- more processes than cores

static bool add_pair(struct crowd *crowd)
{
    struct versus *versus = crowd->versus;
    dragon_channel_t *to = crowd_channel(crowd), *from = to ? crowd_channel(crowd) : NULL;
    struct partner_plan echo = {.role = PARTNER_ECHO,
                                .cores = versus->cores.both,
                                .wait = versus->plan.wait,
                                .node = DRAGON_HERE,
                                .channels = {to, from},
                                .numbers = {8}};
    struct partner_plan pinger = {.role = PARTNER_PINGER,
                                  .cores = versus->cores.both,
                                  .wait = versus->plan.wait,
                                  .node = DRAGON_HERE,
                                  .channels = {crowd->go, crowd->report, to, from},
                                  .numbers = {versus->ms}};
    return from && bench_crew_add(&crowd->crew, &echo) && bench_crew_add(&crowd->crew, &pinger);
}

// One way, on the average of all pairs.
static double take_pairs(struct crowd *crowd)
{
    struct partner_report report;
    double sum = 0;
    for (int i = 0; i < PAIRS_MOST; i++)
        if (!add_pair(crowd))
            return -1;
    if (!crowd_go(crowd, PAIRS_MOST))
        return -1;
    for (int i = 0; i < PAIRS_MOST; i++) {
        if (!crowd_report(crowd, &report))
            return -1;
        sum += (double)(report.end_ns - report.begin_ns) / 2e3 / (double)report.count;
    }
    return sum / PAIRS_MOST;
}

static double crowd_us(struct versus *versus)
{
    struct crowd crowd;
    double us = crowd_start(&crowd, versus) ? take_pairs(&crowd) : -1;
    crowd_end(&crowd);
    return us;
}

static double futex_crowd_us(struct versus *versus)
{
    return limit_futex_us(&versus->cores, PAIRS_MOST, versus->ms);
}

void bench_channel_crowd(struct bench *bench)
{
    struct versus versus = versus_init(bench, 8);
    versus_name(&versus, "crowd");
    versus_what(&versus, "8 bytes one way, %d pairs on 2 cores", PAIRS_MOST);
    versus_peer(&versus, "as many futex ping-pongs on them");
    versus.figure.unit = "us";
    versus.figure.aim = AIM_AT_MOST;
    versus.figure.aim_value = 2;
    versus.ms *= 3;
    versus.pairs = bench->quick ? 3 : 7;
    versus.ours = crowd_us;
    versus.peer = futex_crowd_us;
    versus_run(&versus);
}

// ---- rates

struct rate {
    int senders, receivers;
};

static const struct rate rates[] = {{1, 1}, {4, 1}, {1, 4}, {4, 4}};
enum { RATE_MESSAGES = 400000, RATE_QUICK = 40000 };

static bool add_role(struct crowd *crowd, enum partner_role role, int count, long long messages)
{
    const struct cores *cores = &crowd->versus->cores;
    char a[16], b[16];
    snprintf(a, sizeof a, "%d", cores->a);
    snprintf(b, sizeof b, "%d", cores->b);
    const char *own = role == PARTNER_SENDER ? a : b;
    struct partner_plan plan = {.role = role,
                                .cores = own,
                                .wait = crowd->versus->plan.wait,
                                .node = DRAGON_HERE,
                                .channels = {crowd->go, crowd->report, crowd->channels[0]},
                                .numbers = {(long long)crowd->versus->bytes, messages}};
    for (int i = 0; i < count; i++)
        if (!bench_crew_add(&crowd->crew, &plan))
            return false;
    return true;
}

// From the first that began to the last that ended; receivers end when the channel is closed and empty.
static double take_rate(struct crowd *crowd)
{
    const struct rate *rate = crowd->versus->arg;
    struct figure *figure = &crowd->versus->figure;
    long long messages = (crowd->versus->bench->quick ? RATE_QUICK : RATE_MESSAGES) / rate->senders;
    int both = rate->senders + rate->receivers;
    uint64_t begin = UINT64_MAX, end = 0, wanted = (uint64_t)messages * (uint64_t)rate->senders;
    uint64_t count = 0;
    dragon_error_t error;
    if (!crowd_channel(crowd) || !add_role(crowd, PARTNER_RECEIVER, rate->receivers, 0) ||
        !add_role(crowd, PARTNER_SENDER, rate->senders, messages) || !crowd_go(crowd, both))
        return -1;
    for (int i = 0; i < both; i++) {
        struct partner_report report;
        if (i == rate->senders && dragon_channel_close(crowd->channels[0], &error) != DRAGON_OK)
            return bench_channel_fail(figure, "the channel cannot be closed", error.code);
        if (!crowd_report(crowd, &report))
            return -1;
        if (i < rate->senders && report.begin_ns < begin)
            begin = report.begin_ns;
        if (report.end_ns > end)
            end = report.end_ns;
        count += report.count;
    }
    if (count != 2 * wanted) {
        figure_fail(figure, "%llu messages were sent or received, not twice %llu",
                    (unsigned long long)count, (unsigned long long)wanted);
        return -1;
    }
    return (double)wanted * 1e9 / (double)(end - begin);
}

static double crowd_rate(struct versus *versus)
{
    struct crowd crowd;
    double rate = crowd_start(&crowd, versus) ? take_rate(&crowd) : -1;
    crowd_end(&crowd);
    return rate;
}

void bench_channel_rate(struct bench *bench)
{
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct versus versus = versus_init(bench, 8);
        versus_name(&versus, "rate-%d-%d", rates[i].senders, rates[i].receivers);
        versus_what(&versus, "8 bytes, %d sender%s, %d receiver%s", rates[i].senders,
                    rates[i].senders > 1 ? "s" : "", rates[i].receivers,
                    rates[i].receivers > 1 ? "s" : "");
        versus.figure.unit = "1/s";
        versus.pairs = bench->quick ? 3 : 7;
        versus.ours = crowd_rate;
        versus.arg = &rates[i];
        versus_run(&versus);
    }
}
