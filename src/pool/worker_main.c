// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-pool-worker: a rank of a pool whose tasks are commands, or functions of shared objects. Not started by people.
#include "config.h"

#include "base/base.h"
#include "pool/proto.h"

#include <dragon/pool.h>

enum { EXIT_USAGE = 125 };

int main(void)
{
    int code;
    if (dragon_pool_work(NULL, &code))
        return code;
    log_open(POOL_WORKER_PROGRAM, "");
    log_error(
        "this is a part of dragon_pool_create, which starts it; it is not to be called by hand");
    return EXIT_USAGE;
}
