// SPDX-License-Identifier: BSD-3-Clause
//
// The grid that Dragon's own benchmark of its dictionary has: keys of 128 bytes, values of 1 KiB to 64 MiB, by clients and
// managers; put, batch put, get, and get of a frozen dictionary, which is a view here. All on this node.
#include "config.h"

#include "cli/bench_dict.h"
#include "cli/text.h"

enum { GRID_KEY = 128, GRID_OPS = 4 };
enum { SIZE_LEAST = 1 << 10, SIZE_MOST = 64 << 20, SIZE_MOST_QUICK = 4 << 20 };
enum { CLIENT_BYTES = 32 << 20, CLIENT_KEYS_MOST = 1024 };
enum { BYTES_FROM = 64 << 10 }; // what is smaller is shown as operations a second

static const struct grid_op {
    const char *name, *column;
    enum load_op op;
} grid_ops[GRID_OPS] = {
    {"put", "put", LOAD_PUT},
    {"batch", "batch put", LOAD_PUT_MANY},
    {"get", "get", LOAD_GET},
    {"frozen", "frozen get", LOAD_VIEW},
};

struct grid {
    struct bench *bench;
    struct clients clients;
    uint32_t managers;
    struct load load; // of the row
};

static uint32_t keys_for(size_t bytes)
{
    uint32_t keys = 1;
    while (keys < CLIENT_KEYS_MOST && keys * 2 * bytes <= CLIENT_BYTES)
        keys *= 2;
    return keys;
}

// All clients may have all their keys at one manager, and each puts one value more before it gives back the old one.
static uint64_t manager_bytes(size_t most)
{
    uint64_t client = (uint64_t)keys_for(most) * most + most;
    uint64_t least = (uint64_t)CLIENT_BYTES + SIZE_MOST_QUICK;
    return (client > least ? client : least) * DICT_CLIENTS_MOST * 5 / 4;
}

static double measure(struct grid *grid, const struct grid_op *op, struct figure *figure)
{
    struct load load = grid->load;
    dragon_dict_t *dict = grid->clients.dict;
    bool freezes = op->op == LOAD_VIEW;
    load.op = op->op;
    dragon_err_t err = freezes ? dragon_dict_freeze(dict, BENCH_WAIT_MS) : DRAGON_OK;
    double rate = err == DRAGON_OK ? clients_rate(&grid->clients, &load, figure) : -1;
    if (freezes && err == DRAGON_OK)
        err = dragon_dict_unfreeze(dict, BENCH_WAIT_MS);
    return err == DRAGON_OK ? rate : bench_channel_fail(figure, "freezing", err);
}

static void take_cell(struct grid *grid, const struct grid_op *op, struct figure *figure)
{
    size_t bytes = grid->load.value_bytes;
    bool moves = bytes >= BYTES_FROM && op->op != LOAD_VIEW;
    *figure = (struct figure){.unit = moves ? "MB/s" : "1/s"};
    snprintf(figure->name, sizeof figure->name, "grid-%s-%zuk-%dx%u", op->name, bytes >> 10,
             grid->clients.count, grid->managers);
    snprintf(figure->what, sizeof figure->what, "%s, %d clients, %u managers", op->column,
             grid->clients.count, grid->managers);
    grid->clients.crew.figure = figure;
    double rate = measure(grid, op, figure);
    if (rate >= 0)
        figure_add_ours(figure, moves ? rate * (double)bytes / 1e6 : rate);
}

static void take_row(struct grid *grid, size_t bytes)
{
    struct figure figures[GRID_OPS], failed = {0};
    char head[60], size[32];
    text_size(bytes, size, sizeof size);
    snprintf(head, sizeof head, "%s, %d clients, %u managers", size, grid->clients.count,
             grid->managers);
    grid->load = (struct load){.op = LOAD_FILL,
                               .keys = keys_for(bytes),
                               .key_bytes = GRID_KEY,
                               .value_bytes = bytes,
                               .batch = DICT_BATCH,
                               .ms = grid->bench->quick ? 10 : 200};
    bool good = clients_rate(&grid->clients, &grid->load, &failed) >= 0;
    for (int i = 0; i < GRID_OPS; i++) {
        take_cell(grid, &grid_ops[i], &figures[i]);
        if (!good)
            figure_fail(&figures[i], "%s", failed.note);
    }
    report_row(grid->bench->report, head, figures, GRID_OPS);
    dragon_dict_clear(grid->clients.dict, BENCH_WAIT_MS);
}

static void take_rows(struct bench *bench, dragon_dict_t *dict, uint32_t managers, int clients)
{
    struct figure figure = {.name = "grid", .what = "clients of a dictionary", .unit = ""};
    struct grid grid = {.bench = bench, .managers = managers};
    size_t most = bench->quick ? SIZE_MOST_QUICK : SIZE_MOST;
    if (!clients_start(&grid.clients, bench, dict, clients, &figure)) {
        report_figure(bench->report, &figure);
        return;
    }
    for (size_t bytes = SIZE_LEAST; bytes <= most; bytes *= bench->quick ? 64 : 4)
        take_row(&grid, bytes);
    clients_end(&grid.clients);
}

void bench_dict_grid(struct bench *bench)
{
    const char *columns[GRID_OPS];
    size_t most = bench->quick ? SIZE_MOST_QUICK : SIZE_MOST;
    int clients_most = bench->quick ? 2 : DICT_CLIENTS_MOST;
    for (int i = 0; i < GRID_OPS; i++)
        columns[i] = grid_ops[i].column;
    report_table(bench->report, "grid", columns, GRID_OPS);
    for (uint32_t managers = 1; managers <= 2; managers++) {
        struct figure figure = {.name = "grid", .what = "a dictionary", .unit = ""};
        dragon_dict_t *dict = bench_dict_make(bench, (int)dragon_runtime_node(bench->runtime),
                                              managers, manager_bytes(most), &figure);
        if (!dict)
            report_figure(bench->report, &figure);
        for (int clients = 1; dict && clients <= clients_most; clients *= 2)
            take_rows(bench, dict, managers, clients);
        if (dict)
            dragon_dict_destroy(dict, NULL);
    }
}
