// SPDX-License-Identifier: BSD-3-Clause
//
// Error codes: every one has a name and a text, and texts that are too long say so.
#include "config.h"

#include "base/base.h"

#include <criterion/criterion.h>
#include <errno.h>

static const struct {
    dragon_err_t code;
    const char *name, *text;
} the_codes[] = {{DRAGON_OK, "DRAGON_OK", "no error"},
#define ROW(name, value, text) {value, "DRAGON_ERR_" #name, text},
                 DRAGON_ERR_LIST(ROW)
#undef ROW
};
enum { CODES = sizeof the_codes / sizeof *the_codes };

Test(base_err, every_code_has_a_name_and_a_text)
{
    for (size_t i = 0; i < CODES; i++) {
        cr_expect(err_is_code(the_codes[i].code));
        cr_expect_str_eq(dragon_err_name(the_codes[i].code), the_codes[i].name);
        cr_expect_str_eq(dragon_err_text(the_codes[i].code), the_codes[i].text);
        for (size_t k = 0; k < i; k++) {
            cr_expect_neq(the_codes[i].code, the_codes[k].code);
            cr_expect_str_neq(the_codes[i].text, the_codes[k].text);
        }
    }
    cr_expect_eq(CODES, 19, "a new code: is it in the list of what callers act on?");
}

Test(base_err, what_is_no_code_is_named_as_such)
{
    const int strangers[] = {1, 2, -19, -99, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        cr_expect_not(err_is_code(strangers[i]));
        cr_expect_str_eq(dragon_err_name((dragon_err_t)strangers[i]), "unknown error");
        cr_expect_str_eq(dragon_err_text((dragon_err_t)strangers[i]), "unknown error");
    }
}

Test(base_err, set_fills_in_and_hands_back)
{
    dragon_error_t error;
    memset(&error, 'x', sizeof error);
    cr_expect_eq(err_set(&error, DRAGON_ERR_FULL, "%d of %s", 3, "four"), DRAGON_ERR_FULL);
    cr_expect_eq(error.code, DRAGON_ERR_FULL);
    cr_expect_str_eq(error.text, "3 of four");
    cr_expect_eq(err_set(NULL, DRAGON_ERR_PEER, "nobody reads this"), DRAGON_ERR_PEER);
    cr_expect_eq(err_set_errno(NULL, ENOENT, "nor this"), DRAGON_ERR_NOT_FOUND);
}

Test(base_err, a_text_that_is_cut_ends_in_dots)
{
    dragon_error_t error;
    char fits[sizeof error.text], longer[sizeof error.text + 1];
    memset(fits, 'a', sizeof fits);
    fits[sizeof fits - 1] = 0;
    memset(longer, 'b', sizeof longer);
    longer[sizeof longer - 1] = 0;

    err_set(&error, DRAGON_ERR_SYS, "%s", fits);
    cr_expect_str_eq(error.text, fits);
    err_set(&error, DRAGON_ERR_SYS, "%s", longer);
    cr_expect_eq(strlen(error.text), sizeof error.text - 1);
    cr_expect_str_eq(error.text + sizeof error.text - 6, "bb...");
}

Test(base_err, errno_and_its_text_are_added)
{
    dragon_error_t error;
    char longer[2 * sizeof error.text];
    cr_expect_eq(err_set_errno(&error, EACCES, "cannot open \"%s\"", "x"), DRAGON_ERR_DENIED);
    cr_expect_str_eq(error.text, "cannot open \"x\": Permission denied");
    memset(longer, 'c', sizeof longer);
    longer[sizeof longer - 1] = 0;
    err_set_errno(&error, EACCES, "%s", longer);
    cr_expect_str_eq(error.text + sizeof error.text - 5, "c...");
}

Test(base_err, errno_values_and_their_codes)
{
    static const struct {
        int problem;
        dragon_err_t code;
    } rows[] = {
        {0, DRAGON_OK},
        {EINVAL, DRAGON_ERR_INVAL},
        {ENOMEM, DRAGON_ERR_NOMEM},
        {ETIMEDOUT, DRAGON_ERR_TIMEOUT},
        {EAGAIN, DRAGON_ERR_AGAIN},
        {ENOENT, DRAGON_ERR_NOT_FOUND},
        {ESRCH, DRAGON_ERR_NOT_FOUND},
        {EEXIST, DRAGON_ERR_EXISTS},
        {EACCES, DRAGON_ERR_DENIED},
        {EPERM, DRAGON_ERR_DENIED},
        {EPIPE, DRAGON_ERR_PEER},
        {ECONNRESET, DRAGON_ERR_PEER},
        {ECONNREFUSED, DRAGON_ERR_PEER},
        {EHOSTUNREACH, DRAGON_ERR_PEER},
        {ENETUNREACH, DRAGON_ERR_PEER},
        {ENOSPC, DRAGON_ERR_FULL},
        {EIO, DRAGON_ERR_SYS},
        {ENODEV, DRAGON_ERR_SYS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(err_from_errno(rows[i].problem), rows[i].code, "errno %d", rows[i].problem);
}

Test(base_err, exit_codes_of_programs_that_cannot_be_run)
{
    static const int missing[] = {ENOENT, ENOTDIR}, refused[] = {EACCES, EISDIR, ENOEXEC};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        cr_expect_eq(err_exit_code(missing[i]), 127, "errno %d", missing[i]);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        cr_expect_eq(err_exit_code(refused[i]), 126, "errno %d", refused[i]);
    cr_expect_eq(err_exit_code(ENOMEM), 125);
}
