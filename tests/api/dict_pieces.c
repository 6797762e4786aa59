// SPDX-License-Identifier: BSD-3-Clause
//
// Dictionaries: values in pieces, what is said of calls that failed, full managers, and which nodes they are on: `dict_pieces
// NODE`, the managers are on that node. With `limit MIB`: in a runtime with so much memory. With `stats FILE`: writes its figures
// as JSON.
#include "chan.h"

static dragon_runtime_t *runtime;
static const char *home;
static dragon_error_t error;
static dragon_dict_t *dict;
static const int ms = DRAGON_DEFAULT_TIMEOUT;

enum { MIB = 1 << 20, ROOM = 8 };

#define K(text) text, strlen(text)

static dragon_policy_t *on_hosts(const char *hosts)
{
    dragon_policy_t *policy = NULL;
    chan_need(dragon_policy_create(&policy), NULL, "no policy");
    chan_need(dragon_policy_set_hosts(policy, hosts), NULL, "no such hosts");
    return policy;
}

static dragon_dict_t *make(uint64_t bytes)
{
    dragon_dict_spec_t spec = DRAGON_DICT_SPEC_INIT;
    dragon_policy_t *policy = on_hosts(home);
    dragon_dict_t *made = NULL;
    spec.managers = 1;
    spec.policy = policy;
    spec.total_bytes = bytes;
    spec.timeout_ms = TAP_WAIT_MS;
    chan_need(dragon_dict_create(runtime, &spec, &made, &error), &error, "no dictionary");
    dragon_policy_destroy(policy);
    return made;
}

static dragon_dict_stats_t figures(void)
{
    dragon_dict_stats_t stats;
    chan_need(dragon_dict_stats(dict, 0, &stats, ms), NULL, "no figures");
    return stats;
}

// But for small tables, which stay when their keys are gone.
static bool used_returns(uint64_t before)
{
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    before += 4096;
    while (figures().used_bytes > before && tap_now_ms() < deadline)
        tap_nap();
    return figures().used_bytes <= before;
}

// The value is as chan_fill makes it.
static bool holds(const char *key, size_t wanted, uint64_t number)
{
    void *value = NULL;
    size_t bytes = 0;
    if (dragon_dict_get_new(dict, K(key), &value, &bytes, ms) != DRAGON_OK)
        return false;
    bool good = bytes == wanted && chan_has(value, bytes, number);
    free(value);
    return good;
}

static void check_why(dragon_err_t code, const char *part, const char *what)
{
    dragon_error_t why = {DRAGON_OK, ""};
    tap_err(dragon_dict_why(dict, &why), DRAGON_OK, what);
    tap_err(why.code, code, "its code");
    tap_has(why.text, part, "its words");
    printf("# %s\n", why.text);
}

// ---- writing

// In pieces of all sizes; by turns copied and in place.
static dragon_err_t write_value(dragon_dict_writer_t *writer, const uint8_t *value, size_t bytes)
{
    dragon_err_t err = DRAGON_OK;
    size_t piece = 1;
    for (size_t at = 0; at < bytes && err == DRAGON_OK; at += piece, piece = piece * 3 + 1) {
        void *room = NULL;
        if (piece > bytes - at)
            piece = bytes - at;
        if (piece % 2) {
            err = dragon_dict_writer_write(writer, value + at, piece);
        } else if ((err = dragon_dict_writer_room(writer, piece, &room)) == DRAGON_OK) {
            memcpy(room, value + at, piece);
        }
    }
    return err;
}

static void check_writer(size_t bytes, bool known)
{
    static uint8_t value[3 * MIB];
    dragon_dict_writer_t *writer = NULL;
    int there = 1;
    chan_fill(value, bytes, bytes);
    dragon_err_t err = dragon_dict_writer_open(dict, K("pieces"), known ? bytes : 0, &writer, ms);
    if (err == DRAGON_OK)
        err = write_value(writer, value, bytes);
    dragon_dict_contains(dict, K("pieces"), &there, ms);
    if (err == DRAGON_OK)
        err = dragon_dict_writer_close(writer, ms);
    tap_err(err, DRAGON_OK, "written in pieces");
    tap_check(!there && holds("pieces", bytes, bytes), "%zu bytes, %s", bytes,
              known ? "known before" : "not known");
    dragon_dict_erase(dict, K("pieces"), ms);
}

