// SPDX-License-Identifier: BSD-3-Clause
//
// The objects of this node, and who is attached to them. An object that was destroyed is no more for those who ask;
// its memory stays until the last process that is attached has left it.
//
// It lies in memory that processes write: before anything is read of it, it is looked at whether it is still what it
// was made as.
#include "config.h"

#include "keeper/internal.h"

// With what 0 stood for.
static void fill_spec(struct keep_object *object)
{
    struct object_stat stat;
    if (object->spec.kind != OBJECT_CHANNEL && object->spec.kind != OBJECT_QUEUE)
        return;
    object_stat(object->object, &stat);
    object->spec.capacity = stat.spec.capacity;
    object->spec.inline_bytes = stat.spec.inline_bytes;
}

struct keep_object *keep_object_add(struct keeper *keeper, const struct keep_asker *maker,
                                    const struct object_spec *spec, mem_ref block, size_t bytes)
{
    struct keep_object *object = calloc(1, sizeof *object);
    if (!object)
        return NULL;
    uint64_t number = keeper->next_object++ & ((1ull << KEEP_NODE_SHIFT) - 1);
    *object = (struct keep_object){.id = (uint64_t)keeper->here << KEEP_NODE_SHIFT | number,
                                   .block = block,
                                   .object = keep_at(keeper, block),
                                   .bytes = bytes,
                                   .spec = *spec,
                                   .maker = *maker};
    object_init(object->object, object->id, spec);
    fill_spec(object);
    HASH_ADD(hh, keeper->objects, id, sizeof object->id, object);
    object->tied = true;
    DL_APPEND(keeper->tied, object);
    return object;
}

struct keep_object *keep_object_find(struct keeper *keeper, uint64_t id,
                                     const struct keep_asker *asker)
{
    struct keep_object *object;
    HASH_FIND(hh, keeper->objects, &id, sizeof id, object);
    if (object && !object->destroyed)
        return object;
    keep_refuse(keeper, asker, DRAGON_ERR_CLOSED,
                "the object was destroyed, or was never there, on %s", keeper->host);
    return NULL;
}

bool keep_object_sound(struct keep_object *object)
{
    if (object_check(object->object, object->id, object->spec.kind, object->bytes))
        return true;
    log_debug("object %llx was written over", (unsigned long long)object->id);
    return false;
}

static void object_free(struct keeper *keeper, struct keep_object *object)
{
    // A send that was under way may have come after it was emptied.
    if (keep_object_sound(object))
        object_destroy(object->object, keeper->space);
    keep_free(keeper, object->block);
    HASH_DEL(keeper->objects, object);
    free(object->address);
    free(object);
}

static void untie(struct keeper *keeper, struct keep_object *object)
{
    if (object->tied)
        DL_DELETE(keeper->tied, object);
    object->tied = false;
}

static void object_end(struct keeper *keeper, struct keep_object *object)
{
    if (object->destroyed)
        return;
    object->destroyed = true;
    object->server = 0;
    untie(keeper, object);
    if (keep_object_sound(object))
        object_destroy(object->object, keeper->space);
    else
        space_ring_all(keeper->space);
    if (object->named && keeper->here == 0)
        keep_names_forget(keeper, object->id);
    else if (object->named)
        keep_far_say(keeper, 0, KN_FORGET, object->id);
    if (object->attached == 0)
        object_free(keeper, object);
}

void keep_objects_end_tied(struct keeper *keeper, uint32_t node, uint64_t session)
{
    struct keep_object *object, *next;
    DL_FOREACH_SAFE(keeper->tied, object, next)
    {
        if (keep_is_of(&object->maker, node, session))
            object_end(keeper, object);
    }
}

void keep_objects_close(struct keeper *keeper)
{
    for (struct keep_object *object = keeper->objects, *next; object; object = next) {
        next = object->hh.next;
        HASH_DEL(keeper->objects, object);
        free(object->address);
        free(object);
    }
}

// ---- attachments

static struct keep_attachment *find_attachment(struct keep_session *session, uint64_t id)
{
    struct keep_attachment *attachment;
    HASH_FIND(hh, session->attached, &id, sizeof id, attachment);
    return attachment;
}

static bool attach(struct keep_session *session, struct keep_object *object)
{
    struct keep_attachment *attachment = find_attachment(session, object->id);
    if (!attachment) {
        attachment = calloc(1, sizeof *attachment);
        if (!attachment)
            return false;
        attachment->id = object->id;
        attachment->object = object;
        HASH_ADD(hh, session->attached, id, sizeof attachment->id, attachment);
        object->attached++;
        object->processes += session->role == ROLE_PROCESS;
    }
    attachment->count++;
    return true;
}

