// SPDX-License-Identifier: BSD-3-Clause
//
// Standard input as the value of a key. What a file holds goes straight into the memory of the dictionary; of a pipe,
// whose end nobody knows, piece after piece.
#include "config.h"

#include "cli/dict.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 20 };

static bool say_unreadable(void)
{
    log_error("cannot read standard input: %s", strerror(errno));
    return false;
}

// What is known before anything is done troubles nobody. *bytes_out: of a file, 0: not known.
static bool can_read(const struct session *session, size_t *bytes_out)
{
    struct stat info;
    errno = session->no_input ? EBADF : 0;
    if (errno || fstat(STDIN_FILENO, &info) != 0)
        return say_unreadable();
    errno = S_ISDIR(info.st_mode) ? EISDIR : 0;
    if (errno)
        return say_unreadable();
    off_t at = S_ISREG(info.st_mode) ? lseek(STDIN_FILENO, 0, SEEK_CUR) : -1;
    *bytes_out = at >= 0 && info.st_size > at ? (size_t)(info.st_size - at) : 0;
    fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIECE); // of a pipe: fewer turns; what is none has none
    return true;
}

// As much as there is room for, less only at the end. -1: it failed, and was told.
static ssize_t read_full(char *to, size_t room)
{
    size_t bytes = 0;
    while (bytes < room) {
        ssize_t got = read(STDIN_FILENO, to + bytes, room - bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            say_unreadable();
            return -1;
        }
        if (got == 0)
            break;
        bytes += (size_t)got;
    }
    return (ssize_t)bytes;
}

// ---- into memory

static bool grow(struct bytes *all, size_t *room)
{
    size_t more = *room ? 2 * *room : PIECE;
    char *grown = realloc(all->data, more + 1);
    if (!grown) {
        log_error("out of memory for a value of more than %zu bytes", all->count);
        return false;
    }
    all->data = grown;
    *room = more;
    return true;
}

bool input_all(const struct session *session, struct bytes *bytes_out)
{
    struct bytes all = {0};
    size_t known, room = 0;
    ssize_t got = 1;
    if (!can_read(session, &known))
        return false;
    room = known; // and one more step, which finds the end
    while (got > 0) {
        if ((all.count == room || !all.data) && !grow(&all, &room)) {
            got = -1;
            break;
        }
        got = read_full(all.data + all.count, room - all.count);
        all.count += got > 0 ? (size_t)got : 0;
    }
    if (got < 0) {
        free(all.data);
        return false;
    }
    all.data[all.count] = 0;
    *bytes_out = all;
    return true;
}

// ---- into the dictionary

enum copied {
    COPIED,
    UNREADABLE,
    REFUSED
}; // REFUSED: by the dictionary, UNREADABLE: it was said why

// A file, as long as it was when it was opened, without a copy on the way.
static enum copied copy_file(dragon_dict_writer_t *writer, size_t left, dragon_err_t *err_out)
{
    while (left > 0) {
        size_t piece = left < PIECE ? left : PIECE;
        void *room;
        *err_out = dragon_dict_writer_room(writer, piece, &room);
        if (*err_out != DRAGON_OK)
            return REFUSED;
        ssize_t got = read_full(room, piece);
        if (got >= 0 && (size_t)got < piece)
            log_error("standard input became shorter while it was read");
        if (got < 0 || (size_t)got < piece)
            return UNREADABLE;
        left -= piece;
    }
    return COPIED;
}

static enum copied copy_pipe(dragon_dict_writer_t *writer, dragon_err_t *err_out)
{
    char *buffer = malloc(PIECE);
    ssize_t got = 0;
    *err_out = buffer ? DRAGON_OK : DRAGON_ERR_NOMEM;
    while (*err_out == DRAGON_OK && (got = read_full(buffer, PIECE)) > 0)
        *err_out = dragon_dict_writer_write(writer, buffer, (size_t)got);
    free(buffer);
    return *err_out != DRAGON_OK ? REFUSED : got < 0 ? UNREADABLE : COPIED;
}

int input_write(struct call *call)
{
    const struct bytes *key = &call->operands[0];
    dragon_dict_writer_t *writer;
    size_t known;
    if (!can_read(call->session, &known))
        return DICT_EXIT_OURS;
    dragon_err_t err = dragon_dict_writer_open(call->session->dict, key->data, key->count, known,
                                               &writer, call->timeout_ms);
    if (err != DRAGON_OK)
        return call_fail(call, err);
    enum copied copied = known ? copy_file(writer, known, &err) : copy_pipe(writer, &err);
    if (copied == COPIED)
        return call_end(call, dragon_dict_writer_close(writer, call->timeout_ms));
    dragon_dict_writer_abandon(writer); // the key is what it was
    return copied == REFUSED ? call_fail(call, err) : DICT_EXIT_OURS;
}
