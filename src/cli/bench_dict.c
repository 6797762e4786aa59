// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-bench dict: what a dictionary of this node costs, against Redis and memcached over their Unix sockets.
#include "config.h"

#include "cli/bench_dict.h"

enum { SMALL_BYTES = 128, MANAGER_BYTES = 1024 };
enum { DICT_ROOM = 64 << 20 };

// What a figure is taken against; a case is a figure for each.
enum against {
    AGAINST_NOTHING = 1,
    AGAINST_ONE = 2, // client
    AGAINST_REDIS = 4,
    AGAINST_MEMCACHED = 8,
    AGAINST_STORES = AGAINST_REDIS | AGAINST_MEMCACHED
};

// Ours is a load by so many clients; the peer's the same over so many connections. An aim is not for memcached.
struct dict_case {
    const char *name, *what, *peer;
    enum load_op op;
    uint32_t batch;
    int clients, links;
    bool is_time; // of one operation, in us; else operations a second
    int against;  // bits
    enum aim_kind aim;
    double aim_value;
};

struct setting {
    const struct dict_case *which;
    dragon_dict_t *dict;
    struct store *store; // NULL: no peer
    struct load load;
};

static double shown(const struct dict_case *which, double rate)
{
    if (rate <= 0)
        return -1;
    return which->is_time ? 1e6 / rate : rate;
}

static double with_clients(struct versus *versus, const struct setting *setting, int count)
{
    struct clients clients;
    if (!clients_start(&clients, versus->bench, setting->dict, count, &versus->figure))
        return -1;
    struct load fill = setting->load;
    fill.op = LOAD_FILL;
    double rate = clients_rate(&clients, &fill, &versus->figure);
    if (rate >= 0)
        rate = clients_rate(&clients, &setting->load, &versus->figure);
    clients_end(&clients);
    return rate;
}

static double run_alone(struct versus *versus, const struct setting *setting)
{
    cores_pin_to(versus->cores.a);
    double rate = load_rate(setting->dict, &setting->load, &versus->figure);
    cores_unpin();
    return rate;
}

static double run_ours(struct versus *versus)
{
    const struct setting *setting = versus->arg;
    int clients = setting->which->clients;
    return shown(setting->which,
                 clients > 1 ? with_clients(versus, setting, clients) : run_alone(versus, setting));
}

static double run_one(struct versus *versus)
{
    const struct setting *setting = versus->arg;
    return shown(setting->which, with_clients(versus, setting, 1));
}

static double run_store(struct versus *versus)
{
    const struct setting *setting = versus->arg;
    struct load load = setting->load;
    int links = setting->which->links;
    load.op = load.op == LOAD_PUT_MANY ? LOAD_PUT : load.op == LOAD_GET_MANY ? LOAD_GET : load.op;
    // One client and the server take turns: on one core they need not wake another one. Many use all of them.
    const char *list = versus->cores.both;
    char one[16];
    snprintf(one, sizeof one, "%d", versus->cores.a);
    if (links == 1)
        list = one;
    store_pin(setting->store, list);
    cores_pin(list);
    double rate = store_rate(setting->store, &load, links);
    cores_unpin();
    return shown(setting->which, rate);
}

// What both have before anything is measured.
static bool fill_both(struct setting *setting, struct figure *figure)
{
    struct partner_report report;
    struct load fill = setting->load;
    fill.op = LOAD_FILL;
    fill.batch = 1;
    dragon_err_t err = load_run(setting->dict, &fill, &report);
    if (err != DRAGON_OK)
        bench_channel_fail(figure, "the dictionary", err);
    if (err == DRAGON_OK && setting->store && setting->store->pid &&
        store_rate(setting->store, &fill, 1) < 0) {
        figure_fail(figure, "%s did not answer", store_name(setting->store));
        err = DRAGON_ERR_PEER;
    }
    return err == DRAGON_OK;
}

static void choose_peer(struct versus *versus, const struct setting *setting)
{
    const struct dict_case *which = setting->which;
    const struct store *store = setting->store;
    if (store && store->missing[0]) {
        figure_note(&versus->figure, "the peer was not measured: %s", store->missing);
    } else if (store) {
        versus_peer(versus, "%s, %s", store_name(store), which->peer);
        versus->peer = run_store;
    } else if (which->against == AGAINST_ONE) {
        versus_peer(versus, "%s", which->peer);
        versus->peer = run_one;
    }
    bool has_aim = versus->peer ? !store || store->kind == STORE_REDIS : !store;
    versus->figure.aim = has_aim ? which->aim : AIM_NONE;
    versus->figure.aim_value = which->aim_value;
}

