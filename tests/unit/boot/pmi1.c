// SPDX-License-Identifier: BSD-3-Clause
//
// The PMI-1 client against a scripted server at the other end of a socketpair: a good one with a
// store, and ones that answer short, wrong, garbage or nothing.
#include "config.h"

#include "boot/internal.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { STORE_LIMIT = 3000, LINE_BYTES = 2048 };

// A server for one client, rank 0 of 2. Rank 1's pieces are those of rank 0 with the rank changed.
struct server {
    int fd;
    int listen_fd; // of the port form, or -1
    pthread_t thread;
    int value_limit;
    const char *request; // at this request ...
    const char *answer;  // ... this is answered, and nothing more; NULL: silence
    char *keys[STORE_LIMIT];
    char *values[STORE_LIMIT];
    int count;
    size_t longest;
    bool finalized;
    bool port_form;
};

static void reply(const struct server *server, const char *text)
{
    send(server->fd, text, strlen(text), MSG_NOSIGNAL);
}

static void on_put(struct server *server, const char *line)
{
    char key[64], value[LINE_BYTES];
    cr_assert(pmi1_word(line, "key", key, sizeof key));
    cr_assert(pmi1_word(line, "value", value, sizeof value));
    cr_assert(server->count < STORE_LIMIT);
    if (strlen(value) > server->longest)
        server->longest = strlen(value);
    server->keys[server->count] = strdup(key);
    server->values[server->count++] = strdup(value);
    reply(server, "cmd=put_result rc=0 msg=success\n");
}

// The first piece holds the rank, after four bytes of version.
static void retarget(char *value, uint32_t rank)
{
    uint8_t data[LINE_BYTES];
    size_t length;
    cr_assert(pmi1_decode(value, data, sizeof data, &length) && length > 8);
    data[4] = (uint8_t)rank;
    pmi1_encode(data, length, value);
}

static void on_get(struct server *server, const char *line)
{
    char key[64], own[64], value[LINE_BYTES], text[LINE_BYTES + 64];
    unsigned rank, piece;
    cr_assert(pmi1_word(line, "key", key, sizeof key));
    cr_assert(sscanf(key, "dragon-boot-%u-%u", &rank, &piece) == 2);
    snprintf(own, sizeof own, "dragon-boot-0-%u", piece);
    for (int i = 0; i < server->count; i++) {
        if (strcmp(server->keys[i], own) != 0)
            continue;
        snprintf(value, sizeof value, "%s", server->values[i]);
        if (piece == 0)
            retarget(value, rank);
        snprintf(text, sizeof text, "cmd=get_result rc=0 msg=success value=%s\n", value);
        reply(server, text);
        return;
    }
    reply(server, "cmd=get_result rc=-1 msg=key_not_found value=unknown\n");
}

// False: the session is over.
static bool on_line(struct server *server, const char *line)
{
    char command[64], text[128];
    cr_assert(strlen(line) < 1000, "Slurm would take this line for two");
    cr_assert(pmi1_word(line, "cmd", command, sizeof command));
    if (server->request && strcmp(command, server->request) == 0) {
        if (server->answer)
            reply(server, server->answer);
        server->request = NULL;
        return server->answer != NULL;
    }
    if (strcmp(command, "initack") == 0) {
        reply(server, "cmd=initack rc=0\ncmd=set size=2\ncmd=set rank=0\ncmd=set debug=0\n");
    } else if (strcmp(command, "init") == 0) {
        reply(server, "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0\n");
    } else if (strcmp(command, "get_maxes") == 0) {
        snprintf(text, sizeof text, "cmd=maxes kvsname_max=256 keylen_max=64 vallen_max=%d\n",
                 server->value_limit);
        reply(server, text);
    } else if (strcmp(command, "get_my_kvsname") == 0) {
        reply(server, "cmd=my_kvsname kvsname=kvs_1_0\n");
    } else if (strcmp(command, "put") == 0) {
        on_put(server, line);
    } else if (strcmp(command, "get") == 0) {
        on_get(server, line);
    } else if (strcmp(command, "barrier_in") == 0) {
        reply(server, "cmd=bar"); // an answer may come in pieces
        usleep(1000);
        reply(server, "rier_out\n");
    } else if (strcmp(command, "finalize") == 0) {
        reply(server, "cmd=finalize_ack\n");
        server->finalized = true;
        return false;
    } else {
        cr_assert_fail("%s", line);
    }
    return true;
}

static void *server_main(void *arg)
{
    struct server *server = arg;
    char lines[2 * LINE_BYTES];
    size_t have = 0;
    if (server->listen_fd >= 0)
        server->fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    for (;;) {
        ssize_t got = recv(server->fd, lines + have, sizeof lines - 1 - have, 0);
        if (got <= 0)
            return NULL;
        have += (size_t)got;
        for (char *end; (end = memchr(lines, '\n', have));) {
            *end = '\0';
            bool more = on_line(server, lines);
            have -= (size_t)(end + 1 - lines);
            memmove(lines, end + 1, have);
            if (!more && server->finalized)
                return NULL;
        }
    }
}

