// SPDX-License-Identifier: BSD-3-Clause
//
// Making a dictionary: its root, then a detached group of managers, each of which reports over a channel that it is up, or
// why not. When this process dies before it has told everybody, all that it has made ends with it.
#include "config.h"

#include "base/time.h"
#include "client/channel.h"
#include "client/dict_place.h"

#include <dragon/name.h>

#include <inttypes.h>
#include <poll.h>

enum {
    START_MS = 60000,          // for the managers to come up, and
    START_BYTES_A_MS = 100000, // this much of their memory
    END_MS = 10000,            // for those to end that are not needed
    BYTES_UNIT = 4096,
};

struct start {
    struct dragon_runtime *runtime; // borrowed
    const dragon_dict_spec_t *spec; // borrowed
    struct dict_place place;
    struct handle *root; // borrowed
    char *descriptor;    // owned
    uint32_t up;
    uint64_t bytes; // of each manager
    dragon_channel_t *channel;
    dragon_channel_set_t *set;
    dragon_group_t *group;
    bool down; // one has ended
    dragon_event_t end;
};

static dragon_err_t check_counts(struct start *start, dragon_error_t *error)
{
    const dragon_dict_spec_t *spec = start->spec;
    if (start->place.managers < 1 || start->place.managers > DRAGON_DICT_MANAGERS_MOST)
        return err_set(error, DRAGON_ERR_INVAL, "a dictionary has 1 to %d managers, not %" PRIu64,
                       DRAGON_DICT_MANAGERS_MOST, start->place.managers);
    start->bytes =
        spec->total_bytes ? spec->total_bytes / start->place.managers : DRAGON_DICT_BYTES;
    start->bytes -= start->bytes % BYTES_UNIT;
    if (start->bytes < DRAGON_DICT_BYTES_LEAST || start->bytes > INT64_MAX)
        return err_set(error, DRAGON_ERR_INVAL,
                       "each of %" PRIu64 " managers needs at least %d bytes, this is %" PRIu64,
                       start->place.managers, DRAGON_DICT_BYTES_LEAST, start->bytes);
    return DRAGON_OK;
}

// ---- coming up

static void on_event(void *arg, dragon_group_t *group, const dragon_event_t *event)
{
    struct start *start = arg;
    (void)group;
    if (start->down || (event->kind != DRAGON_EVENT_RANK_DOWN && event->kind != DRAGON_EVENT_ENDED))
        return;
    start->down = true;
    start->end = *event;
    start->end.text = NULL;
}

static dragon_err_t make_root(struct start *start, dragon_error_t *error)
{
    // Until all is done it ends with us, and the managers and the name with it.
    struct object_spec spec = {.kind = OBJECT_VALUE,
                               .owned = OWNED_AT_FIRST,
                               .numa = DRAGON_ANY_NUMA,
                               .capacity = DICT_SHARDS + (uint32_t)start->place.managers};
    struct handle *root = start->root;
    dragon_err_t err = handle_create(root, start->runtime, DRAGON_HERE, &spec, error);
    if (err != DRAGON_OK)
        return err;
    err = dict_root_set(root, DICT_VERSION, DICT_LAYOUT);
    if (err == DRAGON_OK)
        err = dict_root_set(root, DICT_MANAGERS, (int64_t)start->place.managers);
    if (err == DRAGON_OK)
        err = dict_root_set(root, DICT_TIMEOUT_MS, start->spec->timeout_ms);
    if (err == DRAGON_OK)
        return DRAGON_OK;
    handle_end(root, NULL);
    return err_set(error, err, "the dictionary cannot be made: %s", dragon_err_text(err));
}

// So that it costs no managers.
static dragon_err_t check_name(struct start *start, dragon_error_t *error)
{
    const char *name = start->spec->name;
    char *text;
    if (!name)
        return DRAGON_OK;
    dragon_err_t err = dragon_name_find(start->runtime, name, 0, &text, error);
    if (err == DRAGON_ERR_AGAIN)
        return DRAGON_OK;
    if (err != DRAGON_OK)
        return err;
    err_set(error, DRAGON_ERR_EXISTS, "the name \"%s\" is taken: %.100s", name, text);
    free(text);
    return DRAGON_ERR_EXISTS;
}

