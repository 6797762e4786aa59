// SPDX-License-Identifier: BSD-3-Clause
//
// What a process says to whoever serves the objects of another node: the node's dragon-transport, or, for a channel with a single
// receiver, the receiver itself. These are active messages: a header as below, and a payload. All numbers are little-endian
// and unaligned; what follows what is not said is an error of the sender and ends its connection. doc/protocol.md has the
// same table.
#ifndef CHAN_PROTO_H
#define CHAN_PROTO_H

#include "base/base.h"

enum { CHAN_WIRE_VERSION = 1 };

// name, number, header; then the payload
#define CHAN_MESSAGES(X)                                                                           \
    X(CU_HELLO, 1, "u32 wire version, u8[32] key, u32 node, u32 process")                          \
    X(CU_OPEN, 2, "u32 request, u64 object, u8 kind; answered by CU_OPENED")                       \
    X(CU_LEAVE, 3, "u64 object")                                                                   \
    X(CU_SEND, 4, "u64 object, u32 number, u8 mode, u64 tag; the message")                         \
    X(CU_RECEIVE, 5,                                                                               \
      "u32 request, u64 object, u8 peek, u8 take, u64 room; answered by CU_MESSAGE")               \
    X(CU_POLL, 6, "u32 request, u64 object, u8 events, u8 wait; answered by CU_ANSWER")            \
    X(CU_CALL, 7, "u32 request, u64 object, u32 op, u64 a, u64 b, u64 c, u8 wait; CU_ANSWER")      \
    X(CU_CANCEL, 8, "u32 request: its answer still comes, once, AGAIN if it was not possible yet") \
    X(CU_OPENED, 16, "u32 request, i32 error, u32 credits")                                        \
    X(CU_CREDIT, 17,                                                                               \
      "u64 object, u32 number: all sends up to it are in; i32 error: this one is not")             \
    X(CU_MESSAGE, 18, "u32 request, i32 error, u64 tag, u64 bytes; the message")                   \
    X(CU_ANSWER, 19, "u32 request, i32 error, u64 result")                                         \
    X(CU_MOVED, 20, "u64 object: ask for its route again when nothing is under way")

enum chan_message {
#define CHAN_MESSAGE_ENUM(name, number, header) name = number,
    CHAN_MESSAGES(CHAN_MESSAGE_ENUM)
#undef CHAN_MESSAGE_ENUM
};

enum {
    CHAN_HEADER = 96, // bytes at most
    CHAN_SMALL =
        8192, // a message up to here is sent without waiting for its receiver, as long as there are credits
};

#endif
