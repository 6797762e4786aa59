// SPDX-License-Identifier: BSD-3-Clause
//
// Groups of several templates, and where the streams of their ranks go. Runs in a runtime of two nodes or more.
#include "tap.h"

#include <sys/stat.h>

static void check_templates(dragon_runtime_t *runtime)
{
    char text[400];
    dragon_rank_place_t place;
    dragon_group_t *group = tap_group(runtime);
    dragon_template_t *first = tap_template("echo $DRAGON_RANK $WHO ${GONE-none}");
    dragon_template_t *second = tap_template("echo $DRAGON_RANK $WHO ${GONE-none}; pwd");
    dragon_policy_t *policy;
    dragon_policy_create(&policy);
    dragon_policy_set_env(policy, "WHO", "policy");
    dragon_policy_set_env(policy, "GONE", NULL);
    dragon_group_set_policy(group, policy);
    dragon_template_set_output(first, DRAGON_STREAM_PIPE);
    dragon_template_set_output(second, DRAGON_STREAM_PIPE);
    dragon_template_set_env(second, "WHO", "template");
    dragon_template_set_env(second, "GONE", "back");
    dragon_template_set_cwd(second, "/");
    tap_add(group, first, 2);
    tap_add(group, second, 1);
    dragon_template_set_env(first, "WHO", "later"); // the group has its copy
    tap_start(group);
    tap_equal(dragon_group_size(group), 3, "two templates make three ranks");
    tap_err(dragon_group_rank_place(group, 1, &place), DRAGON_OK, "the place of rank 1");
    tap_equal(place.process_template, 0, "rank 1 is of the first");
    tap_err(dragon_group_rank_place(group, 2, &place), DRAGON_OK, "the place of rank 2");
    tap_equal(place.process_template, 1, "rank 2 is of the second");
    tap_check(place.node < dragon_runtime_nodes(runtime) && *place.cores && !*place.gpus &&
                  place.bind != DRAGON_BIND_UNSET,
              "a place has a node and cores, and says how it is bound");
    tap_err(dragon_group_rank_place(group, 3, &place), DRAGON_ERR_INVAL, "the place of no rank");
    tap_err(tap_collect(group, 2, DRAGON_STDOUT, text, sizeof text), DRAGON_ERR_CLOSED,
            "all output is read");
    tap_text(text, "2 template back\n/\n", "its environment and directory");
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "it ends");
    tap_start(group);
    tap_err(tap_collect(group, 1, DRAGON_STDOUT, text, sizeof text), DRAGON_ERR_CLOSED,
            "started again its output is read again");
    tap_text(text, "1 policy none\n", "what the policy says of rank 1");
    dragon_group_wait(group, TAP_WAIT_MS);
    dragon_policy_destroy(policy);
    dragon_template_destroy(first);
    dragon_template_destroy(second);
    dragon_group_destroy(group);
}

static void check_files(dragon_runtime_t *runtime)
{
    char text[400], name[100];
    dragon_group_t *group = tap_group(runtime);
    dragon_template_t *split = tap_template("echo out $DRAGON_RANK; echo err >&2");
    dragon_template_t *merged = tap_template("echo one; echo two >&2; echo three");
    mkdir("logs", 0700);
    dragon_template_set_output(split, "logs/{template}-{rank}.out");
    dragon_template_set_error(split, "logs/{group}.{node}.err");
    dragon_template_set_output(merged, "logs/{template}-{rank}.out");
    dragon_template_set_error(merged, DRAGON_STREAM_MERGE);
    tap_add(group, split, 2);
    tap_add(group, merged, 1);
    tap_start(group);
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "ranks write files");
    tap_read_file("logs/0-1.out", text, sizeof text);
    tap_text(text, "out 1\n", "output of rank 1");
    dragon_rank_status_t status;
    dragon_group_rank_status(group, 1, &status);
    snprintf(name, sizeof name, "logs/%llu.%u.err", (unsigned long long)dragon_group_id(group),
             status.node);
    tap_read_file(name, text, sizeof text);
    tap_check(strncmp(text, "err\n", 4) == 0, "errors of rank 1 in %s", name);
    tap_read_file("logs/1-2.out", text, sizeof text);
    tap_text(text, "one\ntwo\nthree\n", "merged");
    dragon_template_destroy(split);
    dragon_template_destroy(merged);
    dragon_group_destroy(group);
}

