// SPDX-License-Identifier: BSD-3-Clause
//
// Last lines: see last_lines.h.
#include "config.h"

#include "group/last_lines.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

// How many bytes the character at `at` takes; 0: it is no UTF-8.
static size_t character_length(const unsigned char *at, const unsigned char *end)
{
    size_t length = *at < 0x80 ? 1 : *at < 0xc2 ? 0 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
    if (*at > 0xf4 || (size_t)(end - at) < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

static bool is_control(const unsigned char *at, size_t length)
{
    if (length == 1)
        return (*at < ' ' && *at != '\n' && *at != '\t') || *at == 0x7f;
    return length == 2 && at[0] == 0xc2 &&
           at[1] < 0xa0; // the second set of them, which terminals obey too
}

static size_t drop_unprintable(char *text, size_t length)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + length;
    char *to = text;
    while (at < end) {
        size_t bytes = character_length(at, end);
        if (bytes > 0 && !is_control(at, bytes)) {
            memmove(to, at, bytes);
            to += bytes;
        }
        at += bytes ? bytes : 1;
    }
    return (size_t)(to - text);
}

void last_lines_clean(char *text, size_t length, bool cut)
{
    char *begin = text, *newline = cut ? memchr(text, '\n', length) : NULL;
    if (newline && newline + 1 < text + length)
        begin = newline + 1;
    length = drop_unprintable(begin, length - (size_t)(begin - text));
    while (length > 0 && begin[length - 1] == '\n')
        length--;
    size_t lines = 0;
    char *start = begin + length;
    for (; start > begin; start--)
        if (start[-1] == '\n' && ++lines == LAST_LINES_MOST)
            break;
    length -= (size_t)(start - begin);
    memmove(text, start, length);
    text[length] = 0;
}

void last_lines_read(const char *path, char *text, size_t room)
{
    struct stat info;
    text[0] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        off_t start = info.st_size > (off_t)room - 1 ? info.st_size - ((off_t)room - 1) : 0;
        ssize_t got = pread(fd, text, room - 1, start);
        last_lines_clean(text, got > 0 ? (size_t)got : 0, start > 0);
    }
    close(fd);
}
