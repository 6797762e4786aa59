// SPDX-License-Identifier: BSD-3-Clause
//
// Which kind is chosen, the kind that needs nobody, and the codes of PMIx.
#include "config.h"

#include <pmix.h> // before base/banned.h, see boot_pmix.c

#include "boot/internal.h"

#include <criterion/criterion.h>
#include <unistd.h>

static void clear_environment(void)
{
    const char *const names[] = {"PMIX_NAMESPACE", "PMIX_RANK", "PMI_FD", "PMI_PORT", "PMI_ID"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
}

static dragon_err_t join(struct boot **boot_out, dragon_error_t *error)
{
    struct boot_options options = {
        .rank = -1, .listen_fd = -1, .cancel_fd = -1, .deadline_ms = time_now_ms() + 3000};
    return boot_join(&options, boot_out, error);
}

Test(boot_choose, nothing_is_set)
{
    struct boot *boot;
    struct boot_blob mine = {(uint8_t *)"here", 4}, *blobs;
    clear_environment();
    cr_assert(join(&boot, NULL) == DRAGON_OK);
    cr_assert(boot_kind(boot) == BOOT_SINGLE && boot_rank(boot) == 0 && boot_size(boot) == 1);
    cr_assert(boot_exchange(boot, &mine, &blobs, NULL) == DRAGON_OK);
    cr_assert(blobs[0].length == 4 && memcmp(blobs[0].data, "here", 4) == 0);
    boot_blobs_free(blobs, 1);
    boot_destroy(boot);
    boot_destroy(NULL);
}

Test(boot_choose, names)
{
    cr_assert(strcmp(boot_kind_name(BOOT_SINGLE), "single") == 0);
    cr_assert(strcmp(boot_kind_name(BOOT_PMI1), "pmi1") == 0);
}

Test(boot_choose, a_pmix_server_that_is_not_there)
{
    struct boot *boot;
    dragon_error_t error = {0};
    clear_environment();
    setenv("PMIX_NAMESPACE", "left.over", 1);
    setenv("PMIX_RANK", "0", 1);
    setenv("PMIX_SERVER_URI41", "left.0;tcp4://127.0.0.1:1", 1);
    cr_assert(join(&boot, &error) == DRAGON_ERR_PEER, "%s", error.text);
    cr_assert(strstr(error.text, "PMIX_NAMESPACE is set (left.over)"), "%s", error.text);
    cr_assert(strstr(error.text, "--rank"));
}

Test(boot_choose, pmi1_when_no_pmix_server_answers)
{
    struct boot *boot;
    dragon_error_t error = {0};
    clear_environment();
    setenv("PMIX_NAMESPACE", "left.over", 1);
    setenv("PMI_FD", "not a number", 1);
    cr_assert(join(&boot, &error) == DRAGON_ERR_INVAL);
    cr_assert(strstr(error.text, "PMI_FD"), "%s", error.text);
}

Test(boot_choose, every_pmix_code)
{
    static const struct {
        int status;
        dragon_err_t err;
    } rows[] = {
        {PMIX_SUCCESS, DRAGON_OK},
        {PMIX_OPERATION_SUCCEEDED, DRAGON_OK},
        {PMIX_ERR_TIMEOUT, DRAGON_ERR_TIMEOUT},
        {PMIX_ERR_UNREACH, DRAGON_ERR_PEER},
        {PMIX_ERR_LOST_CONNECTION, DRAGON_ERR_PEER},
        {PMIX_ERR_COMM_FAILURE, DRAGON_ERR_PEER},
        {PMIX_ERR_PROC_REQUESTED_ABORT, DRAGON_ERR_PEER},
        {PMIX_ERR_NOMEM, DRAGON_ERR_NOMEM},
        {PMIX_ERR_OUT_OF_RESOURCE, DRAGON_ERR_NOMEM},
        {PMIX_ERR_NOT_FOUND, DRAGON_ERR_NOT_FOUND},
        {PMIX_ERR_DATA_VALUE_NOT_FOUND, DRAGON_ERR_NOT_FOUND},
        {PMIX_ERR_EXISTS_OUTSIDE_SCOPE, DRAGON_ERR_NOT_FOUND},
        {PMIX_ERR_EXISTS, DRAGON_ERR_EXISTS},
        {PMIX_ERR_DUPLICATE_KEY, DRAGON_ERR_EXISTS},
        {PMIX_ERR_NOT_SUPPORTED, DRAGON_ERR_UNSUPPORTED},
        {PMIX_ERR_PARAM_VALUE_NOT_SUPPORTED, DRAGON_ERR_UNSUPPORTED},
        {PMIX_ERR_NOT_IMPLEMENTED, DRAGON_ERR_UNSUPPORTED},
        {PMIX_ERR_INVALID_CRED, DRAGON_ERR_DENIED},
        {PMIX_ERR_NO_PERMISSIONS, DRAGON_ERR_DENIED},
        {PMIX_ERR_BAD_PARAM, DRAGON_ERR_INVAL},
        {PMIX_ERR_INIT, DRAGON_ERR_STATE},
        {PMIX_ERR_INVALID_OPERATION, DRAGON_ERR_STATE},
        {PMIX_ERR_WOULD_BLOCK, DRAGON_ERR_AGAIN},
        {PMIX_ERR_RESOURCE_BUSY, DRAGON_ERR_AGAIN},
        {PMIX_ERR_UNKNOWN_DATA_TYPE, DRAGON_ERR_PROTO},
        {PMIX_ERR_TYPE_MISMATCH, DRAGON_ERR_PROTO},
        {PMIX_ERR_UNPACK_INADEQUATE_SPACE, DRAGON_ERR_PROTO},
        {PMIX_ERR_UNPACK_FAILURE, DRAGON_ERR_PROTO},
        {PMIX_ERR_PACK_FAILURE, DRAGON_ERR_PROTO},
        {PMIX_ERR_UNPACK_READ_PAST_END_OF_BUFFER, DRAGON_ERR_PROTO},
        {PMIX_ERR_PARTIAL_SUCCESS, DRAGON_ERR_PROTO},
        {PMIX_ERR_EMPTY, DRAGON_ERR_PROTO},
        {PMIX_ERROR, DRAGON_ERR_SYS},
        {-99999, DRAGON_ERR_SYS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert(boot_pmix_err(rows[i].status) == rows[i].err, "%s",
                  PMIx_Error_string(rows[i].status));
}
