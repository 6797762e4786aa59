// SPDX-License-Identifier: BSD-3-Clause
//
// One source of arguments: words of the command line, or lines of a file or of standard input, which are read as they are
// needed and a little ahead; so input may be endless, and how much there is may be known before it is all used.
#include "config.h"

#include "cli/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    PIECE = 64 << 10,
    AHEAD = 4 << 20,      // bytes
    LINE_MOST = 64 << 20, // an argument of a program is shorter
};

bool pool_source_open(struct pool_source *source, const struct pool_source_spec *spec,
                      int separator, dragon_error_t *error)
{
    *source = (struct pool_source){.fd = -1, .separator = separator, .linked = spec->linked};
    if (!spec->is_file) {
        source->words = spec->words;
        source->count = spec->count;
        return true;
    }
    bool standard = strcmp(spec->file, "-") == 0;
    source->name = standard ? "standard input" : spec->file;
    source->fd = standard ? dup(STDIN_FILENO) : open(spec->file, O_RDONLY | O_CLOEXEC);
    if (source->fd >= 0)
        return true;
    err_set_errno(error, errno, "cannot read %s", source->name);
    return false;
}

void pool_source_close(struct pool_source *source)
{
    if (source->fd >= 0)
        close(source->fd);
    free(source->data);
    if (source->owned)
        strv_free(source->words);
}

bool pool_source_wants(const struct pool_source *source)
{
    return !source->words && !source->eof &&
           (source->starved || source->end - source->start < AHEAD);
}

static bool make_room(struct pool_source *source)
{
    if (source->start > 0) {
        memmove(source->data, source->data + source->start, source->end - source->start);
        source->end -= source->start;
        source->start = 0;
    }
    if (source->room - source->end >= PIECE)
        return true;
    size_t room = source->room ? 2 * source->room : 2 * PIECE;
    char *more = realloc(source->data, room);
    if (!more)
        return false;
    source->data = more;
    source->room = room;
    return true;
}

// Behind the last line there may be no separator.
static uint64_t count_lines(const struct pool_source *source)
{
    uint64_t count = 0;
    const char *at = source->data + source->start, *end = source->data + source->end;
    for (; at < end; count++) {
        const char *next = memchr(at, source->separator, (size_t)(end - at));
        at = next ? next + 1 : end;
    }
    return count;
}

bool pool_source_read(struct pool_source *source, dragon_error_t *error)
{
    if (source->room - source->end < PIECE && !make_room(source)) {
        err_set(error, DRAGON_ERR_NOMEM, "out of memory for what %s has", source->name);
        return false;
    }
    ssize_t got = read(source->fd, source->data + source->end, source->room - source->end);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (got < 0) {
        err_set_errno(error, errno, "cannot read %s", source->name);
        return false;
    }
    source->end += (size_t)got;
    source->starved = false;
    if (got == 0) {
        source->eof = true;
        source->left = source->data ? count_lines(source) : 0;
    }
    return true;
}

static enum pool_next refuse(const struct pool_source *source, dragon_error_t *error,
                             const char *what)
{
    err_set(error, DRAGON_ERR_INVAL, "%s, line %llu: %s", source->name,
            (unsigned long long)source->taken + 1, what);
    return NEXT_FAILED;
}

enum pool_next pool_source_next(struct pool_source *source, char **text_out, dragon_error_t *error)
{
    size_t bytes = source->end - source->start;
    const char *from = source->data + source->start;
    const char *end = bytes ? memchr(from, source->separator, bytes) : NULL;
    if (!end && bytes > LINE_MOST)
        return refuse(source, error, "it is too long for an argument");
    source->starved = !end && !source->eof;
    if (source->starved)
        return NEXT_WAIT;
    if (bytes == 0)
        return NEXT_END;
    size_t length = end ? (size_t)(end - from) : bytes;
    if (memchr(from, 0, length))
        return refuse(source, error, "there is a zero byte in it; did you mean --null?");
    *text_out = strndup(from, length);
    if (!*text_out)
        return refuse(source, error, "out of memory");
    source->start += length + (end != NULL);
    source->taken++;
    source->left -= source->eof;
    return NEXT_ARGS;
}

bool pool_source_load(struct pool_source *source, dragon_error_t *error)
{
    size_t room = 0;
    char *text = NULL;
    enum pool_next next = NEXT_WAIT;
    if (source->words)
        return true;
    char **words = NULL;
    while (next != NEXT_END) {
        next = pool_source_next(source, &text, error);
        if (next == NEXT_FAILED || (next == NEXT_WAIT && !pool_source_read(source, error)))
            break;
        if (next == NEXT_WAIT)
            continue;
        if (source->count + 1 >= room) {
            room = room ? 2 * room : 64;
            char **grown = realloc(words, room * sizeof *words);
            if (!grown) {
                err_set(error, DRAGON_ERR_NOMEM, "out of memory for what %s has", source->name);
                break;
            }
            words = grown;
        }
        words[source->count] = next == NEXT_ARGS ? text : NULL;
        words[source->count + (next == NEXT_ARGS)] = NULL;
        source->count += next == NEXT_ARGS;
    }
    source->words = words;
    source->owned = words != NULL;
    return next == NEXT_END;
}
