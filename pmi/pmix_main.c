// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-pmix: the PMIx server of one node, started by its agent with one end of a Unix stream
// socketpair as descriptor 3. It ends when the agent's end closes, and for no other reason of its
// own: signals that a launcher sends to everybody are the agent's to act on.
//
// A process of its own, because a PMIx client and a PMIx server cannot live in one, and so that
// faults and leaks of the library stay here.
#include "config.h"

#include "pmi/env.h"
#include "pmi/pmix_upcalls.h"

#include <getopt.h>
#include <signal.h>
#include <unistd.h>

enum { STOP_SECONDS = 5 };

static const char the_usage[] =
    "usage: dragon-pmix --node NAME --index N --nspace NAME --dir DIR [--topology FILE]\n"
    "Started by dragon-agent, with a connected socket as descriptor 3.\n";

static bool parse_options(int argc, char **argv, struct helper_options *options)
{
    static const struct option names[] = {
        {"node", required_argument, NULL, 'n'},     {"index", required_argument, NULL, 'i'},
        {"nspace", required_argument, NULL, 's'},   {"dir", required_argument, NULL, 'd'},
        {"topology", required_argument, NULL, 't'}, {0},
    };
    long long index = -1;
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (option == 'n')
            options->node = optarg;
        else if (option == 's')
            options->nspace = optarg;
        else if (option == 'd')
            options->dir = optarg;
        else if (option == 't')
            options->topology = optarg;
        else if (option != 'i' || !parse_number(optarg, 0, INT32_MAX, &index))
            return false;
    }
    options->index = (uint32_t)index;
    return optind == argc && options->node && options->nspace && options->dir && index >= 0;
}

// What an outer PMIx server told its client must not reach ours.
static bool clean_environment(const char *topology)
{
    static const char window[] = "PMIX_MCA_pmix_event_caching_window";
    char **env = strv_copy(environ);
    if (!env)
        return false;
    pmi_env_clean(env);
    // Lost connections are told at once, not collected for a second.
    bool done = env_get(env, window) || env_set(&env, window, "0");
    // What ranks log (PMIx_Log) goes to our standard error, by the library itself.
    static const char logging[] = "PMIX_MCA_plog";
    done = done && (env_get(env, logging) || env_set(&env, logging, "stdfd"));
    // The library reads the topology that we were given, and scans nothing.
    if (done && topology)
        done = env_set(&env, "HWLOC_XMLFILE", topology) && env_set(&env, "HWLOC_THISSYSTEM", "1");
    environ = env;
    return done;
}

// NULL when it cannot be read.
static char *read_file(const char *path)
{
    char *text = NULL;
    size_t room = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    if (getdelim(&text, &room, 0, file) < 0) {
        free(text);
        text = NULL;
    }
    fclose(file);
    return text;
}

static void ignore_signals(void)
{
    static const int signals[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], SIG_IGN);
}

int main(int argc, char **argv)
{
    struct helper_options options = {0};
    struct helper helper = {0};
    dragon_error_t error;
    if (!parse_options(argc, argv, &options)) {
        fputs(the_usage, stderr);
        return 2;
    }
    log_open("dragon-pmix", options.node);
    ignore_signals();
    if (options.topology)
        helper.topology = read_file(options.topology);
    if (!clean_environment(options.topology) || !helper_start(&helper, PMI_PROTO_FD)) {
        log_error("cannot start: descriptor %d is no socket, or memory is out", PMI_PROTO_FD);
        return 1;
    }
    if (!helper_library_start(&helper, &options, &error)) {
        log_error("%s", error.text);
        return 1;
    }
    loop_run(helper.loop);
    alarm(STOP_SECONDS); // the library has been seen to hang: then this ends us
    helper_stop(&helper);
    helper_library_stop(); // its thread is gone then, and nothing is posted any more
    loop_destroy(helper.loop);
    free(helper.topology);
    return 0;
}
