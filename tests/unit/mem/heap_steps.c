// SPDX-License-Identifier: BSD-3-Clause
//
// A process is stopped after each instruction of an operation. It dies there: then what it leaves is recovered, and nothing
// is lost, nor is anything of others touched. Or it goes on later, when others have changed all they could meanwhile.
#include "config.h"

#include "tests/unit/mem/heap_check.h"
#include "tests/unit/mem/steps.h"

#include <criterion/parameterized.h>

enum { ME = 5, OTHER = 9, PAGES = 10, MOST = 48, RUNS = 50, PASSES = 60, LATER = 300 };

// Shared by the process that is stopped and the one that watches it.
static struct stage {
    _Atomic bool done;
    uint64_t mine; // what the operation gives, or is done with
    size_t bytes;  // at least so large
    uint64_t others[MOST];
    uint32_t other_count;
} * stage;
static struct heap heap; // its view is a copy in each process

static void other_takes(size_t bytes, int count)
{
    for (int i = 0; i < count; i++) {
        uint64_t offset = heap_alloc(&heap, bytes, OTHER);
        cr_assert_neq(offset, 0);
        stage->others[stage->other_count++] = offset;
    }
}

static void other_gives_back(uint32_t index)
{
    cr_assert(heap_free(&heap, stage->others[index], OTHER));
    stage->others[index] = 0;
}

static void i_have(size_t bytes)
{
    stage->mine = heap_alloc(&heap, bytes, ME);
    cr_assert_neq(stage->mine, 0);
}

// ---- what there is before

static void nothing(void)
{
}

static void a_page_with_room(void)
{
    other_takes(4096, 2);
}

static void a_full_page(void)
{
    other_takes(4096, 4);
}

static void all_pages_but_one(void)
{
    other_takes(HEAP_PAGE, PAGES);
    other_gives_back(4);
}

static void runs_side_by_side(void)
{
    other_takes(HEAP_PAGE, PAGES);
    for (uint32_t i = 3; i < 7; i++)
        other_gives_back(i);
}

static void runs_apart(void)
{
    other_takes(HEAP_PAGE, PAGES);
    for (uint32_t i = 1; i < PAGES; i++) {
        if (i % 3)
            other_gives_back(i);
    }
}

static void unused_cut_pages(void)
{
    other_takes(5440, 3 * 5);
    other_takes(8192, 2 * 5);
    for (uint32_t i = 3; i < 3 * 5; i++)
        other_gives_back(i);
}

static void only_small_ones(void)
{
    other_takes(8192, 2 * PAGES);
    other_gives_back(6);
    other_gives_back(7);
}

static void only_an_unused_cut_page(void)
{
    other_takes(HEAP_PAGE, PAGES - 1);
    other_takes(5440, 2);
    other_gives_back(PAGES - 1);
    other_gives_back(PAGES);
}

static void i_have_a_small_one(void)
{
    other_takes(4096, 3);
    i_have(4096);
}

static void i_have_one_of_a_full_page(void)
{
    i_have_a_small_one();
    other_takes(4096, 1); // says that the page is full
}

static void i_have_a_large_one(void)
{
    other_takes(1, 1);
    i_have(3 * HEAP_PAGE);
}

// ---- what is done

static void take(size_t bytes)
{
    stage->bytes = bytes;
    stage->mine = heap_alloc(&heap, bytes, ME);
}

static void take_4096(void)
{
    take(4096);
}

static void take_5440(void)
{
    take(5440);
}

static void take_8192(void)
{
    take(8192);
}

static void take_4_pages(void)
{
    take(4 * HEAP_PAGE);
}

static void take_3_pages(void)
{
    take(3 * HEAP_PAGE);
}

static void give_back(void)
{
    heap_free(&heap, stage->mine, ME);
    stage->mine = 0;
}

static void pass_on(void)
{
    heap_give(&heap, stage->mine, ME, SLOT_MESSAGE);
}

static const struct scene {
    const char *name;
    void (*before)(void);
    void (*act)(void);
    size_t other_bytes; // what somebody else takes first meanwhile; 0: anything
} scenes[] = {
    {"a page is cut", nothing, take_4096, 0},
    {"a block of a cut page", a_page_with_room, take_4096, 0},
    {"the next page after a full one", a_full_page, take_4096, 0},
    {"the last page", all_pages_but_one, take_8192, 0},
    {"a run is split", nothing, take_3_pages, 0},
    {"runs are joined", runs_side_by_side, take_4_pages, 0},
    {"runs are joined and split", runs_side_by_side, take_3_pages, 0},
    {"runs that are too short together", runs_apart, take_3_pages, 0},
    {"cut pages are closed for a run", unused_cut_pages, take_3_pages, 0},
    {"a cut page is closed for another size", only_small_ones, take_4096, 0},
    {"the one page with room may be cut anew", only_an_unused_cut_page, take_5440, 8192},
    {"the one page with room is cut anew", only_an_unused_cut_page, take_8192, 5440},
    {"a small one is given back", i_have_a_small_one, give_back, 0},
    {"a small one of a full page is given back", i_have_one_of_a_full_page, give_back, 0},
    {"a large one is given back", i_have_a_large_one, give_back, 0},
    {"a small one changes hands", i_have_a_small_one, pass_on, 0},
    {"a large one changes hands", i_have_a_large_one, pass_on, 0},
};
enum { SCENES = sizeof scenes / sizeof scenes[0] };

// ---- stepping

static pid_t start(const struct scene *scene)
{
    if (!stage)
        stage = heap_memory(sizeof *stage);
    memset(stage, 0, sizeof *stage);
    if (!heap.base)
        heap_make(&heap, PAGES);
    size_t bytes = heap.first + (size_t)heap.pages * HEAP_PAGE;
    uint8_t *base = heap.base;
    memset(base, 0, bytes);
    cr_assert(heap_init(&heap, base, bytes));
    scene->before();
    return step_start(scene->act, &stage->done);
}

