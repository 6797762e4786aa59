// SPDX-License-Identifier: BSD-3-Clause
//
// Lists of strings, environments, and numbers and durations in text.
#include "config.h"

#include "base/base.h"

#include <criterion/criterion.h>
#include <limits.h>

// ---- lists

Test(base_strv, grows_one_by_one)
{
    char **list = NULL;
    char wanted[24];
    cr_expect_eq(strv_count(list), 0);
    for (int i = 0; i < 300; i++) {
        cr_assert(i % 2 ? strv_pushf(&list, "entry %d", i) : strv_push(&list, "even"));
        cr_assert_eq(strv_count(list), (size_t)i + 1);
    }
    for (int i = 0; i < 300; i++) {
        snprintf(wanted, sizeof wanted, "entry %d", i);
        cr_assert_str_eq(list[i], i % 2 ? wanted : "even");
    }
    strv_free(list);
    strv_free(NULL);
}

Test(base_strv, copies_of_every_length_can_grow)
{
    char **list = NULL;
    for (int i = 0; i < 40; i++) {
        char **copy = strv_copy(list);
        cr_assert_not_null(copy);
        cr_assert_eq(strv_count(copy), (size_t)i);
        for (int k = 0; k < 5; k++)
            cr_assert(strv_pushf(&copy, "%d", k));
        cr_assert_eq(strv_count(copy), (size_t)i + 5);
        cr_assert(i == 0 || copy[0] != list[0]);
        strv_free(copy);
        cr_assert(strv_push(&list, "x"));
    }
    strv_free(list);
}

Test(base_strv, an_allocated_list_is_empty_and_has_its_room)
{
    for (size_t count = 0; count < 20; count++) {
        char **list = strv_alloc(count);
        cr_assert(list && strv_count(list) == 0);
        for (size_t i = 0; i < count; i++)
            list[i] = strdup("x");
        cr_assert_eq(strv_count(list), count);
        cr_assert(strv_push(&list, "one more"));
        cr_assert_str_eq(list[count], "one more");
        strv_free(list);
    }
}

// ---- environments

Test(base_env, get_set_replace)
{
    char **env = NULL;
    cr_expect_null(env_get(env, "A"));
    cr_expect(env_set(&env, "A", "1"));
    cr_expect(env_set(&env, "AB", "2"));
    cr_expect(env_setf(&env, "B", "%d-%s", 3, "x"));
    cr_expect_str_eq(env_get(env, "A"), "1");
    cr_expect_str_eq(env_get(env, "AB"), "2");
    cr_expect_str_eq(env_get(env, "B"), "3-x");
    cr_expect_null(env_get(env, "ABC"));
    cr_expect(env_set(&env, "A", ""));
    cr_expect_str_eq(env_get(env, "A"), "");
    cr_expect(env_set(&env, "A", "with=sign"));
    cr_expect_str_eq(env_get(env, "A"), "with=sign");
    cr_expect_eq(strv_count(env), 3);
    strv_free(env);
}

Test(base_env, set_may_take_its_own_old_value)
{
    char **env = NULL;
    env_set(&env, "PATH", "/bin");
    cr_expect(env_setf(&env, "PATH", "/opt:%s", env_get(env, "PATH")));
    cr_expect_str_eq(env_get(env, "PATH"), "/opt:/bin");
    strv_free(env);
}

Test(base_env, unset_takes_every_entry_of_the_name)
{
    char **env = NULL;
    env_unset(env, "A");
    for (const char *const *entry = (const char *const[]){"A=1", "B=2", "AA=3", "A=4", "C=5", NULL};
         *entry; entry++)
        strv_push(&env, *entry);
    env_unset(env, "X");
    cr_expect_eq(strv_count(env), 5);
    env_unset(env, "A");
    cr_expect_null(env_get(env, "A"), "a variable given twice would come back");
    cr_expect_eq(strv_count(env), 3);
    cr_expect_str_eq(env[0], "B=2");
    cr_expect_str_eq(env[1], "AA=3");
    cr_expect_str_eq(env[2], "C=5");
    env_unset(env, "C");
    env_unset(env, "B");
    env_unset(env, "AA");
    cr_expect_eq(strv_count(env), 0);
    strv_free(env);
}

