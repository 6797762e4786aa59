// SPDX-License-Identifier: BSD-3-Clause
//
// One rank's PMI-1 connection: a stream socket with lines in and lines out. A client that does not
// read its answers is not read either, so that neither side's bytes pile up here.
#ifndef PMI_PMI1_CONN_H
#define PMI_PMI1_CONN_H

#include "loop/loop.h"

#include <stddef.h>

struct pmi1_conn_handler {
    // A line without its newline, in memory that may be changed. May destroy the connection.
    void (*on_line)(void *arg, char *line);
    // The peer closed, or a line was too long; `reason` in a few words. At most once, as the last
    // call; the connection is still to be destroyed.
    void (*on_closed)(void *arg, const char *reason);
};

struct pmi1_conn;

// Takes over `fd` (closed on destroy, or at once on failure: NULL when memory is out).
struct pmi1_conn *pmi1_conn_create(struct loop *loop, int fd,
                                   const struct pmi1_conn_handler *handler, void *arg);
void pmi1_conn_destroy(struct pmi1_conn *conn); // NULL is fine

// `text` ends in a newline. Copied as far as it cannot be written at once.
void pmi1_conn_send(struct pmi1_conn *conn, const char *text);

void pmi1_conn_drain(struct pmi1_conn *conn); // handles what is there now, without waiting

#endif
