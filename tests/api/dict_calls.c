// SPDX-License-Identifier: BSD-3-Clause
//
// Every call and error of dictionaries: `dict_calls NODE`, of one whose managers are on that node. The process is attached
// to the runtime twice.
#include "chan.h"

#include <limits.h>

static dragon_runtime_t *one, *two;
static const char *home;
static dragon_error_t error;
static dragon_dict_t *dict, *other;

#define K(text) text, strlen(text)

static dragon_dict_t *make(uint32_t managers, uint64_t total_bytes, const char *name)
{
    dragon_dict_spec_t spec = DRAGON_DICT_SPEC_INIT;
    dragon_policy_t *policy = NULL;
    dragon_dict_t *made = NULL;
    chan_need(dragon_policy_create(&policy), NULL, "no policy");
    chan_need(dragon_policy_set_hosts(policy, home), NULL, "no such host");
    spec.managers = managers;
    spec.policy = policy;
    spec.total_bytes = total_bytes;
    spec.name = name;
    spec.timeout_ms = TAP_WAIT_MS;
    chan_need(dragon_dict_create(one, &spec, &made, &error), &error, "no dictionary");
    dragon_policy_destroy(policy);
    return made;
}

// ---- life cycle

static void check_life(void)
{
    dragon_dict_t *found = NULL, *bound = NULL;
    uint32_t node = 99, manager = 99;
    dict = make(2, 8 << 20, "the dictionary");
    tap_equal(dragon_dict_managers(dict), 2, "two managers");
    tap_err(dragon_dict_manager_node(dict, 1, &node), DRAGON_OK, "their node");
    tap_equal(node, strtol(home, NULL, 10), "is the one that was asked for");
    tap_err(dragon_dict_manager_node(dict, 2, &node), DRAGON_ERR_NOT_FOUND, "of no manager");
    tap_err(dragon_dict_attach(two, dragon_dict_descriptor(dict), &other, &error), DRAGON_OK,
            "attached by the descriptor");
    tap_text(dragon_dict_descriptor(other), dragon_dict_descriptor(dict), "which is the same");
    tap_err(dragon_dict_find(two, "the dictionary", 0, &found, &error), DRAGON_OK,
            "found by the name");
    tap_err(dragon_dict_detach(found), DRAGON_OK, "detached");
    tap_err(dragon_dict_find(two, "another", 0, &found, &error), DRAGON_ERR_AGAIN, "another name");
    tap_err(dragon_dict_find(two, "another", 20, &found, &error), DRAGON_ERR_TIMEOUT,
            "however long one waits");
    tap_err(dragon_dict_attach(one, "dragon-dict:x:0:1", &found, &error), DRAGON_ERR_NOT_FOUND,
            "a descriptor of another runtime");
    tap_err(dragon_dict_attach(one, "nonsense", &found, &error), DRAGON_ERR_INVAL, "no descriptor");
    tap_err(dragon_dict_attach(one, dragon_dict_descriptor(dict), NULL, &error), DRAGON_ERR_INVAL,
            "nowhere to put it");
    tap_err(dragon_dict_bind(dict, 2, &bound, &error), DRAGON_ERR_NOT_FOUND, "bound to none");
    tap_err(dragon_dict_bind(dict, 1, &bound, &error), DRAGON_OK, "bound to a manager");
    tap_equal(dragon_dict_manager_of(bound, K("any")), 1, "it has all keys");
    tap_err(dragon_dict_detach(bound), DRAGON_OK, "detached");
    tap_err(dragon_dict_lost(dict, &manager, &node), DRAGON_ERR_NOT_FOUND, "none is lost");
    tap_err(dragon_dict_detach(NULL), DRAGON_OK, "NULL detached");
    tap_err(dragon_dict_destroy(NULL, NULL), DRAGON_OK, "NULL destroyed");
}

