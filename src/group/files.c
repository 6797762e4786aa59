// SPDX-License-Identifier: BSD-3-Clause
//
// Files of ranks: see files.h. They are found again by name and, as one file may have several names, by what the
// system says it is.
#include "config.h"

#include "group/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

struct identity {
    uint64_t device, inode;
};

struct file {
    struct files *files; // borrowed
    char *path;          // owned
    struct identity identity;
    off_t size; // when it was opened
    uint32_t references;
    int fd; // owned
    bool regular;
    bool made;  // it was not there before
    bool begun; // ranks may have written to it
    UT_hash_handle hh, by_identity;
};

struct files {
    struct file *by_path, *by_identity;
};

struct files *files_create(void)
{
    return calloc(1, sizeof(struct files));
}

void files_destroy(struct files *files)
{
    free(files);
}

// ---- names

// Writes what the word of `length` characters stands for. False: it is none.
static bool word_print(FILE *out, const char *word, size_t length, const struct file_words *words)
{
    struct {
        const char *name;
        uint64_t value;
    } numbers[] = {{"rank", words->rank},
                   {"node", words->node},
                   {"group", words->group},
                   {"template", words->template_number}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strlen(numbers[i].name) == length && strncmp(word, numbers[i].name, length) == 0)
            return fprintf(out, "%llu", (unsigned long long)numbers[i].value) > 0;
    if (length != strlen("host") || strncmp(word, "host", length) != 0)
        return false;
    fputs(words->host, out);
    return true;
}

// NULL: the whole was printed; else the word that nobody knows.
static const char *name_print(FILE *out, const char *pattern, const struct file_words *words)
{
    for (const char *at = pattern; *at; at++) {
        const char *end = *at == '{' ? strchr(at, '}') : NULL;
        if (!end) {
            fputc(*at, out);
            continue;
        }
        if (!word_print(out, at + 1, (size_t)(end - at - 1), words))
            return at;
        at = end;
    }
    return NULL;
}

dragon_err_t file_name(const char *pattern, const char *cwd, const struct file_words *words,
                       char **path_out, dragon_error_t *error)
{
    char *path = NULL;
    size_t length;
    FILE *out = open_memstream(&path, &length);
    if (!out)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    if (pattern[0] != '/')
        fprintf(out, "%s/", cwd);
    const char *unknown = name_print(out, pattern, words);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(path);
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    }
    if (unknown) {
        free(path);
        return err_set(error, DRAGON_ERR_INVAL,
                       "%.*s in the file name %.100s is unknown; there are {rank}, {node}, {host}, "
                       "{group} and {template}",
                       (int)strcspn(unknown, "}") + 1, unknown, pattern);
    }
    *path_out = path;
    return DRAGON_OK;
}

// ---- opening

// Waits for nobody, as the other end of a named pipe say; who then writes to it does.
static int open_now(const char *path, int flags)
{
    int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
    int now = fd < 0 ? 0 : fcntl(fd, F_GETFL);
    if (fd >= 0 && now >= 0)
        fcntl(fd, F_SETFL, now & ~O_NONBLOCK);
    return fd;
}

static int open_output(const char *path, bool *made_out)
{
    int fd = open_now(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL);
    *made_out = fd >= 0;
    if (fd < 0 && errno == EEXIST)
        fd = open_now(path, O_WRONLY | O_APPEND | O_CREAT);
    return fd;
}

static const char *open_problem(int problem)
{
    return problem == ENXIO ? "nobody reads from this pipe" : strerror(problem);
}

static void file_free(struct file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    free(file->path);
    free(file);
}

static struct file *file_enter(struct files *files, struct file *file, const struct stat *info)
{
    struct file *same = NULL;
    file->identity = (struct identity){.device = info->st_dev, .inode = info->st_ino};
    file->size = info->st_size;
    file->regular = S_ISREG(info->st_mode);
    HASH_FIND(by_identity, files->by_identity, &file->identity, sizeof file->identity, same);
    if (same) {
        file_free(file);
        same->references++;
        return same;
    }
    HASH_ADD(by_identity, files->by_identity, identity, sizeof file->identity, file);
    HASH_ADD_KEYPTR(hh, files->by_path, file->path, strlen(file->path), file);
    return file;
}

dragon_err_t file_open(struct files *files, const char *path, struct file **file_out,
                       dragon_error_t *error)
{
    struct file *file;
    struct stat info;
    HASH_FIND_STR(files->by_path, path, file);
    if (file) {
        file->references++;
        *file_out = file;
        return DRAGON_OK;
    }
    file = calloc(1, sizeof *file);
    if (!file)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    *file = (struct file){.files = files, .references = 1, .fd = -1, .path = strdup(path)};
    file->fd = file->path ? open_output(path, &file->made) : -1;
    if (file->fd < 0 || fstat(file->fd, &info) != 0) {
        int problem = file->path ? errno : ENOMEM;
        file_free(file);
        return err_set(error, err_from_errno(problem), "cannot write to %.200s: %s", path,
                       open_problem(problem));
    }
    *file_out = file_enter(files, file, &info);
    return DRAGON_OK;
}

void file_unref(struct file *file)
{
    if (!file || --file->references > 0)
        return;
    if (file->made && !file->begun)
        unlink(file->path);
    HASH_DELETE(hh, file->files->by_path, file);
    HASH_DELETE(by_identity, file->files->by_identity, file);
    file_free(file);
}

// Other nodes may write to the same file on a file system that is shared: one that has shrunk since it was looked
// at was emptied by one of them, whose ranks may have begun.
void file_begin(struct file *file)
{
    struct stat info;
    if (!file || file->begun)
        return;
    file->begun = true;
    if (file->regular && file->size > 0 && fstat(file->fd, &info) == 0 &&
        info.st_size >= file->size && ftruncate(file->fd, 0) != 0)
        log_error("cannot empty %s: %s", file->path, strerror(errno));
}

int file_fd(const struct file *file)
{
    return file->fd;
}

const char *file_path(const struct file *file)
{
    return file->path;
}

int file_open_input(const char *path)
{
    struct stat info;
    int fd = open_now(path, O_RDONLY);
    if (fd < 0 || (fstat(fd, &info) == 0 && !S_ISDIR(info.st_mode)))
        return fd;
    close(fd);
    errno = EISDIR;
    return -1;
}