static void check_writers(void)
{
    static const size_t sizes[] = {1, 8, 100, 5000, 100000, 3 * MIB};
    dragon_dict_writer_t *writer = NULL;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        check_writer(sizes[i], true);
        check_writer(sizes[i], false);
    }
    uint64_t used = figures().used_bytes;
    tap_err(dragon_dict_writer_open(dict, K("none"), 0, &writer, ms), DRAGON_OK, "opened");
    tap_err(dragon_dict_writer_close(writer, ms), DRAGON_OK, "and closed at once");
    tap_check(holds("none", 0, 0), "is a value of no bytes");
    dragon_dict_erase(dict, K("none"), ms);
    tap_err(dragon_dict_writer_open(dict, K("given up"), MIB, &writer, ms), DRAGON_OK, "opened");
    tap_err(dragon_dict_writer_write(writer, "abc", 3), DRAGON_OK, "begun");
    dragon_dict_writer_abandon(writer);
    dragon_dict_writer_abandon(NULL);
    tap_check(used_returns(used), "what is given up leaves nothing");
    tap_err(dragon_dict_wait(dict, K("given up"), 0), DRAGON_ERR_AGAIN, "and nobody sees it");
    chan_need(dragon_dict_put(dict, K("whole"), "old", 3, ms), NULL, "not put");
    tap_err(dragon_dict_writer_open(dict, K("whole"), 10, &writer, ms), DRAGON_OK, "opened");
    tap_err(dragon_dict_writer_write(writer, "12345678901", 11), DRAGON_ERR_TOO_BIG,
            "more than was said");
    tap_err(dragon_dict_writer_write(writer, "123", 3), DRAGON_OK, "less");
    char old[8];
    size_t bytes = 0;
    tap_err(dragon_dict_get(dict, K("whole"), old, sizeof old, &bytes, ms), DRAGON_OK,
            "the old one is there meanwhile");
    tap_err(dragon_dict_writer_close(writer, ms), DRAGON_ERR_INVAL, "less than was said");
    tap_err(dragon_dict_get(dict, K("whole"), old, sizeof old, &bytes, ms), DRAGON_OK,
            "it is as it was");
    tap_check(bytes == 3 && memcmp(old, "old", 3) == 0, "in full");
}

static void check_writer_errors(void)
{
    dragon_dict_writer_t *writer = NULL;
    void *room = NULL;
    tap_err(dragon_dict_writer_open(NULL, K("x"), 0, &writer, ms), DRAGON_ERR_INVAL, "no handle");
    tap_err(dragon_dict_writer_open(dict, K("x"), 0, NULL, ms), DRAGON_ERR_INVAL, "nowhere");
    tap_err(dragon_dict_writer_open(dict, NULL, 5, 0, &writer, ms), DRAGON_ERR_INVAL, "no key");
    tap_err(dragon_dict_writer_open(dict, K("x"), 64 * MIB, &writer, ms), DRAGON_ERR_FULL,
            "more than there is memory");
    check_why(DRAGON_ERR_FULL, "67108864", "and why");
    tap_err(dragon_dict_writer_open(dict, K("x"), 4, &writer, ms), DRAGON_OK, "opened");
    tap_err(dragon_dict_writer_write(writer, NULL, 1), DRAGON_ERR_INVAL, "nothing to write");
    tap_err(dragon_dict_writer_room(writer, 1, NULL), DRAGON_ERR_INVAL, "nowhere");
    tap_err(dragon_dict_writer_room(writer, SIZE_MAX, &room), DRAGON_ERR_TOO_BIG, "far too much");
    dragon_dict_writer_abandon(writer);
    tap_err(dragon_dict_writer_write(NULL, "x", 1), DRAGON_ERR_INVAL, "no writer");
    tap_err(dragon_dict_writer_close(NULL, ms), DRAGON_ERR_INVAL, "none to close");
    tap_err(dragon_dict_writer_open(dict, K("x"), 4, &writer, ms), DRAGON_OK, "opened");
    tap_err(dragon_dict_writer_write(writer, "1234", 4), DRAGON_OK, "written");
    chan_need(dragon_dict_freeze(dict, ms), NULL, "not frozen");
    tap_err(dragon_dict_writer_close(writer, ms), DRAGON_ERR_DENIED, "frozen meanwhile");
    check_why(DRAGON_ERR_DENIED, "frozen", "and why");
    chan_need(dragon_dict_unfreeze(dict, ms), NULL, "still frozen");
}

