// SPDX-License-Identifier: BSD-3-Clause
//
// From the command of an MPI program to its group.
#include "config.h"

#include "pool/command.h"
#include "pool/pool_mpi.h"

#include <sys/mman.h>
#include <unistd.h>

#define WAIT_MS ((uint64_t)365 * 24 * 3600 * 1000) // for room: without limit

static dragon_err_t make_template(const struct mpi_task *mine, const struct command *command,
                                  dragon_template_t **made_out, dragon_error_t *error)
{
    dragon_template_t *made;
    dragon_err_t err = dragon_template_create(command->argv, &made, error);
    if (err != DRAGON_OK)
        return err;
    for (char **entry = command->env; *entry && err == DRAGON_OK; entry++) {
        char *equals = strchr(*entry, '='); // there is one
        *equals = 0;
        err = dragon_template_set_env(made, *entry, equals + 1);
    }
    if (err == DRAGON_OK && command->cwd)
        err = dragon_template_set_cwd(made, command->cwd);
    if (err == DRAGON_OK)
        err = dragon_template_set_policy(made, mine->policy);
    if (err == DRAGON_OK)
        err = dragon_template_set_output(made,
                                         command->output ? command->output : DRAGON_STREAM_PIPE);
    if (err == DRAGON_OK)
        err = dragon_template_set_error(made, command->error ? command->error : DRAGON_STREAM_PIPE);
    if (err == DRAGON_OK) {
        *made_out = made;
        return DRAGON_OK;
    }
    dragon_template_destroy(made);
    return err_set(error, err, "the program cannot be described: %s", dragon_err_text(err));
}

// The first rank reads it, as a file without a name.
static bool make_input(struct mpi_task *mine, const struct command *command)
{
    const uint8_t *at = command->input;
    size_t left = command->input_bytes;
    if (!left)
        return true;
    mine->input = memfd_create("input", MFD_CLOEXEC);
    while (mine->input >= 0 && left > 0) {
        ssize_t written = write(mine->input, at, left);
        if (written <= 0)
            return false;
        at += written;
        left -= (size_t)written;
    }
    return mine->input >= 0 && lseek(mine->input, 0, SEEK_SET) == 0;
}

static dragon_err_t set_up(struct mpi_task *mine, const struct command *command,
                           dragon_error_t *error)
{
    dragon_template_t *made = NULL;
    dragon_err_t err = make_template(mine, command, &made, error);
    if (err != DRAGON_OK)
        return err;
    err = dragon_group_add(mine->group, made, mine->ranks, error);
    dragon_template_destroy(made);
    if (err != DRAGON_OK)
        return err;
    if (!make_input(mine, command))
        return err_set(error, DRAGON_ERR_NOMEM, "no memory for its input");
    err = dragon_group_set_pmi(mine->group, true);
    if (err == DRAGON_OK)
        err = dragon_group_set_full(mine->group, DRAGON_FULL_WAIT, WAIT_MS);
    if (err == DRAGON_OK && mine->input >= 0)
        err = dragon_group_set_input(mine->group, mine->input, 0);
    if (err == DRAGON_OK)
        err = dragon_group_set_time_limit(mine->group, mine->limit_ms);
    return err == DRAGON_OK ? err : err_set(error, err, "%s", dragon_err_text(err));
}

dragon_err_t mpi_start(struct mpi_task *mine, dragon_error_t *error)
{
    struct dragon_result *task = mine->task;
    struct command command;
    if (!command_unpack(task->data, task->bytes, &command))
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    dragon_err_t err = dragon_group_create(task->pool->runtime, &mine->group, error);
    if (err == DRAGON_OK)
        err = set_up(mine, &command, error);
    command_fini(&command);
    if (err != DRAGON_OK)
        return err;
    err = mpi_check_room(mine, error);
    if (err != DRAGON_OK)
        return err;
    dragon_group_on_event(mine->group, mpi_on_event, mine);
    return dragon_group_submit(mine->group, error);
}
