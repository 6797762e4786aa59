// SPDX-License-Identifier: BSD-3-Clause
//
// The explicit kind among ranks that behave, and what users get to read when something is missing.
#include "config.h"

#include "ranks.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

static void exchange(uint32_t size, size_t length)
{
    struct run run;
    run_init(&run, size, 20000);
    for (uint32_t i = size; i-- > 0;)
        rank_start(&run, i, length);
    for (uint32_t i = 0; i < size; i++) {
        rank_join(&run, i);
        rank_check(&run, i, length);
    }
    run_fini(&run);
}

Test(boot_explicit, one_rank)
{
    exchange(1, 300);
}

Test(boot_explicit, two_ranks)
{
    exchange(2, 300);
}

Test(boot_explicit, five_ranks)
{
    exchange(5, 65536);
}

Test(boot_explicit, empty_blobs)
{
    exchange(3, 0);
}

Test(boot_explicit, the_largest_blobs)
{
    exchange(4, BOOT_BLOB_LIMIT);
}

Test(boot_explicit, one_rank_needs_no_secret)
{
    struct boot_options options = {.rank = 0,
                                   .size = 1,
                                   .listen_fd = -1,
                                   .deadline_ms = time_now_ms() + 1000,
                                   .cancel_fd = -1};
    struct boot *boot;
    cr_assert(boot_join(&options, &boot, NULL) == DRAGON_OK);
    cr_assert(boot_kind(boot) == BOOT_EXPLICIT && boot_size(boot) == 1);
    boot_destroy(boot);
}

Test(boot_explicit, rank_0_binds_the_address)
{
    struct run run;
    run_init(&run, 2, 20000);
    close(run.listen_fd); // the port is free again
    run.listen_fd = -1;
    run.ranks[0].options.listen_fd = -1;
    rank_start(&run, 1, 300); // is refused until rank 0 is there
    usleep(100 * 1000);
    rank_start(&run, 0, 300);
    for (uint32_t i = 0; i < 2; i++) {
        rank_join(&run, i);
        rank_check(&run, i, 300);
    }
    run_fini(&run);
}

Test(boot_explicit, every_rank_reads_who_is_missing)
{
    struct run run;
    run_init(&run, 4, 1000);
    for (uint32_t i = 0; i < 4; i++)
        if (i != 2)
            rank_start(&run, i, 300);
    for (uint32_t i = 0; i < 4; i++) {
        if (i == 2)
            continue;
        rank_join(&run, i);
        cr_assert(run.ranks[i].err == DRAGON_ERR_TIMEOUT);
        cr_assert(strstr(run.ranks[i].error.text, "rank 2 of 4 did not come within"), "%s",
                  run.ranks[i].error.text);
        cr_assert(run.ranks[i].took_ms <= 1100);
    }
    run_fini(&run);
}

// Rank 0 would wait long, rank 1 not: it must hear before it gives up by itself.
Test(boot_explicit, the_shortest_patience_counts)
{
    struct run run;
    run_init(&run, 3, 20000);
    run.ranks[1].options.deadline_ms = time_now_ms() + 600;
    rank_start(&run, 0, 300);
    rank_start(&run, 1, 300);
    for (uint32_t i = 0; i < 2; i++) {
        rank_join(&run, i);
        cr_assert(strstr(run.ranks[i].error.text, "rank 2 of 3 did not come"), "%s",
                  run.ranks[i].error.text);
        cr_assert(run.ranks[i].took_ms < 5000);
    }
    run_fini(&run);
}

Test(boot_explicit, rank_0_does_not_come)
{
    struct run run;
    run_init(&run, 2, 500);
    close(run.listen_fd);
    run.listen_fd = -1;
    rank_start(&run, 1, 300);
    rank_join(&run, 1);
    cr_assert(run.ranks[1].err == DRAGON_ERR_PEER);
    cr_assert(strstr(run.ranks[1].error.text, "could not reach rank 0"));
    cr_assert(strstr(run.ranks[1].error.text, "refused"));
    run_fini(&run);
}