// ---- reading

static void check_readers(void)
{
    enum { BYTES = 300000 };
    static uint8_t value[BYTES], got[BYTES + 1];
    dragon_dict_reader_t *reader = NULL;
    size_t bytes = 0, at = 0, piece = 1, came = 1;
    int64_t number = 41;
    chan_fill(value, BYTES, 7);
    chan_need(dragon_dict_put(dict, K("long"), value, BYTES, ms), NULL, "not put");
    tap_err(dragon_dict_reader_open(dict, K("long"), &reader, &bytes, ms), DRAGON_OK, "opened");
    tap_equal((long)bytes, BYTES, "it is as large as it was put");
    chan_need(dragon_dict_put(dict, K("long"), "short", 5, ms), NULL, "not put");
    while (came > 0 && at <= BYTES &&
           dragon_dict_reader_read(reader, got + at, piece < BYTES - at ? piece : BYTES + 1 - at,
                                   &came) == DRAGON_OK) {
        at += came;
        piece = piece * 3 + 1;
    }
    tap_check(at == BYTES && chan_has(got, BYTES, 7), "what it was is read, all of it");
    tap_err(dragon_dict_reader_read(reader, got, 5, &came), DRAGON_OK, "behind the end");
    tap_equal((long)came, 0, "is nothing");
    tap_err(dragon_dict_reader_read(reader, NULL, 5, &came), DRAGON_ERR_INVAL, "nowhere");
    dragon_dict_reader_close(reader);
    tap_equal(figures().views, 0, "no view is left");
    chan_need(dragon_dict_put(dict, K("number"), &number, sizeof number, ms), NULL, "not put");
    tap_err(dragon_dict_reader_open(dict, K("number"), &reader, NULL, ms), DRAGON_OK, "a number");
    tap_err(dragon_dict_add(dict, K("number"), 1, NULL, ms), DRAGON_OK, "changed meanwhile");
    number = 0;
    tap_err(dragon_dict_reader_read(reader, &number, 3, &came), DRAGON_OK, "read");
    tap_err(dragon_dict_reader_read(reader, (char *)&number + 3, 9, &came), DRAGON_OK,
            "in two pieces");
    tap_equal((long)number, 41, "is what it was");
    dragon_dict_reader_close(reader);
    dragon_dict_reader_close(NULL);
    tap_err(dragon_dict_reader_open(dict, K("nothing"), &reader, NULL, ms), DRAGON_ERR_NOT_FOUND,
            "no such key");
    check_why(DRAGON_ERR_NOT_FOUND, "no such key", "and why");
    tap_err(dragon_dict_reader_open(dict, K("long"), NULL, NULL, ms), DRAGON_ERR_INVAL, "nowhere");
    tap_err(dragon_dict_reader_read(NULL, got, 1, &came), DRAGON_ERR_INVAL, "no reader");
    chan_need(dragon_dict_clear(dict, ms), NULL, "not cleared");
}

// ---- why

