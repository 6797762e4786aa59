// SPDX-License-Identifier: BSD-3-Clause
//
// The PMI-1 server of one job on one node: see pmi1.h. A line comes in from a rank's connection, is
// cut into words, looked up in a table and answered with one line; only a barrier waits. Ranks of
// other nodes are known through what their nodes' barriers brought.
//
// Not here: starting processes (mcmd=spawn) and names (publish_name and its family) are refused.
#include "config.h"

#include "pmi/pmi1.h"

#include "pmi/pmi1_conn.h"
#include "pmi/pmi1_kvs.h"
#include "pmi/pmi1_line.h"

#include <stdarg.h>
#include <unistd.h>

struct client {
    struct pmi1_job *job;   // borrowed
    struct pmi1_conn *conn; // owned; NULL before attach and after it left
    uint32_t rank;
    uint32_t app;  // which program of the job it runs
    bool attached; // stays
    bool finalized;
    bool in_barrier;
    bool in_multi; // between mcmd= and endcmd
};

struct pmi1_job {
    struct loop *loop; // borrowed
    const struct pmi1_handler *handler;
    void *arg;
    uint32_t size;
    char *kvsname; // owned
    struct pmi1_kvs kvs;
    struct client *clients; // owned; the local ranks, ascending
    uint32_t count;
    uint32_t waiting; // clients in the barrier
    bool barrier_on;  // all are in, other nodes are awaited
    unsigned busy;    // calls of ours on the stack
    bool destroyed;   // freed when the last of them returns
};

static void job_free(struct pmi1_job *job)
{
    for (uint32_t i = 0; job->clients && i < job->count; i++)
        pmi1_conn_destroy(job->clients[i].conn);
    free(job->clients);
    pmi1_kvs_fini(&job->kvs);
    free(job->kvsname);
    free(job);
}

// Handlers may destroy the job: whoever calls one holds it, and asks release whether it still is.
static void job_hold(struct pmi1_job *job)
{
    job->busy++;
}

static bool job_release(struct pmi1_job *job)
{
    bool alive = !job->destroyed;
    if (--job->busy == 0 && !alive)
        job_free(job);
    return alive;
}

__attribute__((format(printf, 2, 3))) static void answer(struct client *client, const char *format,
                                                         ...)
{
    char line[PMI1_LINE_MAX];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    if (length < 0 || !client->conn)
        return;
    size_t end = strlen(line);
    line[end] = '\n';
    line[end + 1] = 0;
    pmi1_conn_send(client->conn, line);
}

static void client_lost(struct client *client, const char *reason)
{
    struct pmi1_job *job = client->job;
    log_debug("pmi1 job %s rank %u: %s", job->kvsname, client->rank, reason);
    pmi1_conn_destroy(client->conn);
    client->conn = NULL;
    if (!job->destroyed)
        job->handler->on_lost(job->arg, client->rank, client->finalized);
}

// Each returns NULL, or in a few words why the line cannot be.
typedef const char *command_fn(struct client *client, const struct pmi1_line *line);

static const char *do_init(struct client *client, const struct pmi1_line *line)
{
    const char *version = pmi1_line_get(line, "pmi_version");
    int rc = version && strcmp(version, "1") == 0 ? 0 : -1;
    answer(client, "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=%d", rc);
    if (rc == 0)
        client->job->handler->on_connected(client->job->arg, client->rank);
    return NULL;
}

static const char *do_get_maxes(struct client *client, const struct pmi1_line *line)
{
    (void)line;
    answer(client, "cmd=maxes kvsname_max=%d keylen_max=%d vallen_max=%d", PMI1_KVSNAME_MAX,
           PMI1_KEY_MAX, PMI1_VALUE_MAX);
    return NULL;
}

static const char *do_get_appnum(struct client *client, const struct pmi1_line *line)
{
    (void)line;
    answer(client, "cmd=appnum appnum=%u", client->app);
    return NULL;
}

static const char *do_get_my_kvsname(struct client *client, const struct pmi1_line *line)
{
    (void)line;
    answer(client, "cmd=my_kvsname kvsname=%s", client->job->kvsname);
    return NULL;
}

static const char *do_get_universe_size(struct client *client, const struct pmi1_line *line)
{
    (void)line;
    answer(client, "cmd=universe_size size=%u", client->job->size);
    return NULL;
}

static bool names_our_kvs(const struct client *client, const struct pmi1_line *line)
{
    const char *name = pmi1_line_get(line, "kvsname");
    return name && strcmp(name, client->job->kvsname) == 0;
}

