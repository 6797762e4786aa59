// SPDX-License-Identifier: BSD-3-Clause
//
// The agent: the one daemon of a node. Its life:
//
//     setup     dragon-run gives it directories; it reads the host, listens, answers
//     joining   dragon-run gives it the table of nodes; it links up with its parent and children
//     up        serves clients and groups; on node 0 the head program runs
//     stopping  every program has been told TERM; waits for them, at most the grace time
//     leaving   everything below has been killed; waits for the nodes below to say goodbye
//
// A runtime ends on all nodes together. Node 0 decides that (the head has ended, a signal, a lost node)
// and tells all; a node that loses its way to node 0 ends by itself.
#include "config.h"

#include "agent/internal.h"
#include "group/proto.h"
#include "proc/sweep.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

// ---- the head program

static void on_head_end(void *arg, int status)
{
    struct agent *agent = arg;
    if (!agent->cause[0]) {
        agent->exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        // A head that was told to end is no surprise to anybody.
        if (WIFSIGNALED(status) && agent->phase == PHASE_UP)
            snprintf(agent->cause, sizeof agent->cause,
                     "the program %s was killed by signal %d (%s)", agent->start.head[0],
                     WTERMSIG(status), strsignal(WTERMSIG(status)));
    }
    if (agent->phase == PHASE_UP)
        agent_stop_all(agent, SIGTERM, agent->start.grace_ms);
    else
        loop_later_add(agent->loop, &agent->check);
}

static void agent_start_head(struct agent *agent)
{
    dragon_error_t error;
    struct head_options options = {
        .argv = agent->start.head,
        .cwd = agent->start.cwd,
        .socket_path = agent->socket_path,
        .stdio = {agent->options.stdio[0], agent->options.stdio[1], agent->options.stdio[2]},
        .process_group = agent->start.head_group,
        .nofile = &agent->options.nofile,
    };
    agent->head.on_exit = on_head_end;
    agent->head.arg = agent;
    int code = head_start(&agent->head, agent->children, &options, &error);
    for (int i = 0; i < 3; i++) {
        close(agent->options.stdio[i]); // whoever reads the head's output sees its end
        agent->options.stdio[i] = -1;
    }
    if (code == 0)
        return;
    agent_set_cause(agent, code, error.text);
    agent_stop_all(agent, SIGTERM, agent->start.grace_ms);
}

// ---- the tree

static void on_tree_up(void *arg)
{
    struct agent *agent = arg;
    struct pack empty = PACK_EMPTY;
    agent->phase = PHASE_UP;
    agent->was_up = true;
    pack_fini(&agent->card);
    agent_tell_run(agent, CONTROL_UP, &empty);
    if (agent_leads(agent))
        agent_start_head(agent);
}

static bool on_tree_card(void *arg, uint32_t node, const void *card, size_t length)
{
    struct agent *agent = arg;
    return !agent->groups || groups_describe(agent->groups, node, card, length); // else it leaves
}

static void on_tree_failed(void *arg, const char *reason)
{
    struct agent *agent = arg;
    agent_set_cause(agent, 125, reason);
    agent_leave(agent);
}

static bool on_agent_message(struct agent *agent, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    if (message->type == AGENT_STOP && message->source == 0) {
        uint32_t grace_ms = unpack_u32(&unpack);
        if (!unpack_done(&unpack))
            return false;
        if (!agent_leads(agent))
            agent_stop_here(agent, SIGTERM, grace_ms);
        return true;
    }
    if (message->type == AGENT_LOST)
        return agent_on_lost(agent, message);
    uint32_t signal = unpack_u32(&unpack);
    const char *why = unpack_str(&unpack);
    if (message->type != AGENT_ASK || !agent_leads(agent) || !unpack_done(&unpack) ||
        signal >= NSIG)
        return false;
    if (signal == 0 && message->source != 0 && agent_goes_on(agent))
        agent_go_on_without(agent, message->source, why);
    else
        agent_ask_stop(agent, (int)signal, why);
    return true;
}