static void check_words(void)
{
    dragon_dict_t *fresh = NULL;
    dragon_error_t why;
    char node[32];
    int there;
    void *value;
    static uint8_t large[MIB / 2];
    snprintf(node, sizeof node, "manager 0 on node %s (", home);
    chan_need(dragon_dict_attach(runtime, dragon_dict_descriptor(dict), &fresh, &error), &error,
              "not attached");
    tap_err(dragon_dict_why(fresh, &why), DRAGON_ERR_NOT_FOUND, "nothing has failed");
    chan_need(dragon_dict_put(fresh, K("large"), large, sizeof large, ms), NULL, "not put");
    chan_need(dragon_dict_get_new(fresh, K("large"), &value, NULL, ms), NULL, "not got");
    free(value);
    chan_need(dragon_dict_contains(fresh, K("nothing"), &there, ms), NULL, "not asked");
    tap_err(dragon_dict_why(fresh, &why), DRAGON_ERR_NOT_FOUND, "still nothing");
    tap_err(dragon_dict_why(fresh, NULL), DRAGON_ERR_INVAL, "nowhere");
    tap_err(dragon_dict_why(NULL, &why), DRAGON_ERR_INVAL, "of none");
    dragon_dict_detach(fresh);
    tap_err(dragon_dict_wait(dict, K("nothing"), 20), DRAGON_ERR_TIMEOUT, "waited for");
    check_why(DRAGON_ERR_TIMEOUT, "within 20 ms", "and why");
    tap_err(dragon_dict_erase(dict, K("nothing"), ms), DRAGON_ERR_NOT_FOUND, "erased");
    check_why(DRAGON_ERR_NOT_FOUND, node, "and where");
    tap_err(dragon_dict_put_absent(dict, K("large"), "x", 1, ms), DRAGON_ERR_EXISTS, "put");
    check_why(DRAGON_ERR_EXISTS, "already", "and why");
    tap_err(dragon_dict_swap(dict, K("large"), "y", 1, "x", 1, ms), DRAGON_ERR_STATE, "swapped");
    check_why(DRAGON_ERR_STATE, "expected", "and why");
    tap_err(dragon_dict_get(dict, K("large"), large, 10, NULL, ms), DRAGON_ERR_TOO_BIG, "got");
    check_why(DRAGON_ERR_TOO_BIG, "524288", "and why");
    tap_err(dragon_dict_add(dict, K("large"), 1, NULL, ms), DRAGON_ERR_INVAL, "added");
    check_why(DRAGON_ERR_INVAL, "eight", "and why");
    tap_err(dragon_dict_put(dict, large, DRAGON_DICT_KEY_MOST + 1, "x", 1, ms), DRAGON_ERR_TOO_BIG,
            "a key that is too long");
    check_why(DRAGON_ERR_TOO_BIG, "65536", "and why");
    tap_err(dragon_dict_put(dict, NULL, 1, "x", 1, ms), DRAGON_ERR_INVAL, "no key");
    check_why(DRAGON_ERR_INVAL, "argument", "and why");
    chan_need(dragon_dict_clear(dict, ms), NULL, "not cleared");
}

// ---- full

static int fill(size_t bytes)
{
    static uint8_t value[MIB];
    char key[32];
    for (int count = 0;; count++) {
        snprintf(key, sizeof key, "full %d", count);
        chan_fill(value, bytes, (uint64_t)count);
        dragon_err_t err = dragon_dict_put(dict, K(key), value, bytes, ms);
        if (err == DRAGON_ERR_FULL)
            return count;
        chan_need(err, NULL, "not put");
    }
}

static bool all_there(int count, size_t bytes)
{
    char key[32];
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof key, "full %d", i);
        if (!holds(key, bytes, (uint64_t)i))
            return false;
    }
    return true;
}

