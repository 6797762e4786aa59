// SPDX-License-Identifier: BSD-3-Clause
//
// Pipes and the end of a command: see command_run.h.
#include "config.h"

#include "pool/command_run.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GATHERED_FIRST = 4096, DROP_BYTES = 65536 };

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void command_watch(const struct command_run *run, struct pollfd fds[COMMAND_FDS])
{
    fds[0] = (struct pollfd){.fd = run->in, .events = POLLOUT};
    fds[1] = (struct pollfd){.fd = run->out[0], .events = POLLIN};
    fds[2] = (struct pollfd){.fd = run->out[1], .events = POLLIN};
    fds[3] = (struct pollfd){.fd = run->pidfd, .events = POLLIN};
}

// ---- pipes

// A command that does not read its input to the end is fine.
static void write_input(struct command_run *run)
{
    const struct command *command = run->command;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGPIPE, &ignore, &before);
    ssize_t count = write(run->in, (const uint8_t *)command->input + run->written,
                          command->input_bytes - run->written);
    int problem = errno;
    sigaction(SIGPIPE, &before, NULL);
    if (count > 0)
        run->written += (size_t)count;
    if (run->written == command->input_bytes ||
        (count < 0 && problem != EAGAIN && problem != EINTR))
        close_fd(&run->in);
}

// Where the next bytes go; NULL: they are dropped.
static uint8_t *gathered_room(struct gathered *gathered, size_t *room_out)
{
    if (gathered->length == gathered->room && gathered->room < DRAGON_COMMAND_OUTPUT_MOST) {
        size_t room = gathered->room ? 2 * gathered->room : GATHERED_FIRST;
        uint8_t *data = realloc(gathered->data, room);
        if (data) {
            gathered->data = data;
            gathered->room = room;
        }
    }
    *room_out = gathered->room - gathered->length;
    return *room_out ? gathered->data + gathered->length : NULL;
}

// False: there is nothing more now.
static bool read_some(struct command_run *run, int stream)
{
    uint8_t dropped[DROP_BYTES];
    struct gathered *gathered = &run->gathered[stream];
    size_t room;
    uint8_t *at = gathered_room(gathered, &room);
    ssize_t count = read(run->out[stream], at ? at : dropped, at ? room : sizeof dropped);
    if (count > 0 && at)
        gathered->length += (size_t)count;
    else if (count > 0)
        gathered->more = true;
    else if (count == 0 || (errno != EAGAIN && errno != EINTR))
        close_fd(&run->out[stream]);
    return count > 0;
}

void command_move(struct command_run *run, const struct pollfd fds[COMMAND_FDS])
{
    if (run->in >= 0 && fds[0].revents)
        write_input(run);
    for (int i = 0; i < 2; i++)
        if (run->out[i] >= 0 && fds[1 + i].revents)
            read_some(run, i);
}

// ---- its end

bool command_is_over(const struct command_run *run)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
           info.si_pid != 0;
}

void command_signal(const struct command_run *run, int signal)
{
    kill(-run->pid, signal);
}

void command_finish(struct command_run *run)
{
    command_signal(run, SIGKILL); // before the reaping frees the number
    while (wait4(run->pid, &run->status, 0, &run->usage) < 0 && errno == EINTR)
        ;
    command_sweep_end(run);
    for (int i = 0; i < 2; i++)
        while (run->out[i] >= 0 && read_some(run, i))
            ;
}

void command_run_fini(struct command_run *run)
{
    close_fd(&run->in);
    for (int i = 0; i < 2; i++) {
        close_fd(&run->out[i]);
        free(run->gathered[i].data);
    }
    close_fd(&run->pidfd);
    free(run->before);
}
