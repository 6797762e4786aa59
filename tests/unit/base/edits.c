// SPDX-License-Identifier: BSD-3-Clause
//
// Edits of an environment.
#include "config.h"

#include "base/base.h"

#include <criterion/criterion.h>

static void expect_list(char *const *list, const char *wanted)
{
    char text[200] = "";
    size_t used = 0;
    for (char *const *at = list; at && *at; at++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? " " : "", *at);
    cr_expect_str_eq(text, wanted);
}

Test(base_edits, are_set_and_applied)
{
    char **edits = NULL, **env = NULL;
    cr_assert(edits_set(&edits, "A", "1") && edits_set(&edits, "AB", "2"));
    cr_assert(edits_set(&edits, "A", NULL) && edits_set(&edits, "C", ""));
    expect_list(edits, "A AB=2 C=");
    cr_assert(edits_set(&edits, "A", "x=y") && edits_set(&edits, "AB", NULL));
    expect_list(edits, "A=x=y AB C=");
    cr_assert(strv_push(&env, "AB=0") && strv_push(&env, "ABC=0") && strv_push(&env, "A=0"));
    cr_assert(edits_apply(edits, &env) && edits_apply(NULL, &env));
    expect_list(env, "ABC=0 A=x=y C=");
    strv_free(env);
    strv_free(edits);
}

Test(base_edits, of_two_lists_the_later_wins)
{
    char **edits = NULL;
    cr_assert(edits_set(&edits, "A", "1") && edits_set(&edits, "B", "1"));
    cr_assert(edits_merge(&edits, (char *[]){"B", "C=3", NULL}) && edits_merge(&edits, NULL));
    expect_list(edits, "A=1 B C=3");
    strv_free(edits);
}

Test(base_edits, name_and_value)
{
    static const struct {
        const char *edit, *name, *value;
    } rows[] = {{"A=1", "A", "1"}, {"A=", "A", ""}, {"A", "A", NULL}, {"A=b=c", "A", "b=c"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *value;
        char *name = edit_split(rows[i].edit, &value);
        cr_assert_str_eq(name, rows[i].name);
        cr_expect_eq(!value, !rows[i].value);
        if (value && rows[i].value)
            cr_expect_str_eq(value, rows[i].value);
        free(name);
    }
    cr_expect(edit_is_name("A") && !edit_is_name("") && !edit_is_name("A=") && !edit_is_name(NULL));
}
