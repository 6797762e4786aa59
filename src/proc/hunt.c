// SPDX-License-Identifier: BSD-3-Clause
//
// Hunting for orphans: see hunt.h.
#include "config.h"

#include "proc/hunt.h"

#include "proc/below.h"

#include <fcntl.h>
#include <unistd.h>

enum { ENVIRON_MOST = 4 << 20 }; // more than the system allows

struct hunt {
    struct hunt *next;
    char **marks; // owned
    bool found;   // something, in this run
};

// One run over the children.
struct search {
    struct hunts *hunts;
    bool (*is_known)(void *arg, pid_t pid);
    void *arg;
};

bool hunts_add(struct hunts *hunts, char **marks)
{
    struct hunt *hunt = calloc(1, sizeof *hunt);
    if (!hunt) {
        strv_free(marks);
        return false;
    }
    *hunt = (struct hunt){.next = hunts->first, .marks = marks};
    hunts->first = hunt;
    return true;
}

// Its entries, each ended by a zero. NULL: there are none, as of one that has ended, or it is not ours. The caller frees.
static char *read_environ(pid_t pid, size_t *length_out)
{
    char path[64];
    size_t length = 0, room = 16 << 10;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = fd < 0 ? NULL : malloc(room + 1);
    while (text) {
        ssize_t got = read(fd, text + length, room - length);
        if (got <= 0)
            break;
        length += (size_t)got;
        if (length < room)
            continue;
        char *more = room < ENVIRON_MOST ? realloc(text, 2 * room + 1) : NULL;
        if (!more)
            break;
        text = more;
        room *= 2;
    }
    if (fd >= 0)
        close(fd);
    if (text)
        text[length] = 0;
    *length_out = length;
    return text;
}

static bool has_entry(const char *text, size_t length, const char *mark)
{
    for (const char *at = text; at < text + length; at += strlen(at) + 1)
        if (strcmp(at, mark) == 0)
            return true;
    return false;
}

static bool has_all(const char *text, size_t length, char *const *marks)
{
    for (; *marks; marks++)
        if (!has_entry(text, length, *marks))
            return false;
    return true;
}

static void look_at(void *arg, pid_t pid)
{
    const struct search *search = arg;
    size_t length;
    if (search->is_known(search->arg, pid))
        return;
    char *text = read_environ(pid, &length);
    for (struct hunt *hunt = search->hunts->first; text && hunt; hunt = hunt->next)
        if (has_all(text, length, hunt->marks)) {
            hunt->found = true;
            below_kill(pid);
            break;
        }
    free(text);
}

bool hunts_run(struct hunts *hunts, bool (*is_known)(void *arg, pid_t pid), void *arg)
{
    struct search search = {.hunts = hunts, .is_known = is_known, .arg = arg};
    if (!hunts->first)
        return false;
    for (struct hunt *hunt = hunts->first; hunt; hunt = hunt->next)
        hunt->found = false;
    below_each(getpid(), look_at, &search);
    for (struct hunt **at = &hunts->first; *at;) {
        struct hunt *hunt = *at;
        if (hunt->found) {
            at = &hunt->next;
            continue;
        }
        *at = hunt->next;
        strv_free(hunt->marks);
        free(hunt);
    }
    return hunts->first != NULL;
}

void hunts_fini(struct hunts *hunts)
{
    while (hunts->first) {
        struct hunt *hunt = hunts->first;
        hunts->first = hunt->next;
        strv_free(hunt->marks);
        free(hunt);
    }
}
