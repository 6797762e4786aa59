// SPDX-License-Identifier: BSD-3-Clause
//
// Which nodes a policy's list of hosts means. A name comes before a number; a host stands for all its nodes.
#include "config.h"

#include "place/internal.h"

enum { NAMES_SHOWN = 6 };

struct host_list {
    uint32_t *nodes; // owned
    uint32_t count;
    uint8_t *seen; // owned: a byte for each node of the runtime
};

static void add_node(struct host_list *list, uint32_t node)
{
    if (list->seen[node])
        return;
    list->seen[node] = 1;
    list->nodes[list->count++] = node;
}

// The names that there are, when they are few, behind what is wrong.
static dragon_err_t unknown(struct planner *planner, const char *word)
{
    const struct ledger *ledger = planner->ledger;
    const char **names = calloc(2 * (size_t)ledger->count, sizeof *names);
    char known[128] = "", guess[96] = "";
    size_t used = 0;
    if (!names)
        return planner_error(planner, DRAGON_ERR_NOMEM, "out of memory");
    for (uint32_t i = 0; i < ledger->count; i++) {
        names[i] = ledger->nodes[i].name;
        names[ledger->count + i] = ledger->nodes[i].host;
    }
    const char *nearest = word_nearest(word, names, 2 * (size_t)ledger->count);
    free(names);
    if (nearest)
        snprintf(guess, sizeof guess, "; did you mean \"%s\"?", nearest);
    for (uint32_t i = 0; ledger->count <= NAMES_SHOWN && i < ledger->count; i++) {
        int length = snprintf(known + used, sizeof known - used, "%s%s",
                              i         ? ", "
                              : nearest ? " There are "
                                        : "; there are ",
                              ledger->nodes[i].name);
        used += length > 0 ? (size_t)length : 0;
        if (used >= sizeof known) {
            known[0] = 0; // a part of the names would look like all of them
            break;
        }
    }
    return planner_error(planner, DRAGON_ERR_INVAL, "no node or host is named \"%.64s\"%s%s", word,
                         guess, known);
}

static dragon_err_t add_number(struct planner *planner, const char *word, struct host_list *list)
{
    long long number;
    if (word[strspn(word, "0123456789")] != 0 || !*word)
        return unknown(planner, word);
    if (!parse_number(word, 0, (long long)planner->ledger->count - 1, &number))
        return planner_error(planner, DRAGON_ERR_INVAL,
                             "there is no node %.20s, the last of this runtime is %u", word,
                             planner->ledger->count - 1);
    add_node(list, (uint32_t)number);
    return DRAGON_OK;
}

// A name with a domain also means a host that knows itself without one: files of batch systems have such names. A host
// of another domain is not meant. False: out of memory.
static bool find_word(struct ledger *ledger, const char *word, struct ledger_found *found_out)
{
    const char *dot = strchr(word, '.');
    if (!ledger_find(ledger, word, found_out))
        return false;
    if (found_out->count || !dot)
        return true;
    char *brief = strndup(word, (size_t)(dot - word));
    bool good = brief && ledger_find(ledger, brief, found_out);
    if (good && found_out->count &&
        strcmp(ledger->nodes[ledger_found_node(found_out, 0)].host, brief) != 0)
        found_out->count = 0;
    free(brief);
    return good;
}

static dragon_err_t add_word(struct planner *planner, const char *word, struct host_list *list)
{
    struct ledger *ledger = planner->ledger;
    struct ledger_found found;
    if (!find_word(ledger, word, &found))
        return planner_error(planner, DRAGON_ERR_NOMEM, "out of memory");
    if (found.count == 0)
        return add_number(planner, word, list);
    const char *host = ledger->nodes[ledger_found_node(&found, 0)].host;
    for (size_t i = 1; found.kind == LEDGER_BRIEF_HOST && i < found.count; i++) {
        const char *other = ledger->nodes[ledger_found_node(&found, i)].host;
        if (strcmp(host, other) != 0)
            return planner_error(planner, DRAGON_ERR_INVAL, "\"%.64s\" may be %.64s or %.64s", word,
                                 host, other);
    }
    for (size_t i = 0; i < found.count; i++)
        add_node(list, ledger_found_node(&found, i));
    return DRAGON_OK;
}

dragon_err_t hosts_find(struct planner *planner, char *const *hosts, uint32_t **nodes_out,
                        uint32_t *count_out)
{
    uint32_t nodes = planner->ledger->count;
    struct host_list list = {
        .nodes = calloc(nodes, sizeof *list.nodes),
        .seen = calloc(nodes, sizeof *list.seen),
    };
    dragon_err_t err = DRAGON_OK;
    if (!list.nodes || !list.seen)
        err = planner_error(planner, DRAGON_ERR_NOMEM, "out of memory");
    for (char *const *at = hosts; err == DRAGON_OK && *at; at++)
        err = add_word(planner, *at, &list);
    free(list.seen);
    if (err != DRAGON_OK) {
        free(list.nodes);
        return err;
    }
    *nodes_out = list.nodes;
    *count_out = list.count;
    return DRAGON_OK;
}
