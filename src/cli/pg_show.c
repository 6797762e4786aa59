// SPDX-License-Identifier: BSD-3-Clause
//
// Where the ranks of a group are, or would be: a table for people, JSON for programs, and the notice that
// ranks share cores.
#include "config.h"

#include "cli/pg.h"

#include "cli/json.h"
#include "cli/table.h"

struct plan {
    const struct pg_command *command;
    const dragon_group_t *group;
    dragon_system_t *system; // owned
    struct pg_view view;
};

static const char *node_name(const struct plan *plan, uint32_t number)
{
    const dragon_node_t *node = dragon_system_node(plan->system, number);
    return node ? node->name : "?";
}

static void add_row(struct table *table, const struct plan *plan, uint32_t rank)
{
    dragon_rank_place_t place;
    if (dragon_group_rank_place(plan->group, rank, &place) != DRAGON_OK)
        return;
    table_add(table, "%u", rank);
    table_add(table, "%u", place.node);
    table_add(table, "%s", node_name(plan, place.node));
    if (plan->view.bind) {
        table_add(table, "%s%s", place.cores, place.shared ? " (shared)" : "");
        table_add(table, "%s", text_bind(place.bind));
        table_add(table, "%s", place.gpus);
    }
    table_add(table, "%s", pg_program(plan->command, place.process_template));
}

static bool print_table(const struct plan *plan, FILE *file)
{
    static const char *const places[] = {">rank", ">node", "name", "program", NULL};
    static const char *const binds[] = {">rank",    ">node", "name",    "cores",
                                        "bound to", "GPUs",  "program", NULL};
    struct table *table = table_create(plan->view.bind ? binds : places);
    for (uint32_t rank = 0; table && rank < dragon_group_size(plan->group); rank++)
        add_row(table, plan, rank);
    bool good = table && table_print(table, file);
    table_destroy(table);
    return good;
}

static json_t *make_rank(const struct plan *plan, uint32_t rank)
{
    dragon_rank_place_t place;
    if (dragon_group_rank_place(plan->group, rank, &place) != DRAGON_OK)
        return NULL;
    const dragon_node_t *node = dragon_system_node(plan->system, place.node);
    json_t *object = json_pack(
        "{s:I, s:I, s:o, s:o, s:I, s:o}", "rank", (json_int_t)rank, "node", (json_int_t)place.node,
        "name", json_of_text(node ? node->name : "?"), "host",
        json_of_text(node ? node->host : "?"), "template", (json_int_t)place.process_template,
        "program", json_of_text(pg_program(plan->command, place.process_template)));
    json_t *bound =
        json_pack("{s:o, s:s, s:o, s:b}", "cores", json_of_cores(place.cores), "bind",
                  text_bind(place.bind), "gpus", json_of_gpus(place.gpus), "shared", place.shared);
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
    if (file)
        good = view.json ? print_json(&plan, file) : print_table(&plan, file);
    if (!file || fclose(file) != 0 || !good) {
        err_set(error, DRAGON_ERR_NOMEM, "the plan cannot be shown: out of memory");
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
    uint32_t node; // of those that are added
};

static bool add_core(void *arg, uint32_t core)
{
    struct cores *cores = arg;
    if (cores->count == cores->room) {
        size_t room = cores->room ? 2 * cores->room : 64;
        uint64_t *numbers = reallocarray(cores->numbers, room, sizeof *numbers);
        if (!numbers)
            return false;
        cores->numbers = numbers;
        cores->room = room;
    }
    cores->numbers[cores->count++] = (uint64_t)cores->node << 32 | core;
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

// What whoever does not want them to share can do.
static const char *advice(const struct pg_command *command, bool asks)
{
    if (!asks)
        return "; with -c 1 each waits for one of its own";
    return command->full == DRAGON_FULL_SHARE
               ? "; without --on-full share the group waits for free ones"
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
        cores.node = place.node;
        good = numbers_each(place.cores, UINT32_MAX - 1, add_core, &cores);
    }
    if (sharing && good) {
        size_t count = count_different(&cores);
        log_notice("%u rank%s %zu core%s%s with others%s", sharing,
                   sharing == 1 ? " shares" : "s share", count, count == 1 ? "" : "s",
                   gpus ? ", or GPUs," : "", advice(command, asks));
    }
    free(cores.numbers);
}
