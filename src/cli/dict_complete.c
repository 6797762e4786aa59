// SPDX-License-Identifier: BSD-3-Clause
//
// What a line of the prompt may become: words, their options, and the keys of the dictionary, which are looked for within
// bounds, for somebody waits.
#include "config.h"

#include "cli/dict_prompt.h"

enum { KEYS_MOST = 200000, LOOK_MS = 1000 }; // keys that are looked through, and how long

struct search {
    struct session *session;
    struct words words;
    const struct bytes *typed; // the last of them
    struct offers *offers;
};

void offers_fini(struct offers *offers)
{
    for (size_t i = 0; i < offers->count; i++)
        free(offers->list[i].data);
    free(offers->list);
    free(offers->text);
    *offers = (struct offers){0};
}

// If it begins with what was typed. False: there is no room for more.
static bool offer(struct search *search, const void *data, size_t bytes)
{
    struct offers *offers = search->offers;
    if (bytes < search->typed->count ||
        memcmp(data, search->typed->data, search->typed->count) != 0)
        return true;
    offers->more = offers->count == OFFERS_MOST;
    if (offers->more)
        return false;
    struct bytes *grown = realloc(offers->list, (offers->count + 1) * sizeof *grown);
    if (grown)
        offers->list = grown;
    char *copy = grown ? malloc(bytes + 1) : NULL;
    if (!copy)
        return false;
    memcpy(copy, data, bytes);
    copy[bytes] = 0;
    offers->list[offers->count++] = (struct bytes){.data = copy, .count = bytes};
    return true;
}

static void offer_text(struct search *search, const char *text)
{
    offer(search, text, strlen(text));
}

// ---- what there is

static void offer_words(struct search *search)
{
    for (const struct word *word = dict_words; word->name; word++)
        if (!(word->flags & (WORD_PROMPT | WORD_ALIAS)))
            offer_text(search, word->name);
    for (const char *const *word = prompt_words; *word; word++)
        offer_text(search, *word);
}

static void offer_options(struct search *search, const struct word *word)
{
    static const char *const elsewhere = " escapes runtime quiet verbose ";
    char name[40], option[40];
    for (const struct option_row *row = dict_rows; row->help; row++) {
        if (!row->name)
            continue;
        snprintf(name, sizeof name, " %s ", row->name);
        snprintf(option, sizeof option, "--%s", row->name);
        if (strstr(word->options, name) && !strstr(elsewhere, name))
            offer_text(search, option);
    }
}

static void offer_keys(struct search *search)
{
    dragon_dict_t *dict = search->session->dict;
    dragon_dict_cursor_t *cursor;
    const void *key;
    size_t bytes;
    uint64_t length, deadline_ms = time_now_ms() + LOOK_MS;
    if (dragon_dict_length(dict, &length, LOOK_MS) != DRAGON_OK)
        return;
    search->offers->unknown = length > KEYS_MOST;
    if (search->offers->unknown ||
        dragon_dict_cursor_create(dict, search->typed->data, search->typed->count, 0, &cursor) !=
            DRAGON_OK)
        return;
    while (dragon_dict_cursor_next(cursor, &key, &bytes, NULL, NULL, time_left_ms(deadline_ms)) ==
               DRAGON_OK &&
           offer(search, key, bytes))
        if (time_left_ms(deadline_ms) == 0) {
            search->offers->more = true;
            break;
        }
    dragon_dict_cursor_destroy(cursor);
}

// How many operands are before the word that is typed.
static size_t operands_before(const struct words *words)
{
    size_t count = 0;
    for (size_t i = 1; i + 1 < words->count; i++)
        count += !(words->bare[i] && words->words[i].data[0] == '-');
    return count;
}

static void offer_operands(struct search *search)
{
    const struct words *words = &search->words;
    const struct word *word = word_find(words->words[0].data);
    size_t before = operands_before(words);
    if (strcmp(words->words[0].data, "help") == 0)
        offer_words(search);
    else if (!word)
        return;
    else if (words->bare[words->count - 1] && search->typed->data[0] == '-')
        offer_options(search, word);
    else if (before < (size_t)word->most &&
             (word->run == do_keys ||
              ((word->flags & WORD_KEY) && (before == 0 || word->most > 3))))
        offer_keys(search);
}

// ---- what they have in common

static size_t common_length(const struct offers *offers)
{
    size_t length = offers->list[0].count;
    for (size_t i = 1; i < offers->count; i++) {
        const struct bytes *other = &offers->list[i];
        size_t same = 0;
        while (same < length && same < other->count &&
               other->data[same] == offers->list[0].data[same])
            same++;
        length = same;
    }
    // Not in the middle of a character.
    while (offers->count > 1 && length > 0 && length < offers->list[0].count &&
           ((uint8_t)offers->list[0].data[length] & 0xc0) == 0x80)
        length--;
    return length;
}

static void find_text(struct search *search)
{
    struct offers *offers = search->offers;
    size_t length = common_length(offers);
    bool is_option = search->words.bare[search->words.count - 1] && search->typed->count > 0 &&
                     search->typed->data[0] == '-';
    bool whole = offers->count == 1 && !offers->more;
    if (offers->more || (length <= search->typed->count && !whole))
        return; // those that were not looked at may have less in common
    char *text = is_option ? strndup(offers->list[0].data, length)
                           : text_escape(offers->list[0].data, length, true);
    if (text && asprintf(&offers->text, "%s%s", text, whole ? " " : "") < 0)
        offers->text = NULL;
    free(text);
}

static int compare(const void *left, const void *right)
{
    const struct bytes *a = left, *b = right;
    int order = memcmp(a->data, b->data, a->count < b->count ? a->count : b->count);
    return order ? order : (a->count > b->count) - (a->count < b->count);
}

bool offers_find(struct session *session, const char *line, size_t bytes, struct offers *offers)
{
    struct search search = {.session = session, .offers = offers};
    *offers = (struct offers){0};
    if (!words_split(line, bytes, true, &search.words, NULL))
        return false;
    search.typed = &search.words.words[search.words.count - 1];
    offers->from = search.words.last;
    if (search.words.count == 1)
        offer_words(&search);
    else
        offer_operands(&search);
    if (offers->count > 0) {
        qsort(offers->list, offers->count, sizeof *offers->list, compare);
        find_text(&search);
    }
    words_fini(&search.words);
    return offers->count > 0 || offers->unknown;
}
