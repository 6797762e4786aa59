// SPDX-License-Identifier: BSD-3-Clause
//
// Making plans, and giving back what they took.
//
// Template by template: read what it wants (plan_want.c), find out how many ranks each node takes (plan_room.c), and
// give each of these its cores and GPUs (plan_choose.c), taking them from the ledger at once so that
// the next template finds them used. In the end the maps of ranks and the slices are made (plan_slices.c).
#include "config.h"

#include "place/internal.h"

#include <stdarg.h>

dragon_err_t planner_error(struct planner *planner, dragon_err_t code, const char *format, ...)
{
    char text[sizeof planner->error->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (planner->request->count == 1)
        return err_set(planner->error, code, "%s", text);
    return err_set(planner->error, code, "template %u: %s", planner->index, text);
}

bool planner_grow(void *array, size_t *room, size_t wanted, size_t bytes_each)
{
    size_t larger = *room ? *room : 8;
    if (wanted <= *room)
        return true;
    while (larger < wanted)
        larger *= 2;
    void *grown;
    memcpy(&grown, array,
           sizeof grown); // pointers of all types are alike here, but not to the compiler
    grown = realloc(grown, larger * bytes_each);
    if (!grown)
        return false;
    memcpy(array, &grown, sizeof grown);
    *room = larger;
    return true;
}

// ---- one template

static bool add_run(struct plan_part *part, size_t *room, uint32_t node, uint32_t count)
{
    struct plan_run *last = part->run_count ? &part->runs[part->run_count - 1] : NULL;
    if (last && last->count == count && last->first + last->nodes == node) {
        last->nodes++;
        return true;
    }
    if (!planner_grow(&part->runs, room, part->run_count + 1, sizeof *part->runs))
        return false;
    part->runs[part->run_count++] = (struct plan_run){node, 1, count};
    return true;
}

// Every node takes what it has room for before the last step, and the first ones as much as that step allows.
static dragon_err_t lay_out(struct planner *planner, const struct wanted *wanted, uint32_t step,
                            struct plan_part *part)
{
    uint32_t left = wanted->ranks, extra = left;
    size_t room = 0;
    for (uint32_t i = 0; step > 1 && i < wanted->node_count; i++)
        extra -= room_until(planner, wanted, wanted_node(wanted, i), step - 1);
    for (uint32_t i = 0; i < wanted->node_count && left > 0; i++) {
        uint32_t node = wanted_node(wanted, i);
        uint32_t count = room_until(planner, wanted, node, step - 1);
        uint32_t more = room_until(planner, wanted, node, step) - count;
        if (more > extra)
            more = extra;
        extra -= more;
        count += more;
        left -= count;
        if (count == 0)
            continue;
        if (!add_run(part, &room, node, count))
            return planner_error(planner, DRAGON_ERR_NOMEM, "out of memory");
        dragon_err_t err = choose_on_node(planner, wanted, node, count);
        if (err != DRAGON_OK)
            return err;
    }
    return DRAGON_OK;
}

// What is in use may have driven a rank to a node that does not have what it lists.
static bool can_later(struct planner *planner)
{
    if (planner->trial || planner->request->share)
        return false;
    return planner->request->possible || planner_try_empty(planner) == DRAGON_OK;
}

static dragon_err_t plan_part(struct planner *planner, uint32_t index)
{
    struct plan_part *part = &planner->plan.parts[index];
    struct wanted wanted = {0};
    uint32_t step = 0;
    planner->index = index;
    dragon_err_t err = want_read(planner, &planner->request->templates[index], &wanted);
    if (err == DRAGON_OK)
        err = room_find_step(planner, &wanted, &step);
    if (err == DRAGON_OK) {
        err = lay_out(planner, &wanted, step, part);
        if (err == DRAGON_ERR_INVAL && can_later(planner)) {
            err = DRAGON_ERR_FULL;
            if (planner->error)
                planner->error->code = err;
        }
    }
    part->map = wanted.cyclic ? DRAGON_MAP_CYCLIC : DRAGON_MAP_BLOCK;
    part->first = planner->plan.size;
    part->size = wanted.ranks;
    planner->plan.size += wanted.ranks;
    want_fini(&wanted);
    return err;
}

// ---- all of them

static dragon_err_t plan_parts(struct planner *planner)
{
    const struct plan_request *request = planner->request;
    const struct ledger *ledger = planner->ledger;
    planner->plan = (struct plan){.first_rank = request->first_rank, .nodes = ledger->count};
    if (request->count == 0)
        return err_set(planner->error, DRAGON_ERR_INVAL, "a group of no ranks was asked for");
    if (request->count > PLAN_TEMPLATES_LIMIT)
        return err_set(planner->error, DRAGON_ERR_INVAL, "%u templates, the limit is %d",
                       request->count, PLAN_TEMPLATES_LIMIT);
    if (ledger->described < ledger->count)
        return err_set(planner->error, DRAGON_ERR_FULL,
                       "%u of %u nodes have not said yet what they have",
                       ledger->count - ledger->described, ledger->count);
    planner->plan.parts = calloc(request->count, sizeof *planner->plan.parts);
    if (!planner->plan.parts)
        return err_set(planner->error, DRAGON_ERR_NOMEM, "out of memory");
    planner->plan.part_count = request->count;
    for (uint32_t i = 0; i < request->count; i++) {
        dragon_err_t err = plan_part(planner, i);
        if (err != DRAGON_OK)
            return err;
    }
    if (request->first_rank > INT32_MAX - planner->plan.size)
        return err_set(planner->error, DRAGON_ERR_INVAL, "there are no numbers left for %u rank%s",
                       planner->plan.size, plural(planner->plan.size));
    return DRAGON_OK;
}

static void planner_fini(struct planner *planner)
{
    free(planner->picker);
    free(planner->pieces);
    free(planner->numbers);
    free(planner->given);
}

dragon_err_t planner_try_empty(struct planner *planner)
{
    struct ledger *empty = ledger_empty_copy(planner->ledger);
    if (!empty)
        return planner_error(planner, DRAGON_ERR_NOMEM, "out of memory");
    struct planner trial = {
        .request = planner->request,
        .ledger = empty,
        .trial = true,
        .error = planner->error,
    };
    dragon_err_t err = plan_parts(&trial);
    plan_fini(&trial.plan);
    planner_fini(&trial);
    ledger_destroy(empty);
    return err;
}

static void give_back(struct planner *planner)
{
    for (size_t i = 0; i < planner->piece_count; i++)
        for (uint32_t k = 0; k < planner->pieces[i].count; k++) {
            const struct given *given = &planner->given[planner->pieces[i].first + k];
            const uint16_t *numbers = planner->numbers + given->first;
            for (uint32_t n = 0; n < given->core_count; n++)
                ledger_give_core(planner->ledger, planner->pieces[i].node, *numbers++);
            for (uint32_t n = 0; n < given->unit_count; n++)
                ledger_give_gpu(planner->ledger, planner->pieces[i].node, *numbers++);
        }
}

dragon_err_t plan_make(const struct plan_request *request, struct ledger *ledger,
                       struct plan *plan_out, dragon_error_t *error)
{
    struct planner planner = {.request = request, .ledger = ledger, .error = error};
    dragon_err_t err = plan_parts(&planner);
    if (err == DRAGON_OK && !plan_number(&planner.plan))
        err = err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    if (err == DRAGON_OK)
        err = planner_slice(&planner);
    if (err != DRAGON_OK) {
        give_back(&planner);
        plan_fini(&planner.plan);
    } else
        *plan_out = planner.plan;
    planner_fini(&planner);
    return err;
}

// ---- giving back

void plan_give_rank(const struct plan *plan, uint32_t rank, struct ledger *ledger)
{
    struct plan_slot slot;
    uint32_t node = plan_node(plan, rank);
    if (!plan_slot(plan, rank, &slot))
        return;
    for (uint32_t i = 0; i < slot.core_count; i++)
        ledger_give_core(ledger, node, slot.cores[i]);
    for (uint32_t i = 0; i < slot.unit_count; i++)
        ledger_give_gpu(ledger, node, slot.units[i]);
}

void plan_give_all(const struct plan *plan, struct ledger *ledger)
{
    for (uint32_t i = 0; i < plan->size; i++)
        plan_give_rank(plan, plan->first_rank + i, ledger);
}
