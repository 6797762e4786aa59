// SPDX-License-Identifier: BSD-3-Clause
//
// What a process and the keeper of its node say to each other, over a Unix socket of packets (SOCK_SEQPACKET) beside
// the agent's: one packet is one message, so descriptors travel with the message they belong to. A process asks, one
// thing at a time; each is answered once by KC_ANSWER with its number. A packet is the u16 number of its message, and
// the body. doc/protocol.md has the same table.
#ifndef MEM_PROTO_H
#define MEM_PROTO_H

#include "base/base.h"

enum {
    KEEPER_WIRE_VERSION = 1,
    KEEPER_PACKET = 64 << 10,  // bytes of a message at most
    KEEPER_FDS = 2,            // descriptors with it at most
    KEEPER_ADDRESS = 16 << 10, // of who serves objects, at most
    KEEPER_TEXT = 4095,        // of what a name stands for
    KEEPER_ANSWER_MS = 10000,  // for what does not wait
};
#define KEEPER_SOCKET "data.sock" // in the directory of the agent's socket

// name, number, what its body holds. All but the first begin with u32 request.
#define KEEPER_MESSAGES(X)                                                                     \
    X(KC_HELLO, 1, "u32 wire version, u8 role, text release")                                  \
    X(KC_SEGMENT, 2, "u32 segment; answer: u64 bytes, i32 numa, u8 huge, with its descriptor") \
    X(KC_GROW, 3, "u64 bytes of a block, i32 numa, u8 huge; answer: u32 segment")              \
    X(KC_BELL, 4, "u32 slot; answer: u32 generation, with its eventfd")                        \
    X(KC_MEMORY, 5, "answer: memory statistics")                                               \
    X(KC_SHARE, 6, "u64 block; answer: u64 share")                                             \
    X(KC_SHARED, 7, "u64 block, u64 share: attach to it")                                      \
    X(KC_DROP, 8, "u64 block: a shared one that is no longer used")                            \
    X(KC_CREATE, 9, "u32 node, object spec; answer: u64 object")                               \
    X(KC_OPEN, 10, "u32 node, u64 object, u8 kind; answer: opened")                            \
    X(KC_LEAVE, 11, "u64 object, of this node")                                                \
    X(KC_CLOSE, 12, "u32 node, u64 object")                                                    \
    X(KC_DESTROY, 13, "u32 node, u64 object")                                                  \
    X(KC_STAT, 14, "u32 node, u64 object; answer: object statistics")                          \
    X(KC_PUBLISH, 15, "text name, text, u32 node, u64 object or 0")                            \
    X(KC_FIND, 16, "text name, i64 ms to wait or -1; answer: text")                            \
    X(KC_WITHDRAW, 17, "text name")                                                            \
    X(KC_ROUTE, 18,                                                                            \
      "u32 node, u64 object or 0; answer: u8 direct, bytes address of who serves it")          \
    X(KC_SERVE, 19,                                                                            \
      "u64 object or 0: all, bytes address: this process serves it; none: no longer")          \
    X(KC_PROXY, 20,                                                                            \
      "u32 node, u32 process: a slot for a process of another node; answer: u32 slot")         \
    X(KC_PROXY_GONE, 21, "u32 slot")                                                           \
    X(KC_ANSWER, 32, "u32 request, i32 error, text why, then the answer; to KC_HELLO: welcome")

enum keeper_message {
#define KEEPER_MESSAGE_ENUM(name, number, body) name = number,
    KEEPER_MESSAGES(KEEPER_MESSAGE_ENUM)
#undef KEEPER_MESSAGE_ENUM
};

enum keeper_role { ROLE_PROCESS, ROLE_TRANSPORT, KEEPER_ROLES };

// The welcome: u32 wire version, text release, u32 node, u32 nodes, u32 slot, bytes key, text name of the runtime; with
// the descriptors of the board and of the slot's eventfd. `key` is what processes of the runtime show each other over
// the network before anything else. It answers request 0; an error tells another wire version apart from no room.
enum { KEEPER_KEY = 32 };

enum object_kind {
    OBJECT_NONE,
    OBJECT_CHANNEL,
    OBJECT_QUEUE,
    OBJECT_LOCK,
    OBJECT_SEMAPHORE,
    OBJECT_BARRIER,
    OBJECT_FLAG, // dragon_event_flag_t
    OBJECT_VALUE,
    OBJECT_SHARD, // of a dictionary
    OBJECT_KINDS,
};
extern const char *const keeper_message_names[KC_ANSWER + 1];
extern const char *const object_kind_names[OBJECT_KINDS]; // "channel" and so on, as in descriptors

enum object_single {
    SINGLE_NO,
    SINGLE_ONE, // one receiver, until it leaves or dies
    SINGLE_END, // and with its death the object ends
};

enum object_owned {
    OWNED_NO,
    OWNED_BY_MAKER, // it ends with the process that made it
    OWNED_AT_FIRST, // the same, until its maker opens it a second time
};

struct object_spec {
    uint8_t kind;   // enum object_kind
    uint8_t single; // channel, queue: enum object_single
    uint8_t owned;  // enum object_owned
    uint8_t huge;   // of its memory
    int32_t numa;   //
    uint32_t
        capacity; // channel, queue: messages; barrier: parties; value: numbers; semaphore: most
    uint32_t inline_bytes; // channel, queue
    int64_t initial;       // semaphore, value; shard: bytes in all
};
void object_spec_pack(struct pack *pack, const struct object_spec *spec);
bool object_spec_unpack(struct unpack *unpack, struct object_spec *spec_out); // and makes sense

struct object_opened {
    uint64_t block; // where it is, on this node; 0: it is on another
    struct object_spec spec;
};
void object_opened_pack(struct pack *pack, const struct object_opened *opened);
bool object_opened_unpack(struct unpack *unpack, struct object_opened *opened_out);

struct object_stat { // of a channel or queue; of others only `processes`
    struct object_spec spec;
    uint64_t sent, received, lost;
    uint32_t waiting, processes, waiting_senders, waiting_receivers;
    uint8_t closed;
};
void object_stat_pack(struct pack *pack, const struct object_stat *stat);
bool object_stat_unpack(struct unpack *unpack, struct object_stat *stat_out);

struct memory_stat {
    uint64_t limit_bytes, reserved_bytes, used_bytes, free_bytes, largest_free_bytes, blocks;
    uint32_t segments, processes;
};
void memory_stat_pack(struct pack *pack, const struct memory_stat *stat);
bool memory_stat_unpack(struct unpack *unpack, struct memory_stat *stat_out);

#endif
