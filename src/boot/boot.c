// SPDX-License-Identifier: BSD-3-Clause
//
// Choosing a kind, and what all kinds have in common: arguments, limits, ownership of the table.
// Each kind lives in a file of its own and is reached through boot->ops; `single` needs none.
#include "config.h"

#include "boot/internal.h"

#include <errno.h>

static dragon_err_t single_exchange(struct boot *boot, struct boot_blob *table,
                                    dragon_error_t *error)
{
    (void)boot, (void)table, (void)error; // the own entry is there already
    return DRAGON_OK;
}

static void single_leave(struct boot *boot)
{
    (void)boot;
}

static const struct boot_ops single_ops = {single_exchange, single_leave};

static dragon_err_t single_join(struct boot *boot)
{
    boot->ops = &single_ops;
    boot->rank = 0;
    boot->size = 1;
    return DRAGON_OK;
}

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value && *value;
}

static bool pmi1_offered(void)
{
    return is_set("PMI_FD") || is_set("PMI_PORT");
}

static enum boot_kind choose(const struct boot_options *options)
{
    if (options->rank >= 0)
        return BOOT_EXPLICIT;
    if (is_set("PMIX_NAMESPACE"))
        return BOOT_PMIX;
    return pmi1_offered() ? BOOT_PMI1 : BOOT_SINGLE;
}

static dragon_err_t join_kind(struct boot *boot, const struct boot_options *options,
                              dragon_error_t *error)
{
    switch (boot->kind) {
    case BOOT_EXPLICIT:
        return boot_explicit_join(boot, options, error);
    case BOOT_PMIX:
        return boot_pmix_join(boot, error);
    case BOOT_PMI1:
        return boot_pmi1_join(boot, error);
    case BOOT_SINGLE:
        break;
    }
    return single_join(boot);
}

dragon_err_t boot_join(const struct boot_options *options, struct boot **boot_out,
                       dragon_error_t *error)
{
    struct boot *boot = calloc(1, sizeof *boot);
    if (!boot)
        return err_set(error, DRAGON_ERR_NOMEM, "no memory to join the run");
    boot->started_ms = time_now_ms();
    boot->deadline_ms = options->deadline_ms;
    boot->cancel_fd = options->cancel_fd;
    boot->kind = choose(options);
    dragon_err_t err = join_kind(boot, options, error);
    // A launcher may leave variables of an outer PMIx server to programs which it serves by PMI-1.
    if (err == DRAGON_ERR_PEER && boot->kind == BOOT_PMIX && pmi1_offered()) {
        log_debug("boot: no PMIx server answers, trying PMI-1");
        boot->kind = BOOT_PMI1;
        err = join_kind(boot, options, error);
    }
    if (err) {
        free(boot);
        return err;
    }
    log_debug("boot: joined kind %s rank %u size %u ms %llu", boot_kind_name(boot->kind),
              boot->rank, boot->size, (unsigned long long)(time_now_ms() - boot->started_ms));
    *boot_out = boot;
    return DRAGON_OK;
}

void boot_destroy(struct boot *boot)
{
    if (!boot)
        return;
    int kept = errno;
    boot->ops->leave(boot);
    free(boot);
    errno = kept;
}

enum boot_kind boot_kind(const struct boot *boot)
{
    return boot->kind;
}

const char *boot_kind_name(enum boot_kind kind)
{
    static const char *const names[] = {
        [BOOT_SINGLE] = "single",
        [BOOT_EXPLICIT] = "explicit",
        [BOOT_PMIX] = "pmix",
        [BOOT_PMI1] = "pmi1",
    };
    return names[kind];
}

uint32_t boot_rank(const struct boot *boot)
{
    return boot->rank;
}

uint32_t boot_size(const struct boot *boot)
{
    return boot->size;
}

enum boot_teller boot_teller(const struct boot *boot)
{
    return boot->teller;
}

dragon_err_t boot_exchange(struct boot *boot, const struct boot_blob *mine,
                           struct boot_blob **blobs_out, dragon_error_t *error)
{
    if (boot->exchanged)
        return err_set(error, DRAGON_ERR_STATE, "addresses are exchanged only once per start");
    if (mine->length > BOOT_BLOB_LIMIT)
        return err_set(error, DRAGON_ERR_TOO_BIG,
                       "rank %u offers %zu bytes for the exchange of addresses; the limit is %d",
                       boot->rank, mine->length, BOOT_BLOB_LIMIT);
    boot->exchanged = true;
    uint64_t before_ms = time_now_ms();
    struct boot_blob *table = calloc(boot->size, sizeof *table);
    dragon_err_t err = DRAGON_ERR_NOMEM;
    if (!table || !boot_blob_copy(mine->data, mine->length, &table[boot->rank]))
        err_set(error, err, "no memory for the addresses of %u ranks", boot->size);
    else
        err = boot->ops->exchange(boot, table, error);
    if (err) {
        boot_blobs_free(table, boot->size);
        return err;
    }
    log_debug("boot: exchanged ranks %u ms %llu", boot->size,
              (unsigned long long)(time_now_ms() - before_ms));
    *blobs_out = table;
    return DRAGON_OK;
}

void boot_blobs_free(struct boot_blob *blobs, uint32_t count)
{
    for (uint32_t i = 0; blobs && i < count; i++)
        free(blobs[i].data);
    free(blobs);
}
