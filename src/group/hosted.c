// SPDX-License-Identifier: BSD-3-Clause
//
// One group on this node: see hosted.h.
#include "config.h"

#include "group/hosted.h"

#include "pmi/env.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STARTS_A_TURN = 16, KILL_MS = 5000 };

static const char *here_name(const struct host *host)
{
    return tree_node(host->options.tree, tree_here(host->options.tree))->name;
}

// ---- ends of ranks

static void send_exits(void *arg)
{
    struct hosted *hosted = arg;
    struct pack body = PACK_EMPTY;
    if (hosted->exits.length == 0 && !hosted->exits.failed)
        return;
    pack_u64(&body, hosted->group);
    pack_raw(&body, hosted->exits.data, hosted->exits.length);
    if (hosted->exits.failed)
        body.failed = true;
    pack_fini(&hosted->exits);
    tree_send(hosted->host->options.tree, 0, GN_EXITS, &body);
}

static void report_exit(struct hosted *hosted, const struct rank *rank, enum rank_end end,
                        int value)
{
    struct host *host = hosted->host;
    rank_exit_pack(&hosted->exits, &(struct rank_exit){.rank = rank->number,
                                                       .node = tree_here(host->options.tree),
                                                       .pid = rank->pid,
                                                       .end = (uint8_t)end,
                                                       .ours = rank->told,
                                                       .value = value});
    loop_later_add(host->options.loop, &hosted->report);
}

static void on_rank_over(void *arg, struct rank *rank)
{
    struct hosted *hosted = arg;
    if (WIFSIGNALED(rank->status)) {
        report_exit(hosted, rank, RANK_SIGNALED, WTERMSIG(rank->status));
        return;
    }
    int code = WEXITSTATUS(rank->status);
    enum rank_end end = RANK_EXITED;
    if (hosted->mpi_job) {
        bool connected = mpi_job_rank_connected(hosted->mpi_job, rank->number);
        if (connected && !mpi_job_rank_finalized(hosted->mpi_job, rank->number))
            end = RANK_UNFINISHED;
        else if (!connected && code == 0)
            end = RANK_UNCONNECTED;
    }
    report_exit(hosted, rank, end, code);
}

static void on_rank_exited(void *arg, struct rank *rank)
{
    struct hosted *hosted = arg;
    const struct groups_options *options = &hosted->host->options;
    if (hosted->mpi_job)
        mpi_job_rank_exited(hosted->mpi_job, rank->number);
    else
        rank->settled = true;
    options->on_rank_exit(options->arg);
}

// ---- starting

static char **rank_env(struct hosted *hosted, uint32_t local)
{
    const struct groups_options *options = &hosted->host->options;
    char **env = strv_copy(hosted->spec.env);
    bool good = env && env_set(&env, "DRAGON_RUNTIME", options->socket_path) &&
                env_setf(&env, "DRAGON_GROUP", "%llu", (unsigned long long)hosted->group) &&
                env_setf(&env, "DRAGON_RANK", "%u", hosted->ranks[local].number) &&
                env_setf(&env, "DRAGON_SIZE", "%u", hosted->plan.size) &&
                env_setf(&env, "DRAGON_LOCAL_RANK", "%u", local) &&
                env_setf(&env, "DRAGON_LOCAL_SIZE", "%u", hosted->place.count) &&
                env_setf(&env, "DRAGON_NODE", "%u", tree_here(options->tree));
    if (!good) {
        strv_free(env);
        return NULL;
    }
    return env;
}

static void start_rank(struct hosted *hosted, uint32_t local)
{
    struct rank *rank = &hosted->ranks[local];
    char **env = rank_env(hosted, local);
    int fd3 = -1, problem = env ? 0 : ENOMEM;
    if (problem == 0 && hosted->mpi_job &&
        !mpi_job_prepare_rank(hosted->mpi_job, rank->number, &env, &fd3))
        problem = errno ? errno : ENOMEM;
    if (problem == 0) {
        struct rank_start start = {
            .path = hosted->path,
            .argv = hosted->spec.argv,
            .env = env,
            .cwd = hosted->spec.cwd,
            .fd3 = fd3,
            .input = hosted->spec.input && rank->number == 0,
        };
        problem = rank_start(rank, &start);
    }
    strv_free(env);
    if (fd3 >= 0)
        close(fd3);
    if (problem)
        report_exit(hosted, rank, RANK_NOT_STARTED, problem);
}

