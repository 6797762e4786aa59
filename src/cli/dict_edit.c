// SPDX-License-Identifier: BSD-3-Clause
//
// A line that is edited on a terminal, by libedit. While it is, Ctrl-C and Ctrl-Z are keys like others: Ctrl-C drops the line.
// While a word is done they are signals.
#include "config.h"

#include "cli/dict_prompt.h"

#include <histedit.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LINES_MOST = 1000, SHOWN_MOST = 60 };

struct editor {
    struct session *session; // borrowed
    EditLine *edit;          // owned
    History *history;        // owned
    char *prompt;            // owned
    char *line;              // owned: the one that was read
    bool dropped;            // the line that is being edited
};

static struct editor *editor_of(EditLine *edit)
{
    void *editor = NULL;
    el_get(edit, EL_CLIENTDATA, &editor);
    return editor;
}

static char *on_prompt(EditLine *edit)
{
    return editor_of(edit)->prompt;
}

// ---- keys

static unsigned char on_drop(EditLine *edit, int key)
{
    (void)key;
    editor_of(edit)->dropped = true;
    fputs("^C\n", stdout);
    return CC_NEWLINE;
}

// libedit gives the terminal back on the signal, and takes it again when we go on.
static unsigned char on_stop(EditLine *edit, int key)
{
    (void)edit;
    (void)key;
    raise(SIGTSTP);
    return CC_REDISPLAY;
}

static size_t width_of_terminal(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// One a line when there is something long among them, else as many as fit.
static void show_offers(const struct offers *offers)
{
    char text[80];
    size_t widest = 0, shown = offers->count < SHOWN_MOST ? offers->count : SHOWN_MOST;
    for (size_t i = 0; i < shown; i++) {
        size_t length = strlen(text_brief(&offers->list[i], text, sizeof text));
        widest = length > widest ? length : widest;
    }
    size_t across = width_of_terminal() / (widest + 2);
    for (size_t i = 0; i < shown; i++) {
        bool ends = across < 2 || (i + 1) % across == 0 || i + 1 == shown;
        text_brief(&offers->list[i], text, sizeof text);
        printf("%-*s%s", ends ? 0 : (int)widest + 2, text, ends ? "\n" : "");
    }
    if (offers->unknown)
        puts("(too many keys to look through)");
    else if (offers->more)
        puts("(and more)");
    else if (shown < offers->count)
        printf("(and %zu more)\n", offers->count - shown);
}

// What is typed is replaced, which counts in characters.
static bool insert(EditLine *edit, const LineInfo *line, const struct offers *offers)
{
    char *typed =
        strndup(line->buffer + offers->from, (size_t)(line->cursor - line->buffer) - offers->from);
    size_t characters = typed ? mbstowcs(NULL, typed, 0) : (size_t)-1;
    bool same = typed && strcmp(typed, offers->text) == 0;
    free(typed);
    if (characters == (size_t)-1 || same)
        return false;
    el_deletestr(edit, (int)characters);
    return el_insertstr(edit, offers->text) == 0;
}

static unsigned char on_complete(EditLine *edit, int key)
{
    const LineInfo *line = el_line(edit);
    struct offers offers;
    unsigned char code = CC_REFRESH_BEEP;
    (void)key;
    if (!offers_find(editor_of(edit)->session, line->buffer, (size_t)(line->cursor - line->buffer),
                     &offers))
        return code;
    if (offers.text && insert(edit, line, &offers)) {
        code = CC_REFRESH;
    } else {
        putchar('\n');
        show_offers(&offers);
        code = CC_REDISPLAY;
    }
    fflush(stdout);
    offers_fini(&offers);
    return code;
}

// ---- life

static void remember(void *arg, const char *line)
{
    struct editor *editor = arg;
    HistEvent event;
    history(editor->history, &event, H_ENTER, line);
}

static void bind_keys(EditLine *edit)
{
    el_set(edit, EL_ADDFN, "dict-complete", "completes a word or key", on_complete);
    el_set(edit, EL_ADDFN, "dict-drop", "drops the line", on_drop);
    el_set(edit, EL_ADDFN, "dict-stop", "stops the command", on_stop);
    el_set(edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(edit, NULL); // what the user wants to have otherwise
    el_set(edit, EL_BIND, "^I", "dict-complete", NULL);
    el_set(edit, EL_BIND, "^C", "dict-drop", NULL);
    el_set(edit, EL_BIND, "^Z", "dict-stop", NULL);
    el_set(edit, EL_SETTY, "-d", "-isig", NULL);
}

struct editor *editor_create(struct session *session)
{
    struct editor *editor = calloc(1, sizeof *editor);
    HistEvent event;
    if (!editor)
        return NULL;
    editor->session = session;
    editor->history = history_init();
    editor->edit = el_init("dragon-dict", stdin, stdout, stderr);
    if (!editor->edit || !editor->history || asprintf(&editor->prompt, "%s> ", session->name) < 0) {
        editor_destroy(editor);
        return NULL;
    }
    history(editor->history, &event, H_SETSIZE, LINES_MOST);
    history(editor->history, &event, H_SETUNIQUE, 1);
    history_load(remember, editor);
    el_set(editor->edit, EL_CLIENTDATA, editor);
    el_set(editor->edit, EL_PROMPT, on_prompt);
    el_set(editor->edit, EL_EDITOR, "emacs");
    el_set(editor->edit, EL_SIGNAL, 1);
    el_set(editor->edit, EL_HIST, history, editor->history);
    bind_keys(editor->edit);
    return editor;
}

void editor_destroy(struct editor *editor)
{
    if (!editor)
        return;
    if (editor->edit)
        el_end(editor->edit);
    if (editor->history)
        history_end(editor->history);
    free(editor->prompt);
    free(editor->line);
    free(editor);
}

// A line that begins with a blank is not kept, as in shells.
static void keep(struct editor *editor, const char *line)
{
    if (!*line || *line == ' ')
        return;
    remember(editor, line);
    history_append(line);
}

const char *editor_line(struct editor *editor)
{
    int count = 0;
    editor->dropped = false;
    el_set(editor->edit, EL_PREP_TERM, 1); // before the prompt is seen, and keys are pressed
    const char *line = el_gets(editor->edit, &count);
    if (editor->dropped)
        return "";
    if (!line || count <= 0) {
        putchar('\n'); // the shell's prompt is on its own line
        fflush(stdout);
        return NULL;
    }
    free(editor->line);
    editor->line = strndup(line, strcspn(line, "\n"));
    if (!editor->line)
        return "";
    keep(editor, editor->line);
    return editor->line;
}
