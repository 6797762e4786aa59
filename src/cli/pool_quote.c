// SPDX-License-Identifier: BSD-3-Clause
//
// Command lines and shells: what needs one, which one it is, and how a word is kept from it.
#include "config.h"

#include "cli/pool.h"

#include <ctype.h>

enum { TEXT_FIRST = 128 };

void pool_text_add(struct pool_text *text, const char *data, size_t bytes)
{
    if (text->failed)
        return;
    if (text->room - text->bytes < bytes + 1) {
        size_t room = text->room ? text->room : TEXT_FIRST;
        while (room - text->bytes < bytes + 1)
            room *= 2;
        char *more = realloc(text->data, room);
        if (!more) {
            text->failed = true;
            return;
        }
        text->data = more;
        text->room = room;
    }
    memcpy(text->data + text->bytes, data, bytes);
    text->bytes += bytes;
    text->data[text->bytes] = 0;
}

// What no shell gives a meaning to.
static bool is_plain(const char *word, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (!isalnum((unsigned char)word[i]) && !strchr("_-+./", word[i]))
            return false;
    return bytes > 0;
}

void pool_text_quote(struct pool_text *text, const char *word, size_t bytes)
{
    static const char apostrophe[] = "'\"'\"'";
    if (is_plain(word, bytes)) {
        pool_text_add(text, word, bytes);
        return;
    }
    pool_text_add(text, "'", 1);
    while (bytes > 0) {
        const char *end = memchr(word, '\'', bytes);
        size_t length = end ? (size_t)(end - word) : bytes;
        pool_text_add(text, word, length);
        if (end)
            pool_text_add(text, apostrophe, sizeof apostrophe - 1);
        length += end != NULL;
        word += length;
        bytes -= length;
    }
    pool_text_add(text, "'", 1);
}

// Words that only a shell can do, when a command begins with them.
static bool is_of_shell(const char *word)
{
    static const char *const words[] = {
        "!",        ".",       ":",     "[[",      "alias",  "bg",     "break", "case",  "cd",
        "command",  "declare", "eval",  "exec",    "exit",   "export", "fc",    "fg",    "for",
        "function", "getopts", "hash",  "if",      "jobs",   "let",    "local", "read",  "readonly",
        "return",   "select",  "set",   "shift",   "source", "time",   "times", "trap",  "type",
        "typeset",  "ulimit",  "umask", "unalias", "unset",  "until",  "wait",  "while", "{"};
    char name[300];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    // A function that bash has exported.
    int length = snprintf(name, sizeof name, "BASH_FUNC_%s%%%%", word);
    return length < (int)sizeof name && getenv(name) != NULL;
}

bool pool_needs_shell(const char *word, bool is_first)
{
    const char *equals = strchr(word, '=');
    if (is_first && (is_of_shell(word) || (equals && equals > word)))
        return true;
    return !*word || strpbrk(word, " \t\n|&;<>()$`\\\"'*?[]#~{}!^") != NULL;
}

// One that is quoted for as here, and that has the functions and habits of who calls.
const char *pool_shell(void)
{
    static const char *const known[] = {"bash", "sh", "dash", "ksh", "mksh", "zsh", "ash"};
    const char *shells[] = {getenv("PARALLEL_SHELL"), getenv("SHELL")};
    for (size_t i = 0; i < 2; i++) {
        const char *slash = shells[i] ? strrchr(shells[i], '/') : NULL;
        for (size_t k = 0; slash && k < sizeof known / sizeof *known; k++)
            if (strcmp(slash + 1, known[k]) == 0)
                return shells[i];
    }
    return "/bin/sh";
}
