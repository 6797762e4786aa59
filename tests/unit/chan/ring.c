// SPDX-License-Identifier: BSD-3-Clause
//
// A ring as one process sees it: order, exact capacity, messages of all sizes, its ends, and what is left by those who died.
#include "config.h"

#include "chan/cell.h"
#include "world.h"

#include <dragon/channel.h>

enum { OTHER = 10, DEAD = 12 }; // slots

static struct world *world;
static struct ring *ring;

static void make(uint32_t capacity, uint32_t inline_bytes)
{
    struct object_spec spec = {
        .kind = OBJECT_CHANNEL, .capacity = capacity, .inline_bytes = inline_bytes};
    ring = (struct ring *)world_object(world, &spec);
}

static void set_up(void)
{
    world = world_create();
    make(4, 24);
}

static void tear_down(void)
{
    world_destroy(world);
}

TestSuite(ring, .init = set_up, .fini = tear_down, .timeout = 60);

static dragon_err_t push(uint64_t tag)
{
    struct ring_message message = {.tag = tag, .bytes = sizeof tag};
    return ring_push(ring, world->space, &message, &tag);
}

static dragon_err_t pop(uint64_t *tag_out)
{
    struct ring_message message;
    uint64_t data = 0;
    dragon_err_t err = ring_pop(ring, world->space, false, &data, sizeof data, &message);
    if (err == DRAGON_OK) {
        cr_assert_eq(message.bytes, sizeof data);
        cr_assert_eq(message.tag, data);
        cr_assert_eq(message.block, 0);
        *tag_out = data;
    }
    return err;
}

static void expect_pop(uint64_t expected)
{
    uint64_t tag = 0;
    cr_assert_eq(pop(&tag), DRAGON_OK);
    cr_assert_eq(tag, expected);
}

static void expect_nothing(void)
{
    uint64_t tag;
    cr_assert_eq(pop(&tag), DRAGON_ERR_AGAIN);
    cr_assert(!ring_readable(ring));
}

static uint64_t blocks(void)
{
    return fake_keeper_stats(world->keeper, world->space).blocks;
}

static mem_ref block_of(size_t bytes, int fill)
{
    mem_ref block;
    void *data;
    struct segment_kind any = {.numa = DRAGON_ANY_NUMA};
    cr_assert_eq(space_alloc(world->space, bytes, any, &block, &data, NULL), DRAGON_OK);
    memset(data, fill, bytes);
    return block;
}

static void push_block(size_t bytes, int fill)
{
    struct ring_message message = {.bytes = bytes, .block = block_of(bytes, fill)};
    cr_assert_eq(ring_push(ring, world->space, &message, NULL), DRAGON_OK);
}

// ---- order and capacity

static void fill_and_empty(uint32_t capacity)
{
    make(capacity, 24);
    uint64_t next = 0;
    for (int lap = 0; lap < 3; lap++) {
        expect_nothing();
        cr_assert_eq(ring_waiting(ring), 0);
        for (uint32_t i = 0; i < capacity; i++) {
            cr_assert(ring_writable(ring));
            cr_assert_eq(push(next + i), DRAGON_OK);
            cr_assert_eq(ring_waiting(ring), i + 1);
        }
        cr_assert(!ring_writable(ring));
        cr_assert_eq(push(99), DRAGON_ERR_AGAIN);
        for (uint32_t i = 0; i < capacity; i++)
            expect_pop(next + i);
        next += capacity;
        cr_assert_eq(ring_sent(ring), next);
        cr_assert_eq(ring_received(ring), next);
        expect_nothing();
        cr_assert_eq(push(next), DRAGON_OK); // so that the next lap begins elsewhere
        expect_pop(next++);
    }
}

Test(ring, holds_exactly_its_capacity)
{
    static const uint32_t capacities[] = {1, 2, 3, 7, 128, 1000};
    for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++)
        fill_and_empty(capacities[i]);
}