Test(boot_explicit, rank_0_listens_and_is_silent)
{
    struct run run;
    run_init(&run, 2, 500);
    rank_start(&run, 1, 300);
    rank_join(&run, 1);
    cr_assert(run.ranks[1].err == DRAGON_ERR_PEER);
    cr_assert(strstr(run.ranks[1].error.text, "does not answer"), "%s", run.ranks[1].error.text);
    run_fini(&run);
}

Test(boot_explicit, another_secret)
{
    struct run run;
    char other[80];
    run_init(&run, 2, 1000);
    snprintf(other, sizeof other, "%s.other", run.secret_file);
    write_file(other, "0123456789abcdef0123456789abcdef", 32, 0600);
    run.ranks[1].options.secret_file = other;
    rank_start(&run, 0, 300);
    rank_start(&run, 1, 300);
    rank_join(&run, 1);
    cr_assert(run.ranks[1].err == DRAGON_ERR_DENIED);
    cr_assert(strstr(run.ranks[1].error.text, "secret"));
    rank_join(&run, 0);
    cr_assert(run.ranks[0].err == DRAGON_ERR_TIMEOUT);
    cr_assert(strstr(run.ranks[0].error.text, "1 connection was refused"), "%s",
              run.ranks[0].error.text);
    unlink(other);
    run_fini(&run);
}

Test(boot_explicit, too_big_a_blob)
{
    struct run run;
    run_init(&run, 2, 1000);
    rank_start(&run, 1, BOOT_BLOB_LIMIT + 1);
    rank_join(&run, 1);
    cr_assert(run.ranks[1].err == DRAGON_ERR_TOO_BIG);
    run_fini(&run);
}

Test(boot_explicit, one_exchange_per_join)
{
    struct boot_options options = {.rank = 0,
                                   .size = 1,
                                   .listen_fd = -1,
                                   .deadline_ms = time_now_ms() + 1000,
                                   .cancel_fd = -1};
    struct boot *boot;
    struct boot_blob none = {0}, *blobs;
    cr_assert(boot_join(&options, &boot, NULL) == DRAGON_OK);
    cr_assert(boot_exchange(boot, &none, &blobs, NULL) == DRAGON_OK);
    boot_blobs_free(blobs, 1);
    cr_assert(boot_exchange(boot, &none, &blobs, NULL) == DRAGON_ERR_STATE);
    boot_destroy(boot);
}

Test(boot_explicit, cancel_ends_all_at_once)
{
    struct run run;
    run_init(&run, 4, 20000);
    int cancel = eventfd(0, EFD_CLOEXEC);
    run.ranks[0].options.cancel_fd = cancel;
    for (uint32_t i = 0; i < 3; i++)
        rank_start(&run, i, 300);
    usleep(200 * 1000);
    eventfd_write(cancel, 1);
    for (uint32_t i = 0; i < 3; i++) {
        rank_join(&run, i);
        cr_assert(run.ranks[i].err == DRAGON_ERR_CANCELED, "rank %u: %s", i,
                  run.ranks[i].error.text);
        cr_assert(run.ranks[i].took_ms < 5000);
    }
    close(cancel);
    run_fini(&run);
}

Test(boot_explicit, cancel_while_rank_0_is_not_there)
{
    struct run run;
    run_init(&run, 2, 20000);
    close(run.listen_fd);
    run.listen_fd = -1;
    run.ranks[1].options.cancel_fd = eventfd(1, EFD_CLOEXEC);
    rank_start(&run, 1, 300);
    rank_join(&run, 1);
    cr_assert(run.ranks[1].err == DRAGON_ERR_CANCELED);
    close(run.ranks[1].options.cancel_fd);
    run_fini(&run);
}

// --- options

static dragon_err_t join_error(struct boot_options options, dragon_error_t *error)
{
    struct boot *boot;
    options.cancel_fd = -1;
    options.deadline_ms = time_now_ms() + 500;
    return boot_join(&options, &boot, error);
}

