// SPDX-License-Identifier: BSD-3-Clause
//
// What workers write to their standard error: it goes on to ours line by line, and the last of each worker is kept for the
// words of an error.
#include "config.h"

#include "pool/pool.h"

#include <errno.h>
#include <unistd.h>

enum { PIECE = 16 << 10 };

struct lines {
    size_t bytes;   // in text
    size_t pending; // of them, those at the end that were not passed on
    char text[2 * POOL_LINES + 1];
};

static void write_all(const char *text, size_t bytes)
{
    while (bytes > 0) {
        ssize_t written = write(STDERR_FILENO, text, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return; // nobody reads it
        text += written;
        bytes -= (size_t)written;
    }
}

static void pass_on(struct lines *lines, bool all)
{
    const char *from = lines->text + lines->bytes - lines->pending;
    const char *newline = memrchr(from, '\n', lines->pending);
    size_t bytes = newline ? (size_t)(newline - from) + 1 : 0;
    if (all)
        bytes = lines->pending;
    write_all(from, bytes);
    lines->pending -= bytes;
}

// The older half goes when it is full.
static void make_room(struct lines *lines, size_t bytes)
{
    if (lines->bytes + bytes < sizeof lines->text)
        return;
    if (lines->pending > POOL_LINES)
        pass_on(lines, true);
    size_t drop = lines->bytes > POOL_LINES ? lines->bytes - POOL_LINES : 0;
    memmove(lines->text, lines->text + drop, lines->bytes - drop);
    lines->bytes -= drop;
}

static void add(struct worker *worker, const char *text, size_t bytes)
{
    if (!worker->lines && !(worker->lines = calloc(1, sizeof *worker->lines))) {
        write_all(text, bytes);
        return;
    }
    struct lines *lines = worker->lines;
    while (bytes > 0) {
        size_t piece = bytes < POOL_LINES ? bytes : POOL_LINES;
        make_room(lines, piece);
        memcpy(lines->text + lines->bytes, text, piece);
        lines->bytes += piece;
        lines->pending += piece;
        lines->text[lines->bytes] = 0;
        pass_on(lines, false);
        text += piece;
        bytes -= piece;
    }
}

void lines_read(struct dragon_pool *pool)
{
    char data[PIECE];
    dragon_output_t output;
    while (dragon_group_read(pool->group, data, sizeof data, &output, 0) == DRAGON_OK)
        if (output.rank < pool->worker_count)
            add(&pool->workers[output.rank], data, output.bytes);
}

void lines_end(struct worker *worker)
{
    if (!worker->lines)
        return;
    if (worker->lines->pending > 0) {
        pass_on(worker->lines, true);
        write_all("\n", 1);
    }
    worker->lines->bytes = 0;
    worker->lines->text[0] = 0;
}

const char *lines_last(const struct worker *worker, size_t most)
{
    if (!worker->lines)
        return "";
    const struct lines *lines = worker->lines;
    const char *from = lines->text;
    if (lines->bytes > most) {
        from += lines->bytes - most;
        const char *newline = strchr(from, '\n');
        if (newline && newline[1])
            from = newline + 1;
    }
    return from;
}

void lines_destroy(struct worker *worker)
{
    free(worker->lines);
    worker->lines = NULL;
}
