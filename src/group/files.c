// SPDX-License-Identifier: BSD-3-Clause
//
// Files of ranks: see files.h. They are found again by name and, as one file may have several names, by what the
// system says it is.
#include "config.h"

#include "group/files.h"

#include "group/proto.h"

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

static void word_print(FILE *out, enum stream_word word, const struct file_words *words)
{
    const uint64_t numbers[STREAM_WORDS] = {[WORD_RANK] = words->rank,
                                            [WORD_NODE] = words->node,
                                            [WORD_GROUP] = words->group,
                                            [WORD_TEMPLATE] = words->template_number};
    if (word == WORD_HOST)
        fputs(words->host, out);
    else
        fprintf(out, "%llu", (unsigned long long)numbers[word]);
}

// NULL: the whole was printed; else the word that nobody knows.
static const char *name_print(FILE *out, const char *pattern, const struct file_words *words)
{
    for (const char *at = pattern; *at;) {
        size_t length;
        if (*at != '{' || !strchr(at, '}')) {
            fputc(*at++, out);
            continue;
        }
        enum stream_word word = stream_word_at(at, &length);
        if (word == STREAM_WORDS)
            return at;
        word_print(out, word, words);
        at += length;
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
        char known[80];
        free(path);
        return err_set(error, DRAGON_ERR_INVAL,
                       "%.*s in the file name %.100s is unknown; there are %s",
                       (int)strcspn(unknown, "}") + 1, unknown, pattern,
                       words_join(stream_words, STREAM_WORDS, known, sizeof known));
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