static void check_errors(void)
{
    dragon_dict_spec_t spec = DRAGON_DICT_SPEC_INIT;
    dragon_dict_t *none = NULL;
    tap_err(dragon_dict_create(NULL, &spec, &none, &error), DRAGON_ERR_INVAL, "no runtime");
    tap_err(dragon_dict_create(one, &spec, NULL, &error), DRAGON_ERR_INVAL, "nowhere to put it");
    spec.total_bytes = 4096;
    tap_err(dragon_dict_create(one, &spec, &none, &error), DRAGON_ERR_INVAL, "too little memory");
    tap_has(error.text, "1048576", "the text has the figure");
    spec.total_bytes = UINT64_C(1) << 42;
    long began = tap_now_ms();
    tap_err(dragon_dict_create(one, &spec, &none, &error), DRAGON_ERR_FULL, "too much memory");
    tap_check(tap_now_ms() - began < 20000, "at once");
    printf("# %s (%ld ms)\n", error.text, tap_now_ms() - began);
    tap_has(error.text, "manager 0", "the text says which manager");
    spec.total_bytes = 0;
    spec.managers = DRAGON_DICT_MANAGERS_MOST + 1;
    tap_err(dragon_dict_create(one, &spec, &none, &error), DRAGON_ERR_INVAL, "too many managers");
    spec.managers = 1;
    spec.timeout_ms = -7;
    tap_err(dragon_dict_create(one, &spec, &none, &error), DRAGON_ERR_INVAL, "no time-out");
    spec.timeout_ms = 0;
    spec.memory.numa = INT_MAX;
    tap_err(dragon_dict_create(one, &spec, &none, &error), DRAGON_ERR_INVAL, "no NUMA node");
    spec.memory.numa = DRAGON_ANY_NUMA;
    spec.name = "the dictionary";
    tap_err(dragon_dict_create(one, &spec, &none, &error), DRAGON_ERR_EXISTS,
            "a name that is taken");
}

static void check_places(void)
{
    dragon_dict_spec_t spec = DRAGON_DICT_SPEC_INIT;
    dragon_dict_t *made = NULL;
    uint32_t nodes = dragon_runtime_nodes(one), node = 99;
    chan_need(dragon_dict_create(one, NULL, &made, &error), &error, "none by default");
    tap_equal(dragon_dict_managers(made), nodes, "by default a manager on each node");
    for (uint32_t i = 0; i < nodes; i++) {
        chan_need(dragon_dict_manager_node(made, i, &node), NULL, "no node");
        tap_equal(node, i, "in their order");
    }
    tap_err(dragon_dict_destroy(made, &error), DRAGON_OK, "destroyed");
    spec.managers_per_node = 2;
    spec.total_bytes = UINT64_C(4) * nodes << 20;
    chan_need(dragon_dict_create(one, &spec, &made, &error), &error, "no larger one");
    tap_equal(dragon_dict_managers(made), 2 * (long)nodes, "two on each node");
    tap_err(dragon_dict_destroy(made, &error), DRAGON_OK, "destroyed");
}

// ---- pairs

