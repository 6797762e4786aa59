// SPDX-License-Identifier: BSD-3-Clause
//
// Kept slices: see slices.h. A list, newest first: there are few at a time.
#include "config.h"

#include "group/slices.h"

#include "group/proto.h"

enum { SLICES_KEPT = 1024 };

struct slice {
    struct slice *next;
    uint64_t group;
    uint32_t part;
    size_t length;
    void *data; // owned
};

struct slices {
    struct slice *first;
};

struct slices *slices_create(void)
{
    return calloc(1, sizeof(struct slices));
}

static void slice_remove(struct slice **at)
{
    struct slice *slice = *at;
    *at = slice->next;
    free(slice->data);
    free(slice);
}

void slices_destroy(struct slices *slices)
{
    while (slices && slices->first)
        slice_remove(&slices->first);
    free(slices);
}

void slices_keep(struct slices *slices, uint64_t group, uint32_t part, const void *data,
                 size_t length)
{
    slices_forget(slices, group, part);
    struct slice *slice = calloc(1, sizeof *slice);
    void *copy = slice ? malloc(length ? length : 1) : NULL;
    if (!copy) { // the start exchange will tell
        free(slice);
        return;
    }
    memcpy(copy, data, length);
    *slice = (struct slice){
        .next = slices->first, .group = group, .part = part, .length = length, .data = copy};
    slices->first = slice;
    struct slice **at = &slices->first;
    for (size_t i = 0; *at && i < SLICES_KEPT; i++)
        at = &(*at)->next;
    while (*at)
        slice_remove(at);
}

void *slices_take(struct slices *slices, uint64_t group, uint32_t part, size_t *length_out)
{
    for (struct slice **at = &slices->first; *at; at = &(*at)->next) {
        struct slice *slice = *at;
        if (slice->group != group || slice->part != part)
            continue;
        void *data = slice->data;
        *length_out = slice->length;
        slice->data = NULL;
        slice_remove(at);
        return data;
    }
    return NULL;
}

void slices_forget(struct slices *slices, uint64_t group, uint32_t part)
{
    for (struct slice **at = &slices->first; *at;) {
        if ((*at)->group == group && (part == GROUP_ALL_PARTS || (*at)->part == part))
            slice_remove(at);
        else
            at = &(*at)->next;
    }
}
