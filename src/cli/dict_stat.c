// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-dict stat: what the managers of dictionaries have and do, as a table or as JSON. A manager that is gone is shown
// as such, beside the others.
#include "config.h"

#include "cli/dict.h"

#include "cli/json.h"
#include "cli/table.h"

enum { JSON_VERSION = 1, ANSWER_MS = 10000 };

struct look {
    struct call *call;
    dragon_system_t *system; // owned; NULL: it does not say what nodes are called
    struct table *table;     // owned
    json_t *list;            // owned; of dictionaries
    bool failed;             // memory is out
};

// What one manager is, and `err` of asking it.
struct row {
    const char *name;
    uint32_t manager;
    bool known; // the node
    uint32_t node;
    const char *host;
    dragon_err_t err;
    dragon_dict_stats_t stats;
};

static uint64_t operations(const dragon_dict_stats_t *stats)
{
    return stats->puts + stats->gets + stats->misses + stats->erases + stats->changes + stats->full;
}

static const char *state_of(const struct row *row)
{
    if (row->err == DRAGON_OK)
        return row->stats.frozen ? "frozen" : "up";
    return row->err == DRAGON_ERR_PEER ? "gone" : dragon_err_text(row->err);
}

// ---- a table

static const char *const headers[] = {"NAME",     ">MANAGER", ">NODE", "HOST",        "STATE",
                                      ">KEYS",    ">USED",    ">FREE", ">FRAGMENTED", ">OPERATIONS",
                                      ">REFUSED", ">WAITING", NULL};

static void add_figures(struct table *table, const dragon_dict_stats_t *stats)
{
    char used[32], unused[32];
    text_size(stats->used_bytes, used, sizeof used);
    text_size(stats->free_bytes, unused, sizeof unused);
    table_add(table, "%llu", (unsigned long long)stats->keys);
    table_add(table, "%s", used);
    table_add(table, "%s", unused);
    table_add(table, "%.1f%%", stats->fragmentation / 10.0);
    table_add(table, "%llu", (unsigned long long)operations(stats));
    table_add(table, "%llu", (unsigned long long)stats->full);
    table_add(table, "%u", stats->waiting);
}

static void add_row(struct look *look, const struct row *row)
{
    struct table *table = look->table;
    table_add(table, "%s", row->name);
    table_add(table, "%u", row->manager);
    if (row->known)
        table_add(table, "%u", row->node);
    else
        table_add(table, "%s", "");
    table_add(table, "%s", row->host);
    table_add(table, "%s", state_of(row));
    if (row->err == DRAGON_OK)
        add_figures(table, &row->stats);
    for (int i = 0; row->err != DRAGON_OK && i < 7; i++)
        table_add(table, "%s", "");
}

// ---- JSON

static json_t *json_of_stats(const dragon_dict_stats_t *stats)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
                     "keys", (json_int_t)stats->keys, "total_bytes", (json_int_t)stats->total_bytes,
                     "used_bytes", (json_int_t)stats->used_bytes, "free_bytes",
                     (json_int_t)stats->free_bytes, "fragmentation", stats->fragmentation / 1000.0,
                     "largest_bytes", (json_int_t)stats->largest_bytes, "puts",
                     (json_int_t)stats->puts, "gets", (json_int_t)stats->gets, "misses",
                     (json_int_t)stats->misses, "erases", (json_int_t)stats->erases, "changes",
                     (json_int_t)stats->changes, "full", (json_int_t)stats->full, "waiting",
                     (json_int_t)stats->waiting, "views", (json_int_t)stats->views);
}

static bool append_row(json_t *managers, const struct row *row)
{
    json_t *object = json_pack("{s:I, s:o, s:o, s:s}", "manager", (json_int_t)row->manager, "node",
                               row->known ? json_integer(row->node) : json_null(), "host",
                               json_of_text(row->host), "state", state_of(row));
    json_t *stats = row->err == DRAGON_OK ? json_of_stats(&row->stats) : json_object();
    bool good = stats && json_object_update(object, stats) == 0;
    json_decref(stats);
    if (good)
        return json_array_append_new(managers, object) == 0;
    json_decref(object);
    return false;
}

