// SPDX-License-Identifier: BSD-3-Clause
//
// What the machine can do between two processes without any library: the peers of the figures on one host. The
// sides are children made by fork, which use nothing but a piece of memory that was shared before; the driving one
// writes its result there.
#include "config.h"

#include "cli/bench_channel.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE = 64, CHUNK = 64, LOOKS_MOST = 1 << 30, OVER = UINT32_MAX, SLEEP_MS = 10000 };

// One for each pair; `left` is written by the driving side, `right` by the other. Two lines apart, because processors
// fetch lines in pairs.
struct shared_pair {
    _Alignas(2 * LINE) _Atomic uint32_t left;
    _Alignas(2 * LINE) _Atomic uint32_t right;
    _Alignas(2 * LINE) double result; // below 0: it failed
};

struct limit {
    struct shared_pair *pair; // shared
    const struct cores *cores;
    bool two;
    int ms;
    size_t bytes; // of the pipeline
    uint32_t places;
    char *place; // shared
};

static void *share(size_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

// 0: it could not be started. The child dies with us.
static pid_t start(void (*side)(struct limit *limit), struct limit *limit, const char *cores)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        cores_pin(cores);
        side(limit);
        _exit(0);
    }
    return pid < 0 ? 0 : pid;
}

// ---- cache lines

// What it is now that it is no longer `known`; OVER also when nothing happened for a long time.
static uint32_t look(_Atomic uint32_t *word, uint32_t known)
{
    for (uint32_t i = 0; i < LOOKS_MOST; i++) {
        uint32_t now = atomic_load_explicit(word, memory_order_acquire);
        if (now != known)
            return now;
    }
    return OVER;
}

// In one line both write the same word: odd is the one's turn, even the other's.
static void line_right(struct limit *limit)
{
    struct shared_pair *pair = limit->pair;
    _Atomic uint32_t *mine = limit->two ? &pair->right : &pair->left;
    for (uint32_t known = 0, now; (now = look(&pair->left, known)) != OVER;) {
        uint32_t answer = limit->two ? now : now + 1;
        atomic_store_explicit(mine, answer, memory_order_release);
        known = limit->two ? now : answer;
    }
}

static void line_left(struct limit *limit)
{
    struct shared_pair *pair = limit->pair;
    _Atomic uint32_t *theirs = limit->two ? &pair->right : &pair->left;
    uint64_t begin = 0, end = 0, trips = 0, limit_ns = (uint64_t)limit->ms * 1000000;
    for (uint32_t turn = 1, known = 0; end - begin < limit_ns;) {
        for (int i = 0; i < CHUNK; i++, turn += 2) {
            atomic_store_explicit(&pair->left, turn, memory_order_release);
            known = look(theirs, limit->two ? known : turn);
            if (known == OVER)
                return;
        }
        trips += CHUNK;
        end = time_now_ns();
        if (begin == 0) { // the first chunk waited for the other side to start
            begin = end;
            trips = 0;
        }
    }
    pair->result = (double)(end - begin) / 2 / (double)trips;
    atomic_store(&pair->left, OVER);
}

// ---- futexes

