// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-info: shows a running runtime of this user, found without being told where it is. Uses the library's
// public headers alone, as any client. A word says what is shown: see the table of words.
#include "config.h"

#include "cli/info.h"

#include "cli/info_doctor.h"
#include "cli/options.h"

#include <errno.h>

enum { OPTION_JSON = 256, OPTION_RUNTIME };

struct given {
    bool json, verbose;
    const char *path;        // of --runtime, or DRAGON_RUNTIME; NULL: neither
    const char *name;        // of the word
    const struct word *word; // NULL: runtimes and doctor
    const char *group;       // NULL: all
};

struct word {
    const char *name; // NULL: without a word
    bool (*show)(const struct info *info);
    bool (*json)(const struct info *info);
    bool takes_group;
};

static const struct word words[] = {
    {NULL, show_overview, json_overview, false}, {"nodes", show_nodes, json_nodes, false},
    {"groups", show_groups, json_groups, true},  {"ranks", show_ranks, json_ranks, true},
    {"gpus", show_gpus, json_gpus, false},
};
enum { WORDS = sizeof words / sizeof *words };

static const struct option_row rows[] = {
    {OPTION_JSON, 0, "json", NULL, NULL, "print one JSON object, for programs"},
    {OPTION_RUNTIME, 0, "runtime", "DIR", NULL, "this runtime, by its directory or its socket"},
    {'q', 'q', "quiet", NULL, NULL, "no notices"},
    {'v', 'v', "verbose", NULL, NULL, "more: each core of the nodes, and who uses it"},
    {0},
};

static const char about[] =
    "Shows a runtime of this user: the one this is called in (DRAGON_RUNTIME), or the\n"
    "one that runs on this host.\n\n"
    "  dragon-info                what there is, what of it is free, and what runs\n"
    "  dragon-info nodes          the nodes; with -v each core\n"
    "  dragon-info gpus           the GPUs\n"
    "  dragon-info groups         process groups that have not ended\n"
    "  dragon-info ranks [GROUP]  their ranks; GROUP is an id or a name\n"
    "  dragon-info runtimes       the runtimes of this user on this host\n"
    "  dragon-info doctor         what works on this host, what does not, and why\n\n"
    "The exit code is 1 when there is no such runtime or group or a check of the\n"
    "doctor fails, 125 after an error.";

static bool take_option(void *arg, int id, const char *value, dragon_error_t *error)
{
    struct given *given = arg;
    switch (id) {
    case OPTION_JSON:
        given->json = true;
        return true;
    case OPTION_RUNTIME:
        given->path = value;
        if (*value)
            return true;
        err_set(error, DRAGON_ERR_INVAL, "give a runtime's directory, or its socket");
        return false;
    case 'q':
        log_set_level(LOG_LEVEL_QUIET);
        return true;
    default:
        given->verbose = true;
        log_set_level(LOG_LEVEL_VERBOSE);
        return true;
    }
}

static const char *const names[] = {"nodes", "groups", "ranks", "gpus", "runtimes", "doctor", NULL};

static const struct options command = {
    .command = "dragon-info",
    .usage = "[OPTION...] [nodes|groups|ranks|gpus|runtimes|doctor] [GROUP]",
    .about = about,
    .rows = rows,
    .take = take_option,
    .operands = names,
};

static const struct word *find_word(const char *name)
{
    for (size_t i = 1; i < WORDS; i++)
        if (strcmp(words[i].name, name) == 0)
            return &words[i];
    return NULL;
}

static void refuse_word(const struct options *options, const char *name)
{
    dragon_error_t error;
    size_t index;
    option_choice(name, names, sizeof names / sizeof *names - 1, &index, &error);
    options_refuse(options, "nothing to show by the name of \"%s\": %s", name, error.text);
}

// Options are taken before the words, between them and behind them.
static void parse(struct given *given, int argc, char **argv)
{
    struct options options = command;
    const char *operands[2] = {NULL, NULL};
    int count = 0;
    options.arg = given;
    for (int at = options_parse(&options, argc, argv); argv[at];
         at += options_parse(&options, argc - at, argv + at)) {
        if (count == 2)
            options_refuse(&options, "too many words: \"%s\"", argv[at]);
        operands[count++] = argv[at];
    }
    given->name = operands[0];
    given->group = operands[1];
    given->word = given->name ? find_word(given->name) : &words[0];
    bool alone =
        given->name && (strcmp(given->name, "runtimes") == 0 || strcmp(given->name, "doctor") == 0);
    if (!given->word && !alone)
        refuse_word(&options, given->name);
    if (given->group && (alone || !given->word->takes_group))
        options_refuse(&options, "%s takes no further word: \"%s\"", given->name, given->group);
}

// ---- what is shown

// The code, after having said what went wrong: standard output may be a full disk.
static int finish(bool good)
{
    if (good && fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    log_error("cannot write to standard output: %s", strerror(errno ? errno : ENOMEM));
    return INFO_EXIT_OURS;
}

static int show_all_runtimes(const struct given *given)
{
    struct found_list list;
    int code = INFO_EXIT_OURS;
    if (!found_list_fill(&list, given->path))
        log_error("out of memory");
    else if (given->json)
        code = finish(json_runtimes(&list));
    else
        code = finish(list.count == 0 || show_runtimes(&list));
    if (code == 0 && list.up == 0)
        code = found_say_none(&list);
    else if (code == 0)
        found_say_dead(&list);
    found_list_fini(&list);
    return code;
}

static bool is_known(const struct info *info)
{
    bool known = !info->group;
    for (uint32_t i = 0; !known && i < dragon_system_groups(info->system); i++)
        known = info_wants(info, dragon_system_group(info->system, i));
    return known;
}

static int show_word(const struct given *given, struct info *info)
{
    if (!uses_fill(&info->uses, info->system)) {
        log_error("out of memory");
        return INFO_EXIT_OURS;
    }
    if (is_known(info))
        return finish(given->json ? given->word->json(info) : given->word->show(info));
    log_error("no group \"%s\" runs or waits here; dragon-info groups lists those that do",
              info->group);
    return INFO_EXIT_NOTHING;
}

static int show_runtime(const struct given *given)
{
    struct info info = {.group = given->group, .verbose = given->verbose};
    dragon_runtime_t *runtime = NULL;
    dragon_system_t *system = NULL;
    dragon_error_t error;
    int code = found_attach(given->path, "dragon-info", &runtime);
    if (code != 0)
        return code;
    if (dragon_system_look(runtime, &system, &error) == DRAGON_OK) {
        info.runtime = runtime;
        info.system = system;
        code = show_word(given, &info);
    } else {
        log_error("%s", error.text);
        code = INFO_EXIT_OURS;
    }
    uses_fini(&info.uses);
    dragon_system_destroy(system);
    dragon_runtime_detach(runtime);
    return code;
}

int main(int argc, char **argv)
{
    const char *inside = getenv("DRAGON_RUNTIME");
    struct given given = {.path = inside && *inside ? inside : NULL};
    self_fill_streams();
    log_open("dragon-info", "");
    parse(&given, argc, argv);
    if (given.word)
        return show_runtime(&given);
    if (strcmp(given.name, "doctor") == 0)
        return info_doctor(given.json);
    return show_all_runtimes(&given);
}
