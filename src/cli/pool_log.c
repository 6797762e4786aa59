// SPDX-License-Identifier: BSD-3-Clause
//
// The job log, in the form of GNU parallel's: a line for each task that has ended and whose output is written, appended in
// one piece, so that whatever kills us leaves whole lines and at most one that is cut. --resume reads it back.
#include "config.h"

#include "cli/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEQ_MOST = 1000000000, LINE_COLUMNS = 8 };

static const char heading[] =
    "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

// ---- reading

bool pool_log_parse(const char *line, struct pool_log_line *line_out)
{
    char fields[LINE_COLUMNS][64];
    long long seq, code, signal;
    for (int i = 0; i < LINE_COLUMNS; i++) {
        size_t length = strcspn(line, "\t");
        if (line[length] != '\t')
            return false;
        snprintf(fields[i], sizeof fields[i], "%.*s", (int)length, line);
        line += length + 1;
    }
    if (!parse_number(fields[0], 1, SEQ_MOST, &seq) ||
        !parse_number(fields[6], INT32_MIN, INT32_MAX, &code) ||
        !parse_number(fields[7], 0, INT32_MAX, &signal))
        return false;
    *line_out = (struct pool_log_line){.seq = (uint64_t)seq, .failed = code != 0 || signal != 0};
    return true;
}

static bool set_done(struct pool_log *log, uint64_t seq, bool done)
{
    uint64_t *grown = log->done, bit = UINT64_C(1) << (seq & 63);
    if (seq >= log->bits) {
        uint64_t bits = log->bits ? log->bits : 4096;
        while (bits <= seq)
            bits *= 2;
        grown = realloc(log->done, bits / 8);
        if (!grown)
            return false;
        memset((uint8_t *)grown + log->bits / 8, 0, (bits - log->bits) / 8);
        log->done = grown;
        log->bits = bits;
    }
    if (done)
        grown[seq / 64] |= bit;
    else
        grown[seq / 64] &= ~bit;
    return true;
}

bool pool_log_has(const struct pool_log *log, uint64_t seq)
{
    return seq < log->bits && log->done[seq / 64] >> (seq & 63) & 1;
}

static bool wrong_line(const struct pool_log *log, size_t number, dragon_error_t *error)
{
    err_set(error, DRAGON_ERR_INVAL, "%s, line %zu: this is no line of a job log", log->name,
            number);
    return false;
}

// The last line may have been cut off: it does not count, and goes.
static bool read_back(struct pool_log *log, bool failed_again, dragon_error_t *error)
{
    FILE *file = fdopen(dup(log->fd), "r");
    struct pool_log_line said;
    char *line = NULL;
    size_t room = 0, number = 0;
    off_t good = 0;
    ssize_t length;
    bool fine = file != NULL;
    while (fine && (length = getline(&line, &room, file)) > 0 && line[length - 1] == '\n') {
        number++;
        if (number == 1 && strcmp(line, heading) == 0)
            ;
        else if (!pool_log_parse(line, &said))
            fine = wrong_line(log, number, error);
        else if (!set_done(log, said.seq, !(said.failed && failed_again))) {
            err_set(error, DRAGON_ERR_NOMEM, "out of memory for the job log %s", log->name);
            fine = false;
        }
        good += length;
    }
    if (!file || (fine && (ferror(file) || ftruncate(log->fd, good) != 0))) {
        err_set_errno(error, errno, "cannot read the job log %s", log->name);
        fine = false;
    }
    free(line);
    if (file)
        fclose(file);
    return fine;
}

// ---- writing

static bool write_all(struct pool_log *log, const char *text, size_t bytes, dragon_error_t *error)
{
    while (bytes > 0) {
        ssize_t written = write(log->fd, text, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            err_set_errno(error, written < 0 ? errno : EIO, "cannot write the job log %s",
                          log->name);
            return false;
        }
        text += written;
        bytes -= (size_t)written;
    }
    return true;
}

bool pool_log_open(struct pool_log *log, const struct pool_call *call, dragon_error_t *error)
{
    bool resume = call->resume || call->resume_failed;
    struct stat info;
    *log = (struct pool_log){.fd = -1, .name = call->joblog};
    if (!call->joblog)
        return true;
    log->fd =
        open(call->joblog, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | (resume ? 0 : O_TRUNC), 0666);
    if (log->fd < 0 || fstat(log->fd, &info) != 0) {
        err_set_errno(error, errno, "cannot open the job log %s", call->joblog);
        return false;
    }
    if (resume && !S_ISREG(info.st_mode)) {
        err_set(error, DRAGON_ERR_INVAL, "the job log %s is no file", call->joblog);
        return false;
    }
    if (resume && !read_back(log, call->resume_failed, error))
        return false;
    if (fstat(log->fd, &info) == 0 && info.st_size > 0 && resume)
        return true;
    return write_all(log, heading, sizeof heading - 1, error);
}

void pool_log_close(struct pool_log *log)
{
    if (log->fd >= 0)
        close(log->fd);
    free(log->done);
}

bool pool_log_write(struct pool_log *log, const struct pool_task *task, dragon_error_t *error)
{
    struct pool_text text = {0};
    char head[256];
    if (log->fd < 0)
        return true;
    int length = snprintf(head, sizeof head, "%llu\t%s\t%.3f\t%10.3f\t0\t%zu\t%d\t%d\t",
                          (unsigned long long)task->seq, task->host ? task->host : ":",
                          task->started, task->seconds, task->end.output_bytes,
                          task->signal ? 0 : task->code, task->signal);
    pool_text_add(&text, head, (size_t)length);
    size_t from = text.bytes;
    pool_text_add(&text, task->line.text, strlen(task->line.text));
    // A line stays one.
    for (size_t i = from; !text.failed && i < text.bytes; i++)
        if (text.data[i] == '\n')
            text.data[i] = 0;
    pool_text_add(&text, "\n", 1);
    bool good = !text.failed;
    if (!good)
        err_set(error, DRAGON_ERR_NOMEM, "out of memory for the job log");
    else
        good = write_all(log, text.data, text.bytes, error);
    free(text.data);
    return good;
}
