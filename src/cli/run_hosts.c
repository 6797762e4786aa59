// SPDX-License-Identifier: BSD-3-Clause
//
// --test-hosts N: a runtime of N nodes on this machine. This process is rank 0; it starts the others as
// copies of itself, gives them rank, size and address as a launcher-less start would, and the secret
// through a descriptor.
#include "config.h"

#include "cli/run.h"
#include "proc/spawn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int listen_on_loopback(char *address, size_t room)
{
    struct sockaddr_in bound = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof bound;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&bound, length) == 0 && listen(fd, 1024) == 0 &&
        getsockname(fd, (struct sockaddr *)&bound, &length) == 0) {
        snprintf(address, room, "127.0.0.1:%u", ntohs(bound.sin_port));
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static int make_secret(void)
{
    uint8_t secret[AUTH_SECRET_BYTES];
    auth_random(secret, sizeof secret);
    int fd = memfd_create("dragon-secret", MFD_CLOEXEC);
    if (fd >= 0 && write(fd, secret, sizeof secret) != (ssize_t)sizeof secret) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void on_peer_exit(void *arg, pid_t pid, int status)
{
    struct run *run = arg;
    (void)pid;
    (void)status;
    run->peers--;
}

static int start_peer(struct run *run, char **argv, int null, int secret_fd)
{
    enum spawn_step step;
    pid_t pid;
    char *self = self_path(); // not /proc/self/exe itself, after which the process would be named
    if (!self)
        return errno;
    struct spawn spawn = {
        .path = self, .argv = argv, .env = environ, .stdio = {null, 1, 2}, .fd3 = secret_fd};
    int problem = spawn_start(&spawn, &pid, &step);
    free(self);
    if (problem == 0 && children_add(run->children, pid, on_peer_exit, run))
        run->peers++;
    return problem;
}

static int start_peers(struct run *run, const char *address, int secret_fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int problem = null < 0 ? errno : 0;
    for (long long rank = 1; rank < run->options.test_hosts && problem == 0; rank++) {
        char **argv = NULL;
        bool good =
            strv_push(&argv, "dragon-run") && strv_pushf(&argv, "--rank=%lld", rank) &&
            strv_pushf(&argv, "--size=%lld", run->options.test_hosts) &&
            strv_pushf(&argv, "--address=%s", address) &&
            strv_push(&argv, "--secret-file=/dev/fd/3") &&
            // Below ours, so that ours can be removed with theirs in it.
            strv_pushf(&argv, "--directory=%s", run->run_dir) &&
            strv_pushf(&argv, "--shm-directory=%s", run->shm_dir) &&
            (!*run->options.gpus || strv_pushf(&argv, "--gpus=%s", run->options.gpus)) &&
            strv_pushf(&argv, "--fanout=%lld", run->options.fanout) &&
            strv_pushf(&argv, "--node-timeout=%llums",
                       (unsigned long long)run->options.node_timeout_ms) &&
            strv_pushf(&argv, "--node-failure=%s", run->options.node_failure) &&
            strv_pushf(&argv, "--grace=%llums", (unsigned long long)run->options.grace_ms) &&
            strv_pushf(&argv, "--up-timeout=%llums",
                       (unsigned long long)run->options.up_timeout_ms);
        problem = good ? start_peer(run, argv, null, secret_fd) : ENOMEM;
        strv_free(argv);
    }
    if (null >= 0)
        close(null);
    return problem;
}

bool run_hosts_start(struct run *run, dragon_error_t *error)
{
    char address[40], secret_path[40];
    run->listen_fd = listen_on_loopback(address, sizeof address);
    int secret_fd = run->listen_fd < 0 ? -1 : make_secret();
    int problem = secret_fd < 0 ? errno : start_peers(run, address, secret_fd);
    if (problem) {
        err_set_errno(error, problem, "cannot start the test hosts");
        return false;
    }
    snprintf(secret_path, sizeof secret_path, "/dev/fd/%d", secret_fd);
    struct boot_options options = {
        .rank = 0,
        .size = run->options.test_hosts,
        .address = address,
        .secret_file = secret_path,
        .listen_fd = run->listen_fd,
        .deadline_ms = run->deadline_ms,
        .cancel_fd = run->signal_fd,
    };
    dragon_err_t err = boot_join(&options, &run->boot, error);
    close(secret_fd);
    return err == DRAGON_OK;
}
