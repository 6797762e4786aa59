// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-dict keys, length, clear, freeze and unfreeze: the words for all of a dictionary.
#include "config.h"

#include "cli/dict.h"

#include <inttypes.h>
#include <unistd.h>

// ---- keys

struct listing {
    struct call *call;
    bool shown; // escaped, for a terminal or because it was asked for
};

// What the value has, without fetching it. NOT_FOUND: it was erased meanwhile.
static dragon_err_t size_of(const struct call *call, const void *key, size_t key_bytes,
                            size_t *bytes_out)
{
    dragon_err_t err =
        dragon_dict_get(call->session->dict, key, key_bytes, NULL, 0, bytes_out, call->timeout_ms);
    return err == DRAGON_ERR_TOO_BIG ? DRAGON_OK : err;
}

// Size and manager before the key, which may be anything.
static dragon_err_t print_details(const struct call *call, const void *key, size_t key_bytes)
{
    size_t bytes;
    dragon_err_t err = size_of(call, key, key_bytes, &bytes);
    if (err == DRAGON_OK)
        printf("%12zu  %4u  ", bytes, dragon_dict_manager_of(call->session->dict, key, key_bytes));
    return err;
}

static bool print_key(const struct listing *listing, const void *key, size_t key_bytes)
{
    char *text = listing->shown ? text_escape(key, key_bytes, false) : NULL;
    if (listing->shown && !text)
        return false;
    if (text)
        fputs(text, stdout);
    else
        fwrite(key, 1, key_bytes, stdout);
    free(text);
    putchar(listing->call->null ? 0 : '\n');
    return !ferror(stdout);
}

static dragon_err_t list(const struct listing *listing, dragon_dict_cursor_t *cursor)
{
    const struct call *call = listing->call;
    const void *key;
    size_t key_bytes;
    dragon_err_t err;
    while ((err = dragon_dict_cursor_next(cursor, &key, &key_bytes, NULL, NULL,
                                          call->timeout_ms)) == DRAGON_OK) {
        err = call->details ? print_details(call, key, key_bytes) : DRAGON_OK;
        if (err == DRAGON_ERR_NOT_FOUND)
            continue;
        if (err != DRAGON_OK)
            return err;
        if (!print_key(listing, key, key_bytes))
            return DRAGON_ERR_SYS;
        if (call->session->terminal && prompt_interrupted())
            return DRAGON_ERR_CANCELED;
    }
    return err;
}

int do_keys(struct call *call)
{
    struct listing listing = {.call = call,
                              .shown = call->escapes || (!call->null && isatty(STDOUT_FILENO))};
    const struct bytes none = {0}, *prefix = call->count > 0 ? &call->operands[0] : &none;
    dragon_dict_cursor_t *cursor;
    dragon_err_t err = dragon_dict_cursor_create(call->session->dict, prefix->data, prefix->count,
                                                 call->local ? DRAGON_DICT_LOCAL : 0, &cursor);
    if (err != DRAGON_OK)
        return call_fail(call, err);
    err = list(&listing, cursor);
    dragon_dict_cursor_destroy(cursor);
    int code = print_end(call->session);
    return code || err == DRAGON_ERR_NOT_FOUND ? code : call_fail(call, err);
}

// ---- all of it

int do_length(struct call *call)
{
    uint64_t length;
    dragon_err_t err = dragon_dict_length(call->session->dict, &length, call->timeout_ms);
    if (err != DRAGON_OK)
        return call_fail(call, err);
    printf("%" PRIu64 "\n", length);
    return print_end(call->session);
}

int do_clear(struct call *call)
{
    return call_end(call, dragon_dict_clear(call->session->dict, call->timeout_ms));
}

int do_freeze(struct call *call)
{
    return call_end(call, dragon_dict_freeze(call->session->dict, call->timeout_ms));
}

int do_unfreeze(struct call *call)
{
    return call_end(call, dragon_dict_unfreeze(call->session->dict, call->timeout_ms));
}