static void start_some(void *arg)
{
    struct hosted *hosted = arg;
    for (int i = 0; i < STARTS_A_TURN && hosted->started < hosted->place.count; i++)
        start_rank(hosted, hosted->started++);
    if (hosted->started < hosted->place.count)
        loop_timer_start(hosted->next_starts, 0);
}

static void on_start_exchanged(void *arg, dragon_err_t err, const struct exchange_piece *pieces,
                               size_t count)
{
    struct hosted *hosted = arg;
    struct host *host = hosted->host;
    bool good = err == DRAGON_OK;
    for (size_t i = 0; i < count; i++)
        good = good && pieces[i].length == 0;
    if (err == DRAGON_OK && host->on_started)
        host->on_started(host->arg, hosted->group, pieces, count);
    if (good)
        start_some(hosted);
    // else the leader, who has seen the same pieces, ends the group
}

// ---- preparing

// Nothing given is the sign that this node is ready; else an exit code for the client and a text.
static void join_start(struct hosted *hosted, int code, const char *problem)
{
    struct exchange_key key = {.group = hosted->group, .what = EXCHANGE_START};
    struct pack piece = PACK_EMPTY;
    if (problem) {
        pack_i32(&piece, code);
        pack_str(&piece, problem);
    }
    exchange_join(hosted->host->exchanges, &key, hosted->nodes, hosted->node_count, piece.data,
                  piece.length, on_start_exchanged, hosted);
    pack_fini(&piece);
}

static void join_start_with(struct hosted *hosted, const char *error)
{
    char text[sizeof((dragon_error_t *)0)->text + 100];
    snprintf(text, sizeof text, "%s: %s", here_name(hosted->host), error);
    join_start(hosted, 125, text);
}

static void on_mpi_ready(void *arg, const char *error)
{
    struct hosted *hosted = arg;
    if (*error)
        join_start_with(hosted, error);
    else
        join_start(hosted, 0, NULL);
}

static void on_mpi_settled(void *arg, uint32_t number)
{
    struct hosted *hosted = arg;
    for (uint32_t i = 0; i < hosted->started; i++)
        if (hosted->ranks[i].number == number && hosted->ranks[i].exited)
            rank_set_settled(&hosted->ranks[i]);
}

static void on_mpi_abort(void *arg, uint32_t rank, int32_t code, const char *text)
{
    struct hosted *hosted = arg;
    struct pack body = PACK_EMPTY;
    pid_t pid = 0;
    for (uint32_t i = 0; i < hosted->started; i++)
        if (hosted->ranks[i].number == rank)
            pid = hosted->ranks[i].pid;
    pack_u64(&body, hosted->group);
    pack_u32(&body, rank);
    pack_i32(&body, pid);
    pack_i32(&body, code);
    pack_str(&body, text);
    tree_send(hosted->host->options.tree, 0, GN_ABORT, &body);
}

static void on_mpi_broken(void *arg, const char *text)
{
    struct hosted *hosted = arg;
    struct pack body = PACK_EMPTY;
    pack_u64(&body, hosted->group);
    pack_str(&body, text);
    tree_send(hosted->host->options.tree, 0, GN_BROKEN, &body);
}

static const struct mpi_job_handler mpi_handler = {
    .on_ready = on_mpi_ready,
    .on_settled = on_mpi_settled,
    .on_abort = on_mpi_abort,
    .on_broken = on_mpi_broken,
};