Test(ring, keeps_every_size_whole)
{
    make(3, DRAGON_CHANNEL_INLINE_MOST);
    uint8_t sent[DRAGON_CHANNEL_INLINE_MOST], got[sizeof sent + 1];
    for (size_t bytes = 0; bytes <= sizeof sent; bytes += bytes < 300 ? 1 : 61) {
        for (size_t i = 0; i < bytes; i++)
            sent[i] = (uint8_t)(i * 7 + bytes);
        memset(got, 0xee, sizeof got);
        struct ring_message message = {.tag = ~bytes, .bytes = bytes}, out;
        cr_assert_eq(ring_push(ring, world->space, &message, sent), DRAGON_OK);
        cr_assert_eq(ring_pop(ring, world->space, false, got, bytes, &out), DRAGON_OK);
        cr_assert_eq(out.bytes, bytes);
        cr_assert_eq(out.tag, ~bytes);
        cr_assert_eq(out.sender, US);
        cr_assert_arr_eq(got, sent, bytes);
        cr_assert_eq(got[bytes], 0xee);
    }
}

Test(ring, goes_on_when_laps_go_round)
{
    uint64_t last = ~0ull & CELL_LAP_MASK;
    for (uint32_t i = 0; i < 4; i++)
        atomic_store(&cell_at(ring, i)->state, cell_state(last - CELL_LAP, 0, CELL_FREE));
    atomic_store(&ring->head, last - CELL_LAP);
    atomic_store(&ring->tail, last - CELL_LAP);
    for (uint64_t i = 0; i < 20; i += 2) {
        cr_assert_eq(push(i), DRAGON_OK);
        cr_assert_eq(push(i + 1), DRAGON_OK);
        expect_pop(i);
        expect_pop(i + 1);
        expect_nothing();
    }
}

// Positions are only where to begin to look.
Test(ring, finds_its_ends_from_old_positions)
{
    for (uint64_t i = 0; i < 30; i++) {
        cr_assert_eq(push(i), DRAGON_OK);
        cr_assert_eq(push(i + 100), DRAGON_OK);
        atomic_store(&ring->tail, 0);
        cr_assert_eq(push(i + 200), DRAGON_OK);
        cr_assert_eq(ring_sent(ring), i * 3 + 3);
        atomic_store(&ring->head, 0);
        expect_pop(i);
        atomic_store(&ring->head, 77); // there is no such index
        atomic_store(&ring->tail, ~0ull);
        expect_pop(i + 100);
        expect_pop(i + 200);
        expect_nothing();
    }
}

// ---- what does not fit

Test(ring, keeps_what_is_too_big)
{
    uint64_t tag = 5, data = 0;
    cr_assert_eq(push(tag), DRAGON_OK);
    struct ring_message message = {0};
    cr_assert_eq(ring_pop(ring, world->space, true, &data, 7, &message), DRAGON_ERR_TOO_BIG);
    cr_assert_eq(message.bytes, 8);
    cr_assert_eq(message.block, 0);
    expect_pop(5);
    push_block(1000, 1);
    cr_assert_eq(ring_pop(ring, world->space, false, &data, 999, &message), DRAGON_ERR_TOO_BIG);
    cr_assert_eq(message.bytes, 1000);
    cr_assert_eq(ring_waiting(ring), 1);
    cr_assert_eq(ring_pop(ring, world->space, true, &data, 0, &message), DRAGON_OK);
    cr_assert(space_free(world->space, message.block, US));
}

Test(ring, blocks_change_hands)
{
    struct ring_message message = {.bytes = 500, .block = block_of(500, 'x')}, out;
    cr_assert_eq(ring_push(ring, world->space, &message, NULL), DRAGON_OK);
    cr_assert_eq(space_owner(world->space, message.block), SLOT_MESSAGE);
    cr_assert_eq(ring_pop(ring, world->space, false, NULL, 500, &out), DRAGON_OK);
    cr_assert_eq(out.block, message.block);
    cr_assert_eq(out.bytes, 500);
    cr_assert_eq(space_owner(world->space, message.block), US);
    cr_assert(space_free(world->space, message.block, US));
    // one that is not ours to give is not sent
    cr_assert_eq(ring_push(ring, world->space, &message, NULL), DRAGON_ERR_INVAL);
    expect_nothing();
    cr_assert_eq(blocks(), 0);
}

