// SPDX-License-Identifier: BSD-3-Clause
//
// The places of runtimes' directories: see places.h. Batch systems give each job a TMPDIR that goes with the
// job; XDG_RUNTIME_DIR is the user's alone, but often small, and missing in batch jobs.
#include "config.h"

#include "cli/places.h"

#include "base/base.h"

size_t places_list(const char *places_out[PLACES_LIMIT])
{
    const char *candidates[PLACES_LIMIT] = {getenv("TMPDIR"), getenv("XDG_RUNTIME_DIR"), "/tmp"};
    size_t count = 0;
    for (size_t i = 0; i < PLACES_LIMIT; i++) {
        bool twice = false;
        for (size_t k = 0; candidates[i] && k < count; k++)
            twice = twice || strcmp(places_out[k], candidates[i]) == 0;
        if (candidates[i] && candidates[i][0] == '/' && !twice)
            places_out[count++] = candidates[i];
    }
    return count;
}