static void check_pairs(void)
{
    char buffer[64];
    size_t bytes = 0;
    void *value = NULL;
    int there = 7;
    int ms = DRAGON_DEFAULT_TIMEOUT;
    tap_err(dragon_dict_get(dict, K("a"), buffer, sizeof buffer, &bytes, ms), DRAGON_ERR_NOT_FOUND,
            "a key that is not there");
    tap_err(dragon_dict_contains(dict, K("a"), &there, ms), DRAGON_OK, "asked for");
    tap_equal(there, 0, "not there");
    tap_err(dragon_dict_put(dict, K("a"), K("value"), ms), DRAGON_OK, "put");
    tap_err(dragon_dict_get(other, K("a"), buffer, sizeof buffer, &bytes, ms), DRAGON_OK, "got");
    tap_check(bytes == 5 && memcmp(buffer, "value", 5) == 0, "what was put");
    tap_err(dragon_dict_get(other, K("a"), buffer, 4, &bytes, ms), DRAGON_ERR_TOO_BIG,
            "with too little room");
    tap_equal((long)bytes, 5, "which says how large it is");
    tap_err(dragon_dict_get(other, K("a"), NULL, 0, &bytes, ms), DRAGON_ERR_TOO_BIG, "with none");
    tap_err(dragon_dict_get(other, K("a"), NULL, 1, &bytes, ms), DRAGON_ERR_INVAL, "nowhere");
    tap_err(dragon_dict_contains(other, K("a"), &there, ms), DRAGON_OK, "asked for");
    tap_equal(there, 1, "there");
    tap_err(dragon_dict_contains(other, K("a"), NULL, ms), DRAGON_ERR_INVAL, "nowhere to put it");
    tap_err(dragon_dict_put_absent(other, K("a"), K("x"), ms), DRAGON_ERR_EXISTS, "put if absent");
    tap_err(dragon_dict_put_absent(other, K("b"), K("x"), ms), DRAGON_OK, "another");
    tap_err(dragon_dict_put_wait(other, K("b"), K("yy"), 0), DRAGON_OK, "put, waiting");
    tap_err(dragon_dict_get_new(dict, K("b"), &value, &bytes, ms), DRAGON_OK, "into own memory");
    tap_check(value && bytes == 2 && memcmp(value, "yy", 2) == 0, "the later one");
    free(value);
    tap_err(dragon_dict_get_new(dict, K("c"), &value, &bytes, ms), DRAGON_ERR_NOT_FOUND, "none");
    tap_err(dragon_dict_get_new(dict, K("b"), NULL, &bytes, ms), DRAGON_ERR_INVAL, "nowhere");
    tap_err(dragon_dict_erase(dict, K("b"), ms), DRAGON_OK, "erased");
    tap_err(dragon_dict_erase(dict, K("b"), ms), DRAGON_ERR_NOT_FOUND, "twice");
    tap_err(dragon_dict_pop(dict, K("a"), &value, &bytes, ms), DRAGON_OK, "popped");
    tap_check(value && bytes == 5 && memcmp(value, "value", 5) == 0, "its value");
    free(value);
    tap_err(dragon_dict_pop(dict, K("a"), &value, &bytes, ms), DRAGON_ERR_NOT_FOUND, "twice");
    tap_err(dragon_dict_pop(dict, K("a"), NULL, &bytes, ms), DRAGON_ERR_INVAL, "nowhere");
    tap_err(dragon_dict_put(dict, NULL, 0, NULL, 0, ms), DRAGON_OK, "nothing under nothing");
    tap_err(dragon_dict_get(dict, NULL, 0, NULL, 0, &bytes, ms), DRAGON_OK, "got");
    tap_equal((long)bytes, 0, "is empty");
    tap_err(dragon_dict_get_new(dict, NULL, 0, &value, &bytes, ms), DRAGON_OK, "in own memory");
    tap_check(value != NULL, "is not NULL");
    free(value);
    tap_err(dragon_dict_put(dict, NULL, 1, NULL, 0, ms), DRAGON_ERR_INVAL, "a key that is NULL");
    tap_err(dragon_dict_put(dict, K("a"), NULL, 1, ms), DRAGON_ERR_INVAL, "a value that is NULL");
    tap_err(dragon_dict_put(NULL, K("a"), K("a"), ms), DRAGON_ERR_INVAL, "no dictionary");
    tap_err(dragon_dict_put(dict, home, DRAGON_DICT_KEY_MOST + 1, K("a"), ms), DRAGON_ERR_TOO_BIG,
            "a key that is too long");
}

static void check_sizes(void)
{
    static const size_t sizes[] = {1, 8, 9, 1000, 8191, 8192, 8193, 100000, 1 << 20};
    static char long_key[DRAGON_DICT_KEY_MOST];
    int ms = DRAGON_DEFAULT_TIMEOUT;
    memset(long_key, 'k', sizeof long_key);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t bytes = 0;
        uint8_t *value = (uint8_t *)malloc(sizes[i]);
        void *got = NULL;
        chan_fill(value, sizes[i], i);
        tap_err(dragon_dict_put(dict, long_key, 60 * i * i + 1, value, sizes[i], ms), DRAGON_OK,
                "put");
        tap_err(dragon_dict_get_new(other, long_key, 60 * i * i + 1, &got, &bytes, ms), DRAGON_OK,
                "got");
        tap_check(bytes == sizes[i] && chan_has(got, bytes, i), "%zu bytes", sizes[i]);
        free(got);
        tap_err(dragon_dict_pop(other, long_key, 60 * i * i + 1, &got, &bytes, ms), DRAGON_OK,
                "popped");
        tap_check(bytes == sizes[i] && chan_has(got, bytes, i), "%zu bytes", sizes[i]);
        free(got);
        free(value);
    }
    size_t bytes = 0;
    char small[8];
    tap_err(dragon_dict_put(dict, long_key, sizeof long_key, K("long"), ms), DRAGON_OK,
            "the longest key");
    tap_err(dragon_dict_get(dict, long_key, sizeof long_key, small, sizeof small, &bytes, ms),
            DRAGON_OK, "is found");
    tap_err(dragon_dict_erase(dict, long_key, sizeof long_key, ms), DRAGON_OK, "and erased");
}

