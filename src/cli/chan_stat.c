// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-chan stat: what is in channels and who waits at them, as a table or as JSON.
#include "config.h"

#include "cli/chan.h"

#include "cli/json.h"
#include "cli/table.h"

#include <errno.h>

enum { JSON_VERSION = 1 };

static int look(struct chan *chan, const char *name, dragon_channel_stats_t *stats_out)
{
    dragon_channel_t *channel;
    dragon_error_t error;
    dragon_err_t err = dragon_channel_find(chan->runtime, name, 0, &channel, &error);
    if (err == DRAGON_ERR_AGAIN || err == DRAGON_ERR_TIMEOUT) {
        log_error("there is no \"%s\"", name);
        return CHAN_EXIT_BROKEN;
    }
    if (err == DRAGON_OK) {
        err = dragon_channel_stats(channel, stats_out, &error);
        dragon_channel_detach(channel);
    }
    if (err != DRAGON_OK)
        log_error("%s", error.text);
    return chan_code(err);
}

// ---- a table

static void add_row(struct table *table, const char *name, const dragon_channel_stats_t *stats)
{
    table_add(table, "%s", name);
    table_add(table, "%u", stats->node);
    table_add(table, "%s%s", stats->closed ? "closed" : "open",
              stats->single_receiver ? ", single" : "");
    table_add(table, "%u/%u", stats->waiting, stats->capacity);
    table_add(table, "%llu", (unsigned long long)stats->sent);
    table_add(table, "%llu", (unsigned long long)stats->received);
    table_add(table, "%llu", (unsigned long long)stats->lost);
    table_add(table, "%u", stats->waiting_senders);
    table_add(table, "%u", stats->waiting_receivers);
    table_add(table, "%u", stats->processes);
}

// ---- JSON

static json_t *object_of(const char *name, const dragon_channel_stats_t *stats)
{
    return json_pack("{s:o, s:I, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name",
                     json_of_text(name), "node", (json_int_t)stats->node, "closed", stats->closed,
                     "single_receiver", stats->single_receiver, "capacity",
                     (json_int_t)stats->capacity, "inline_bytes", (json_int_t)stats->inline_bytes,
                     "waiting", (json_int_t)stats->waiting, "sent", (json_int_t)stats->sent,
                     "received", (json_int_t)stats->received, "lost", (json_int_t)stats->lost,
                     "waiting_senders", (json_int_t)stats->waiting_senders, "waiting_receivers",
                     (json_int_t)stats->waiting_receivers, "processes",
                     (json_int_t)stats->processes);
}

static bool print_json(json_t *channels)
{
    json_t *root = json_pack("{s:s, s:i, s:O}", "schema", "dragon-chan-stat", "version",
                             JSON_VERSION, "channels", channels);
    bool good = root && json_dumpf(root, stdout, JSON_INDENT(2)) == 0 && putchar('\n') == '\n';
    json_decref(root);
    return good;
}

// ---- the word

// 0, or the exit code of the worst that was looked for; what is there is shown in any case.
static int look_at_all(struct chan *chan, struct table *table, json_t *channels)
{
    int worst = 0;
    for (char **name = chan->operands; *name; name++) {
        dragon_channel_stats_t stats;
        int code = look(chan, *name, &stats);
        if (code == 0) {
            add_row(table, *name, &stats);
            if (json_array_append_new(channels, object_of(*name, &stats)) != 0)
                code = CHAN_EXIT_OURS;
        }
        if (code > worst)
            worst = code;
    }
    return worst;
}

int chan_stat(struct chan *chan)
{
    static const char *const headers[] = {"NAME",       ">NODE",      "STATE", ">MESSAGES",
                                          ">SENT",      ">RECEIVED",  ">LOST", ">SENDERS",
                                          ">RECEIVERS", ">PROCESSES", NULL};
    struct table *table = table_create(headers);
    json_t *channels = json_array();
    bool good = table && channels;
    int code = good ? look_at_all(chan, table, channels) : CHAN_EXIT_OURS;
    if (good && chan->json)
        good = print_json(channels);
    else if (good && json_array_size(channels) > 0)
        good = table_print(table, stdout);
    if (!good || fflush(stdout) != 0 || ferror(stdout)) {
        log_error("cannot write to standard output: %s", strerror(errno ? errno : ENOMEM));
        code = CHAN_EXIT_OURS;
    }
    json_decref(channels);
    table_destroy(table);
    return code;
}
