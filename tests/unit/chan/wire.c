// SPDX-License-Identifier: BSD-3-Clause
#include "chan/wire.h"
#include "chan/sync.h"

#include <criterion/criterion.h>

static bool check(uint8_t type, const void *header, size_t bytes, size_t payload)
{
    return wire_check(type, header, bytes, payload);
}

Test(wire, names)
{
    cr_expect_str_eq(wire_name(CU_HELLO), "CU_HELLO");
    cr_expect_str_eq(wire_name(CU_MOVED), "CU_MOVED");
    cr_expect_null(wire_name(0));
    cr_expect_null(wire_name(15));
    cr_expect_null(wire_name(255));
    cr_expect(wire_is_request(CU_FLUSH));
    cr_expect_not(wire_is_request(CU_OPENED));
}

Test(wire, sizes)
{
    static const uint8_t zero[256];
    size_t known = 0;
    for (int type = 0; type < 256; type++) {
        for (size_t bytes = 0; bytes <= sizeof zero; bytes++) {
            if (check((uint8_t)type, zero, bytes, 0)) {
                cr_expect_leq(bytes, CHAN_HEADER);
                cr_expect_not_null(wire_name((uint8_t)type));
                known++;
            }
        }
    }
    // All but CU_OPEN, CU_POLL, CU_PAIR and CU_PAIRS may be all zeros; each has one size.
    cr_expect_eq(known, 14);
}

Test(wire, payloads)
{
    struct cu_send send = {.mode = SEND_TELL};
    struct cu_answer answer = {.error = 0};
    cr_expect(check(CU_SEND, &send, sizeof send, 1 << 30));
    cr_expect_not(check(CU_ANSWER, &answer, sizeof answer, 1));
}

Test(wire, values)
{
    struct cu_open open = {.kind = OBJECT_CHANNEL};
    struct cu_send send = {.mode = SEND_MODES};
    struct cu_receive receive = {.peek = 1, .wait = 1};
    struct cu_poll poll = {.events = DRAGON_POLL_RECEIVE};
    struct cu_call call = {.op = SYNC_OPS - 1};
    struct cu_opened opened = {.credits = 1};
    struct cu_credit credit = {.error = DRAGON_ERR_FAILED};
    cr_expect(check(CU_OPEN, &open, sizeof open, 0));
    open.kind = OBJECT_KINDS;
    cr_expect_not(check(CU_OPEN, &open, sizeof open, 0));
    open.kind = OBJECT_NONE;
    cr_expect_not(check(CU_OPEN, &open, sizeof open, 0));
    cr_expect(check(CU_SEND, &send, sizeof send, 0));
    send.mode = SEND_MODES + 1;
    cr_expect_not(check(CU_SEND, &send, sizeof send, 0));
    cr_expect(check(CU_RECEIVE, &receive, sizeof receive, 0));
    receive.peek = 2;
    cr_expect_not(check(CU_RECEIVE, &receive, sizeof receive, 0));
    cr_expect(check(CU_POLL, &poll, sizeof poll, 0));
    poll.events = 4;
    cr_expect_not(check(CU_POLL, &poll, sizeof poll, 0));
    cr_expect(check(CU_CALL, &call, sizeof call, 0));
    call.op = SYNC_OPS;
    cr_expect_not(check(CU_CALL, &call, sizeof call, 0));
    cr_expect(check(CU_OPENED, &opened, sizeof opened, 0));
    opened.credits = CHAN_CREDITS_MOST + 1;
    cr_expect_not(check(CU_OPENED, &opened, sizeof opened, 0));
    cr_expect(check(CU_CREDIT, &credit, sizeof credit, 0));
    credit.error = 1;
    cr_expect_not(check(CU_CREDIT, &credit, sizeof credit, 0));
    credit.error = DRAGON_ERR_FAILED - 1;
    cr_expect_not(check(CU_CREDIT, &credit, sizeof credit, 0));
}

Test(wire, keys)
{
    uint8_t a[KEEPER_KEY] = {1}, b[KEEPER_KEY] = {1};
    cr_expect(wire_same_key(a, b));
    for (size_t i = 0; i < KEEPER_KEY; i++) {
        b[i] ^= 0x80;
        cr_expect_not(wire_same_key(a, b));
        b[i] ^= 0x80;
    }
}

Test(wire, numbers_go_around)
{
    cr_expect(wire_after(2, 1));
    cr_expect_not(wire_after(1, 1));
    cr_expect_not(wire_after(1, 2));
    cr_expect(wire_after(3, 0xfffffff0));
    cr_expect_not(wire_after(0xfffffff0, 3));
}