static const char *put_problem(struct client *client, const struct pmi1_line *line)
{
    const char *key = pmi1_line_get(line, "key");
    const char *value = pmi1_line_get(line, "value");
    if (!names_our_kvs(client, line))
        return "unknown_kvs";
    if (!key || !value)
        return "key_or_value_missing";
    switch (pmi1_kvs_put(&client->job->kvs, key, value)) {
    case DRAGON_OK:
        return NULL;
    case DRAGON_ERR_INVAL:
        return "key_or_value_too_long";
    case DRAGON_ERR_FULL:
        return "no_room";
    default:
        return "out_of_memory";
    }
}

static const char *do_put(struct client *client, const struct pmi1_line *line)
{
    const char *problem = put_problem(client, line);
    answer(client, "cmd=put_result rc=%d msg=%s", problem ? -1 : 0, problem ? problem : "success");
    return NULL;
}

static const char *do_get(struct client *client, const struct pmi1_line *line)
{
    const char *key = pmi1_line_get(line, "key");
    const char *value = key ? pmi1_kvs_get(&client->job->kvs, key) : NULL;
    if (!names_our_kvs(client, line))
        answer(client, "cmd=get_result rc=-1 msg=unknown_kvs value=unknown");
    else if (!value)
        answer(client, "cmd=get_result rc=-1 msg=key_%.*s_not_found value=unknown", PMI1_KEY_MAX,
               key ? key : "");
    else
        answer(client, "cmd=get_result rc=0 msg=success value=%s", value);
    return NULL;
}

static const char *do_barrier_in(struct client *client, const struct pmi1_line *line)
{
    (void)line;
    struct pmi1_job *job = client->job;
    if (client->in_barrier)
        return "it entered a barrier that it is in";
    client->in_barrier = true;
    if (++job->waiting < job->count)
        return NULL;
    struct pack fresh = PACK_EMPTY;
    pmi1_kvs_take(&job->kvs, &fresh);
    if (fresh.failed) {
        pack_fini(&fresh);
        return "out of memory here";
    }
    job->barrier_on = true;
    job->handler->on_barrier(job->arg, fresh.data, fresh.length);
    pack_fini(&fresh);
    return NULL;
}

static const char *do_finalize(struct client *client, const struct pmi1_line *line)
{
    (void)line;
    answer(client, "cmd=finalize_ack");
    if (client->finalized)
        return NULL;
    client->finalized = true;
    client->job->handler->on_finalized(client->job->arg, client->rank);
    return NULL;
}

static const char *do_abort(struct client *client, const struct pmi1_line *line)
{
    const char *code_text = pmi1_line_get(line, "exitcode");
    const char *text = pmi1_line_get(line, "error_msg");
    long long code = 1;
    if (code_text)
        parse_number(code_text, INT32_MIN, INT32_MAX, &code);
    client->job->handler->on_abort(client->job->arg, client->rank, (int32_t)code, text ? text : "");
    return NULL;
}

static const char *do_publish(struct client *client, const struct pmi1_line *line)
{
    (void)line;
    answer(client, "cmd=publish_result info=failed rc=-1 msg=not_supported");
    return NULL;
}

static const char *do_lookup(struct client *client, const struct pmi1_line *line)
{
    (void)line;
    answer(client, "cmd=lookup_result info=failed rc=-1 msg=not_supported");
    return NULL;
}

static const char *do_unpublish(struct client *client, const struct pmi1_line *line)
{
    (void)line;
    answer(client, "cmd=unpublish_result info=failed rc=-1 msg=not_supported");
    return NULL;
}

static const struct command {
    const char *name;
    command_fn *run;
} the_commands[] = {
    {"init", do_init},
    {"get_maxes", do_get_maxes},
    {"get_appnum", do_get_appnum},
    {"get_my_kvsname", do_get_my_kvsname},
    {"get_universe_size", do_get_universe_size},
    {"put", do_put},
    {"get", do_get},
    {"barrier_in", do_barrier_in},
    {"finalize", do_finalize},
    {"abort", do_abort},
    {"publish_name", do_publish},
    {"lookup_name", do_lookup},
    {"unpublish_name", do_unpublish},
};

static const char *run_line(struct client *client, char *text)
{
    struct pmi1_line line;
    if (client->in_multi) {
        client->in_multi = strcmp(text, "endcmd") != 0;
        if (!client->in_multi)
            answer(client, "cmd=spawn_result rc=-1 errcodes=-1");
        return NULL;
    }
    if (!pmi1_line_parse(text, &line))
        return "it sent a line that is no PMI-1";
    client->in_multi = line.multi;
    for (size_t i = 0; !line.multi && i < sizeof the_commands / sizeof *the_commands; i++)
        if (strcmp(the_commands[i].name, line.command) == 0)
            return the_commands[i].run(client, &line);
    // Whoever asks for something that we do not know waits for an answer all the same.
    if (!line.multi)
        answer(client, "cmd=%.200s_result rc=-1 msg=unknown_command", line.command);
    return NULL;
}

