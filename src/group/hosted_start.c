// SPDX-License-Identifier: BSD-3-Clause
//
// Starting a rank: its environment, its streams, what it is bound to and how much memory it may take.
#include "config.h"

#include "group/bind.h"
#include "group/hosted.h"
#include "place/lists.h"
#include "pool/proto.h"

#include <errno.h>
#include <unistd.h>

// What one start needs and gives back.
struct start {
    struct hosted_part *part; // borrowed
    struct rank *rank;        // borrowed
    const struct template_spec *template;
    struct plan_slot slot;
    struct rank_start order;
    char **env;     // owned
    cpu_set_t *set; // owned
    char *procs;    // owned
    int input_fd;   // owned; -1: none
    char text[300]; // more than errno says of a failure
};

// ---- environment

static bool set_cores(char ***env, const struct plan_slot *slot)
{
    size_t room = (size_t)slot->core_count * sizeof "65535," + 1;
    if (slot->core_count == 0) { // what is there is of another group
        env_unset(*env, "DRAGON_CORES");
        return true;
    }
    char *text = malloc(room);
    if (!text)
        return false;
    lists_format_cores(slot->cores, slot->core_count, text, room);
    bool good = env_set(env, "DRAGON_CORES", text);
    free(text);
    return good;
}

static bool make_env(struct start *start)
{
    const struct hosted_part *part = start->part;
    const struct hosted *hosted = part->hosted;
    const struct groups_options *options = &hosted->host->options;
    uint32_t number = plan_template_of(&part->plan, start->rank->number);
    uint32_t local = part->first_local + (uint32_t)(start->rank - part->ranks);
    char ***env = &start->env;
    *env = strv_copy(part->templates[number].env);
    return *env && env_set(env, "DRAGON_RUNTIME", options->socket_path) &&
           env_setf(env, "DRAGON_GROUP", "%llu", (unsigned long long)hosted->group) &&
           env_setf(env, "DRAGON_RANK", "%u", start->rank->number) &&
           env_setf(env, "DRAGON_SIZE", "%u", part->plan.first_rank + part->plan.size) &&
           env_setf(env, "DRAGON_LOCAL_RANK", "%u", local) &&
           env_setf(env, "DRAGON_LOCAL_SIZE", "%u", part->first_local + part->place.count) &&
           env_setf(env, "DRAGON_NODE", "%u", tree_here(options->tree)) &&
           set_cores(env, &start->slot) &&
           ((start->slot.unit_count == 0 && !start->slot.hide_gpus) ||
            machine_show_gpus(options->machine, start->slot.units, start->slot.unit_count, env));
}

// ---- streams

static int open_input_file(struct start *start)
{
    char *path;
    if (hosted_file_name(start->part, start->rank, &start->template->in, &path, NULL) != DRAGON_OK)
        return ENOMEM;
    start->input_fd = file_open_input(path);
    int problem = start->input_fd < 0 ? errno : 0;
    if (problem)
        snprintf(start->text, sizeof start->text, "cannot read from %.200s", path);
    free(path);
    start->order.streams[0] = start->input_fd;
    return problem;
}

static int output_stream(const struct start *start, uint8_t kind, const struct file *file)
{
    switch (kind) {
    case STREAM_CLIENT:
        return RANK_PIPE;
    case STREAM_PIPE:
        return RANK_RAW;
    case STREAM_FILE:
        return file_fd(file);
    default:
        return start->part->hosted->host->null_fd;
    }
}

static int choose_streams(struct start *start)
{
    struct rank *rank = start->rank;
    const struct template_spec *template = start->template;
    int *streams = start->order.streams;
    // One that is started again finds its input at the end: what was taken is gone.
    bool pipe = rank->input && !rank->input->opened;
    streams[0] = pipe ? RANK_PIPE : start->part->hosted->host->null_fd;
    streams[1] = output_stream(start, template->out.kind, rank->out_file);
    streams[2] = template->err.kind == STREAM_MERGED
                     ? (streams[1] < 0 ? RANK_MERGED : streams[1])
                     : output_stream(start, template->err.kind, rank->err_file);
    return template->in.kind == STREAM_FILE ? open_input_file(start) : 0;
}

// ---- limits

