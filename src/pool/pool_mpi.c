// SPDX-License-Identifier: BSD-3-Clause
//
// MPI programs as tasks. Each is a group of its own, with cores of its own; the runtime lets groups wait for room in the
// order in which they were submitted. Only so many are submitted at a time: the others wait here, as bytes.
//
//     mpi_submit -> waiting -> (a group: queued, running, ended) -> what it wrote is read to its end -> the task is done
#include "config.h"

#include "pool/command.h"
#include "pool/pool_mpi.h"

#include <unistd.h>

enum {
    SUBMITTED_MOST = 64,
    OUTPUT_FIRST = 4096,
    PIECE = 64 << 10,
    EXIT_NOT_STARTED = 125, // and the next two, as a shell would say
    EXIT_DENIED = 126,
    EXIT_NOT_FOUND = 127,
    EXIT_LIMIT = 124,
    SIGNALED = 128,
    // What came while another group was read is not told by any descriptor: so it is looked again soon after something came,
    // and then less and less often.
    LOOK_FIRST_MS = 1,
    LOOK_MOST_MS = 1000,
};

struct mpi {
    struct mpi_task *first, **last;           // wait, in their order
    struct mpi_task *running, **running_last; // were submitted
    uint32_t running_count;
    bool news;   // something has come since the latest look
    int look_ms; // until the next one, when nothing comes
};

// ---- records

static struct mpi *mpi_of(struct dragon_pool *pool)
{
    if (pool->mpi || !(pool->mpi = calloc(1, sizeof *pool->mpi)))
        return pool->mpi;
    pool->mpi->last = &pool->mpi->first;
    pool->mpi->running_last = &pool->mpi->running;
    pool->mpi->look_ms = LOOK_FIRST_MS;
    return pool->mpi;
}

static void destroy(struct mpi_task *mine)
{
    dragon_group_destroy(mine->group);
    dragon_policy_destroy(mine->policy);
    if (mine->input >= 0)
        close(mine->input);
    free(mine->written[0].data);
    free(mine->written[1].data);
    free(mine);
}

static struct mpi_task *create(struct dragon_result *task, const dragon_command_t *command)
{
    struct mpi_task *mine = calloc(1, sizeof *mine);
    if (!mine)
        return NULL;
    mine->task = task;
    mine->ranks = command->mpi_ranks;
    mine->anywhere = !command->policy;
    mine->limit_ms = command->limit_ms ? command->limit_ms : task->limit_ms;
    mine->input = -1;
    dragon_err_t err = command->policy ? dragon_policy_copy(command->policy, &mine->policy)
                                       : dragon_policy_create(&mine->policy);
    if (err == DRAGON_OK && !command->policy)
        err = dragon_policy_set_cores(mine->policy, 1);
    if (err == DRAGON_OK)
        return mine;
    destroy(mine);
    return NULL;
}

// ---- the end of one

static void end_words(const struct mpi_task *mine, dragon_err_t err, const char *words)
{
    if (mine->task->state != TASK_DONE)
        task_fail(mine->task, err, "%s", words);
    else if (!mine->task->held)
        task_release(mine->task);
}

// It is in no list any more.
static void finish(struct mpi_task *mine, dragon_err_t err, const void *value, size_t bytes)
{
    struct dragon_result *task = mine->task;
    task->pool->happened++;
    task->queued = false;
    task->mpi = NULL;
    if (err != DRAGON_OK)
        end_words(mine, err, value);
    else if (task->state == TASK_DONE)
        end_words(mine, err, NULL);
    else
        task_finish(task, DRAGON_OK, value, bytes);
    destroy(mine);
}

static void finish_well(struct mpi_task *mine, int code, bool killed)
{
    const struct written *written = mine->written;
    dragon_command_end_t end = {.exit_code = code,
                                .signal = killed ? code - SIGNALED : 0,
                                .output = written[0].data,
                                .output_bytes = written[0].bytes,
                                .error = written[1].data,
                                .error_bytes = written[1].bytes,
                                .truncated = written[0].more || written[1].more};
    size_t bytes = command_end_bytes(&end);
    void *value = malloc(bytes);
    if (!value) {
        finish(mine, DRAGON_ERR_NOMEM, "out of memory for what the program wrote", 0);
        return;
    }
    command_end_write(value, &end);
    finish(mine, DRAGON_OK, value, bytes);
    free(value);
}

