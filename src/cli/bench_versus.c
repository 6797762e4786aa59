// SPDX-License-Identifier: BSD-3-Clause
//
// Pairs of ours and a peer's, one after the other, each first in turn.
#include "config.h"

#include "cli/bench_channel.h"

#include <stdarg.h>

struct versus versus_init(struct bench *bench, size_t bytes)
{
    struct versus versus = {
        .bench = bench, .bytes = bytes, .pinned = true, .cores = cores_choose()};
    versus.ms = bench->quick ? 30 : 200;
    versus.pairs = bench->quick ? 3 : 15;
    versus.plan = (struct duo_plan){.node = DRAGON_HERE, .bytes = (long long)bytes};
    if (versus.cores.a == versus.cores.b)
        figure_note(&versus.figure, "this process may use one core: both sides share it");
    return versus;
}

void versus_name(struct versus *versus, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(versus->figure.name, sizeof versus->figure.name, format, args);
    va_end(args);
}

void versus_what(struct versus *versus, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(versus->figure.what, sizeof versus->figure.what, format, args);
    va_end(args);
}

void versus_peer(struct versus *versus, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(versus->figure.peer, sizeof versus->figure.peer, format, args);
    va_end(args);
}

static bool run_pair(struct versus *versus, bool ours_first)
{
    double ours = ours_first ? versus->ours(versus) : 0, peer = 0;
    if (ours >= 0 && versus->peer)
        peer = versus->peer(versus);
    if (!ours_first && peer >= 0)
        ours = versus->ours(versus);
    if (peer < 0)
        figure_fail(&versus->figure, "the peer could not be measured");
    if (ours < 0 || peer < 0)
        return false;
    if (versus->peer)
        figure_add(&versus->figure, ours, peer);
    else
        figure_add_ours(&versus->figure, ours);
    return true;
}

void versus_run(struct versus *versus)
{
    for (int i = 0; i < versus->pairs && run_pair(versus, i % 2 == 0); i++)
        ;
    report_figure(versus->bench->report, &versus->figure);
}

void versus_skip(struct versus *versus, const char *why)
{
    versus->figure.note[0] = 0;
    figure_note(&versus->figure, "not measured: %s", why);
    report_figure(versus->bench->report, &versus->figure);
}

// ---- ours

static double with_partner(struct versus *versus, enum partner_role role,
                           double (*measure)(struct duo *duo, size_t bytes, int ms,
                                             struct figure *figure))
{
    struct duo duo;
    versus->plan.role = role;
    versus->plan.cores = versus->pinned ? &versus->cores : NULL;
    if (!duo_start(versus->bench, &versus->plan, &duo, &versus->figure))
        return -1;
    double result = measure(&duo, versus->bytes, versus->ms, &versus->figure);
    duo_end(&duo);
    return result;
}

double versus_ping_ns(struct versus *versus)
{
    return with_partner(versus, PARTNER_ECHO, duo_ping_ns);
}

double versus_ping_us(struct versus *versus)
{
    double ns = versus_ping_ns(versus);
    return ns < 0 ? ns : ns / 1e3;
}

double versus_bounce_us(struct versus *versus)
{
    double ns = with_partner(versus, PARTNER_BOUNCE, duo_bounce_ns);
    return ns < 0 ? ns : ns / 1e3;
}

double versus_stream_mbs(struct versus *versus)
{
    return with_partner(versus, PARTNER_SINK, duo_stream_mbs);
}

double versus_stream_rate(struct versus *versus)
{
    return with_partner(versus, PARTNER_SINK, duo_stream_rate);
}
