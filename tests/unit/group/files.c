// SPDX-License-Identifier: BSD-3-Clause
//
// Files that ranks write to: their names, who shares one, and what is left of those that were never used.
#include "config.h"

#include "group/files.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    char directory[64];
    struct files *files;
} the;

static void set_up(void)
{
    snprintf(the.directory, sizeof the.directory, "/tmp/dragon-test-XXXXXX");
    cr_assert_not_null(mkdtemp(the.directory));
    the.files = files_create();
}

static void tear_down(void)
{
    char command[128];
    files_destroy(the.files);
    snprintf(command, sizeof command, "rm -rf %s", the.directory);
    cr_expect(system(command) == 0);
}

TestSuite(group_files, .init = set_up, .fini = tear_down);

static const char *path_of(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", the.directory, name);
    return path;
}

static void make_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static void expect_content(const char *name, const char *wanted)
{
    char text[100] = "";
    FILE *file = fopen(path_of(name), "r");
    cr_assert_not_null(file, "%s", name);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    cr_expect_str_eq(text, wanted, "%s: \"%s\"", name, text);
}

static bool is_there(const char *name)
{
    return access(path_of(name), F_OK) == 0;
}

static struct file *open_file(const char *name)
{
    struct file *file = NULL;
    dragon_error_t error = {0};
    cr_assert_eq(file_open(the.files, path_of(name), &file, &error), DRAGON_OK, "%s", error.text);
    return file;
}

static void write_to(const struct file *file, const char *text)
{
    cr_expect_eq(write(file_fd(file), text, strlen(text)), (ssize_t)strlen(text));
}

// ---- names

Test(group_files, names)
{
    static const struct {
        const char *pattern, *path;
    } rows[] = {
        {"out", "/home/me/out"},
        {"/abs/out", "/abs/out"},
        {"{rank}.out", "/home/me/7.out"},
        {"/x/{node}-{rank}", "/x/3-7"},
        {"{host}/{group}.{template}", "/home/me/node-a/123456789012.2"},
        {"{rank}{rank}", "/home/me/77"},
        {"a}b", "/home/me/a}b"},
        {"no{end", "/home/me/no{end"},
    };
    struct file_words words = {
        .group = 123456789012, .rank = 7, .node = 3, .template_number = 2, .host = "node-a"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *path = NULL;
        cr_assert_eq(file_name(rows[i].pattern, "/home/me", &words, &path, NULL), DRAGON_OK);
        cr_expect_str_eq(path, rows[i].path);
        free(path);
    }
}

Test(group_files, unknown_words)
{
    static const char *const patterns[] = {"{rnk}.out",      "{}",       "{Rank}",
                                           "x{rank}{ranks}", "{{rank}}", "{rank }"};
    struct file_words words = {.host = "h"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char *path = (char *)"untouched";
        dragon_error_t error = {0};
        cr_expect_eq(file_name(patterns[i], "/", &words, &path, &error), DRAGON_ERR_INVAL, "%s",
                     patterns[i]);
        cr_expect_str_eq(path, "untouched");
        cr_expect(strstr(error.text, "{template}"), "the list of them: %s", error.text);
    }
}

// ---- opening

Test(group_files, the_same_name_is_the_same_file)
{
    struct file *one = open_file("out"), *two = open_file("out"), *other = open_file("other");
    cr_expect_eq(one, two);
    cr_expect_neq(one, other);
    file_begin(one);
    file_begin(other);
    write_to(one, "a");
    file_unref(one);
    write_to(two, "b");
    file_unref(two);
    file_unref(other);
    expect_content("out", "ab");
}

Test(group_files, another_name_of_the_same_file_is_the_same)
{
    make_file("out", "");
    cr_assert(symlink("out", path_of("link")) == 0);
    cr_assert(link(path_of("out"), path_of("hard")) == 0);
    struct file *one = open_file("out"), *two = open_file("link"), *three = open_file("hard");
    cr_expect_eq(one, two);
    cr_expect_eq(one, three);
    file_unref(one);
    file_unref(two);
    file_unref(three);
}

Test(group_files, an_old_file_is_emptied_when_ranks_begin)
{
    make_file("out", "old text");
    struct file *file = open_file("out");
    expect_content("out", "old text");
    file_begin(file);
    expect_content("out", "");
    write_to(file, "new");
    file_begin(file);
    expect_content("out", "new");
    file_unref(file);
    expect_content("out", "new");
}

Test(group_files, what_another_node_has_begun_is_left)
{
    make_file("out", "old text");
    struct file *file = open_file("out");
    make_file("out", "new"); // by another node, on a file system that is shared
    file_begin(file);
    write_to(file, " and ours");
    file_unref(file);
    expect_content("out", "new and ours");
}

Test(group_files, a_start_that_fails_leaves_things_as_they_were)
{
    make_file("old", "old text");
    struct file *made = open_file("made"), *again = open_file("made"), *old = open_file("old");
    cr_expect(is_there("made"));
    file_unref(made);
    cr_expect(is_there("made"), "one of them is left");
    file_unref(again);
    file_unref(old);
    cr_expect(!is_there("made"));
    expect_content("old", "old text");
}

Test(group_files, what_was_begun_stays)
{
    struct file *file = open_file("made");
    file_begin(file);
    file_unref(file);
    cr_expect(is_there("made"));
}

Test(group_files, it_can_be_opened_again_later)
{
    file_unref(open_file("out"));
    struct file *file = open_file("out");
    file_begin(file);
    file_unref(file);
    expect_content("out", "");
}

static void expect_error(const char *name, const char *wanted)
{
    struct file *file = NULL;
    dragon_error_t error = {0};
    cr_expect_lt(file_open(the.files, path_of(name), &file, &error), 0);
    cr_expect_null(file);
    cr_expect(strstr(error.text, path_of(name)) && strstr(error.text, wanted), "%s", error.text);
}

Test(group_files, what_cannot_be_written)
{
    cr_assert(mkdir(path_of("folder"), 0700) == 0 && mkfifo(path_of("pipe"), 0600) == 0);
    expect_error("nowhere/out", strerror(ENOENT));
    expect_error("folder", strerror(EISDIR));
    expect_error("pipe", "nobody reads");
}

// Its writers wait for its reader, as ever.
Test(group_files, a_pipe_with_a_reader)
{
    cr_assert(mkfifo(path_of("pipe"), 0600) == 0);
    int reader = open(path_of("pipe"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct file *file = open_file("pipe");
    cr_expect_eq(fcntl(file_fd(file), F_GETFL) & O_NONBLOCK, 0);
    file_begin(file);
    file_unref(file);
    cr_expect(is_there("pipe"));
    close(reader);
}

Test(group_files, descriptors_are_ours_alone)
{
    struct file *file = open_file("out");
    cr_expect(fcntl(file_fd(file), F_GETFD) & FD_CLOEXEC);
    cr_expect(fcntl(file_fd(file), F_GETFL) & O_APPEND);
    file_unref(file);
}

Test(group_files, input)
{
    make_file("in", "text");
    int one = file_open_input(path_of("in")), two = file_open_input(path_of("in"));
    char text[8];
    cr_assert(one >= 0 && two >= 0);
    cr_expect_eq(read(one, text, sizeof text), 4);
    cr_expect_eq(read(two, text, sizeof text), 4, "each has its own place in it");
    close(one);
    close(two);
    cr_expect_eq(file_open_input(path_of("nothing")), -1);
    cr_expect_eq(errno, ENOENT);
    cr_expect_eq(file_open_input(the.directory), -1);
    cr_expect_eq(errno, EISDIR);
}