static void check_full(void)
{
    static uint8_t value[MIB];
    uint64_t before = figures().full;
    int count = fill(MIB);
    long best = TAP_WAIT_MS;
    tap_check(count >= 4 && count < ROOM, "%d values of 1 MiB go in", count);
    tap_equal((long)(figures().full - before), 1, "one was refused, and that was counted");
    for (int i = 0; i < 5; i++) {
        long began = tap_now_ms();
        tap_err(dragon_dict_put(dict, K("more"), value, sizeof value, ms), DRAGON_ERR_FULL, "full");
        if (tap_now_ms() - began < best)
            best = tap_now_ms() - began;
    }
    tap_check(best < 100, "within 100 ms (%ld)", best);
    dragon_dict_put_item_t item = {"many", 4, value, sizeof value, DRAGON_OK};
    tap_err(dragon_dict_put_many(dict, &item, 1, ms), DRAGON_ERR_FULL, "one of many");
    check_why(DRAGON_ERR_FULL, "for a value of 1048576 bytes", "and why");
    check_why(DRAGON_ERR_FULL, "1048576 bytes", "and why");
    tap_check(all_there(count, MIB), "everything is as it was");
    // A call that waits looks again whenever there may be room, and counts once.
    before = figures().full;
    chan_need(dragon_dict_put(dict, K("small"), "x", 1, ms), NULL, "no room for a byte");
    tap_err(dragon_dict_put_wait(dict, K("more"), value, sizeof value, 30), DRAGON_ERR_TIMEOUT,
            "waited for room");
    check_why(DRAGON_ERR_TIMEOUT, "no room in time", "and why");
    tap_check(figures().full - before <= 1, "it counts once");
    const char *const argv[] = {"erases", dragon_dict_descriptor(dict), NULL};
    dragon_group_t *group = chan_ranks(runtime, NULL, 1, argv);
    tap_err(dragon_dict_put_wait(dict, K("more"), value, sizeof value, TAP_WAIT_MS), DRAGON_OK,
            "another process makes room");
    tap_check(chan_ranks_end(group), "it is content");
    tap_err(dragon_dict_put_wait(dict, K("more"), value, (size_t)ROOM * MIB, TAP_WAIT_MS),
            DRAGON_ERR_FULL, "there will never be so much room");
    chan_need(dragon_dict_clear(dict, ms), NULL, "not cleared");
    tap_equal((long)figures().keys, 0, "all is gone");
    tap_equal(fill(MIB), count, "as much goes in again");
    chan_need(dragon_dict_clear(dict, ms), NULL, "not cleared");
}

static int erase_for_another(const char *descriptor)
{
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    CHAN_DEMAND(dragon_dict_attach(runtime, descriptor, &dict, &error) == DRAGON_OK);
    while (figures().waiting < 1) {
        CHAN_DEMAND(tap_now_ms() < deadline);
        tap_nap();
    }
    CHAN_DEMAND(dragon_dict_erase(dict, K("full 0"), ms) == DRAGON_OK);
    CHAN_DEMAND(dragon_dict_detach(dict) == DRAGON_OK);
    dragon_runtime_detach(runtime);
    return 0;
}

// ---- killed

enum { HALF = MIB };

// Is killed with half of a value written, or with a value that it reads erased.
static int hold(const char *role, const char *descriptor)
{
    static uint8_t value[2 * HALF];
    dragon_dict_writer_t *writer = NULL;
    dragon_dict_reader_t *reader = NULL;
    CHAN_DEMAND(dragon_dict_attach(runtime, descriptor, &dict, &error) == DRAGON_OK);
    if (strcmp(role, "writes") == 0) {
        CHAN_DEMAND(dragon_dict_writer_open(dict, K("half"), sizeof value, &writer, ms) ==
                    DRAGON_OK);
        CHAN_DEMAND(dragon_dict_writer_write(writer, value, HALF) == DRAGON_OK);
    } else {
        CHAN_DEMAND(dragon_dict_put(dict, K("half"), value, sizeof value, ms) == DRAGON_OK);
        CHAN_DEMAND(dragon_dict_reader_open(dict, K("half"), &reader, NULL, ms) == DRAGON_OK);
        CHAN_DEMAND(dragon_dict_erase(dict, K("half"), ms) == DRAGON_OK);
    }
    CHAN_DEMAND(dragon_dict_put(dict, K("ready"), "x", 1, ms) == DRAGON_OK);
    for (;;)
        pause();
}

static void check_killed(const char *role)
{
    const char *const argv[] = {role, dragon_dict_descriptor(dict), NULL};
    dragon_rank_status_t status;
    chan_need(dragon_dict_put(dict, K("ready"), "x", 1, ms), NULL, "not put");
    chan_need(dragon_dict_erase(dict, K("ready"), ms), NULL, "not erased");
    uint64_t used = figures().used_bytes;
    dragon_group_t *group = chan_ranks(runtime, home, 1, argv);
    tap_check(tap_is_up(runtime, group, 0, &status), "one that %s is up", role);
    tap_err(dragon_dict_wait(dict, K("ready"), TAP_WAIT_MS), DRAGON_OK, "it is in the middle");
    tap_check(figures().used_bytes >= used + (uint64_t)2 * HALF, "and has memory");
    dragon_dict_erase(dict, K("ready"), ms);
    kill(status.pid, SIGKILL);
    long began = tap_now_ms();
    tap_check(used_returns(used), "when it is killed its memory comes back");
    tap_check(tap_now_ms() - began < 5000, "soon");
    printf("# after %ld ms\n", tap_now_ms() - began);
    tap_err(dragon_dict_wait(dict, K("half"), 0), DRAGON_ERR_AGAIN, "nothing of it is seen");
    dragon_group_wait(group, TAP_WAIT_MS);
    dragon_group_destroy(group);
}

