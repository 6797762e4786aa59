// SPDX-License-Identifier: BSD-3-Clause
//
// Why a call failed, in words. The call only puts down what it was (struct dict_failure); names and figures are asked for here.
#include "config.h"

#include "client/dict.h"
#include "client/group.h"

#include <dragon/system.h>

#include <inttypes.h>

enum { ASK_MS = 500 }; // for the name of the host, and for the figures

struct why {
    struct dragon_dict *dict;
    struct dict_failure failure;
    char who[128]; // the manager
};

// "1 (node-b)", or the number alone when the runtime does not tell.
static void name_node(const struct dragon_dict *dict, uint32_t number, char *text, size_t room)
{
    struct dragon_system *system = NULL;
    const dragon_node_t *node = NULL;
    if (system_look(dict->root.runtime, ASK_MS, &system, NULL) == DRAGON_OK)
        node = dragon_system_node(system, number);
    if (!node)
        snprintf(text, room, "%" PRIu32, number);
    else if (strcmp(node->name, node->host) == 0)
        snprintf(text, room, "%" PRIu32 " (%s)", number, node->host);
    else
        snprintf(text, room, "%" PRIu32 " (%s, host %s)", number, node->name, node->host);
    dragon_system_destroy(system);
}

static void name_manager(struct why *why)
{
    uint32_t manager = (uint32_t)why->failure.manager, node;
    char place[96] = "a node that is not known";
    if (dict_node(why->dict, manager, &node) == DRAGON_OK)
        name_node(why->dict, node, place, sizeof place);
    snprintf(why->who, sizeof why->who, "manager %" PRIu32 " on node %s", manager, place);
}

static void say_full(const struct why *why, dragon_error_t *error)
{
    const struct dict_failure *failure = &why->failure;
    dragon_dict_stats_t stats;
    if (failure->op == PAIR_GET || failure->op == PAIR_POP) {
        err_set(error, failure->err,
                "%s: as many views are open as it can have; end some, or freeze the dictionary",
                why->who);
        return;
    }
    char value[48] = "";
    if (failure->op)
        snprintf(value, sizeof value, " for a value of %" PRIu64 " bytes", failure->bytes);
    dragon_err_t err = dragon_dict_stats(why->dict, (uint32_t)failure->manager, &stats, ASK_MS);
    if (err != DRAGON_OK)
        err_set(error, failure->err, "%s has no room%s; it does not tell its figures: %s", why->who,
                value, dragon_err_text(err));
    else
        err_set(error, failure->err,
                "%s has no room%s: of %" PRIu64 " bytes %" PRIu64 " are used and %" PRIu64
                " free, %" PRIu64 " in one piece",
                why->who, value, stats.total_bytes, stats.used_bytes, stats.free_bytes,
                stats.largest_bytes);
}

static void say_late(const struct why *why, dragon_error_t *error)
{
    const struct dict_failure *failure = &why->failure;
    const char *what = !failure->wait                 ? "did not answer in time"
                       : failure->op == PAIR_CONTAINS ? "did not get the key in time"
                                                      : "had no room in time";
    if (failure->timeout_ms > 0)
        err_set(error, failure->err, "%s %s, within %d ms", why->who, what, failure->timeout_ms);
    else
        err_set(error, failure->err, "%s %s", why->who, what);
}

static void say_gone(const struct why *why, dragon_error_t *error)
{
    const dragon_error_t *network = &why->dict->root.shared->why;
    bool known = network->code == DRAGON_ERR_PEER;
    err_set(error, why->failure.err,
            "%s is gone, and its pairs with it; the other managers go on%s%s", why->who,
            known ? ": " : "", known ? network->text : "");
}

static void say_of_manager(struct why *why, dragon_error_t *error)
{
    const struct dict_failure *failure = &why->failure;
    name_manager(why);
    switch (failure->err) {
    case DRAGON_ERR_FULL:
        say_full(why, error);
        break;
    case DRAGON_ERR_TIMEOUT:
    case DRAGON_ERR_AGAIN:
        say_late(why, error);
        break;
    case DRAGON_ERR_PEER:
        say_gone(why, error);
        break;
    case DRAGON_ERR_NOT_FOUND:
        err_set(error, failure->err, "%s has no such key", why->who);
        break;
    case DRAGON_ERR_EXISTS:
        err_set(error, failure->err, "%s has the key already", why->who);
        break;
    case DRAGON_ERR_DENIED:
        err_set(error, failure->err, "%s is frozen, and cannot be changed", why->who);
        break;
    case DRAGON_ERR_STATE:
        err_set(error, failure->err, "the value at %s is not the expected one", why->who);
        break;
    case DRAGON_ERR_TOO_BIG:
        err_set(error, failure->err,
                "the value at %s has %" PRIu64 " bytes, more than there is room for", why->who,
                failure->bytes);
        break;
    case DRAGON_ERR_INVAL:
        err_set(error, failure->err, "the value at %s is no number of eight bytes", why->who);
        break;
    default:
        err_set(error, failure->err, "%s: %s", why->who,
                shared_why(why->dict->root.shared, failure->err));
    }
}

// It came to no manager.
static void say_of_call(const struct why *why, dragon_error_t *error)
{
    dragon_err_t err = why->failure.err;
    char place[96];
    switch (err) {
    case DRAGON_ERR_INVAL:
        err_set(error, err, "an argument makes no sense");
        break;
    case DRAGON_ERR_TOO_BIG:
        err_set(error, err,
                "a key has at most %d bytes, and a value that is written in pieces as many as were "
                "said",
                DRAGON_DICT_KEY_MOST);
        break;
    case DRAGON_ERR_CLOSED:
        err_set(error, err, "the dictionary was destroyed");
        break;
    case DRAGON_ERR_PEER:
    case DRAGON_ERR_TIMEOUT:
        name_node(why->dict, why->dict->root.node, place, sizeof place);
        err_set(error, err, "the dictionary's root on node %s %s: %s", place,
                err == DRAGON_ERR_PEER ? "cannot be reached" : "did not answer in time",
                shared_why(why->dict->root.shared, err));
        break;
    default:
        err_set(error, err, "%s", dragon_err_text(err));
    }
}

dragon_err_t dragon_dict_why(dragon_dict_t *dict, dragon_error_t *error)
{
    dragon_err_t err = dict_check(dict);
    if (err != DRAGON_OK)
        return err;
    if (!error)
        return DRAGON_ERR_INVAL;
    if (dict->failure.err == DRAGON_OK)
        return DRAGON_ERR_NOT_FOUND;
    struct why why = {.dict = dict, .failure = dict->failure};
    if (why.failure.manager >= 0)
        say_of_manager(&why, error);
    else
        say_of_call(&why, error);
    dict->failure = why.failure; // asking may have failed, too
    return DRAGON_OK;
}
