// SPDX-License-Identifier: BSD-3-Clause
//
// Coming together: each rank offers a blob with what the others need of it, all blobs are exchanged by
// whatever way of boot/ there is, and the table made of them goes to the agent.
//
// What holds for the whole runtime is rank 0's: most launchers hand variables to the first host only, and a tree
// whose nodes disagree about the fan-out is none. GPUs that were declared on rank 0 are those of all hosts where
// nothing was declared.
//
// The blob of rank 0 also carries the runtime's secret. It travels over the launcher's own connections
// (PMIx, PMI-1) or, without a launcher, over one that knows a secret already.
#include "config.h"

#include "cli/run.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOB_MAGIC = 0x4e475244, WIRE_VERSION = 5, NAME_BYTES = 8, STEM_BYTES = 16, WORD_ROOM = 48 };

struct offer {
    const char *release;
    uint32_t version;
    const char *host, *host_key;
    uint32_t cores;
    char **addresses;      // owned
    const uint8_t *secret; // of rank 0, as all that follows
    const char *name, *stem;
    uint64_t end_s;
    const char *gpus;
    uint64_t memory_bytes, memory_total_bytes;
    uint32_t fanout, node_timeout_ms, grace_ms;
    bool goes_on; // without nodes that are lost
};

// Equal for processes that share the network and the names of one host: its boot, its name, its network.
static void read_host_key(const char *host, char *key, size_t room)
{
    char boot[64] = "", net[64] = "";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t length = read(fd, boot, sizeof boot - 1);
        boot[length > 0 ? strcspn(boot, "\n") : 0] = 0;
        close(fd);
    }
    ssize_t length = readlink("/proc/self/ns/net", net, sizeof net - 1);
    net[length > 0 ? length : 0] = 0;
    snprintf(key, room, "%s %s %s", host, boot, net);
}

// "dragon-" and the hexadecimal digits of so many random bytes. The name of the runtime is another one
// than the stem of the PMIx namespaces, as people pass it around.
static void make_word(char word[WORD_ROOM], size_t count)
{
    uint8_t bytes[STEM_BYTES];
    auth_random(bytes, count);
    int used = snprintf(word, WORD_ROOM, "dragon-");
    for (size_t i = 0; i < count; i++)
        used += snprintf(word + used, 3, "%02x", bytes[i]);
}

static void offer_pack(struct pack *pack, const struct run *run)
{
    char host[65] = "", key[256], name[WORD_ROOM] = "", stem[WORD_ROOM] = "";
    uint8_t secret[AUTH_SECRET_BYTES] = {0};
    gethostname(host, sizeof host - 1);
    read_host_key(host, key, sizeof key);
    if (run->rank == 0) {
        auth_random(secret, sizeof secret);
        make_word(name, NAME_BYTES);
        make_word(stem, STEM_BYTES);
    }
    pack_u32(pack, BLOB_MAGIC);
    pack_str(pack, PACKAGE_VERSION);
    pack_u32(pack, WIRE_VERSION);
    pack_str(pack, host);
    pack_str(pack, key);
    pack_u32(pack, run->ready.cores);
    pack_strv(pack, run->ready.addresses);
    pack_raw(pack, secret, sizeof secret);
    pack_str(pack, name);
    pack_str(pack, stem);
    pack_u64(pack, run->end_s);
    pack_str(pack, run->options.gpus);
    pack_u64(pack, run->options.memory_bytes);
    pack_u64(pack, run->options.memory_total_bytes);
    pack_u32(pack, (uint32_t)run->options.fanout);
    pack_u32(pack, (uint32_t)run->options.node_timeout_ms);
    pack_u32(pack, (uint32_t)run->options.grace_ms);
    pack_u8(pack, strcmp(run->options.node_failure, "continue") == 0);
}