static void measure(struct bench *bench, dragon_dict_t *dict, struct store *store,
                    const struct dict_case *which)
{
    struct versus versus = versus_init(bench, SMALL_BYTES);
    struct setting setting = {.which = which, .dict = dict, .store = store};
    const char *suffix = !store ? "" : store->kind == STORE_REDIS ? "-redis" : "-memcached";
    setting.load = (struct load){.op = which->op,
                                 .keys = DICT_KEYS,
                                 .key_bytes = KEY_BYTES_LEAST,
                                 .value_bytes = SMALL_BYTES,
                                 .batch = which->batch,
                                 .ms = (uint32_t)versus.ms};
    versus_name(&versus, "%s%s", which->name, suffix);
    versus_what(&versus, "%s", which->what);
    versus.figure.unit = which->is_time ? "us" : "1/s";
    versus.ours = run_ours;
    versus.arg = &setting;
    choose_peer(&versus, &setting);
    if (fill_both(&setting, &versus.figure))
        versus_run(&versus);
    else
        report_figure(bench->report, &versus.figure);
}

static void measure_all(struct bench *bench, const struct dict_case *cases, size_t count)
{
    struct figure figure = {.name = "dictionary", .what = "is to be made", .unit = ""};
    struct store redis, memcached;
    dragon_dict_t *dict =
        bench_dict_make(bench, (int)dragon_runtime_node(bench->runtime), 1, DICT_ROOM, &figure);
    if (!dict) {
        report_figure(bench->report, &figure);
        return;
    }
    store_start(&redis, STORE_REDIS);
    store_start(&memcached, STORE_MEMCACHED);
    for (size_t i = 0; i < count; i++) {
        if (cases[i].against & (AGAINST_NOTHING | AGAINST_ONE))
            measure(bench, dict, NULL, &cases[i]);
        if (cases[i].against & AGAINST_REDIS)
            measure(bench, dict, &redis, &cases[i]);
        if (cases[i].against & AGAINST_MEMCACHED)
            measure(bench, dict, &memcached, &cases[i]);
    }
    store_end(&memcached);
    store_end(&redis);
    dragon_dict_destroy(dict, NULL);
}

// ---- one client

static void bench_single(struct bench *bench)
{
    static const struct dict_case cases[] = {
        {"get", "128 bytes, 1 client", "", LOAD_GET, 1, 1, 1, true, AGAINST_NOTHING, AIM_AT_MOST,
         1.5},
        {"get", "  the same", "its Unix socket", LOAD_GET, 1, 1, 1, true, AGAINST_STORES,
         AIM_AT_MOST, 0.05},
        {"put", "128 bytes, 1 client", "", LOAD_PUT, 1, 1, 1, true, AGAINST_NOTHING, AIM_NONE, 0},
        {"put", "  the same", "its Unix socket", LOAD_PUT, 1, 1, 1, true, AGAINST_STORES,
         AIM_AT_MOST, 0.2},
    };
    measure_all(bench, cases, sizeof cases / sizeof *cases);
}

// ---- several

static void bench_rate(struct bench *bench)
{
    static const struct dict_case cases[] = {
        {"rate-get-1", "gets, 1 client", "50 clients", LOAD_GET, 1, 1, STORE_LINKS, false,
         AGAINST_REDIS, AIM_NONE, 0},
        {"rate-get-2", "gets, 2 clients", "50 clients", LOAD_GET, 1, 2, STORE_LINKS, false,
         AGAINST_STORES, AIM_AT_LEAST, 5},
        {"rate-get-4", "gets, 4 clients", "50 clients", LOAD_GET, 1, 4, STORE_LINKS, false,
         AGAINST_REDIS, AIM_AT_LEAST, 5},
        {"growth-get-2", "  2 clients", "1 client", LOAD_GET, 1, 2, 1, false, AGAINST_ONE,
         AIM_AT_LEAST, 1},
        {"growth-get-4", "  4 clients", "1 client", LOAD_GET, 1, 4, 1, false, AGAINST_ONE,
         AIM_AT_LEAST, 1},
        {"rate-put-1", "puts, 1 client", "50 clients", LOAD_PUT, 1, 1, STORE_LINKS, false,
         AGAINST_REDIS, AIM_NONE, 0},
        {"rate-put-2", "puts, 2 clients", "50 clients", LOAD_PUT, 1, 2, STORE_LINKS, false,
         AGAINST_STORES, AIM_AT_LEAST, 5},
        {"rate-put-4", "puts, 4 clients", "50 clients", LOAD_PUT, 1, 4, STORE_LINKS, false,
         AGAINST_REDIS, AIM_AT_LEAST, 5},
        {"growth-put-2", "  2 clients", "1 client", LOAD_PUT, 1, 2, 1, false, AGAINST_ONE,
         AIM_AT_LEAST, 1},
        {"growth-put-4", "  4 clients", "1 client", LOAD_PUT, 1, 4, 1, false, AGAINST_ONE,
         AIM_AT_LEAST, 1},
    };
    measure_all(bench, cases, sizeof cases / sizeof *cases);
}

