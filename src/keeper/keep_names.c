// SPDX-License-Identifier: BSD-3-Clause
//
// Names, all of them at node 0, and who waits for them. A name that belongs to an object is published by way of the
// object's home, which remembers it and says when the object is destroyed; so a name is never left behind.
#include "config.h"

#include "keeper/internal.h"

#include <ctype.h>
#include <dragon/name.h>

enum { NAMES_LIMIT = 1 << 16, WAIT_LIMIT_MS = 1 << 30 };

struct keep_name {
    char *name;      // owned
    char *text;      // owned; NULL: nobody has published it, somebody waits for it
    uint64_t object; // 0: none
    uint32_t awaited;
    UT_hash_handle hh;
};

struct keep_finder {
    struct keep_asker asker;
    struct keep_name *name; // borrowed
    uint64_t deadline_ms;   // UINT64_MAX: none
    struct keep_finder *prev, *next;
};

// ---- names

static bool name_valid(const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < length; i++)
        if (iscntrl((unsigned char)name[i]))
            return false;
    return length > 0 && length <= DRAGON_NAME_MOST;
}

static struct keep_name *find_name(struct keeper *keeper, const char *name)
{
    struct keep_name *found;
    HASH_FIND_STR(keeper->names, name, found);
    return found;
}

static struct keep_name *add_name(struct keeper *keeper, const char *name)
{
    struct keep_name *added = calloc(1, sizeof *added);
    if (added)
        added->name = strdup(name);
    if (!added || !added->name) {
        free(added);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, keeper->names, added->name, strlen(added->name), added);
    return added;
}

static void name_free(struct keeper *keeper, struct keep_name *name)
{
    HASH_DEL(keeper->names, name);
    free(name->text);
    free(name->name);
    free(name);
}

// It stands for nothing any more.
static void name_clear(struct keeper *keeper, struct keep_name *name)
{
    free(name->text);
    name->text = NULL;
    name->object = 0;
    if (name->awaited == 0)
        name_free(keeper, name);
}

void keep_names_forget(struct keeper *keeper, uint64_t object)
{
    for (struct keep_name *name = keeper->names, *next; name; name = next) {
        next = name->hh.next;
        if (name->text && name->object == object)
            name_clear(keeper, name);
    }
}

void keep_names_node_lost(struct keeper *keeper, uint32_t node)
{
    for (struct keep_name *name = keeper->names, *next; name; name = next) {
        next = name->hh.next;
        if (name->text && name->object && keep_object_home(name->object) == node)
            name_clear(keeper, name);
    }
}

// ---- who waits

static void finder_free(struct keeper *keeper, struct keep_finder *finder)
{
    struct keep_name *name = finder->name;
    DL_DELETE(keeper->finders, finder);
    free(finder);
    if (--name->awaited == 0 && !name->text)
        name_free(keeper, name);
}

static void set_timer(struct keeper *keeper)
{
    if (keeper->finders && keeper->finders->deadline_ms != UINT64_MAX)
        loop_timer_start(keeper->find, (uint64_t)time_left_ms(keeper->finders->deadline_ms));
    else if (keeper->find)
        loop_timer_stop(keeper->find);
}

static void refuse_find(struct keeper *keeper, const struct keep_asker *asker, const char *name,
                        dragon_err_t err)
{
    keep_refuse(keeper, asker, err, "nobody has published \"%s\"%s", name,
                err == DRAGON_ERR_TIMEOUT ? " in time" : "");
}

static void on_find(void *arg)
{
    struct keeper *keeper = arg;
    while (keeper->finders && keeper->finders->deadline_ms <= time_now_ms()) {
        struct keep_finder *finder = keeper->finders;
        refuse_find(keeper, &finder->asker, finder->name->name, DRAGON_ERR_TIMEOUT);
        finder_free(keeper, finder);
    }
    set_timer(keeper);
}

static void answer_text(struct keeper *keeper, const struct keep_asker *asker, const char *text)
{
    struct pack body = PACK_EMPTY;
    pack_str(&body, text);
    keep_answer(keeper, asker, DRAGON_OK, "", &body);
}

static void tell_finders(struct keeper *keeper, struct keep_name *name)
{
    struct keep_finder *finder, *next;
    if (name->awaited == 0)
        return;
    DL_FOREACH_SAFE(keeper->finders, finder, next)
    {
        if (finder->name != name)
            continue;
        answer_text(keeper, &finder->asker, name->text);
        finder_free(keeper, finder);
    }
    set_timer(keeper);
}

void keep_names_gone(struct keeper *keeper, uint32_t node, uint64_t session)
{
    struct keep_finder *finder, *next;
    DL_FOREACH_SAFE(keeper->finders, finder, next)
    {
        if (keep_is_of(&finder->asker, node, session))
            finder_free(keeper, finder);
    }
    set_timer(keeper);
}

void keep_names_close(struct keeper *keeper)
{
    while (keeper->finders)
        finder_free(keeper, keeper->finders);
    while (keeper->names)
        name_free(keeper, keeper->names);
    loop_timer_destroy(keeper->find);
    keeper->find = NULL;
}

