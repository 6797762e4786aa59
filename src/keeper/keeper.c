// SPDX-License-Identifier: BSD-3-Clause
//
// The keeper: its life. At first it is a listening socket and nothing else; the board comes with the first process that
// says hello, segments with the first that needs one. See internal.h for its parts.
#include "config.h"

#include "keeper/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

struct keep_text keep_size(uint64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct keep_text text;
    size_t unit = 0;
    double size = (double)bytes;
    while (size >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        size /= 1024;
        unit++;
    }
    snprintf(text.text, sizeof text.text, unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
    return text;
}

// 40 bits, so that counting on does not come to the end of them.
static uint64_t random_start(void)
{
    uint64_t number = 0;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number)
        number = time_now_ns();
    return number % (1ull << 39) + 1;
}

struct keeper *keeper_create(const struct keeper_options *options, dragon_error_t *error)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (!keeper || asprintf(&keeper->socket_path, "%s/%s", options->run_dir, KEEPER_SOCKET) < 0) {
        free(keeper);
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
        return NULL;
    }
    keeper->options = *options;
    keeper->here = tree_here(options->tree);
    keeper->nodes = tree_count(options->tree);
    keeper->host = tree_node(options->tree, keeper->here)->name;
    keeper->next_session = random_start();
    keeper->next_object = random_start();
    keeper->next_share = random_start();
    keep_transport_init(&keeper->transport);
    int fd = acceptor_listen(keeper->socket_path, SOCK_SEQPACKET);
    if (fd >= 0)
        keeper->acceptor = acceptor_create(options->loop, fd, keep_on_connection, keeper);
    if (!keeper->acceptor) {
        err_set_errno(error, errno, "cannot listen at %s", keeper->socket_path);
        keeper_destroy(keeper);
        return NULL;
    }
    return keeper;
}

void keeper_destroy(struct keeper *keeper)
{
    if (!keeper)
        return;
    acceptor_destroy(keeper->acceptor);
    keep_transport_close(keeper);
    keep_names_close(keeper);
    keep_grow_close(keeper);
    keep_creations_close(keeper);
    for (struct keep_session *session = keeper->sessions, *next; session; session = next) {
        next = session->hh.next;
        keep_objects_leave_all(session);
        keep_share_leave_all(session);
        keep_session_destroy(session);
    }
    keep_share_close(keeper);
    keep_objects_close(keeper);
    keep_slots_close(keeper);
    keep_segments_close(keeper);
    if (keeper->board)
        munmap(keeper->board, board_bytes());
    unlink(keeper->socket_path);
    free(keeper->packet);
    free(keeper->granted);
    free(keeper->socket_path);
    free(keeper);
}

bool keeper_open(struct keeper *keeper, dragon_error_t *error)
{
    if (keeper->space)
        return true;
    keeper->board = board_open(keeper->options.board_fd, keeper->here);
    if (!keeper->board) {
        err_set_errno(error, errno, "no memory on %s for what its processes share", keeper->host);
        return false;
    }
    for (uint32_t node = 0; node < keeper->nodes; node++)
        if (tree_is_lost(keeper->options.tree, node))
            board_lose(keeper->board, node);
    if (keep_slots_open(keeper))
        return true;
    err_set(error, DRAGON_ERR_NOMEM, "out of memory on %s", keeper->host);
    keep_slots_close(keeper);
    munmap(keeper->board, board_bytes());
    keeper->board = NULL;
    return false;
}

void keeper_end(struct keeper *keeper)
{
    keeper->ended = true;
    keep_transport_stop(keeper);
    if (keeper->space) {
        atomic_store(&keeper->board->ended, 1);
        space_ring_all(keeper->space);
    }
    for (struct keep_session *session = keeper->sessions; session; session = session->hh.next)
        while (session->pending_count > 0)
            keep_session_answer(session, session->pending[0].request, DRAGON_ERR_PEER,
                                "the runtime has ended", NULL, NULL, 0);
}
