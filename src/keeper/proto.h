// SPDX-License-Identifier: BSD-3-Clause
//
// What keepers say to each other over the agents' tree. Most of it is one pair: what a process asked its own keeper is
// asked of another, and answered. doc/protocol.md has the same table.
#ifndef KEEPER_PROTO_H
#define KEEPER_PROTO_H

// name, number, what its body holds
#define KEEPER_NODE_MESSAGES(X)                                                            \
    X(KN_ASK, 48,                                                                          \
      "to a node: u32 node, u64 session, u32 request: who asks; u16 KC type, its body")    \
    X(KN_ANSWER, 49,                                                                       \
      "to who asked: u64 session, u32 request, i32 error, text why, then the answer")      \
    X(KN_GONE, 50, "to a node that was asked: u64 session of the sender's, which is gone") \
    X(KN_ROOM, 51, "to node 0: u64 bytes that this node wants to reserve")                 \
    X(KN_GRANTED, 52, "to who wants room: u8 granted, u64 bytes that all nodes have")      \
    X(KN_RETURN, 53, "to node 0: u64 bytes that were given back")                          \
    X(KN_FORGET, 54, "to node 0: u64 object that is destroyed, whose names go")

enum keeper_node_message {
#define KEEPER_NODE_MESSAGE_ENUM(name, number, body) name = number,
    KEEPER_NODE_MESSAGES(KEEPER_NODE_MESSAGE_ENUM)
#undef KEEPER_NODE_MESSAGE_ENUM
};

#endif