static void on_tree_message(void *arg, const struct link_message *message)
{
    struct agent *agent = arg;
    bool good = true;
    if (message->type < GROUP_FIRST_TYPE)
        good = on_agent_message(agent, message);
    else if (message->type >= KEEPER_FIRST_TYPE && message->type <= KEEPER_LAST_TYPE)
        good = !agent->keeper || keeper_on_node_message(agent->keeper, message);
    else if (agent->groups)
        good = groups_on_node_message(agent->groups, message);
    if (!good)
        log_debug("dropped a message of type %u from node %u that is not understood", message->type,
                  message->source);
}

static void on_tree_lost(void *arg, uint32_t node, const char *reason)
{
    struct agent *agent = arg;
    char text[400];
    if (agent->phase == PHASE_LEAVING)
        return;
    if (agent_leads(agent) && agent_goes_on(agent)) {
        agent_go_on_without(agent, node, reason);
        return;
    }
    snprintf(text, sizeof text,
             "node %u (%s) is lost: %s; its agent was killed, or the host or its network is down",
             node, agent->nodes[node].name, reason);
    if (node == tree_parent(agent->start.here, agent->start.fanout) && !agent_leads(agent)) {
        agent->exit_code = 125; // node 0 says why; nothing holds us here any more
        agent_leave(agent);
        return;
    }
    agent_ask_stop(agent, 0, text);
}

static void on_tree_left(void *arg)
{
    agent_say_ended(arg);
}

static const struct tree_handler tree_handler = {
    .on_up = on_tree_up,
    .on_card = on_tree_card,
    .on_failed = on_tree_failed,
    .on_message = on_tree_message,
    .on_lost = on_tree_lost,
    .on_left = on_tree_left,
};

// ---- clients

static bool on_client_message(void *arg, uint64_t session, const struct link_message *message)
{
    struct agent *agent = arg;
    return groups_on_client_message(agent->groups, session, message);
}

static void on_client_gone(void *arg, uint64_t session)
{
    struct agent *agent = arg;
    groups_session_gone(agent->groups, session);
}

static const struct sessions_handler sessions_handler = {.on_message = on_client_message,
                                                         .on_gone = on_client_gone};

static void to_client(void *arg, uint64_t session, uint16_t type, const void *body, size_t length)
{
    struct agent *agent = arg;
    if (agent->sessions)
        sessions_send(agent->sessions, session, type, body, length);
}

static int client_pid(void *arg, uint64_t session)
{
    struct agent *agent = arg;
    return agent->sessions ? sessions_pid(agent->sessions, session) : 0;
}

static void on_rank_exit(void *arg)
{
    struct agent *agent = arg;
    if (agent->phase == PHASE_STOPPING)
        loop_later_add(agent->loop, &agent->check);
}

// ---- joining

static bool copy_nodes(struct agent *agent)
{
    const struct control_start *start = &agent->start;
    agent->nodes = calloc(start->count, sizeof *agent->nodes);
    for (uint32_t i = 0; agent->nodes && i < start->count; i++)
        agent->nodes[i] = (struct tree_node){.name = (char *)start->nodes[i].name,
                                             .host_key = (char *)start->nodes[i].host_key,
                                             .addresses = start->nodes[i].addresses};
    return agent->nodes != NULL;
}

static bool join_tree(struct agent *agent)
{
    const struct control_start *start = &agent->start;
    machine_pack(&agent->card, &agent->share.machine);
    if (agent->card.failed)
        return false;
    struct tree_options options = {
        .nodes = agent->nodes,
        .count = start->count,
        .here = start->here,
        .fanout = start->fanout,
        .secret = start->secret,
        .listen_fd = agent->listen_fd,
        .card = agent->card.data,
        .card_length = agent->card.length,
        .timeout_ms = start->up_timeout_ms,
        .silence_ms = start->node_timeout_ms,
        .first_type = AGENT_STOP,
    };
    agent->listen_fd = -1;
    agent->tree = tree_create(agent->loop, &options, &tree_handler, agent);
    return agent->tree != NULL;
}

