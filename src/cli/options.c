// SPDX-License-Identifier: BSD-3-Clause
//
// Options: see options.h. getopt_long does the parsing.
#include "config.h"

#include "cli/options.h"

#include <getopt.h>
#include <stdarg.h>

enum { EXIT_OURS = 125, ROWS_LIMIT = 64 };

void options_refuse(const struct options *options, const char *format, ...)
{
    char text[700];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_error("%s", text);
    fprintf(stderr, "usage: %s %s\n       %s --help says more\n", options->command, options->usage,
            options->command);
    exit(EXIT_OURS);
}

static void print_row(char letter, const char *name, const char *argument, const char *help)
{
    char left[64];
    snprintf(left, sizeof left, "  %c%c%s --%s%s%s", letter ? '-' : ' ', letter ? letter : ' ',
             letter ? "," : " ", name, argument ? " " : "", argument ? argument : "");
    printf("%-28s %s\n", left, help);
}

static void print_help(const struct options *options)
{
    int variables = 0;
    printf("usage: %s %s\n\n%s\n\n", options->command, options->usage, options->about);
    for (const struct option_row *row = options->rows; row->name; row++) {
        print_row(row->letter, row->name, row->argument, row->help);
        variables += row->variable != NULL;
    }
    print_row('h', "help", NULL, "print this");
    print_row('V', "version", NULL, "print the release");
    if (variables == 0)
        return;
    printf("\nIn the environment, for the options of these names:\n ");
    for (const struct option_row *row = options->rows; row->name; row++)
        if (row->variable)
            printf(" %s", row->variable);
    printf("\n");
}

static void take(const struct options *options, const struct option_row *row, const char *value,
                 const char *source)
{
    dragon_error_t error;
    if (!options->take(options->arg, row->id, value, &error))
        options_refuse(options, "%s: \"%s\": %s", source, value ? value : "", error.text);
}

static void take_variables(const struct options *options)
{
    for (const struct option_row *row = options->rows; row->name; row++) {
        const char *value = row->variable ? getenv(row->variable) : NULL;
        if (value && *value)
            take(options, row, value, row->variable);
    }
}

static const struct option_row *find_row(const struct options *options, int id)
{
    for (const struct option_row *row = options->rows; row->name; row++)
        if (row->id == id)
            return row;
    return NULL;
}

// getopt_long accepts any beginning of a name that is unique today.
static void refuse_abbreviation(const struct options *options, const char *word, const char *name)
{
    size_t length = strcspn(word, "=");
    if (strncmp(word, "--", 2) == 0 &&
        (length != strlen(name) + 2 || strncmp(word + 2, name, length - 2) != 0))
        options_refuse(options, "no option %.*s (is --%s meant?)", (int)length, word, name);
}

static void handle(const struct options *options, int found, const char *word)
{
    char source[64];
    if (found == 'h' || found == 'V') {
        refuse_abbreviation(options, word, found == 'h' ? "help" : "version");
        if (found == 'h')
            print_help(options);
        else
            printf("%s %s\n", options->command, PACKAGE_VERSION);
        exit(0);
    }
    const struct option_row *row = find_row(options, found);
    if (!row) {
        if (found == ':')
            options_refuse(options, "option %s needs a value", word);
        options_refuse(options, "no option %s", word);
    }
    refuse_abbreviation(options, word, row->name);
    snprintf(source, sizeof source, "--%s", row->name);
    take(options, row, optarg, source);
}

int options_parse(const struct options *options, int argc, char **argv)
{
    struct option longs[ROWS_LIMIT + 3] = {{"help", no_argument, NULL, 'h'},
                                           {"version", no_argument, NULL, 'V'}};
    char letters[3 * ROWS_LIMIT] = "+:hV";
    size_t count = 2, used = strlen(letters);
    for (const struct option_row *row = options->rows; row->name && count < ROWS_LIMIT; row++) {
        longs[count++] = (struct option){row->name, row->argument ? required_argument : no_argument,
                                         NULL, row->id};
        if (row->letter)
            used += (size_t)snprintf(letters + used, sizeof letters - used, "%c%s", row->letter,
                                     row->argument ? ":" : "");
    }
    take_variables(options);
    opterr = 0;
    optind = 1;
    for (;;) {
        int at = optind;
        int found = getopt_long(argc, argv, letters, longs, NULL);
        if (found == -1)
            return optind;
        handle(options, found, argv[at]);
    }
}

bool option_number(const char *value, long long low, long long high, long long *out,
                   dragon_error_t *error)
{
    if (parse_number(value, low, high, out))
        return true;
    err_set(error, DRAGON_ERR_INVAL, "give a whole number from %lld to %lld", low, high);
    return false;
}

bool option_duration(const char *value, uint64_t *ms_out, dragon_error_t *error)
{
    if (parse_duration(value, ms_out))
        return true;
    err_set(error, DRAGON_ERR_INVAL, "give a time: 90, 90s, 500ms, 1.5h, 2d");
    return false;
}