Test(base_env, grows_again_after_unset)
{
    for (int before = 1; before < 20; before++)
        for (int taken = 1; taken <= before; taken++) {
            char **env = NULL;
            char name[16];
            for (int i = 0; i < before; i++) {
                snprintf(name, sizeof name, "V%d", i);
                cr_assert(env_set(&env, name, "x"));
            }
            for (int i = 0; i < taken; i++) {
                snprintf(name, sizeof name, "V%d", i);
                env_unset(env, name);
            }
            for (int i = 0; i < 12; i++) {
                snprintf(name, sizeof name, "W%d", i);
                cr_assert(env_set(&env, name, "y"));
            }
            cr_assert_eq(strv_count(env), (size_t)(before - taken + 12));
            strv_free(env);
        }
}

// ---- numbers

Test(base_parse, numbers)
{
    static const struct {
        const char *text;
        long long low, high;
        bool good;
        long long value;
    } rows[] = {
        {"0", 0, 10, true, 0},
        {"10", 0, 10, true, 10},
        {"007", 0, 10, true, 7},
        {"-3", -5, 5, true, -3},
        {"9223372036854775807", 0, LLONG_MAX, true, LLONG_MAX},
        {"-9223372036854775808", LLONG_MIN, 0, true, LLONG_MIN},
        {"11", 0, 10, false, 0},
        {"-1", 0, 10, false, 0},
        {"9223372036854775808", 0, LLONG_MAX, false, 0},
        {"-9223372036854775809", LLONG_MIN, 0, false, 0},
        {"", 0, 10, false, 0},
        {"-", -10, 10, false, 0},
        {"--1", -10, 10, false, 0},
        {" 1", 0, 10, false, 0},
        {"\t1", 0, 10, false, 0},
        {"\n1", 0, 10, false, 0},
        {"+1", 0, 10, false, 0},
        {"1 ", 0, 10, false, 0},
        {"1x", 0, 10, false, 0},
        {"x", 0, 10, false, 0},
        {"0x1", 0, 10, false, 0},
        {"1.0", 0, 10, false, 0},
        {"1e1", 0, 10, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        long long value = -77;
        bool good = parse_number(rows[i].text, rows[i].low, rows[i].high, &value);
        cr_expect_eq(good, rows[i].good, "\"%s\"", rows[i].text);
        cr_expect_eq(value, rows[i].good ? rows[i].value : -77, "\"%s\"", rows[i].text);
    }
}

Test(base_parse, durations)
{
    static const struct {
        const char *text;
        long long ms; // -1: none
    } rows[] = {
        {"0", 0},
        {"90", 90000},
        {"90s", 90000},
        {"1.5h", 5400000},
        {"2d", 172800000},
        {"250ms", 250},
        {"1.5", 1500},
        {"0.0001", 1},
        {"0.0", 0},
        {"2m", 120000},
        {"2min", 120000},
        {".5s", -1},
        {"", -1},
        {"s", -1},
        {"-1", -1},
        {"+1", -1},
        {" 1", -1},
        {"1 s", -1},
        {"1x", -1},
        {"1hh", -1},
        {"nan", -1},
        {"inf", -1},
        {"0x10", -1},
        {"1e3", -1},
        {"1.2.3", -1},
        {"1s2", -1},
        {"9e99", -1},
        {"999999999999999999999", -1},
        {"115740.7d", 9999996480000},
        {"115741d", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t ms = 77;
        bool good = parse_duration(rows[i].text, &ms);
        cr_expect_eq(good, rows[i].ms >= 0, "\"%s\"", rows[i].text);
        cr_expect_eq(ms, rows[i].ms >= 0 ? (uint64_t)rows[i].ms : 77, "\"%s\" gives %llu",
                     rows[i].text, (unsigned long long)ms);
    }
}

// ---- time

Test(base_time, deadlines)
{
    uint64_t now = time_now_ms();
    cr_expect_eq(time_left_ms(0), 0);
    cr_expect_eq(time_left_ms(now), 0);
    int left = time_left_ms(now + 50000);
    cr_expect(left > 40000 && left <= 50000);
    cr_expect_eq(time_left_ms(UINT64_MAX), 1000000000);
    cr_expect_geq(time_now_ns() / 1000000, now);
}
