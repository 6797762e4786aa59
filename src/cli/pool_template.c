// SPDX-License-Identifier: BSD-3-Clause
//
// The command as it was given, and what it becomes with the arguments of one task. Each word is cut into pieces once:
// texts, and what is replaced. The result is run directly, word by word, unless there is something in it that needs a shell.
#include "config.h"

#include "cli/pool.h"

#include <ctype.h>

enum piece_kind { PIECE_TEXT, PIECE_ARG, PIECE_SEQ, PIECE_SLOT };
enum piece_part { // of an argument
    PART_ALL,
    PART_STEM,     // {.}
    PART_NAME,     // {/}
    PART_FOLDER,   // {//}
    PART_NAME_STEM // {/.}
};

struct piece {
    enum piece_kind kind;
    enum piece_part part;
    int index;          // of the argument, from 1; below 0: from the end; 0: all of them
    size_t from, bytes; // of a text, in the word
};

struct words {        // one word of the command
    const char *text; // borrowed
    struct piece *pieces;
    size_t count;
};

struct pool_template {
    struct words *words;
    size_t count;
    bool shell; // what is put together is for a shell
    bool raw;   // arguments are command lines themselves
    bool quote; // words of the command are not for a shell
};

// ---- cutting

static bool push_piece(struct words *word, struct piece piece)
{
    struct piece *grown = realloc(word->pieces, (word->count + 1) * sizeof *grown);
    if (!grown)
        return false;
    word->pieces = grown;
    word->pieces[word->count++] = piece;
    return true;
}

// The length of a replacement at the begin of the text; 0: there is none.
static size_t read_piece(const char *text, const char *replace, struct piece *piece_out)
{
    static const struct {
        const char *text;
        enum piece_part part;
    } parts[] = {{"}", PART_ALL},
                 {".}", PART_STEM},
                 {"/}", PART_NAME},
                 {"//}", PART_FOLDER},
                 {"/.}", PART_NAME_STEM}};
    struct piece piece = {.kind = PIECE_ARG};
    size_t length = replace ? strlen(replace) : 0;
    if (length && strncmp(text, replace, length) == 0) {
        *piece_out = piece;
        return length;
    }
    if (strncmp(text, "{#}", 3) == 0 || strncmp(text, "{%}", 3) == 0) {
        piece_out->kind = text[1] == '#' ? PIECE_SEQ : PIECE_SLOT;
        return 3;
    }
    if (*text != '{')
        return 0;
    const char *at = text + 1, *digits = at + (*at == '-');
    size_t count = strspn(digits, "0123456789");
    if (count > 6 || (count == 0 && digits != at))
        return 0;
    for (size_t i = 0; i < count; i++)
        piece.index = 10 * piece.index + (digits[i] - '0');
    if (count && piece.index == 0)
        return 0;
    if (digits != at)
        piece.index = -piece.index;
    at = digits + count;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        length = strlen(parts[i].text);
        if (strncmp(at, parts[i].text, length) != 0)
            continue;
        // With -I the braces alone are text.
        if (replace && i == 0 && !piece.index)
            return 0;
        piece.part = parts[i].part;
        *piece_out = piece;
        return (size_t)(at - text) + length;
    }
    return 0;
}

static bool cut(struct words *word, const char *text, const char *replace)
{
    size_t from = 0, at = 0;
    *word = (struct words){.text = text};
    while (text[at]) {
        struct piece piece = {.kind = PIECE_TEXT};
        size_t length = read_piece(text + at, replace, &piece);
        if (length == 0) {
            at++;
            continue;
        }
        if (at > from && !push_piece(word, (struct piece){.from = from, .bytes = at - from}))
            return false;
        if (!push_piece(word, piece))
            return false;
        from = at += length;
    }
    return (at == from && at > 0) ||
           push_piece(word, (struct piece){.from = from, .bytes = at - from});
}

// What is no replacement in the word.
static bool word_needs_shell(const struct words *word, bool is_first)
{
    struct pool_text text = {0};
    bool only_text = word->count == 1 && word->pieces[0].kind == PIECE_TEXT;
    if (only_text)
        return pool_needs_shell(word->text, is_first);
    for (size_t i = 0; i < word->count; i++)
        if (word->pieces[i].kind == PIECE_TEXT)
            pool_text_add(&text, word->text + word->pieces[i].from, word->pieces[i].bytes);
    bool needs = text.bytes > 0 && pool_needs_shell(text.data, is_first);
    free(text.data);
    return needs;
}

static bool has_replacement(const struct words *word)
{
    for (size_t i = 0; i < word->count; i++)
        if (word->pieces[i].kind != PIECE_TEXT)
            return true;
    return false;
}

// Several arguments in the middle of a word make several words of it.
static bool is_mixed(const struct words *word)
{
    for (size_t i = 0; word->count > 1 && i < word->count; i++)
        if (word->pieces[i].kind == PIECE_ARG && word->pieces[i].index == 0)
            return true;
    return false;
}

static bool fill(struct pool_template *template, const struct pool_call *call)
{
    bool replaces = false, several = call->max_args > 1 || call->source_count > 1 || call->colsep;
    for (size_t i = 0; i < call->words; i++) {
        struct words *word = &template->words[template->count++];
        if (!cut(word, call->command[i], call->replace))
            return false;
        replaces = replaces || has_replacement(word);
        template->shell = template->shell || (!call->quote && word_needs_shell(word, i == 0)) ||
                          (several && is_mixed(word));
    }
    if (replaces)
        return true;
    // The arguments come last; or are all there is: command lines.
    template->raw = call->words == 0;
    template->shell = template->shell || template->raw;
    return cut(&template->words[template->count++], "{}", NULL);
}