// Many wait equally long: the place of a new one is near the end.
static bool add_finder(struct keeper *keeper, const struct keep_asker *asker,
                       struct keep_name *name, uint64_t deadline_ms)
{
    struct keep_finder *finder = calloc(1, sizeof *finder), *before;
    if (!keeper->find)
        keeper->find = loop_timer_create(keeper->options.loop, on_find, keeper);
    if (!finder || !keeper->find) {
        free(finder);
        return false;
    }
    *finder = (struct keep_finder){.asker = *asker, .name = name, .deadline_ms = deadline_ms};
    name->awaited++;
    before = keeper->finders ? keeper->finders->prev : NULL; // the last one
    while (before && before->deadline_ms > deadline_ms)
        before = before == keeper->finders ? NULL : before->prev;
    if (before)
        DL_APPEND_ELEM(keeper->finders, before, finder);
    else
        DL_PREPEND(keeper->finders, finder);
    set_timer(keeper);
    return true;
}

// ---- requests

static void publish(struct keeper *keeper, const struct keep_asker *asker, const char *name,
                    const char *text, uint64_t object)
{
    struct keep_name *known = find_name(keeper, name);
    if (known && known->text) {
        if (strcmp(known->text, text) == 0)
            keep_answer(keeper, asker, DRAGON_OK, "", NULL);
        else
            keep_refuse(keeper, asker, DRAGON_ERR_EXISTS,
                        "the name \"%s\" stands for something else already", name);
        return;
    }
    if (!known && HASH_COUNT(keeper->names) >= NAMES_LIMIT) {
        keep_refuse(keeper, asker, DRAGON_ERR_FULL,
                    "the runtime has %d names, no more are possible", NAMES_LIMIT);
        return;
    }
    if (!known)
        known = add_name(keeper, name);
    if (known)
        known->text = strdup(text);
    if (!known || !known->text) {
        if (known)
            name_clear(keeper, known);
        keep_refuse(keeper, asker, DRAGON_ERR_NOMEM, "out of memory on %s", keeper->host);
        return;
    }
    known->object = object;
    keep_answer(keeper, asker, DRAGON_OK, "", NULL);
    tell_finders(keeper, known);
}

// First the object's home, then node 0.
bool keep_on_publish(struct keeper *keeper, struct keep_request *request)
{
    struct unpack body = request->body;
    const char *name = unpack_str(&body), *text = unpack_str(&body);
    uint32_t node = unpack_u32(&body);
    uint64_t object = unpack_u64(&body);
    if (!unpack_done(&body))
        return false;
    if (!name_valid(name) || strlen(text) > KEEPER_TEXT || node >= keeper->nodes) {
        keep_refuse(
            keeper, &request->asker, DRAGON_ERR_INVAL,
            "a name has 1 to %d bytes and no control characters, what it stands for at most %d",
            DRAGON_NAME_MOST, KEEPER_TEXT);
        return true;
    }
    bool to_home = object && request->session && node != keeper->here;
    if (object && node == keeper->here) {
        struct keep_object *named = keep_object_find(keeper, object, &request->asker);
        if (!named)
            return true;
        named->named = true;
    }
    if (to_home)
        keep_far_ask(keeper, node, request);
    else if (keeper->here != 0)
        keep_far_ask(keeper, 0, request);
    else
        publish(keeper, &request->asker, name, text, object);
    return true;
}

bool keep_on_find(struct keeper *keeper, struct keep_request *request)
{
    const char *name = unpack_str(&request->body);
    int64_t wait_ms = (int64_t)unpack_u64(&request->body);
    if (!unpack_done(&request->body))
        return false;
    struct keep_name *known = find_name(keeper, name);
    if (known && known->text) {
        answer_text(keeper, &request->asker, known->text);
        return true;
    }
    if (!name_valid(name) || wait_ms == 0) {
        refuse_find(keeper, &request->asker, name,
                    wait_ms == 0 ? DRAGON_ERR_AGAIN : DRAGON_ERR_INVAL);
        return true;
    }
    bool for_ever = wait_ms < 0 || wait_ms > WAIT_LIMIT_MS;
    uint64_t deadline_ms = for_ever ? UINT64_MAX : time_now_ms() + (uint64_t)wait_ms;
    if (!known)
        known = add_name(keeper, name);
    if (!known || !add_finder(keeper, &request->asker, known, deadline_ms)) {
        if (known && known->awaited == 0)
            name_free(keeper, known);
        keep_refuse(keeper, &request->asker, DRAGON_ERR_NOMEM, "out of memory on %s", keeper->host);
    }
    return true;
}

bool keep_on_withdraw(struct keeper *keeper, struct keep_request *request)
{
    const char *name = unpack_str(&request->body);
    if (!unpack_done(&request->body))
        return false;
    struct keep_name *known = find_name(keeper, name);
    if (!known || !known->text) {
        keep_refuse(keeper, &request->asker, DRAGON_ERR_NOT_FOUND, "there is no name \"%s\"", name);
        return true;
    }
    name_clear(keeper, known);
    keep_answer(keeper, &request->asker, DRAGON_OK, "", NULL);
    return true;
}
