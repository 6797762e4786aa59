// SPDX-License-Identifier: BSD-3-Clause
//
// Commands as workers of a pool get them, and their ends as a pool does.
#include "config.h"

#include "pool/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct command command;
    dragon_command_end_t end;
    if (command_unpack(data, size, &command))
        command_fini(&command);
    (void)command_end_read(data, size, &end);
    return 0;
}