static void server_start(struct server *server)
{
    int ends[2];
    char text[32];
    unsetenv("PMIX_NAMESPACE");
    unsetenv("PMI_PORT");
    server->listen_fd = -1;
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    server->fd = ends[0];
    snprintf(text, sizeof text, "%d", ends[1]);
    fcntl(ends[1], F_SETFD, 0);
    setenv("PMI_FD", text, 1);
    setenv("PMI_RANK", "0", 1);
    setenv("PMI_SIZE", "2", 1);
    cr_assert(pthread_create(&server->thread, NULL, server_main, server) == 0);
}

static void server_start_port(struct server *server)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    char text[32];
    unsetenv("PMIX_NAMESPACE");
    unsetenv("PMI_FD");
    server->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(bind(server->listen_fd, (struct sockaddr *)&at, sizeof at) == 0);
    cr_assert(listen(server->listen_fd, 1) == 0);
    cr_assert(getsockname(server->listen_fd, (struct sockaddr *)&at, &length) == 0);
    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(at.sin_port));
    setenv("PMI_PORT", text, 1);
    setenv("PMI_ID", "0", 1);
    cr_assert(pthread_create(&server->thread, NULL, server_main, server) == 0);
}

static void server_stop(struct server *server)
{
    pthread_join(server->thread, NULL);
    close(server->fd);
    if (server->listen_fd >= 0)
        close(server->listen_fd);
    for (int i = 0; i < server->count; i++) {
        free(server->keys[i]);
        free(server->values[i]);
    }
}

static struct boot_options options_for(uint64_t patience_ms)
{
    return (struct boot_options){
        .rank = -1, .listen_fd = -1, .cancel_fd = -1, .deadline_ms = time_now_ms() + patience_ms};
}

static dragon_err_t exchange(struct boot *boot, size_t length, dragon_error_t *error)
{
    struct boot_blob mine = {malloc(length + 1), length}, *blobs;
    for (size_t i = 0; i < length; i++)
        mine.data[i] = (uint8_t)(i * 7);
    dragon_err_t err = boot_exchange(boot, &mine, &blobs, error);
    if (!err) {
        for (int i = 0; i < 2; i++) {
            cr_assert(blobs[i].length == length);
            cr_assert(memcmp(blobs[i].data, mine.data, length) == 0);
        }
        boot_blobs_free(blobs, 2);
    }
    free(mine.data);
    return err;
}

static void good(size_t length, int value_limit, size_t longest, bool port)
{
    struct server server = {.value_limit = value_limit};
    struct boot_options options = options_for(20000);
    struct boot *boot;
    dragon_error_t error = {0};
    if (port)
        server_start_port(&server);
    else
        server_start(&server);
    cr_assert(boot_join(&options, &boot, &error) == DRAGON_OK, "%s", error.text);
    cr_assert(boot_kind(boot) == BOOT_PMI1 && boot_rank(boot) == 0 && boot_size(boot) == 2);
    cr_assert(exchange(boot, length, &error) == DRAGON_OK, "%s", error.text);
    boot_destroy(boot);
    server_stop(&server);
    cr_assert(server.finalized);
    cr_assert(server.longest <= longest);
}

Test(boot_pmi1, exchanges)
{
    good(300, 1024, 1023, false);
    good(0, 1024, 1023, false);
    good(65536, 1024, 1023, false);
}

Test(boot_pmi1, exchanges_the_largest_blob)
{
    good(BOOT_BLOB_LIMIT, 1 << 20, 1023, false); // never longer, whatever it announces
}

Test(boot_pmi1, keeps_to_a_smaller_limit)
{
    good(5000, 100, 99, false);
}

Test(boot_pmi1, port_form)
{
    good(300, 1024, 1023, true);
}

Test(boot_pmi1, children_do_not_inherit_the_descriptor)
{
    struct server server = {.value_limit = 1024};
    struct boot_options options = options_for(5000);
    struct boot *boot;
    long long fd;
    server_start(&server);
    cr_assert(boot_join(&options, &boot, NULL) == DRAGON_OK);
    cr_assert(parse_number(getenv("PMI_FD"), 0, 1000, &fd));
    cr_assert(fcntl((int)fd, F_GETFD) == FD_CLOEXEC);
    boot_destroy(boot);
    server_stop(&server);
}

// What becomes of join and exchange when `request` is answered by `answer`.
static dragon_err_t bad_within(const char *request, const char *answer, uint64_t patience_ms,
                               dragon_error_t *error)
{
    struct server server = {.value_limit = 1024, .request = request, .answer = answer};
    struct boot_options options = options_for(patience_ms);
    struct boot *boot;
    server_start(&server);
    uint64_t started = time_now_ms();
    dragon_err_t err = boot_join(&options, &boot, error);
    if (!err) {
        err = exchange(boot, 300, error);
        cr_assert(time_now_ms() - started <= patience_ms + 200);
        boot_destroy(boot);
    }
    server_stop(&server);
    return err;
}

