// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target: the PMI-1 server. The input is what two ranks of one node send; the byte 1 turns
// from one rank to the other. The same bytes are also given as what another node puts at a
// barrier.
#include "config.h"

#include "pmi/pmi1.h"
#include "pmi/pmi1_kvs.h"
#include "pmi/pmi1_line.h"

#include <sys/socket.h>
#include <unistd.h>

enum { RANKS = 2, PIECE = 8192 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct pmi1_job *job;
    int fds[RANKS];
    const uint8_t *data;
    size_t size;
} the;

static void on_rank(void *arg, uint32_t rank)
{
    (void)arg;
    (void)rank;
}

static void on_barrier(void *arg, const void *data, size_t length)
{
    (void)arg;
    if (pmi1_kvs_check(data, length) != DRAGON_OK)
        abort();
    const struct pmi1_blob blobs[] = {{data, length}, {the.data, the.size}};
    if (pmi1_job_barrier_done(the.job, blobs, 2) != DRAGON_OK &&
        pmi1_job_barrier_done(the.job, blobs, 1) != DRAGON_OK)
        abort();
}

static void on_abort(void *arg, uint32_t rank, int32_t code, const char *text)
{
    (void)arg;
    (void)rank;
    (void)text;
    if (code == 77) { // an agent may end the job in any handler
        pmi1_job_destroy(the.job);
        the.job = NULL;
    }
}

static void on_lost(void *arg, uint32_t rank, bool finalized)
{
    (void)arg;
    (void)rank;
    (void)finalized;
}

static const struct pmi1_handler the_handler = {
    .on_connected = on_rank,
    .on_finalized = on_rank,
    .on_barrier = on_barrier,
    .on_abort = on_abort,
    .on_lost = on_lost,
};

static void read_answers(int fd)
{
    char answers[4096];
    while (recv(fd, answers, sizeof answers, MSG_DONTWAIT) > 0)
        continue;
}

static void send_piece(uint32_t rank, const uint8_t *bytes, size_t length)
{
    while (length > 0 && the.job) {
        ssize_t sent = send(the.fds[rank], bytes, length < PIECE ? length : PIECE,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        length -= (size_t)sent;
        pmi1_job_drain(the.job, rank);
        read_answers(the.fds[rank]);
    }
}

static void parse_as_one_line(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct pmi1_line line;
    if (!text)
        return;
    memcpy(text, data, size);
    text[size] = 0;
    if (pmi1_line_parse(text, &line) && !pmi1_line_get(&line, line.multi ? "mcmd" : "cmd"))
        abort();
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t nodes[] = {0, 0, 1};
    char *names[] = {"here", "there", NULL};
    const struct pmi_map map = {.size = 3, .nodes = 2, .node_names = names, .node_of_rank = nodes};
    parse_as_one_line(data, size);
    struct loop *loop = loop_create();
    the.job = pmi1_job_create(loop, &map, "kvs", &the_handler, NULL);
    the.data = data;
    the.size = size;
    for (uint32_t rank = 0; rank < RANKS; rank++) {
        int pair[2];
        if (!the.job || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
            abort();
        pmi1_job_attach(the.job, rank, pair[0]);
        the.fds[rank] = pair[1];
    }
    uint32_t rank = 0;
    for (size_t at = 0, end; at < size; at = end + 1, rank = 1 - rank) {
        for (end = at; end < size && data[end] != 1;)
            end++;
        send_piece(rank, data + at, end - at);
    }
    loop_turn(loop, 0);
    for (rank = 0; rank < RANKS; rank++)
        close(the.fds[rank]);
    if (the.job)
        pmi1_job_drain(the.job, 0);
    pmi1_job_destroy(the.job);
    the.job = NULL;
    loop_destroy(loop);
    return 0;
}
