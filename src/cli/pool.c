// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-pool: a command for each line of the input, over all nodes of the runtime. Uses the library's public headers alone,
// as any client. Outside a runtime it calls dragon-run, which brings one up around it.
#include "config.h"

#include "cli/pool.h"
#include "cli/private.h"

int main(int argc, char **argv)
{
    struct pool_call call;
    int code;
    log_open("dragon-pool", "");
    pool_call_take(&call, argc, argv);
    if (call.dry_run)
        code = pool_dry_run(&call);
    else if (is_inside_runtime())
        code = pool_run(&call);
    else
        code = run_privately(argv, 1);
    pool_call_fini(&call);
    return code;
}
