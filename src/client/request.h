// SPDX-License-Identifier: BSD-3-Clause
//
// What was asked of node 0 and is not answered yet.
#ifndef CLIENT_REQUEST_H
#define CLIENT_REQUEST_H

#include "client/runtime.h"
#include "client/template.h"

#include <uthash.h>

enum {
    ANSWER_MS = 10000, // for what node 0 can tell at once
    START_MS = 70000,  // for a start; the runtime's own limit is 60 s and answers first
};

// Waits in the runtime's table for its one answer, or for somebody to give it up; then the answer still comes.
struct request {
    uint32_t number;
    struct dragon_runtime *runtime; // borrowed
    bool query;                     // answered by GC_ANSWER, else by GC_STARTED
    bool waited;                    // request_wait destroys it
    bool answered, given_up;
    bool queued; // it waits for room
    uint32_t most_ms; // for the answer; 0: ANSWER_MS or START_MS
    uint64_t since_ms,
        wait_ms;          // asked for, or first in the queue, or out of it; in the queue at most
    dragon_error_t error; // OK, or what was answered
    int code;             // of a group that was not started
    uint64_t group;
    struct run *run; // borrowed: whose start it is; NULL: nobody's, or it is something else
    // Called for the answer, good or bad, also when given up. False: it is not understood.
    bool (*on_answer)(struct request *request, struct unpack *unpack);
    void *arg;
    struct dragon_template *added; // owned: of ORDER_ADD
    uint32_t ranks;                // of it
    UT_hash_handle hh;
};

struct request *request_create(struct dragon_runtime *runtime,
                               bool (*on_answer)(struct request *request, struct unpack *unpack));
void request_destroy(struct request *request); // also takes it out of the table

// Sends GC_SUBMIT or GC_QUERY for it. TOO_BIG, NOMEM, PEER: it was not sent.
dragon_err_t request_submit(struct request *request, enum group_order order, uint64_t group,
                            const struct group_spec *spec, dragon_error_t *error);
dragon_err_t request_query(struct request *request, enum group_query query, uint64_t group,
                           dragon_error_t *error);

int64_t request_deadline(const struct request *request);
// Waits for the answer and is the end of the request for the caller, whatever comes.
dragon_err_t request_wait(struct request *request, dragon_error_t *error);

bool requests_on_message(struct dragon_runtime *runtime, const struct link_message *message);
void requests_on_lost(struct dragon_runtime *runtime);

#endif