// ---- which nodes

static void check_spec(dragon_dict_spec_t spec, const char *part, const char *what)
{
    dragon_dict_t *none = NULL;
    tap_err(dragon_dict_create(runtime, &spec, &none, &error), DRAGON_ERR_INVAL, what);
    tap_has(error.text, part, "the text says so");
}

static void check_specs(void)
{
    dragon_policy_t *policy = on_hosts("0");
    const dragon_policy_t *list[] = {policy, NULL};
    dragon_dict_spec_t spec = DRAGON_DICT_SPEC_INIT;
    spec.policies = list;
    check_spec(spec, "policy_count", "a list of none");
    spec.policy_count = 2;
    check_spec(spec, "policy 1 of the list is NULL", "a list with none in it");
    spec.policy_count = 1;
    spec.policy = policy;
    check_spec(spec, "excludes policy", "a list and a policy");
    spec.policy = NULL;
    spec.nodes = 1;
    check_spec(spec, "excludes nodes", "a list and a number of nodes");
    spec.nodes = 0;
    spec.managers_per_node = 1;
    check_spec(spec, "excludes managers_per_node", "a list and a number for each node");
    spec.managers_per_node = 0;
    spec.managers = DRAGON_DICT_MANAGERS_MOST + 1;
    check_spec(spec, "4097", "too many of a policy");
    spec.managers = 0;
    spec.policies = NULL;
    check_spec(spec, "NULL", "a number of policies and no list");
    spec.policy_count = 0;
    spec.nodes = 1000000;
    check_spec(spec, "nodes", "more nodes than there are");
    spec.nodes = 2;
    spec.managers = 1;
    check_spec(spec, "1 managers cannot be on 2 nodes", "more nodes than managers");
    dragon_policy_destroy(policy);
}

// Whether the managers are on these nodes.
static void check_nodes(const dragon_dict_spec_t *spec, const uint32_t *nodes, uint32_t count,
                        const char *what)
{
    dragon_dict_t *made = NULL;
    chan_need(dragon_dict_create(runtime, spec, &made, &error), &error, what);
    tap_equal(dragon_dict_managers(made), count, what);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t node = 99;
        chan_need(dragon_dict_manager_node(made, i, &node), NULL, "no node");
        tap_equal(node, nodes[i], "on the right node");
    }
    tap_err(dragon_dict_put(made, K("key"), "x", 1, ms), DRAGON_OK, "it can be used");
    chan_need(dragon_dict_destroy(made, &error), &error, "not destroyed");
}

static void check_places(void)
{
    dragon_dict_spec_t spec = DRAGON_DICT_SPEC_INIT;
    uint32_t last = dragon_runtime_nodes(runtime) - 1;
    char number[16], both[40];
    snprintf(number, sizeof number, "%u", last);
    snprintf(both, sizeof both, "%u,0", last);
    dragon_policy_t *first = on_hosts("0"), *other = on_hosts(number), *backward = on_hosts(both);
    const dragon_policy_t *list[] = {other, first};
    spec.total_bytes = 16 << 20;
    spec.nodes = 1;
    check_nodes(&spec, (uint32_t[]){0}, 1, "one on the first node");
    spec.managers_per_node = 2;
    check_nodes(&spec, (uint32_t[]){0, 0}, 2, "two on the first node");
    spec.managers_per_node = 0;
    spec.managers = 3;
    check_nodes(&spec, (uint32_t[]){0, 0, 0}, 3, "three on the first node");
    spec.policy = backward;
    check_nodes(&spec, (uint32_t[]){last, last, last}, 3,
                "three on the first that a policy allows");
    spec.policy = NULL;
    if (last > 0) {
        spec.nodes = 2;
        check_nodes(&spec, (uint32_t[]){0, 1, 0}, 3, "three on two nodes");
    }
    spec.nodes = spec.managers = 0;
    spec.policies = list;
    spec.policy_count = 2;
    check_nodes(&spec, (uint32_t[]){last, 0}, 2, "one of each policy");
    spec.managers = 2;
    check_nodes(&spec, (uint32_t[]){last, last, 0, 0}, 4, "two of each policy");
    dragon_policy_destroy(first);
    dragon_policy_destroy(other);
    dragon_policy_destroy(backward);
}

