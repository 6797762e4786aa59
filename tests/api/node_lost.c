// SPDX-License-Identifier: BSD-3-Clause
//
// A node that is lost while the runtime goes on without it, as its users see it: `node_lost [FILE]`, the head of a runtime of
// three nodes with --node-failure=continue. Node 1 is killed by a rank of its own; with FILE that is made when all is
// ready, and the script cuts node 1 off.
#include "chan.h"

#include <fcntl.h>

enum { LOST = 1, SOON_MS = 3000 };

static dragon_runtime_t *runtime;
static dragon_error_t error;

#define K(text) text, strlen(text)

// ---- a rank on the node that will be lost: it holds a lock of another node

static int be_holder(const char *descriptor, const char *report)
{
    dragon_lock_t *lock = NULL;
    dragon_channel_t *channel = chan_attach(runtime, report);
    chan_need(dragon_lock_attach(runtime, descriptor, &lock, &error), &error, "no lock");
    chan_need(dragon_lock_acquire(lock, NULL, TAP_WAIT_MS), NULL, "not locked");
    chan_need(dragon_channel_send(channel, "held", 4, 0, TAP_WAIT_MS), NULL, "not said");
    while (pause() != 0)
        continue;
    return 0;
}

// ---- a rank on another node: it waits for something of that one when it is lost

static int be_waiter(const char *descriptor, const char *report)
{
    int value = 0;
    dragon_channel_t *channel = chan_attach(runtime, report);
    dragon_channel_t *there = chan_attach(runtime, descriptor);
    chan_need(dragon_channel_send(channel, "held", 4, 0, TAP_WAIT_MS), NULL, "not said");
    dragon_err_t err = dragon_channel_receive(there, &value, sizeof value, NULL, DRAGON_FOREVER);
    dragon_channel_detach(channel);
    dragon_channel_detach(there);
    dragon_runtime_detach(runtime);
    return err == DRAGON_ERR_PEER ? 0 : 1;
}

static dragon_template_t *template_on(const char *host, char **argv)
{
    dragon_policy_t *policy = NULL;
    dragon_template_t *made = NULL;
    chan_need(dragon_template_create(argv, &made, &error), &error, "no template");
    chan_need(dragon_policy_create(&policy), NULL, "no policy");
    chan_need(dragon_policy_set_hosts(policy, host), NULL, "no hosts");
    chan_need(dragon_template_set_policy(made, policy), NULL, "no policy");
    dragon_policy_destroy(policy);
    return made;
}

static dragon_group_t *start_on(const char *host, char **argv)
{
    dragon_group_t *group = tap_group(runtime);
    dragon_template_t *made = template_on(host, argv);
    tap_add(group, made, 1);
    dragon_template_destroy(made);
    tap_start(group);
    return group;
}

// ---- the loss

static void lose(const char *file)
{
    char shell[] = "sh", c[] = "-c", script[] = "kill -KILL $PPID";
    char *argv[] = {shell, c, script, NULL};
    if (!file) {
        dragon_group_t *killer = start_on("1", argv);
        tap_err(dragon_group_wait(killer, TAP_WAIT_MS), DRAGON_OK, "who killed it has ended");
        tap_equal(dragon_group_exit_code(killer), 137, "with code 137");
        dragon_group_destroy(killer);
        return;
    }
    int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    tap_check(fd >= 0 && close(fd) == 0, "all is ready");
}

struct seen {
    int down, lost, again, code;
    uint32_t node;
};

static void on_event(void *arg, dragon_group_t *group, const dragon_event_t *event)
{
    struct seen *seen = arg;
    (void)group;
    seen->again += event->kind == DRAGON_EVENT_RANK_AGAIN;
    if (event->kind != DRAGON_EVENT_RANK_DOWN)
        return;
    seen->down++;
    seen->lost += event->lost;
    seen->code = event->code;
    seen->node = event->node;
}

static bool wait_lost(const struct seen *seen)
{
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    while (seen->lost == 0 && tap_now_ms() < deadline)
        dragon_runtime_progress(runtime, 50);
    return seen->lost == 1;
}

// ---- what is seen of it

static void check_events(const struct seen *seen, const char *who)
{
    tap_equal(seen->down, 1, who);
    tap_equal(seen->lost, 1, "one rank is lost");
    tap_equal(seen->again, 0, "and will not be started again");
    tap_equal(seen->code, 137, "with code 137");
    tap_equal(seen->node, LOST, "on the node");
}

