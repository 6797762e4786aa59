// SPDX-License-Identifier: BSD-3-Clause
//
// What is in flight between libpmix and the agent: calls of the library (fences, direct modex) that
// the agent answers, and fetches of the agent that the library answers.
#ifndef PMI_PMIX_CALLS_H
#define PMI_PMIX_CALLS_H

#include "pmi/pmix_server.h"

// Keeps the callback until helper_call_done. 0: out of memory, and `done` was called with that.
uint64_t helper_call_add(struct helper *helper, uint64_t job, pmix_modex_cbfunc_t done,
                         void *cbdata);

// Answers; an id that is none is one whose job has ended. The data is copied.
void helper_call_done(struct helper *helper, const struct pmi_answer_message *answer);

// Calls `done` with a copy of the data, or with an error.
void helper_complete(pmix_modex_cbfunc_t done, void *cbdata, pmix_status_t status, const void *data,
                     size_t length);

// Asks the library for what a local rank has published, and sends the answer to the agent.
void helper_get_start(struct helper *helper, const struct pmi_modex_message *wanted,
                      const char *nspace);

// Answers everything of the job, on both sides, with an error.
void helper_calls_cancel(struct helper *helper, uint64_t job);

#endif
