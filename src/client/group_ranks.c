// SPDX-License-Identifier: BSD-3-Clause
//
// The ranks of a group: added before and while it runs, removed, planned; where they are and how they do.
#include "config.h"

#include "client/group.h"
#include "place/lists.h"

#include <signal.h>

// ---- adding

// Takes the template on success.
static bool add_member(struct dragon_group *group, struct dragon_template *process_template,
                       uint32_t ranks)
{
    struct member *grown =
        realloc(group->members, (group->member_count + 1) * sizeof *group->members);
    if (!grown)
        return false;
    grown[group->member_count++] =
        (struct member){.process_template = process_template, .ranks = ranks};
    group->members = grown;
    return true;
}

static void remove_ranks(struct run *run, const struct plan *part)
{
    for (uint32_t rank = part->first_rank; plan_has(part, rank); rank++) {
        run->ranks[rank].status.removed = 1;
        run_ask(run, (int)rank, SIGTERM, ASK_REMOVE);
    }
}

static bool on_added(struct request *request, struct unpack *unpack)
{
    struct run *run = run_find(request->runtime, request->group);
    if (request->error.code != DRAGON_OK)
        return unpack_done(unpack);
    if (!run || run->done)
        return true;
    struct dragon_group *owner = run->owner;
    if (!run_unpack_part(run, unpack) || !unpack_done(unpack))
        return false;
    const struct plan *part = &run->parts[run->part_count - 1];
    bool good = !owner || add_member(owner, request->added, request->ranks);
    if (owner && good) {
        request->added = NULL;
        good = input_on_part(owner, part);
    }
    if (!good)
        err_set(&request->error, DRAGON_ERR_NOMEM, "out of memory or descriptors");
    if (!good || request->given_up)
        remove_ranks(run, part);
    return true;
}

static dragon_err_t add_live(struct dragon_group *group, struct dragon_template *copy,
                             uint32_t ranks, dragon_error_t *error)
{
    struct member member = {.process_template = copy, .ranks = ranks};
    struct group_spec spec;
    struct request *request = request_create(group->runtime, on_added);
    if (!request || !group_spec_build(group, &member, 1, true, &spec)) {
        request_destroy(request);
        dragon_template_destroy(copy);
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    }
    request->added = copy;
    request->ranks = ranks;
    dragon_err_t err = request_submit(request, ORDER_ADD, group->run->id, &spec, error);
    group_spec_fini(&spec);
    if (err == DRAGON_OK)
        return request_wait(request, error);
    request_destroy(request);
    return err;
}

static dragon_err_t check_add(const struct dragon_group *group, uint32_t ranks,
                              dragon_error_t *error)
{
    uint64_t all = ranks;
    for (uint32_t i = 0; i < group->member_count; i++)
        all += group->members[i].ranks;
    if (all > PLAN_RANK_LIMIT || group->member_count >= PLAN_TEMPLATES_LIMIT)
        return err_set(error, DRAGON_ERR_TOO_BIG, "a group has at most %d ranks and %d templates",
                       PLAN_RANK_LIMIT, PLAN_TEMPLATES_LIMIT);
    dragon_group_state_t state = dragon_group_state(group);
    if (group->attached)
        return err_set(error, DRAGON_ERR_STATE, "the group was started by somebody else");
    if (state != DRAGON_GROUP_NEW && state != DRAGON_GROUP_RUNNING && state != DRAGON_GROUP_ENDED)
        return err_set(error, DRAGON_ERR_STATE, "ranks cannot be added to a group that is %s",
                       dragon_group_state_name(state));
    if (state == DRAGON_GROUP_RUNNING && group->run->done)
        return err_set(error, DRAGON_ERR_STATE, "the group has ended");
    if (state == DRAGON_GROUP_RUNNING && group->run->pmi)
        return err_set(error, DRAGON_ERR_STATE, "an MPI group that runs gets no more ranks");
    return DRAGON_OK;
}

dragon_err_t dragon_group_add(dragon_group_t *group, const dragon_template_t *process_template,
                              uint32_t ranks, dragon_error_t *error)
{
    dragon_err_t err = check_add(group, ranks, error);
    if (err != DRAGON_OK)
        return err;
    struct dragon_template *copy = template_copy(process_template);
    if (!copy)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    if (dragon_group_state(group) == DRAGON_GROUP_RUNNING)
        return add_live(group, copy, ranks, error);
    group_forget_plan(group);
    if (add_member(group, copy, ranks))
        return DRAGON_OK;
    dragon_template_destroy(copy);
    return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
}

