// SPDX-License-Identifier: BSD-3-Clause
//
// The arithmetic of the handshake, and the handshake over a socketpair.
#include "config.h"

#include "base/base.h"
#include "net/auth.h"
#include "net/handshake.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000 };

static const uint8_t the_secret[AUTH_SECRET_BYTES] = "the secret of this runtime.....";
static const uint8_t wrong_secret[AUTH_SECRET_BYTES] = "the secret of this runtime....,";
static const uint8_t the_hello[AUTH_HELLO_BYTES] = "hello, I am 12.";

static void set_up(void)
{
    cr_assert(auth_open());
}

TestSuite(net_auth, .init = set_up);
TestSuite(net_handshake, .init = set_up);

// ---- arithmetic

// All that goes over the wire between two ends.
struct talk {
    struct auth client, server;
    uint8_t challenge[AUTH_CHALLENGE_BYTES], answer[AUTH_ANSWER_BYTES];
    uint8_t response[AUTH_RESPONSE_BYTES], hello[AUTH_HELLO_BYTES];
};

static void talk_start(struct talk *talk)
{
    memset(talk, 0, sizeof *talk);
    auth_start(&talk->client, the_secret, "tree");
    auth_start(&talk->server, the_secret, "tree");
    auth_client_challenge(&talk->client, talk->challenge);
    auth_server_answer(&talk->server, talk->challenge, talk->answer);
}

static bool talk_respond(struct talk *talk)
{
    return auth_client_respond(&talk->client, talk->answer, the_hello, talk->response);
}

static bool talk_check(struct talk *talk)
{
    return auth_server_check(&talk->server, talk->response, talk->hello);
}

Test(net_auth, both_know_the_secret)
{
    struct talk talk;
    talk_start(&talk);
    cr_assert(talk_respond(&talk));
    cr_assert(talk_check(&talk));
    cr_expect_arr_eq(talk.hello, the_hello, AUTH_HELLO_BYTES);
}