static void check_views(void)
{
    dragon_dict_view_t view, again;
    int ms = DRAGON_DEFAULT_TIMEOUT;
    tap_err(dragon_dict_put(dict, K("v"), K("first"), ms), DRAGON_OK, "put");
    tap_err(dragon_dict_view(other, K("v"), &view, ms), DRAGON_OK, "viewed");
    tap_err(dragon_dict_put(dict, K("v"), K("second"), ms), DRAGON_OK, "put again");
    tap_check(view.bytes == 5 && memcmp(view.data, "first", 5) == 0, "the view stays");
    tap_err(dragon_dict_view(other, K("v"), &again, ms), DRAGON_OK, "viewed again");
    tap_err(dragon_dict_erase(dict, K("v"), ms), DRAGON_OK, "erased");
    tap_check(again.bytes == 6 && memcmp(again.data, "second", 6) == 0, "that one stays, too");
    dragon_dict_view_end(other, &view);
    dragon_dict_view_end(other, &again);
    tap_check(view.data == NULL, "ended");
    dragon_dict_view_end(other, &view);
    dragon_dict_view_end(other, NULL);
    tap_err(dragon_dict_view(other, K("v"), &view, ms), DRAGON_ERR_NOT_FOUND, "of nothing");
    tap_err(dragon_dict_view(other, K("v"), NULL, ms), DRAGON_ERR_INVAL, "nowhere");
}

static void check_changes(void)
{
    int64_t before = 7;
    size_t bytes = 0;
    char buffer[32];
    int ms = DRAGON_DEFAULT_TIMEOUT;
    tap_err(dragon_dict_swap(dict, K("s"), K("a"), K("b"), ms), DRAGON_ERR_NOT_FOUND, "swapped");
    tap_err(dragon_dict_put(dict, K("s"), K("a"), ms), DRAGON_OK, "put");
    tap_err(dragon_dict_swap(dict, K("s"), K("x"), K("b"), ms), DRAGON_ERR_STATE, "another value");
    tap_err(dragon_dict_swap(dict, K("s"), K("a"), K("bb"), ms), DRAGON_OK, "the right one");
    tap_err(dragon_dict_get(other, K("s"), buffer, sizeof buffer, &bytes, ms), DRAGON_OK, "got");
    tap_check(bytes == 2 && memcmp(buffer, "bb", 2) == 0, "the new value");
    tap_err(dragon_dict_add(dict, K("n"), 5, &before, ms), DRAGON_OK, "added to nothing");
    tap_equal((long)before, 0, "it was 0");
    tap_err(dragon_dict_add(other, K("n"), -7, &before, ms), DRAGON_OK, "subtracted");
    tap_equal((long)before, 5, "it was 5");
    tap_err(dragon_dict_add(other, K("n"), 0, NULL, ms), DRAGON_OK, "without asking");
    tap_err(dragon_dict_get(dict, K("n"), &before, sizeof before, &bytes, ms), DRAGON_OK, "got");
    tap_equal((long)before, -2, "as a number");
    tap_err(dragon_dict_add(dict, K("s"), 1, &before, ms), DRAGON_ERR_INVAL, "added to a text");
    tap_err(dragon_dict_append(dict, K("t"), K("ab"), &bytes, ms), DRAGON_OK, "appended");
    tap_err(dragon_dict_append(other, K("t"), K("cde"), &bytes, ms), DRAGON_OK, "appended");
    tap_equal((long)bytes, 5, "which makes five");
    tap_err(dragon_dict_append(other, K("t"), NULL, 0, NULL, ms), DRAGON_OK, "nothing appended");
    tap_err(dragon_dict_get(dict, K("t"), buffer, sizeof buffer, &bytes, ms), DRAGON_OK, "got");
    tap_check(bytes == 5 && memcmp(buffer, "abcde", 5) == 0, "all of it");
}

// ---- all of it

static uint64_t length(void)
{
    uint64_t keys = UINT64_MAX;
    tap_err(dragon_dict_length(other, &keys, DRAGON_DEFAULT_TIMEOUT), DRAGON_OK, "counted");
    return keys;
}

