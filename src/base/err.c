// SPDX-License-Identifier: BSD-3-Clause
//
// Error codes, their names and texts, and the filling of error texts.
#include "config.h"

#include "base/base.h"

#include <errno.h>
#include <stdarg.h>

const char *dragon_err_name(dragon_err_t code)
{
    switch (code) {
    case DRAGON_OK:
        return "DRAGON_OK";
#define NAME_CASE(name, value, text) \
    case DRAGON_ERR_##name:          \
        return "DRAGON_ERR_" #name;
        DRAGON_ERR_LIST(NAME_CASE)
#undef NAME_CASE
    }
    return "unknown error";
}

bool err_is_code(int32_t number)
{
    switch (number) {
    case DRAGON_OK:
#define CODE_CASE(name, value, text) case DRAGON_ERR_##name:
        DRAGON_ERR_LIST(CODE_CASE)
#undef CODE_CASE
        return true;
    default:
        return false;
    }
}

const char *dragon_err_text(dragon_err_t code)
{
    switch (code) {
    case DRAGON_OK:
        return "no error";
#define TEXT_CASE(name, value, text) \
    case DRAGON_ERR_##name:          \
        return text;
        DRAGON_ERR_LIST(TEXT_CASE)
#undef TEXT_CASE
    }
    return "unknown error";
}

__attribute__((format(printf, 3, 0))) static void error_vset(dragon_error_t *error,
                                                             dragon_err_t code, const char *format,
                                                             va_list args)
{
    if (!error)
        return;
    error->code = code;
    int length = vsnprintf(error->text, sizeof error->text, format, args);
    if (length >= (int)sizeof error->text)
        memcpy(error->text + sizeof error->text - 4, "...", 4);
}

dragon_err_t err_set(dragon_error_t *error, dragon_err_t code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_vset(error, code, format, args);
    va_end(args);
    return code;
}

dragon_err_t err_set_errno(dragon_error_t *error, int errno_value, const char *format, ...)
{
    char text[sizeof error->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_set(error, err_from_errno(errno_value), "%s: %s", text, strerror(errno_value));
}

dragon_err_t err_from_errno(int errno_value)
{
    switch (errno_value) {
    case 0:
        return DRAGON_OK;
    case EINVAL:
        return DRAGON_ERR_INVAL;
    case ENOMEM:
        return DRAGON_ERR_NOMEM;
    case ETIMEDOUT:
        return DRAGON_ERR_TIMEOUT;
    case EAGAIN:
        return DRAGON_ERR_AGAIN;
    case ENOENT:
    case ESRCH:
        return DRAGON_ERR_NOT_FOUND;
    case EEXIST:
        return DRAGON_ERR_EXISTS;
    case EACCES:
    case EPERM:
        return DRAGON_ERR_DENIED;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return DRAGON_ERR_PEER;
    case ENOSPC:
        return DRAGON_ERR_FULL;
    default:
        return DRAGON_ERR_SYS;
    }
}

int err_exit_code(int errno_value)
{
    switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
        return 127;
    case EACCES:
    case EISDIR:
    case ELOOP:
    case ENOEXEC:
    case EPERM:
    case ETXTBSY:
        return 126;
    default:
        return 125;
    }
}
