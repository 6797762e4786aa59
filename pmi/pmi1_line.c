// SPDX-License-Identifier: BSD-3-Clause
//
// Parsing one line of PMI-1: see pmi1_line.h.
#include "config.h"

#include "pmi/pmi1_line.h"

static bool printable(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
            return false;
    return true;
}

static bool take_word(char *word, struct pmi1_line *line)
{
    char *equals = strchr(word, '=');
    if (!equals || equals == word || line->count == PMI1_WORDS_MAX)
        return false;
    *equals = 0;
    line->words[line->count].key = word;
    line->words[line->count].value = equals + 1;
    line->count++;
    return true;
}

bool pmi1_line_parse(char *text, struct pmi1_line *line_out)
{
    struct pmi1_line line = {0};
    if (!printable(text))
        return false;
    char *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        if (!take_word(word, &line))
            return false;
    line.command = pmi1_line_get(&line, "cmd");
    if (!line.command) {
        line.command = pmi1_line_get(&line, "mcmd");
        line.multi = line.command != NULL;
    }
    if (!line.command)
        return false;
    *line_out = line;
    return true;
}

const char *pmi1_line_get(const struct pmi1_line *line, const char *key)
{
    for (size_t i = 0; i < line->count; i++)
        if (strcmp(line->words[i].key, key) == 0)
            return line->words[i].value;
    return NULL;
}
