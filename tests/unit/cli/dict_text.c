// SPDX-License-Identifier: BSD-3-Clause
//
// Bytes as text and back, and lines as words, as dragon-dict has them.
#include "config.h"

#include "cli/dict.h"

#include <criterion/criterion.h>
#include <locale.h>

static char *escaped(const char *data, size_t bytes, bool word)
{
    char *text = text_escape(data, bytes, word);
    cr_assert(text);
    return text;
}

Test(cli_dict_text, escapes_what_a_terminal_would_obey)
{
    static const struct {
        const char *data;
        size_t bytes;
        const char *text, *word;
    } cases[] = {
        {"", 0, "", "\"\""},
        {"a b", 3, "a b", "a\\ b"},
        {"\033[31m", 5, "\\x1b[31m", "\\x1b[31m"},
        {"\n\t\\", 3, "\\n\\t\\\\", "\\n\\t\\\\"},
        {"a\0b", 3, "a\\x00b", "a\\x00b"},
        {"-x", 2, "-x", "\\-x"},
        {"#x", 2, "#x", "\\#x"},
        {"it's \"it\"", 9, "it's \"it\"", "it\\'s\\ \\\"it\\\""},
        {"k\xc3\xa4se", 5, "k\xc3\xa4se", "k\xc3\xa4se"},
        {"\xe2\x82\xac\xf0\x9f\x90\x89", 7, "\xe2\x82\xac\xf0\x9f\x90\x89", NULL},
        {"\xc2\x9b", 2, "\\xc2\\x9b", NULL},                   // control sequence
        {"\xe2\x80\xae", 3, "\\xe2\\x80\\xae", NULL},          // turns what follows round
        {"\xc0\xaf", 2, "\\xc0\\xaf", NULL},                   // too long
        {"\xed\xa0\x80", 3, "\\xed\\xa0\\x80", NULL},          // half of a pair
        {"\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80", NULL}, // beyond all
        {"\xe2\x82", 2, "\\xe2\\x82", NULL},                   // cut
        {"\x7f\xff", 2, "\\x7f\\xff", NULL},
    };
    cr_assert(setlocale(LC_CTYPE, "C.UTF-8"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = escaped(cases[i].data, cases[i].bytes, false);
        cr_expect_str_eq(text, cases[i].text);
        free(text);
        if (!cases[i].word)
            continue;
        text = escaped(cases[i].data, cases[i].bytes, true);
        cr_expect_str_eq(text, cases[i].word);
        free(text);
    }
}

Test(cli_dict_text, is_brief_in_messages)
{
    char text[12];
    struct bytes bytes = {.data = (char *)"0123456789a", .count = 11};
    cr_expect_str_eq(text_brief(&bytes, text, sizeof text), "0123456789a");
    bytes = (struct bytes){.data = (char *)"0123456789ab", .count = 12};
    cr_expect_str_eq(text_brief(&bytes, text, sizeof text), "01234567...");
    bytes = (struct bytes){.data = (char *)"\1\1\1\1", .count = 4};
    cr_expect_str_eq(text_brief(&bytes, text, sizeof text), "\\x01\\x01...");
    cr_expect_str_eq(text_brief(&(struct bytes){0}, text, sizeof text), "");
}

// Whatever the bytes are: as a word of a line, and as an operand with --escapes.
Test(cli_dict_text, comes_back)
{
    char data[1024];
    unsigned int seed = 7;
    for (int round = 0; round < 2000; round++) {
        dragon_error_t error;
        struct words words;
        size_t bytes = (size_t)(rand_r(&seed) % 40);
        for (size_t i = 0; i < bytes; i++)
            data[i] = (char)(rand_r(&seed) % (round % 2 ? 256 : 64));
        char *word = escaped(data, bytes, true), *text = escaped(data, bytes, false);
        cr_assert(words_split(word, strlen(word), false, &words, &error), "%s", error.text);
        cr_assert_eq(words.count, 1);
        cr_assert_eq(words.words[0].count, bytes);
        cr_assert_arr_eq(words.words[0].data, data, bytes);
        words_fini(&words);
        struct bytes back = {.data = text, .count = strlen(text)};
        cr_assert(text_unescape(&back, &error), "%s", error.text);
        cr_assert_eq(back.count, bytes);
        cr_assert_arr_eq(back.data, data, bytes);
        free(text);
        free(word);
    }
}

Test(cli_dict_text, splits_as_a_shell_does)
{
    static const struct {
        const char *line;
        size_t count;
        const char *words[4]; // with + behind those that are bare
    } cases[] = {
        {"", 0, {0}},
        {"  \t\n", 0, {0}},
        {"get a", 2, {"get+", "a+"}},
        {" put 'a b' \"c\\\"d\" e\\ f\n", 4, {"put+", "a b", "c\"d", "e f"}},
        {"a\"\"b'c'd", 1, {"abcd"}},
        {"'\\n' \"\\n\" \\n", 3, {"\\n", "\n", "\n"}},
        {"\"\" ''", 2, {"", ""}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dragon_error_t error;
        struct words words;
        cr_assert(words_split(cases[i].line, strlen(cases[i].line), false, &words, &error));
        cr_assert_eq(words.count, cases[i].count, "%s: %zu", cases[i].line, words.count);
        for (size_t k = 0; k < words.count; k++) {
            const char *wanted = cases[i].words[k];
            bool bare = strchr(wanted, '+') != NULL;
            cr_expect_eq(words.bare[k], bare, "%s: %zu", cases[i].line, k);
            cr_expect_eq(strlen(words.words[k].data), strlen(wanted) - bare);
            cr_expect_eq(strncmp(words.words[k].data, wanted, strlen(wanted) - bare), 0);
        }
        words_fini(&words);
    }
}

Test(cli_dict_text, refuses)
{
    static const char *const lines[] = {"\"a", "'a", "a \\", "\\q", "\"\\x1\"", "\\xg0", "\"a\\"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        dragon_error_t error = {0};
        struct words words;
        cr_expect(!words_split(lines[i], strlen(lines[i]), false, &words, &error), "%s", lines[i]);
        cr_expect(error.text[0]);
    }
}

// What is being typed is the last word, also when it has not begun.
Test(cli_dict_text, knows_what_is_typed)
{
    static const struct {
        const char *line;
        size_t count, last;
        const char *word;
    } cases[] = {
        {"", 1, 0, ""},           {"ge", 1, 0, "ge"},     {" ge", 1, 1, "ge"},
        {"get ", 2, 4, ""},       {"get  a", 2, 5, "a"},  {"get \"a b", 2, 4, "a b"},
        {"get a\\ ", 2, 4, "a "}, {"get 'x' ", 3, 8, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct words words;
        cr_assert(words_split(cases[i].line, strlen(cases[i].line), true, &words, NULL));
        cr_expect_eq(words.count, cases[i].count, "%s", cases[i].line);
        cr_expect_eq(words.last, cases[i].last, "%s", cases[i].line);
        cr_expect_str_eq(words.words[words.count - 1].data, cases[i].word);
        words_fini(&words);
    }
}
