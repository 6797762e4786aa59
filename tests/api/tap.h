// SPDX-License-Identifier: BSD-3-Clause
//
// What the programs of this folder share. Each is a client as a user writes one: the public headers and
// libdragon, nothing else. It runs inside a runtime, checks one theme and prints TAP; a script of
// tests/system starts it. Good C and good C++.
#ifndef TESTS_API_TAP_H
#define TESTS_API_TAP_H

#include <dragon/dragon.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TAP_WAIT_MS = 60000 }; // for what has to come; a limit for hangs, not a measure

static int tap_count, tap_failures;

__attribute__((format(printf, 2, 3))) static bool tap_check(bool good, const char *format, ...)
{
    va_list args;
    printf("%sok %d - ", good ? "" : "not ", ++tap_count);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
    tap_failures += !good;
    return good;
}

static inline void tap_equal(long got, long wanted, const char *what)
{
    if (!tap_check(got == wanted, "%s", what))
        printf("# got %ld, wanted %ld\n", got, wanted);
}

static inline void tap_err(dragon_err_t got, dragon_err_t wanted, const char *what)
{
    if (!tap_check(got == wanted, "%s: %s", what, dragon_err_name(wanted)))
        printf("# got %s\n", dragon_err_name(got));
}

static inline void tap_has(const char *text, const char *part, const char *what)
{
    if (!tap_check(strstr(text, part) != NULL, "%s", what))
        printf("# \"%s\" is not in: %s\n", part, text);
}

static inline int tap_finish(void)
{
    printf("1..%d\n", tap_count);
    return tap_failures != 0;
}

static inline dragon_runtime_t *tap_attach(void)
{
    dragon_runtime_t *runtime = NULL;
    dragon_error_t error;
    if (dragon_runtime_attach(&runtime, &error) != DRAGON_OK) {
        printf("Bail out! no runtime: %s\n", error.text);
        exit(1);
    }
    return runtime;
}

// A template of a shell script. The caller destroys it.
static inline dragon_template_t *tap_template(const char *script)
{
    char shell[] = "sh", c[] = "-c";
    char *argv[] = {shell, c, strdup(script), NULL};
    dragon_template_t *made = NULL;
    dragon_error_t error;
    if (dragon_template_create(argv, &made, &error) != DRAGON_OK) {
        printf("Bail out! no template: %s\n", error.text);
        exit(1);
    }
    free(argv[2]);
    return made;
}

static inline void tap_add(dragon_group_t *group, dragon_template_t *from, uint32_t ranks)
{
    dragon_error_t error;
    if (dragon_group_add(group, from, ranks, &error) == DRAGON_OK)
        return;
    printf("Bail out! no ranks: %s\n", error.text);
    exit(1);
}

static inline dragon_group_t *tap_group(dragon_runtime_t *runtime)
{
    dragon_group_t *group = NULL;
    dragon_error_t error;
    if (dragon_group_create(runtime, &group, &error) != DRAGON_OK) {
        printf("Bail out! no group: %s\n", error.text);
        exit(1);
    }
    return group;
}

// A group of so many ranks of a shell script, not started.
static inline dragon_group_t *tap_shell(dragon_runtime_t *runtime, const char *script,
                                        uint32_t ranks)
{
    dragon_group_t *group = tap_group(runtime);
    dragon_template_t *made = tap_template(script);
    tap_add(group, made, ranks);
    dragon_template_destroy(made);
    return group;
}

static inline void tap_start(dragon_group_t *group)
{
    dragon_error_t error;
    if (dragon_group_start(group, &error) == DRAGON_OK)
        return;
    printf("Bail out! the group did not start: %s\n", error.text);
    exit(1);
}

static inline long tap_now_ms(void);

// Reads what ranks write into pipes to its end, and keeps that of one rank and stream as a text.
static inline dragon_err_t tap_collect(dragon_group_t *group, uint32_t rank, int stream, char *text,
                                       size_t room)
{
    static char data[65536];
    dragon_output_t output;
    size_t length = 0;
    dragon_err_t err;
    while ((err = dragon_group_read(group, data, sizeof data, &output, TAP_WAIT_MS)) == DRAGON_OK) {
        if (output.rank != rank || output.stream != stream || length + output.bytes >= room)
            continue;
        memcpy(text + length, data, output.bytes);
        length += output.bytes;
    }
    text[length] = 0;
    return err;
}

// Turns the runtime until the group is in the state.
static inline bool tap_reaches(dragon_runtime_t *runtime, dragon_group_t *group,
                               dragon_group_state_t state)
{
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    while (dragon_group_state(group) != state && tap_now_ms() < deadline)
        dragon_runtime_progress(runtime, 50);
    return dragon_group_state(group) == state;
}

// Turns the runtime until it is known that the rank was started.
static inline bool tap_is_up(dragon_runtime_t *runtime, dragon_group_t *group, uint32_t rank,
                             dragon_rank_status_t *status)
{
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    while (dragon_group_rank_status(group, rank, status) != DRAGON_OK && tap_now_ms() < deadline)
        dragon_runtime_progress(runtime, 50);
    return dragon_group_rank_status(group, rank, status) == DRAGON_OK && status->pid > 0;
}

static inline long tap_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void tap_nap(void)
{
    struct timespec nap = {0, 10000000};
    nanosleep(&nap, NULL);
}

// Whether a process that is not our child ends in time.
static inline bool tap_ends(int pid)
{
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    while (kill(pid, 0) == 0 && tap_now_ms() < deadline)
        tap_nap();
    return kill(pid, 0) != 0 && errno == ESRCH;
}

// What a file holds; "" when it is not there.
static inline void tap_read_file(const char *path, char *text, size_t room)
{
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(text, 1, room - 1, file) : 0;
    text[length] = 0;
    if (file)
        fclose(file);
}

// Reads one line of numbers that others write to a file, as soon as it is whole.
static inline bool tap_read_pid(const char *path, int *pid_out)
{
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    char line[32];
    while (tap_now_ms() < deadline) {
        FILE *file = fopen(path, "r");
        bool whole = file && fgets(line, sizeof line, file) && strchr(line, '\n');
        if (file)
            fclose(file);
        if (whole) {
            *pid_out = (int)strtol(line, NULL, 10);
            return true;
        }
        tap_nap();
    }
    return false;
}

#endif
