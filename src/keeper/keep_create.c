// SPDX-License-Identifier: BSD-3-Clause
//
// Making objects: a block of the keeper's, grown for if there is no room, then filled with zeros piece by piece,
// because a large one would hold up the loop, and then made into what it is. A block of a segment that nobody has had
// before is zero, and is not touched.
#include "config.h"

#include "keeper/internal.h"

enum { ZEROS = 256 << 10, STEP_MS = 4 };

struct keep_creation {
    struct keep_asker asker;
    struct object_spec spec;
    struct segment_kind kind;
    size_t bytes;
    mem_ref block; // 0: it waits for room
    size_t zeroed;
    bool gone; // who asked is
    struct keep_creation *prev, *next;
};

static void creation_free(struct keeper *keeper, struct keep_creation *creation)
{
    if (creation->block)
        keep_free(keeper, creation->block);
    DL_DELETE(keeper->creations, creation);
    free(creation);
}

void keep_creation_fail(struct keeper *keeper, struct keep_creation *creation,
                        const dragon_error_t *error)
{
    keep_answer(keeper, &creation->asker, error->code, error->text, NULL);
    creation_free(keeper, creation);
}

static void creation_done(struct keeper *keeper, struct keep_creation *creation)
{
    struct keep_object *object = keep_object_add(keeper, &creation->asker, &creation->spec,
                                                 creation->block, creation->bytes);
    if (!object) {
        dragon_error_t error;
        err_set(&error, DRAGON_ERR_NOMEM, "out of memory on %s", keeper->host);
        keep_creation_fail(keeper, creation, &error);
        return;
    }
    struct pack body = PACK_EMPTY;
    pack_u64(&body, object->id);
    keep_answer(keeper, &creation->asker, DRAGON_OK, "", &body);
    creation->block = 0;
    creation_free(keeper, creation);
}

// One step. False: it is over.
static bool creation_step(struct keeper *keeper, struct keep_creation *creation)
{
    if (creation->gone) {
        creation_free(keeper, creation);
        return false;
    }
    uint8_t *data = keep_at(keeper, creation->block);
    uint64_t end_ms = time_now_ms() + STEP_MS;
    while (creation->zeroed < creation->bytes) {
        size_t left = creation->bytes - creation->zeroed, bytes = left < ZEROS ? left : ZEROS;
        memset(data + creation->zeroed, 0, bytes);
        creation->zeroed += bytes;
        if (creation->zeroed < creation->bytes && time_left_ms(end_ms) == 0)
            return true;
    }
    creation_done(keeper, creation);
    return false;
}

// One step of one of them, and the rest later.
static void on_create(void *arg)
{
    struct keeper *keeper = arg;
    struct keep_creation *creation, *next;
    DL_FOREACH_SAFE(keeper->creations, creation, next)
    {
        if (!creation->block)
            continue;
        creation_step(keeper, creation);
        break;
    }
    DL_FOREACH(keeper->creations, creation)
    {
        if (!creation->block)
            continue;
        loop_timer_start(keeper->create, 1);
        break;
    }
}

void keep_creation_go_on(struct keeper *keeper, struct keep_creation *creation, uint32_t fresh)
{
    if (creation->gone) {
        creation_free(keeper, creation);
        return;
    }
    creation->block = keep_alloc(keeper, creation->kind, creation->bytes);
    if (fresh && ref_segment(creation->block) == fresh)
        creation->zeroed = creation->bytes;
    if (!creation->block) {
        struct keep_wait wait = {.creation = creation, .bytes = creation->bytes};
        keep_grow(keeper, creation->kind, &wait);
    } else if (creation_step(keeper, creation)) {
        loop_timer_start(keeper->create, 1);
    }
}

bool keep_on_create(struct keeper *keeper, struct keep_request *request)
{
    struct object_spec spec;
    struct segment_kind kind;
    dragon_error_t error;
    unpack_u32(&request->body);
    if (!object_spec_unpack(&request->body, &spec) || !unpack_done(&request->body))
        return false;
    if (!keep_kind_valid(keeper, &request->asker, spec.numa, spec.huge, &kind))
        return true;
    size_t bytes = object_bytes(&spec);
    if (bytes == 0) {
        keep_refuse(keeper, &request->asker, DRAGON_ERR_INVAL, "there can be no such %s",
                    object_kind_names[spec.kind]);
        return true;
    }
    if (!keeper_open(keeper, &error)) {
        keep_answer(keeper, &request->asker, error.code, error.text, NULL);
        return true;
    }
    if (!keeper->create)
        keeper->create = loop_timer_create(keeper->options.loop, on_create, keeper);
    struct keep_creation *creation = keeper->create ? calloc(1, sizeof *creation) : NULL;
    if (!creation) {
        keep_refuse(keeper, &request->asker, DRAGON_ERR_NOMEM, "out of memory on %s", keeper->host);
        return true;
    }
    *creation =
        (struct keep_creation){.asker = request->asker, .spec = spec, .kind = kind, .bytes = bytes};
    DL_APPEND(keeper->creations, creation);
    keep_creation_go_on(keeper, creation, 0);
    return true;
}

// Those that wait for room are in a growth's list, too, and go when that is done.
void keep_creations_gone(struct keeper *keeper, uint32_t node, uint64_t session)
{
    struct keep_creation *creation;
    DL_FOREACH(keeper->creations, creation)
    {
        if (keep_is_of(&creation->asker, node, session))
            creation->gone = true;
    }
}

void keep_creations_close(struct keeper *keeper)
{
    while (keeper->creations)
        creation_free(keeper, keeper->creations);
    loop_timer_destroy(keeper->create);
    keeper->create = NULL;
}