static dragon_err_t error_of(const struct mpi_task *mine, int code, const char *cause)
{
    if (!mine->started)
        return code == EXIT_NOT_FOUND ? DRAGON_ERR_NOT_FOUND
               : code == EXIT_DENIED  ? DRAGON_ERR_DENIED
                                      : DRAGON_ERR_LAUNCH;
    if (code == EXIT_LIMIT && mine->limit_ms && strstr(cause, "time limit"))
        return DRAGON_ERR_TIMEOUT;
    if (code != EXIT_NOT_STARTED || strstr(cause, "exited with code"))
        return DRAGON_OK;
    // No MPI program; or a node was lost.
    return strstr(cause, "without ever connecting") ? DRAGON_ERR_LAUNCH : DRAGON_ERR_PEER;
}

// From the beginning, and before the others. It is no fault of the program, so it costs it no attempt.
static void begin_again(struct mpi_task *mine)
{
    struct dragon_result *task = mine->task;
    struct dragon_pool *pool = task->pool;
    struct mpi *mpi = pool->mpi;
    dragon_group_destroy(mine->group);
    mine->group = NULL;
    if (mine->input >= 0)
        close(mine->input);
    mine->input = -1;
    for (int i = 0; i < 2; i++) {
        mine->written[i].bytes = 0;
        mine->written[i].more = false;
    }
    mine->started = mine->ended = mine->stopped = mine->lost = false;
    if (task->state == TASK_GIVEN) {
        task->state = TASK_WAITS;
        pool->given--;
        pool->waiting++;
    }
    task->lost++;
    pool->retried++;
    mine->next = mpi->first;
    if (!mpi->first)
        mpi->last = &mine->next;
    mpi->first = mine;
}

static void finish_ended(struct mpi_task *mine)
{
    if (mine->lost && !mine->stopped && mine->task->state != TASK_DONE &&
        !mine->task->pool->broken) {
        begin_again(mine);
        return;
    }
    int code = dragon_group_exit_code(mine->group);
    const char *cause = dragon_group_cause(mine->group);
    char words[400];
    snprintf(words, sizeof words, "%s", cause); // the group goes
    mine->task->code = code;
    mine->task->given = true;
    dragon_err_t err = error_of(mine, code, words);
    if (err == DRAGON_OK)
        finish_well(mine, code, strstr(words, "was killed by signal") != NULL);
    else
        finish(mine, err, words, 0);
}

// ---- while it runs

static uint64_t real_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void on_started(struct mpi_task *mine)
{
    struct dragon_result *task = mine->task;
    dragon_rank_place_t place;
    mine->started = true;
    task->given = true;
    task->started_ns = real_ns();
    if (dragon_group_rank_place(mine->group, 0, &place) == DRAGON_OK)
        task->node = place.node;
    if (task->state != TASK_WAITS)
        return;
    task->state = TASK_GIVEN;
    task->pool->waiting--;
    task->pool->given++;
}

void mpi_on_event(void *arg, dragon_group_t *group, const dragon_event_t *event)
{
    struct mpi_task *mine = arg;
    (void)group;
    if (event->kind == DRAGON_EVENT_STARTED)
        on_started(mine);
    mine->ended |= event->kind == DRAGON_EVENT_ENDED;
    mine->lost |= event->lost != 0;
    if (mine->ended && mine->started)
        mine->task->run_ns = real_ns() - mine->task->started_ns;
    mine->task->pool->happened++;
    mine->task->pool->mpi->news = true;
    pool_wake(mine->task->pool); // it may have come in a call of others
}

static void keep(struct written *written, const uint8_t *data, size_t bytes)
{
    size_t most = DRAGON_COMMAND_OUTPUT_MOST - written->bytes;
    written->more |= bytes > most;
    bytes = bytes < most ? bytes : most;
    if (bytes > written->room - written->bytes) {
        size_t room = written->room ? written->room : OUTPUT_FIRST;
        while (room - written->bytes < bytes)
            room *= 2;
        uint8_t *more = realloc(written->data, room);
        if (!more) {
            written->more = true;
            return;
        }
        written->data = more;
        written->room = room;
    }
    if (bytes > 0)
        memcpy(written->data + written->bytes, data, bytes);
    written->bytes += bytes;
}