static bool prepare_mpi(struct hosted *hosted, dragon_error_t *error)
{
    struct host *host = hosted->host;
    struct pmi_map map = {.size = hosted->plan.size, .cores_here = host->options.cores};
    uint32_t *nodes = calloc(hosted->node_count, sizeof *nodes);
    uint32_t *index = calloc(hosted->plan.nodes, sizeof *index);
    map.node_of_rank = calloc(map.size, sizeof *map.node_of_rank);
    if (!nodes || !index || !map.node_of_rank)
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    else {
        // The plan's nodes that have ranks, numbered from 0; the leader's node may have none.
        for (uint32_t node = 0; node < hosted->plan.nodes; node++) {
            if (hosted->plan.count[node] == 0)
                continue;
            if (node == tree_here(host->options.tree))
                map.here = map.nodes;
            index[node] = map.nodes;
            nodes[map.nodes++] = node;
            strv_push(&map.node_names, tree_node(host->options.tree, node)->name);
        }
        for (uint32_t rank = 0; rank < map.size; rank++)
            map.node_of_rank[rank] = index[hosted->node_of_rank[rank]];
        struct mpi_job_options options = {.group = hosted->group,
                                          .map = &map,
                                          .nodes = nodes,
                                          .cwd = hosted->spec.cwd,
                                          .argv = hosted->spec.argv};
        hosted->mpi_job = mpi_job_create(host->mpi, &options, &mpi_handler, hosted, error);
    }
    free(nodes);
    free(index);
    pmi_map_fini(&map);
    return hosted->mpi_job != NULL;
}

// False: the start has been joined with what is missing.
static bool check_program(struct hosted *hosted)
{
    const struct group_spec *spec = &hosted->spec;
    const char *name = here_name(hosted->host);
    struct stat info;
    char text[600];
    if (stat(spec->cwd, &info) != 0 || !S_ISDIR(info.st_mode)) {
        snprintf(
            text, sizeof text,
            "%s has no directory %.300s, in which the program is to run; give another with --cwd, "
            "or use a file system that all nodes share",
            name, spec->cwd);
        join_start(hosted, 125, text);
        return false;
    }
    int problem = spawn_find(spec->argv[0], env_get(spec->env, "PATH"), spec->cwd, &hosted->path);
    if (problem == 0)
        return true;
    int code = spawn_exit_code(problem);
    snprintf(text, sizeof text, "cannot run \"%.300s\" on %s: %s", spec->argv[0], name,
             code == 127 ? "there is no such program" : strerror(problem));
    join_start(hosted, code, text);
    return false;
}

static void prepare(struct hosted *hosted)
{
    dragon_error_t error = {0};
    if (hosted->place.count == 0) { // the leader's node takes part without ranks
        join_start(hosted, 0, NULL);
        return;
    }
    if (!check_program(hosted))
        return;
    pmi_env_clean(hosted->spec.env);
    if (!hosted->spec.pmi)
        join_start(hosted, 0, NULL);
    else if (!prepare_mpi(hosted, &error)) // else it goes on in on_mpi_ready
        join_start_with(hosted, error.text);
}

static bool list_nodes(struct hosted *hosted)
{
    hosted->nodes = calloc(hosted->plan.nodes, sizeof *hosted->nodes);
    for (uint32_t node = 0; hosted->nodes && node < hosted->plan.nodes; node++)
        if (hosted->plan.count[node] > 0 || node == 0)
            hosted->nodes[hosted->node_count++] = node;
    return hosted->nodes != NULL;
}

static void on_input_taken(void *arg, uint32_t bytes)
{
    struct hosted *hosted = arg;
    struct output *output = &hosted->place.output;
    struct pack body = PACK_EMPTY;
    pack_u64(&body, output->session);
    pack_u16(&body, GC_TAKEN);
    pack_u64(&body, hosted->group);
    pack_u32(&body, bytes);
    tree_send(output->tree, output->owner_node, GN_CLIENT, &body);
}

static bool fill_ranks(struct hosted *hosted)
{
    uint32_t here = tree_here(hosted->host->options.tree), local = 0;
    uint32_t count = hosted->plan.count[here];
    hosted->ranks = calloc(count ? count : 1, sizeof *hosted->ranks);
    hosted->node_of_rank = plan_node_of_rank(&hosted->plan);
    if (!hosted->ranks || !hosted->node_of_rank)
        return false;
    for (uint32_t rank = 0; rank < hosted->plan.size; rank++)
        if (hosted->node_of_rank[rank] == here)
            hosted->ranks[local++] = (struct rank){
                .place = &hosted->place, .number = rank, .out = {.fd = -1}, .err = {.fd = -1}};
    hosted->place.ranks = hosted->ranks;
    hosted->place.count = count;
    return true;
}