Test(net_auth, no_changed_bit_is_accepted)
{
    struct talk talk;
    for (size_t bit = 0; bit < 8 * AUTH_ANSWER_BYTES; bit++) {
        talk_start(&talk);
        talk.answer[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_expect(!talk_respond(&talk), "bit %zu of the answer", bit);
    }
    static const uint8_t untouched[AUTH_HELLO_BYTES];
    for (size_t bit = 0; bit < 8 * AUTH_RESPONSE_BYTES; bit++) {
        talk_start(&talk);
        cr_assert(talk_respond(&talk));
        talk.response[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_expect(!talk_check(&talk), "bit %zu of the response", bit);
        cr_expect_arr_eq(talk.hello, untouched, AUTH_HELLO_BYTES);
    }
}

Test(net_auth, a_challenge_that_was_changed_on_its_way)
{
    struct talk talk;
    talk_start(&talk);
    talk.challenge[3] ^= 1;
    auth_server_answer(&talk.server, talk.challenge, talk.answer);
    cr_expect(!talk_respond(&talk));
}

Test(net_auth, wrong_secret)
{
    struct talk talk;
    talk_start(&talk);
    memcpy(talk.client.secret, wrong_secret, AUTH_SECRET_BYTES);
    cr_expect(!talk_respond(&talk), "the client sees it first");
    // A client that does not care whom it talks to.
    auth_start(&talk.server, wrong_secret, "tree");
    auth_server_answer(&talk.server, talk.challenge, talk.answer);
    cr_assert(talk_respond(&talk));
    memcpy(talk.server.secret, the_secret, AUTH_SECRET_BYTES);
    cr_expect(!talk_check(&talk));
}

Test(net_auth, a_proof_of_one_use_is_none_of_another)
{
    struct talk talk;
    talk_start(&talk);
    snprintf(talk.client.purpose, sizeof talk.client.purpose, "boot");
    cr_expect(!talk_respond(&talk));
}

Test(net_auth, a_replayed_response)
{
    struct talk old, now;
    talk_start(&old);
    cr_assert(talk_respond(&old) && talk_check(&old));
    talk_start(&now);
    memcpy(now.response, old.response, sizeof now.response);
    cr_expect(!talk_check(&now));
    // The same client nonce again: the server's is new.
    auth_server_answer(&now.server, old.challenge, now.answer);
    cr_expect(!talk_check(&now));
    cr_expect(memcmp(now.answer, old.answer, AUTH_NONCE_BYTES) != 0);
}

Test(net_auth, our_own_proof_sent_back)
{
    struct talk talk;
    uint8_t reflected[AUTH_RESPONSE_BYTES] = {0};
    talk_start(&talk);
    memcpy(reflected + AUTH_HELLO_BYTES, talk.answer + AUTH_NONCE_BYTES, AUTH_PROOF_BYTES);
    cr_expect(!auth_server_check(&talk.server, reflected, talk.hello),
              "the server's proof holds zeros where a hello is, and must not be a client's");
}

Test(net_auth, fini_forgets_the_secret)
{
    struct auth auth;
    static const struct auth nothing;
    auth_start(&auth, the_secret, "tree");
    auth_fini(&auth);
    cr_expect_eq(memcmp(&auth, &nothing, sizeof auth), 0);
}

// ---- over a socket

struct end {
    int fd;
    bool done;
    uint8_t hello[AUTH_HELLO_BYTES];
    char reason[64];
};

static void on_done(void *arg, int fd, const uint8_t *hello, const char *reason)
{
    struct end *end = arg;
    cr_assert(!end->done);
    end->done = true;
    end->fd = fd;
    memcpy(end->hello, hello, AUTH_HELLO_BYTES);
    snprintf(end->reason, sizeof end->reason, "%s", reason ? reason : "");
    cr_expect_eq(reason == NULL, fd >= 0);
}

static void open_pair(int pair[2])
{
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
}

static void wait_done(struct loop *loop, struct end *end)
{
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (!end->done && time_left_ms(deadline) > 0)
        loop_turn(loop, time_left_ms(deadline));
    cr_assert(end->done);
}

static void expect_failed(const struct end *end, const char *reason)
{
    cr_expect_eq(end->fd, -1);
    cr_expect_str_eq(end->reason, reason);
}

// Two handshakes against each other; true when both are through.
static bool handshake_both(const uint8_t *server_secret, const char *server_purpose,
                           struct end *client, struct end *server)
{
    int pair[2];
    open_pair(pair);
    struct loop *loop = loop_create();
    handshake_start(loop, pair[0], the_secret, "tree", the_hello, PATIENCE_MS, on_done, client);
    handshake_start(loop, pair[1], server_secret, server_purpose, NULL, PATIENCE_MS, on_done,
                    server);
    wait_done(loop, client);
    wait_done(loop, server);
    loop_destroy(loop);
    return client->fd >= 0 && server->fd >= 0;
}

Test(net_handshake, good)
{
    struct end client = {0}, server = {0};
    char byte = 'x';
    cr_assert(handshake_both(the_secret, "tree", &client, &server));
    cr_expect_arr_eq(server.hello, the_hello, AUTH_HELLO_BYTES);
    cr_expect_arr_eq(client.hello, the_hello, AUTH_HELLO_BYTES);
    cr_expect_eq(recv(server.fd, &byte, 1, 0), -1, "nothing is left of it on the connection");
    cr_expect_eq(send(client.fd, "y", 1, 0), 1);
    cr_expect_eq(recv(server.fd, &byte, 1, 0), 1);
    close(client.fd);
    close(server.fd);
}

Test(net_handshake, wrong_secret_and_wrong_purpose)
{
    struct end client = {0}, server = {0};
    cr_expect(!handshake_both(wrong_secret, "tree", &client, &server));
    expect_failed(&client, "it does not know this runtime's secret");
    expect_failed(&server, "it closed the connection");
    client = server = (struct end){0};
    cr_expect(!handshake_both(the_secret, "boot", &client, &server));
    expect_failed(&client, "it does not know this runtime's secret");
    expect_failed(&server, "it closed the connection");
}

// What is behind a handshake belongs to whoever gets the socket.
Test(net_handshake, nothing_behind_it_is_read)
{
    int pair[2];
    char text[8] = "";
    struct end server = {0};
    struct auth auth;
    uint8_t message[AUTH_RESPONSE_BYTES + 5], answer[AUTH_ANSWER_BYTES];
    open_pair(pair);
    struct loop *loop = loop_create();
    handshake_start(loop, pair[1], the_secret, "tree", NULL, PATIENCE_MS, on_done, &server);
    auth_start(&auth, the_secret, "tree");
    auth_client_challenge(&auth, message);
    cr_assert(send(pair[0], message, AUTH_CHALLENGE_BYTES, 0) == AUTH_CHALLENGE_BYTES);
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (recv(pair[0], answer, sizeof answer, MSG_PEEK) != sizeof answer &&
           time_left_ms(deadline) > 0)
        loop_turn(loop, 5);
    cr_assert(recv(pair[0], answer, sizeof answer, 0) == sizeof answer);
    cr_assert(auth_client_respond(&auth, answer, the_hello, message));
    memcpy(message + AUTH_RESPONSE_BYTES, "after", 5);
    cr_assert(send(pair[0], message, sizeof message, 0) == sizeof message);
    wait_done(loop, &server);
    cr_assert(server.fd >= 0);
    cr_expect_eq(recv(server.fd, text, sizeof text, 0), 5);
    cr_expect_str_eq(text, "after");
    close(server.fd);
    close(pair[0]);
    loop_destroy(loop);
}

// What a server does with `length` bytes of `data` in pieces of `step`, and then the end.
static struct end server_fed_with(const void *data, size_t length, size_t step)
{
    int pair[2];
    struct end server = {0};
    open_pair(pair);
    struct loop *loop = loop_create();
    handshake_start(loop, pair[1], the_secret, "tree", NULL, PATIENCE_MS, on_done, &server);
    for (size_t at = 0; at < length && !server.done; at += step) {
        size_t now = length - at < step ? length - at : step;
        cr_assert(send(pair[0], (const char *)data + at, now, MSG_NOSIGNAL) == (ssize_t)now);
        loop_turn(loop, 1);
    }
    close(pair[0]);
    wait_done(loop, &server);
    loop_destroy(loop);
    return server;
}

Test(net_handshake, half_messages)
{
    uint8_t bytes[AUTH_CHALLENGE_BYTES + AUTH_RESPONSE_BYTES] = {0};
    for (size_t length = 0; length < sizeof bytes; length += 5) {
        struct end server = server_fed_with(bytes, length, 7);
        cr_expect_eq(server.fd, -1);
        cr_expect(server.reason[0]);
    }
}

Test(net_handshake, random_bytes)
{
    uint8_t bytes[4096];
    for (int i = 0; i < 50; i++) {
        auth_random(bytes, sizeof bytes);
        struct end server = server_fed_with(bytes, sizeof bytes, 1 + (size_t)i * 37);
        cr_expect_eq(server.fd, -1);
        cr_expect_str_eq(server.reason, "it does not know this runtime's secret");
    }
}

static void check_silence(const uint8_t *hello, const char *half, size_t length)
{
    int pair[2];
    struct end end = {0};
    uint64_t start = time_now_ms();
    open_pair(pair);
    struct loop *loop = loop_create();
    cr_assert(send(pair[0], half, length, 0) == (ssize_t)length);
    handshake_start(loop, pair[1], the_secret, "tree", hello, 50, on_done, &end);
    wait_done(loop, &end);
    uint64_t took = time_now_ms() - start;
    expect_failed(&end, "it did not answer in time");
    cr_expect(took >= 49 && took < PATIENCE_MS, "%llu ms", (unsigned long long)took);
    loop_destroy(loop);
    close(pair[0]);
}

Test(net_handshake, silence_until_the_time_limit)
{
    check_silence(NULL, "", 0);
    check_silence(NULL, "half a challenge", 16);
    check_silence(the_hello, "", 0);
    check_silence(the_hello, "half an answer", 14);
}

Test(net_handshake, a_peer_that_is_gone_already)
{
    int pair[2];
    struct end client = {0};
    open_pair(pair);
    close(pair[0]);
    struct loop *loop = loop_create();
    handshake_start(loop, pair[1], the_secret, "tree", the_hello, PATIENCE_MS, on_done, &client);
    cr_expect(!client.done, "never before the start returns");
    wait_done(loop, &client);
    cr_expect_eq(client.fd, -1);
    loop_destroy(loop);
}

Test(net_handshake, cancel_closes_the_socket)
{
    int pair[2];
    char byte;
    struct end end = {0};
    open_pair(pair);
    struct loop *loop = loop_create();
    struct handshake *handshake =
        handshake_start(loop, pair[1], the_secret, "tree", NULL, PATIENCE_MS, on_done, &end);
    handshake_cancel(handshake);
    handshake_cancel(NULL);
    loop_turn(loop, 5);
    cr_expect(!end.done);
    cr_expect_eq(recv(pair[0], &byte, 1, 0), 0);
    close(pair[0]);
    loop_destroy(loop);
}

Test(auth, a_derived_key_depends_on_secret_and_purpose)
{
    uint8_t secret[AUTH_SECRET_BYTES] = {1}, other[AUTH_SECRET_BYTES] = {2};
    uint8_t first[AUTH_KEY_BYTES], again[AUTH_KEY_BYTES], different[AUTH_KEY_BYTES];
    cr_assert(auth_open());
    auth_derive(secret, "data", first);
    auth_derive(secret, "data", again);
    cr_assert_arr_eq(first, again, sizeof first);
    cr_assert_arr_neq(first, secret, sizeof first);
    auth_derive(secret, "else", different);
    cr_assert_arr_neq(first, different, sizeof first);
    auth_derive(other, "data", different);
    cr_assert_arr_neq(first, different, sizeof first);
}
