// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-chan: channels for shell scripts and job steps. Uses the library's public headers alone, as any client, and
// finds the runtime as dragon-info does. The words are in chan_open.c, chan_send.c, chan_recv.c and chan_stat.c.
#include "config.h"

#include "cli/chan.h"

#include "cli/info_find.h"
#include "cli/options.h"

#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

enum {
    OPTION_LINES = 256,
    OPTION_RAW,
    OPTION_TAG,
    OPTION_CREATE,
    OPTION_CAPACITY,
    OPTION_INLINE,
    OPTION_NODE,
    OPTION_SINGLE,
    OPTION_JSON,
    OPTION_RUNTIME,
};

static const struct chan_word words[] = {
    {"create", " capacity inline node host single-receiver ", 1, chan_create},
    {"send",
     " lines null raw message tag timeout create capacity inline node host single-receiver ", 1000,
     chan_send},
    {"recv",
     " lines null raw count follow timeout create capacity inline node host single-receiver ", 1,
     chan_recv},
    {"stat", " json ", 1000, chan_stat},
    {"close", " ", 1000, chan_close},
    {"destroy", " ", 1000, chan_destroy},
    {0},
};
static const char *const word_names[] = {"create", "send",    "recv", "stat",
                                         "close",  "destroy", NULL};

static const struct option_row rows[] = {
    {OPTIONS_SECTION, 0, NULL, NULL, NULL, "What is sent and received"},
    {OPTION_LINES, 0, "lines", NULL, NULL, "messages, one a line, not a stream"},
    {'0', '0', "null", NULL, NULL, "messages, each ended by a zero byte"},
    {OPTION_RAW, 0, "raw", NULL, NULL,
     "send: all input is one message; recv: messages as they are"},
    {'m', 'm', "message", "TEXT", NULL, "send: this one message"},
    {OPTION_TAG, 0, "tag", "N", NULL, "send: a number that programs receive with it (0)"},
    {'n', 'n', "count", "N", NULL, "recv: so many messages; implies --lines"},
    {'f', 'f', "follow", NULL, NULL, "recv: one stream after another, until the channel is closed"},
    {'t', 't', "timeout", "TIME|off", NULL, "wait for the other side at most so long (60s)"},
    {OPTIONS_SECTION, 0, NULL, NULL, NULL, "Making a channel"},
    {OPTION_CREATE, 0, "create", NULL, NULL, "send, recv: make it if it is not there"},
    {OPTION_CAPACITY, 0, "capacity", "N", NULL, "messages that it holds (128)"},
    {OPTION_INLINE, 0, "inline", "SIZE", NULL, "messages up to here are kept in it (224)"},
    {OPTION_NODE, 0, "node", "N", NULL, "on this node (the node of the call)"},
    {'H', 'H', "host", "NAME", NULL, "on a node of this host"},
    {OPTION_SINGLE, 0, "single-receiver", NULL, NULL,
     "one process at a time receives, reached directly from other nodes"},
    {OPTIONS_SECTION, 0, NULL, NULL, NULL, "In general"},
    {OPTION_JSON, 0, "json", NULL, NULL, "stat: one JSON object, for programs"},
    {OPTION_RUNTIME, 0, "runtime", "DIR", NULL, "this runtime, by its directory or its socket"},
    {'q', 'q', "quiet", NULL, NULL, "no notices"},
    {'v', 'v', "verbose", NULL, NULL, "say what is done"},
    {0},
};

static const char about[] =
    "Channels between programs of a runtime, on any of its nodes, by a name:\n\n"
    "  dragon-chan create results\n"
    "  producer | dragon-chan send results      one stream, to the end of the input\n"
    "  dragon-chan recv results | consumer      takes one stream, and ends with it\n"
    "  dragon-chan send jobs --create --lines <list      messages instead: one a line\n"
    "  dragon-chan recv jobs -n 1               takes one of them\n"
    "  dragon-chan stat jobs                    what is in it, and who waits\n"
    "  dragon-chan close jobs                   no more: recv ends when it is empty\n"
    "  dragon-chan destroy jobs                 it ends, with what is in it\n\n"
    "Who comes first waits for the other. A channel lives until it is destroyed or its\n"
    "runtime ends. It is used for streams or for messages, not for both.\n\n"
    "The exit code is 1 when the other side or the channel is gone, 124 when nothing\n"
    "happened in time, 125 after an error.";

