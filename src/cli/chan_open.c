// SPDX-License-Identifier: BSD-3-Clause
//
// Finding, making and ending the channel that a name stands for.
#include "config.h"

#include "cli/chan.h"

int chan_code(dragon_err_t err)
{
    switch (err) {
    case DRAGON_OK:
        return 0;
    case DRAGON_ERR_TIMEOUT:
    case DRAGON_ERR_AGAIN:
        return CHAN_EXIT_TIME;
    case DRAGON_ERR_PEER:
    case DRAGON_ERR_CLOSED:
    case DRAGON_ERR_EXISTS:
        return CHAN_EXIT_BROKEN;
    default:
        return CHAN_EXIT_OURS;
    }
}

static const char *reason(const struct chan *chan, dragon_err_t err)
{
    const char *network = dragon_runtime_network_error(chan->runtime);
    switch (err) {
    case DRAGON_ERR_CLOSED:
        return "the channel is closed";
    case DRAGON_ERR_PEER:
        return *network ? network : "the channel's node is gone, or the runtime has ended";
    case DRAGON_ERR_DENIED:
        return "it has a single receiver, which is another process";
    case DRAGON_ERR_FULL:
        return "the channel's node has no memory left for it";
    case DRAGON_ERR_TOO_BIG:
        return "the message is larger than a segment of shared memory can be";
    default:
        return *network ? network : dragon_err_text(err);
    }
}

int chan_fail(const struct chan *chan, dragon_err_t err, const char *doing)
{
    log_error("%s \"%s\": %s", doing, chan_name(chan), reason(chan, err));
    return chan_code(err);
}

static int fail(dragon_err_t err, const dragon_error_t *error)
{
    log_error("%s", error->text);
    return chan_code(err);
}

// ---- making one

static dragon_err_t set_host(struct chan *chan, dragon_policy_t **policy_out, dragon_error_t *error)
{
    dragon_policy_t *policy;
    dragon_err_t err = dragon_policy_create(&policy);
    if (err == DRAGON_OK && (err = dragon_policy_set_hosts(policy, chan->host)) != DRAGON_OK)
        dragon_policy_destroy(policy);
    if (err != DRAGON_OK)
        return err_set(error, err, "--host %s: %s", chan->host, dragon_err_text(err));
    chan->spec.policy = *policy_out = policy;
    return DRAGON_OK;
}

static dragon_err_t make(struct chan *chan, dragon_channel_t **channel_out, dragon_error_t *error)
{
    dragon_policy_t *policy = NULL;
    dragon_err_t err = chan->host ? set_host(chan, &policy, error) : DRAGON_OK;
    if (err == DRAGON_OK)
        err = dragon_channel_create(chan->runtime, &chan->spec, channel_out, error);
    chan->spec.policy = NULL;
    dragon_policy_destroy(policy);
    return err;
}

// A channel that could not be published is of no use to anybody.
static dragon_err_t make_named(struct chan *chan, dragon_channel_t **channel_out,
                               dragon_error_t *error)
{
    dragon_channel_t *channel;
    dragon_err_t err = make(chan, &channel, error);
    if (err != DRAGON_OK)
        return err;
    err = dragon_name_publish(chan->runtime, chan_name(chan), dragon_channel_descriptor(channel),
                              error);
    if (err != DRAGON_OK) {
        dragon_channel_destroy(channel, NULL);
        return err;
    }
    log_verbose("a channel \"%s\" was made: %s", chan_name(chan),
                dragon_channel_descriptor(channel));
    *channel_out = channel;
    return DRAGON_OK;
}

int chan_create(struct chan *chan)
{
    dragon_channel_t *channel;
    dragon_error_t error;
    dragon_err_t err = make_named(chan, &channel, &error);
    if (err == DRAGON_ERR_EXISTS) {
        log_error("there is a \"%s\" already; dragon-chan destroy ends it", chan_name(chan));
        return CHAN_EXIT_BROKEN;
    }
    if (err != DRAGON_OK)
        return fail(err, &error);
    dragon_channel_detach(channel);
    return 0;
}

// ---- finding one

// Another process may make it at the same time: then theirs is it.
static dragon_err_t find_or_make(struct chan *chan, dragon_channel_t **channel_out,
                                 dragon_error_t *error)
{
    dragon_err_t err = dragon_channel_find(chan->runtime, chan_name(chan), 0, channel_out, error);
    if (err != DRAGON_ERR_AGAIN && err != DRAGON_ERR_TIMEOUT)
        return err;
    err = make_named(chan, channel_out, error);
    if (err != DRAGON_ERR_EXISTS)
        return err;
    return dragon_channel_find(chan->runtime, chan_name(chan), DRAGON_DEFAULT_TIMEOUT, channel_out,
                               error);
}

int chan_open(struct chan *chan, dragon_channel_t **channel_out)
{
    dragon_error_t error;
    int timeout_ms = chan_timeout(chan, DRAGON_DEFAULT_TIMEOUT);
    dragon_err_t err = chan->create ? find_or_make(chan, channel_out, &error)
                                    : dragon_channel_find(chan->runtime, chan_name(chan),
                                                          timeout_ms, channel_out, &error);
    if (err == DRAGON_OK)
        return 0;
    if (err == DRAGON_ERR_TIMEOUT || err == DRAGON_ERR_AGAIN) {
        log_error("nobody has made a channel \"%s\"; dragon-chan create %s makes one",
                  chan_name(chan), chan_name(chan));
        return CHAN_EXIT_TIME;
    }
    return fail(err, &error);
}

// ---- ending one

// Those that are there, and no others.
static int find_present(struct chan *chan, const char *name, dragon_channel_t **channel_out)
{
    dragon_error_t error;
    dragon_err_t err = dragon_channel_find(chan->runtime, name, 0, channel_out, &error);
    if (err == DRAGON_OK)
        return 0;
    if (err != DRAGON_ERR_TIMEOUT && err != DRAGON_ERR_AGAIN)
        return fail(err, &error);
    log_error("there is no \"%s\"", name);
    return CHAN_EXIT_BROKEN;
}

static int for_each(struct chan *chan,
                    dragon_err_t (*end)(dragon_channel_t *channel, dragon_error_t *error))
{
    int worst = 0;
    for (char **name = chan->operands; *name; name++) {
        dragon_channel_t *channel;
        dragon_error_t error;
        int code = find_present(chan, *name, &channel);
        dragon_err_t err = code ? DRAGON_OK : end(channel, &error);
        if (err != DRAGON_OK)
            code = fail(err, &error);
        if (code > worst)
            worst = code;
    }
    return worst;
}

static dragon_err_t close_one(dragon_channel_t *channel, dragon_error_t *error)
{
    dragon_err_t err = dragon_channel_close(channel, error);
    dragon_channel_detach(channel);
    return err;
}

int chan_close(struct chan *chan)
{
    return for_each(chan, close_one);
}

int chan_destroy(struct chan *chan)
{
    return for_each(chan, dragon_channel_destroy);
}
