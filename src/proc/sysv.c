// SPDX-License-Identifier: BSD-3-Clause
//
// Segments of dead processes: see sysv.h. The kernel lists all segments with who made them.
#include "config.h"

#include "proc/sysv.h"

#include <stdio.h>
#include <sys/shm.h>

void sysv_remove_of(pid_t pid)
{
    char line[512];
    FILE *list = fopen("/proc/sysvipc/shm", "re");
    while (list && fgets(line, sizeof line, list)) {
        int key, id;
        long maker;
        struct shmid_ds now;
        // key, shmid, perms, size, cpid
        if (sscanf(line, "%d %d %*o %*u %ld", &key, &id, &maker) != 3 || key != IPC_PRIVATE ||
            maker != pid)
            continue;
        // A number may have been used again since the list was made.
        if (shmctl(id, IPC_STAT, &now) == 0 && now.shm_cpid == pid && now.shm_nattch == 0)
            shmctl(id, IPC_RMID, NULL);
    }
    if (list)
        fclose(list);
}