static void on_killed_long_ago(void *arg)
{
    struct hosted *hosted = arg;
    for (uint32_t i = 0; i < hosted->started; i++) {
        struct rank *rank = &hosted->ranks[i];
        if (rank->pid == 0 || rank->exited || rank->reported)
            continue;
        rank->reported = true;
        rank->told = false; // this is no end that was asked for
        report_exit(hosted, rank, RANK_STUCK, SIGKILL);
    }
}

static bool hosted_fill(struct hosted *hosted, uint64_t session, uint32_t owner_node)
{
    const struct groups_options *options = &hosted->host->options;
    if (!list_nodes(hosted) || !fill_ranks(hosted))
        return false;
    struct rank_place *place = &hosted->place;
    place->loop = options->loop;
    place->children = options->children;
    place->nofile = options->nofile;
    place->on_exited = on_rank_exited;
    place->on_over = on_rank_over;
    place->arg = hosted;
    place->output = (struct output){.loop = options->loop,
                                    .tree = options->tree,
                                    .group = hosted->group,
                                    .session = session,
                                    .owner_node = owner_node,
                                    .window = output_first_window(hosted->node_count),
                                    .by_line = hosted->plan.size > 1};
    input_init(&place->input, on_input_taken, hosted);
    hosted->next_starts = loop_timer_create(options->loop, start_some, hosted);
    hosted->report = (struct loop_later){.fn = send_exits, .arg = hosted};
    hosted->killed = loop_timer_create(options->loop, on_killed_long_ago, hosted);
    return rank_place_init(place) && hosted->next_starts && hosted->killed;
}

void hosted_create(struct host *host, const struct hosted_order *order)
{
    struct hosted *hosted = calloc(1, sizeof *hosted);
    struct plan plan = order->plan;
    struct group_spec spec = order->spec;
    if (!hosted) {
        plan_fini(&plan);
        group_spec_fini(&spec);
        return;
    }
    *hosted = (struct hosted){.host = host, .group = order->group, .plan = plan, .spec = spec};
    HASH_ADD(hh, host->groups, group, sizeof hosted->group, hosted);
    if (hosted_fill(hosted, order->session, order->owner_node))
        prepare(hosted);
    else
        hosted_destroy(hosted);
}

void hosted_destroy(struct hosted *hosted)
{
    if (!hosted)
        return;
    HASH_DEL(hosted->host->groups, hosted);
    for (uint32_t i = 0; hosted->ranks && i < hosted->started; i++) {
        rank_signal(&hosted->ranks[i], SIGKILL);
        rank_close(&hosted->ranks[i]);
    }
    rank_place_fini(&hosted->place);
    mpi_job_destroy(hosted->mpi_job);
    loop_timer_destroy(hosted->next_starts);
    loop_timer_destroy(hosted->killed);
    loop_later_cancel(hosted->host->options.loop, &hosted->report);
    pack_fini(&hosted->exits);
    group_spec_fini(&hosted->spec);
    plan_fini(&hosted->plan);
    free(hosted->node_of_rank);
    free(hosted->nodes);
    free(hosted->ranks);
    free(hosted->path);
    free(hosted);
}

// Not started yet, and not to be any more.
static void drop_waiting(struct hosted *hosted, int signal)
{
    while (hosted->started < hosted->place.count) {
        struct rank *waiting = &hosted->ranks[hosted->started++];
        waiting->told = waiting->reported = true;
        report_exit(hosted, waiting, RANK_SIGNALED, signal);
    }
}

void hosted_signal(struct hosted *hosted, int32_t rank, int signal, enum signal_why why)
{
    bool stopping = why != SIGNAL_PASSED;
    if (stopping)
        drop_waiting(hosted, signal);
    if (why == SIGNAL_DISCARD)
        output_discard(&hosted->place.output);
    for (uint32_t i = 0; i < hosted->started; i++) {
        struct rank *each = &hosted->ranks[i];
        if (rank != GROUP_ALL_RANKS && (uint32_t)rank != each->number)
            continue;
        if (rank_signal(each, signal) && stopping)
            each->told = true;
    }
    if (stopping && signal == SIGKILL)
        loop_timer_start(hosted->killed, KILL_MS);
}
