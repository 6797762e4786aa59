// SPDX-License-Identifier: BSD-3-Clause
//
// What a job's ranks can ask about it without asking anybody: the array for
// PMIx_server_register_nspace.
#ifndef PMI_PMIX_JOBINFO_H
#define PMI_PMIX_JOBINFO_H

#include "pmi/pmix_library.h"
#include "pmi/proto.h"

// False when the library refuses or memory is out. The caller frees with helper_jobinfo_fini.
bool helper_jobinfo(const struct pmi_job_message *job, const char *topology,
                    pmix_data_array_t *info_out);
void helper_jobinfo_fini(pmix_data_array_t *info);

#endif