static bool open_keeper(struct agent *agent, dragon_error_t *error)
{
    uint32_t numas = agent->share.machine.numa_count;
    struct keeper_options keeper = {
        .loop = agent->loop,
        .tree = agent->tree,
        .children = agent->children,
        .board_fd = agent->options.board_fd,
        .run_dir = agent->options.run_dir,
        .runtime = agent->start.name,
        .transport_program = agent->transport_program,
        .key = agent->data_key,
        .node_limit_bytes = agent->start.memory_bytes,
        .runtime_limit_bytes = agent->start.memory_total_bytes,
        .numa = agent->share.numas,
        .numa_count = numas < TOPO_NUMAS ? numas : TOPO_NUMAS,
        .nofile = &agent->options.nofile,
    };
    auth_derive(agent->start.secret, "data", agent->data_key);
    agent->keeper = keeper_create(&keeper, error);
    return agent->keeper != NULL;
}

static bool open_services(struct agent *agent, dragon_error_t *error)
{
    struct sessions_options sessions = {.path = agent->socket_path,
                                        .node = agent->start.here,
                                        .nodes = agent->start.count,
                                        .node_name = agent->nodes[agent->start.here].name,
                                        .runtime = agent->start.name,
                                        .end_s = agent->start.end_s};
    struct groups_options groups = {
        .loop = agent->loop,
        .tree = agent->tree,
        .children = agent->children,
        .socket_path = agent->socket_path,
        .run_dir = agent->options.run_dir,
        .shm_dir = agent->options.shm_dir,
        .pmix_program = agent->pmix_program,
        .nspace_stem = agent->start.stem,
        .machine = &agent->share.machine,
        .cpuset = agent->share.held ? agent->share.cpuset : "",
        .nofile = &agent->options.nofile,
        .start_timeout_ms = 60000,
        .to_client = to_client,
        .on_rank_exit = on_rank_exit,
        .client_pid = client_pid,
        .arg = agent,
    };
    agent->groups = groups_create(&groups);
    if (!agent->groups) {
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
        return false;
    }
    if (!open_keeper(agent, error))
        return false;
    agent->sessions = sessions_create(agent->loop, &sessions, &sessions_handler, agent, error);
    return agent->sessions != NULL;
}

bool agent_join(struct agent *agent, dragon_error_t *error)
{
    agent->phase = PHASE_JOINING;
    if (topo_take_share(agent->topo, agent->start.share_index, agent->start.share_count,
                        &agent->share, error) != DRAGON_OK)
        return false;
    topo_destroy(agent->topo); // a topology is the largest thing that an idle agent would hold
    agent->topo = NULL;
    if (!copy_nodes(agent) || !join_tree(agent)) {
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
        return false;
    }
    return open_services(agent, error);
}

// ---- life

struct agent *agent_create(struct loop *loop, const struct agent_options *options)
{
    dragon_error_t error;
    struct agent *agent = calloc(1, sizeof *agent);
    if (!agent) {
        close(options->control_fd);
        return NULL;
    }
    agent->loop = loop;
    agent->options = *options;
    agent->listen_fd = -1;
    agent->check = (struct loop_later){.fn = agent_on_check, .arg = agent};
    agent->pmix_program = self_beside("dragon-pmix");
    agent->transport_program = self_beside("dragon-transport");
    if (asprintf(&agent->socket_path, "%s/agent.sock", options->run_dir) < 0)
        agent->socket_path = NULL;
    agent->limit = loop_timer_create(loop, agent_on_limit, agent);
    agent->control =
        link_create(loop, options->control_fd, CONTROL_BODY_LIMIT, &agent_control_handler, agent);
    agent->children = children_create(loop, &error);
    if (agent->socket_path && agent->limit && agent->control && agent->children)
        return agent;
    agent_destroy(agent);
    return NULL;
}

void agent_destroy(struct agent *agent)
{
    if (!agent)
        return;
    groups_destroy(agent->groups);
    sessions_destroy(agent->sessions);
    keeper_destroy(agent->keeper);
    tree_destroy(agent->tree);
    link_destroy(agent->control);
    children_destroy(agent->children);
    loop_timer_destroy(agent->limit);
    loop_later_cancel(agent->loop, &agent->check);
    topo_destroy(agent->topo);
    pack_fini(&agent->card);
    machine_fini(&agent->share.machine);
    // dragon-run does this too; one of us is the last.
    sweep_remove_directory(agent->options.run_dir);
    sweep_remove_directory(agent->options.shm_dir);
    control_start_fini(&agent->start);
    free(agent->start_bytes);
    free(agent->nodes);
    free(agent->socket_path);
    free(agent->pmix_program);
    free(agent->transport_program);
    free(agent);
}
