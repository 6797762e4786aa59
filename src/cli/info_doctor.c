// SPDX-License-Identifier: BSD-3-Clause
//
// The doctor: see info_doctor.h. Checks are collected in the order they are made, and printed at the end.
#include "config.h"

#include "cli/info_doctor.h"

#include "cli/command.h"
#include "cli/info_doctor_parts.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <unistd.h>

enum { EXIT_FAILED_CHECK = 1, EXIT_OURS = 125, COMMAND_LIMIT_MS = 5000 };

enum result { RESULT_OK, RESULT_WARN, RESULT_FAIL, RESULTS };

static const struct {
    const char *word, *text, *colour;
} results[RESULTS] = {
    [RESULT_OK] = {"ok", "ok", "\033[32m"},
    [RESULT_WARN] = {"warn", "warn", "\033[33m"},
    [RESULT_FAIL] = {"fail", "FAIL", "\033[1;31m"},
};

struct check {
    const char *name;
    enum result result;
    char *found; // owned
    const char *advice;
};

struct doctor {
    struct check *checks; // owned
    size_t count, room;
    bool failed; // memory ran out
};

// ---- collecting

// What programs of others said may hold anything.
static void clean(char *text)
{
    for (; *text; text++)
        if (*text < ' ' ||
            *text >= 0x7f) // where char is signed the first is true of all above 0x7f
            *text = '?';
}

__attribute__((format(printf, 3, 0))) static void add(struct doctor *doctor,
                                                      const struct check *check, const char *format,
                                                      va_list args)
{
    if (doctor->count == doctor->room) {
        size_t room = doctor->room ? 2 * doctor->room : 32;
        struct check *grown = realloc(doctor->checks, room * sizeof *grown);
        if (!grown) {
            doctor->failed = true;
            return;
        }
        doctor->checks = grown;
        doctor->room = room;
    }
    struct check *added = &doctor->checks[doctor->count];
    *added = *check;
    if (vasprintf(&added->found, format, args) < 0) {
        doctor->failed = true;
        return;
    }
    clean(added->found);
    doctor->count++;
}

void doctor_fine(struct doctor *doctor, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(doctor, &(struct check){.name = name, .result = RESULT_OK, .advice = ""}, format, args);
    va_end(args);
}

void doctor_warn(struct doctor *doctor, const char *name, const char *advice, const char *format,
                 ...)
{
    va_list args;
    va_start(args, format);
    add(doctor, &(struct check){.name = name, .result = RESULT_WARN, .advice = advice}, format,
        args);
    va_end(args);
}

void doctor_fail(struct doctor *doctor, const char *name, const char *advice, const char *format,
                 ...)
{
    va_list args;
    va_start(args, format);
    add(doctor, &(struct check){.name = name, .result = RESULT_FAIL, .advice = advice}, format,
        args);
    va_end(args);
}

static void doctor_fini(struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->count; i++)
        free(doctor->checks[i].found);
    free(doctor->checks);
}

// ---- commands

char *doctor_run(char *const argv[], char *const *env, int *status_out)
{
    struct command command = {
        .argv = argv, .env = env, .errors = true, .limit_ms = COMMAND_LIMIT_MS};
    return command_text(&command, status_out);
}

// ---- text for all

bool doctor_line(const char *text, const char *word, char *line, size_t room)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        const char *at = strstr(text, word);
        const char *next = text + length + (text[length] == '\n');
        if (at && at <= text + length && at + strlen(word) <= text + length) {
            for (; length && (*text == ' ' || *text == '\t' || *text == '\r'); length--)
                text++;
            while (length && strchr(" \t\r", text[length - 1]))
                length--;
            if (length) {
                snprintf(line, room, "%.*s", (int)length, text);
                return true;
            }
        }
        text = next;
    }
    return false;
}

bool doctor_read(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, text, room - 1);
    close(fd);
    text[got > 0 ? got : 0] = 0;
    return got > 0;
}

// ---- printing

static void print_table(const struct doctor *doctor)
{
    const char *plain = getenv("NO_COLOR");
    bool colour = isatty(STDOUT_FILENO) && !(plain && *plain);
    size_t width = 0;
    for (size_t i = 0; i < doctor->count; i++)
        if (strlen(doctor->checks[i].name) > width)
            width = strlen(doctor->checks[i].name);
    for (size_t i = 0; i < doctor->count; i++) {
        const struct check *check = &doctor->checks[i];
        printf("%s%-4s%s  %-*s  %s%s%s\n", colour ? results[check->result].colour : "",
               results[check->result].text, colour ? "\033[0m" : "", (int)width, check->name,
               check->found, *check->advice ? "; " : "", check->advice);
    }
}

static bool print_json(const struct doctor *doctor)
{
    json_t *checks = json_array();
    bool good = checks != NULL;
    for (size_t i = 0; i < doctor->count && good; i++) {
        const struct check *check = &doctor->checks[i];
        good =
            json_array_append_new(checks, json_pack("{s:s, s:s, s:s, s:s}", "name", check->name,
                                                    "result", results[check->result].word, "found",
                                                    check->found, "advice", check->advice)) == 0;
    }
    if (!good) {
        json_decref(checks);
        return false;
    }
    json_t *root = json_pack("{s:s, s:i, s:o}", "schema", "dragon-info-doctor", "version", 1,
                             "checks", checks);
    good = root && json_dumpf(root, stdout, JSON_INDENT(2)) == 0;
    json_decref(root);
    putchar('\n');
    return good;
}

int info_doctor(bool json)
{
    struct doctor doctor = {0};
    bool sick = false, printed = true;
    doctor_check_software(&doctor);
    doctor_check_launchers(&doctor);
    doctor_check_network(&doctor);
    doctor_check_limits(&doctor);
    doctor_check_places(&doctor);
    doctor_check_gpus(&doctor);
    for (size_t i = 0; i < doctor.count; i++)
        sick = sick || doctor.checks[i].result == RESULT_FAIL;
    if (json)
        printed = !doctor.failed && print_json(&doctor);
    else
        print_table(&doctor);
    if (doctor.failed)
        log_error("out of memory");
    printed = fflush(stdout) == 0 && !ferror(stdout) && printed;
    bool failed = doctor.failed || !printed;
    doctor_fini(&doctor);
    if (failed)
        return EXIT_OURS;
    return sick ? EXIT_FAILED_CHECK : 0;
}
