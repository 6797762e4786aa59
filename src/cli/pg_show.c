// SPDX-License-Identifier: BSD-3-Clause
//
// Where the ranks of a group are, or would be: a table for people, JSON for programs, and the notice that
// ranks share cores.
#include "config.h"

#include "cli/pg.h"

#include <jansson.h>

// Columns of the table. The ones in the middle are for --display=bind and dry runs.
enum column { RANK, NODE, NAME, CORES, BOUND, GPUS, PROGRAM, COLUMNS };

static const char *const headings[COLUMNS] = {"rank",     "node", "name",   "cores",
                                              "bound to", "GPUs", "program"};

struct plan {
    const struct pg_command *command;
    const dragon_group_t *group;
    dragon_system_t *system; // owned
    struct pg_view view;
};

struct row {
    char room[COLUMNS][160];
    const char *cells[COLUMNS];
};

static const char *node_name(const struct plan *plan, uint32_t number)
{
    const dragon_node_t *node = dragon_system_node(plan->system, number);
    return node ? node->name : "?";
}

static bool is_shown(const struct plan *plan, int column)
{
    return plan->view.bind || column < CORES || column > GPUS;
}

// False: the rank has no place.
static bool fill_row(const struct plan *plan, uint32_t rank, struct row *row)
{
    dragon_rank_place_t place;
    if (dragon_group_rank_place(plan->group, rank, &place) != DRAGON_OK)
        return false;
    for (int i = 0; i < COLUMNS; i++)
        row->cells[i] = row->room[i];
    snprintf(row->room[RANK], sizeof row->room[RANK], "%u", rank);
    snprintf(row->room[NODE], sizeof row->room[NODE], "%u", place.node);
    snprintf(row->room[CORES], sizeof row->room[CORES], "%s%s", *place.cores ? place.cores : "-",
             place.shared ? " (shared)" : "");
    snprintf(row->room[GPUS], sizeof row->room[GPUS], "%s", *place.gpus ? place.gpus : "-");
    row->cells[NAME] = node_name(plan, place.node);
    row->cells[BOUND] = pg_bind_name(place.bind);
    row->cells[PROGRAM] = pg_program(plan->command, place.process_template);
    return true;
}

static void print_row(const struct plan *plan, FILE *file, const char *const *cells,
                      const int *widths)
{
    for (int i = 0; i < COLUMNS; i++) {
        if (!is_shown(plan, i))
            continue;
        if (i == RANK || i == NODE)
            fprintf(file, "%*s  ", widths[i], cells[i]);
        else if (i == PROGRAM)
            fprintf(file, "%s\n", cells[i]);
        else
            fprintf(file, "%-*s  ", widths[i], cells[i]);
    }
}

static void print_table(const struct plan *plan, FILE *file)
{
    uint32_t ranks = dragon_group_size(plan->group);
    int widths[COLUMNS];
    struct row row;
    for (int i = 0; i < COLUMNS; i++)
        widths[i] = (int)strlen(headings[i]);
    for (uint32_t rank = 0; rank < ranks; rank++)
        for (int i = 0; fill_row(plan, rank, &row) && i < COLUMNS; i++)
            if ((int)strlen(row.cells[i]) > widths[i])
                widths[i] = (int)strlen(row.cells[i]);
    print_row(plan, file, headings, widths);
    for (uint32_t rank = 0; rank < ranks; rank++)
        if (fill_row(plan, rank, &row))
            print_row(plan, file, row.cells, widths);
}

// The next range of "0-3,8". False: there is none.
static bool take_range(const char **list, unsigned long *first_out, unsigned long *last_out)
{
    enum { CORES_LIMIT = 1 << 16 };
    char *end;
    *first_out = *last_out = strtoul(*list, &end, 10);
    if (end == *list)
        return false;
    if (*end == '-')
        *last_out = strtoul(end + 1, &end, 10);
    *list = *end == ',' ? end + 1 : "";
    return *last_out < CORES_LIMIT;
}

// As dragon-info has them: cores are numbers, and GPUs texts because of "1.0".
static json_t *make_cores(const char *list)
{
    json_t *array = json_array();
    unsigned long first, last;
    while (take_range(&list, &first, &last))
        for (; first <= last; first++)
            json_array_append_new(array, json_integer((json_int_t)first));
    return array;
}

static json_t *make_gpus(const char *list)
{
    json_t *array = json_array();
    for (; *list; list += strcspn(list, ","), list += *list == ',')
        json_array_append_new(array, json_stringn(list, strcspn(list, ",")));
    return array;
}

