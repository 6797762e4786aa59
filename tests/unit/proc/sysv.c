// SPDX-License-Identifier: BSD-3-Clause
//
// Segments of killed processes are removed, those of others are not.
#include "config.h"

#include "proc/sysv.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

// A child makes a segment and is killed. `id_out` is the segment.
static pid_t killed_with_segment(key_t key, int *id_out)
{
    int pair[2];
    cr_assert_eq(pipe(pair), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int id = shmget(key, 4096, IPC_CREAT | 0600);
        if (write(pair[1], &id, sizeof id) == sizeof id)
            pause();
        _exit(1);
    }
    cr_assert_eq(read(pair[0], id_out, sizeof *id_out), (ssize_t)sizeof *id_out);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(pair[0]);
    close(pair[1]);
    return pid;
}

static bool is_there(int id)
{
    struct shmid_ds now;
    return shmctl(id, IPC_STAT, &now) == 0;
}

Test(proc_sysv, what_a_killed_process_left_is_removed)
{
    int id, other, named;
    pid_t pid = killed_with_segment(IPC_PRIVATE, &id);
    killed_with_segment(IPC_PRIVATE, &other);
    cr_assert(is_there(id) && is_there(other));
    sysv_remove_of(pid);
    cr_expect(!is_there(id));
    cr_expect(is_there(other), "it is of another process");
    shmctl(other, IPC_RMID, NULL);
    pid = killed_with_segment(0x44524700 + (getpid() & 0xff), &named);
    sysv_remove_of(pid);
    cr_expect(is_there(named), "others find it by its key");
    shmctl(named, IPC_RMID, NULL);
}

Test(proc_sysv, what_somebody_uses_stays)
{
    int id;
    pid_t pid = killed_with_segment(IPC_PRIVATE, &id);
    void *at = shmat(id, NULL, 0);
    cr_assert_neq(at, (void *)-1);
    sysv_remove_of(pid);
    cr_expect(is_there(id));
    shmdt(at);
    sysv_remove_of(pid);
    cr_expect(!is_there(id));
}
