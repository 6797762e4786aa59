// SPDX-License-Identifier: BSD-3-Clause
//
// What space_ask.c and space_attach.c share.
#ifndef MEM_SPACE_ASK_H
#define MEM_SPACE_ASK_H

#include "mem/space.h"

// One request, of which `packet` has all, and its answer with at most KEEPER_FDS descriptors; on failure none is left
// open.
dragon_err_t space_ask_exchange(struct space *space, enum keeper_message type, uint32_t request,
                                const struct pack *packet, int64_t wait_ms,
                                struct unpack *unpack_out, int fds[KEEPER_FDS],
                                dragon_error_t *error);
void space_ask_close(int fds[KEEPER_FDS]);
// PROTO: what came is no answer to that, and nothing more is asked.
dragon_err_t space_ask_no_answer(struct space *space, enum keeper_message type,
                                 dragon_error_t *error);

#endif
