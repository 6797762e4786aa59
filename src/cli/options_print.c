// SPDX-License-Identifier: BSD-3-Clause
//
// What the table of options is printed as: the help, SYNOPSIS and OPTIONS of a manual page in the macros of
// man(7), and a completion function for bash.
#include "config.h"

#include "cli/options.h"

#include <ctype.h>
#include <unistd.h>

enum { HELP_COLUMN = 29, HELP_WIDTH = 80 };

static const struct option_row own_rows[] = {
    {'h', 'h', "help", NULL, NULL, "print this"},
    {'V', 'V', "version", NULL, NULL, "print the release"},
    {0},
};

// ---- for people

static bool is_coloured(void)
{
    const char *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && terminal &&
           strcmp(terminal, "dumb") != 0;
}

// From the column on, in lines that fit.
static void print_wrapped(const char *text, int column)
{
    int at = column;
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (at > column && at + 1 + length > HELP_WIDTH) {
            printf("\n%*s", column, "");
            at = column;
        }
        at += printf("%s%.*s", at > column ? " " : "", length, text);
        text += length;
        text += *text == ' ';
    }
    printf("\n");
}

static void print_row(const struct option_row *row)
{
    char left[80];
    int used = snprintf(left, sizeof left, "  %c%c%s --%s%s%s", row->letter ? '-' : ' ',
                        row->letter ? row->letter : ' ', row->letter ? "," : " ", row->name,
                        row->argument && !options_is_optional(row) ? " " : "",
                        row->argument ? row->argument : "");
    if (used >= HELP_COLUMN && used + 2 + (int)strlen(row->help) <= HELP_WIDTH) {
        printf("%s  %s\n", left, row->help);
        return;
    }
    if (used < HELP_COLUMN)
        printf("%-*s", HELP_COLUMN, left);
    else
        printf("%s\n%*s", left, HELP_COLUMN, "");
    print_wrapped(row->help, HELP_COLUMN);
}

static void print_variables(const struct options *options)
{
    static const char heading[] = "In the environment, for the options of these names:";
    int used = 0;
    for (const struct option_row *row = options->rows; !options_is_end(row); row++) {
        if (!row->variable)
            continue;
        int length = (int)strlen(row->variable) + 1;
        if (used == 0)
            printf("\n%s\n ", heading);
        else if (used + length > HELP_WIDTH - 2) {
            printf("\n ");
            used = 0;
        }
        printf(" %s", row->variable);
        used += length;
    }
    if (used)
        printf("\n");
}

static void print_help(const struct options *options, bool all)
{
    const char *bold = is_coloured() ? "\033[1m" : "", *plain = *bold ? "\033[0m" : "";
    bool shown = true, rare = false;
    printf("usage: %s %s\n\n%s\n\n", options->command, options->usage, options->about);
    for (const struct option_row *row = options->rows; !options_is_end(row); row++) {
        if (options_is_section(row)) {
            shown = all || row->id != OPTIONS_RARE;
            rare = rare || !shown;
            if (shown)
                printf("%s%s:%s\n", bold, row->help, plain);
        } else if (shown)
            print_row(row);
    }
    printf("  -h, --help, -V, --version  print this, or the release\n");
    print_variables(options);
    if (rare)
        printf("\n%s --help=all shows the others; the manual is \"man %s\".\n", options->command,
               options->command);
}

// ---- for man

// Text for man(7): hyphens that are to be copied, and nothing that is a macro.
static void print_escaped(const char *text, char font)
{
    if (font)
        printf("\\f%c", font);
    for (const char *at = text; *at; at++) {
        if (*at == '-')
            printf("\\-");
        else if (*at == '\\')
            printf("\\e");
        else if ((*at == '.' || *at == '\'') && at == text)
            printf("\\&%c", *at);
        else
            putchar(*at);
    }
    if (font)
        printf("\\fR");
}

// Words of small letters stand as they are, those in capitals for something.
static void print_argument(const char *argument)
{
    while (*argument) {
        bool name = isupper((unsigned char)*argument);
        const char *end = argument;
        while (*end && !!isupper((unsigned char)*end) == name)
            end++;
        char text[80];
        snprintf(text, sizeof text, "%.*s", (int)(end - argument), argument);
        print_escaped(text, name ? 'I' : 'B');
        argument = end;
    }
}

static void print_man_row(const struct options *options, const struct option_row *row)
{
    bool also = false;
    char name[80];
    printf(".TP\n");
    if (row->letter) {
        snprintf(name, sizeof name, "-%c", row->letter);
        print_escaped(name, 'B');
        printf(", ");
    }
    snprintf(name, sizeof name, "--%s", row->name);
    print_escaped(name, 'B');
    if (row->argument) {
        if (!options_is_optional(row))
            putchar(' ');
        print_argument(row->argument);
    }
    putchar('\n');
    char first[2] = {(char)toupper((unsigned char)row->help[0]), 0};
    print_escaped(first, 0);
    print_escaped(row->help + 1, 0);
    printf(".\n");
    for (const struct option_alias *alias = options->aliases; alias && alias->name; alias++) {
        if (alias->id != row->id)
            continue;
        printf(also ? ", " : "Also ");
        snprintf(name, sizeof name, "--%s", alias->name);
        print_escaped(name, 'B');
        also = true;
    }
    if (also)
        printf(".\n");
    if (row->variable) {
        printf("Variable of the environment: ");
        print_escaped(row->variable, 'B');
        printf(".\n");
    }
}

