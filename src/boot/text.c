// SPDX-License-Identifier: BSD-3-Clause
//
// Texts that more than one kind needs: who is missing, how long we have waited, why a wait ended.
#include "config.h"

#include "boot/internal.h"

const char *boot_waited(const struct boot *boot, char text[BOOT_TEXT_BYTES])
{
    uint64_t ms = time_now_ms() - boot->started_ms;
    if (ms < 1000)
        snprintf(text, BOOT_TEXT_BYTES, "%.1f s", (double)ms / 1000);
    else
        snprintf(text, BOOT_TEXT_BYTES, "%llu s", (unsigned long long)(ms + 500) / 1000);
    return text;
}

// The run of missing ranks from `first` on: the rank after its last one.
static uint32_t run_end(const bool *here, uint32_t size, uint32_t first)
{
    while (first < size && !here[first])
        first++;
    return first;
}

static void append(char *text, size_t *length, const char *more)
{
    *length += (size_t)snprintf(text + *length, BOOT_TEXT_BYTES - *length, "%s", more);
}

const char *boot_missing(const bool *here, uint32_t size, char text[BOOT_TEXT_BYTES])
{
    enum { KEPT_FREE = 48 }; // for " and 1048576 more of 1048576"
    uint32_t missing = 0, named = 0;
    for (uint32_t i = 0; i < size; i++)
        missing += !here[i];
    size_t length = 0;
    char more[BOOT_TEXT_BYTES];
    append(text, &length, missing == 1 ? "rank " : "ranks ");
    for (uint32_t i = 0; i < size && length < BOOT_TEXT_BYTES - KEPT_FREE; i++) {
        if (here[i])
            continue;
        uint32_t end = run_end(here, size, i);
        const char *comma = named ? ", " : "";
        if (end - i < 3) {
            snprintf(more, sizeof more, "%s%u", comma, i);
            end = i + 1;
        } else {
            snprintf(more, sizeof more, "%s%u-%u", comma, i, end - 1);
        }
        append(text, &length, more);
        named += end - i;
        i = end - 1;
    }
    if (named < missing) {
        snprintf(more, sizeof more, " and %u more", missing - named);
        append(text, &length, more);
    }
    snprintf(more, sizeof more, " of %u", size);
    append(text, &length, more);
    return text;
}

dragon_err_t boot_wait_error(const struct boot *boot, dragon_err_t code, const char *what,
                             dragon_error_t *error)
{
    char waited[BOOT_TEXT_BYTES];
    switch (code) {
    case DRAGON_ERR_TIMEOUT:
        return err_set(error, code, "%s: no answer within %s", what, boot_waited(boot, waited));
    case DRAGON_ERR_CANCELED:
        return err_set(error, code, "%s: given up on request", what);
    case DRAGON_ERR_CLOSED:
        return err_set(error, DRAGON_ERR_PEER, "%s: the connection was closed", what);
    case DRAGON_ERR_PEER:
        return err_set(error, code, "%s: the connection broke", what);
    default:
        return err_set(error, code, "%s: %s", what, dragon_err_text(code));
    }
}
