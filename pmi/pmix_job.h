// SPDX-License-Identifier: BSD-3-Clause
//
// One MPI job in dragon-pmix: from its registration with the library to its end.
#ifndef PMI_PMIX_JOB_H
#define PMI_PMIX_JOB_H

#include "pmi/pmix_server.h"

// Registers the job and answers JOB_READY when done. Takes the map out of the message.
void helper_job_start(struct helper *helper, struct pmi_job_message *message);

// Cancels what is open, and makes the library forget the job.
void helper_job_end(struct helper *helper, struct helper_job *job);

struct helper_job *helper_job_find(struct helper *helper, uint64_t id);
struct helper_job *helper_job_of_nspace(struct helper *helper, const char *nspace);

uint64_t helper_job_id(const struct helper_job *job);
const char *helper_job_nspace(const struct helper_job *job);
bool helper_job_has_here(const struct helper_job *job, uint32_t rank);

// Brings the members of a fence into the form of the message: `ranks` (owned, ascending) or all,
// and the number of this fence among those of the same members. False when a member is of another
// job or none, or memory is out.
bool helper_job_fence(struct helper_job *job, const struct helper_fence *fence,
                      struct pmi_fence_message *message);

#endif