Test(ring, shows_the_oldest_without_taking_it)
{
    char text[16] = "";
    struct ring_message message;
    cr_assert_eq(ring_peek(ring, world->space, text, 3, &message), DRAGON_ERR_AGAIN);
    message = (struct ring_message){.tag = 9, .bytes = 5};
    cr_assert_eq(ring_push(ring, world->space, &message, "hello"), DRAGON_OK);
    push_block(2000, 'b');
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(ring_peek(ring, world->space, text, 3, &message), DRAGON_OK);
        cr_assert_eq(message.bytes, 5);
        cr_assert_eq(message.tag, 9);
        cr_assert_str_eq(text, "hel");
    }
    cr_assert_eq(ring_pop(ring, world->space, false, text, 16, &message), DRAGON_OK);
    cr_assert_eq(ring_peek(ring, world->space, text, 4, &message), DRAGON_OK);
    cr_assert_eq(message.bytes, 2000);
    cr_assert_str_eq(text, "bbbbo");
    ring_destroy(ring, world->space);
    cr_assert_eq(ring_peek(ring, world->space, text, 3, &message), DRAGON_ERR_CLOSED);
}

// ---- the end

Test(ring, closed_gives_what_is_in_it_first)
{
    cr_assert_eq(push(1), DRAGON_OK);
    cr_assert_eq(push(2), DRAGON_OK);
    ring_close(ring, world->space);
    cr_assert_eq(push(3), DRAGON_ERR_CLOSED);
    cr_assert(ring_writable(ring)); // there is something to be said
    expect_pop(1);
    expect_pop(2);
    uint64_t tag;
    for (int i = 0; i < 2; i++) {
        cr_assert(ring_readable(ring));
        cr_assert_eq(pop(&tag), DRAGON_ERR_CLOSED);
    }
    cr_assert_eq(ring_sent(ring), 2);
    cr_assert_eq(ring_waiting(ring), 0);
}

// Takes the next cell as a sender does that goes no further.
static struct cell *begin_push(uint32_t slot)
{
    struct spot spot = ring_tail(ring);
    cr_assert(spot_change(&spot, cell_state(spot.position, slot, CELL_WRITING)));
    return spot.cell;
}

static struct cell *begin_pop(uint32_t slot)
{
    struct spot spot = ring_head(ring);
    cr_assert(spot_change(&spot, cell_state(spot.state, slot, CELL_READING)));
    return spot.cell;
}

Test(ring, closed_waits_for_a_send_that_began_before)
{
    struct cell *cell = begin_push(OTHER);
    ring_close(ring, world->space);
    expect_nothing();
    atomic_store(&cell->tag, 4);
    atomic_store(&cell->bytes, 8);
    atomic_store(&cell->small[0], 4);
    atomic_store(&cell->state, cell_state(0, OTHER, CELL_FULL));
    expect_pop(4);
    uint64_t tag;
    cr_assert_eq(pop(&tag), DRAGON_ERR_CLOSED);
}

Test(ring, closed_lets_no_send_in_after_a_receiver_has_seen_its_end)
{
    uint64_t tag;
    ring_close(ring, world->space);
    cr_assert_eq(pop(&tag), DRAGON_ERR_CLOSED);
    atomic_store(&ring->object.state, OBJECT_OPEN); // as a sender saw it that is late
    cr_assert_eq(push(1), DRAGON_ERR_CLOSED);
}

Test(ring, destroyed_gives_nothing_and_keeps_no_block)
{
    cr_assert_eq(push(1), DRAGON_OK);
    push_block(3000, 1);
    push_block(100000, 1);
    cr_assert_eq(blocks(), 2);
    ring_destroy(ring, world->space);
    cr_assert_eq(blocks(), 0);
    uint64_t tag;
    cr_assert_eq(pop(&tag), DRAGON_ERR_CLOSED);
    cr_assert_eq(push(1), DRAGON_ERR_CLOSED);
    cr_assert(ring_readable(ring));
    cr_assert(ring_writable(ring));
}

// ---- the dead

Test(ring, a_message_that_was_never_finished_is_passed_by)
{
    cr_assert_eq(push(1), DRAGON_OK);
    begin_push(DEAD);
    cr_assert_eq(push(2), DRAGON_OK);
    expect_pop(1);
    expect_nothing(); // in order
    cr_assert_eq(ring_waiting(ring), 2);
    ring_recover(ring, DEAD, world->space);
    cr_assert_eq(ring_waiting(ring), 1);
    cr_assert_eq(ring_received(ring), 1);
    expect_pop(2);
    expect_nothing();
    cr_assert_eq(atomic_load(&ring->lost), 1);
    cr_assert_eq(ring_sent(ring), 2);
    cr_assert_eq(ring_received(ring), 2);
}