static void check_walk(const char *prefix, int flags, long wanted)
{
    enum { KEYS = 200 };
    static bool seen[KEYS];
    dragon_dict_cursor_t *cursor = NULL;
    const void *key, *value;
    size_t key_bytes, value_bytes;
    dragon_err_t err;
    long count = 0, strange = 0;
    memset(seen, 0, sizeof seen);
    tap_err(dragon_dict_cursor_create(other, K(prefix), flags, &cursor), DRAGON_OK, "a cursor");
    while ((err = dragon_dict_cursor_next(cursor, &key, &key_bytes, &value, &value_bytes,
                                          DRAGON_DEFAULT_TIMEOUT)) == DRAGON_OK) {
        char text[32] = "";
        if (key_bytes < sizeof text)
            memcpy(text, key, key_bytes);
        long number = strtol(text + 4, NULL, 10);
        bool good = strncmp(text, "key ", 4) == 0 && number >= 0 && number < KEYS &&
                    !seen[number] && value_bytes == (size_t)number;
        if (good && (flags & DRAGON_DICT_VALUES))
            good = value && chan_has(value, value_bytes, (uint64_t)number);
        if (good)
            seen[number] = true;
        strange += !good;
        count++;
    }
    tap_err(err, DRAGON_ERR_NOT_FOUND, "walked to the end");
    tap_equal(count, wanted, "over all of them");
    tap_equal(strange, 0, "each once, with its value");
    dragon_dict_cursor_destroy(cursor);
}

static void check_all(void)
{
    uint8_t value[200];
    char key[32];
    int frozen = 7, ms = DRAGON_DEFAULT_TIMEOUT;
    dragon_dict_view_t view;
    dragon_dict_cursor_t *cursor = NULL;
    uint32_t node = 0;
    tap_err(dragon_dict_clear(dict, ms), DRAGON_OK, "cleared");
    tap_equal((long)length(), 0, "nothing left");
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "key %d", i);
        chan_fill(value, (size_t)i, (uint64_t)i);
        chan_need(dragon_dict_put(dict, K(key), value, (size_t)i, ms), NULL, "not put");
    }
    tap_equal((long)length(), 200, "all there");
    check_walk("", DRAGON_DICT_VALUES, 200);
    check_walk("", 0, 200);
    check_walk("key 1", DRAGON_DICT_VALUES, 111);
    check_walk("no", 0, 0);
    dragon_dict_manager_node(dict, 0, &node);
    check_walk("", DRAGON_DICT_LOCAL, node == dragon_runtime_node(two) ? 200 : 0);
    tap_err(dragon_dict_cursor_create(dict, NULL, 1, 0, &cursor), DRAGON_ERR_INVAL, "no prefix");
    tap_err(dragon_dict_cursor_create(dict, NULL, 0, 64, &cursor), DRAGON_ERR_INVAL, "no flag");
    dragon_dict_cursor_destroy(NULL);
    tap_err(dragon_dict_is_frozen(dict, &frozen, ms), DRAGON_OK, "frozen?");
    tap_equal(frozen, 0, "no");
    tap_err(dragon_dict_freeze(dict, ms), DRAGON_OK, "frozen");
    tap_err(dragon_dict_is_frozen(other, &frozen, ms), DRAGON_OK, "frozen?");
    tap_equal(frozen, 1, "yes");
    tap_err(dragon_dict_put(other, K("key 1"), K("x"), ms), DRAGON_ERR_DENIED, "put");
    tap_err(dragon_dict_erase(other, K("key 1"), ms), DRAGON_ERR_DENIED, "erased");
    tap_err(dragon_dict_clear(other, ms), DRAGON_ERR_DENIED, "cleared");
    tap_err(dragon_dict_view(other, K("key 100"), &view, ms), DRAGON_OK, "viewed");
    tap_check(view.bytes == 100 && chan_has(view.data, 100, 100), "the value");
    dragon_dict_view_end(other, &view);
    tap_err(dragon_dict_unfreeze(other, ms), DRAGON_OK, "not frozen any more");
    tap_err(dragon_dict_erase(dict, K("key 1"), ms), DRAGON_OK, "erased");
    tap_equal((long)length(), 199, "one less");
}

