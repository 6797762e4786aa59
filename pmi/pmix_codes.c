// SPDX-License-Identifier: BSD-3-Clause
//
// Status codes of the PMIx library: see pmix_codes.h. Reading goes from the left, writing from the
// right; the first row that fits counts.
#include "config.h"

#include "pmi/pmix_codes.h"

#include "pmi/pmix_library.h"

static const struct {
    int status;
    dragon_err_t err;
} the_codes[] = {
    {PMIX_SUCCESS, DRAGON_OK},
    {PMIX_OPERATION_SUCCEEDED, DRAGON_OK},
    {PMIX_ERR_BAD_PARAM, DRAGON_ERR_INVAL},
    {PMIX_ERR_INVALID_NAMESPACE, DRAGON_ERR_INVAL},
    {PMIX_ERR_NOMEM, DRAGON_ERR_NOMEM},
    {PMIX_ERR_TIMEOUT, DRAGON_ERR_TIMEOUT},
    {PMIX_ERR_RESOURCE_BUSY, DRAGON_ERR_AGAIN},
    {PMIX_ERR_JOB_CANCELED, DRAGON_ERR_CANCELED},
    {PMIX_ERR_UNREACH, DRAGON_ERR_PEER},
    {PMIX_ERR_LOST_CONNECTION, DRAGON_ERR_PEER},
    {PMIX_ERR_COMM_FAILURE, DRAGON_ERR_CLOSED},
    {PMIX_ERR_NOT_FOUND, DRAGON_ERR_NOT_FOUND},
    {PMIX_EXISTS, DRAGON_ERR_EXISTS},
    {PMIX_ERR_DUPLICATE_KEY, DRAGON_ERR_EXISTS},
    {PMIX_ERR_OUT_OF_RESOURCE, DRAGON_ERR_FULL},
    {PMIX_ERR_UNPACK_READ_PAST_END_OF_BUFFER, DRAGON_ERR_TOO_BIG},
    {PMIX_ERR_INIT, DRAGON_ERR_STATE},
    {PMIX_ERR_NOT_SUPPORTED, DRAGON_ERR_UNSUPPORTED},
    {PMIX_ERR_UNPACK_FAILURE, DRAGON_ERR_PROTO},
    {PMIX_ERR_INVALID_CRED, DRAGON_ERR_DENIED},
    {PMIX_ERR_NO_PERMISSIONS, DRAGON_ERR_DENIED},
    {PMIX_ERR_JOB_FAILED_TO_LAUNCH, DRAGON_ERR_LAUNCH},
    {PMIX_ERR_JOB_NON_ZERO_TERM, DRAGON_ERR_FAILED},
    {PMIX_ERROR, DRAGON_ERR_SYS},
};

enum { CODES = sizeof the_codes / sizeof *the_codes };

dragon_err_t pmix_codes_to_err(int status)
{
    for (size_t i = 0; i < CODES; i++)
        if (the_codes[i].status == status)
            return the_codes[i].err;
    return DRAGON_ERR_SYS;
}

int pmix_codes_of_err(dragon_err_t err)
{
    for (size_t i = 0; i < CODES; i++)
        if (the_codes[i].err == err)
            return the_codes[i].status;
    return PMIX_ERROR;
}