Test(ring, what_was_never_finished_takes_no_room)
{
    make(1, 24);
    for (uint64_t i = 0; i < 5; i++) {
        begin_push(DEAD);
        cr_assert_eq(push(i), DRAGON_ERR_AGAIN);
        ring_recover(ring, DEAD, world->space);
        cr_assert(ring_writable(ring));
        cr_assert_eq(push(i), DRAGON_OK);
        expect_pop(i);
    }
}

Test(ring, a_dead_receiver_takes_its_message_with_it)
{
    cr_assert_eq(push(1), DRAGON_OK);
    push_block(5000, 1);
    cr_assert_eq(push(3), DRAGON_OK);
    begin_pop(DEAD);
    begin_pop(DEAD + 1);
    expect_pop(3);
    ring_recover(ring, DEAD, world->space);
    ring_recover(ring, DEAD + 1, world->space);
    expect_nothing();
    cr_assert_eq(blocks(), 0);
    for (uint64_t i = 0; i < 4; i++)
        cr_assert_eq(push(i), DRAGON_OK);
}

Test(ring, a_slow_receiver_holds_up_only_its_cell)
{
    make(2, 24);
    cr_assert_eq(push(1), DRAGON_OK);
    cr_assert_eq(push(2), DRAGON_OK);
    struct cell *cell = begin_pop(OTHER);
    expect_pop(2);
    cr_assert_eq(push(3), DRAGON_ERR_AGAIN); // the cell is not free yet
    expect_nothing();
    atomic_store(&cell->state, cell_state(CELL_LAP, 0, CELL_FREE));
    cr_assert_eq(push(3), DRAGON_OK);
    expect_pop(3);
}

Test(ring, the_dead_wait_for_nothing)
{
    waitset_enter(&ring->receivers, DEAD);
    waitset_enter(&ring->senders, DEAD);
    atomic_store(&ring->receiver, DEAD);
    ring_recover(ring, DEAD, world->space);
    cr_assert_eq(waitset_count(&ring->receivers), 0);
    cr_assert_eq(waitset_count(&ring->senders), 0);
    cr_assert_eq(atomic_load(&ring->receiver), SLOT_NONE);
}

// ---- who is rung

static bool was_rung(struct waitset *set, uint32_t slot)
{
    struct slot *bell = board_slot(world->keeper->board, slot);
    bool rung = atomic_exchange(&bell->bell, 0) > 0;
    cr_assert_eq(rung, !waitset_leave(set, slot));
    return rung;
}

Test(ring, a_message_rings_one_receiver_and_room_one_sender)
{
    make(1, 24);
    waitset_enter(&ring->receivers, OTHER);
    waitset_enter(&ring->receivers, OTHER + 1);
    cr_assert_eq(push(1), DRAGON_OK);
    cr_assert_eq(was_rung(&ring->receivers, OTHER) + was_rung(&ring->receivers, OTHER + 1), 1);
    waitset_enter(&ring->senders, OTHER);
    waitset_enter(&ring->senders, OTHER + 1);
    expect_pop(1);
    cr_assert_eq(was_rung(&ring->senders, OTHER) + was_rung(&ring->senders, OTHER + 1), 1);
}

// Its first ring found nothing, because an older message was not finished.
Test(ring, who_receives_rings_for_the_next_message)
{
    struct cell *cell = begin_push(OTHER);
    cr_assert_eq(push(2), DRAGON_OK);
    waitset_enter(&ring->receivers, OTHER);
    atomic_store(&cell->bytes, 8);
    atomic_store(&cell->state, cell_state(0, OTHER, CELL_FULL));
    uint64_t tag;
    cr_assert_eq(pop(&tag), DRAGON_OK);
    cr_assert(was_rung(&ring->receivers, OTHER));
    waitset_enter(&ring->receivers, OTHER);
    expect_pop(2);
    cr_assert(!was_rung(&ring->receivers, OTHER));
}

// Its first ring found no room, because an older cell was not free.
Test(ring, who_sends_rings_for_the_next_room)
{
    make(2, 24);
    cr_assert_eq(push(1), DRAGON_OK);
    cr_assert_eq(push(2), DRAGON_OK);
    struct cell *cell = begin_pop(OTHER);
    expect_pop(2);
    waitset_enter(&ring->senders, OTHER);
    atomic_store(&cell->state, cell_state(CELL_LAP, 0, CELL_FREE));
    cr_assert_eq(push(3), DRAGON_OK);
    cr_assert(was_rung(&ring->senders, OTHER));
    waitset_enter(&ring->senders, OTHER);
    cr_assert_eq(push(4), DRAGON_OK);
    cr_assert(!was_rung(&ring->senders, OTHER));
}

