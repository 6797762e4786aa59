// SPDX-License-Identifier: BSD-3-Clause
//
// A command as a task.
#include "config.h"

#include "pool/work.h"

void work_command(dragon_task_t *task, const struct pool_chunk *chunk, struct pool_done *done_out)
{
    (void)chunk;
    task_words(task, "not here yet");
    done_out->err = DRAGON_ERR_UNSUPPORTED;
}
