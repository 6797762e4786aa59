// SPDX-License-Identifier: BSD-3-Clause
//
// Addresses a host offers to others, as text: "10.0.0.7:4242", "[fe80::1]:4242".
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include "base/base.h"

#include <sys/socket.h>

enum { ADDRESS_LIMIT = 16 }; // how many a host offers at most

// "host:port" or "[v6]:port", numeric; false for anything else.
bool address_parse(const char *text, struct sockaddr_storage *address_out, socklen_t *length_out);

// Loopback addresses mean something on the same host only.
bool address_is_loopback(const char *text);

// Opens a listening TCP socket for agents (close-on-exec, non-blocking) and lists the addresses it can
// be reached at, loopback last. `network` chooses: NULL every interface that is up; else an interface
// ("ib0"), a network ("10.1.0.0/16") or an address. `local` offers loopback alone.
// Returns the socket, -1 on failure; *addresses_out is a list the caller frees with strv_free.
int address_listen(const char *network, bool local, char ***addresses_out, dragon_error_t *error);

#endif