static void futex_wake(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store(word, value);
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static uint32_t futex_wait(_Atomic uint32_t *word, uint32_t known)
{
    struct timespec limit = {.tv_sec = SLEEP_MS / 1000};
    uint32_t now;
    while ((now = atomic_load(word)) == known)
        if (syscall(SYS_futex, word, FUTEX_WAIT, known, &limit, NULL, 0) != 0 && errno == ETIMEDOUT)
            return OVER;
    return now;
}

static void futex_right(struct limit *limit)
{
    struct shared_pair *pair = limit->pair;
    for (uint32_t now = 0; (now = futex_wait(&pair->left, now)) != OVER;)
        futex_wake(&pair->right, now);
}

static void futex_left(struct limit *limit)
{
    struct shared_pair *pair = limit->pair;
    uint64_t begin = 0, end = 0, trips = 0, limit_ns = (uint64_t)limit->ms * 1000000;
    for (uint32_t turn = 1; end - begin < limit_ns; turn++) {
        futex_wake(&pair->left, turn);
        if (futex_wait(&pair->right, turn - 1) == OVER)
            return;
        trips++;
        end = time_now_ns();
        if (begin == 0) {
            begin = end;
            trips = 0;
        }
    }
    pair->result = (double)(end - begin) / 2 / (double)trips;
    futex_wake(&pair->left, OVER);
}

// ---- pairs of processes

typedef void side(struct limit *limit);

// The mean of what the driving sides found; below 0: one of them failed.
static double run_pairs(struct limit *limit, int pairs, side *left, side *right,
                        const char *left_cores, const char *right_cores)
{
    struct limit each[PAIRS_MOST];
    pid_t pids[2 * PAIRS_MOST];
    size_t bytes = sizeof *limit->pair * (size_t)pairs;
    struct shared_pair *shared = share(bytes);
    double sum = 0;
    if (!shared)
        return -1;
    for (int i = 0; i < pairs; i++) {
        each[i] = *limit;
        each[i].pair = &shared[i];
        shared[i].result = -1;
        pids[2 * i] = start(right, &each[i], right_cores);
        pids[2 * i + 1] = start(left, &each[i], left_cores);
    }
    for (int i = 2 * pairs - 1; i >= 0; i--) { // who drives ends first
        if (i % 2 == 0 && pids[i] && shared[i / 2].result < 0)
            kill(pids[i], SIGKILL);
        if (pids[i])
            waitpid(pids[i], NULL, 0);
    }
    for (int i = 0; i < pairs; i++)
        sum = sum < 0 || shared[i].result < 0 ? -1 : sum + shared[i].result;
    munmap(shared, bytes);
    return sum < 0 ? -1 : sum / pairs;
}

static double run_pair(struct limit *limit, side *left, side *right)
{
    char a[16], b[16];
    snprintf(a, sizeof a, "%d", limit->cores->a);
    snprintf(b, sizeof b, "%d", limit->cores->b);
    return run_pairs(limit, 1, left, right, a, b);
}

double limit_line_ns(const struct cores *cores, bool two, int ms)
{
    struct limit limit = {.cores = cores, .two = two, .ms = ms};
    return run_pair(&limit, line_left, line_right);
}

double limit_futex_us(const struct cores *cores, int pairs, int ms)
{
    struct limit limit = {.cores = cores, .ms = ms};
    double ns = pairs == 1
                    ? run_pair(&limit, futex_left, futex_right)
                    : run_pairs(&limit, pairs, futex_left, futex_right, cores->both, cores->both);
    return ns < 0 ? -1 : ns / 1e3;
}

// ---- copies

static void fill(char *memory, size_t bytes)
{
    if (memory)
        memset(memory, 1, bytes);
}

static double copy_for(char *places, const char *from, size_t bytes, uint32_t count, int ms)
{
    uint64_t begin = time_now_ns(), end = begin, copies = 0;
    while (end - begin < (uint64_t)ms * 1000000) {
        for (uint32_t i = 0; i < count; i++)
            memcpy(places + i * bytes, from, bytes);
        __asm__ volatile("" : : "r"(places) : "memory"); // they are all to be made
        copies += count;
        end = time_now_ns();
    }
    return (double)copies * (double)bytes * 1e3 / (double)(end - begin);
}

double limit_memcpy_mbs(const struct cores *cores, size_t bytes, uint32_t places, int ms)
{
    char *to = malloc(bytes * places), *from = malloc(bytes);
    double mbs = -1;
    fill(to, bytes * places);
    fill(from, bytes);
    cores_pin_to(cores->a);
    if (to && from)
        mbs = copy_for(to, from, bytes, places, ms);
    cores_unpin();
    free(to);
    free(from);
    return mbs;
}

// `left` is how many places were ever filled, `right` how many were emptied.
static void pipeline_right(struct limit *limit)
{
    struct shared_pair *pair = limit->pair;
    char *mine = malloc(limit->bytes);
    fill(mine, limit->bytes);
    for (uint32_t taken = 0, known = 0; mine;) {
        if (taken == known && (known = look(&pair->left, known)) == OVER)
            return;
        memcpy(mine, limit->place + taken % limit->places * limit->bytes, limit->bytes);
        atomic_store_explicit(&pair->right, ++taken, memory_order_release);
    }
}

static void pipeline_left(struct limit *limit)
{
    struct shared_pair *pair = limit->pair;
    char *mine = malloc(limit->bytes);
    uint64_t begin = 0, end = 0;
    uint32_t filled = 0, known = 0, first = 0;
    fill(mine, limit->bytes);
    while (mine && (begin == 0 || end - begin < (uint64_t)limit->ms * 1000000)) {
        if (filled - known == limit->places && (known = look(&pair->right, known)) == OVER)
            return;
        memcpy(limit->place + filled % limit->places * limit->bytes, mine, limit->bytes);
        atomic_store_explicit(&pair->left, ++filled, memory_order_release);
        end = time_now_ns();
        if (begin == 0 && known > 0) { // the other side is there
            begin = end;
            first = filled;
        }
    }
    while (mine && known != filled && known != OVER)
        known = look(&pair->right, known);
    end = time_now_ns();
    if (mine && known == filled)
        pair->result =
            (double)(filled - first) * (double)limit->bytes * 1e3 / (double)(end - begin);
    atomic_store(&pair->left, OVER);
}

double limit_pipeline_mbs(const struct cores *cores, size_t bytes, uint32_t places, int ms)
{
    struct limit limit = {.cores = cores, .ms = ms, .bytes = bytes, .places = places};
    limit.place = share(bytes * places);
    if (!limit.place)
        return -1;
    double mbs = run_pair(&limit, pipeline_left, pipeline_right);
    munmap(limit.place, bytes * places);
    return mbs;
}
