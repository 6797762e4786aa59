// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-transport AGENT_SOCKET: started by dragon-agent, not by people.
#include "config.h"

#include "transport/transport.h"

#include <signal.h>

static void hold_signals(void)
{
    // What is meant for the programs of a terminal is not for us: the keeper's end is ours.
    static const int held[] = {SIGINT, SIGHUP, SIGQUIT, SIGTTOU, SIGTTIN, SIGTSTP};
    sigset_t mask;
    sigemptyset(&mask);
    for (size_t i = 0; i < sizeof held / sizeof *held; i++)
        sigaddset(&mask, held[i]);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
    struct transport *transport;
    dragon_error_t error;
    log_open("dragon-transport", "");
    if (argc != 2) {
        log_error(
            "this is a part of dragon-agent, which starts it; it is not to be called by hand");
        return 125;
    }
    hold_signals();
    if (transport_create(argv[1], &transport, &error) != DRAGON_OK) {
        log_error("%s", error.text);
        return 1;
    }
    transport_run(transport);
    transport_destroy(transport);
    return 0;
}