static void detach(struct keep_session *session, struct keep_attachment *attachment)
{
    struct keep_object *object = attachment->object;
    HASH_DEL(session->attached, attachment);
    free(attachment);
    object->attached--;
    object->processes -= session->role == ROLE_PROCESS;
    if (object->server == session->number)
        object->server = 0;
    if (object->destroyed && object->attached == 0)
        object_free(session->keeper, object);
}

void keep_objects_leave_all(struct keep_session *session)
{
    while (session->attached)
        detach(session, session->attached);
}

// ---- requests

static void answer_opened(struct keeper *keeper, const struct keep_request *request,
                          struct keep_object *object)
{
    struct object_opened opened = {.block = request->session ? object->block : 0,
                                   .spec = object->spec};
    struct pack body = PACK_EMPTY;
    // One that its maker has not got to know, because it died or gave up, would be nobody's.
    bool by_maker = request->asker.node == object->maker.node &&
                    request->asker.session == object->maker.session;
    if (object->spec.owned == OWNED_NO ||
        (object->spec.owned == OWNED_AT_FIRST && by_maker && object->known))
        untie(keeper, object);
    object->known |= by_maker;
    object_opened_pack(&body, &opened);
    keep_answer(keeper, &request->asker, DRAGON_OK, "", &body);
}

// Those of other nodes are not attached themselves: dragon-transport is when they first use it.
bool keep_on_open(struct keeper *keeper, struct keep_request *request)
{
    unpack_u32(&request->body);
    uint64_t id = unpack_u64(&request->body);
    uint8_t kind = unpack_u8(&request->body);
    if (!unpack_done(&request->body) || kind >= OBJECT_KINDS)
        return false;
    struct keep_object *object = keep_object_find(keeper, id, &request->asker);
    if (!object)
        return true;
    if (object->spec.kind != kind)
        keep_refuse(keeper, &request->asker, DRAGON_ERR_INVAL, "it is a %s, no %s",
                    object_kind_names[object->spec.kind], object_kind_names[kind]);
    else if (request->session && !attach(request->session, object))
        keep_refuse(keeper, &request->asker, DRAGON_ERR_NOMEM, "out of memory on %s", keeper->host);
    else
        answer_opened(keeper, request, object);
    return true;
}

bool keep_on_leave(struct keeper *keeper, struct keep_request *request)
{
    uint64_t id = unpack_u64(&request->body);
    if (!unpack_done(&request->body))
        return false;
    struct keep_attachment *attachment = find_attachment(request->session, id);
    if (!attachment) {
        keep_refuse(keeper, &request->asker, DRAGON_ERR_CLOSED, "this process does not have it");
        return true;
    }
    if (--attachment->count == 0)
        detach(request->session, attachment);
    keep_answer(keeper, &request->asker, DRAGON_OK, "", NULL);
    return true;
}

// The object that u32 node, u64 object of the body name. NULL: it was refused, or *good_out is false.
static struct keep_object *named_object(struct keeper *keeper, struct keep_request *request,
                                        bool *good_out)
{
    unpack_u32(&request->body);
    uint64_t id = unpack_u64(&request->body);
    *good_out = unpack_done(&request->body);
    return *good_out ? keep_object_find(keeper, id, &request->asker) : NULL;
}

bool keep_on_close(struct keeper *keeper, struct keep_request *request)
{
    bool good;
    struct keep_object *object = named_object(keeper, request, &good);
    if (!object)
        return good;
    if (object->spec.kind != OBJECT_CHANNEL && object->spec.kind != OBJECT_QUEUE) {
        keep_refuse(keeper, &request->asker, DRAGON_ERR_UNSUPPORTED, "a %s cannot be closed",
                    object_kind_names[object->spec.kind]);
        return true;
    }
    if (keep_object_sound(object))
        object_close(object->object, keeper->space);
    keep_answer(keeper, &request->asker, DRAGON_OK, "", NULL);
    return true;
}

bool keep_on_destroy(struct keeper *keeper, struct keep_request *request)
{
    bool good;
    struct keep_object *object = named_object(keeper, request, &good);
    if (!object)
        return good;
    object_end(keeper, object);
    keep_answer(keeper, &request->asker, DRAGON_OK, "", NULL);
    return true;
}

bool keep_on_stat(struct keeper *keeper, struct keep_request *request)
{
    bool good;
    struct keep_object *object = named_object(keeper, request, &good);
    if (!object)
        return good;
    struct object_stat stat = {0};
    if (keep_object_sound(object))
        object_stat(object->object, &stat);
    stat.spec = object->spec;
    stat.processes = object->processes;
    struct pack body = PACK_EMPTY;
    object_stat_pack(&body, &stat);
    keep_answer(keeper, &request->asker, DRAGON_OK, "", &body);
    return true;
}
