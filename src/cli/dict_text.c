// SPDX-License-Identifier: BSD-3-Clause
//
// Bytes as text that a terminal is not troubled by, the other way round, and lines as words.
#include "config.h"

#include "cli/dict.h"

#include <ctype.h>
#include <langinfo.h>

// ---- escaping

// How many bytes at `at` are a character of UTF-8 that can be shown; 0: none. Not those that turn the direction
// of text or control a terminal.
static size_t shown_length(const uint8_t *at, size_t bytes)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = *at < 0xc2 ? 0 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : *at < 0xf5 ? 4 : 0;
    if (length == 0 || length > bytes)
        return 0;
    uint32_t code = *at & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    if (code < least[length] || code > 0x10ffff || code < 0xa0 || (code >= 0xd800 && code < 0xe000))
        return 0;
    if ((code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
        (code >= 0x2066 && code <= 0x2069))
        return 0;
    return length;
}

static bool is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

// One character, escaped if it has to be; `from` is moved behind it.
static void escape_one(FILE *to, const uint8_t **from, const uint8_t *end, bool word, bool utf8)
{
    uint8_t byte = **from;
    size_t length = utf8 && byte >= 0x80 ? shown_length(*from, (size_t)(end - *from)) : 0;
    if (length > 0) {
        fwrite(*from, 1, length, to);
        *from += length;
        return;
    }
    *from += 1;
    if (byte == '\n' || byte == '\t')
        fputs(byte == '\n' ? "\\n" : "\\t", to);
    else if (byte == '\\' || (word && (byte == ' ' || byte == '"' || byte == '\'')))
        fprintf(to, "\\%c", byte);
    else if (byte < ' ' || byte >= 0x7f)
        fprintf(to, "\\x%02x", byte);
    else
        putc(byte, to);
}

char *text_escape(const void *data, size_t bytes, bool word)
{
    const uint8_t *at = data, *end = at + bytes;
    char *text = NULL;
    size_t length;
    bool utf8 = is_utf8();
    FILE *to = open_memstream(&text, &length);
    if (!to)
        return NULL;
    // An empty word, or one that looks like an option or the begin of a comment.
    if (word && bytes == 0)
        fputs("\"\"", to);
    if (word && bytes > 0 && (*at == '-' || *at == '#'))
        putc('\\', to);
    while (at < end)
        escape_one(to, &at, end, word, utf8);
    bool good = !ferror(to);
    if (fclose(to) == 0 && good)
        return text;
    free(text);
    return NULL;
}

const char *text_brief(const struct bytes *bytes, char *text, size_t room)
{
    size_t most = bytes->count < room ? bytes->count : room;
    char *all = text_escape(bytes->data ? bytes->data : "", most, false);
    size_t length = all ? strlen(all) : 0;
    if (length < room && most == bytes->count)
        snprintf(text, room, "%s", all ? all : "");
    else
        snprintf(text, room, "%.*s...", (int)(room - 4), all ? all : "");
    free(all);
    return text;
}

// ---- unescaping

static int hex_of(char digit)
{
    if (!isxdigit((unsigned char)digit))
        return -1;
    return isdigit((unsigned char)digit) ? digit - '0' : tolower((unsigned char)digit) - 'a' + 10;
}

// What stands behind a backslash; *at is moved behind it. False: that is no escape.
static bool take_escape(const char **at, const char *end, char *out, dragon_error_t *error)
{
    char kind = *at < end ? *(*at)++ : 0;
    int high, low;
    if (kind == 'n' || kind == 't') {
        *out = kind == 'n' ? '\n' : '\t';
        return true;
    }
    if (kind == 'x' && end - *at >= 2 && (high = hex_of((*at)[0])) >= 0 &&
        (low = hex_of((*at)[1])) >= 0) {
        *out = (char)(high << 4 | low);
        *at += 2;
        return true;
    }
    if (kind && !isalnum((unsigned char)kind)) {
        *out = kind;
        return true;
    }
    err_set(error, DRAGON_ERR_INVAL, "\"\\%.*s\" is no escape: there are \\n, \\t, \\\\ and \\xHH",
            kind != 0, &kind);
    return false;
}

bool text_unescape(struct bytes *bytes, dragon_error_t *error)
{
    const char *at = bytes->data, *end = at + bytes->count;
    char *to = bytes->data;
    while (at < end) {
        char byte = *at++;
        if (byte == '\\' && !take_escape(&at, end, &byte, error))
            return false;
        *to++ = byte;
    }
    *to = 0;
    bytes->count = (size_t)(to - bytes->data);
    return true;
}

// ---- words of a line

void words_fini(struct words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->words[i].data);
    free(words->words);
    free(words->bare);
    *words = (struct words){0};
}

// A word has at most as many bytes as what is left of the line.
static bool words_begin(struct words *words, size_t room)
{
    struct bytes *grown = realloc(words->words, (words->count + 1) * sizeof *grown);
    if (grown)
        words->words = grown;
    bool *bare = realloc(words->bare, (words->count + 1) * sizeof *bare);
    if (bare)
        words->bare = bare;
    char *data = grown && bare ? malloc(room + 1) : NULL;
    if (!data)
        return false;
    words->bare[words->count] = true;
    words->words[words->count++] = (struct bytes){.data = data};
    return true;
}

// One word from *at on. *quote_out: that which is open at the end of the line.
static bool take_word(struct words *words, const char **at, const char *end, char *quote_out,
                      dragon_error_t *error)
{
    struct bytes *word = &words->words[words->count - 1];
    char quote = 0;
    while (*at < end && (quote || !isspace((unsigned char)**at))) {
        char byte = *(*at)++;
        bool marks = byte == quote || (!quote && (byte == '"' || byte == '\''));
        bool escapes = byte == '\\' && quote != '\'';
        if (marks || escapes)
            words->bare[words->count - 1] = false;
        if (marks) {
            quote = quote ? 0 : byte;
            continue;
        }
        if (escapes && !take_escape(at, end, &byte, error))
            return false;
        word->data[word->count++] = byte;
    }
    word->data[word->count] = 0;
    *quote_out = quote;
    return true;
}

static void skip_blanks(const char **at, const char *end)
{
    while (*at < end && isspace((unsigned char)**at))
        ++*at;
}

bool words_split(const char *line, size_t bytes, bool partial, struct words *words_out,
                 dragon_error_t *error)
{
    struct words words = {0};
    const char *at = line, *end = line + bytes;
    char quote = 0;
    bool good = true;
    skip_blanks(&at, end);
    // What is being typed may be a word that has not begun.
    while (good && (at < end || (partial && words.count == 0))) {
        words.last = (size_t)(at - line);
        good = words_begin(&words, (size_t)(end - at));
        if (!good)
            err_set(error, DRAGON_ERR_NOMEM, "out of memory");
        good = good && take_word(&words, &at, end, &quote, error);
        words.open = at == end;
        skip_blanks(&at, end);
    }
    if (good && partial && !words.open) {
        words.last = bytes;
        words.open = true;
        good = words_begin(&words, 0);
        if (good)
            words.words[words.count - 1].data[0] = 0;
        else
            err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    }
    if (good && quote && !partial) {
        err_set(error, DRAGON_ERR_INVAL, "a %c is not closed", quote);
        good = false;
    }
    if (good)
        *words_out = words;
    else
        words_fini(&words);
    return good;
}
