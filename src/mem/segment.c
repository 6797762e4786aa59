// SPDX-License-Identifier: BSD-3-Clause
//
// Segments. Reserving never relies on the kernel to refuse: one that is out of memory, or a control group at its limit,
// would kill a process instead. So what is left is looked at first.
#include "config.h"

#include "mem/segment.h"

#include "mem/available.h"
#include "mem/heap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NODES = 1024 }; // of NUMA

// ---- huge pages

static size_t huge_page(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    char line[128];
    unsigned long long kilobytes = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "Hugepagesize: %llu kB", &kilobytes) == 1)
            break;
    }
    if (file)
        fclose(file);
    return kilobytes ? (size_t)kilobytes << 10 : 2u << 20;
}

static size_t page_of(struct segment_kind kind)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (kind.huge != DRAGON_HUGE_NO)
        return huge_page();
    return page > HEAP_PAGE ? page : HEAP_PAGE;
}

// ---- life

dragon_err_t segment_create(struct segment_kind kind, size_t bytes, int *fd_out, size_t *bytes_out,
                            dragon_error_t *error)
{
    size_t page = page_of(kind);
    if (bytes == 0 || bytes >= (1ull << 48) - page)
        return err_set(error, DRAGON_ERR_TOO_BIG, "a segment of %zu bytes is too large", bytes);
    bytes = (bytes + page - 1) / page * page;
    bool require = kind.huge == DRAGON_HUGE_REQUIRE;
    int fd = memfd_create("dragon",
                          MFD_CLOEXEC | MFD_ALLOW_SEALING | (require ? (unsigned)MFD_HUGETLB : 0));
    if (fd < 0 && require)
        return err_set(error, DRAGON_ERR_FULL, "no huge pages here: %s", strerror(errno));
    if (fd < 0)
        return err_set_errno(error, errno, "memory cannot be shared (memfd_create)");
    // Nobody who has the descriptor can make it shorter, and others' use of it end in SIGBUS.
    if (ftruncate(fd, (off_t)bytes) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)) {
        dragon_err_t code = err_set_errno(error, errno, "a segment of %zu bytes", bytes);
        close(fd);
        return code;
    }
    *fd_out = fd;
    *bytes_out = bytes;
    return DRAGON_OK;
}

void segment_give_back(int fd, size_t from, size_t to)
{
    if (to > from)
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from));
}

// ---- where memory comes from

struct policy {
    int mode;
    unsigned long nodes[NODES / (8 * sizeof(unsigned long))];
};

static bool node_exists(int numa)
{
    char path[64];
    snprintf(path, sizeof path, "/sys/devices/system/node/node%d", numa);
    return access(path, F_OK) == 0;
}

// What this thread takes from now on is of that NUMA node, as long as it has some.
static dragon_err_t policy_set(int numa, struct policy *before, dragon_error_t *error)
{
    struct policy wanted = {.mode = MPOL_PREFERRED};
    enum { BITS = 8 * sizeof wanted.nodes[0] };
    wanted.nodes[numa / BITS] |= 1ul << (numa % BITS);
    if (syscall(SYS_get_mempolicy, &before->mode, before->nodes, (unsigned long)NODES, NULL, 0ul) ||
        syscall(SYS_set_mempolicy, wanted.mode, wanted.nodes, (unsigned long)NODES))
        return err_set_errno(error, errno, "memory cannot be taken from NUMA node %d", numa);
    return DRAGON_OK;
}

static void policy_restore(const struct policy *before)
{
    bool plain = before->mode == MPOL_DEFAULT;
    syscall(SYS_set_mempolicy, before->mode, plain ? NULL : before->nodes,
            plain ? 0ul : (unsigned long)NODES);
}

static dragon_err_t no_room(struct segment_kind kind, size_t wanted, uint64_t left,
                            dragon_error_t *error)
{
    char where[40] = "";
    if (kind.numa >= 0)
        snprintf(where, sizeof where, " on NUMA node %d", kind.numa);
    return err_set(error, DRAGON_ERR_FULL,
                   "%.1f MiB more of shared memory are not to be had: %.1f MiB are left%s (of the "
                   "host, or of a control group's limit)",
                   (double)wanted / (1 << 20), (double)left / (1 << 20), where);
}

// Large pages come with the first touch of a mapping that asks for them; fallocate does not ask.
static void touch_huge(int fd, size_t from, size_t to)
{
    void *base = mmap(NULL, to - from, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)from);
    if (base == MAP_FAILED)
        return;
#ifdef MADV_POPULATE_WRITE
    if (madvise(base, to - from, MADV_HUGEPAGE) == 0)
        madvise(base, to - from, MADV_POPULATE_WRITE);
#endif
    munmap(base, to - from);
}

static int allocate(int fd, size_t from, size_t to)
{
    while (fallocate(fd, 0, (off_t)from, (off_t)(to - from))) {
        if (errno != EINTR)
            return errno;
    }
    return 0;
}

dragon_err_t segment_reserve(int fd, struct segment_kind kind, size_t from, size_t to,
                             dragon_error_t *error)
{
    if (to <= from)
        return DRAGON_OK;
    if (kind.numa >= NODES || (kind.numa >= 0 && !node_exists(kind.numa)))
        return err_set(error, DRAGON_ERR_INVAL, "there is no NUMA node %d", kind.numa);
    size_t wanted = to - from;
    if (kind.huge != DRAGON_HUGE_REQUIRE) {
        uint64_t left = segment_available(kind.numa);
        if (wanted > left)
            return no_room(kind, wanted, left, error);
    }
    struct policy before = {0};
    bool placed = kind.numa >= 0 && node_exists(1); // with one node there is nothing to choose
    if (placed) {
        dragon_err_t code = policy_set(kind.numa, &before, error);
        if (code)
            return code;
    }
    if (kind.huge == DRAGON_HUGE_TRY)
        touch_huge(fd, from, to);
    int failed = allocate(fd, from, to);
    if (placed)
        policy_restore(&before);
    if (!failed)
        return DRAGON_OK;
    segment_give_back(fd, from, to);
    if (kind.huge == DRAGON_HUGE_REQUIRE && failed == ENOSPC)
        return err_set(error, DRAGON_ERR_FULL,
                       "there are not enough huge pages for %.1f MiB: see HugePages_Free in "
                       "/proc/meminfo",
                       (double)wanted / (1 << 20));
    if (failed == ENOSPC || failed == ENOMEM)
        return no_room(kind, wanted, segment_available(kind.numa), error);
    return err_set_errno(error, failed, "%.1f MiB of shared memory cannot be reserved",
                         (double)wanted / (1 << 20));
}

// ---- mapping

void *segment_map(int fd, size_t bytes, struct segment_kind kind)
{
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        return NULL;
    madvise(base, bytes, MADV_DONTFORK);
    if (kind.huge == DRAGON_HUGE_TRY)
        madvise(base, bytes, MADV_HUGEPAGE);
    return base;
}

void segment_unmap(void *base, size_t bytes)
{
    if (base)
        munmap(base, bytes);
}