Test(boot_explicit, options_that_do_not_fit)
{
    struct boot_options options = {.rank = 4, .size = 4, .listen_fd = -1};
    cr_assert(join_error(options, NULL) == DRAGON_ERR_INVAL);
    options.rank = 1;
    cr_assert(join_error(options, NULL) == DRAGON_ERR_INVAL); // no secret
    options.secret_file = "/dev/null";
    cr_assert(join_error(options, NULL) == DRAGON_ERR_INVAL); // no address
    options.size = 0;
    cr_assert(join_error(options, NULL) == DRAGON_ERR_INVAL);
}

Test(boot_explicit, addresses_that_are_none)
{
    struct run run;
    const char *const bad[] = {"", "host", "host:", ":7", "host:0", "host:65536", "::1:80", "[]:x"};
    run_init(&run, 2, 500);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        run.ranks[0].options.listen_fd = -1;
        run.ranks[0].options.address = bad[i];
        cr_assert(join_error(run.ranks[0].options, NULL) == DRAGON_ERR_INVAL, "\"%s\"", bad[i]);
    }
    run_fini(&run);
}

static dragon_err_t join_with_secret(const char *path)
{
    struct boot_options options = {.rank = 1,
                                   .size = 2,
                                   .address = "127.0.0.1:1",
                                   .secret_file = path,
                                   .listen_fd = -1,
                                   .deadline_ms = time_now_ms() + 300,
                                   .cancel_fd = -1};
    struct boot *boot;
    dragon_err_t err = boot_join(&options, &boot, NULL);
    if (!err)
        boot_destroy(boot);
    return err;
}

Test(boot_explicit, secret_files)
{
    char path[64], text[64], bytes[33] = {0};
    snprintf(path, sizeof path, "/tmp/boot-test-file.%d", (int)getpid());
    write_file(path, bytes, 32, 0600);
    cr_assert(join_with_secret(path) == DRAGON_OK);
    write_file(path, bytes, 32, 0400);
    cr_assert(join_with_secret(path) == DRAGON_OK);
    write_file(path, bytes, 32, 0640);
    cr_assert(join_with_secret(path) == DRAGON_ERR_DENIED);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(text, sizeof text, "/dev/fd/%d", fd);
    cr_assert(join_with_secret(text) == DRAGON_OK); // whoever gave it to us had it
    cr_assert(join_with_secret(text) == DRAGON_OK); // and reading it does not use it up
    close(fd);
    write_file(path, bytes, 31, 0600);
    cr_assert(join_with_secret(path) == DRAGON_ERR_INVAL);
    write_file(path, bytes, 33, 0600);
    cr_assert(join_with_secret(path) == DRAGON_ERR_INVAL);
    unlink(path);
    cr_assert(join_with_secret(path) == DRAGON_ERR_NOT_FOUND);
    cr_assert(join_with_secret("/tmp") == DRAGON_ERR_INVAL);
}

Test(boot_explicit, secret_from_pipes_and_sockets)
{
    char text[64], bytes[32] = {0};
    int ends[2];
    cr_assert(pipe2(ends, O_CLOEXEC) == 0);
    snprintf(text, sizeof text, "/dev/fd/%d", ends[0]);
    cr_assert(write(ends[1], bytes, 32) == 32);
    cr_assert(join_with_secret(text) == DRAGON_OK); // though nobody closed the other end
    cr_assert(join_with_secret(text) == DRAGON_ERR_TIMEOUT);
    cr_assert(write(ends[1], bytes, 5) == 5);
    close(ends[1]);
    cr_assert(join_with_secret(text) == DRAGON_ERR_INVAL);
    close(ends[0]);
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    snprintf(text, sizeof text, "/dev/fd/%d", ends[0]);
    cr_assert(write(ends[1], bytes, 32) == 32);
    cr_assert(join_with_secret(text) == DRAGON_OK);
    close(ends[0]);
    close(ends[1]);
}

Test(boot_explicit, a_descriptor_that_does_not_listen)
{
    struct run run;
    run_init(&run, 2, 500);
    run.ranks[0].options.listen_fd = STDERR_FILENO;
    cr_assert(join_error(run.ranks[0].options, NULL) != DRAGON_OK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    run.ranks[0].options.listen_fd = fd;
    cr_assert(join_error(run.ranks[0].options, NULL) == DRAGON_ERR_INVAL);
    close(fd);
    run_fini(&run);
}