static void check_group(dragon_group_t *work)
{
    dragon_rank_status_t status = {0};
    int lost = 0;
    for (uint32_t rank = 0; rank < 3; rank++)
        if (dragon_group_rank_status(work, rank, &status) == DRAGON_OK)
            lost += status.lost && status.ended && status.exit_code == 137 && status.node == LOST;
    tap_equal(lost, 1, "its status says so");
    tap_equal(dragon_group_state(work), DRAGON_GROUP_RUNNING, "the others run");
}

static void check_system(void)
{
    dragon_system_t *system = NULL;
    tap_err(dragon_system_look(runtime, &system, &error), DRAGON_OK, "a look at the system");
    const dragon_node_t *node = dragon_system_node(system, LOST);
    tap_check(node && node->lost && node->free_cores == 0 && node->free_gpus == 0,
              "the node is lost, and nothing of it is free");
    node = dragon_system_node(system, 2);
    tap_check(node && !node->lost, "another one is not");
    dragon_system_destroy(system);
}

// What it was to do is done elsewhere.
static void check_elsewhere(void)
{
    char shell[] = "true";
    char *argv[] = {shell, NULL};
    dragon_group_t *group = tap_shell(runtime, "[ $DRAGON_NODE != 1 ]", 8);
    tap_start(group);
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "a group afterwards");
    tap_equal(dragon_group_exit_code(group), 0, "is elsewhere");
    dragon_group_destroy(group);
    group = tap_group(runtime);
    dragon_template_t *made = template_on("1", argv);
    tap_add(group, made, 1);
    tap_err(dragon_group_start(group, &error), DRAGON_ERR_INVAL, "one that is to be there");
    tap_has(error.text, "lost", "is told why not");
    dragon_template_destroy(made);
    dragon_group_destroy(group);
}

static void check_objects(dragon_channel_t *there, dragon_lock_t *held)
{
    int value = 0, abandoned = 0;
    long before = tap_now_ms();
    tap_err(dragon_channel_receive(there, &value, sizeof value, NULL, TAP_WAIT_MS), DRAGON_ERR_PEER,
            "receive from a channel there");
    dragon_err_t err = DRAGON_OK;
    for (int i = 0; err == DRAGON_OK && i < 3; i++)
        err = dragon_channel_send(there, &value, sizeof value, 0, TAP_WAIT_MS);
    tap_err(err, DRAGON_ERR_PEER, "send to it");
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    dragon_channel_t *fresh = NULL;
    spec.node = LOST;
    tap_err(dragon_channel_create(runtime, &spec, &fresh, &error), DRAGON_ERR_PEER,
            "make one there");
    tap_has(error.text, "lost", "and its text says why not");
    tap_err(dragon_lock_acquire(held, &abandoned, TAP_WAIT_MS), DRAGON_OK,
            "a lock that a process there had");
    tap_equal(abandoned, 1, "was abandoned");
    tap_check(tap_now_ms() - before < SOON_MS, "all of that soon: %ld ms", tap_now_ms() - before);
    dragon_channel_detach(there);
}

enum { KEYS = 60 };

static void check_dict(dragon_dict_t *dict)
{
    int good = 0, gone = 0;
    uint32_t manager, node = 99;
    long before = tap_now_ms();
    char key[32], value[32];
    for (int i = 0; i < KEYS; i++) {
        size_t bytes = 0;
        snprintf(key, sizeof key, "key %d", i);
        dragon_err_t err = dragon_dict_get(dict, K(key), value, sizeof value, &bytes, TAP_WAIT_MS);
        good += err == DRAGON_OK && bytes == 1;
        gone += err == DRAGON_ERR_PEER;
        if (err == DRAGON_ERR_PEER && gone == 1)
            tap_check(dragon_dict_lost(dict, &manager, &node) == DRAGON_OK && node == LOST,
                      "a dictionary says which node it was");
    }
    tap_check(good > 0 && gone > 0 && good + gone == KEYS, "of %d keys %d are lost", KEYS, gone);
    tap_check(tap_now_ms() - before < SOON_MS, "soon: %ld ms", tap_now_ms() - before);
    (void)dragon_dict_detach(dict);
}

