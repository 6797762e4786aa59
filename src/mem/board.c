// SPDX-License-Identifier: BSD-3-Clause
//
// The board, and sleeping on a bell. Who sleeps says so in `sleep` and then asks the kernel to compare the bell with
// what was seen of it; who rings counts the bell up and then looks at `sleep`. All four are sequentially consistent, so
// either the sleeper finds the bell changed, or the ringer finds somebody asleep.
#include "config.h"

#include "mem/board.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int board_memory(void)
{
    return memfd_create("dragon-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static struct board *board_map(int fd)
{
    void *board = mmap(NULL, board_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return board == MAP_FAILED ? NULL : board;
}

struct board *board_open(int fd, uint32_t node)
{
    if (ftruncate(fd, (off_t)board_bytes()) != 0 || fallocate(fd, 0, 0, (off_t)board_bytes()) != 0)
        return NULL;
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    struct board *board = board_map(fd);
    if (board)
        board_init(board, node);
    return board;
}

void board_end(int fd)
{
    struct stat stat;
    if (fstat(fd, &stat) != 0 || stat.st_size < (off_t)board_bytes())
        return;
    struct board *board = board_map(fd);
    if (!board)
        return;
    atomic_store(&board->ended, 1);
    // Who sleeps in poll sees the end of the keeper's socket there.
    for (uint32_t slot = SLOT_FIRST; slot < BOARD_SLOTS; slot++)
        bell_ring(&board->slots[slot]);
    munmap(board, board_bytes());
}

void board_lose(struct board *board, uint32_t node)
{
    uint64_t bit = UINT64_C(1) << (node % 64);
    if (node < BOARD_NODES && !(atomic_fetch_or(&board->lost[node / 64], bit) & bit))
        atomic_fetch_add(&board->losses, 1);
}

void board_init(struct board *board, uint32_t node)
{
    board->version = BOARD_VERSION;
    board->node = node;
    board->magic = BOARD_MAGIC;
}

bool board_check(const struct board *board, size_t bytes)
{
    return bytes >= sizeof *board && board->magic == BOARD_MAGIC && board->version == BOARD_VERSION;
}

static struct timespec deadline_after(int64_t ns)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t second = 1000000000;
    int64_t rest = now.tv_nsec + ns % second;
    now.tv_sec += ns / second + rest / second;
    now.tv_nsec = rest % second;
    return now;
}

bool bell_sleep(struct slot *slot, uint32_t seen, int64_t ns)
{
    struct timespec deadline = ns < 0 ? (struct timespec){0} : deadline_after(ns);
    bool in_time = true;
    atomic_store(&slot->sleep, BELL_FUTEX);
    // The deadline is absolute, so that signals do not prolong it.
    while (in_time && atomic_load(&slot->bell) == seen) {
        long code = syscall(SYS_futex, &slot->bell, FUTEX_WAIT_BITSET, seen,
                            ns < 0 ? NULL : &deadline, NULL, FUTEX_BITSET_MATCH_ANY);
        in_time = code == 0 || errno != ETIMEDOUT;
    }
    bell_awake(slot);
    return in_time;
}

bool bell_sleep_fd(struct slot *slot, uint32_t seen)
{
    atomic_store(&slot->sleep, BELL_FD);
    if (atomic_load(&slot->bell) == seen)
        return true;
    bell_awake(slot);
    return false;
}

void bell_awake(struct slot *slot)
{
    atomic_store_explicit(&slot->sleep, BELL_AWAKE, memory_order_release);
}

bool bell_ring(struct slot *slot)
{
    atomic_fetch_add(&slot->bell, 1);
    uint32_t sleep = atomic_load(&slot->sleep);
    if (sleep == BELL_FUTEX)
        syscall(SYS_futex, &slot->bell, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    return sleep == BELL_FD;
}