// A manager that is bound counts, as any rank does. The other one goes where there is a core for it.
static void check_binding(void)
{
    dragon_dict_spec_t spec = DRAGON_DICT_SPEC_INIT;
    uint32_t nodes = dragon_runtime_nodes(runtime);
    dragon_policy_t *plain = on_hosts("1"), *bound = on_hosts("0");
    const dragon_policy_t *list[] = {bound, plain};
    dragon_dict_t *made = NULL;
    dragon_system_t *system = NULL;
    uint32_t users = 0, all = 0;
    dragon_policy_set_cores(bound, 1);
    dragon_policy_set_bind(bound, DRAGON_BIND_CORE);
    spec.policies = list;
    spec.policy_count = nodes > 1 ? 2 : 1;
    spec.total_bytes = 4 << 20;
    chan_need(dragon_dict_create(runtime, &spec, &made, &error), &error, "no bound one");
    chan_need(dragon_system_look(runtime, &system, &error), &error, "no picture");
    for (uint32_t i = 0; i < dragon_system_groups(system); i++) {
        for (uint32_t rank = 0; rank < dragon_system_group(system, i)->ranks; rank++) {
            const dragon_rank_info_t *info = dragon_system_rank(system, i, rank);
            if (strcmp(dragon_system_group(system, i)->name, "dictionary") != 0 || !info)
                continue;
            all++;
            users += info->place.bind == DRAGON_BIND_CORE && strlen(info->place.cores) > 0;
        }
    }
    tap_check(all >= spec.policy_count && users == 1, "of %u managers one is bound to a core (%u)",
              all, users);
    dragon_system_destroy(system);
    chan_need(dragon_dict_destroy(made, &error), &error, "not destroyed");
    dragon_policy_destroy(plain);
    dragon_policy_destroy(bound);
}

// ---- limits

static int check_limit(uint64_t mib)
{
    dragon_dict_spec_t spec = DRAGON_DICT_SPEC_INIT;
    dragon_dict_t *none = NULL;
    char figure[32];
    home = "0";
    snprintf(figure, sizeof figure, "%u", (unsigned)mib);
    spec.total_bytes = mib * 2 * MIB;
    tap_err(dragon_dict_create(runtime, &spec, &none, &error), DRAGON_ERR_FULL,
            "more memory than the node has");
    tap_has(error.text, figure, "the text has the figure");
    printf("# %s\n", error.text);
    dict = make((mib - 8) * MIB);
    int count = fill(MIB);
    tap_check((uint64_t)count >= (mib - 8) * 3 / 4, "filled with %d MiB", count);
    tap_check(all_there(count, MIB), "which are there");
    check_why(DRAGON_ERR_FULL, "in one piece", "and why there are no more");
    spec.total_bytes = 8 * MIB;
    tap_err(dragon_dict_create(runtime, &spec, &none, &error), DRAGON_ERR_FULL,
            "another one has no room beside it");
    tap_has(error.text, figure, "the text has the figure");
    chan_need(dragon_dict_destroy(dict, &error), &error, "not destroyed");
    tap_check(chan_nodes_empty(runtime), "nothing is left");
    dragon_runtime_detach(runtime);
    return tap_finish();
}

static int write_stats(const char *path)
{
    char *json = NULL;
    home = "0";
    dict = make(4 * MIB);
    chan_need(dragon_dict_put(dict, K("a \"key\""), "x", 1, ms), NULL, "not put");
    chan_need(dragon_dict_stats_json(dict, &json, ms), NULL, "no figures");
    FILE *file = fopen(path, "w");
    bool good = file && fputs(json, file) >= 0 && fclose(file) == 0;
    tap_check(good, "figures are written");
    free(json);
    chan_need(dragon_dict_destroy(dict, &error), &error, "not destroyed");
    dragon_runtime_detach(runtime);
    return tap_finish();
}

