// SPDX-License-Identifier: BSD-3-Clause
//
// Reading what came over the network, with checks: after wire_check the header is one of chan/proto.h's structs and
// each of its fields has a value that the message may have. What it refers to (handles, numbers, objects) is checked by
// whoever acts on it.
#ifndef CHAN_WIRE_H
#define CHAN_WIRE_H

#include "chan/proto.h"

#include <stddef.h>

const char *wire_name(uint8_t type); // "CU_SEND"; NULL: there is none

// A message of that type, header and payload, makes sense.
bool wire_check(uint8_t type, const uint8_t *header, size_t header_bytes, size_t payload_bytes);
static inline bool wire_is_request(uint8_t type) // to who serves, not from it
{
    return type < CU_OPENED;
}

// What a CU_PAIR says that follows or came before: of key and expected, and of the value.
uint64_t wire_pair_keys(const struct cu_pair *pair);

// The same 32 bytes, in a time that does not tell where they differ.
bool wire_same_key(const uint8_t *a, const uint8_t *b);

// Whose a data_peer is: its argument points to one of these, at the beginning of the struct of the part that has it.
enum wire_side { WIRE_ASKED, WIRE_SERVED }; // we asked for the connection, or serve it
struct wire_peer {
    enum wire_side side;
};

// A number of the other side is after another: they go around.
static inline bool wire_after(uint32_t number, uint32_t other)
{
    return (int32_t)(number - other) > 0;
}

#endif