dragon_err_t dragon_group_remove(dragon_group_t *group, uint32_t rank)
{
    struct run *run = group->run;
    if (!run_has_processes(run))
        return DRAGON_ERR_STATE;
    if (run->pmi)
        return DRAGON_ERR_UNSUPPORTED;
    if (rank >= run->size)
        return DRAGON_ERR_INVAL;
    dragon_rank_status_t *status = &run->ranks[rank].status;
    if (!status->ended && !status->removed) {
        status->removed = 1;
        run_ask(run, (int)rank, SIGTERM, ASK_REMOVE);
        loop_later_run(group->runtime->loop);
    }
    return DRAGON_OK;
}

// ---- the plan

static bool on_planned(struct request *request, struct unpack *unpack)
{
    struct dragon_group *group = request->arg;
    struct plan plan;
    if (request->given_up)
        return true;
    if (request->error.code != DRAGON_OK)
        return unpack_done(unpack);
    if (!plan_unpack(unpack, request->runtime->nodes, &plan))
        return false;
    if (!unpack_done(unpack) || plan.first_rank != 0 || plan.size > PLAN_RANK_LIMIT) {
        plan_fini(&plan);
        return false;
    }
    group_forget_plan(group);
    group->planned = plan;
    return true;
}

dragon_err_t dragon_group_plan(dragon_group_t *group, dragon_error_t *error)
{
    struct group_spec spec;
    if (group->attached || group->run)
        return err_set(error, DRAGON_ERR_STATE, "the group was started");
    if (group->member_count == 0)
        return err_set(error, DRAGON_ERR_INVAL, "the group has no ranks; add a template");
    struct request *request = request_create(group->runtime, on_planned);
    if (!request || !group_spec_build(group, group->members, group->member_count, false, &spec)) {
        request_destroy(request);
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    }
    request->arg = group;
    dragon_err_t err = request_submit(request, ORDER_PLAN, 0, &spec, error);
    group_spec_fini(&spec);
    if (err == DRAGON_OK)
        return request_wait(request, error);
    request_destroy(request);
    return err;
}

static bool make_room(char **text, size_t room)
{
    char *grown = realloc(*text, room);
    if (grown)
        *text = grown;
    return grown;
}

bool place_read(const struct plan *plan, uint32_t rank, uint32_t template_base,
                struct place_text *text, dragon_rank_place_t *place_out)
{
    enum { CORE_ROOM = 6, GPU_ROOM = 8 }; // the longest number of each, and what follows it
    struct plan_slot slot;
    if (!plan_slot(plan, rank, &slot))
        return false;
    size_t core_room = (size_t)slot.core_count * CORE_ROOM + 1;
    size_t gpu_room = (size_t)slot.unit_count * GPU_ROOM + 1;
    if (!make_room(&text->cores, core_room) || !make_room(&text->gpus, gpu_room))
        return false;
    text->cores[0] = text->gpus[0] = 0;
    lists_format_cores(slot.cores, slot.core_count, text->cores, core_room);
    lists_format_units(slot.units, slot.unit_count, text->gpus, gpu_room);
    *place_out = (dragon_rank_place_t){
        .node = plan_node(plan, rank),
        .process_template = template_base + plan_template_of(plan, rank),
        .cores = text->cores,
        .gpus = text->gpus,
        .bind = (dragon_bind_t)slot.bind,
        .shared = slot.shared,
    };
    return true;
}

dragon_err_t dragon_group_rank_place(const dragon_group_t *group, uint32_t rank,
                                     dragon_rank_place_t *place_out)
{
    uint32_t base = 0, size = dragon_group_size(group);
    if (size == 0)
        return DRAGON_ERR_NOT_FOUND;
    if (rank >= size)
        return DRAGON_ERR_INVAL;
    const struct plan *plan = group->run ? run_part_of(group->run, rank, &base) : &group->planned;
    return plan && place_read(plan, rank, base, group->place_text, place_out)
               ? DRAGON_OK
               : DRAGON_ERR_NOT_FOUND;
}

dragon_err_t dragon_group_rank_status(const dragon_group_t *group, uint32_t rank,
                                      dragon_rank_status_t *status_out)
{
    if (!group->run || rank >= group->run->size)
        return DRAGON_ERR_INVAL;
    if (!group->run->ranks[rank].known)
        return DRAGON_ERR_NOT_FOUND;
    *status_out = group->run->ranks[rank].status;
    return DRAGON_OK;
}