// ---- taking options

static bool take_form(struct chan *chan, enum chan_form form, dragon_error_t *error)
{
    if (chan->form == FORM_STREAM || chan->form == form) {
        chan->form = form;
        return true;
    }
    err_set(error, DRAGON_ERR_INVAL, "--lines, --null and --raw exclude each other");
    return false;
}

static bool take_tag(struct chan *chan, const char *value, dragon_error_t *error)
{
    long long number;
    if (!option_number(value, 0, INT64_MAX, &number, error))
        return false;
    chan->tag = (uint64_t)number;
    return true;
}

static bool take_inline(struct chan *chan, const char *value, dragon_error_t *error)
{
    uint64_t bytes;
    if (!option_size(value, &bytes, error))
        return false;
    if (bytes > DRAGON_CHANNEL_INLINE_MOST) {
        err_set(error, DRAGON_ERR_INVAL, "at most %d bytes", DRAGON_CHANNEL_INLINE_MOST);
        return false;
    }
    chan->spec.inline_bytes = (uint32_t)bytes;
    return true;
}

static bool take_of_channel(struct chan *chan, int id, const char *value, dragon_error_t *error)
{
    uint32_t node;
    switch (id) {
    case OPTION_CAPACITY:
        return option_count(value, 1, DRAGON_CHANNEL_CAPACITY_MOST, &chan->spec.capacity, error);
    case OPTION_INLINE:
        return take_inline(chan, value, error);
    case OPTION_NODE:
        if (!option_count(value, 0, INT32_MAX, &node, error))
            return false;
        chan->spec.node = (int)node;
        return true;
    case 'H':
        return option_text(value, &chan->host, error);
    default:
        chan->spec.single_receiver = 1;
        return true;
    }
}

static bool take_of_data(struct chan *chan, int id, const char *value, dragon_error_t *error)
{
    switch (id) {
    case OPTION_LINES:
        return take_form(chan, FORM_LINES, error);
    case '0':
        return take_form(chan, FORM_ZEROS, error);
    case OPTION_RAW:
        return take_form(chan, FORM_RAW, error);
    case 'm':
        chan->message = value;
        return true;
    case OPTION_TAG:
        return take_tag(chan, value, error);
    case 'n':
        return option_number(value, 1, INT64_MAX, &chan->count, error);
    case 'f':
        chan->follow = true;
        return true;
    default:
        return option_timeout(value, &chan->timeout_ms, error);
    }
}

static bool take_option(void *arg, int id, const char *value, dragon_error_t *error)
{
    struct chan *chan = arg;
    for (size_t i = 0; rows[i].help; i++)
        if (rows[i].id == id && rows[i].name)
            chan->given |= 1ull << i;
    switch (id) {
    case OPTION_CREATE:
        chan->create = true;
        return true;
    case OPTION_CAPACITY:
    case OPTION_INLINE:
    case OPTION_NODE:
    case OPTION_SINGLE:
    case 'H':
        return take_of_channel(chan, id, value, error);
    case OPTION_JSON:
        chan->json = true;
        return true;
    case OPTION_RUNTIME:
        return option_text(value, &chan->path, error);
    case 'q':
    case 'v':
        log_set_level(id == 'q' ? LOG_LEVEL_QUIET : LOG_LEVEL_VERBOSE);
        return true;
    default:
        return take_of_data(chan, id, value, error);
    }
}

static const struct options command = {
    .command = "dragon-chan",
    .usage = "WORD NAME [OPTION...] [FILE...]",
    .about = about,
    .rows = rows,
    .take = take_option,
    .operands = word_names,
};

// ---- what fits together