struct pool_template *pool_template_create(const struct pool_call *call)
{
    struct pool_template *template = calloc(1, sizeof *template);
    if (!template)
        return NULL;
    template->quote = call->quote;
    template->words = calloc(call->words + 1, sizeof *template->words);
    if (template->words && fill(template, call))
        return template;
    pool_template_destroy(template);
    return NULL;
}

void pool_template_destroy(struct pool_template *template)
{
    if (!template)
        return;
    for (size_t i = 0; i < template->count; i++)
        free(template->words[i].pieces);
    free(template->words);
    free(template);
}

// ---- replacing

static void add_part(struct pool_text *text, const char *arg, enum piece_part part, bool quote)
{
    const char *slash = strrchr(arg, '/'), *name = slash ? slash + 1 : arg;
    size_t bytes = strlen(arg);
    if (part == PART_NAME || part == PART_NAME_STEM) {
        bytes -= (size_t)(name - arg);
        arg = name;
    }
    if (part == PART_STEM || part == PART_NAME_STEM) {
        const char *dot = strrchr(name, '.');
        bytes = dot ? (size_t)(dot - arg) : bytes;
    }
    if (part == PART_FOLDER) {
        while (slash > arg && slash[-1] == '/')
            slash--;
        bytes = !slash ? 1 : slash == arg ? 1 : (size_t)(slash - arg);
        arg = slash ? arg : ".";
    }
    if (quote)
        pool_text_quote(text, arg, bytes);
    else
        pool_text_add(text, arg, bytes);
}

static void add_arguments(struct pool_text *text, const struct piece *piece, char *const *args,
                          bool quote)
{
    size_t count = strv_count(args), wanted = (size_t)abs(piece->index);
    if (piece->index && wanted <= count)
        add_part(text, args[piece->index > 0 ? wanted - 1 : count - wanted], piece->part, quote);
    for (size_t i = 0; !piece->index && i < count; i++) {
        if (i > 0)
            pool_text_add(text, " ", 1);
        add_part(text, args[i], piece->part, quote);
    }
}

static void add_word(struct pool_text *text, const struct words *word, char *const *args,
                     struct pool_place place, bool quote, bool quote_text)
{
    char number[24];
    for (size_t i = 0; i < word->count; i++) {
        const struct piece *piece = &word->pieces[i];
        if (piece->kind == PIECE_ARG) {
            add_arguments(text, piece, args, quote);
        } else if (piece->kind == PIECE_TEXT && quote_text) {
            pool_text_quote(text, word->text + piece->from, piece->bytes);
        } else if (piece->kind == PIECE_TEXT) {
            pool_text_add(text, word->text + piece->from, piece->bytes);
        } else {
            int length = snprintf(number, sizeof number, "%llu",
                                  piece->kind == PIECE_SEQ ? (unsigned long long)place.seq
                                                           : (unsigned long long)place.slot);
            pool_text_add(text, number, (size_t)length);
        }
    }
}

static char *show(const struct pool_template *template, char *const *args, struct pool_place place)
{
    struct pool_text text = {0};
    for (size_t i = 0; i < template->count; i++) {
        if (i > 0)
            pool_text_add(&text, " ", 1);
        add_word(&text, &template->words[i], args, place, !template->raw, template->quote);
    }
    pool_text_add(&text, "", 0);
    if (!text.failed)
        return text.data;
    free(text.data);
    return NULL;
}

static bool push_word(char ***argv, const struct words *word, char *const *args,
                      struct pool_place place)
{
    struct pool_text text = {0};
    add_word(&text, word, args, place, false, false);
    pool_text_add(&text, "", 0);
    bool good = !text.failed && strv_push(argv, text.data);
    free(text.data);
    return good;
}

static bool push_direct(const struct pool_template *template, char *const *args,
                        struct pool_place place, char ***argv)
{
    bool good = true;
    for (size_t i = 0; good && i < template->count; i++) {
        const struct words *word = &template->words[i];
        bool all = word->count == 1 && word->pieces[0].kind == PIECE_ARG && !word->pieces[0].index;
        for (size_t k = 0; all && good && args[k]; k++)
            good = push_word(argv, word, (char *[]){args[k], NULL}, place);
        if (!all)
            good = push_word(argv, word, args, place);
    }
    return good;
}

bool pool_template_expand(const struct pool_template *template, char *const *args,
                          struct pool_place place, struct pool_line *line_out)
{
    struct pool_line line = {.text = show(template, args, place)};
    bool good = line.text != NULL;
    if (good && template->shell)
        good = strv_push(&line.argv, pool_shell()) && strv_push(&line.argv, "-c") &&
               strv_push(&line.argv, line.text);
    else if (good)
        good = push_direct(template, args, place, &line.argv);
    if (!good)
        pool_line_fini(&line);
    *line_out = line;
    return good;
}

void pool_line_fini(struct pool_line *line)
{
    strv_free(line->argv);
    free(line->text);
    *line = (struct pool_line){0};
}

char *pool_template_text(const struct pool_call *call, const char *text, char *const *args,
                         struct pool_place place)
{
    struct words word;
    struct pool_text made = {0};
    bool good = cut(&word, text, call->replace);
    if (good) {
        add_word(&made, &word, args, place, false, false);
        pool_text_add(&made, "", 0);
    }
    free(word.pieces);
    if (good && !made.failed)
        return made.data;
    free(made.data);
    return NULL;
}
