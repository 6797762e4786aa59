// SPDX-License-Identifier: BSD-3-Clause
//
// Starting partners and ending them: as processes here, or as ranks of groups on another node.
#include "config.h"

#include "cli/bench_channel.h"
#include "cli/command.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

enum { END_MS = 3000 };

double bench_channel_fail(struct figure *figure, const char *what, dragon_err_t err)
{
    figure_fail(figure, "%s: %s", what, dragon_err_text(err));
    return -1;
}

dragon_channel_t *bench_channel_make(struct bench *bench, const dragon_channel_spec_t *spec,
                                     struct figure *figure)
{
    dragon_channel_t *channel = NULL;
    dragon_error_t error;
    if (dragon_channel_create(bench->runtime, spec, &channel, &error) != DRAGON_OK)
        figure_fail(figure, "%.190s", error.text);
    return channel;
}

// ---- starting one

static char **command_of(const struct partner_plan *plan)
{
    const struct partner_kind *kind = &partner_kinds[plan->role];
    char *self = self_path(), **list = NULL;
    bool good = self && strv_push(&list, self) && strv_push(&list, PARTNER_WORD) &&
                strv_push(&list, kind->name) && strv_push(&list, plan->cores) &&
                strv_pushf(&list, "%d", (int)plan->wait);
    for (int i = 0; good && i < kind->channels; i++)
        good = strv_push(&list, dragon_channel_descriptor(plan->channels[i]));
    for (int i = 0; good && i < kind->numbers; i++)
        good = strv_pushf(&list, "%lld", plan->numbers[i]);
    free(self);
    if (good)
        return list;
    strv_free(list);
    return NULL;
}

static bool start_here(struct crew *crew, char **command)
{
    errno = posix_spawn(&crew->pids[crew->count], command[0], NULL, NULL, command, environ);
    if (errno == 0)
        return true;
    crew->pids[crew->count] = 0;
    figure_fail(crew->figure, "%.120s: %s", command[0], strerror(errno));
    return false;
}

static dragon_err_t fill_group(dragon_group_t *group, char *const *command, char *const *settings,
                               int node, dragon_error_t *error)
{
    dragon_template_t *template = NULL;
    dragon_policy_t *policy = NULL;
    char number[16];
    snprintf(number, sizeof number, "%d", node);
    dragon_err_t err = dragon_policy_create(&policy);
    if (err == DRAGON_OK)
        err = dragon_policy_set_hosts(policy, number);
    for (char *const *at = settings; err == DRAGON_OK && at && *at; at += 2)
        err = dragon_policy_set_env(policy, at[0], at[1]);
    if (err == DRAGON_OK)
        err = dragon_group_set_policy(group, policy);
    if (err == DRAGON_OK)
        err = dragon_group_set_full(group, DRAGON_FULL_SHARE, 0);
    if (err != DRAGON_OK)
        err_set(error, err, "%s", dragon_err_text(err));
    else
        err = dragon_template_create(command, &template, error);
    if (err == DRAGON_OK)
        err = dragon_group_add(group, template, 1, error);
    dragon_template_destroy(template);
    dragon_policy_destroy(policy);
    return err;
}

dragon_group_t *bench_start_on(struct bench *bench, char *const *command, char *const *settings,
                               int node, struct figure *figure)
{
    dragon_group_t *group = NULL;
    dragon_error_t error;
    dragon_err_t err = dragon_group_create(bench->runtime, &group, &error);
    if (err == DRAGON_OK)
        err = fill_group(group, command, settings, node, &error);
    if (err == DRAGON_OK)
        err = dragon_group_start(group, &error);
    if (err == DRAGON_OK)
        return group;
    figure_fail(figure, "%.190s", error.text);
    dragon_group_destroy(group);
    return NULL;
}