static void check_stats(void)
{
    dragon_dict_stats_t stats[2];
    char *json = NULL;
    int ms = DRAGON_DEFAULT_TIMEOUT;
    tap_err(dragon_dict_stats(dict, 2, &stats[0], ms), DRAGON_ERR_NOT_FOUND, "figures of none");
    tap_err(dragon_dict_stats(dict, 0, NULL, ms), DRAGON_ERR_INVAL, "nowhere");
    tap_err(dragon_dict_stats(dict, 0, &stats[0], ms), DRAGON_OK, "of one");
    tap_err(dragon_dict_stats(dict, 1, &stats[1], ms), DRAGON_OK, "of the other");
    tap_equal((long)(stats[0].keys + stats[1].keys), (long)length(), "all keys");
    tap_check(stats[0].puts > 0 && stats[1].puts > 0, "each had some");
    tap_check(stats[0].total_bytes > (4 << 20) * 9 / 10, "most of its memory is for pairs");
    tap_check(stats[0].used_bytes + stats[0].free_bytes <= stats[0].total_bytes, "the sum is good");
    tap_check(stats[0].views == 0 && stats[1].views == 0, "no views are left");
    tap_err(dragon_dict_stats_json(dict, &json, ms), DRAGON_OK, "as JSON");
    tap_has(json ? json : "", "\"manager\":1,", "with both");
    free(json);
    tap_err(dragon_dict_stats_json(dict, NULL, ms), DRAGON_ERR_INVAL, "nowhere");
}

// ---- waiting

static void check_waiting(void)
{
    enum { MS = 20 };
    static uint8_t large[1 << 20];
    int ms = DRAGON_DEFAULT_TIMEOUT;
    char key[32];
    int count = 0;
    dragon_err_t err;
    tap_err(dragon_dict_wait(dict, K("later"), 0), DRAGON_ERR_AGAIN, "a key that is not there");
    tap_err(dragon_dict_wait(dict, K("later"), MS), DRAGON_ERR_TIMEOUT, "waited for");
    tap_err(dragon_dict_put(other, K("later"), K("x"), ms), DRAGON_OK, "put");
    tap_err(dragon_dict_wait(dict, K("later"), MS), DRAGON_OK, "it is there");
    dragon_dict_t *bound = NULL;
    chan_need(dragon_dict_bind(dict, 0, &bound, &error), &error, "not bound");
    long began = tap_now_ms();
    do {
        snprintf(key, sizeof key, "large %d", count);
        began = tap_now_ms();
        err = dragon_dict_put(bound, K(key), large, sizeof large, ms);
    } while (err == DRAGON_OK && ++count < 100);
    tap_err(err, DRAGON_ERR_FULL, "put until there is no room");
    tap_check(tap_now_ms() - began < 5000, "at once");
    tap_check(count >= 2, "there was for some");
    tap_err(dragon_dict_put_wait(bound, K("more"), large, sizeof large, MS), DRAGON_ERR_TIMEOUT,
            "waited for room");
    dragon_dict_stats_t stats = {0};
    tap_err(dragon_dict_stats(bound, 0, &stats, ms), DRAGON_OK, "its figures");
    void *enormous = calloc(1, stats.total_bytes);
    tap_err(dragon_dict_put_wait(bound, K("more"), enormous, stats.total_bytes, TAP_WAIT_MS),
            DRAGON_ERR_FULL, "for which there will never be any");
    free(enormous);
    tap_err(dragon_dict_erase(bound, K("large 0"), ms), DRAGON_OK, "one erased");
    tap_err(dragon_dict_put_wait(bound, K("more"), large, sizeof large, MS), DRAGON_OK,
            "there is room");
    tap_err(dragon_dict_detach(bound), DRAGON_OK, "detached");
}

// Somebody waits in another process: a rank in the role "waits", or "room".
static int wait_there(char **argv)
{
    dragon_runtime_t *runtime = tap_attach();
    dragon_dict_t *found = NULL;
    static uint8_t large[1 << 20];
    CHAN_DEMAND(dragon_dict_attach(runtime, argv[2], &found, &error) == DRAGON_OK);
    if (strcmp(argv[1], "waits") == 0) {
        CHAN_DEMAND(dragon_dict_put(found, K("I wait"), K("x"), TAP_WAIT_MS) == DRAGON_OK);
        CHAN_DEMAND(dragon_dict_wait(found, K("wanted"), TAP_WAIT_MS) == DRAGON_OK);
    } else if (strcmp(argv[1], "destroyed") == 0) {
        CHAN_DEMAND(dragon_dict_put(found, K("I wait"), K("x"), TAP_WAIT_MS) == DRAGON_OK);
        CHAN_DEMAND(dragon_dict_wait(found, K("never"), TAP_WAIT_MS) == DRAGON_ERR_CLOSED);
        CHAN_DEMAND(dragon_dict_wait(found, K("never"), TAP_WAIT_MS) == DRAGON_ERR_CLOSED);
    } else {
        dragon_dict_t *bound = NULL;
        CHAN_DEMAND(dragon_dict_bind(found, 0, &bound, &error) == DRAGON_OK);
        CHAN_DEMAND(dragon_dict_put(found, K("I wait"), K("x"), TAP_WAIT_MS) == DRAGON_OK);
        CHAN_DEMAND(dragon_dict_put_wait(bound, K("mine"), large, sizeof large, TAP_WAIT_MS) ==
                    DRAGON_OK);
        CHAN_DEMAND(dragon_dict_detach(bound) == DRAGON_OK);
    }
    CHAN_DEMAND(dragon_dict_detach(found) == DRAGON_OK);
    dragon_runtime_detach(runtime);
    return 0;
}

