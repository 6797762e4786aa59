// SPDX-License-Identifier: BSD-3-Clause
//
// The PMIx server's process, dragon-pmix: its start.
#include "config.h"

#include "group/mpi_internal.h"
#include "place/topo.h"
#include "pmi/env.h"
#include "proc/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_helper_exit(void *arg, pid_t pid, int status)
{
    struct mpi *mpi = arg; // its closed connection has told, or will tell
    if (mpi->helper == pid)
        mpi->helper = 0;
    log_debug("dragon-pmix pid %d ended with status %d", (int)pid, status);
}

// Made with the first helper of this node; "" when it could not be: then everybody looks for himself.
static void topology_file(const struct groups_options *options, char *path, size_t room)
{
    dragon_error_t error;
    snprintf(path, room, "%s/topology.xml", options->run_dir);
    if (access(path, R_OK) == 0 || topo_export(path, &error) == DRAGON_OK)
        return;
    log_debug("%s", error.text);
    path[0] = 0;
}

static int spawn_helper(struct mpi *mpi, int fd)
{
    const struct groups_options *options = &mpi->options;
    uint32_t here = tree_here(options->tree);
    char index[16], topology[PATH_MAX];
    topology_file(options, topology, sizeof topology);
    snprintf(index, sizeof index, "%u", here);
    char *argv[] = {"dragon-pmix",
                    "--node",
                    (char *)tree_node(options->tree, here)->name,
                    "--index",
                    index,
                    "--nspace",
                    "dragon-pmix",
                    "--dir",
                    (char *)options->run_dir,
                    topology[0] ? "--topology" : NULL,
                    topology,
                    NULL};
    char **env = strv_copy(environ);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int problem = env && null >= 0 ? 0 : ENOMEM;
    pid_t pid;
    enum spawn_step step;
    if (problem == 0) {
        pmi_env_clean(env);
        struct spawn spawn = {.path = options->pmix_program,
                              .argv = argv,
                              .env = env,
                              .stdio = {null, null, STDERR_FILENO},
                              .fd3 = fd,
                              .die_with_parent = true,
                              .nofile = options->nofile};
        problem = spawn_start(&spawn, &pid, &step);
    }
    if (problem == 0 && children_add(options->children, pid, on_helper_exit, mpi))
        mpi->helper = pid;
    strv_free(env);
    if (null >= 0)
        close(null);
    return problem;
}

bool mpi_start_helper(struct mpi *mpi, dragon_error_t *error)
{
    int pair[2];
    if (!mpi->options.pmix_program) {
        err_set(error, DRAGON_ERR_NOT_FOUND,
                "dragon-pmix is not installed beside dragon-agent on this host");
        return false;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        err_set_errno(error, errno, "cannot start the PMI service");
        return false;
    }
    int problem = spawn_helper(mpi, pair[1]);
    close(pair[1]);
    if (problem) {
        close(pair[0]);
        err_set_errno(error, problem, "cannot start the PMI service %s", mpi->options.pmix_program);
        return false;
    }
    mpi->service = pmix_service_create(mpi->options.loop, pair[0], &mpi_service_handler, mpi);
    mpi->jobs_served = 0;
    mpi->doubtful = false;
    if (!mpi->service)
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    return mpi->service != NULL;
}

void mpi_kill_helper(struct mpi *mpi)
{
    mpi->silent = true;
    if (mpi->helper)
        kill(mpi->helper, SIGKILL);
}
