// SPDX-License-Identifier: BSD-3-Clause
//
// Partners: the other ends of what dragon-bench channel measures. "dragon-bench partner ROLE CORES WAIT CHANNEL...
// NUMBER..." is for itself alone. A partner says that it is ready, does what its role is until it is told to stop or
// nobody talks to it for half a minute, and ends with 0, or says why not.
#include "config.h"

#include "cli/bench_dict.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

// ---- two ends

static dragon_err_t play_echo(struct partner *partner)
{
    dragon_message_t message;
    dragon_err_t err;
    size_t room = (size_t)partner->numbers[0];
    while ((err = dragon_channel_receive(partner->channels[0], partner->buffer, room, &message,
                                         BENCH_WAIT_MS)) == DRAGON_OK &&
           message.tag != TAG_STOP)
        if ((err = dragon_channel_send(partner->channels[1], partner->buffer, message.bytes,
                                       message.tag, BENCH_WAIT_MS)) != DRAGON_OK)
            return err;
    return err;
}

static dragon_err_t play_bounce(struct partner *partner)
{
    dragon_message_t message;
    dragon_err_t err;
    void *data;
    while ((err = dragon_channel_receive_memory(partner->channels[0], &data, &message,
                                                BENCH_WAIT_MS)) == DRAGON_OK &&
           message.tag != TAG_STOP)
        if ((err = dragon_channel_send_memory(partner->channels[1], data, message.bytes,
                                              message.tag, BENCH_WAIT_MS)) != DRAGON_OK)
            return err;
    return err;
}

static dragon_err_t play_sink(struct partner *partner)
{
    dragon_message_t message = {0};
    dragon_err_t err = DRAGON_OK;
    size_t room = (size_t)partner->numbers[0];
    while (err == DRAGON_OK && message.tag != TAG_STOP) {
        err = dragon_channel_receive(partner->channels[0], partner->buffer, room, &message,
                                     BENCH_WAIT_MS);
        if (err == DRAGON_OK && message.tag == TAG_ANSWER)
            err = dragon_channel_send(partner->channels[1], "", 1, TAG_ANSWER, BENCH_WAIT_MS);
    }
    return err;
}

static dragon_err_t play_wait(struct partner *partner)
{
    dragon_message_t message;
    return dragon_channel_receive(partner->channels[0], NULL, 0, &message, BENCH_WAIT_MS);
}

// ---- many

// Waits for the word to go.
static dragon_err_t go(struct partner *partner, struct partner_report *report)
{
    dragon_message_t message;
    dragon_err_t err =
        dragon_channel_receive(partner->channels[0], NULL, 0, &message, BENCH_WAIT_MS);
    *report = (struct partner_report){.begin_ns = time_now_ns()};
    return err;
}

static dragon_err_t tell(struct partner *partner, const struct partner_report *report)
{
    return dragon_channel_send(partner->channels[1], report, sizeof *report, TAG_ANSWER,
                               BENCH_WAIT_MS);
}

static dragon_err_t play_pinger(struct partner *partner)
{
    struct partner_report report;
    uint64_t word = 0, limit_ns = (uint64_t)partner->numbers[0] * 1000000;
    dragon_err_t err = go(partner, &report);
    report.end_ns = report.begin_ns;
    while (err == DRAGON_OK && report.end_ns - report.begin_ns < limit_ns) {
        err = dragon_channel_send(partner->channels[2], &word, sizeof word, 0, BENCH_WAIT_MS);
        if (err == DRAGON_OK)
            err = dragon_channel_receive(partner->channels[3], &word, sizeof word, NULL,
                                         BENCH_WAIT_MS);
        report.count++;
        report.end_ns = time_now_ns();
    }
    if (err == DRAGON_OK)
        err = dragon_channel_send(partner->channels[2], NULL, 0, TAG_STOP, BENCH_WAIT_MS);
    return err == DRAGON_OK ? tell(partner, &report) : err;
}

static dragon_err_t play_sender(struct partner *partner)
{
    struct partner_report report;
    size_t bytes = (size_t)partner->numbers[0];
    dragon_err_t err = go(partner, &report);
    while (err == DRAGON_OK && report.count < (uint64_t)partner->numbers[1]) {
        err = dragon_channel_send(partner->channels[2], partner->buffer, bytes, 0, BENCH_WAIT_MS);
        report.count++;
    }
    report.end_ns = time_now_ns();
    return err == DRAGON_OK ? tell(partner, &report) : err;
}