// The beginning is the same in every release, so that another one can be named.
static dragon_err_t offer_read(const struct boot_blob *blob, uint32_t rank, struct offer *offer_out,
                               dragon_error_t *error)
{
    struct unpack unpack = unpack_start(blob->data, blob->length);
    struct offer offer = {0};
    uint32_t magic = unpack_u32(&unpack);
    offer.release = unpack_str(&unpack);
    offer.version = unpack_u32(&unpack);
    offer.host = unpack_str(&unpack);
    if (unpack.failed || magic != BLOB_MAGIC)
        return err_set(error, DRAGON_ERR_PROTO,
                       "rank %u is no dragon-run: what it offered is not understood", rank);
    if (offer.version != WIRE_VERSION || strcmp(offer.release, PACKAGE_VERSION) != 0)
        return err_set(
            error, DRAGON_ERR_PROTO,
            "rank %u on %.64s is dragon-run of release %.32s, this is release %s; install the "
            "same release on all hosts",
            rank, offer.host, offer.release, PACKAGE_VERSION);
    offer.host_key = unpack_str(&unpack);
    offer.cores = unpack_u32(&unpack);
    offer.addresses = unpack_strv(&unpack, 64);
    offer.secret = unpack_raw(&unpack, AUTH_SECRET_BYTES);
    offer.name = unpack_str(&unpack);
    offer.stem = unpack_str(&unpack);
    offer.end_s = unpack_u64(&unpack);
    offer.gpus = unpack_str(&unpack);
    offer.memory_bytes = unpack_u64(&unpack);
    offer.memory_total_bytes = unpack_u64(&unpack);
    offer.fanout = unpack_u32(&unpack);
    offer.node_timeout_ms = unpack_u32(&unpack);
    offer.grace_ms = unpack_u32(&unpack);
    offer.goes_on = unpack_u8(&unpack);
    if (!unpack_done(&unpack) || offer.cores == 0 || offer.fanout == 0) {
        strv_free(offer.addresses);
        return err_set(error, DRAGON_ERR_PROTO, "what rank %u on %.64s offered is not understood",
                       rank, offer.host);
    }
    *offer_out = offer;
    return DRAGON_OK;
}

static void offers_free(struct offer *offers, uint32_t count)
{
    for (uint32_t i = 0; offers && i < count; i++)
        strv_free(offers[i].addresses);
    free(offers);
}

static struct offer *offers_read(const struct boot_blob *blobs, uint32_t count,
                                 dragon_error_t *error)
{
    struct offer *offers = calloc(count, sizeof *offers);
    if (!offers)
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    for (uint32_t i = 0; offers && i < count; i++) {
        if (offer_read(&blobs[i], i, &offers[i], error) == DRAGON_OK)
            continue;
        offers_free(offers, count);
        return NULL;
    }
    return offers;
}

// ---- the table of nodes

// Which of how many equal ones.
struct place_among {
    uint32_t index, count;
};

static const char *host_of(const struct offer *offer)
{
    return offer->host;
}

static const char *host_key_of(const struct offer *offer)
{
    return offer->host_key;
}

struct ordering {
    const struct offer *offers;
    const char *(*key)(const struct offer *offer);
};

static int compare_ranks(const void *left, const void *right, void *arg)
{
    const struct ordering *ordering = arg;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    int order = strcmp(ordering->key(&ordering->offers[a]), ordering->key(&ordering->offers[b]));
    return order ? order : (a > b) - (a < b);
}

// For each rank its place among those with the same key, in the order of ranks. NULL: out of memory.
static struct place_among *number_equals(const struct offer *offers, uint32_t count,
                                         const char *(*key)(const struct offer *offer))
{
    struct ordering ordering = {.offers = offers, .key = key};
    struct place_among *places = calloc(count, sizeof *places);
    uint32_t *ranks = calloc(count, sizeof *ranks);
    for (uint32_t i = 0; ranks && i < count; i++)
        ranks[i] = i;
    if (ranks)
        qsort_r(ranks, count, sizeof *ranks, compare_ranks, &ordering);
    for (uint32_t first = 0, end; ranks && places && first < count; first = end) {
        for (end = first + 1;
             end < count && strcmp(key(&offers[ranks[first]]), key(&offers[ranks[end]])) == 0;)
            end++;
        for (uint32_t i = first; i < end; i++)
            places[ranks[i]] = (struct place_among){.index = i - first, .count = end - first};
    }
    if (!ranks) {
        free(places);
        places = NULL;
    }
    free(ranks);
    return places;
}

// The host's name, or with a number when it is not the only one of that name.
static char *node_name(const char *host, struct place_among place)
{
    char *name = NULL;
    if (place.count == 1)
        return strdup(host);
    return asprintf(&name, "%s-%u", host, place.index) < 0 ? NULL : name;
}

static void free_nodes(struct control_node *nodes, uint32_t count)
{
    for (uint32_t i = 0; nodes && i < count; i++)
        free((char *)nodes[i].name);
    free(nodes);
}

static struct control_node *make_nodes(const struct offer *offers, uint32_t count)
{
    struct place_among *names = number_equals(offers, count, host_of);
    struct control_node *nodes = names ? calloc(count, sizeof *nodes) : NULL;
    bool good = nodes != NULL;
    for (uint32_t i = 0; good && i < count; i++) {
        nodes[i] = (struct control_node){
            .name = node_name(offers[i].host, names[i]),
            .host_key = offers[i].host_key,
            .addresses = offers[i].addresses,
        };
        good = nodes[i].name != NULL;
    }
    free(names);
    if (good)
        return nodes;
    free_nodes(nodes, count);
    return NULL;
}

