// SPDX-License-Identifier: BSD-3-Clause
//
// Rank 0 of the explicit kind among callers that are slow, silent, broken or hostile: they cost
// only themselves, and the ranks of the run get their table all the same.
#include "config.h"

#include "ranks.h"

enum { SIZE = 3, BYTES = 300 };

// Ranks 0 and 1 are waiting; now the test does its worst, then the last rank comes.
static void begin(struct run *run)
{
    run_init(run, SIZE, 20000);
    rank_start(run, 0, BYTES);
    rank_start(run, 1, BYTES);
}

static void finish(struct run *run)
{
    rank_start(run, 2, BYTES);
    for (uint32_t i = 0; i < SIZE; i++) {
        rank_join(run, i);
        rank_check(run, i, BYTES);
    }
    run_fini(run);
}

static struct boot_hello hello_of(uint32_t rank)
{
    return (struct boot_hello){
        .version = BOOT_WIRE_VERSION, .rank = rank, .size = SIZE, .left_ms = 20000};
}

Test(boot_rendezvous, silent_and_half_open_callers)
{
    struct run run;
    int fds[20];
    begin(&run);
    for (int i = 0; i < 20; i++) {
        fds[i] = stranger(&run);
        if (i % 2)
            shutdown(fds[i], SHUT_WR);
    }
    finish(&run);
    for (int i = 0; i < 20; i++)
        close(fds[i]);
}

Test(boot_rendezvous, random_bytes)
{
    struct run run;
    uint8_t bytes[4096];
    begin(&run);
    for (size_t i = 0; i < 50; i++) {
        int fd = stranger(&run);
        auth_random(bytes, sizeof bytes);
        send(fd, bytes, 1 + i * 80, MSG_NOSIGNAL);
        if (i % 2)
            close(fd);
    }
    finish(&run);
}

// More silent callers than rank 0 will hold: the ranks come through after a moment.
Test(boot_rendezvous, a_crowd_of_silent_callers, .timeout = 30)
{
    struct run run;
    int fds[400];
    begin(&run);
    for (int i = 0; i < 400; i++)
        fds[i] = stranger(&run);
    finish(&run);
    cr_assert(run.ranks[2].took_ms < 10000);
    for (int i = 0; i < 400; i++)
        close(fds[i]);
}

Test(boot_rendezvous, a_silent_caller_is_let_go, .timeout = 30)
{
    struct run run;
    uint8_t byte;
    begin(&run);
    int fd = stranger(&run);
    cr_assert(!recv_bytes(fd, &byte, 1));
    close(fd);
    finish(&run);
}

Test(boot_rendezvous, a_proof_of_another_secret)
{
    struct run run;
    struct auth auth;
    uint8_t challenge[AUTH_CHALLENGE_BYTES], answer[AUTH_ANSWER_BYTES];
    uint8_t response[AUTH_RESPONSE_BYTES] = {0}, byte;
    begin(&run);
    int fd = stranger(&run);
    auth_start(&auth, challenge, "boot");
    auth_client_challenge(&auth, challenge);
    send_bytes(fd, challenge, sizeof challenge);
    cr_assert(recv_bytes(fd, answer, sizeof answer));
    send_bytes(fd, response, sizeof response);
    cr_assert(!recv_bytes(fd, &byte, 1));
    close(fd);
    finish(&run);
}

static void refused(struct boot_hello hello, dragon_err_t code, const char *words)
{
    struct run run;
    char text[BOOT_REPORT_LIMIT + 1];
    begin(&run);
    int fd = insider(&run, &hello);
    cr_assert(told(&run, fd, text) == code);
    cr_assert(strstr(text, words), "%s", text);
    finish(&run);
}

Test(boot_rendezvous, another_version)
{
    struct boot_hello hello = hello_of(2);
    hello.version++;
    refused(hello, DRAGON_ERR_PROTO, "version");
}

Test(boot_rendezvous, another_size)
{
    struct boot_hello hello = hello_of(2);
    hello.size = 7;
    refused(hello, DRAGON_ERR_INVAL, "a run of 3 ranks, rank 2 for 7");
}

