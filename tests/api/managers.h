// SPDX-License-Identifier: BSD-3-Clause
//
// Finding the processes of a dictionary's managers, which are of this host.
#ifndef TESTS_API_MANAGERS_H
#define TESTS_API_MANAGERS_H

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline size_t read_all(int pid, const char *what, char *text, size_t room)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, what);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd >= 0 ? read(fd, text, room - 1) : 0;
    if (fd >= 0)
        close(fd);
    text[bytes > 0 ? bytes : 0] = 0;
    return bytes > 0 ? (size_t)bytes : 0;
}

// Whether `line` is in the environment of which `bytes` were read.
static inline bool has_line(const char *env, size_t bytes, const char *line)
{
    for (size_t at = 0; at < bytes; at += strlen(env + at) + 1)
        if (strcmp(env + at, line) == 0)
            return true;
    return false;
}

// Tests run side by side: what has another mark belongs to another one.
static inline bool is_manager(int pid, const char *descriptor, const char *rank)
{
    char words[4096], mark[4096];
    static char env[1 << 18];
    size_t bytes = read_all(pid, "cmdline", words, sizeof words);
    size_t first = strlen(words) + 1;
    if (bytes <= first || strcmp(words, "dragon-dict-manager") != 0)
        return false;
    if (descriptor && strcmp(words + first, descriptor) != 0)
        return false;
    const char *ours = getenv("DRAGON_TEST_MARK");
    snprintf(mark, sizeof mark, "DRAGON_TEST_MARK=%s", ours ? ours : "");
    bytes = read_all(pid, "environ", env, sizeof env);
    return (!rank || has_line(env, bytes, rank)) && (!ours || has_line(env, bytes, mark));
}

// Of any rank, or the one with "DRAGON_RANK=..." in its environment; of any dictionary or that one. 0: there is none.
static inline int find_manager(const char *descriptor, const char *rank)
{
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    int found = 0;
    while (folder && !found && (entry = readdir(folder))) {
        int pid = (int)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && is_manager(pid, descriptor, rank))
            found = pid;
    }
    if (folder)
        closedir(folder);
    return found;
}

#endif
