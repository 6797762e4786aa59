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

static struct rank *rank_find(struct rank_place *place, uint32_t number)
{
    uint32_t low = 0, high = place->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (place->ranks[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return &place->ranks[low];
}

static void on_output_end(void *arg, uint32_t number)
{
    rank_check_over(rank_find(arg, number));
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
    place->output.on_end = on_output_end;
    place->output.arg = place;
    return place->drain != NULL;
}

void rank_place_fini(struct rank_place *place)
{
    loop_timer_destroy(place->drain);
    input_fini(&place->input);
}

static void on_rank_exit(void *arg, pid_t pid, int status)
{
    struct rank *rank = arg;
    struct rank_place *place = rank->place;
    (void)pid;
    rank->exited = true;
    rank->status = status;
    if (rank->number == 0)
        input_close(&place->input);
    bool drained = outlet_drain(&rank->out);
    drained = outlet_drain(&rank->err) && drained;
    if (!drained)
        loop_timer_start(place->drain, DRAIN_MS);
    place->on_exited(place->arg, rank);
    rank_check_over(rank);
}

struct pipes {
    int ours[3], theirs[3];
};

static void pipes_close(int fds[3])
{
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static int pipes_open(struct pipes *pipes, bool input)
{
    *pipes = (struct pipes){.ours = {-1, -1, -1}, .theirs = {-1, -1, -1}};
    for (int i = 0; i < 3; i++) {
        int pair[2];
        if (i == 0 && !input) {
            pipes->theirs[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
            if (pipes->theirs[0] < 0)
                break;
            continue;
        }
        if (pipe2(pair, O_CLOEXEC) != 0)
            break;
        pipes->ours[i] = pair[i == 0];
        pipes->theirs[i] = pair[i != 0];
    }
    if (pipes->theirs[2] >= 0)
        return 0;
    int problem = errno;
    pipes_close(pipes->ours);
    pipes_close(pipes->theirs);
    return problem;
}

static bool rank_attach(struct rank *rank, struct pipes *pipes)
{
    struct rank_place *place = rank->place;
    bool good =
        outlet_open(&rank->out, &place->output, pipes->ours[1], rank->number, OUTPUT_STDOUT);
    good = outlet_open(&rank->err, &place->output, pipes->ours[2], rank->number, OUTPUT_STDERR) &&
           good;
    if (pipes->ours[0] >= 0)
        good = input_open(&place->input, place->loop, pipes->ours[0]) && good;
    return children_add(place->children, rank->pid, on_rank_exit, rank) && good;
}

int rank_start(struct rank *rank, const struct rank_start *start)
{
    struct pipes pipes;
    enum spawn_step step;
    int problem = pipes_open(&pipes, start->input);
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
    };
    problem = spawn_start(&spawn, &rank->pid, &step);
    pipes_close(pipes.theirs);
    if (problem) {
        rank->pid = 0;
        pipes_close(pipes.ours);
        return problem;
    }
    if (rank_attach(rank, &pipes))
        return 0;
    kill(-rank->pid, SIGKILL);
    children_forget(rank->place->children, rank->pid);
    rank_close(rank);
    rank->pid = 0;
    return ENOMEM;
}

bool rank_signal(struct rank *rank, int signal)
{
    return rank->pid > 0 && !rank->exited && kill(-rank->pid, signal) == 0;
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
    if (rank->pid > 0 && !rank->exited)
        children_forget(rank->place->children, rank->pid);
}