static void bad(const char *request, const char *answer)
{
    dragon_error_t error = {0};
    dragon_err_t err = bad_within(request, answer, 5000, &error);
    cr_assert(err == DRAGON_ERR_PROTO, "%s answered by %s: %s %s", request, answer,
              dragon_err_name(err), error.text);
    cr_assert(strlen(error.text) > 20);
}

Test(boot_pmi1, wrong_answers)
{
    bad("init", "cmd=response_to_init rc=-1\n");
    bad("init", "cmd=maxes\n");
    bad("init", "\n");
    bad("get_maxes", "cmd=maxes keylen_max=64\n");
    bad("get_maxes", "cmd=maxes keylen_max=10 vallen_max=1024\n");
    bad("get_maxes", "cmd=maxes keylen_max=64 vallen_max=1\n");
    bad("get_maxes", "cmd=maxes keylen_max=64 vallen_max=99999999999999999999\n");
    bad("get_my_kvsname", "cmd=my_kvsname\n");
    bad("put", "cmd=put_result rc=1 msg=full\n");
    bad("barrier_in", "cmd=barrier_out rc=-1\n");
    bad("get", "cmd=get_result rc=0\n");
    bad("get", "cmd=get_result rc=0 value=\n");
    bad("get", "cmd=get_result rc=0 value=A\n");
    bad("get", "cmd=get_result rc=0 value=AAAA\n");
    bad("get", "cmd=get_result rc=0 value=????\n");
    bad("get", "cmd=get_result rc=-1 msg=key_not_found value=unknown\n");
}

Test(boot_pmi1, garbage)
{
    char noise[8192];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)(i % 255 + 1 == '\n' ? 'x' : i % 255 + 1);
    noise[sizeof noise - 1] = '\0';
    bad("init", noise);
    bad("get", noise);
    bad("barrier_in", "\x01\x02\xff\n");
}

Test(boot_pmi1, a_server_that_goes_away)
{
    struct server server = {.value_limit = 1024};
    struct boot_options options = options_for(5000);
    struct boot *boot;
    dragon_error_t error = {0};
    server_start(&server);
    cr_assert(boot_join(&options, &boot, NULL) == DRAGON_OK);
    shutdown(server.fd, SHUT_RDWR);
    cr_assert(exchange(boot, 300, &error) == DRAGON_ERR_PEER, "%s", error.text);
    boot_destroy(boot);
    server_stop(&server);
}

Test(boot_pmi1, silence)
{
    dragon_error_t error = {0};
    cr_assert(bad_within("init", NULL, 300, &error) == DRAGON_ERR_TIMEOUT);
    cr_assert(bad_within("put", NULL, 300, &error) == DRAGON_ERR_TIMEOUT);
    cr_assert(bad_within("get", NULL, 300, &error) == DRAGON_ERR_TIMEOUT);
    cr_assert(bad_within("get", "cmd=get_res", 300, &error) == DRAGON_ERR_TIMEOUT);
    cr_assert(bad_within("barrier_in", NULL, 300, &error) == DRAGON_ERR_TIMEOUT);
    cr_assert(strstr(error.text, "not all of the 2 ranks came"), "%s", error.text);
}

Test(boot_pmi1, cancel)
{
    struct server server = {.value_limit = 1024, .request = "barrier_in"};
    struct boot_options options = options_for(20000);
    struct boot *boot;
    server_start(&server);
    options.cancel_fd = eventfd(0, EFD_CLOEXEC);
    cr_assert(boot_join(&options, &boot, NULL) == DRAGON_OK);
    eventfd_write(options.cancel_fd, 1);
    cr_assert(exchange(boot, 300, NULL) == DRAGON_ERR_CANCELED);
    boot_destroy(boot);
    close(options.cancel_fd);
    server_stop(&server);
}

Test(boot_pmi1, variables_that_do_not_fit)
{
    struct boot_options options = options_for(500);
    struct boot *boot;
    unsetenv("PMIX_NAMESPACE");
    setenv("PMI_FD", "900", 1); // not open
    setenv("PMI_RANK", "0", 1);
    setenv("PMI_SIZE", "2", 1);
    cr_assert(boot_join(&options, &boot, NULL) != DRAGON_OK);
    setenv("PMI_FD", "x", 1);
    cr_assert(boot_join(&options, &boot, NULL) == DRAGON_ERR_INVAL);
    setenv("PMI_FD", "1", 1);
    unsetenv("PMI_SIZE");
    cr_assert(boot_join(&options, &boot, NULL) == DRAGON_ERR_INVAL);
    unsetenv("PMI_FD");
    setenv("PMI_PORT", "127.0.0.1:1", 1);
    cr_assert(boot_join(&options, &boot, NULL) == DRAGON_ERR_INVAL); // no PMI_ID
    setenv("PMI_ID", "0", 1);
    cr_assert(boot_join(&options, &boot, NULL) == DRAGON_ERR_PEER);
}