static dragon_dict_t *make_dict(void)
{
    dragon_dict_spec_t spec = DRAGON_DICT_SPEC_INIT;
    dragon_dict_t *dict = NULL;
    char key[32];
    spec.managers = 3;
    spec.total_bytes = 3 << 23;
    chan_need(dragon_dict_create(runtime, &spec, &dict, &error), &error, "no dictionary");
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "key %d", i);
        chan_need(dragon_dict_put(dict, K(key), K("x"), TAP_WAIT_MS), NULL, "not put");
    }
    return dict;
}

static dragon_group_t *start_role(char *self, char *role, const char *host, const char *of)
{
    char held[8];
    dragon_channel_t *report = chan_at(runtime, 0, 0);
    char *descriptor = strdup(of);
    char *line = strdup(dragon_channel_descriptor(report));
    char *argv[] = {self, role, descriptor, line, NULL};
    dragon_group_t *group = start_on(host, argv);
    chan_need(dragon_channel_receive(report, held, sizeof held, NULL, TAP_WAIT_MS), NULL,
              "it is not ready");
    free(descriptor);
    free(line);
    dragon_channel_detach(report);
    return group;
}

int main(int argc, char **argv)
{
    struct seen seen = {0}, watched = {0};
    dragon_lock_t *lock = NULL;
    dragon_group_t *attached = NULL;
    int value = 1;
    runtime = tap_attach();
    if (argc == 4)
        return strcmp(argv[1], "hold") == 0 ? be_holder(argv[2], argv[3])
                                            : be_waiter(argv[2], argv[3]);
    dragon_runtime_t *other = tap_attach();
    chan_need(dragon_lock_create(runtime, 2, &lock, &error), &error, "no lock");
    dragon_channel_t *there = chan_at(runtime, LOST, 0);
    chan_need(dragon_channel_send(there, &value, sizeof value, 0, TAP_WAIT_MS), NULL, "no way");
    chan_need(dragon_channel_receive(there, &value, sizeof value, NULL, TAP_WAIT_MS), NULL, "no");
    dragon_dict_t *dict = make_dict();
    char hold[] = "hold", waits[] = "wait";
    dragon_group_t *holder = start_role(argv[0], hold, "1", dragon_lock_descriptor(lock));
    dragon_group_t *waiter = start_role(argv[0], waits, "2", dragon_channel_descriptor(there));
    dragon_policy_t *policy = NULL;
    dragon_group_t *work = tap_shell(runtime, "exec sleep 600", 3);
    chan_need(dragon_policy_create(&policy), NULL, "no policy");
    dragon_policy_set_ppn(policy, 1);
    chan_need(dragon_group_set_policy(work, policy), NULL, "no policy");
    dragon_policy_destroy(policy);
    dragon_group_set_failure(work, DRAGON_FAILURE_CONTINUE);
    dragon_group_set_restart(work, DRAGON_RESTART_ALWAYS, 100, 10);
    dragon_group_on_event(work, on_event, &seen);
    tap_start(work);
    tap_err(dragon_group_attach(other, dragon_group_descriptor(work), &attached, &error), DRAGON_OK,
            "another handle");
    dragon_group_on_event(attached, on_event, &watched);
    lose(argc == 2 ? argv[1] : NULL);
    tap_check(wait_lost(&seen), "the loss is told");
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    while (watched.lost == 0 && tap_now_ms() < deadline)
        dragon_runtime_progress(other, 50);
    tap_err(dragon_group_wait(waiter, SOON_MS), DRAGON_OK, "who waits for it on another node");
    tap_equal(dragon_group_exit_code(waiter), 0, "is told at once");
    dragon_group_destroy(waiter);
    check_events(&seen, "its owner hears of one end");
    check_events(&watched, "who watches it too");
    check_group(work);
    check_system();
    check_objects(there, lock);
    check_dict(dict);
    tap_err(dragon_group_wait(holder, TAP_WAIT_MS), DRAGON_OK, "a group of that node alone");
    tap_equal(dragon_group_exit_code(holder), 137, "has ended with code 137");
    tap_has(dragon_group_cause(holder), "node 1 (host", "and its cause names node and host");
    check_elsewhere();
    dragon_group_stop(work);
    tap_err(dragon_group_wait(work, TAP_WAIT_MS), DRAGON_OK, "the group ends");
    tap_has(dragon_group_cause(work), "lost", "the loss is its cause");
    dragon_group_destroy(work);
    dragon_group_destroy(holder);
    dragon_group_destroy(attached);
    dragon_lock_detach(lock);
    dragon_runtime_detach(other);
    dragon_runtime_detach(runtime);
    return tap_finish();
}