Test(boot_rendezvous, ranks_that_cannot_be)
{
    refused(hello_of(0), DRAGON_ERR_EXISTS, "rank 0 of 3 is there already");
    refused(hello_of(SIZE), DRAGON_ERR_EXISTS, "rank 3 of 3");
    refused(hello_of(UINT32_MAX), DRAGON_ERR_EXISTS, "rank 4294967295 of 3");
}

Test(boot_rendezvous, the_same_rank_twice)
{
    struct run run;
    char text[BOOT_REPORT_LIMIT + 1];
    run_init(&run, SIZE, 20000);
    rank_start(&run, 0, BYTES);
    struct boot_hello hello = hello_of(1);
    int first = insider(&run, &hello);
    int second = insider(&run, &hello);
    cr_assert(told(&run, second, text) == DRAGON_ERR_EXISTS);
    close(first); // it had not said anything yet, so its place is free again
    usleep(100 * 1000);
    rank_start(&run, 1, BYTES);
    finish(&run);
}

Test(boot_rendezvous, a_length_above_the_limit)
{
    struct run run;
    char text[BOOT_REPORT_LIMIT + 1];
    begin(&run);
    struct boot_hello hello = hello_of(2);
    int fd = insider(&run, &hello);
    send_bytes(fd, "\xff\xff\xff\xff", 4);
    cr_assert(told(&run, fd, text) == DRAGON_ERR_TOO_BIG);
    finish(&run);
}

Test(boot_rendezvous, a_rank_that_breaks_off_may_come_again)
{
    struct run run;
    begin(&run);
    struct boot_hello hello = hello_of(2);
    int fd = insider(&run, &hello);
    send_bytes(fd, "\x10\0\0\0half", 8);
    close(fd);
    usleep(100 * 1000);
    finish(&run);
}

static int deliver(struct run *run, uint32_t rank)
{
    struct boot_hello hello = hello_of(rank);
    int fd = insider(run, &hello);
    send_bytes(fd, "\4\0\0\0blob", 8);
    return fd;
}

Test(boot_rendezvous, a_rank_lost_after_it_came_ends_the_start)
{
    struct run run;
    begin(&run);
    int fd = deliver(&run, 2);
    usleep(50 * 1000);
    close(fd);
    // Rank 1 may have been the last to come; then the loss shows while the table is sent.
    rank_join(&run, 0);
    cr_assert(run.ranks[0].err == DRAGON_ERR_PEER);
    cr_assert(strstr(run.ranks[0].error.text, "rank 2 of 3"), "%s", run.ranks[0].error.text);
    rank_join(&run, 1);
    run_fini(&run);
}

Test(boot_rendezvous, all_ranks_hear_of_a_lost_one)
{
    struct run run;
    char text[BOOT_REPORT_LIMIT + 1];
    run_init(&run, SIZE, 20000);
    rank_start(&run, 0, BYTES);
    int here = deliver(&run, 1);
    struct boot_hello hello = hello_of(2);
    int late = insider(&run, &hello); // it came, but has not delivered
    usleep(50 * 1000);
    close(here);
    cr_assert(told(&run, late, text) == DRAGON_ERR_PEER);
    cr_assert(strstr(text, "rank 1 of 3"), "%s", text);
    rank_join(&run, 0);
    cr_assert(run.ranks[0].err == DRAGON_ERR_PEER);
    run_fini(&run);
}

Test(boot_rendezvous, a_rank_that_speaks_out_of_turn_is_lost)
{
    struct run run;
    run_init(&run, SIZE, 20000);
    rank_start(&run, 0, BYTES);
    int fd = deliver(&run, 1);
    send_bytes(fd, "more", 4);
    rank_join(&run, 0);
    cr_assert(run.ranks[0].err == DRAGON_ERR_PEER);
    close(fd);
    run_fini(&run);
}

