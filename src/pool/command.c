// SPDX-License-Identifier: BSD-3-Clause
//
// Commands and their ends as bytes: see command.h.
#include "config.h"

#include "pool/command.h"

enum { STRINGS_MOST = 1 << 20, HAS_CWD = 1, HAS_OUTPUT = 2, HAS_ERROR = 4 };

// ---- a command

static bool env_is_good(char *const *env)
{
    for (; env && *env; env++) {
        const char *equals = strchr(*env, '=');
        if (!equals || equals == *env)
            return false;
    }
    return true;
}

static void pack_if(struct pack *pack, const char *text)
{
    if (text)
        pack_str(pack, text);
}

dragon_err_t command_pack(struct pack *pack, const dragon_command_t *command)
{
    if (!command || !command->argv || !command->argv[0] || !command->argv[0][0] ||
        !env_is_good(command->env) || (!command->input && command->input_bytes > 0))
        return DRAGON_ERR_INVAL;
    pack_u64(pack, command->limit_ms);
    pack_strv(pack, command->argv);
    pack_strv(pack, command->env);
    pack_u8(pack, (uint8_t)((command->cwd ? HAS_CWD : 0) | (command->output ? HAS_OUTPUT : 0) |
                            (command->error ? HAS_ERROR : 0)));
    pack_if(pack, command->cwd);
    pack_if(pack, command->output);
    pack_if(pack, command->error);
    pack_u64(pack, command->input_bytes);
    pack_raw(pack, command->input, command->input_bytes);
    return DRAGON_OK;
}

bool command_unpack(const void *data, size_t bytes, struct command *command_out)
{
    struct unpack unpack = unpack_start(data, bytes);
    struct command command = {.limit_ms = unpack_u64(&unpack)};
    command.argv = unpack_strv(&unpack, STRINGS_MOST);
    command.env = unpack_strv(&unpack, STRINGS_MOST);
    uint8_t has = unpack_u8(&unpack);
    command.cwd = has & HAS_CWD ? unpack_str(&unpack) : NULL;
    command.output = has & HAS_OUTPUT ? unpack_str(&unpack) : NULL;
    command.error = has & HAS_ERROR ? unpack_str(&unpack) : NULL;
    uint64_t input_bytes = unpack_u64(&unpack);
    command.input_bytes = (size_t)input_bytes;
    command.input = unpack_raw(&unpack, command.input_bytes);
    if (command.input_bytes == 0)
        command.input = NULL;
    if (unpack_done(&unpack) && command.argv && command.argv[0] && env_is_good(command.env)) {
        *command_out = command;
        return true;
    }
    command_fini(&command);
    return false;
}

void command_fini(struct command *command)
{
    strv_free(command->argv);
    strv_free(command->env);
}

// ---- its end

struct packed_end { // behind it: output, error
    int32_t exit_code, signal;
    uint64_t user_us, system_us, memory_bytes;
    uint64_t output_bytes, error_bytes;
    uint32_t truncated, unused;
};

size_t command_end_bytes(const dragon_command_end_t *end)
{
    return sizeof(struct packed_end) + end->output_bytes + end->error_bytes;
}

void command_end_write(void *at, const dragon_command_end_t *end)
{
    struct packed_end packed = {.exit_code = end->exit_code,
                                .signal = end->signal,
                                .user_us = end->user_us,
                                .system_us = end->system_us,
                                .memory_bytes = end->memory_bytes,
                                .output_bytes = end->output_bytes,
                                .error_bytes = end->error_bytes,
                                .truncated = end->truncated != 0};
    uint8_t *bytes = at;
    memcpy(bytes, &packed, sizeof packed);
    bytes += sizeof packed;
    if (end->output_bytes > 0)
        memcpy(bytes, end->output, end->output_bytes);
    if (end->error_bytes > 0)
        memcpy(bytes + end->output_bytes, end->error, end->error_bytes);
}

bool command_end_read(const void *data, size_t bytes, dragon_command_end_t *end_out)
{
    struct packed_end packed;
    if (bytes < sizeof packed)
        return false;
    memcpy(&packed, data, sizeof packed);
    size_t left = bytes - sizeof packed;
    if (packed.output_bytes > left || packed.error_bytes != left - packed.output_bytes)
        return false;
    const uint8_t *at = (const uint8_t *)data + sizeof packed;
    *end_out = (dragon_command_end_t){.exit_code = packed.exit_code,
                                      .signal = packed.signal,
                                      .output = at,
                                      .output_bytes = packed.output_bytes,
                                      .error = at + packed.output_bytes,
                                      .error_bytes = packed.error_bytes,
                                      .truncated = packed.truncated != 0,
                                      .user_us = packed.user_us,
                                      .system_us = packed.system_us,
                                      .memory_bytes = packed.memory_bytes};
    return true;
}