static bool await_ready(struct crew *crew, dragon_channel_t *channel)
{
    dragon_message_t message;
    pid_t pid;
    dragon_err_t err = dragon_channel_receive(channel, &pid, sizeof pid, &message, BENCH_WAIT_MS);
    if (err == DRAGON_OK && message.tag != TAG_READY)
        err = DRAGON_ERR_PROTO;
    if (err != DRAGON_OK)
        bench_channel_fail(crew->figure, "a partner did not come up", err);
    return err == DRAGON_OK;
}

bool bench_crew_add(struct crew *crew, const struct partner_plan *plan)
{
    char **command = command_of(plan);
    bool good = command != NULL;
    if (!good)
        figure_fail(crew->figure, "out of memory");
    else if (plan->node == DRAGON_HERE)
        good = start_here(crew, command);
    else
        crew->groups[crew->count] =
            bench_start_on(crew->bench, command, NULL, plan->node, crew->figure);
    strv_free(command);
    good = good && (crew->pids[crew->count] || crew->groups[crew->count]);
    crew->count += good;
    return good && await_ready(crew, plan->channels[1]);
}

// ---- ending them

static bool has_ended(pid_t pid)
{
    return waitpid(pid, NULL, WNOHANG) != 0;
}

static void end_process(pid_t pid, uint64_t deadline_ms)
{
    struct timespec pause = {.tv_nsec = 1000000};
    while (!has_ended(pid) && time_left_ms(deadline_ms) > 0)
        nanosleep(&pause, NULL);
    if (kill(pid, SIGKILL) == 0)
        waitpid(pid, NULL, 0);
}

void bench_crew_end(struct crew *crew)
{
    uint64_t deadline_ms = time_now_ms() + END_MS;
    for (int i = 0; i < crew->count; i++) {
        if (crew->pids[i])
            end_process(crew->pids[i], deadline_ms);
        if (crew->groups[i])
            dragon_group_wait(crew->groups[i], time_left_ms(deadline_ms));
        dragon_group_destroy(crew->groups[i]);
    }
    crew->count = 0;
}

// ---- one partner

static bool make_channels(struct duo *duo, const struct duo_plan *plan)
{
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    spec.capacity = plan->capacity;
    spec.single_receiver = plan->direct;
    duo->from = bench_channel_make(duo->crew.bench, &spec, duo->crew.figure);
    spec.node = plan->node;
    duo->to = duo->from ? bench_channel_make(duo->crew.bench, &spec, duo->crew.figure) : NULL;
    if (!duo->to)
        return false;
    dragon_channel_set_wait(duo->from, plan->wait);
    dragon_channel_set_wait(duo->to, plan->wait);
    return true;
}

bool duo_start(struct bench *bench, const struct duo_plan *plan, struct duo *duo,
               struct figure *figure)
{
    char a[16] = "", b[16] = "";
    *duo = (struct duo){.crew = {.bench = bench, .figure = figure}};
    if (plan->cores) {
        snprintf(a, sizeof a, "%d", plan->cores->a);
        snprintf(b, sizeof b, "%d", plan->cores->b);
    }
    if (!make_channels(duo, plan)) {
        duo_end(duo);
        return false;
    }
    struct partner_plan partner = {.role = plan->role,
                                   .cores = b,
                                   .wait = plan->wait,
                                   .node = plan->node,
                                   .channels = {duo->to, duo->from},
                                   .numbers = {plan->bytes}};
    if (!bench_crew_add(&duo->crew, &partner)) {
        duo_end(duo);
        return false;
    }
    cores_pin(a);
    return true;
}

void duo_end(struct duo *duo)
{
    if (duo->crew.count > 0)
        dragon_channel_send(duo->to, NULL, 0, TAG_STOP, END_MS);
    cores_unpin();
    bench_crew_end(&duo->crew);
    if (duo->to)
        dragon_channel_destroy(duo->to, NULL);
    if (duo->from)
        dragon_channel_destroy(duo->from, NULL);
    duo->to = duo->from = NULL;
}
