// SPDX-License-Identifier: BSD-3-Clause
//
// Groups that several processes know: descriptors passed as text, and groups that outlive who started them. The
// other processes are forked before this one has anything of the library.
#include "tap.h"

struct other {
    pid_t pid;
    FILE *to, *from;
};

static struct other begin_other(void (*fn)(FILE *in, FILE *out))
{
    int down[2], back[2];
    struct other other;
    if (pipe(down) != 0 || pipe(back) != 0)
        exit(1);
    fflush(stdout);
    other.pid = fork();
    if (other.pid == 0) {
        close(down[1]);
        close(back[0]);
        fn(fdopen(down[0], "r"), fdopen(back[1], "w"));
        _exit(0);
    }
    close(down[0]);
    close(back[1]);
    other.to = fdopen(down[1], "w");
    other.from = fdopen(back[0], "r");
    return other;
}

static void end_other(struct other *other)
{
    fclose(other->to);
    fclose(other->from);
    waitpid(other->pid, NULL, 0);
}

static void say(FILE *to, const char *text)
{
    fprintf(to, "%s\n", text);
    fflush(to);
}

static void hear(FILE *from, char *line, size_t room)
{
    if (!fgets(line, (int)room, from))
        line[0] = 0;
    line[strcspn(line, "\n")] = 0;
}

// Attaches to the group it is told, says what it sees, waits for the end when told, says the exit code.
static void watch_and_wait(FILE *in, FILE *out)
{
    char line[300];
    dragon_runtime_t *runtime = tap_attach();
    dragon_group_t *group = NULL;
    dragon_error_t error;
    hear(in, line, sizeof line);
    if (dragon_group_attach(runtime, line, &group, &error) != DRAGON_OK) {
        say(out, error.text);
        return;
    }
    fprintf(out, "%s %u\n", dragon_group_state_name(dragon_group_state(group)),
            dragon_group_size(group));
    fflush(out);
    hear(in, line, sizeof line);
    if (strcmp(line, "stop") == 0)
        dragon_group_stop(group);
    dragon_err_t err = dragon_group_wait(group, TAP_WAIT_MS);
    fprintf(out, "%d %d\n", err, dragon_group_exit_code(group));
    fflush(out);
    dragon_group_destroy(group);
    dragon_runtime_detach(runtime);
}

static void start_and_leave(FILE *out, bool detached)
{
    dragon_runtime_t *runtime = tap_attach();
    dragon_group_t *group = tap_shell(runtime, "exec sleep 600", 2);
    dragon_group_set_detached(group, detached);
    tap_start(group);
    say(out, dragon_group_descriptor(group));
}

static void leave_detached(FILE *in, FILE *out)
{
    char line[10];
    start_and_leave(out, true);
    hear(in, line, sizeof line);
}

static void leave_attached(FILE *in, FILE *out)
{
    char line[10];
    start_and_leave(out, false);
    hear(in, line, sizeof line);
}

static void check_watch(dragon_runtime_t *runtime, struct other *watcher, struct other *stopper)
{
    char line[300];
    dragon_group_t *group = tap_shell(runtime, "read line; exit 7", 3);
    dragon_template_t *reads = tap_template("read line; exit 7");
    dragon_template_set_input(reads, DRAGON_STREAM_PIPE);
    dragon_group_destroy(group);
    group = tap_group(runtime);
    tap_add(group, reads, 3);
    dragon_template_destroy(reads);
    tap_start(group);
    say(watcher->to, dragon_group_descriptor(group));
    hear(watcher->from, line, sizeof line);
    tap_check(strcmp(line, "running 3") == 0, "another process attaches: %s", line);
    say(watcher->to, "wait");
    for (uint32_t rank = 0; rank < 3; rank++)
        dragon_group_write(group, rank, NULL, 0, TAP_WAIT_MS);
    dragon_group_wait(group, TAP_WAIT_MS);
    hear(watcher->from, line, sizeof line);
    tap_check(strcmp(line, "0 7") == 0, "and sees the end: %s", line);
    dragon_group_destroy(group);

    group = tap_shell(runtime, "exec sleep 600", 1);
    tap_start(group);
    say(stopper->to, dragon_group_descriptor(group));
    hear(stopper->from, line, sizeof line);
    say(stopper->to, "stop");
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "another process stops it");
    tap_equal(dragon_group_exit_code(group), 143, "as its owner would");
    hear(stopper->from, line, sizeof line);
    tap_check(strcmp(line, "0 143") == 0, "both see the same: %s", line);
    dragon_group_destroy(group);
}