static int set_limits(struct start *start)
{
    struct hosted *hosted = start->part->hosted;
    struct rank *rank = start->rank;
    uint64_t memory_bytes = start->template->policy.memory_bytes;
    dragon_error_t error;
    if (!bind_threads(hosted->host->options.machine, &start->slot, &start->set,
                      &start->order.cpus_size))
        return ENOMEM;
    start->order.cpus = start->set;
    if (memory_bytes == 0)
        return 0;
    if (memory_limit(hosted->host->memory, hosted->group, rank->number, memory_bytes, &rank->cgroup,
                     &error) != DRAGON_OK) {
        snprintf(start->text, sizeof start->text, "memory limits cannot be set: %.250s",
                 error.text);
        return EACCES;
    }
    start->procs = cgroup_procs(rank->cgroup);
    start->order.cgroup_procs = start->procs;
    return start->procs ? 0 : ENOMEM;
}

// ---- the whole

// The commands that a worker of a pool runs have process groups of their own, and end with it all the same.
static bool take_all(const struct start *start)
{
    const struct rank *rank = start->rank;
    char group[64], number[64];
    if (!env_get(start->env, POOL_WORKER_ENV))
        return true;
    snprintf(group, sizeof group, "DRAGON_GROUP=%s", env_get(start->env, "DRAGON_GROUP"));
    snprintf(number, sizeof number, "DRAGON_RANK=%s", env_get(start->env, "DRAGON_RANK"));
    return children_take_all(rank->place->children, rank->pid, (char *[]){group, number, NULL});
}

static int run(struct start *start)
{
    struct mpi_job *job = start->part->hosted->mpi_job;
    enum spawn_step step;
    errno = 0;
    if (job && !mpi_job_prepare_rank(job, start->rank->number, &start->env, &start->order.fd3))
        return errno ? errno : ENOMEM;
    start->order.env = start->env;
    int problem = rank_start(start->rank, &start->order, &step);
    if (problem && step != SPAWN_EXEC)
        snprintf(start->text, sizeof start->text, "cannot %s: %s", spawn_step_name(step),
                 strerror(problem));
    else if (problem == 0 && !take_all(start))
        log_error("out of memory: what rank %u starts may outlive it", start->rank->number);
    else if (problem == ENOMEM && start->rank->cgroup)
        snprintf(start->text, sizeof start->text,
                 "its memory limit of %llu bytes is too low to run the program",
                 (unsigned long long)start->template->policy.memory_bytes);
    return problem;
}

static int start_steps(struct start *start)
{
    struct hosted_part *part = start->part;
    uint32_t number = plan_template_of(&part->plan, start->rank->number);
    start->template = &part->spec.templates[number];
    start->order.path = part->templates[number].path;
    start->order.argv = start->template->argv;
    start->order.cwd = start->template->cwd;
    if (!plan_slot(&part->plan, start->rank->number, &start->slot) || !make_env(start))
        return ENOMEM;
    int problem = choose_streams(start);
    if (!problem)
        problem = set_limits(start);
    return problem ? problem : run(start);
}

static void start_fini(struct start *start)
{
    strv_free(start->env);
    if (start->set)
        CPU_FREE(start->set);
    free(start->procs);
    if (start->input_fd >= 0)
        close(start->input_fd);
    if (start->order.fd3 >= 0)
        close(start->order.fd3);
}

static void report_failure(struct start *start, int problem)
{
    struct hosted *hosted = start->part->hosted;
    struct rank *rank = start->rank;
    rank->reported = true;
    if (rank->input)
        input_close(rank->input);
    memory_release(hosted->host->memory, rank->cgroup);
    rank->cgroup = NULL;
    hosted_send_text(hosted, rank->number, start->text);
    hosted_report(hosted, rank, RANK_NOT_STARTED, problem);
}

void hosted_start_rank(struct hosted_part *part, struct rank *rank)
{
    struct start start = {.part = part, .rank = rank, .input_fd = -1, .order = {.fd3 = -1}};
    rank->pid = 0;
    rank->told = rank->reported = false;
    int problem = start_steps(&start);
    if (problem)
        report_failure(&start, problem);
    else {
        hosted_report(part->hosted, rank, RANK_UP, 0);
        if (rank->early_signal)
            rank_signal(rank, rank->early_signal);
    }
    rank->early_signal = 0;
    start_fini(&start);
}
