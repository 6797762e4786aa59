// SPDX-License-Identifier: BSD-3-Clause
//
// One line of PMI-1: words `key=value` separated by spaces. Pure parsing in place.
#ifndef PMI_PMI1_LINE_H
#define PMI_PMI1_LINE_H

#include "base/base.h"

enum { PMI1_WORDS_MAX = 32 };

struct pmi1_line {
    const char *command; // the value of cmd= or mcmd=
    bool multi;          // mcmd=: further lines follow up to `endcmd`
    size_t count;
    struct {
        const char *key;
        const char *value;
    } words[PMI1_WORDS_MAX];
};

// `text` (without the newline) is cut into words that *line_out points into. False when it is no
// line of PMI-1: no command, a word without "=", too many words, or a character that is not
// printable.
bool pmi1_line_parse(char *text, struct pmi1_line *line_out);

const char *pmi1_line_get(const struct pmi1_line *line, const char *key); // NULL: not there

#endif
