// SPDX-License-Identifier: BSD-3-Clause
//
// Messages between an agent and its dragon-pmix, over a link on a Unix socketpair. Each struct is
// one body; pack_* writes it, unpack_* reads it, checks every length and is false for anything that
// is not exactly such a body. What unpack_* returns points into the message, but for lists marked
// "owned", which the matching _fini frees.
//
// `err` fields hold a dragon_err_t. A fence or request id is made by the side that asks and is
// answered once.
#ifndef PMI_PROTO_H
#define PMI_PROTO_H

#include "base/base.h"
#include "pmi/map.h"

enum {
    PMI_PROTO_BODY_LIMIT = 64 << 20,
    PMI_PROTO_FD = 3, // where dragon-pmix finds its end
};

enum pmi_message_type {
    PMI_MESSAGE_NONE,
    // agent to dragon-pmix
    PMI_MESSAGE_JOB,        // pmi_job_message; answered by JOB_READY
    PMI_MESSAGE_FENCE_DONE, // pmi_answer_message
    PMI_MESSAGE_MODEX_GET,  // pmi_modex_message: of a rank here; answered by MODEX_GOT
    PMI_MESSAGE_MODEX_DONE, // pmi_answer_message
    PMI_MESSAGE_SETTLE,     // pmi_rank_message; answered by SETTLED
    PMI_MESSAGE_JOB_END,    // pmi_rank_message, rank 0; no answer, and nothing of the job follows
    // dragon-pmix to agent
    PMI_MESSAGE_JOB_READY, // pmi_ready_message
    PMI_MESSAGE_CONNECTED, // pmi_rank_message
    PMI_MESSAGE_FINALIZED, // pmi_rank_message
    PMI_MESSAGE_LOST,      // pmi_rank_message: its connection broke before it finalized
    PMI_MESSAGE_ABORT,     // pmi_abort_message
    PMI_MESSAGE_FENCE,     // pmi_fence_message; answered by FENCE_DONE
    PMI_MESSAGE_MODEX,     // pmi_modex_message: of a rank elsewhere; answered by MODEX_DONE
    PMI_MESSAGE_MODEX_GOT, // pmi_answer_message
    PMI_MESSAGE_SETTLED,   // pmi_rank_message
    PMI_MESSAGE_TYPES,
};

const char *pmi_message_name(unsigned type); // for logs

// One program of a job.
struct pmi_app {
    const char *cwd;
    char **argv;
};

struct pmi_job_message {
    uint64_t job;
    const char *nspace;   // unique in the world, hard to guess, at most PMI_NSPACE_MAX characters
    struct pmi_map map;   // owned
    const char *dir;      // exists, private to this job and node
    uint32_t uid, gid;    // of the ranks
    struct pmi_app *apps; // owned with their argv: pmi_map_apps of them
    bool oversubscribed;
    const char
        *cpuset;  // hardware threads that ranks which are not bound may use, "0-3,8"; "": not known
    char **bound; // owned: what each local rank is bound to, ascending, or ""; empty list: none is
};
enum { PMI_NSPACE_MAX = 255 };
void pmi_job_message_fini(struct pmi_job_message *message);
void pack_pmi_job(struct pack *pack, const struct pmi_job_message *message);
bool unpack_pmi_job(struct unpack *unpack, struct pmi_job_message *message_out);

struct pmi_ready_message {
    uint64_t job;
    const char *error; // "" when all is well
    char ***envs;      // owned; of each local rank in ascending order, lists of NAME=value
    uint32_t count;    // 0 after an error
};
void pmi_ready_message_fini(struct pmi_ready_message *message);
void pack_pmi_ready(struct pack *pack, const struct pmi_ready_message *message);
bool unpack_pmi_ready(struct unpack *unpack, struct pmi_ready_message *message_out);

struct pmi_rank_message {
    uint64_t job;
    uint32_t rank;
};
void pack_pmi_rank(struct pack *pack, const struct pmi_rank_message *message);
bool unpack_pmi_rank(struct unpack *unpack, struct pmi_rank_message *message_out);

struct pmi_abort_message {
    uint64_t job;
    uint32_t rank;
    int32_t code;
    const char *text;
};
void pack_pmi_abort(struct pack *pack, const struct pmi_abort_message *message);
bool unpack_pmi_abort(struct unpack *unpack, struct pmi_abort_message *message_out);

// One fence among hosts is (job, ranks, sequence): fences of the same ranks follow each other
// closely, and some hosts run ahead.
struct pmi_fence_message {
    uint64_t id;
    uint64_t job;
    uint32_t sequence; // of the fences of these ranks on this node, from 0
    bool all;          // all ranks of the job; then `ranks` is empty
    bool collect;      // the members want each other's data
    uint32_t *ranks;   // owned; ascending
    uint32_t count;
    const uint8_t *data; // of this node; whatever it holds goes to all nodes
    size_t length;
};
void pmi_fence_message_fini(struct pmi_fence_message *message);
void pack_pmi_fence(struct pack *pack, const struct pmi_fence_message *message);
bool unpack_pmi_fence(struct unpack *unpack, struct pmi_fence_message *message_out);

struct pmi_modex_message {
    uint64_t id;
    uint64_t job;
    uint32_t rank;
};
void pack_pmi_modex(struct pack *pack, const struct pmi_modex_message *message);
bool unpack_pmi_modex(struct unpack *unpack, struct pmi_modex_message *message_out);

struct pmi_answer_message {
    uint64_t id;
    dragon_err_t err;
    const uint8_t *data;
    size_t length;
};
void pack_pmi_answer(struct pack *pack, const struct pmi_answer_message *message);
bool unpack_pmi_answer(struct unpack *unpack, struct pmi_answer_message *message_out);

#endif
