// SPDX-License-Identifier: BSD-3-Clause
//
// What the parts of dragon-dict's prompt share: reading a line (dict_edit.c), what it was before (dict_history.c), and what
// it may become (dict_complete.c).
#ifndef CLI_DICT_PROMPT_H
#define CLI_DICT_PROMPT_H

#include "cli/dict.h"

// Words of the prompt alone; ends with NULL.
extern const char *const prompt_words[];

// ---- dict_edit.c

struct editor;
struct editor *editor_create(struct session *session); // NULL: out of memory
void editor_destroy(struct editor *editor);            // NULL is fine
// The next line, valid until the one after it, without its end; "" for one that was dropped. NULL at the end.
const char *editor_line(struct editor *editor);

// ---- dict_history.c: a file of the user, which all prompts have in common

// Calls `fn` for the latest lines, oldest first, and keeps the file from growing. What cannot be read is none.
void history_load(void (*fn)(void *arg, const char *line), void *arg);
void history_append(const char *line); // what cannot be kept is not

// ---- dict_complete.c

enum { OFFERS_MOST = 200 };

struct offers {
    struct bytes *list; // owned
    size_t count;
    bool more;    // than were looked for
    bool unknown; // there are too many keys to look through
    size_t from;  // the byte of the line from which on `text` is to stand
    char *
        text; // owned: what all have in common, as it is typed, ended by a blank when it is all; NULL: nothing
};
// Of what is left of the cursor. False: nothing comes to mind.
bool offers_find(struct session *session, const char *line, size_t bytes, struct offers *offers);
void offers_fini(struct offers *offers);

#endif
