// SPDX-License-Identifier: BSD-3-Clause
//
// What a client sees of a runtime that dies: it runs outside of that runtime's processes, and kills
// the process given in argv[1].
#include "tap.h"

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    int victim = (int)strtol(argv[1], NULL, 10);
    dragon_error_t error;
    dragon_runtime_t *runtime = tap_attach();
    dragon_group_t *running = tap_shell(runtime, "sleep 600", 2);
    dragon_group_t *late = tap_shell(runtime, "true", 1);
    tap_start(running);
    kill(victim, SIGKILL);
    tap_err(dragon_group_wait(running, TAP_WAIT_MS), DRAGON_ERR_PEER, "wait");
    tap_equal(dragon_group_exit_code(running), 125, "the group's exit code is 125");
    tap_has(dragon_group_cause(running), "runtime", "and its cause names the runtime");
    tap_err(dragon_group_wait(running, 0), DRAGON_ERR_PEER, "wait again");
    tap_equal(dragon_group_state(running), DRAGON_GROUP_ENDED, "it has ended");
    tap_err(dragon_runtime_progress(runtime, 0), DRAGON_ERR_PEER, "progress");
    dragon_system_t *system;
    tap_err(dragon_system_look(runtime, &system, &error), DRAGON_ERR_PEER, "a look");
    dragon_group_t *other;
    tap_err(dragon_group_attach(runtime, "dragon-group:x:1", &other, &error), DRAGON_ERR_NOT_FOUND,
            "attach to a group of another runtime");
    tap_err(dragon_group_start(late, &error), DRAGON_ERR_PEER, "start");
    tap_has(error.text, "runtime", "and its text names the runtime");
    tap_check(dragon_group_exit_code(late) == 125, "exit code 125");
    dragon_err_t err = dragon_group_signal(running, 0, SIGTERM);
    tap_check(err == DRAGON_OK || err == DRAGON_ERR_STATE, "a signal does no harm");
    dragon_group_stop(running);
    dragon_group_destroy(running);
    dragon_group_destroy(late);
    dragon_runtime_detach(runtime);
    dragon_runtime_t *again = NULL;
    tap_err(dragon_runtime_attach(&again, &error), DRAGON_ERR_PEER, "attach again");
    tap_has(error.text, "DRAGON_RUNTIME", "and its text says what to do");
    return tap_finish();
}