// Nobody can say that it is over while the only cell is still being read.
Test(ring, the_last_receiver_rings_for_the_end)
{
    make(1, 200);
    uint8_t buffer[200] = {0};
    struct ring_message message = {.bytes = 200};
    cr_assert_eq(ring_push(ring, world->space, &message, buffer), DRAGON_OK);
    waitset_enter(&ring->receivers, OTHER);
    atomic_store(&ring->object.state, OBJECT_CLOSED);
    cr_assert_eq(ring_pop(ring, world->space, false, buffer, 200, &message), DRAGON_OK);
    cr_assert(was_rung(&ring->receivers, OTHER));
    waitset_enter(&ring->receivers, OTHER);
    waitset_enter(&ring->receivers, OTHER + 1);
    uint64_t tag;
    cr_assert_eq(pop(&tag), DRAGON_ERR_CLOSED);
    cr_assert(was_rung(&ring->receivers, OTHER));
    cr_assert(was_rung(&ring->receivers, OTHER + 1));
}

// ---- answers to senders that wait for them

static uint32_t push_told(void)
{
    struct ring_message message = {.flags = RING_TELL, .bytes = 0};
    message.ticket = ring_ticket(world->space, US);
    cr_assert_eq(ring_push(ring, world->space, &message, NULL), DRAGON_OK);
    return message.ticket;
}

static uint32_t answer(uint32_t ticket)
{
    return ring_taken(world->space, US, ticket);
}

static void pop_any(void)
{
    struct ring_message message;
    uint8_t buffer[64];
    cr_assert_eq(ring_pop(ring, world->space, false, buffer, sizeof buffer, &message), DRAGON_OK);
}

Test(ring, tells_when_it_was_received)
{
    uint32_t ticket = push_told();
    cr_assert_eq(answer(ticket), 0);
    pop_any();
    cr_assert_eq(answer(ticket), TAKEN_RECEIVED);
    ticket = push_told();
    cr_assert_eq(answer(ticket), 0);
    begin_pop(DEAD);
    ring_recover(ring, DEAD, world->space);
    cr_assert_eq(answer(ticket), TAKEN_DIED);
}

Test(ring, a_late_answer_hides_no_newer_one)
{
    uint32_t given_up = push_told();
    struct ring *first = ring;
    make(4, 24);
    uint32_t ticket = push_told();
    pop_any();
    ring = first;
    pop_any();
    cr_assert_eq(answer(ticket), TAKEN_RECEIVED);
    cr_assert_eq(answer(given_up), 0);
}

// ---- memory that others have written over

Test(ring, drops_what_cannot_be)
{
    struct cell *cell = begin_push(OTHER);
    atomic_store(&cell->bytes, 1000); // more than a cell has
    atomic_store(&cell->state, cell_state(0, OTHER, CELL_FULL));
    cr_assert_eq(push(2), DRAGON_OK);
    uint8_t buffer[2000];
    struct ring_message message;
    cr_assert_eq(ring_peek(ring, world->space, buffer, sizeof buffer, &message), DRAGON_ERR_PROTO);
    cr_assert_eq(ring_pop(ring, world->space, false, buffer, sizeof buffer, &message), DRAGON_OK);
    cr_assert_eq(message.tag, 2);
    cr_assert_eq(atomic_load(&ring->lost), 1);
}

Test(ring, says_when_a_block_cannot_be_mapped)
{
    struct cell *cell = begin_push(OTHER);
    atomic_store(&cell->bytes, 1000);
    atomic_store(&cell->how, RING_BLOCK);
    atomic_store(&cell->block, ref_make(4000, 1 << 20));
    atomic_store(&cell->state, cell_state(0, OTHER, CELL_FULL));
    uint8_t buffer[2000];
    struct ring_message message;
    cr_assert_eq(ring_peek(ring, world->space, buffer, sizeof buffer, &message), DRAGON_ERR_NOMEM);
    cr_assert_eq(ring_pop(ring, world->space, false, buffer, sizeof buffer, &message),
                 DRAGON_ERR_NOMEM);
    cr_assert_eq(ring_waiting(ring), 1);
}
