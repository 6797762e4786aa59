// SPDX-License-Identifier: BSD-3-Clause
//
// Several clients of one dictionary, each a process on this node: a partner that gets loads as orders, says when it is
// ready for one, begins when all are, and reports.
#include "config.h"

#include "cli/bench_dict.h"

enum { END_MS = 3000 };

struct order {
    struct load load;
    char descriptor[256]; // of the dictionary
};

// ---- a client

static dragon_err_t await_go(struct partner *partner)
{
    dragon_message_t message;
    dragon_err_t err = dragon_channel_send(partner->channels[1], "", 1, TAG_READY, BENCH_WAIT_MS);
    if (err == DRAGON_OK)
        err = dragon_channel_receive(partner->channels[0], NULL, 0, &message, BENCH_WAIT_MS);
    return err;
}

static dragon_err_t obey(struct partner *partner, dragon_dict_t *dict, const struct load *load)
{
    struct partner_report report;
    struct load warm = *load;
    dragon_err_t err = DRAGON_OK;
    warm.ms = load->ms / 8;
    if (load->op != LOAD_FILL)
        err = load_run(dict, &warm, &report);
    if (err == DRAGON_OK)
        err = await_go(partner);
    if (err == DRAGON_OK)
        err = load_run(dict, load, &report);
    return err == DRAGON_OK ? dragon_channel_send(partner->channels[1], &report, sizeof report,
                                                  TAG_ANSWER, BENCH_WAIT_MS)
                            : err;
}

dragon_err_t clients_play(struct partner *partner)
{
    struct order order = {0};
    dragon_message_t message = {0};
    dragon_dict_t *dict = NULL;
    dragon_err_t err = DRAGON_OK;
    while (err == DRAGON_OK) {
        err = dragon_channel_receive(partner->channels[0], &order, sizeof order, &message,
                                     BENCH_WAIT_MS);
        if (err != DRAGON_OK || message.tag == TAG_STOP)
            break;
        if (!dict)
            err = dragon_dict_attach(partner->runtime, order.descriptor, &dict, NULL);
        if (err == DRAGON_OK)
            err = obey(partner, dict, &order.load);
    }
    dragon_dict_detach(dict);
    return err;
}

// ---- all of them

static bool add_client(struct clients *clients, struct bench *bench)
{
    dragon_channel_t *orders = bench_channel_make(bench, NULL, clients->crew.figure);
    struct partner_plan plan = {.role = PARTNER_CLIENT,
                                .cores = "",
                                .wait = DRAGON_WAIT_ADAPTIVE,
                                .node = DRAGON_HERE,
                                .channels = {orders, clients->report}};
    if (!orders)
        return false;
    clients->orders[clients->count++] = orders;
    return bench_crew_add(&clients->crew, &plan);
}

bool clients_start(struct clients *clients, struct bench *bench, dragon_dict_t *dict, int count,
                   struct figure *figure)
{
    *clients = (struct clients){.crew = {.bench = bench, .figure = figure}, .dict = dict};
    clients->report = bench_channel_make(bench, NULL, figure);
    bool good = clients->report != NULL;
    for (int i = 0; good && i < count; i++)
        good = add_client(clients, bench);
    if (!good)
        clients_end(clients);
    return good;
}

void clients_end(struct clients *clients)
{
    for (int i = 0; i < clients->crew.count; i++)
        dragon_channel_send(clients->orders[i], NULL, 0, TAG_STOP, END_MS);
    bench_crew_end(&clients->crew);
    for (int i = 0; i < clients->count; i++)
        dragon_channel_destroy(clients->orders[i], NULL);
    if (clients->report)
        dragon_channel_destroy(clients->report, NULL);
    *clients = (struct clients){0};
}

static dragon_err_t give_orders(struct clients *clients, const struct load *load)
{
    struct order order = {.load = *load};
    dragon_err_t err = DRAGON_OK;
    snprintf(order.descriptor, sizeof order.descriptor, "%s",
             dragon_dict_descriptor(clients->dict));
    for (int i = 0; err == DRAGON_OK && i < clients->count; i++) {
        order.load.client = (uint32_t)i;
        err =
            dragon_channel_send(clients->orders[i], &order, sizeof order, TAG_DATA, BENCH_WAIT_MS);
    }
    return err;
}

static dragon_err_t let_them_go(struct clients *clients)
{
    dragon_err_t err = DRAGON_OK;
    char ready;
    for (int i = 0; err == DRAGON_OK && i < clients->count; i++)
        err = dragon_channel_receive(clients->report, &ready, sizeof ready, NULL, BENCH_WAIT_MS);
    for (int i = 0; err == DRAGON_OK && i < clients->count; i++)
        err = dragon_channel_send(clients->orders[i], NULL, 0, TAG_DATA, BENCH_WAIT_MS);
    return err;
}

// From the first that began to the last that ended.
static dragon_err_t take_reports(struct clients *clients, double *rate_out)
{
    uint64_t begin_ns = UINT64_MAX, end_ns = 0, count = 0;
    for (int i = 0; i < clients->count; i++) {
        struct partner_report report;
        dragon_err_t err =
            dragon_channel_receive(clients->report, &report, sizeof report, NULL, BENCH_WAIT_MS);
        if (err != DRAGON_OK)
            return err;
        count += report.count;
        if (report.begin_ns < begin_ns)
            begin_ns = report.begin_ns;
        if (report.end_ns > end_ns)
            end_ns = report.end_ns;
    }
    *rate_out = (double)count * 1e9 / (double)(end_ns - begin_ns);
    return DRAGON_OK;
}

double clients_rate(struct clients *clients, const struct load *load, struct figure *figure)
{
    double rate = -1;
    if (clients->lost)
        return bench_channel_fail(figure, "the clients had failed before", DRAGON_ERR_PEER);
    dragon_err_t err = give_orders(clients, load);
    if (err == DRAGON_OK)
        err = let_them_go(clients);
    if (err == DRAGON_OK)
        err = take_reports(clients, &rate);
    clients->lost = err != DRAGON_OK;
    return err == DRAGON_OK ? rate : bench_channel_fail(figure, "the clients", err);
}
