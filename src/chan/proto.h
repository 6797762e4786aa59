// SPDX-License-Identifier: BSD-3-Clause
//
// What a process says to whoever serves the objects of another node: the node's dragon-transport; or, for a channel with a
// single receiver, the receiver itself; or, for a shard of a dictionary, its manager. These are active messages: a header as below, and a payload. All numbers
// are little-endian and unaligned; what does not follow this is an error of the sender and ends its connection.
// doc/protocol.md has the same table.
//
// A handle is what the asking process calls an object that it has opened on a connection; its sends are numbered from 1
// there. Requests and handles are numbers that it does not use again soon, so an answer that is late never meets a new
// one.
#ifndef CHAN_PROTO_H
#define CHAN_PROTO_H

#include "base/base.h"
#include "mem/proto.h"

enum { CHAN_WIRE_VERSION = 1 };

// name, number, header; then the payload
#define CHAN_MESSAGES(X)                                                                           \
    X(CU_HELLO, 1, "u32 wire version, u8[32] key, u32 node, u32 process")                          \
    X(CU_OPEN, 2, "u32 handle, u64 object, u8 kind; answered by CU_OPENED")                        \
    X(CU_LEAVE, 3, "u32 handle: it is not used any more; what was sent goes in")                   \
    X(CU_SEND, 4, "u32 handle, u32 number, u64 tag, u8 mode; the message")                         \
    X(CU_RECEIVE, 5, "u32 handle, u32 request, u64 room, u8 peek, u8 wait; CU_MESSAGE")            \
    X(CU_POLL, 6, "u32 handle, u32 request, u8 events, u8 wait; CU_ANSWER")                        \
    X(CU_CALL, 7, "u32 handle, u32 request, u32 op, u64 a, u64 b, u64 c, u8 wait; CU_ANSWER")      \
    X(CU_CANCEL, 8, "u32 request: its answer still comes, once, AGAIN if it was not possible yet") \
    X(CU_TAKE_BACK, 9,                                                                             \
      "u32 handle, u32 number: no longer waited for: CU_CREDIT with TIMEOUT if it is in, else "    \
      "with"                                                                                       \
      " AGAIN if it is large; others go in")                                                       \
    X(CU_FLUSH, 10, "u32 handle; answered by CU_CREDIT when all sends before it are in")           \
    X(CU_PAIR, 11,                                                                                 \
      "u32 handle, u32 request, u8 op, u8 wait, u8 key sent, u32 key bytes, u64 expected bytes,"   \
      " u64 value bytes, u64 room, i64 number; key, expected and value; CU_MESSAGE with a value,"  \
      " else CU_ANSWER")                                                                           \
    X(CU_PAIR_KEY, 12,                                                                             \
      "u32 handle, u32 request; a piece of the key and what is expected of the CU_PAIR after it")  \
    X(CU_PAIRS, 13,                                                                                \
      "u32 handle, u32 request, u8 op, u32 count; so many small operations, all GET or all PUT;"   \
      " CU_MESSAGE with an outcome for each, else CU_ANSWER for all")                              \
    X(CU_OPENED, 16, "u32 handle, i32 error, u32 credits")                                         \
    X(CU_CREDIT, 17,                                                                               \
      "u32 handle, u32 number, i32 error: all sends up to it are in; or this one has an error;"    \
      " or FULL with one that is in: those after it wait for memory")                              \
    X(CU_MESSAGE, 18, "u32 request, i32 error, u64 tag, u64 bytes; the message")                   \
    X(CU_ANSWER, 19, "u32 request, i32 error, u64 result")                                         \
    X(CU_MOVED, 20, "u32 handle: ask for its route again when nothing is under way")

enum chan_message {
#define CHAN_MESSAGE_ENUM(name, number, header) name = number,
    CHAN_MESSAGES(CHAN_MESSAGE_ENUM)
#undef CHAN_MESSAGE_ENUM
};

enum {
    CHAN_HEADER = 96,  // bytes at most
    CHAN_SMALL = 8192, // a message up to here is sent with its header
    // One up to here is sent without waiting for its receiver, as long as there are credits, and with all that is on
    // its way has at most CHAN_WINDOW bytes.
    CHAN_COPIED = 256 << 10,
    CHAN_WINDOW = 4 << 20,
    CHAN_CREDITS_MOST = 64,
};

// Of CU_SEND. One with any of these is answered at once when its fate is known, and so is one above CHAN_COPIED.
enum {
    SEND_TELL = 1, // when a receiver has it: mode RECEIVED
    SEND_TRY = 2,  // now or not at all
    SEND_MODES = 3,
};

// The headers. The sizes are checked against what is said above in wire.c.
#define CHAN_PACKED __attribute__((packed))
struct CHAN_PACKED cu_hello {
    uint32_t version;
    uint8_t key[KEEPER_KEY];
    uint32_t node, process;
};
struct CHAN_PACKED cu_open {
    uint32_t handle;
    uint64_t object;
    uint8_t kind;
};
struct CHAN_PACKED cu_handle { // CU_LEAVE, CU_FLUSH, CU_MOVED
    uint32_t handle;
};
struct CHAN_PACKED cu_send {
    uint32_t handle, number;
    uint64_t tag;
    uint8_t mode;
};
struct CHAN_PACKED cu_receive {
    uint32_t handle, request;
    uint64_t room;
    uint8_t peek, wait;
};
struct CHAN_PACKED cu_poll {
    uint32_t handle, request;
    uint8_t events, wait;
};
struct CHAN_PACKED cu_call {
    uint32_t handle, request, op;
    uint64_t a, b, c;
    uint8_t wait;
};
struct CHAN_PACKED cu_cancel {
    uint32_t request;
};
struct CHAN_PACKED cu_take_back {
    uint32_t handle, number;
};
// Of a shard (ddict/pair.h). Key, expected and value follow one after the other if they have at most CHAN_SMALL bytes in all. Else
// `key_sent`: the first two came before, in order, in pieces of at most CHAN_SMALL, and what follows is the value alone.
struct CHAN_PACKED cu_pair {
    uint32_t handle, request;
    uint8_t op, wait, key_sent;
    uint32_t key_bytes;
    uint64_t expected_bytes, value_bytes, room;
    int64_t number;
};
struct CHAN_PACKED cu_pair_key {
    uint32_t handle, request;
};
// The payload, and that of the answer, have at most CHAN_SMALL bytes: see ddict/pair.h. They are done one after the other.
struct CHAN_PACKED cu_pairs {
    uint32_t handle, request;
    uint8_t op;
    uint32_t count;
};
struct CHAN_PACKED cu_opened {
    uint32_t handle;
    int32_t error;
    uint32_t credits;
};
struct CHAN_PACKED cu_credit {
    uint32_t handle, number;
    int32_t error;
};
struct CHAN_PACKED cu_message {
    uint32_t request;
    int32_t error;
    uint64_t tag, bytes;
};
struct CHAN_PACKED cu_answer {
    uint32_t request;
    int32_t error;
    uint64_t result;
};

#endif
