// SPDX-License-Identifier: BSD-3-Clause
//
// Input of the ranks of a group on this node. Of the group's input the client is told what all readers here have
// taken; who reads no more has taken all.
#include "config.h"

#include "group/hosted.h"

static void tell_taken(struct hosted *hosted, int32_t rank, uint32_t bytes)
{
    const struct output *output = &hosted->output;
    struct pack body = PACK_EMPTY;
    if (bytes == 0)
        return;
    pack_u64(&body, output->session);
    pack_u16(&body, GC_TAKEN);
    pack_u64(&body, hosted->group);
    pack_u32(&body, tree_here(output->tree));
    pack_i32(&body, rank);
    pack_u32(&body, bytes);
    tree_send(output->tree, output->owner_node, GN_CLIENT, &body);
}

static bool reads_group(const struct input *input)
{
    return input && input->source == INPUT_OF_GROUP && !input_is_closed(input);
}

static void tell_group_taken(struct hosted *hosted)
{
    uint64_t least = hosted->input_given;
    for (struct hosted_part *part = hosted->parts; part; part = part->next)
        for (uint32_t i = 0; i < part->place.count; i++) {
            const struct input *input = part->ranks[i].input;
            if (reads_group(input) && input->begin + input->taken < least)
                least = input->begin + input->taken;
        }
    if (least <= hosted->input_told)
        return;
    tell_taken(hosted, GROUP_ALL_RANKS, (uint32_t)(least - hosted->input_told));
    hosted->input_told = least;
}

static void on_taken(void *arg, struct input *input, uint32_t bytes)
{
    struct hosted *hosted = arg;
    if (input->source == INPUT_OF_RANK)
        tell_taken(hosted, (int32_t)input->rank, bytes);
    else
        tell_group_taken(hosted);
}

bool hosted_make_input(struct hosted *hosted, struct rank *rank, bool alone)
{
    rank->input = calloc(1, sizeof *rank->input);
    if (!rank->input)
        return false;
    input_init(rank->input, rank->number, on_taken, hosted);
    rank->input->begin = hosted->input_given;
    if (alone)
        rank->input->source = INPUT_OF_RANK;
    else if (hosted->input_given || hosted->input_ended)
        rank->input->source = INPUT_OF_GROUP;
    if (!alone && hosted->input_ended)
        input_add(rank->input, NULL, 0);
    return true;
}

static bool add_group_input(struct hosted *hosted, const void *data, size_t length)
{
    if (length > GROUP_INPUT_WINDOW ||
        hosted->input_given - hosted->input_told > GROUP_INPUT_WINDOW - length)
        return false;
    hosted->input_given += length;
    hosted->input_ended = hosted->input_ended || length == 0;
    for (struct hosted_part *part = hosted->parts; part; part = part->next)
        for (uint32_t i = 0; i < part->place.count; i++) {
            struct input *input = part->ranks[i].input;
            if (!input || input->source == INPUT_OF_RANK)
                continue;
            input->source = INPUT_OF_GROUP;
            if (!input_is_closed(input))
                input_add(input, data, length);
        }
    tell_group_taken(hosted); // there may be no reader
    return true;
}

bool hosted_add_input(struct hosted *hosted, int32_t number, const void *data, size_t length)
{
    if (number == GROUP_ALL_RANKS)
        return add_group_input(hosted, data, length);
    struct rank *rank = hosted_find_rank(hosted, (uint32_t)number, NULL);
    struct input *input = rank ? rank->input : NULL;
    if (input && input->source == INPUT_UNDECIDED)
        input->source = INPUT_OF_RANK;
    if (input && input->source == INPUT_OF_RANK)
        return input_add(input, data, length);
    tell_taken(hosted, number, (uint32_t)length); // nobody is there to read it
    return true;
}