static dragon_err_t publish(struct start *start, dragon_error_t *error)
{
    if (!start->spec->name)
        return DRAGON_OK;
    return dragon_name_publish(start->runtime, start->spec->name, start->descriptor, error);
}

static dragon_err_t make_channel(struct start *start, dragon_error_t *error)
{
    struct object_spec spec = {.kind = OBJECT_CHANNEL,
                               .owned = OWNED_BY_MAKER,
                               .numa = DRAGON_ANY_NUMA,
                               .capacity = DRAGON_CHANNEL_CAPACITY,
                               .inline_bytes = DRAGON_CHANNEL_INLINE};
    dragon_err_t err = channel_create(start->runtime, DRAGON_HERE, &spec, &start->channel, error);
    if (err != DRAGON_OK)
        return err;
    err = dragon_channel_set_create(start->runtime, &start->set);
    if (err == DRAGON_OK)
        err = dragon_channel_set_add(start->set, start->channel, DRAGON_POLL_RECEIVE, NULL);
    return err == DRAGON_OK ? err : err_set(error, err, "no channel for the managers' reports");
}

static dragon_err_t launch(struct start *start, dragon_error_t *error)
{
    char program[] = DICT_MANAGER, bytes[24], numa[16], huge[16];
    char *reports = strdup(dragon_channel_descriptor(start->channel));
    snprintf(bytes, sizeof bytes, "%" PRIu64, start->bytes);
    snprintf(numa, sizeof numa, "%d", start->spec->memory.numa);
    snprintf(huge, sizeof huge, "%d", (int)start->spec->memory.huge);
    char *argv[] = {program, start->descriptor, reports, bytes, numa, huge, NULL};
    dragon_err_t err = reports ? dict_place_group(&start->place, argv, &start->group, error)
                               : err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    free(reports);
    if (err != DRAGON_OK)
        return err;
    dragon_group_on_event(start->group, on_event, start);
    return dict_place_error(start->group, dragon_group_start(start->group, error), error);
}

// AGAIN: there is no report now.
static dragon_err_t take_report(struct start *start, dragon_error_t *error)
{
    struct dict_report report;
    dragon_message_t message;
    dragon_err_t err = dragon_channel_receive(start->channel, &report, sizeof report, &message, 0);
    if (err == DRAGON_ERR_AGAIN)
        return err;
    if (err != DRAGON_OK || message.bytes != sizeof report)
        return err_set(error, err ? err : DRAGON_ERR_PROTO, "a manager's report is not understood");
    start->up++;
    if (report.error.code == DRAGON_OK)
        return DRAGON_OK;
    report.error.text[sizeof report.error.text - 1] = 0;
    return err_set(error, report.error.code, "manager %" PRIu32 " of the dictionary: %s",
                   report.manager, report.error.text);
}

static dragon_err_t sleep_for_reports(struct start *start, uint64_t deadline_ms)
{
    dragon_ready_t ready;
    size_t ready_count;
    if (dragon_channel_set_wait_any(start->set, &ready, 1, &ready_count, 0) == DRAGON_OK)
        return DRAGON_OK;
    struct pollfd fds[] = {{.fd = dragon_channel_set_fd(start->set), .events = POLLIN},
                           {.fd = dragon_runtime_fd(start->runtime), .events = POLLIN}};
    int most_ms = dragon_runtime_wait_ms(start->runtime), left_ms = time_left_ms(deadline_ms);
    poll(fds, 2, most_ms >= 0 && most_ms < left_ms ? most_ms : left_ms);
    return left_ms > 0 ? DRAGON_OK : DRAGON_ERR_TIMEOUT;
}

