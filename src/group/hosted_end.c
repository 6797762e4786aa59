// SPDX-License-Identifier: BSD-3-Clause
//
// Ends of ranks: what they are called, and what the leader is told of them. All that happens in one turn of the
// loop goes in one message.
#include "config.h"

#include "group/hosted.h"
#include "group/last_lines.h"
#include "proc/sysv.h"

#include <signal.h>
#include <sys/wait.h>

// When all ranks of a node fail at once, who reads more than these?
enum { TEXTS_AT_ONCE = 8 };

void hosted_send_reports(void *arg)
{
    struct hosted *hosted = arg;
    struct pack body = PACK_EMPTY;
    hosted->texts_since = 0;
    if (hosted->reports.length == 0 && !hosted->reports.failed)
        return;
    pack_u64(&body, hosted->group);
    pack_raw(&body, hosted->reports.data, hosted->reports.length);
    if (hosted->reports.failed)
        body.failed = true;
    pack_fini(&hosted->reports);
    tree_send(hosted->host->options.tree, 0, GN_REPORTS, &body);
}

void hosted_report(struct hosted *hosted, const struct rank *rank, enum rank_end end, int value)
{
    const struct groups_options *options = &hosted->host->options;
    struct rank_report report = {.rank = rank->number,
                                 .node = tree_here(options->tree),
                                 .pid = rank->pid,
                                 .end = (uint8_t)end,
                                 .ours = rank->told,
                                 .value = value};
    rank_report_pack(&hosted->reports, &report);
    loop_later_add(options->loop, &hosted->report);
}

void hosted_send_text(struct hosted *hosted, uint32_t rank, const char *text)
{
    struct pack body = PACK_EMPTY;
    if (!*text || hosted->texts_since >= TEXTS_AT_ONCE)
        return;
    hosted->texts_since++;
    loop_later_add(hosted->host->options.loop, &hosted->report);
    pack_u64(&body, hosted->group);
    pack_u32(&body, rank);
    pack_str(&body, text);
    tree_send(hosted->host->options.tree, 0, GN_LAST_LINES, &body);
}

// Of what it wrote to files; what went to the client was seen there.
static void send_last_lines(const struct hosted_part *part, const struct rank *rank)
{
    struct hosted *hosted = part->hosted;
    char text[GROUP_LAST_LINES + 1] = "";
    if (hosted->texts_since >= TEXTS_AT_ONCE)
        return;
    if (rank->err_file)
        last_lines_read(file_path(rank->err_file), text, sizeof text);
    if (!*text && rank->out_file)
        last_lines_read(file_path(rank->out_file), text, sizeof text);
    hosted_send_text(hosted, rank->number, text);
}

static enum rank_end exit_kind(const struct hosted *hosted, const struct rank *rank, int code)
{
    if (!hosted->mpi_job)
        return RANK_EXITED;
    bool connected = mpi_job_rank_connected(hosted->mpi_job, rank->number);
    if (connected && !mpi_job_rank_finalized(hosted->mpi_job, rank->number))
        return RANK_UNFINISHED;
    return !connected && code == 0 ? RANK_UNCONNECTED : RANK_EXITED;
}

void hosted_report_end(struct hosted *hosted, const struct rank *rank)
{
    bool killed = WIFSIGNALED(rank->status);
    hosted_report(hosted, rank, killed ? RANK_SIGNALED : RANK_EXITED,
                  killed ? WTERMSIG(rank->status) : WEXITSTATUS(rank->status));
}

void hosted_on_rank_over(void *arg, struct rank *rank)
{
    struct hosted_part *part = arg;
    struct hosted *hosted = part->hosted;
    bool killed = WIFSIGNALED(rank->status);
    int value = killed ? WTERMSIG(rank->status) : WEXITSTATUS(rank->status);
    enum rank_end end = killed ? RANK_SIGNALED : exit_kind(hosted, rank, value);
    if (rank->cgroup && killed && value == SIGKILL && cgroup_ran_out(rank->cgroup))
        end = RANK_NO_MEMORY;
    if (killed && hosted->mpi_job)
        sysv_remove_of(rank->pid);
    memory_release(hosted->host->memory, rank->cgroup);
    rank->cgroup = NULL;
    rank->due = DUE_NOTHING;
    if (!rank->told && (end != RANK_EXITED || value != 0))
        send_last_lines(part, rank);
    hosted_report(hosted, rank, end, value);
}

void hosted_on_rank_exited(void *arg, struct rank *rank)
{
    struct hosted_part *part = arg;
    const struct groups_options *options = &part->hosted->host->options;
    if (part->hosted->mpi_job)
        mpi_job_rank_exited(part->hosted->mpi_job, rank->number);
    else
        rank->settled = true;
    options->on_rank_exit(options->arg);
}
