// SPDX-License-Identifier: BSD-3-Clause
//
// Status codes of the PMIx library and ours: each of ours comes back from its status as itself.
#include "config.h"

#include "pmi/pmix_codes.h"

#include <criterion/criterion.h>

Test(pmi_codes, there_and_back)
{
    cr_expect_eq(pmix_codes_of_err(DRAGON_OK), 0);
#define THERE_AND_BACK(name, value, text)                                                          \
    cr_expect_eq(pmix_codes_to_err(pmix_codes_of_err(DRAGON_ERR_##name)), DRAGON_ERR_##name, "%s", \
                 #name);
    DRAGON_ERR_LIST(THERE_AND_BACK)
#undef THERE_AND_BACK
    cr_expect_eq(pmix_codes_to_err(pmix_codes_of_err(DRAGON_OK)), DRAGON_OK);
}

Test(pmi_codes, unknown_ones)
{
    cr_expect_eq(pmix_codes_to_err(-123456), DRAGON_ERR_SYS);
    cr_expect_eq(pmix_codes_of_err((dragon_err_t)-12345), pmix_codes_of_err(DRAGON_ERR_SYS));
}
