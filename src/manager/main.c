// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-dict-manager DICTIONARY REPORTS BYTES NUMA HUGE: a rank of the group that dragon_dict_create starts, not started by
// people. It says over the channel REPORTS that it is up, or why not.
#include "config.h"

#include "client/dict.h"
#include "manager/manager.h"

#include <errno.h>
#include <signal.h>

enum { REPORT_MS = 30000, EXIT_FAILED = 1, EXIT_USAGE = 125 };

static bool read_number(const char *text, int64_t least, int64_t most, int64_t *number_out)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end || number < least || number > most)
        return false;
    *number_out = number;
    return true;
}

static bool read_options(char **argv, struct manager_options *options_out)
{
    const char *rank = getenv("DRAGON_RANK");
    int64_t number = 0, bytes, numa, huge;
    if (!rank || !read_number(rank, 0, DRAGON_DICT_MANAGERS_MOST - 1, &number) ||
        !read_number(argv[3], 1, INT64_MAX, &bytes) ||
        !read_number(argv[4], DRAGON_ANY_NUMA, INT16_MAX, &numa) ||
        !read_number(argv[5], 0, DRAGON_HUGE_REQUIRE, &huge))
        return false;
    *options_out = (struct manager_options){.descriptor = argv[1],
                                            .number = (uint32_t)number,
                                            .bytes = (uint64_t)bytes,
                                            .numa = (int32_t)numa,
                                            .huge = (uint8_t)huge};
    return true;
}

static dragon_err_t say(dragon_channel_t *channel, uint32_t number, const dragon_error_t *error)
{
    struct dict_report report;
    memset(&report, 0, sizeof report); // all of it is sent
    report.manager = number;
    report.error = *error;
    return dragon_channel_send(channel, &report, sizeof report, 0, REPORT_MS);
}

// *told_out: who makes the dictionary knows of the error.
static dragon_err_t serve(dragon_runtime_t *runtime, const struct manager_options *options,
                          dragon_channel_t *channel, bool *told_out, dragon_error_t *error)
{
    struct manager *manager = NULL;
    dragon_err_t err = manager_create(runtime, options, &manager, error);
    if (err == DRAGON_OK)
        *error = (dragon_error_t){.code = DRAGON_OK};
    else
        *told_out = true;
    dragon_err_t said = say(channel, options->number, error);
    if (said != DRAGON_OK) {
        *told_out = false;
        if (err == DRAGON_OK)
            err = err_set(error, said, "nobody waits for this manager any more");
    }
    if (err == DRAGON_OK)
        err = manager_run(manager, error);
    dragon_channel_detach(channel);
    manager_destroy(manager);
    return err;
}

int main(int argc, char **argv)
{
    struct manager_options options;
    dragon_runtime_t *runtime;
    dragon_channel_t *channel;
    dragon_error_t error;
    bool told = false;
    log_open(DICT_MANAGER, "");
    signal(SIGPIPE, SIG_IGN);
    if (argc != 6 || !read_options(argv, &options)) {
        log_error("this is a part of dragon_dict_create, which starts it; it is not to be called "
                  "by hand");
        return EXIT_USAGE;
    }
    dragon_err_t err = dragon_runtime_attach(&runtime, &error);
    if (err == DRAGON_OK) {
        err = dragon_channel_attach(runtime, argv[2], &channel, &error);
        if (err == DRAGON_OK)
            err = serve(runtime, &options, channel, &told, &error);
        dragon_runtime_detach(runtime);
    }
    if (err != DRAGON_OK && !told)
        log_error("%s", error.text);
    return err == DRAGON_OK ? 0 : EXIT_FAILED;
}