// A manager that ends has reported before, if it could: so its end is looked at first, and told last.
static dragon_err_t wait_for_reports(struct start *start, dragon_error_t *error)
{
    uint64_t limit_ms = START_MS + start->bytes / START_BYTES_A_MS * start->place.managers;
    uint64_t deadline_ms = time_now_ms() + limit_ms;
    for (;;) {
        dragon_err_t err = dragon_runtime_progress(start->runtime, 0);
        if (err != DRAGON_OK && err != DRAGON_ERR_TIMEOUT)
            return err_set(error, err, "the runtime has ended");
        while (start->up < start->place.managers && (err = take_report(start, error)) == DRAGON_OK)
            ;
        if (start->up == start->place.managers || err != DRAGON_ERR_AGAIN)
            return err;
        if (start->down)
            return err_set(error, DRAGON_ERR_PEER,
                           "manager %" PRIu32 " of the dictionary ended on node %" PRIu32
                           " while it came up (exit code %d)",
                           start->end.rank, start->end.node, start->end.code);
        if (sleep_for_reports(start, deadline_ms) != DRAGON_OK)
            return err_set(error, DRAGON_ERR_TIMEOUT,
                           "%" PRIu64 " of %" PRIu64
                           " managers of the dictionary did not come up within %" PRIu64 " s",
                           start->place.managers - start->up, start->place.managers,
                           limit_ms / 1000);
    }
}

// ---- all of it

static dragon_err_t check_spec(const dragon_dict_spec_t *spec, dragon_error_t *error)
{
    struct segment_kind kind;
    if (spec->timeout_ms < DRAGON_DEFAULT_TIMEOUT)
        return err_set(error, DRAGON_ERR_INVAL, "%d is no time-out", spec->timeout_ms);
    dragon_err_t err = dict_place_check(spec, error);
    if (err != DRAGON_OK)
        return err;
    return memory_kind(&spec->memory, &kind, error);
}

// Those that came up end by themselves, because the root is gone.
static void give_up(struct start *start)
{
    (void)dict_root_set(start->root, DICT_STATE, DICT_FAILED);
    handle_end(start->root, NULL);
    if (!start->group)
        return;
    dragon_group_on_event(start->group, NULL, NULL);
    if (dragon_group_stop(start->group) == DRAGON_OK)
        dragon_group_wait(start->group, END_MS);
}

// From now on it is everybody's.
static dragon_err_t let_go(struct start *start, dragon_error_t *error)
{
    struct handle again, *root = start->root;
    dragon_err_t err = dict_root_set(root, DICT_STATE, DICT_UP);
    if (err != DRAGON_OK)
        return err_set(error, err, "the dictionary cannot be made: %s", dragon_err_text(err));
    err = handle_open(&again, root, root->node, root->id, OBJECT_VALUE, error);
    if (err == DRAGON_OK)
        handle_leave(&again);
    return err;
}

static dragon_err_t come_up(struct start *start, dragon_error_t *error)
{
    const struct handle *root = start->root;
    start->descriptor =
        descriptor_write(DICT_WHAT, root->shared->space->runtime,
                         (uint64_t[OBJECT_NUMBERS]){root->node, root->id}, OBJECT_NUMBERS);
    dragon_err_t err = start->descriptor ? make_channel(start, error)
                                         : err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    if (err == DRAGON_OK)
        err = launch(start, error);
    if (err == DRAGON_OK)
        err = wait_for_reports(start, error);
    if (err == DRAGON_OK)
        err = publish(start, error);
    if (err == DRAGON_OK)
        err = let_go(start, error);
    return err;
}

dragon_err_t dict_start(struct dragon_runtime *runtime, const dragon_dict_spec_t *spec,
                        struct handle *root, dragon_error_t *error)
{
    struct start start = {.runtime = runtime,
                          .spec = spec,
                          .place = {.runtime = runtime, .spec = spec},
                          .root = root};
    dragon_error_t mine;
    error = error ? error : &mine; // its text is used
    dragon_err_t err = check_spec(spec, error);
    if (err == DRAGON_OK)
        err = check_name(&start, error);
    if (err == DRAGON_OK)
        err = dict_place_make(&start.place, error);
    if (err == DRAGON_OK)
        err = check_counts(&start, error);
    if (err == DRAGON_OK)
        err = make_root(&start, error);
    if (err == DRAGON_OK) {
        err = come_up(&start, error);
        if (err != DRAGON_OK)
            give_up(&start);
        else
            dragon_group_on_event(start.group, NULL, NULL);
    }
    dragon_group_destroy(start.group);
    dragon_channel_set_destroy(start.set);
    dragon_channel_destroy(start.channel, NULL);
    dict_place_fini(&start.place);
    free(start.descriptor);
    return err;
}
