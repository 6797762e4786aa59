// SPDX-License-Identifier: BSD-3-Clause
//
// The lines that were typed at prompts, in one file of the user that nobody else may read. Each is appended as it
// comes, so that prompts side by side, and one that is killed, lose none.
#include "config.h"

#include "cli/dict_prompt.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    KEPT = 128 << 10,   // bytes that are left of a file that has grown
    MOST = 2 * KEPT,    // beyond, it is shortened
    LINE_MOST = 4 << 10 // a longer line has a value in it that nobody wants to see again
};

// The directory that XDG has for it. The caller frees; NULL: there is none.
static char *directory_path(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char *path = NULL;
    int length = -1;
    if (state && *state == '/')
        length = asprintf(&path, "%s/dragon", state);
    else if (home && *home == '/')
        length = asprintf(&path, "%s/.local/state/dragon", home);
    return length < 0 ? NULL : path;
}

static void make_directories(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    mkdir(path, 0700);
}

// A file of our own. -1: there is none.
static int open_file(char **path_out)
{
    char *directory = directory_path(), *path = NULL;
    struct stat info;
    int fd = -1;
    if (directory)
        make_directories(directory);
    if (directory && asprintf(&path, "%s/dict-history", directory) >= 0)
        fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    free(directory);
    if (fd >= 0 && (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid() ||
                    fchmod(fd, 0600) != 0)) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0 && path_out)
        *path_out = path;
    else
        free(path);
    return fd;
}

// The other prompts see the one file or the other, each whole.
static void replace_file(const char *path, const char *text, size_t bytes)
{
    char *fresh = NULL;
    int fd = asprintf(&fresh, "%s.XXXXXX", path) < 0 ? -1 : mkostemp(fresh, O_CLOEXEC); // 0600
    if (fd >= 0) {
        bool good = write(fd, text, bytes) == (ssize_t)bytes;
        good = close(fd) == 0 && good;
        if (!good || rename(fresh, path) != 0)
            unlink(fresh);
    }
    free(fresh);
}

static void each_line(char *text, void (*fn)(void *arg, const char *line), void *arg)
{
    for (char *end; (end = strchr(text, '\n')); text = end + 1) {
        *end = 0;
        if (*text)
            fn(arg, text);
    }
}

void history_load(void (*fn)(void *arg, const char *line), void *arg)
{
    char *path = NULL, *text = malloc(KEPT + 1);
    struct stat info;
    int fd = text ? open_file(&path) : -1;
    if (fd >= 0 && fstat(fd, &info) == 0) {
        off_t from = info.st_size > KEPT ? info.st_size - KEPT : 0;
        ssize_t got = pread(fd, text, KEPT, from);
        text[got > 0 ? got : 0] = 0;
        // The first one may be cut.
        char *begin = from > 0 && strchr(text, '\n') ? strchr(text, '\n') + 1 : text;
        if (info.st_size > MOST)
            replace_file(path, begin, strlen(begin));
        each_line(begin, fn, arg);
    }
    if (fd >= 0)
        close(fd);
    free(path);
    free(text);
}

void history_append(const char *line)
{
    char *text;
    int fd = strlen(line) <= LINE_MOST ? open_file(NULL) : -1;
    if (fd < 0)
        return;
    int length = asprintf(&text, "%s\n", line);
    if (length >= 0) {
        ssize_t ignored = write(fd, text, (size_t)length); // at once, so that lines do not mix
        (void)ignored;
        free(text);
    }
    close(fd);
}