// Everything that others have is there, and nothing else.
static void check_left(struct heap *left)
{
    check_words(left, ME);
    for (uint32_t i = 0; i < stage->other_count; i++) {
        if (!stage->others[i])
            continue;
        cr_assert_eq(heap_owner(left, stage->others[i]), OTHER);
        cr_assert(heap_free(left, stage->others[i], OTHER));
    }
    if (heap_owner(left, stage->mine) == SLOT_MESSAGE)
        cr_assert(heap_free(left, stage->mine, SLOT_MESSAGE));
    check_all_free(left);
}

// He may die at any instruction: what the heap is like then is copied, and the copy recovered.
static void die_everywhere(const struct scene *scene)
{
    pid_t child = start(scene);
    size_t bytes = heap.first + (size_t)heap.pages * HEAP_PAGE;
    uint8_t *copy = heap_memory(bytes), *last = heap_memory(bytes);
    uint64_t steps = 0, states = 0;
    while (!atomic_load(&stage->done)) {
        step_one(child);
        steps++;
        if (states && !memcmp(last, heap.base, heap.first))
            continue; // nothing has changed
        states++;
        memcpy(last, heap.base, heap.first);
        memcpy(copy, heap.base, bytes);
        struct heap left;
        cr_assert(heap_attach(&left, copy, bytes));
        heap_recover(&left, ME);
        check_left(&left);
    }
    cr_assert(states > 1 || !stage->mine, "%s: %lu states in %lu steps", scene->name, states,
              steps);
    step_kill(child);
    munmap(copy, bytes);
    munmap(last, bytes);
}

// ---- somebody else goes on

static void check_apart(uint64_t a, uint64_t b)
{
    uint64_t a_end = a + heap_block_bytes(&heap, a), b_end = b + heap_block_bytes(&heap, b);
    cr_assert(a_end <= b || b_end <= a, "blocks at %lu and %lu", a, b);
}

// Takes and gives back whatever there is, until something is not to be had.
static void meanwhile(const struct scene *scene, unsigned seed)
{
    static const size_t sizes[] = {4096, 8192, 128, HEAP_PAGE, 3 * HEAP_PAGE, 5440};
    uint64_t first = scene->other_bytes ? heap_alloc(&heap, scene->other_bytes, OTHER) : 0;
    if (first)
        stage->others[stage->other_count++] = first;
    for (int i = 0; i < PASSES && stage->other_count < MOST; i++) {
        uint32_t index = (uint32_t)rand_r(&seed) % MOST;
        if (index < stage->other_count && stage->others[index]) {
            other_gives_back(index);
            continue;
        }
        uint64_t offset = heap_alloc(&heap, sizes[(uint32_t)rand_r(&seed) % 6], OTHER);
        if (!offset)
            break;
        stage->others[stage->other_count++] = offset;
    }
}

// What others have stays what it is, whatever he is just doing.
static void check_others(const struct scene *scene, uint64_t step)
{
    for (uint32_t i = 0; i < stage->other_count; i++) {
        uint64_t offset = stage->others[i];
        cr_assert(!offset ||
                      (heap_owner(&heap, offset) == OTHER && heap_block_bytes(&heap, offset) > 0 &&
                       heap_give(&heap, offset, OTHER, OTHER)),
                  "%s, step %lu: block %u", scene->name, step, i);
    }
}

static void go_on_later(const struct scene *scene, uint64_t steps)
{
    pid_t child = start(scene);
    for (uint64_t i = 0; i < steps; i++)
        step_one(child);
    meanwhile(scene, (unsigned)steps);
    for (uint64_t i = steps; i < steps + LATER && !atomic_load(&stage->done); i++) {
        check_others(scene, i);
        step_one(child);
    }
    step_on(child);
    check_words(&heap, SLOT_NONE + 1);
    uint32_t owner = heap_owner(&heap, stage->mine);
    cr_assert(!stage->mine || owner == ME || owner == SLOT_MESSAGE, "%s, step %lu: owner %u",
              scene->name, steps, owner);
    cr_assert(!stage->mine || heap_block_bytes(&heap, stage->mine) >= stage->bytes,
              "%s, step %lu: too small", scene->name, steps);
    for (uint32_t i = 0; i < stage->other_count && stage->mine; i++) {
        if (stage->others[i])
            check_apart(stage->mine, stage->others[i]);
    }
    heap_recover(&heap, ME);
    check_left(&heap);
}

static uint64_t steps_of(const struct scene *scene)
{
    pid_t child = start(scene); // makes the stage
    return step_count(child, &stage->done);
}

static void stop_everywhere(const struct scene *scene)
{
    uint64_t steps = steps_of(scene);
    for (uint64_t i = 0; i < steps; i += 1 + steps / RUNS)
        go_on_later(scene, i);
}

// Of each scene a test of its own.
static struct criterion_test_params all_scenes(void)
{
    static int numbers[SCENES];
    for (int i = 0; i < SCENES; i++)
        numbers[i] = i;
    return cr_make_param_array(int, numbers, SCENES);
}

ParameterizedTestParameters(heap_steps, dies)
{
    return all_scenes();
}

ParameterizedTest(int *scene, heap_steps, dies)
{
    die_everywhere(&scenes[*scene]);
}

ParameterizedTestParameters(heap_steps, is_overtaken)
{
    return all_scenes();
}

ParameterizedTest(int *scene, heap_steps, is_overtaken)
{
    stop_everywhere(&scenes[*scene]);
}
