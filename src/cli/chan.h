// SPDX-License-Identifier: BSD-3-Clause
//
// What the parts of dragon-chan share. The command line becomes a `struct chan`; a word of the command ("send") is
// one function, which says what goes wrong and returns the exit code.
//
// A channel carries streams, one for each call of send, or messages. Which of them the caller says; what does not
// fit is refused by who receives it.
#ifndef CLI_CHAN_H
#define CLI_CHAN_H

#include "base/base.h"

#include <dragon/dragon.h>

enum {
    CHAN_EXIT_BROKEN = 1,  // the other side or the channel is gone, or not there
    CHAN_EXIT_TIME = 124,  // nothing happened in time
    CHAN_EXIT_OURS = 125,  // a wrong call, or an error
    CHAN_PIECE = 1 << 20,  // bytes that are read, sent or received at once
    CHAN_TIMEOUT_AUTO = -3 // --timeout was not given: each word has its own
};

// What an input or output is made of.
enum chan_form {
    FORM_STREAM, // of bytes, to its end
    FORM_LINES,  // messages, one a line
    FORM_ZEROS,  // messages, each ended by a zero byte
    FORM_RAW,    // messages; recv writes them one after the other, send makes one of all its input
};

struct chan {
    const char *path; // of the runtime; NULL: it is to be found
    const struct chan_word *word;
    char **operands; // owned: the name, and files or further names
    enum chan_form form;
    const char *message; // of --message
    uint64_t tag;
    long long count; // of messages; 0: all
    int timeout_ms;  // or a constant of runtime.h, or CHAN_TIMEOUT_AUTO
    bool create, follow, json;
    bool no_input, no_output; // ours were closed by who started us
    dragon_channel_spec_t spec;
    const char *host; // its node; NULL: spec.node
    uint64_t given;   // options that were, a bit for each row
    dragon_runtime_t *runtime;
};

struct chan_word {
    const char *name;
    const char *options; // names of those that it takes, each between blanks
    int most;            // operands
    int (*run)(struct chan *chan);
};

int chan_create(struct chan *chan);
int chan_send(struct chan *chan);
int chan_recv(struct chan *chan);
int chan_stat(struct chan *chan);
int chan_close(struct chan *chan);
int chan_destroy(struct chan *chan);

// ---- chan_open.c

static inline const char *chan_name(const struct chan *chan)
{
    return chan->operands[0];
}

// The time-out that was given, or this one.
static inline int chan_timeout(const struct chan *chan, int otherwise)
{
    return chan->timeout_ms == CHAN_TIMEOUT_AUTO ? otherwise : chan->timeout_ms;
}

// The exit code of an error.
int chan_code(dragon_err_t err);
// The channel of the first operand, made when that was asked for. 0, or the exit code after having said why not.
int chan_open(struct chan *chan, dragon_channel_t **channel_out);
// Says that a call with the channel failed. The exit code.
int chan_fail(const struct chan *chan, dragon_err_t err, const char *doing);

#endif