static void check_detached(dragon_runtime_t *runtime, struct other *starter)
{
    char line[300];
    dragon_error_t error;
    dragon_group_t *group = NULL, *second = NULL;
    dragon_rank_status_t status;
    hear(starter->from, line, sizeof line);
    end_other(starter);
    tap_err(dragon_group_attach(runtime, line, &group, &error), DRAGON_OK,
            "a detached group outlives its process");
    tap_err(dragon_group_wait(group, 300), DRAGON_ERR_TIMEOUT, "it runs on");
    tap_check(tap_is_up(runtime, group, 1, &status) && kill(status.pid, 0) == 0,
              "its ranks are there");
    tap_err(dragon_group_attach(runtime, line, &second, &error), DRAGON_OK, "a second handle");
    tap_err(dragon_group_remove(second, 0), DRAGON_OK, "ranks can be removed");
    dragon_group_destroy(group);
    tap_err(dragon_group_wait(second, 300), DRAGON_ERR_TIMEOUT,
            "destroying a handle leaves it alone");
    tap_err(dragon_group_signal(second, 1, SIGKILL), DRAGON_OK, "signalled");
    tap_err(dragon_group_wait(second, TAP_WAIT_MS), DRAGON_OK, "it ends");
    tap_equal(dragon_group_exit_code(second), 137, "with the code of the signal");
    dragon_group_destroy(second);
    tap_err(dragon_group_attach(runtime, line, &group, &error), DRAGON_OK,
            "it is found for a while after its end");
    tap_equal(dragon_group_state(group), DRAGON_GROUP_ENDED, "ended");
    tap_equal(dragon_group_exit_code(group), 137, "with its code");
    tap_err(dragon_group_wait(group, 0), DRAGON_OK, "and nothing to wait for");
    dragon_group_destroy(group);
}

static void check_left(dragon_runtime_t *runtime, struct other *starter)
{
    char line[300];
    dragon_error_t error;
    dragon_group_t *group = NULL;
    hear(starter->from, line, sizeof line);
    tap_err(dragon_group_attach(runtime, line, &group, &error), DRAGON_OK,
            "one that is not detached");
    end_other(starter);
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "ends with its process");
    dragon_group_destroy(group);
}

// Our own detached group, destroyed: its output is dropped and it must not wait for a reader.
static void check_own(dragon_runtime_t *runtime)
{
    char descriptor[300];
    dragon_error_t error;
    dragon_group_t *group = tap_group(runtime), *again = NULL;
    dragon_template_t *made = tap_template("head -c 30000000 /dev/zero; cat; exit 5");
    dragon_template_set_output(made, DRAGON_STREAM_PIPE);
    dragon_template_set_input(made, DRAGON_STREAM_PIPE);
    tap_add(group, made, 1);
    dragon_template_destroy(made);
    dragon_group_set_detached(group, 1);
    tap_start(group);
    snprintf(descriptor, sizeof descriptor, "%s", dragon_group_descriptor(group));
    dragon_group_destroy(group);
    tap_err(dragon_group_attach(runtime, descriptor, &again, &error), DRAGON_OK,
            "our own detached group, attached again");
    tap_err(dragon_group_wait(again, TAP_WAIT_MS), DRAGON_OK, "it comes to its end");
    tap_equal(dragon_group_exit_code(again), 5, "by itself");
    dragon_group_destroy(again);
}

static void check_wrong(dragon_runtime_t *runtime)
{
    dragon_error_t error;
    char text[300], *colon;
    dragon_group_t *group = tap_shell(runtime, "true", 1), *none = NULL;
    tap_start(group);
    snprintf(text, sizeof text, "%s", dragon_group_descriptor(group));
    dragon_group_wait(group, TAP_WAIT_MS);
    dragon_group_destroy(group);
    tap_err(dragon_group_attach(runtime, "no descriptor", &none, &error), DRAGON_ERR_INVAL,
            "attach to nonsense");
    tap_err(dragon_group_attach(runtime, "dragon-group:elsewhere:5", &none, &error),
            DRAGON_ERR_NOT_FOUND, "attach to a group of another runtime");
    colon = strrchr(text, ':');
    snprintf(colon, 40, ":1234567890123");
    tap_err(dragon_group_attach(runtime, text, &none, &error), DRAGON_ERR_NOT_FOUND,
            "attach to a group that never was");
    tap_check(none == NULL && *error.text, "there is a text and no handle");
}

int main(void)
{
    struct other watcher = begin_other(watch_and_wait), stopper = begin_other(watch_and_wait);
    struct other detached = begin_other(leave_detached), left = begin_other(leave_attached);
    dragon_runtime_t *runtime = tap_attach();
    check_watch(runtime, &watcher, &stopper);
    check_detached(runtime, &detached);
    check_left(runtime, &left);
    check_own(runtime);
    check_wrong(runtime);
    dragon_runtime_detach(runtime);
    end_other(&watcher);
    end_other(&stopper);
    return tap_finish();
}
