// SPDX-License-Identifier: BSD-3-Clause
//
// An agent that is killed while somebody waits for something of its node: who waits is told at once. This process is no child of the
// runtime, which would end it with itself; the script tells it whom to kill: `chan_lost HOW NODE PID`.
#include "chan.h"

// Not a measure: less than the time-outs that could be meant instead, of which the shortest is that of a sleeper, who looks
// after 10 s whether all are still there.
enum { AT_ONCE_MS = 8000 };

// Whether our parent sleeps, and not just in between. Who waits for a lock is in no statistics.
static bool parent_sleeps(void)
{
    static int quiet;
    char path[64], text[1024], state = '?';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)getppid());
    tap_read_file(path, text, sizeof text);
    const char *at = strrchr(text, ')');
    if (at)
        sscanf(at, ") %c", &state);
    quiet = state == 'S' ? quiet + 1 : 0;
    return quiet >= 30;
}

// As soon as somebody waits at the channel, or for the lock, the agent is no more.
static int be_killer(const char *descriptor, int agent)
{
    dragon_runtime_t *runtime = tap_attach();
    dragon_channel_t *channel = chan_attach(runtime, descriptor);
    dragon_channel_stats_t stats = {0};
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    while (stats.waiting_receivers == 0 && stats.waiting_senders == 0 && !parent_sleeps()) {
        CHAN_DEMAND(tap_now_ms() < deadline);
        CHAN_DEMAND(dragon_channel_stats(channel, &stats, NULL) == DRAGON_OK);
        tap_nap();
    }
    return kill(agent, SIGKILL) != 0;
}

// Before this process has anything of the runtime. It is told the channel later.
static FILE *begin_killer(int agent)
{
    int down[2];
    char line[300];
    if (pipe(down) != 0)
        exit(1);
    if (fork() == 0) {
        close(down[1]);
        FILE *in = fdopen(down[0], "r");
        if (!fgets(line, sizeof line, in))
            exit(1);
        line[strcspn(line, "\n")] = 0;
        exit(be_killer(line, agent));
    }
    close(down[0]);
    return fdopen(down[1], "w");
}

static dragon_err_t wait_for_it(dragon_runtime_t *runtime, const char *how,
                                dragon_channel_t *channel, dragon_lock_t *lock)
{
    dragon_error_t error;
    int value, events;
    if (strcmp(how, "poll") == 0)
        return dragon_channel_poll(channel, DRAGON_POLL_RECEIVE, &events, DRAGON_FOREVER);
    if (strcmp(how, "lock") == 0)
        return dragon_lock_acquire(lock, NULL, DRAGON_FOREVER);
    if (strcmp(how, "set") == 0) {
        dragon_channel_set_t *set = NULL;
        dragon_ready_t ready;
        size_t count;
        dragon_channel_set_create(runtime, &set);
        dragon_channel_set_add(set, channel, DRAGON_POLL_RECEIVE, NULL);
        dragon_err_t err = dragon_channel_set_wait_any(set, &ready, 1, &count, DRAGON_FOREVER);
        dragon_channel_set_destroy(set);
        return err == DRAGON_OK ? ready.err : err;
    }
    if (strcmp(how, "send") == 0) {
        dragon_err_t err = DRAGON_OK;
        while (err == DRAGON_OK)
            err = dragon_channel_send(channel, &value, sizeof value, 0, DRAGON_FOREVER);
        return err;
    }
    if (strcmp(how, "stream") == 0) {
        dragon_stream_t *stream = NULL;
        return dragon_stream_accept(channel, &stream, NULL, DRAGON_FOREVER, &error);
    }
    return dragon_channel_receive(channel, &value, sizeof value, NULL, DRAGON_FOREVER);
}

static void check_afterwards(dragon_runtime_t *runtime, dragon_channel_t *channel)
{
    dragon_channel_t *another = NULL;
    dragon_channel_stats_t stats;
    dragon_error_t error = {DRAGON_OK, ""};
    int value = 0;
    long before = tap_now_ms();
    dragon_err_t err = DRAGON_OK;
    while (err == DRAGON_OK) // what is in a channel of this node can still be received
        err = dragon_channel_receive(channel, &value, sizeof value, NULL, DRAGON_FOREVER);
    tap_err(err, DRAGON_ERR_PEER, "and again");
    err = dragon_channel_stats(channel, &stats, &error);
    tap_err(err, DRAGON_ERR_PEER, "statistics");
    tap_check(error.text[0] != 0, "it has a text: %s", error.text);
    err = dragon_channel_attach(runtime, dragon_channel_descriptor(channel), &another, &error);
    tap_err(err, DRAGON_ERR_PEER, "attach");
    tap_check(tap_now_ms() - before < AT_ONCE_MS, "and all of that at once");
    dragon_channel_detach(channel);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    int node = (int)strtol(argv[2], NULL, 10), status = -1;
    FILE *killer = begin_killer((int)strtol(argv[3], NULL, 10));
    dragon_runtime_t *runtime = tap_attach(), *other = tap_attach();
    dragon_channel_t *channel = chan_at(runtime, node, 0);
    dragon_lock_t *lock = NULL, *same = NULL;
    chan_need(dragon_lock_create(runtime, node, &lock, NULL), NULL, "no lock");
    chan_need(dragon_lock_attach(other, dragon_lock_descriptor(lock), &same, NULL), NULL,
              "no lock");
    chan_need(dragon_lock_acquire(same, NULL, TAP_WAIT_MS), NULL, "no lock");
    fprintf(killer, "%s\n", dragon_channel_descriptor(channel));
    fclose(killer);
    long before = tap_now_ms();
    dragon_err_t err = wait_for_it(runtime, argv[1], channel, lock);
    long took = tap_now_ms() - before;
    wait(&status);
    tap_equal(status, 0, "the agent is killed");
    tap_err(err, DRAGON_ERR_PEER, argv[1]);
    tap_check(took < AT_ONCE_MS, "at once: %ld ms", took);
    check_afterwards(runtime, channel);
    dragon_lock_detach(lock);
    dragon_lock_detach(same);
    dragon_runtime_detach(runtime);
    dragon_runtime_detach(other);
    tap_check(tap_now_ms() - before < 2 * AT_ONCE_MS, "and leaving is as quick");
    return tap_finish();
}