static json_t *make_rank(const struct plan *plan, uint32_t rank)
{
    dragon_rank_place_t place;
    if (dragon_group_rank_place(plan->group, rank, &place) != DRAGON_OK)
        return NULL;
    const dragon_node_t *node = dragon_system_node(plan->system, place.node);
    json_t *object =
        json_pack("{s:I, s:I, s:s, s:s, s:I, s:s}", "rank", (json_int_t)rank, "node",
                  (json_int_t)place.node, "name", node ? node->name : "?", "host",
                  node ? node->host : "?", "template", (json_int_t)place.process_template,
                  "program", pg_program(plan->command, place.process_template));
    json_t *bound =
        json_pack("{s:o, s:s, s:o, s:b}", "cores", make_cores(place.cores), "bind",
                  pg_bind_name(place.bind), "gpus", make_gpus(place.gpus), "shared", place.shared);
    bool good = object && bound && (!plan->view.bind || json_object_update(object, bound) == 0);
    json_decref(bound);
    if (good)
        return object;
    json_decref(object);
    return NULL;
}

static bool print_json(const struct plan *plan, FILE *file)
{
    uint32_t ranks = dragon_group_size(plan->group);
    json_t *list = json_array();
    bool good = list != NULL;
    for (uint32_t rank = 0; good && rank < ranks; rank++)
        good = json_array_append_new(list, make_rank(plan, rank)) == 0;
    json_t *root =
        json_pack("{s:s, s:i, s:O}", "schema", "dragon-pg-plan", "version", 1, "ranks", list);
    good = good && root && json_dumpf(root, file, JSON_INDENT(2)) == 0;
    fputc('\n', file);
    json_decref(root);
    json_decref(list);
    return good;
}

char *pg_show_plan(const struct pg_command *command, dragon_runtime_t *runtime,
                   const dragon_group_t *group, struct pg_view view, dragon_error_t *error)
{
    struct plan plan = {.command = command, .group = group, .view = view};
    char *text = NULL;
    size_t length;
    bool good = true;
    if (dragon_system_look(runtime, &plan.system, error) != DRAGON_OK)
        return NULL;
    FILE *file = open_memstream(&text, &length);
    if (file && view.json)
        good = print_json(&plan, file);
    else if (file)
        print_table(&plan, file);
    if (!file || fclose(file) != 0 || !good) {
        err_set(error, DRAGON_ERR_NOMEM,
                "the plan cannot be shown: out of memory, or a name in it "
                "is not UTF-8");
        free(text);
        text = NULL;
    }
    dragon_system_destroy(plan.system);
    return text;
}

// ---- sharing

static int compare(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
    return one < other ? -1 : one > other;
}

// Which cores, each as its node and number.
struct cores {
    uint64_t *numbers; // owned
    size_t count, room;
};

static bool add_core(struct cores *cores, uint32_t node, unsigned long core)
{
    if (cores->count == cores->room) {
        size_t room = cores->room ? 2 * cores->room : 64;
        uint64_t *numbers = reallocarray(cores->numbers, room, sizeof *numbers);
        if (!numbers)
            return false;
        cores->numbers = numbers;
        cores->room = room;
    }
    cores->numbers[cores->count++] = (uint64_t)node << 32 | core;
    return true;
}

static bool add_cores(struct cores *cores, uint32_t node, const char *list)
{
    unsigned long first, last;
    while (take_range(&list, &first, &last))
        for (; first <= last; first++)
            if (!add_core(cores, node, first))
                return false;
    return true;
}

static size_t count_different(struct cores *cores)
{
    size_t different = 0;
    if (cores->count)
        qsort(cores->numbers, cores->count, sizeof *cores->numbers, compare);
    for (size_t i = 0; i < cores->count; i++)
        different += i == 0 || cores->numbers[i] != cores->numbers[i - 1];
    return different;
}

static bool asks_cores(const struct pg_policy *policy)
{
    return policy->cores || policy->core_list;
}

static bool asks_gpus(const struct pg_policy *policy)
{
    return policy->gpus > 0 || policy->gpu_list;
}

// Why they share.
static const char *reason(const struct pg_command *command, bool asks)
{
    if (!asks)
        return "; with -c 1 each waits for one of its own";
    return command->full == DRAGON_FULL_SHARE ? ", as --on-full share allows"
                                              : ", as its lists say";
}

void pg_show_sharing(const struct pg_command *command, const dragon_group_t *group)
{
    struct cores cores = {0};
    uint32_t sharing = 0;
    bool gpus = asks_gpus(&command->all.policy), good = true;
    bool asks = gpus || asks_cores(&command->all.policy);
    for (size_t i = 0; i < command->count; i++) {
        gpus = gpus || asks_gpus(&command->parts[i].policy);
        asks = asks || gpus || asks_cores(&command->parts[i].policy);
    }
    bool minds = command->pmi || asks;
    for (uint32_t rank = 0; minds && good && rank < dragon_group_size(group); rank++) {
        dragon_rank_place_t place;
        if (dragon_group_rank_place(group, rank, &place) != DRAGON_OK || !place.shared)
            continue;
        sharing++;
        good = add_cores(&cores, place.node, place.cores);
    }
    if (sharing && good) {
        size_t count = count_different(&cores);
        log_notice("%u rank%s %zu core%s%s with others%s", sharing,
                   sharing == 1 ? " shares" : "s share", count, count == 1 ? "" : "s",
                   gpus ? ", or GPUs," : "", reason(command, asks));
    }
    free(cores.numbers);
}
