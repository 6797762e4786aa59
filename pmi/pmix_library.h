// SPDX-License-Identifier: BSD-3-Clause
//
// The PMIx library's headers, which call what base/banned.h bans.
#ifndef PMI_PMIX_LIBRARY_H
#define PMI_PMIX_LIBRARY_H

#pragma push_macro("atoi")
#undef atoi
#include <pmix.h>
#include <pmix_server.h>
#pragma pop_macro("atoi")

#endif
