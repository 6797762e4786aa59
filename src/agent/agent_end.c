// SPDX-License-Identifier: BSD-3-Clause
//
// How an agent ends: tell everything to end, wait for it a while, kill what is left, take leave of the other
// nodes. The same whether the head has ended, a signal came, or a part of the runtime is gone.
#include "config.h"

#include "agent/internal.h"
#include "proc/sweep.h"

#include <signal.h>

enum {
    SWEEP_MS = 2000,
    LEAVE_MS = 2000,
    LOST_GRACE_MS = 500, // of programs when a part of the runtime is gone already
};

void agent_say_ended(struct agent *agent)
{
    struct pack body = PACK_EMPTY;
    // Node 0 speaks for all, a node that never came up for itself; through dragon-run, if that is left.
    bool speaks = agent_leads(agent) || !agent->was_up;
    // Who ends a dragon-run that is still coming up knows of it, and says so.
    if (!agent->control && agent_leads(agent) && agent->was_up && agent->cause[0])
        log_error("%s", agent->cause);
    pack_i32(&body, agent->exit_code);
    pack_str(&body, speaks ? agent->cause : "");
    agent_tell_run(agent, CONTROL_ENDED, &body);
    loop_later_run(agent->loop);
    loop_stop(agent->loop);
}

void agent_set_cause(struct agent *agent, int code, const char *cause)
{
    if (agent->cause[0] || agent->exit_code)
        return;
    agent->exit_code = code;
    snprintf(agent->cause, sizeof agent->cause, "%s", cause);
}

void agent_leave(struct agent *agent)
{
    if (agent->phase >= PHASE_LEAVING)
        return;
    agent->phase = PHASE_LEAVING;
    if (agent->head.pid > 0) {
        char text[200];
        snprintf(text, sizeof text,
                 "the program %.100s did not end when it was told to, and was killed",
                 agent->start.head[0]);
        agent_set_cause(agent, 128 + SIGKILL, text);
    }
    groups_destroy(agent->groups);
    agent->groups = NULL;
    sessions_destroy(agent->sessions);
    agent->sessions = NULL;
    if (agent->keeper)
        keeper_end(agent->keeper); // who waits in shared memory and is not ours to kill
    if (!sweep_all(time_now_ms() + SWEEP_MS))
        log_error("processes on %s hang in the kernel and could not be killed",
                  agent->nodes ? agent->nodes[agent->start.here].name : "this host");
    loop_timer_start(agent->limit, LEAVE_MS);
    if (agent->tree)
        tree_leave(agent->tree);
    else
        agent_say_ended(agent);
}

void agent_on_check(void *arg)
{
    struct agent *agent = arg;
    if (agent->phase != PHASE_STOPPING || agent->head.pid > 0 ||
        groups_running_ranks(agent->groups) > 0)
        return;
    // The owner of the last group may still want to hear of its end.
    agent_leave(agent);
}

void agent_stop_here(struct agent *agent, int signal, uint32_t grace_ms)
{
    if (agent->phase >= PHASE_STOPPING)
        return;
    if (agent->phase < PHASE_UP || !agent->groups) {
        agent_leave(agent);
        return;
    }
    agent->phase = PHASE_STOPPING;
    head_signal(&agent->head, signal);
    groups_signal_ranks(agent->groups, SIGTERM);
    loop_timer_start(agent->limit, grace_ms);
    loop_later_add(agent->loop, &agent->check);
}

void agent_stop_all(struct agent *agent, int signal, uint32_t grace_ms)
{
    struct pack body = PACK_EMPTY;
    if (agent->phase >= PHASE_STOPPING)
        return;
    pack_u32(&body, grace_ms);
    if (agent->tree && agent->phase == PHASE_UP)
        tree_send(agent->tree, TREE_EVERYBODY, AGENT_STOP, &body);
    pack_fini(&body);
    agent_stop_here(agent, signal, grace_ms);
}

void agent_ask_stop(struct agent *agent, int signal, const char *why)
{
    struct pack body = PACK_EMPTY;
    if (agent->phase >= PHASE_STOPPING)
        return;
    // A head that is told to stop has the last word on the exit code.
    if (signal == 0 || agent->head.pid == 0)
        agent_set_cause(agent, signal ? 128 + signal : 125, why);
    if (agent_leads(agent) || agent->phase < PHASE_UP) {
        agent_stop_all(agent, signal ? signal : SIGTERM,
                       signal ? agent->start.grace_ms : LOST_GRACE_MS);
        return;
    }
    pack_u32(&body, (uint32_t)signal);
    pack_str(&body, why);
    tree_send(agent->tree, 0, AGENT_ASK, &body);
    loop_timer_start(agent->limit, LEAVE_MS);
}

void agent_on_limit(void *arg)
{
    struct agent *agent = arg;
    if (agent->phase == PHASE_LEAVING)
        agent_say_ended(agent); // those below did not say goodbye; they end by themselves
    else
        agent_leave(agent);
}