static bool somebody_waits(void)
{
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    dragon_dict_stats_t stats[2];
    do {
        for (uint32_t i = 0; i < 2; i++)
            chan_need(dragon_dict_stats(dict, i, &stats[i], TAP_WAIT_MS), NULL, "no figures");
        if (stats[0].waiting + stats[1].waiting > 0)
            return true;
        tap_nap();
    } while (tap_now_ms() < deadline);
    return false;
}

static dragon_group_t *start_waiting(const char *role)
{
    const char *const argv[] = {role, dragon_dict_descriptor(dict), NULL};
    dragon_group_t *group = chan_ranks(one, NULL, 1, argv);
    tap_check(somebody_waits(), "a process waits");
    return group;
}

static void check_others_wait(void)
{
    int ms = DRAGON_DEFAULT_TIMEOUT;
    chan_need(dragon_dict_erase(dict, K("I wait"), ms) == DRAGON_ERR_NOT_FOUND ? DRAGON_OK
                                                                               : DRAGON_ERR_STATE,
              NULL, "strange");
    dragon_group_t *group = start_waiting("waits");
    tap_err(dragon_dict_put(other, K("wanted"), K("x"), ms), DRAGON_OK, "what it wants is put");
    tap_check(chan_ranks_end(group), "it is woken");
    group = start_waiting("room");
    dragon_dict_t *bound = NULL;
    chan_need(dragon_dict_bind(dict, 0, &bound, &error), &error, "not bound");
    tap_err(dragon_dict_erase(bound, K("large 1"), ms), DRAGON_OK, "room is made");
    tap_check(chan_ranks_end(group), "it is woken");
    dragon_dict_detach(bound);
}

static void check_destroy(void)
{
    dragon_dict_t *found = NULL;
    char buffer[8];
    size_t bytes;
    dragon_group_t *group = start_waiting("destroyed");
    tap_err(dragon_dict_destroy(dict, &error), DRAGON_OK, "destroyed");
    tap_err(dragon_dict_get(other, K("later"), buffer, sizeof buffer, &bytes, TAP_WAIT_MS),
            DRAGON_ERR_CLOSED, "got after that");
    tap_err(dragon_dict_put(other, K("later"), K("x"), TAP_WAIT_MS), DRAGON_ERR_CLOSED, "put");
    uint64_t keys;
    tap_err(dragon_dict_length(other, &keys, TAP_WAIT_MS), DRAGON_ERR_CLOSED, "counted");
    tap_err(dragon_dict_lost(other, NULL, NULL), DRAGON_ERR_NOT_FOUND, "none is lost");
    tap_check(chan_ranks_end(group), "who waited is told");
    tap_err(dragon_dict_find(two, "the dictionary", 0, &found, &error), DRAGON_ERR_AGAIN,
            "its name is gone");
    tap_err(dragon_dict_attach(two, dragon_dict_descriptor(other), &found, &error),
            DRAGON_ERR_CLOSED, "attached after that");
    tap_err(dragon_dict_detach(other), DRAGON_OK, "detached");
}

int main(int argc, char **argv)
{
    chan_be_empty(argc, argv);
    if (argc == 3)
        return wait_there(argv);
    home = argc > 1 ? argv[1] : "0";
    one = tap_attach();
    two = tap_attach();
    check_life();
    check_errors();
    check_places();
    check_pairs();
    check_sizes();
    check_views();
    check_changes();
    check_all();
    check_stats();
    check_waiting();
    check_others_wait();
    check_destroy();
    dragon_runtime_detach(two);
    tap_check(chan_nodes_empty(one), "nothing is left on any node");
    dragon_runtime_detach(one);
    return tap_finish();
}