static void on_line(void *arg, char *text)
{
    struct client *client = arg;
    struct pmi1_job *job = client->job;
    job_hold(job);
    log_debug("pmi1 job %s rank %u: %.200s", job->kvsname, client->rank, text);
    const char *problem = run_line(client, text);
    if (problem && client->conn)
        client_lost(client, problem);
    job_release(job);
}

static void on_closed(void *arg, const char *reason)
{
    struct client *client = arg;
    struct pmi1_job *job = client->job;
    job_hold(job);
    client_lost(client, reason);
    job_release(job);
}

static const struct pmi1_conn_handler the_conn_handler = {
    .on_line = on_line,
    .on_closed = on_closed,
};

static bool job_set_clients(struct pmi1_job *job, const struct pmi_map *map)
{
    job->count = pmi_map_local_size(map, map->here);
    uint32_t *ranks = pmi_map_ranks_of_node(map, map->here);
    job->clients = calloc(job->count + 1u, sizeof *job->clients);
    for (uint32_t i = 0; ranks && job->clients && i < job->count; i++)
        job->clients[i] =
            (struct client){.job = job, .rank = ranks[i], .app = pmi_map_app_of(map, ranks[i])};
    bool done = ranks && job->clients;
    free(ranks);
    return done;
}

static bool job_set_mapping(struct pmi1_job *job, const struct pmi_map *map)
{
    char *mapping = pmi_map_process_mapping(map);
    if (!mapping)
        return false;
    // One that is too long is left out: ranks then exchange host names, which gives the same.
    dragon_err_t err = pmi1_kvs_set(&job->kvs, "PMI_process_mapping", mapping);
    free(mapping);
    return err == DRAGON_OK || err == DRAGON_ERR_INVAL;
}

struct pmi1_job *pmi1_job_create(struct loop *loop, const struct pmi_map *map, const char *kvsname,
                                 const struct pmi1_handler *handler, void *arg)
{
    if (!pmi_map_valid(map) || !*kvsname || strlen(kvsname) >= PMI1_KVSNAME_MAX ||
        strchr(kvsname, ' '))
        return NULL;
    struct pmi1_job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->loop = loop;
    job->handler = handler;
    job->arg = arg;
    job->size = map->size;
    job->kvsname = strdup(kvsname);
    if (!job->kvsname || !job_set_clients(job, map) || !job_set_mapping(job, map)) {
        job_free(job);
        return NULL;
    }
    return job;
}

// The connections close now, the rest goes when no call of ours is on the stack.
void pmi1_job_destroy(struct pmi1_job *job)
{
    if (!job)
        return;
    job->destroyed = true;
    for (uint32_t i = 0; i < job->count; i++) {
        pmi1_conn_destroy(job->clients[i].conn);
        job->clients[i].conn = NULL;
    }
    if (job->busy == 0)
        job_free(job);
}

static struct client *find_client(struct pmi1_job *job, uint32_t rank)
{
    uint32_t low = 0, high = job->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (job->clients[middle].rank < rank)
            low = middle + 1;
        else
            high = middle;
    }
    return low < job->count && job->clients[low].rank == rank ? &job->clients[low] : NULL;
}

bool pmi1_job_attach(struct pmi1_job *job, uint32_t rank, int fd)
{
    struct client *client = find_client(job, rank);
    if (!client || client->attached) {
        close(fd);
        return false;
    }
    client->conn = pmi1_conn_create(job->loop, fd, &the_conn_handler, client);
    client->attached = client->conn != NULL;
    return client->attached;
}

dragon_err_t pmi1_job_barrier_done(struct pmi1_job *job, const struct pmi1_blob *blobs,
                                   size_t count)
{
    if (!job->barrier_on)
        return DRAGON_ERR_STATE;
    dragon_err_t err = DRAGON_OK;
    for (size_t i = 0; i < count && !err; i++)
        err = pmi1_kvs_check(blobs[i].data, blobs[i].length);
    for (size_t i = 0; i < count && !err; i++)
        err = pmi1_kvs_merge(&job->kvs, blobs[i].data, blobs[i].length);
    if (err)
        return err;
    job->barrier_on = false;
    job->waiting = 0;
    for (uint32_t i = 0; i < job->count; i++)
        job->clients[i].in_barrier = false;
    for (uint32_t i = 0; i < job->count; i++)
        answer(&job->clients[i], "cmd=barrier_out");
    return DRAGON_OK;
}

void pmi1_job_drain(struct pmi1_job *job, uint32_t rank)
{
    struct client *client = find_client(job, rank);
    if (!client || !client->conn)
        return;
    job_hold(job);
    pmi1_conn_drain(client->conn);
    job_release(job);
}