// ---- many at once

static void bench_batch(struct bench *bench)
{
    static const struct dict_case cases[] = {
        {"batch-get", "gets, 16 at once, 1 client", "16 at once", LOAD_GET_MANY, DICT_BATCH, 1, 1,
         false, AGAINST_STORES, AIM_AT_LEAST, 3},
        {"batch-get-50", "  2 clients", "50 clients, 16 at once", LOAD_GET_MANY, DICT_BATCH, 2,
         STORE_LINKS, false, AGAINST_REDIS, AIM_AT_LEAST, 3},
        {"batch-put", "puts, 16 at once, 1 client", "16 at once", LOAD_PUT_MANY, DICT_BATCH, 1, 1,
         false, AGAINST_REDIS, AIM_AT_LEAST, 3},
        {"batch-put-50", "  2 clients", "50 clients, 16 at once", LOAD_PUT_MANY, DICT_BATCH, 2,
         STORE_LINKS, false, AGAINST_REDIS, AIM_AT_LEAST, 3},
    };
    measure_all(bench, cases, sizeof cases / sizeof *cases);
}

// ---- one manager

// A hundred times what Dragon's documentation has of one manager: 1,300 puts and 2,400 gets of 1 KiB a second.
static const struct manager_case {
    const char *name, *what;
    enum load_op op;
    double at_least;
} manager_cases[] = {
    {"manager-put", "puts of 1 KiB to 1 manager", LOAD_PUT, 130000},
    {"manager-get", "gets of 1 KiB from 1 manager", LOAD_GET, 240000},
};

static void bench_manager(struct bench *bench)
{
    struct figure figure = {.name = "dictionary", .unit = ""};
    dragon_dict_t *dict =
        bench_dict_make(bench, (int)dragon_runtime_node(bench->runtime), 1, DICT_ROOM, &figure);
    if (!dict) {
        report_figure(bench->report, &figure);
        return;
    }
    for (size_t i = 0; i < sizeof manager_cases / sizeof *manager_cases; i++) {
        const struct manager_case *which = &manager_cases[i];
        struct versus versus = versus_init(bench, MANAGER_BYTES);
        struct dict_case plain = {.clients = 2};
        struct setting setting = {.which = &plain, .dict = dict};
        setting.load = (struct load){.op = which->op,
                                     .keys = DICT_KEYS,
                                     .key_bytes = SMALL_BYTES,
                                     .value_bytes = MANAGER_BYTES,
                                     .batch = 1,
                                     .ms = (uint32_t)versus.ms};
        versus_name(&versus, "%s", which->name);
        versus_what(&versus, "%s, 2 clients", which->what);
        versus.figure.unit = "1/s";
        versus.figure.aim = AIM_AT_LEAST;
        versus.figure.aim_value = which->at_least;
        versus.ours = run_ours;
        versus.arg = &setting;
        versus_run(&versus);
    }
    dragon_dict_destroy(dict, NULL);
}

const struct bench_part bench_dict_parts[] = {
    {"single", "128 bytes by one client, beside Redis and memcached", bench_single},
    {"rate", "the same by 1, 2 and 4 clients", bench_rate},
    {"batch", "16 at once", bench_batch},
    {"manager", "1 KiB, of one manager", bench_manager},
    {"large", "1 MiB and 64 MiB, copied", bench_dict_large},
    {"frozen", "views of a frozen dictionary", bench_dict_frozen},
    {"nodes", "with a manager of another node", bench_dict_nodes},
    {"grid", "values of 1 KiB to 64 MiB, by clients and managers", bench_dict_grid},
    {0},
};
