// SPDX-License-Identifier: BSD-3-Clause
//
// The face of boot/: finding out who is in the run, and exchanging one opaque blob per rank.
// Four ways, tried in this order:
//
//     explicit  rank, size and a rendezvous address are given; rank 0 listens there
//     pmix      PMIX_NAMESPACE is set: a PMIx client (Open MPI's mpiexec, srun --mpi=pmix)
//     pmi1      PMI_FD or PMI_PORT is set: the PMI-1 line protocol (MPICH's hydra,
//               srun --mpi=pmi2); also when no PMIx server answers
//     single    none of these: one node
//
// Everything here blocks, but never past the deadline, and gives up at once (CANCELED) when
// `cancel_fd` becomes readable. One join per process, one exchange per join. Calls are made by one
// thread at a time. Signals are the caller's: the threads in here have them all blocked.
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include "base/base.h"
#include "net/auth.h"

enum boot_kind { BOOT_SINGLE, BOOT_EXPLICIT, BOOT_PMIX, BOOT_PMI1 };

struct boot_options {
    long long rank; // -1: not given; else size, and if that is above 1 the next three, are given
    long long size;
    const char *address;     // "host:port", "[IPv6]:port"; rank 0 binds it, others connect
    const char *secret_file; // holds exactly AUTH_SECRET_BYTES bytes; ours alone, or /dev/fd/N
    int listen_fd;           // rank 0: an already listening socket in place of `address`, or -1;
                             // borrowed, made non-blocking: close it after the exchange
    uint64_t deadline_ms;    // of the clock of time_now_ms; for join and exchange together
    int cancel_fd;           // polled for reading, not read; -1: none. Borrowed until destroy
};

struct boot;

struct boot_blob {
    uint8_t *data; // owned
    size_t length;
};

enum {
    BOOT_BLOB_LIMIT = 1 << 20, // bytes a rank may offer, and a rank accepts from another
    BOOT_SIZE_LIMIT = 1 << 20, // ranks
};

// On success *boot_out is to be destroyed by the caller, and rank and size are known. The explicit
// kind reads the secret and binds here, and connects only in boot_exchange.
// INVAL: options (or the launcher's variables) do not fit each other; DENIED, NOT_FOUND: the secret
// file; PEER: the launcher that the environment speaks of does not answer; TIMEOUT, CANCELED.
dragon_err_t boot_join(const struct boot_options *options, struct boot **boot_out,
                       dragon_error_t *error);
enum boot_kind boot_kind(const struct boot *boot);
const char *boot_kind_name(enum boot_kind kind);
uint32_t boot_rank(const struct boot *boot);
uint32_t boot_size(const struct boot *boot);

// Gives every rank the blobs of all: *blobs_out has boot_size entries, by rank, freed with
// boot_blobs_free. Errors name the ranks (and hosts, where the launcher tells) that are missing:
// TIMEOUT: somebody did not come; PROTO: the launcher's fence reported success but moved no data,
// or what came is not from a program like this one; PEER: the rendezvous address could not be
// reached, or a rank or the launcher was lost meanwhile; DENIED: rank 0 has another secret;
// TOO_BIG: mine is above BOOT_BLOB_LIMIT; EXISTS: another process came as this rank;
// STATE: a second exchange. After success of the explicit kind, rank 0 knows that all have it.
dragon_err_t boot_exchange(struct boot *boot, const struct boot_blob *mine,
                           struct boot_blob **blobs_out, dragon_error_t *error);
void boot_blobs_free(struct boot_blob *blobs, uint32_t count);

// After an exchange that failed, who is to say so: often all ranks see the same.
enum boot_teller { BOOT_TELLER_UNKNOWN, BOOT_TELLER_SELF, BOOT_TELLER_OTHER };
enum boot_teller boot_teller(const struct boot *boot);

// Takes leave of the launcher (PMIx_Finalize, PMI finalize), for at most a few seconds whatever the
// deadline was. Keeps errno. NULL is fine.
void boot_destroy(struct boot *boot);

#endif