static void print_man(const struct options *options)
{
    bool sections = options_is_section(options->rows);
    printf(".SH SYNOPSIS\n");
    print_escaped(options->command, 'B');
    putchar('\n');
    print_escaped(options->usage, 0);
    printf("\n.SH OPTIONS\n");
    for (const struct option_row *row = options->rows; !options_is_end(row); row++) {
        if (options_is_section(row))
            printf(".SS %s\n", row->help);
        else
            print_man_row(options, row);
    }
    if (sections)
        printf(".SS Help\n");
    for (const struct option_row *row = own_rows; row->name; row++)
        print_man_row(options, row);
}

// ---- for bash

// The words that are a pattern of this option: "-n|--ntasks|--np".
static void print_pattern(const struct options *options, const struct option_row *row)
{
    if (row->letter)
        printf("-%c|", row->letter);
    printf("--%s", row->name);
    for (const struct option_alias *alias = options->aliases; alias && alias->name; alias++)
        if (alias->id == row->id)
            printf("|--%s", alias->name);
}

// Names may have blanks, so each line is one.
static void print_names(const char *kind)
{
    printf("mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen %s -- \"$cur\")", kind);
}

static void print_values(const struct options *options, const struct option_row *row)
{
    // Of several words with commas the last is completed.
    const char *word, *several = strstr(row->argument, ",...");
    int length;
    printf("        ");
    print_pattern(options, row);
    printf(")");
    if (option_word(row->argument, 0, &length)) {
        printf(" COMPREPLY=($(compgen%s -W '", several ? " -P \"${cur%\"${cur##*,}\"}\"" : "");
        for (size_t i = 0; (word = option_word(row->argument, i, &length)); i++)
            printf("%s%.*s", i ? " " : "", length, word);
        printf("' -- \"%s\"))\n           ", several ? "${cur##*,}" : "$cur");
    }
    if (strstr(row->argument, "FILE") || strstr(row->argument, "DIR")) {
        printf(" ");
        print_names(strstr(row->argument, "FILE") ? "-f" : "-d");
    }
    printf(" ;;\n");
}

static void print_bash_operands(const struct options *options)
{
    if (options->operands) {
        printf("    if [ -z \"$operand\" ]; then\n        COMPREPLY=($(compgen -W '");
        for (const char *const *word = options->operands; *word; word++)
            printf("%s%s", word == options->operands ? "" : " ", *word);
        printf("' -- \"$cur\"))\n        return\n    fi\n");
    } else {
        printf("    if [ -z \"$operand\" ]; then\n        ");
        print_names("-c");
        printf("\n        ");
        print_names("-f");
        printf("\n        return\n    fi\n"
               // What completes the program's own arguments, where bash-completion is there.
               "    if declare -F _command_offset >/dev/null; then\n"
               "        _command_offset \"$operand\"\n        return\n    fi\n");
    }
    printf("    ");
    print_names("-f");
    printf("\n");
}

// Goes through the words before the cursor: then `value` is the option of which it is the value, and
// `operand` where the program is.
static void print_bash_walk(const struct options *options)
{
    const char *between = "";
    printf("    local cur=${COMP_WORDS[COMP_CWORD]} word value='' operand='' i\n"
           "    COMPREPLY=()\n"
           "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        word=${COMP_WORDS[i]}\n");
    if (options->joined)
        printf("        if [ \"$word\" = : ]; then\n"
               "            operand='' value=''\n            continue\n        fi\n");
    // What follows a program's name is the program's.
    if (!options->operands)
        printf("        [ -z \"$operand\" ] || continue\n");
    printf("        if [ -n \"$value\" ]; then\n"
           // bash makes three words of --name=value.
           "            [ \"$word\" = = ] || value=''\n            continue\n        fi\n"
           "        case $word in\n        ");
    for (const struct option_row *row = options->rows; !options_is_end(row); row++) {
        if (!row->name || !row->argument || options_is_optional(row))
            continue;
        printf("%s", between);
        print_pattern(options, row);
        between = "|";
    }
    printf("%s) value=$word ;;\n        ", *between ? "" : "--");
    for (const struct option_row *row = options->rows; !options_is_end(row); row++) {
        if (!row->name || !options_is_optional(row))
            continue;
        print_pattern(options, row);
        printf(") [ \"${COMP_WORDS[i + 1]}\" != = ] || value=$word ;;\n        ");
    }
    printf("-?*) ;;\n        *) operand=$i ;;\n        esac\n    done\n");
}

static void print_bash(const struct options *options)
{
    char name[64];
    snprintf(name, sizeof name, "_%s", options->command);
    for (char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at))
            *at = '_';
    printf("# bash completion for %s\n%s()\n{\n", options->command, name);
    print_bash_walk(options);
    printf("    [ \"$cur\" != = ] || cur=''\n    if [ -n \"$value\" ]; then\n        case $value "
           "in\n");
    for (const struct option_row *row = options->rows; !options_is_end(row); row++)
        if (row->name && row->argument)
            print_values(options, row);
    printf("        esac\n        return\n    fi\n"
           "    if %s[[ $cur == -* ]]; then\n"
           "        COMPREPLY=($(compgen -W '",
           options->operands ? "" : "[ -z \"$operand\" ] && ");
    for (const struct option_row *row = options->rows; !options_is_end(row); row++)
        if (row->name)
            printf("--%s ", row->name);
    printf("--help --version' -- \"$cur\"))\n        return\n    fi\n");
    print_bash_operands(options);
    printf("}\ncomplete -o filenames -F %s %s\n", name, options->command);
}

bool options_print(const struct options *options, const char *what)
{
    if (!what || strcmp(what, "all") == 0)
        print_help(options, what != NULL);
    else if (strcmp(what, "man") == 0)
        print_man(options);
    else if (strcmp(what, "bash") == 0)
        print_bash(options);
    else
        return false;
    return true;
}
