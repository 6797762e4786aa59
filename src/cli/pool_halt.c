// SPDX-License-Identifier: BSD-3-Clause
//
// --halt and --jobs: what they say, and what follows from it.
#include "config.h"

#include "cli/pool.h"

#include "cli/options.h"

enum {
    PERCENT_LEAST = 3, // tasks, before a percentage says anything
    MOST_PER_CORE = 8, // of -j 0
    JOBS_LIMIT = 4096, // workers on a node
};

// ---- halt

static bool halt_wrong(dragon_error_t *error)
{
    err_set(
        error, DRAGON_ERR_INVAL,
        "give never, or soon or now with fail=N, success=N or done=N: now,fail=1, soon,fail=10%%");
    return false;
}

static bool parse_limit(const char *text, struct pool_halt *halt)
{
    char digits[16];
    size_t length = strlen(text);
    long long number;
    halt->percent = length > 0 && text[length - 1] == '%';
    length -= halt->percent;
    if (length >= sizeof digits)
        return false;
    memcpy(digits, text, length);
    digits[length] = 0;
    if (!parse_number(digits, 1, halt->percent ? 100 : UINT32_MAX, &number))
        return false;
    halt->limit = (uint32_t)number;
    return true;
}

bool pool_halt_parse(const char *value, struct pool_halt *halt_out, dragon_error_t *error)
{
    static const struct {
        const char *name;
        enum pool_halt_what what;
    } words[] = {{"fail=", HALT_FAIL}, {"success=", HALT_SUCCESS}, {"done=", HALT_DONE}};
    struct pool_halt halt = {.now = value[0] == 'n'};
    if (strcmp(value, "never") == 0 || strcmp(value, "0") == 0) {
        *halt_out = (struct pool_halt){0};
        return true;
    }
    if (strcmp(value, "1") == 0 || strcmp(value, "2") == 0) // as GNU parallel once had it
        value = *value == '1' ? "soon,fail=1" : "now,fail=1";
    halt.now = strncmp(value, "now,", 4) == 0;
    if (!halt.now && strncmp(value, "soon,", 5) != 0)
        return halt_wrong(error);
    value += halt.now ? 4 : 5;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i].name);
        if (strncmp(value, words[i].name, length) != 0)
            continue;
        halt.what = words[i].what;
        if (!parse_limit(value + length, &halt))
            return halt_wrong(error);
        *halt_out = halt;
        return true;
    }
    return halt_wrong(error);
}

bool pool_halt_reached(const struct pool_halt *halt, const struct pool_counts *counts)
{
    uint64_t number = halt->what == HALT_FAIL      ? counts->failed
                      : halt->what == HALT_SUCCESS ? counts->done - counts->failed
                                                   : counts->done;
    if (halt->what == HALT_NEVER)
        return false;
    if (!halt->percent)
        return number >= halt->limit;
    if (counts->total)
        return number * 100 >= (uint64_t)halt->limit * counts->total;
    return number >= PERCENT_LEAST && number * 100 >= (uint64_t)halt->limit * counts->done;
}

// ---- jobs

bool pool_jobs_parse(const char *value, struct pool_jobs *jobs_out, dragon_error_t *error)
{
    struct pool_jobs jobs = {.kind = JOBS_NUMBER};
    char digits[16];
    size_t length = strlen(value);
    long long number = 0;
    bool sign = *value == '+' || *value == '-', percent = length > 1 && value[length - 1] == '%';
    if (sign)
        jobs.kind = JOBS_MORE;
    else if (percent)
        jobs.kind = JOBS_PERCENT;
    length -= percent;
    bool good = length < sizeof digits && !(sign && percent);
    if (good) {
        snprintf(digits, sizeof digits, "%.*s", (int)length - sign, value + sign);
        good = parse_number(digits, percent ? 1 : 0, percent ? 10000 : JOBS_LIMIT, &number);
    }
    if (!good) {
        err_set(error, DRAGON_ERR_INVAL,
                "give a number for each node, up to %d: 8, 50%% of the cores, +2 or -1 more than "
                "them, or 0 for many",
                JOBS_LIMIT);
        return false;
    }
    jobs.number = (int)(*value == '-' ? -number : number);
    if (jobs.kind == JOBS_NUMBER && number == 0)
        jobs.kind = JOBS_MOST;
    *jobs_out = jobs;
    return true;
}

uint32_t pool_jobs_on(const struct pool_jobs *jobs, uint32_t cores)
{
    long long count = cores;
    if (jobs->kind == JOBS_NUMBER)
        count = jobs->number;
    else if (jobs->kind == JOBS_PERCENT)
        count = ((long long)cores * jobs->number + 50) / 100;
    else if (jobs->kind == JOBS_MORE)
        count += jobs->number;
    else if (jobs->kind == JOBS_MOST)
        count *= MOST_PER_CORE;
    return count < 1 ? 1 : count > JOBS_LIMIT ? JOBS_LIMIT : (uint32_t)count;
}
