/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A group whose ranks are talked to through pipes and watched, all in this program's own poll loop. Each
 * rank says "ready", then answers what it is asked until its input ends. Rank 1 is told to fail, and is
 * started again, its input at the end; rank 0 is replaced by another one after its first answer. The line
 * "stop" on standard input stops the group. The program starts itself as the ranks.
 *
 *     cc watched.c $(pkg-config --cflags --libs dragon) -o watched
 *
 * On a laptop; as two nodes; in a PBS job; in one of Slurm (jobs/watched.pbs and jobs/watched.slurm are
 * complete scripts):
 *
 *     dragon-run ./watched
 *     dragon-run --test-hosts 2 ./watched
 *     mpiexec -n 2 --map-by ppr:1:node --hostfile $PBS_NODEFILE dragon-run ./watched
 *     srun --mpi=pmix -N2 -n2 dragon-run ./watched
 */
#include <dragon/dragon.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RANKS = 3, RANKS_LIMIT = RANKS + 1, QUESTIONS = 3 };

static dragon_template_t *worker;
static int answers[RANKS_LIMIT], told_to_fail; /* rank 1 */

static void must(dragon_err_t err, const dragon_error_t *error)
{
    if (err == DRAGON_OK)
        return;
    fprintf(stderr, "watched: %s\n", error ? error->text : dragon_err_text(err));
    exit(1); /* what was started ends with this process */
}

/* A rank. Its standard output is a pipe, so it says when a line is to go. */
static int be_a_rank(void)
{
    char line[80];
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        long number = strtol(line, NULL, 10);
        if (number == 0)
            return 3;
        printf("%ld squared is %ld\n", number, number * number);
        fflush(stdout);
    }
    return 0;
}

static void on_event(void *arg, dragon_group_t *group, const dragon_event_t *event)
{
    (void)arg;
    (void)group;
    if (event->kind == DRAGON_EVENT_RANK_UP)
        printf("rank %u is up on node %u\n", event->rank, event->node);
    else if (event->kind == DRAGON_EVENT_RANK_AGAIN)
        printf("rank %u ended with %d, it is started again\n", event->rank, event->code);
    else if (event->kind == DRAGON_EVENT_RANK_DOWN)
        printf("rank %u ended with %d\n", event->rank, event->code);
    else if (event->kind == DRAGON_EVENT_ENDED)
        printf("the group ended with %d%s%s\n", event->code, event->text[0] ? ": " : "",
               event->text);
}

/* The group may be stopping already: STATE. */
static void replace_rank_0(dragon_group_t *group)
{
    dragon_error_t error;
    dragon_err_t err = dragon_group_add(group, worker, 1, &error);
    if (err == DRAGON_OK)
        dragon_group_remove(group, 0);
    else if (err != DRAGON_ERR_STATE)
        must(err, &error);
}

/* A line came from a rank: what it is to do next. A rank may have died meanwhile: then its events tell, and
 * the write that comes too late does not matter. */
static void on_line(dragon_group_t *group, uint32_t rank, const char *line)
{
    char question[32];
    printf("rank %u says: %s\n", rank, line);
    if (rank >= RANKS_LIMIT)
        return;
    answers[rank] += strcmp(line, "ready") != 0;
    if (rank == 0 && answers[0] == 1) {
        replace_rank_0(group);
    } else if (answers[rank] == QUESTIONS || (rank == 1 && told_to_fail++)) {
        dragon_group_write(group, rank, NULL, 0, 1000); /* the end of its input */
    } else {
        int number = rank == 1 ? 0 : (int)rank * 10 + answers[rank] + 1;
        snprintf(question, sizeof question, "%d\n", number);
        dragon_group_write(group, rank, question, strlen(question), 1000);
    }
}

/* Takes what has come, line by line; pieces are whole lines, several perhaps. False: there will be no more. */
static int take_lines(dragon_group_t *group)
{
    char data[4096];
    dragon_output_t piece;
    dragon_err_t err;
    while ((err = dragon_group_read(group, data, sizeof data - 1, &piece, 0)) == DRAGON_OK) {
        data[piece.bytes] = 0;
        for (char *line = data, *end; *line; line = end + (*end != 0)) {
            end = line + strcspn(line, "\n");
            char after = *end;
            *end = 0;
            on_line(group, piece.rank, line);
            *end = after;
        }
    }
    if (err != DRAGON_ERR_TIMEOUT && err != DRAGON_ERR_CLOSED)
        must(err, NULL);
    return err == DRAGON_ERR_TIMEOUT;
}

/* The program's own input, for which the loop waits too. */
static void take_own_input(dragon_group_t *group, struct pollfd *own)
{
    char data[64];
    ssize_t got = read(own->fd, data, sizeof data);
    if (got <= 0)
        own->fd = -1; /* poll passes over it */
    else if (got >= 4 && memcmp(data, "stop", 4) == 0)
        dragon_group_stop(group); /* unless it has just ended */
}

static void print_summary(const dragon_group_t *group)
{
    for (uint32_t rank = 0; rank < dragon_group_size(group); rank++) {
        dragon_rank_status_t status;
        must(dragon_group_rank_status(group, rank, &status), NULL);
        printf("summary: rank %u on node %u: %d answers, exit code %d, started again %u times%s\n",
               rank, status.node, answers[rank], status.exit_code, status.restarts,
               status.removed ? ", removed" : "");
    }
}

int main(int argc, char **argv)
{
    char as_rank[] = "rank", *self[] = {argv[0], as_rank, NULL};
    dragon_runtime_t *runtime;
    dragon_policy_t *policy;
    dragon_group_t *group;
    dragon_error_t error;

    if (argc > 1)
        return be_a_rank();
    setvbuf(stdout, NULL, _IOLBF, 0);
    must(dragon_runtime_attach(&runtime, &error), &error);
    must(dragon_policy_create(&policy), NULL);
    must(dragon_policy_set_map(policy, DRAGON_MAP_CYCLIC), NULL);
    must(dragon_template_create(self, &worker, &error), &error);
    must(dragon_template_set_policy(worker, policy), NULL);
    must(dragon_template_set_input(worker, DRAGON_STREAM_PIPE), NULL);
    must(dragon_template_set_output(worker, DRAGON_STREAM_PIPE), NULL);
    must(dragon_template_set_error(worker, DRAGON_STREAM_MERGE), NULL);
    dragon_policy_destroy(policy);

    must(dragon_group_create(runtime, &group, &error), &error);
    must(dragon_group_add(group, worker, RANKS, &error), &error);
    must(dragon_group_set_restart(group, DRAGON_RESTART_FAILED, 3, 100), NULL);
    dragon_group_on_event(group, on_event, NULL);
    must(dragon_group_start(group, &error), &error);

    struct pollfd fds[2] = {{dragon_runtime_fd(runtime), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    while (take_lines(group)) {
        if (poll(fds, 2, dragon_runtime_wait_ms(runtime)) < 0)
            fds[1].revents = 0; /* interrupted: nothing was looked at */
        must(dragon_runtime_progress(runtime, 0), NULL);
        if (fds[1].fd >= 0 && fds[1].revents != 0)
            take_own_input(group, &fds[1]);
    }
    int code = dragon_group_exit_code(group);
    print_summary(group);
    dragon_group_destroy(group);
    dragon_template_destroy(worker);
    dragon_runtime_detach(runtime);
    return code;
}
