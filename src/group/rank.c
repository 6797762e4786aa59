// SPDX-License-Identifier: BSD-3-Clause
//
// Ranks: see rank.h. A rank is over when three things have happened, in any order: its process was
// reaped, its pipes were read to the end, and (in an MPI group) the PMI servers have told all they
// knew. A process that escaped the rank's process group can hold a pipe open; it is given DRAIN_MS.
#include "config.h"

#include "group/rank.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DRAIN_MS = 500 };

static void rank_check_over(struct rank *rank)
{
    if (rank->reported || !rank->exited || !rank->settled || rank->out.fd >= 0 || rank->err.fd >= 0)
        return;
    rank->reported = true;
    rank->place->on_over(rank->place->arg, rank);
}

struct rank *rank_find(struct rank_place *place, uint32_t number)
{
    uint32_t low = 0, high = place->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (place->ranks[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < place->count && place->ranks[low].number == number ? &place->ranks[low] : NULL;
}

void rank_output_ended(struct rank *rank)
{
    rank_check_over(rank);
}

static void on_drain(void *arg)
{
    struct rank_place *place = arg;
    bool again = false;
    for (uint32_t i = 0; i < place->count; i++) {
        struct rank *rank = &place->ranks[i];
        if (!rank->exited || rank->reported)
            continue;
        // Output that waits for the client is not lost; it is waited for.
        if (rank->out.stalled || rank->err.stalled) {
            again = true;
            continue;
        }
        outlet_close(&rank->out);
        outlet_close(&rank->err);
        rank_check_over(rank);
    }
    if (again)
        loop_timer_start(place->drain, DRAIN_MS);
}

bool rank_place_init(struct rank_place *place)
{
    place->drain = loop_timer_create(place->loop, on_drain, place);
    return place->drain != NULL;
}

void rank_place_fini(struct rank_place *place)
{
    loop_timer_destroy(place->drain);
}

static void on_rank_exit(void *arg, pid_t pid, int status)
{
    struct rank *rank = arg;
    struct rank_place *place = rank->place;
    (void)pid;
    rank->exited = true;
    rank->status = status;
    if (rank->input)
        input_close(rank->input);
    bool drained = outlet_drain(&rank->out);
    drained = outlet_drain(&rank->err) && drained;
    if (!drained)
        loop_timer_start(place->drain, DRAIN_MS);
    place->on_exited(place->arg, rank);
    rank_check_over(rank);
}

// The ends of a rank's streams: `theirs` become its descriptors; those of ours are -1 where there is no pipe.
struct pipes {
    int ours[3], theirs[3];
    bool made[3]; // `theirs` is to be closed
};

static void pipes_close_ours(struct pipes *pipes)
{
    for (int i = 0; i < 3; i++)
        if (pipes->ours[i] >= 0)
            close(pipes->ours[i]);
}

static void pipes_close_theirs(struct pipes *pipes)
{
    for (int i = 0; i < 3; i++)
        if (pipes->made[i])
            close(pipes->theirs[i]);
}

static int pipes_open(struct pipes *pipes, const int streams[3])
{
    *pipes = (struct pipes){.ours = {-1, -1, -1}};
    for (int i = 0; i < 3; i++) {
        int pair[2];
        pipes->theirs[i] = streams[i] == RANK_MERGED ? pipes->theirs[1] : streams[i];
        if (streams[i] != RANK_PIPE && streams[i] != RANK_RAW)
            continue;
        if (pipe2(pair, O_CLOEXEC) != 0) {
            int problem = errno;
            pipes_close_ours(pipes);
            pipes_close_theirs(pipes);
            return problem;
        }
        pipes->ours[i] = pair[i == 0];
        pipes->theirs[i] = pair[i != 0];
        pipes->made[i] = true;
    }
    return 0;
}

static bool rank_attach(struct rank *rank, struct pipes *pipes, const int streams[3])
{
    struct rank_place *place = rank->place;
    bool good = true;
    if (pipes->ours[1] >= 0)
        good = outlet_open(&rank->out, place->output, pipes->ours[1], rank->number, OUTPUT_STDOUT);
    if (pipes->ours[2] >= 0)
        good =
            outlet_open(&rank->err, place->output, pipes->ours[2], rank->number, OUTPUT_STDERR) &&
            good;
    rank->out.raw = streams[1] == RANK_RAW;
    rank->err.raw = streams[2] == RANK_RAW;
    if (pipes->ours[0] >= 0)
        good = input_open(rank->input, place->loop, pipes->ours[0]) && good;
    return children_add(place->children, rank->pid, on_rank_exit, rank) && good;
}

// It is as if it had never been started.
static int rank_undo(struct rank *rank)
{
    kill(-rank->pid, SIGKILL);
    children_forget(rank->place->children, rank->pid);
    outlet_close(&rank->out);
    outlet_close(&rank->err);
    rank->pid = 0;
    return ENOMEM;
}

int rank_start(struct rank *rank, const struct rank_start *start, enum spawn_step *step_out)
{
    struct pipes pipes;
    *step_out = SPAWN_STDIO;
    rank->exited = rank->settled = rank->told = rank->reported = false;
    rank->pid = 0;
    int problem = pipes_open(&pipes, start->streams);
    if (problem)
        return problem;
    struct spawn spawn = {
        .path = start->path,
        .argv = start->argv,
        .env = start->env,
        .cwd = start->cwd,
        .stdio = {pipes.theirs[0], pipes.theirs[1], pipes.theirs[2]},
        .fd3 = start->fd3,
        .die_with_parent = true,
        .nofile = rank->place->nofile,
        .cpus = start->cpus,
        .cpus_size = start->cpus_size,
        .cgroup_procs = start->cgroup_procs,
    };
    problem = spawn_start(&spawn, &rank->pid, step_out);
    pipes_close_theirs(&pipes);
    if (problem) {
        rank->pid = 0;
        pipes_close_ours(&pipes);
        return problem;
    }
    return rank_attach(rank, &pipes, start->streams) ? 0 : rank_undo(rank);
}

bool rank_signal(struct rank *rank, int signal)
{
    return rank_is_running(rank) && kill(-rank->pid, signal) == 0;
}

void rank_set_settled(struct rank *rank)
{
    rank->settled = true;
    rank_check_over(rank);
}

void rank_close(struct rank *rank)
{
    outlet_close(&rank->out);
    outlet_close(&rank->err);
    if (rank_is_running(rank))
        children_forget(rank->place->children, rank->pid);
    if (rank->input)
        input_fini(rank->input);
    free(rank->input);
    file_unref(rank->out_file);
    file_unref(rank->err_file);
    free(rank->cgroup);
    rank->input = NULL;
    rank->out_file = rank->err_file = NULL;
    rank->cgroup = NULL;
}