static bool print_json(json_t *list)
{
    json_t *root = json_pack("{s:s, s:i, s:O}", "schema", "dragon-dict-stat", "version",
                             JSON_VERSION, "dictionaries", list);
    bool good = root && json_dumpf(root, stdout, JSON_INDENT(2)) == 0 && putchar('\n') == '\n';
    json_decref(root);
    return good;
}

// ---- looking

static struct row ask(struct look *look, dragon_dict_t *dict, const char *name, uint32_t manager)
{
    struct row row = {.name = name, .manager = manager, .host = ""};
    const struct call *call = look->call;
    row.known = dragon_dict_manager_node(dict, manager, &row.node) == DRAGON_OK;
    const dragon_node_t *node =
        row.known && look->system ? dragon_system_node(look->system, row.node) : NULL;
    if (node)
        row.host = node->host;
    row.err = dragon_dict_stats(dict, manager, &row.stats,
                                call->timeout_ms == DRAGON_DEFAULT_TIMEOUT ? ANSWER_MS
                                                                           : call->timeout_ms);
    return row;
}

// 0, or the exit code of the worst manager, after having said what it is.
static int look_at(struct look *look, dragon_dict_t *dict, const char *name, json_t *managers)
{
    int worst = 0;
    for (uint32_t i = 0; i < dragon_dict_managers(dict); i++) {
        struct row row = ask(look, dict, name, i);
        add_row(look, &row);
        if (!append_row(managers, &row))
            look->failed = true;
        if (row.err == DRAGON_ERR_CLOSED) {
            log_error("\"%s\" was destroyed", name);
            return DICT_EXIT_MISSING;
        }
        if (row.err != DRAGON_OK)
            log_error("manager %u of \"%s\" %s", i, name,
                      row.err == DRAGON_ERR_PEER ? "is gone with its keys" : "does not answer");
        if (dict_code(row.err) > worst)
            worst = dict_code(row.err);
    }
    return worst;
}

static int look_at_dict(struct look *look, dragon_dict_t *dict, const char *name)
{
    json_t *managers = json_array();
    int code = managers ? look_at(look, dict, name, managers) : DICT_EXIT_OURS;
    json_t *object = json_pack("{s:o, s:s, s:O}", "name", json_of_text(name), "descriptor",
                               dragon_dict_descriptor(dict), "managers", managers);
    if (json_array_append_new(look->list, object) != 0)
        look->failed = true;
    json_decref(managers);
    return code;
}

static int look_at_name(struct look *look, const char *name)
{
    dragon_dict_t *dict;
    int code = session_find(look->call->session, name, &dict);
    if (code)
        return code;
    code = look_at_dict(look, dict, name);
    dragon_dict_detach(dict);
    return code;
}

// What is there is shown in any case. At a prompt it is the one that is open, and others that are named.
static int look_at_all(struct look *look)
{
    struct session *session = look->call->session;
    int worst = session->dict ? look_at_dict(look, session->dict, session->name)
                              : look_at_name(look, session->name);
    for (size_t i = 0; i < look->call->count; i++) {
        int code = look_at_name(look, look->call->operands[i].data);
        if (code > worst)
            worst = code;
    }
    return worst;
}

int do_stat(struct call *call)
{
    struct look look = {.call = call, .table = table_create(headers), .list = json_array()};
    int code = DICT_EXIT_OURS;
    look.failed = !look.table || !look.list;
    dragon_system_look(call->session->runtime, &look.system, NULL); // names are not worth failing
    if (!look.failed)
        code = look_at_all(&look);
    if (!look.failed && call->json)
        look.failed = !print_json(look.list) && !ferror(stdout);
    else if (!look.failed && json_array_size(look.list) > 0)
        look.failed = !table_print(look.table, stdout) && !ferror(stdout);
    if (look.failed)
        log_error("out of memory");
    int printed = print_end(call->session);
    json_decref(look.list);
    table_destroy(look.table);
    dragon_system_destroy(look.system);
    return look.failed ? DICT_EXIT_OURS : printed ? printed : code;
}
