// SPDX-License-Identifier: BSD-3-Clause
//
// A process is stopped after each single instruction of each change, and what the memory is then is recovered as if it had been
// killed there: in a copy, so that it can go on. Either nothing of the change has happened or all of it, everything else is as
// it was, nobody has to wait, and no memory is lost.
#include "config.h"

#include "shard_world.h"

enum { DEAD = 12, MEMORY = SHARD_LEAST };

static struct shard_world *world;

struct scene {
    void (*before)(void);                              // may be NULL
    void (*change)(struct shard_world *child, void *); // by the one who dies
    int (*after)(void);                                // 0: nothing has happened, 1: all has
};

static _Atomic int *over;

static void stepped(struct shard_world *child, void *arg)
{
    const struct scene *scene = arg;
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(1);
    raise(SIGSTOP);
    scene->change(child, NULL);
    atomic_store(over, 1);
    for (;;)
        pause();
}

// What a keeper would do if it died here, and what the others see then.
static int stage_here(const struct scene *scene, const struct shard_world *original, uint64_t steps)
{
    memcpy(world->shard, original->shard, world->bytes);
    shard_recover(world->shard, DEAD, world->space);
    pins_sweep(&world->view);
    int stage = scene->after();
    cr_assert_str_eq(get_text(world, "witness"), "lives");
    cr_assert_eq(shard_world_blocks(world), shard_world_expected(world), "after %lu steps: %lu",
                 (unsigned long)steps, (unsigned long)shard_world_blocks(world));
    cr_assert_eq(put_text(world, "a", "one more"), DRAGON_OK);
    return stage;
}

static void run(struct scene scene)
{
    int stage = 0, status;
    uint64_t steps = 0;
    struct shard_world *original = shard_world_create(MEMORY), *copy = shard_world_create(MEMORY);
    over = fake_shared_memory(sizeof *over);
    world = original;
    cr_assert_eq(put_text(world, "witness", "lives"), DRAGON_OK);
    if (scene.before)
        scene.before();
    pid_t pid = shard_world_child(world, DEAD, stepped, &scene);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    world = copy;
    for (; !atomic_load(over); steps++) {
        int now = stage_here(&scene, original, steps);
        cr_assert_geq(now, stage, "after %lu steps", (unsigned long)steps);
        stage = now;
        cr_assert_eq(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, "status %x", (unsigned)status);
    }
    cr_assert_eq(stage_here(&scene, original, steps), 1);
    cr_assert_gt(steps, 100);
    kill(pid, SIGKILL);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    shard_world_destroy(original);
    shard_world_destroy(copy);
}

TestSuite(shard_steps, .timeout = 300);

static void put_a(struct shard_world *child, void *arg)
{
    (void)arg;
    put_text(child, "a", "new");
}

static int a_is_new(void)
{
    const char *value = get_text(world, "a");
    cr_assert(strcmp(value, "-") == 0 || strcmp(value, "old") == 0 || strcmp(value, "new") == 0);
    return strcmp(value, "new") == 0;
}

static void old_a(void)
{
    put_text(world, "a", "old");
}

Test(shard_steps, put)
{
    run((struct scene){.change = put_a, .after = a_is_new});
}

Test(shard_steps, replace)
{
    run((struct scene){.before = old_a, .change = put_a, .after = a_is_new});
}

static void erase_a(struct shard_world *child, void *arg)
{
    (void)arg;
    erase_text(child, "a");
}

static int a_is_gone(void)
{
    const char *value = get_text(world, "a");
    cr_assert(strcmp(value, "-") == 0 || strcmp(value, "old") == 0);
    return strcmp(value, "-") == 0;
}

Test(shard_steps, erase)
{
    run((struct scene){.before = old_a, .change = erase_a, .after = a_is_gone});
}

static void add_to_n(struct shard_world *child, void *arg)
{
    (void)arg;
    int64_t before;
    struct shard_key key = text_key("n");
    shard_add(&child->view, &key, 1, &before);
}

static void n_is_one(void)
{
    add_to_n(world, NULL);
}

static int n_is_two(void)
{
    int64_t now = 0;
    size_t bytes;
    struct shard_key key = text_key("n");
    cr_assert_eq(shard_get(&world->view, &key, &now, sizeof now, &bytes), DRAGON_OK);
    cr_assert(now == 1 || now == 2);
    return now == 2;
}

Test(shard_steps, add)
{
    run((struct scene){.before = n_is_one, .change = add_to_n, .after = n_is_two});
}

static void append_to_a(struct shard_world *child, void *arg)
{
    (void)arg;
    char more[300];
    size_t bytes;
    struct shard_key key = text_key("a");
    memset(more, 'x', sizeof more);
    shard_append(&child->view, &key, more, 200, &bytes);
}

