// SPDX-License-Identifier: BSD-3-Clause
//
// The one place where status codes of the PMIx library become ours and back. A status is a plain
// int here, so that only what talks to the library includes its headers.
#ifndef PMI_PMIX_CODES_H
#define PMI_PMIX_CODES_H

#include <dragon/error.h>

dragon_err_t pmix_codes_to_err(int status);
int pmix_codes_of_err(dragon_err_t err);

#endif
