// SPDX-License-Identifier: BSD-3-Clause
//
// The files that ranks of one group write to on this node. Ranks that name the same file share one descriptor.
//
// A file is opened, and so checked, while the group is prepared, and emptied when the first rank is about to
// be started; one that was made for a group that then does not start is removed again.
#ifndef GROUP_FILES_H
#define GROUP_FILES_H

#include "base/base.h"

struct files; // of a group
struct file;

struct files *files_create(void);        // NULL: out of memory
void files_destroy(struct files *files); // NULL is fine; all files have been given back

// What stands for {rank}, {node}, {host}, {group} and {template} in a name.
struct file_words {
    uint64_t group;
    uint32_t rank, node, template_number;
    const char *host;
};

// The path that `pattern` stands for, from `cwd` when it is relative; the caller frees. INVAL: there is a word
// in it that is none of these. NOMEM.
dragon_err_t file_name(const char *pattern, const char *cwd, const struct file_words *words,
                       char **path_out, dragon_error_t *error);

// Opens it for writing, at its end, or gives one more reference to the one that is open. SYS and others,
// with the reason; NOMEM.
dragon_err_t file_open(struct files *files, const char *path, struct file **file_out,
                       dragon_error_t *error);
// Gives a reference back. The last one closes it, and removes what was made here and never begun.
void file_unref(struct file *file); // NULL is fine

// Ranks are about to write to it: empties it, the first time.
void file_begin(struct file *file);
int file_fd(const struct file *file);
const char *file_path(const struct file *file);

// For reading, close-on-exec. -1 with errno.
int file_open_input(const char *path);

#endif