static int a_is_longer(void)
{
    size_t bytes = strlen(get_text(world, "a"));
    cr_assert(bytes == 3 || bytes == 203, "%zu", bytes);
    return bytes == 203;
}

Test(shard_steps, append)
{
    run((struct scene){.before = old_a, .change = append_to_a, .after = a_is_longer});
}

// Pins it, reads it, and lets it go: nothing is to be seen of that, but the value is erased meanwhile or not.
static void pop_a(struct shard_world *child, void *arg)
{
    (void)arg;
    struct pinned pinned;
    struct shard_key key = text_key("a");
    if (shard_pop(&child->view, &key, &pinned) == DRAGON_OK)
        shard_unpin(&child->view, &pinned);
}

Test(shard_steps, pop)
{
    run((struct scene){.before = old_a, .change = pop_a, .after = a_is_gone});
}

static void pin_twice_and_put(struct shard_world *child, void *arg)
{
    (void)arg;
    struct pinned first, second;
    struct shard_key key = text_key("a");
    shard_pin(&child->view, &key, &first);
    shard_pin(&child->view, &key, &second);
    put_text(child, "a", "new");
    shard_unpin(&child->view, &first);
    shard_unpin(&child->view, &second);
}

Test(shard_steps, pins)
{
    run((struct scene){.before = old_a, .change = pin_twice_and_put, .after = a_is_new});
}

// The key for which the table of its bin has no room.
static char last_key[16];

static void nearly_full_bin(void)
{
    struct bin *bin = bin_of(&world->view, text_key("a").hash);
    old_a();
    for (int i = 0; bin->used < bin_table(&world->view, bin).places * 3 / 4; i++) {
        snprintf(last_key, sizeof last_key, "k%d", i);
        if (bin_of(&world->view, text_key(last_key).hash) == bin)
            put_text(world, last_key, "filler");
    }
    do
        last_key[0]++;
    while (bin_of(&world->view, text_key(last_key).hash) != bin);
}

static void put_last(struct shard_world *child, void *arg)
{
    (void)arg;
    put_text(child, last_key, "new");
}

static int last_is_new(void)
{
    cr_assert_str_eq(get_text(world, "a"), "old");
    return strcmp(get_text(world, last_key), "new") == 0;
}

// Of the bin of that key there are so many more keys.
static void crowd_bin(const char *of, char keys[][16], int many)
{
    struct bin *bin = bin_of(&world->view, text_key(of).hash);
    put_text(world, of, "old");
    for (int i = 0, count = 0; count < many; i++) {
        snprintf(keys[count], sizeof keys[count], "k%d", i);
        if (bin_of(&world->view, text_key(keys[count]).hash) == bin)
            put_text(world, keys[count++], "filler");
    }
}

// From now on each key that goes makes the table of its bin much too large.
static void sparse_bin(void)
{
    struct bin *bin = bin_of(&world->view, text_key("a").hash);
    char keys[20][16];
    crowd_bin("a", keys, 20);
    for (int i = 0; bin->keys > bin_table(&world->view, bin).places / 8; i++)
        cr_assert_eq(erase_text(world, keys[i]), DRAGON_OK);
}

Test(shard_steps, shrink)
{
    run((struct scene){.before = sparse_bin, .change = erase_a, .after = a_is_gone});
}

// A key whose bin is not that of the witness.
static const char *const lonely = "c";

static void crowded_bin(void)
{
    char keys[8][16];
    cr_assert_neq(bin_of(&world->view, text_key(lonely).hash),
                  bin_of(&world->view, text_key("witness").hash));
    crowd_bin(lonely, keys, 8);
}

// As shard_clear does it with each bin.
static void clear_bin_of_lonely(struct shard_world *child, void *arg)
{
    (void)arg;
    struct bin *bin = bin_of(&child->view, text_key(lonely).hash);
    if (bin_lock(&child->view, bin) != DRAGON_OK)
        return;
    struct table table = bin_table(&child->view, bin);
    for (uint32_t i = 0; i < table.places; i++)
        if (place_entry(atomic_load(&table.place[i])))
            shard_give_back(&child->view, bin_take(&child->view, bin, &table.place[i]));
    bin_shrink(&child->view, bin);
    bin_unlock(bin);
}

static int lonely_is_gone(void)
{
    return strcmp(get_text(world, lonely), "-") == 0;
}

Test(shard_steps, clear)
{
    run((struct scene){
        .before = crowded_bin, .change = clear_bin_of_lonely, .after = lonely_is_gone});
}

Test(shard_steps, grow)
{
    run((struct scene){.before = nearly_full_bin, .change = put_last, .after = last_is_new});
}