// True: that was all, and it has ended.
static bool read_output(struct mpi_task *mine)
{
    uint8_t data[PIECE];
    dragon_output_t output;
    dragon_err_t err;
    while ((err = dragon_group_read(mine->group, data, sizeof data, &output, 0)) == DRAGON_OK) {
        keep(&mine->written[output.stream == DRAGON_STDERR], data, output.bytes);
        mine->task->pool->mpi->news = true;
    }
    return mine->ended && err != DRAGON_ERR_TIMEOUT;
}

// ---- whose turn it is

static dragon_err_t try_start(struct mpi_task *mine, dragon_error_t *error)
{
    const struct dragon_pool *pool = mine->task->pool;
    error->text[0] = 0;
    if (mine->task->state == TASK_DONE) // it was canceled
        return DRAGON_ERR_CANCELED;
    return pool->broken ? err_set(error, pool->why.code, "%s", pool->why.text)
                        : mpi_start(mine, error);
}

static void start_more(struct dragon_pool *pool)
{
    struct mpi *mpi = pool->mpi;
    dragon_error_t error;
    while (mpi->first && mpi->running_count < SUBMITTED_MOST) {
        struct mpi_task *mine = mpi->first;
        mpi->first = mine->next;
        if (!mpi->first)
            mpi->last = &mpi->first;
        mine->next = NULL;
        dragon_err_t err = try_start(mine, &error);
        if (err != DRAGON_OK) {
            finish(mine, err, error.text, 0);
            continue;
        }
        *mpi->running_last = mine;
        mpi->running_last = &mine->next;
        mpi->running_count++;
    }
}

// ---- the pool's side

dragon_err_t mpi_submit(struct dragon_pool *pool, struct dragon_result *task, const void *data,
                        size_t bytes, const dragon_command_t *command)
{
    struct mpi *mpi = mpi_of(pool);
    struct mpi_task *mine = mpi && task_set_data(task, data, bytes) ? create(task, command) : NULL;
    if (!mine) {
        task_release(task);
        return DRAGON_ERR_NOMEM;
    }
    task->mpi = mine;
    task->queued = true;
    pool->open++;
    pool->waiting++;
    *mpi->last = mine;
    mpi->last = &mine->next;
    start_more(pool);
    pool->looked_ns = 0; // that may have taken what the runtime had
    return DRAGON_OK;
}

static void look_at_running(struct mpi *mpi)
{
    mpi->news = false;
    for (struct mpi_task **at = &mpi->running, *mine; (mine = *at);) {
        if (!read_output(mine)) {
            at = &mine->next;
            continue;
        }
        *at = mine->next;
        if (!*at)
            mpi->running_last = at;
        mpi->running_count--;
        finish_ended(mine);
        at = &mpi->running; // its callback may have changed the list
    }
}

void mpi_turn(struct dragon_pool *pool)
{
    if (!pool->mpi)
        return;
    do {
        if (pool->mpi->news)
            pool->mpi->look_ms = LOOK_FIRST_MS;
        look_at_running(pool->mpi);
        start_more(pool);
    } while (pool->mpi->news);
}

int mpi_sleep_ms(struct dragon_pool *pool)
{
    struct mpi *mpi = pool->mpi;
    if (!mpi || mpi->running_count == 0)
        return -1;
    if (mpi->news)
        return 0;
    int ms = mpi->look_ms;
    mpi->look_ms = 2 * ms < LOOK_MOST_MS ? 2 * ms : LOOK_MOST_MS;
    return ms;
}

void mpi_cancel(struct dragon_result *task, bool kill)
{
    struct mpi_task *mine = task->mpi;
    if (!mine->group || mine->stopped || (mine->started && !kill))
        return;
    mine->stopped = true;
    dragon_group_stop(mine->group);
}

void mpi_fail_all(struct dragon_pool *pool, dragon_err_t err, const char *why)
{
    struct mpi *mpi = pool->mpi;
    if (!mpi)
        return;
    *mpi->last = mpi->running;
    struct mpi_task *mine = mpi->first, *next;
    mpi->first = mpi->running = NULL;
    mpi->last = &mpi->first;
    mpi->running_last = &mpi->running;
    mpi->running_count = 0;
    for (; mine; mine = next) {
        next = mine->next;
        finish(mine, err, why, 0); // which stops it
    }
}

void mpi_destroy(struct dragon_pool *pool)
{
    mpi_fail_all(pool, DRAGON_ERR_CANCELED, "the pool is gone");
    free(pool->mpi);
}