static const struct chan_word *find_word(const struct options *options, const char *name)
{
    dragon_error_t error;
    size_t index;
    if (!name)
        options_refuse(options, "say what is to be done: create, send, recv, stat, close, destroy");
    if (!option_choice(name, word_names, sizeof word_names / sizeof *word_names - 1, &index,
                       &error))
        options_refuse(options, "nothing to do by the name of \"%s\": %s", name, error.text);
    return &words[index];
}

static bool was_given(const struct chan *chan, const char *name)
{
    for (size_t i = 0; rows[i].help; i++)
        if (rows[i].name && strcmp(rows[i].name, name) == 0)
            return chan->given >> i & 1;
    return false;
}

static void check_options(const struct options *options, const struct chan *chan)
{
    static const char *const everywhere = " runtime quiet verbose ";
    char name[40];
    for (size_t i = 0; rows[i].help; i++) {
        if (!(chan->given >> i & 1))
            continue;
        snprintf(name, sizeof name, " %s ", rows[i].name);
        if (!strstr(chan->word->options, name) && !strstr(everywhere, name))
            options_refuse(options, "%s takes no --%s", chan->word->name, rows[i].name);
    }
}

static void check_sense(const struct options *options, struct chan *chan)
{
    static const char *const of_create[] = {"capacity", "inline", "node", "host",
                                            "single-receiver"};
    bool makes = chan->create || strcmp(chan->word->name, "create") == 0;
    for (size_t i = 0; !makes && i < sizeof of_create / sizeof *of_create; i++)
        if (was_given(chan, of_create[i]))
            options_refuse(options, "--%s is of a channel that is made: give --create too",
                           of_create[i]);
    if (was_given(chan, "node") && chan->host)
        options_refuse(options, "--node and --host exclude each other");
    if (chan->message && (chan->form != FORM_STREAM || strv_count(chan->operands) > 1))
        options_refuse(options,
                       "--message is all that is sent: no files, --lines, --null or --raw");
    if (was_given(chan, "tag") && !chan->message && chan->form == FORM_STREAM)
        options_refuse(options, "--tag is of messages: give --message, --lines, --null or --raw");
    if (chan->count > 0 && chan->form == FORM_STREAM)
        chan->form = FORM_LINES;
    if (chan->follow && chan->form != FORM_STREAM)
        options_refuse(options, "--follow is of streams; without --count messages are received "
                                "until the channel is closed");
}

// Options are taken before the words, between them and behind them.
static void parse(struct chan *chan, int argc, char **argv)
{
    struct options options = command;
    const char *name = NULL;
    options.arg = chan;
    for (int at = options_parse(&options, argc, argv); argv[at];
         at += options_parse(&options, argc - at, argv + at)) {
        if (!name)
            name = argv[at];
        else if (!strv_push(&chan->operands, argv[at])) {
            log_error("out of memory");
            exit(CHAN_EXIT_OURS);
        }
    }
    chan->word = find_word(&options, name);
    size_t count = strv_count(chan->operands);
    if (count == 0)
        options_refuse(&options,
                       "%s what? give the name of a channel; a runtime does not list them",
                       chan->word->name);
    if (count > (size_t)chan->word->most)
        options_refuse(&options, "too many words: \"%s\"", chan->operands[chan->word->most]);
    check_options(&options, chan);
    check_sense(&options, chan);
}

int main(int argc, char **argv)
{
    const char *inside = getenv("DRAGON_RUNTIME");
    struct chan chan = {.path = inside && *inside ? inside : NULL,
                        .timeout_ms = CHAN_TIMEOUT_AUTO,
                        .spec = DRAGON_CHANNEL_SPEC_INIT,
                        .no_input = fcntl(STDIN_FILENO, F_GETFD) < 0,
                        .no_output = fcntl(STDOUT_FILENO, F_GETFD) < 0};
    self_fill_streams();
    log_open("dragon-chan", "");
    parse(&chan, argc, argv);
    int code = CHAN_EXIT_OURS;
    if (found_attach(chan.path, "dragon-chan", &chan.runtime) == 0)
        code = chan.word->run(&chan);
    dragon_runtime_detach(chan.runtime);
    strv_free(chan.operands);
    return code;
}