// Until the channel is closed.
static dragon_err_t play_receiver(struct partner *partner)
{
    struct partner_report report;
    size_t bytes = (size_t)partner->numbers[0];
    dragon_err_t err = go(partner, &report);
    while (err == DRAGON_OK) {
        err = dragon_channel_receive(partner->channels[2], partner->buffer, bytes, NULL,
                                     BENCH_WAIT_MS);
        report.count += err == DRAGON_OK;
    }
    report.end_ns = time_now_ns();
    return err == DRAGON_ERR_CLOSED ? tell(partner, &report) : err;
}

// ---- the command line

const struct partner_kind partner_kinds[PARTNER_ROLES] = {
    [PARTNER_ECHO] = {"echo", 2, 1, play_echo},
    [PARTNER_BOUNCE] = {"bounce", 2, 0, play_bounce},
    [PARTNER_SINK] = {"sink", 2, 1, play_sink},
    [PARTNER_WAIT] = {"wait", 2, 0, play_wait},
    [PARTNER_PINGER] = {"pinger", 4, 1, play_pinger},
    [PARTNER_SENDER] = {"sender", 3, 2, play_sender},
    [PARTNER_RECEIVER] = {"receiver", 3, 1, play_receiver},
    [PARTNER_CLIENT] = {"client", 2, 0, clients_play},
};

static const struct partner_kind *find_kind(const char *name)
{
    for (int i = 0; name && i < PARTNER_ROLES; i++)
        if (strcmp(partner_kinds[i].name, name) == 0)
            return &partner_kinds[i];
    return NULL;
}

static bool take_numbers(struct partner *partner, const struct partner_kind *kind, char **words)
{
    for (int i = 0; i < kind->numbers; i++)
        if (!words[i] || !parse_number(words[i], 0, INT64_MAX, &partner->numbers[i]))
            return false;
    return true;
}

static dragon_err_t attach(struct partner *partner, const struct partner_kind *kind,
                           dragon_wait_t wait, char **words, dragon_error_t *error)
{
    dragon_err_t err = dragon_runtime_attach(&partner->runtime, error);
    for (int i = 0; err == DRAGON_OK && i < kind->channels; i++) {
        err = dragon_channel_attach(partner->runtime, words[i], &partner->channels[i], error);
        if (err == DRAGON_OK)
            dragon_channel_set_wait(partner->channels[i], wait);
    }
    return err;
}

static dragon_err_t play(struct partner *partner, const struct partner_kind *kind)
{
    pid_t pid = getpid();
    partner->buffer = calloc(1, (size_t)partner->numbers[0] + 1);
    if (!partner->buffer)
        return DRAGON_ERR_NOMEM;
    dragon_err_t err =
        dragon_channel_send(partner->channels[1], &pid, sizeof pid, TAG_READY, BENCH_WAIT_MS);
    if (err == DRAGON_OK)
        err = kind->play(partner);
    free(partner->buffer);
    return err;
}

// ROLE CORES WAIT CHANNEL... NUMBER...
int partner_main(int argc, char **argv)
{
    const struct partner_kind *kind = argc > 3 ? find_kind(argv[1]) : NULL;
    struct partner partner = {0};
    dragon_error_t error = {0};
    long long wait;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!kind || argc != 4 + kind->channels + kind->numbers ||
        !parse_number(argv[3], DRAGON_WAIT_ADAPTIVE, DRAGON_WAIT_SPIN, &wait) ||
        !take_numbers(&partner, kind, argv + 4 + kind->channels)) {
        log_error("this is for dragon-bench alone");
        return BENCH_EXIT_OURS;
    }
    cores_pin(argv[2]);
    dragon_err_t err = attach(&partner, kind, (dragon_wait_t)wait, argv + 4, &error);
    if (err != DRAGON_OK)
        log_error("%s", error.text);
    else if ((err = play(&partner, kind)) != DRAGON_OK)
        log_error("a partner (%s) failed: %s", kind->name, dragon_err_text(err));
    for (int i = 0; i < kind->channels; i++)
        dragon_channel_detach(partner.channels[i]);
    dragon_runtime_detach(partner.runtime);
    return err == DRAGON_OK ? 0 : BENCH_EXIT_OURS;
}