static void notice_shared_hosts(const struct run *run, const struct offer *offers,
                                const struct place_among *places)
{
    if (run->rank != 0 || run->options.base_dir || run->options.test_hosts)
        return;
    for (uint32_t i = 0; i < run->size; i++)
        if (places[i].index == 0 && places[i].count > 1)
            log_notice(
                "%u runtime ranks were started on %s; each becomes a node with a share of its "
                "%u cores",
                places[i].count, offers[i].host, offers[i].cores);
}

// Who goes on without a lost node has no other's messages carried by it: all nodes are children of the first.
static uint32_t choose_fanout(const struct offer *first, uint32_t count)
{
    return !first->goes_on ? first->fanout : count > 2 ? count - 1 : 1;
}

// As many descriptors as that takes, and what an agent needs beside them. Its limit is ours.
static bool can_link_all(const struct run *run, const struct offer *first, dragon_error_t *error)
{
    enum { BESIDES = 256 };
    struct rlimit limit;
    if (!first->goes_on || run->rank != 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
        limit.rlim_max >= (rlim_t)run->size + BESIDES)
        return true;
    err_set(
        error, DRAGON_ERR_FULL,
        "with --node-failure=continue the first node is linked to all %u nodes, and may have %llu "
        "descriptors; raise the limit there (ulimit -Hn) to %u, or use --node-failure=end",
        run->size, (unsigned long long)limit.rlim_max, run->size + BESIDES);
    return false;
}

static bool send_start(struct run *run, const struct offer *offers,
                       const struct place_among *places, dragon_error_t *error)
{
    struct pack body = PACK_EMPTY;
    char *none[] = {NULL};
    char *cwd = getcwd(NULL, 0);
    struct control_start start = {
        .name = offers[0].name,
        .stem = offers[0].stem,
        .here = run->rank,
        .count = run->size,
        .fanout = choose_fanout(&offers[0], run->size),
        .goes_on = offers[0].goes_on,
        .share_index = places[run->rank].index,
        .share_count = places[run->rank].count,
        .up_timeout_ms = (uint32_t)time_left_ms(run->deadline_ms) + 1,
        .node_timeout_ms = offers[0].node_timeout_ms,
        .grace_ms = offers[0].grace_ms,
        .gpus = *run->options.gpus ? "" : offers[0].gpus,
        .memory_bytes = offers[0].memory_bytes,
        .memory_total_bytes = offers[0].memory_total_bytes,
        .end_s = offers[0].end_s,
        .head_group = run->foreground ? getpgrp() : 0,
        .cwd = cwd,
        .head = run->rank == 0 ? run->options.program : none,
        .nodes = make_nodes(offers, run->size),
    };
    bool good = cwd && start.nodes;
    if (!good)
        err_set_errno(error, errno, "cannot tell the working directory");
    else {
        memcpy(start.secret, offers[0].secret, sizeof start.secret);
        control_start_pack(&body, &start);
        if (run->control)
            link_send_pack(run->control, CONTROL_START, 0, 0, &body);
    }
    pack_fini(&body);
    free_nodes(start.nodes, run->size);
    free(cwd);
    return good;
}

bool run_join(struct run *run, dragon_error_t *error)
{
    struct pack mine = PACK_EMPTY;
    struct boot_blob *blobs = NULL;
    offer_pack(&mine, run);
    struct boot_blob blob = {.data = mine.data, .length = mine.length};
    dragon_err_t err = mine.failed ? err_set(error, DRAGON_ERR_NOMEM, "out of memory")
                                   : boot_exchange(run->boot, &blob, &blobs, error);
    pack_fini(&mine);
    if (err != DRAGON_OK)
        return false;
    struct offer *offers = offers_read(blobs, run->size, error);
    struct place_among *places = offers ? number_equals(offers, run->size, host_key_of) : NULL;
    bool good = places != NULL;
    run->told = !offers && run->rank > 0; // rank 0 reads the same
    if (good) {
        run->goes_on = offers[0].goes_on;
        notice_shared_hosts(run, offers, places);
        good = can_link_all(run, &offers[0], error) && send_start(run, offers, places, error);
    } else if (offers)
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    free(places);
    offers_free(offers, run->size);
    boot_blobs_free(blobs, run->size);
    return good;
}