static void file_fails(dragon_runtime_t *runtime, const char *where, const char *part,
                       const char *what)
{
    dragon_error_t error;
    dragon_group_t *group = tap_group(runtime);
    dragon_template_t *made = tap_template("echo started >never");
    dragon_template_set_output(made, where);
    tap_add(group, made, 4);
    tap_err(dragon_group_start(group, &error), DRAGON_ERR_LAUNCH, what);
    tap_has(error.text, part, "the text names the file");
    tap_check(access("never", F_OK) != 0, "nothing was started");
    tap_check(dragon_group_exit_code(group) > 0, "there is an exit code");
    dragon_template_destroy(made);
    dragon_group_destroy(group);
}

// The end of a rank's file is told with its failure.
static void check_last_lines(dragon_runtime_t *runtime)
{
    dragon_group_t *group = tap_group(runtime);
    dragon_template_t *made = tap_template("echo early; echo the reason; exit 3");
    dragon_template_set_output(made, "last.out");
    dragon_template_set_error(made, DRAGON_STREAM_MERGE);
    tap_add(group, made, 1);
    tap_start(group);
    dragon_group_wait(group, TAP_WAIT_MS);
    tap_equal(dragon_group_exit_code(group), 3, "a rank fails");
    tap_has(dragon_group_last_lines(group), "the reason", "its last lines are told");
    dragon_template_destroy(made);
    dragon_group_destroy(group);

    group = tap_shell(runtime, "exit 0", 1);
    tap_start(group);
    dragon_group_wait(group, TAP_WAIT_MS);
    tap_check(*dragon_group_last_lines(group) == 0, "no last lines of one that went well");
    dragon_group_destroy(group);
}

enum { MUCH = 5000 * 61 }; // whole lines

// What is written into the pipe of each rank comes back out of its pipe, more than any window.
static void check_pipes(dragon_runtime_t *runtime)
{
    static char data[MUCH], got[2][MUCH + 1], piece[10000];
    size_t length[2] = {0, 0};
    dragon_output_t output;
    bool good = true;
    dragon_group_t *group = tap_group(runtime);
    dragon_template_t *cat = tap_template("exec cat");
    for (size_t i = 0; i < MUCH; i++)
        data[i] = i % 61 == 60 ? '\n' : (char)('a' + i % 26);
    dragon_template_set_input(cat, DRAGON_STREAM_PIPE);
    dragon_template_set_output(cat, DRAGON_STREAM_PIPE);
    tap_add(group, cat, 2);
    dragon_template_destroy(cat);
    tap_start(group);
    tap_err(dragon_group_read(group, piece, sizeof piece, &output, 0), DRAGON_ERR_TIMEOUT,
            "nothing is there to read yet");
    for (uint32_t rank = 0; rank < 2; rank++) {
        good = good && dragon_group_write(group, rank, data, MUCH, TAP_WAIT_MS) == DRAGON_OK;
        good = good && dragon_group_write(group, rank, NULL, 0, 0) == DRAGON_ERR_TIMEOUT;
    }
    tap_check(good, "a write of any size is taken, the next one has to wait");
    dragon_err_t err = DRAGON_OK;
    int ended = 0;
    while (err == DRAGON_OK) {
        err = dragon_group_read(group, piece, sizeof piece, &output, TAP_WAIT_MS);
        if (err != DRAGON_OK || output.rank > 1 || length[output.rank] + output.bytes > MUCH)
            break;
        memcpy(got[output.rank] + length[output.rank], piece, output.bytes);
        length[output.rank] += output.bytes;
        if (length[output.rank] == MUCH && ++ended)
            good =
                good && dragon_group_write(group, output.rank, NULL, 0, TAP_WAIT_MS) == DRAGON_OK;
    }
    tap_err(err, DRAGON_ERR_CLOSED, "read to the end");
    tap_check(good && ended == 2, "each rank's input is ended");
    tap_check(length[0] == MUCH && memcmp(got[0], data, MUCH) == 0, "all of rank 0 came back");
    tap_check(length[1] == MUCH && memcmp(got[1], data, MUCH) == 0, "all of rank 1 came back");
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "it ends");
    tap_equal(dragon_group_exit_code(group), 0, "well");
    tap_err(dragon_group_write(group, 0, "x", 1, 0), DRAGON_ERR_CLOSED, "a write after the end");
    dragon_group_destroy(group);
}

