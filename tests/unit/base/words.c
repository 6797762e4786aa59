// SPDX-License-Identifier: BSD-3-Clause
//
// Which word was meant.
#include "config.h"

#include "base/base.h"

#include <criterion/criterion.h>

Test(base_words, nearest)
{
    static const char *const words[] = {"block", "cyclic", "ppn", "hosts", "host", "n", "numa"};
    static const struct {
        const char *word, *wanted;
    } rows[] = {
        {"block", "block"}, {"blok", "block"},    {"bolck", "block"},  {"blockk", "block"},
        {"glock", "block"}, {"cylcic", "cyclic"}, {"cycle", "cyclic"}, {"ppm", "ppn"},
        {"pn", "ppn"},      {"hst", "host"},      {"hosst", "hosts"},  {"nmua", "numa"},
        {"HOST", NULL},     {"x", NULL},          {"", NULL},          {"socket", NULL},
        {"xx", NULL},       {"bxyck", "block"},   {"bxyzk", NULL},     {"hostname", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *near = word_nearest(rows[i].word, words, sizeof words / sizeof *words);
        cr_expect_eq(!near, !rows[i].wanted, "%s: %s", rows[i].word, near ? near : "none");
        if (near && rows[i].wanted)
            cr_expect_str_eq(near, rows[i].wanted, "%s: %s", rows[i].word, near);
    }
    cr_expect_null(word_nearest("block", words, 0));
}

Test(base_words, long_ones_are_left_alone)
{
    char text[200], other[200];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = 0;
    memcpy(other, text, sizeof text);
    other[3] = 'b';
    const char *const words[] = {other};
    cr_expect_null(word_nearest(text, words, 1));
    cr_expect_null(word_nearest("aaa", words, 1));
    text[63] = other[63] = 0;
    cr_expect_eq(word_nearest(text, words, 1), other);
}

Test(base_words, hint_and_list)
{
    static const char *const words[] = {"core", "numa", "node"};
    char text[40], brief[8];
    cr_expect_str_eq(word_hint("nmua", words, 3, text, sizeof text), "; did you mean numa?");
    cr_expect_str_eq(word_hint("socket", words, 3, text, sizeof text), "");
    cr_expect_str_eq(words_join(words, 3, text, sizeof text), "core, numa and node");
    cr_expect_str_eq(words_join(words, 1, text, sizeof text), "core");
    cr_expect_str_eq(words_join(words, 0, text, sizeof text), "");
    cr_expect_str_eq(words_join(words, 3, brief, sizeof brief), "core, n");
}
