// SPDX-License-Identifier: BSD-3-Clause
//
// The handshake's arithmetic: see auth.h. Comparison is in constant time, by libsodium.
#include "config.h"

#include "net/auth.h"

#include "base/base.h"

#include <sodium.h>

_Static_assert(AUTH_SECRET_BYTES == crypto_auth_KEYBYTES, "the secret is the key");
_Static_assert(AUTH_PROOF_BYTES == crypto_auth_BYTES, "a proof is one hash");

// What is hashed: the purpose, who proves, both nonces, the hello (zeros in the server's proof).
struct proven {
    char purpose[8];
    char role[8];
    uint8_t nonces[2 * AUTH_NONCE_BYTES];
    uint8_t hello[AUTH_HELLO_BYTES];
};

bool auth_open(void)
{
    return sodium_init() >= 0;
}

void auth_random(void *bytes, size_t length)
{
    randombytes_buf(bytes, length);
}

void auth_derive(const uint8_t secret[AUTH_SECRET_BYTES], const char *purpose,
                 uint8_t key_out[AUTH_KEY_BYTES])
{
    _Static_assert(AUTH_KEY_BYTES == crypto_auth_BYTES, "a key is one hash");
    crypto_auth(key_out, (const uint8_t *)purpose, strlen(purpose), secret);
}

void auth_start(struct auth *auth, const uint8_t secret[AUTH_SECRET_BYTES], const char *purpose)
{
    memset(auth, 0, sizeof *auth);
    memcpy(auth->secret, secret, AUTH_SECRET_BYTES);
    snprintf(auth->purpose, sizeof auth->purpose, "%s", purpose);
}

void auth_fini(struct auth *auth)
{
    sodium_memzero(auth, sizeof *auth);
}

static struct proven proven_of(const struct auth *auth, const char *role, const uint8_t *hello)
{
    struct proven proven = {0};
    memcpy(proven.purpose, auth->purpose, sizeof proven.purpose);
    snprintf(proven.role, sizeof proven.role, "%s", role);
    memcpy(proven.nonces, auth->nonces, sizeof proven.nonces);
    if (hello)
        memcpy(proven.hello, hello, AUTH_HELLO_BYTES);
    return proven;
}

static void prove(const struct auth *auth, const char *role, const uint8_t *hello, uint8_t *proof)
{
    struct proven proven = proven_of(auth, role, hello);
    crypto_auth(proof, (const uint8_t *)&proven, sizeof proven, auth->secret);
}

static bool verify(const struct auth *auth, const char *role, const uint8_t *hello,
                   const uint8_t *proof)
{
    struct proven proven = proven_of(auth, role, hello);
    return crypto_auth_verify(proof, (const uint8_t *)&proven, sizeof proven, auth->secret) == 0;
}

void auth_client_challenge(struct auth *auth, uint8_t challenge_out[AUTH_CHALLENGE_BYTES])
{
    auth_random(auth->nonces, AUTH_NONCE_BYTES);
    memcpy(challenge_out, auth->nonces, AUTH_NONCE_BYTES);
}

bool auth_client_respond(struct auth *auth, const uint8_t answer[AUTH_ANSWER_BYTES],
                         const uint8_t hello[AUTH_HELLO_BYTES],
                         uint8_t response_out[AUTH_RESPONSE_BYTES])
{
    memcpy(auth->nonces + AUTH_NONCE_BYTES, answer, AUTH_NONCE_BYTES);
    if (!verify(auth, "server", NULL, answer + AUTH_NONCE_BYTES))
        return false;
    memcpy(response_out, hello, AUTH_HELLO_BYTES);
    prove(auth, "client", hello, response_out + AUTH_HELLO_BYTES);
    return true;
}

void auth_server_answer(struct auth *auth, const uint8_t challenge[AUTH_CHALLENGE_BYTES],
                        uint8_t answer_out[AUTH_ANSWER_BYTES])
{
    memcpy(auth->nonces, challenge, AUTH_NONCE_BYTES);
    auth_random(auth->nonces + AUTH_NONCE_BYTES, AUTH_NONCE_BYTES);
    memcpy(answer_out, auth->nonces + AUTH_NONCE_BYTES, AUTH_NONCE_BYTES);
    prove(auth, "server", NULL, answer_out + AUTH_NONCE_BYTES);
}

bool auth_server_check(struct auth *auth, const uint8_t response[AUTH_RESPONSE_BYTES],
                       uint8_t hello_out[AUTH_HELLO_BYTES])
{
    if (!verify(auth, "client", response, response + AUTH_HELLO_BYTES))
        return false;
    memcpy(hello_out, response, AUTH_HELLO_BYTES);
    return true;
}