// 0: there is none.
static int manager_pid(void)
{
    dragon_system_t *system = NULL;
    int pid = 0;
    chan_need(dragon_system_look(runtime, &system, &error), &error, "no picture");
    for (uint32_t i = 0; i < dragon_system_groups(system); i++) {
        const dragon_rank_info_t *info = dragon_system_rank(system, i, 0);
        if (strcmp(dragon_system_group(system, i)->name, "dictionary") == 0 && info &&
            !info->status.ended)
            pid = info->status.pid;
    }
    dragon_system_destroy(system);
    return pid;
}

static void check_manager_killed(void)
{
    dragon_dict_writer_t *writer = NULL;
    dragon_dict_view_t view;
    dragon_dict_put_item_t item = {"key", 3, "x", 1, DRAGON_OK};
    char node[32];
    snprintf(node, sizeof node, "manager 0 on node %s (", home);
    chan_need(dragon_dict_put(dict, K("key"), "x", 1, ms), NULL, "not put");
    chan_need(dragon_dict_writer_open(dict, K("half"), 100, &writer, ms), NULL, "not opened");
    int pid = manager_pid();
    if (!tap_check(pid > 0, "the manager is found"))
        return;
    kill(pid, SIGKILL);
    tap_err(dragon_dict_wait(dict, K("never"), ms), DRAGON_ERR_PEER, "it is killed");
    check_why(DRAGON_ERR_PEER, node, "and why");
    check_why(DRAGON_ERR_PEER, "is gone", "in words");
    tap_err(dragon_dict_view(dict, K("key"), &view, ms), DRAGON_ERR_PEER, "viewed");
    check_why(DRAGON_ERR_PEER, "is gone", "and why");
    tap_err(dragon_dict_put_many(dict, &item, 1, ms), DRAGON_ERR_PEER, "put among many");
    check_why(DRAGON_ERR_PEER, "is gone", "and why");
    dragon_dict_writer_room(writer, 100, (void **)&view.data);
    tap_err(dragon_dict_writer_close(writer, ms), DRAGON_ERR_PEER, "written in pieces");
    check_why(DRAGON_ERR_PEER, "is gone", "and why");
    tap_err(dragon_dict_destroy(dict, &error), DRAGON_OK, "destroyed");
}

static void check_lost(void)
{
    dragon_error_t why = {DRAGON_OK, ""};
    char buffer[8], *copy = strdup(dragon_dict_descriptor(dict));
    dragon_dict_t *other = NULL;
    chan_need(dragon_dict_attach(runtime, copy, &other, &error), &error, "not attached");
    chan_need(dragon_dict_put(other, K("x"), "x", 1, ms), NULL, "not put");
    tap_err(dragon_dict_destroy(dict, &error), DRAGON_OK, "destroyed");
    tap_err(dragon_dict_get(other, K("x"), buffer, 8, NULL, ms), DRAGON_ERR_CLOSED, "got");
    tap_err(dragon_dict_why(other, &why), DRAGON_OK, "and why");
    tap_has(why.text, "destroyed", "it was destroyed");
    dragon_dict_detach(other);
    free(copy);
}

int main(int argc, char **argv)
{
    chan_be_empty(argc, argv);
    runtime = tap_attach();
    if (argc == 3 && strcmp(argv[1], "limit") == 0)
        return check_limit((uint64_t)strtol(argv[2], NULL, 10));
    if (argc == 3 && strcmp(argv[1], "stats") == 0)
        return write_stats(argv[2]);
    if (argc == 3 && strcmp(argv[1], "erases") == 0)
        return erase_for_another(argv[2]);
    if (argc == 3)
        return hold(argv[1], argv[2]);
    home = argc > 1 ? argv[1] : "0";
    dict = make(ROOM * MIB);
    check_writers();
    check_writer_errors();
    check_readers();
    check_words();
    check_full();
    check_killed("writes");
    check_killed("reads");
    check_lost();
    dict = make(ROOM * MIB);
    check_manager_killed();
    check_specs();
    check_places();
    check_binding();
    tap_check(chan_nodes_empty(runtime), "nothing is left on any node");
    dragon_runtime_detach(runtime);
    return tap_finish();
}
