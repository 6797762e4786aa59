// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target: what dragon-run and the agent say to each other. The first byte says which message; what
// is read well must be writable, and read again.
#include "config.h"

#include "agent/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Each writes into `again` what it could read; false when it could not.
static bool try_setup(struct unpack *unpack, struct pack *again)
{
    struct control_setup setup;
    if (!control_setup_unpack(unpack, &setup))
        return false;
    control_setup_pack(again, &setup);
    return true;
}

static bool try_ready(struct unpack *unpack, struct pack *again)
{
    struct control_ready ready;
    if (!control_ready_unpack(unpack, &ready))
        return false;
    control_ready_pack(again, &ready);
    strv_free(ready.addresses);
    return true;
}

static bool try_start(struct unpack *unpack, struct pack *again)
{
    struct control_start start;
    if (!control_start_unpack(unpack, &start))
        return false;
    if (start.here >= start.count || start.fanout == 0 || start.share_index >= start.share_count)
        abort();
    control_start_pack(again, &start);
    control_start_fini(&start);
    return true;
}

static bool (*const the_tries[])(struct unpack *, struct pack *) = {try_setup, try_ready,
                                                                    try_start};
enum { TRIES = sizeof the_tries / sizeof *the_tries };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct unpack unpack = unpack_start(data + 1, size - 1);
    struct pack first = PACK_EMPTY, second = PACK_EMPTY;
    if (the_tries[data[0] % TRIES](&unpack, &first)) {
        unpack = unpack_start(first.data, first.length);
        if (!the_tries[data[0] % TRIES](&unpack, &second) || second.length != first.length ||
            memcmp(first.data, second.data, first.length) != 0)
            abort();
    }
    pack_fini(&second);
    pack_fini(&first);
    return 0;
}