// What was written before the end can be read after it.
static void check_left_in_pipe(dragon_runtime_t *runtime)
{
    char text[100];
    dragon_output_t output;
    dragon_group_t *group = tap_group(runtime);
    dragon_template_t *made = tap_template("echo left; echo wrong >&2");
    dragon_template_set_output(made, DRAGON_STREAM_PIPE);
    dragon_template_set_error(made, DRAGON_STREAM_DISCARD);
    tap_add(group, made, 1);
    dragon_template_destroy(made);
    tap_start(group);
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "ended, and not read");
    tap_err(dragon_group_read(group, text, 3, &output, 0), DRAGON_OK, "read after the end");
    tap_check(output.bytes == 3 && memcmp(text, "lef", 3) == 0, "a part");
    tap_err(tap_collect(group, 0, DRAGON_STDOUT, text, sizeof text), DRAGON_ERR_CLOSED, "the rest");
    tap_text(text, "t\n", "which is");
    dragon_group_destroy(group);
}

// Pipes that nobody reads: whoever waits for their writers is told, also when they are stopped.
static void check_flooded_pipes(dragon_runtime_t *runtime)
{
    static char buffer[1 << 16];
    dragon_output_t output;
    dragon_err_t err;
    dragon_group_t *group = tap_group(runtime);
    dragon_template_t *made = tap_template("exec yes");
    dragon_template_set_output(made, DRAGON_STREAM_PIPE);
    tap_add(group, made, 3);
    dragon_template_destroy(made);
    tap_start(group);
    tap_err(dragon_group_wait(group, DRAGON_FOREVER), DRAGON_ERR_FULL, "nobody reads");
    tap_equal(dragon_group_state(group), DRAGON_GROUP_RUNNING, "it runs");
    dragon_group_stop(group);
    tap_err(dragon_group_wait(group, DRAGON_FOREVER), DRAGON_ERR_FULL, "nor after the stop");
    do
        err = dragon_group_read(group, buffer, sizeof buffer, &output, TAP_WAIT_MS);
    while (err == DRAGON_OK);
    tap_err(err, DRAGON_ERR_CLOSED, "it is read to its end");
    tap_err(dragon_group_wait(group, TAP_WAIT_MS), DRAGON_OK, "then it has ended");
    tap_equal(dragon_group_exit_code(group), 143, "as it was told");
    dragon_group_destroy(group);
}

static void check_inputs(dragon_runtime_t *runtime)
{
    char text[200];
    int pair[2];
    FILE *file = fopen("input.2", "w");
    fputs("from a file\n", file);
    fclose(file);
    if (pipe(pair) != 0 || write(pair[1], "to all\n", 7) != 7)
        exit(1);
    close(pair[1]);
    dragon_group_t *group = tap_group(runtime);
    dragon_template_t *reads = tap_template("cat"), *from_file = tap_template("cat");
    dragon_template_t *nothing = tap_template("cat; echo nothing");
    dragon_template_set_output(reads, DRAGON_STREAM_PIPE);
    dragon_template_set_output(from_file, DRAGON_STREAM_PIPE);
    dragon_template_set_output(nothing, DRAGON_STREAM_PIPE);
    dragon_template_set_input(from_file, "input.{rank}");
    dragon_template_set_input(nothing, DRAGON_STREAM_DISCARD);
    tap_add(group, reads, 2);
    tap_add(group, from_file, 1);
    tap_add(group, nothing, 1);
    dragon_group_set_input(group, pair[0], DRAGON_ALL_RANKS);
    const char *wanted[] = {"to all\n", "to all\n", "from a file\n", "nothing\n"};
    static char data[1000];
    char got[4][200] = {"", "", "", ""};
    dragon_output_t output;
    tap_start(group);
    while (dragon_group_read(group, data, sizeof data, &output, TAP_WAIT_MS) == DRAGON_OK)
        if (output.rank < 4 && output.bytes < sizeof text - strlen(got[output.rank]))
            strncat(got[output.rank], data, output.bytes);
    for (int rank = 0; rank < 4; rank++)
        tap_text(got[rank], wanted[rank], "what a rank reads");
    dragon_group_wait(group, TAP_WAIT_MS);
    close(pair[0]);
    dragon_template_destroy(reads);
    dragon_template_destroy(from_file);
    dragon_template_destroy(nothing);
    dragon_group_destroy(group);
}

int main(void)
{
    setenv("GONE", "here", 1);
    dragon_runtime_t *runtime = tap_attach();
    check_templates(runtime);
    check_files(runtime);
    file_fails(runtime, "no-such-folder/{rank}", "no-such-folder/", "a missing directory");
    file_fails(runtime, "/usr", "/usr", "what is no file");
    check_last_lines(runtime);
    check_pipes(runtime);
    check_left_in_pipe(runtime);
    check_flooded_pipes(runtime);
    check_inputs(runtime);
    dragon_runtime_detach(runtime);
    return tap_finish();
}