// Tables larger than socket buffers: rank 2 reads nothing for a while, rank 1 does not wait for it.
Test(boot_rendezvous, a_slow_reader_holds_nobody_up)
{
    struct run run;
    run_init(&run, SIZE, 20000);
    rank_start(&run, 0, BOOT_BLOB_LIMIT);
    struct boot_hello hello = hello_of(2);
    int fd = insider(&run, &hello);
    uint8_t *blob = calloc(1, 4 + BOOT_BLOB_LIMIT);
    blob[2] = 0x10; // 1 MiB
    send_bytes(fd, blob, 4 + BOOT_BLOB_LIMIT);
    rank_start(&run, 1, BOOT_BLOB_LIMIT);
    rank_join(&run, 1);
    cr_assert(run.ranks[1].err == DRAGON_OK, "%s", run.ranks[1].error.text);
    size_t length = BOOT_HEADER_BYTES + SIZE * (4 + BOOT_BLOB_LIMIT);
    uint8_t *table = malloc(length);
    cr_assert(recv_bytes(fd, table, length));
    send_bytes(fd, "\1", 1);
    rank_join(&run, 0);
    cr_assert(run.ranks[0].err == DRAGON_OK, "%s", run.ranks[0].error.text);
    close(fd);
    free(table);
    free(blob);
    run_fini(&run);
}

Test(boot_rendezvous, a_rank_that_never_takes_the_table)
{
    struct run run;
    run_init(&run, 2, 700);
    rank_start(&run, 0, BYTES);
    struct boot_hello hello = {BOOT_WIRE_VERSION, 1, 2, 20000};
    int fd = insider(&run, &hello);
    send_bytes(fd, "\4\0\0\0blob", 8);
    rank_join(&run, 0);
    cr_assert(run.ranks[0].err == DRAGON_ERR_TIMEOUT);
    cr_assert(strstr(run.ranks[0].error.text, "rank 1"), "%s", run.ranks[0].error.text);
    cr_assert(run.ranks[0].took_ms < 1000);
    close(fd);
    run_fini(&run);
}

// --- a rank 0 that is not what it should be

// Accepts one caller, authenticates, and sends `length` bytes in place of a table.
static void answer_with(struct run *run, const void *bytes, size_t length)
{
    struct auth auth;
    uint8_t challenge[AUTH_CHALLENGE_BYTES], answer[AUTH_ANSWER_BYTES];
    uint8_t response[AUTH_RESPONSE_BYTES], hello[AUTH_HELLO_BYTES];
    int fd = accept4(run->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    auth_start(&auth, run->secret, "boot");
    cr_assert(recv_bytes(fd, challenge, sizeof challenge));
    auth_server_answer(&auth, challenge, answer);
    send_bytes(fd, answer, sizeof answer);
    cr_assert(recv_bytes(fd, response, sizeof response));
    cr_assert(auth_server_check(&auth, response, hello));
    uint8_t blob[4 + BYTES];
    cr_assert(recv_bytes(fd, blob, sizeof blob));
    send_bytes(fd, bytes, length);
    close(fd);
}

static dragon_err_t caller_err(const void *bytes, size_t length)
{
    struct run run;
    run_init(&run, 2, 5000);
    rank_start(&run, 1, BYTES);
    answer_with(&run, bytes, length);
    rank_join(&run, 1);
    dragon_err_t err = run.ranks[1].err;
    run_fini(&run);
    return err;
}

Test(boot_rendezvous, a_caller_checks_what_it_gets)
{
    uint8_t header[BOOT_HEADER_BYTES + 8] = {0};
    cr_assert(caller_err("", 0) == DRAGON_ERR_PEER);
    cr_assert(caller_err("GET / HTTP/1.0\r\n", 16) == DRAGON_ERR_PROTO);
    boot_header_write(&(struct boot_header){BOOT_WIRE_VERSION, DRAGON_OK, 8}, header);
    cr_assert(caller_err(header, 20) == DRAGON_ERR_PEER); // ends early
    memset(header + BOOT_HEADER_BYTES, 0xff, 8);
    cr_assert(caller_err(header, sizeof header) == DRAGON_ERR_PROTO);
    boot_header_write(&(struct boot_header){BOOT_WIRE_VERSION, DRAGON_OK, UINT64_MAX}, header);
    cr_assert(caller_err(header, sizeof header) == DRAGON_ERR_PROTO);
}
