// SPDX-License-Identifier: BSD-3-Clause
//
// Proving that both ends of a connection know the runtime's secret, before either end looks at
// anything else from the other. All messages have a fixed size:
//
//     client -> server: nonce (32)
//     server -> client: nonce (32), proof (32) of both nonces, so the client knows the server
//     client -> server: hello (16), proof (32) of both nonces and the hello
//
// A proof is a keyed hash (HMAC-SHA-512-256) under the secret; `purpose` goes into it, so that a proof
// made for one use is none for another. What follows on the connection is not encrypted.
// No I/O here: the caller moves the bytes.
#ifndef NET_AUTH_H
#define NET_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    AUTH_SECRET_BYTES = 32,
    AUTH_NONCE_BYTES = 32,
    AUTH_PROOF_BYTES = 32,
    AUTH_HELLO_BYTES = 16,                                     // what it says is the caller's
    AUTH_CHALLENGE_BYTES = AUTH_NONCE_BYTES,                   // first message
    AUTH_ANSWER_BYTES = AUTH_NONCE_BYTES + AUTH_PROOF_BYTES,   // second
    AUTH_RESPONSE_BYTES = AUTH_HELLO_BYTES + AUTH_PROOF_BYTES, // third
};

struct auth {
    uint8_t secret[AUTH_SECRET_BYTES];
    uint8_t nonces[2 * AUTH_NONCE_BYTES]; // the client's, the server's
    char purpose[8];
};

// Once per process, before anything else here; false when the system gives no random bytes.
bool auth_open(void);
void auth_random(void *bytes, size_t length);

// Another key, for `purpose`: who knows the secret can make it, and it does not tell the secret.
enum { AUTH_KEY_BYTES = 32 };
void auth_derive(const uint8_t secret[AUTH_SECRET_BYTES], const char *purpose,
                 uint8_t key_out[AUTH_KEY_BYTES]);

void auth_start(struct auth *auth, const uint8_t secret[AUTH_SECRET_BYTES], const char *purpose);
void auth_fini(struct auth *auth); // forgets the secret

void auth_client_challenge(struct auth *auth, uint8_t challenge_out[AUTH_CHALLENGE_BYTES]);
// False: the other end does not know the secret.
bool auth_client_respond(struct auth *auth, const uint8_t answer[AUTH_ANSWER_BYTES],
                         const uint8_t hello[AUTH_HELLO_BYTES],
                         uint8_t response_out[AUTH_RESPONSE_BYTES]);

void auth_server_answer(struct auth *auth, const uint8_t challenge[AUTH_CHALLENGE_BYTES],
                        uint8_t answer_out[AUTH_ANSWER_BYTES]);
// False: the other end does not know the secret; hello_out is untouched then.
bool auth_server_check(struct auth *auth, const uint8_t response[AUTH_RESPONSE_BYTES],
                       uint8_t hello_out[AUTH_HELLO_BYTES]);

#endif
