// SPDX-License-Identifier: BSD-3-Clause
//
// Policies and templates as users make them: what they take, and what they refuse without being changed.
#include "config.h"

#include "client/group.h"

#include <criterion/criterion.h>
#include <unistd.h>

TestSuite(client_asked);

static dragon_policy_t *make_policy(void)
{
    dragon_policy_t *policy = NULL;
    cr_assert_eq(dragon_policy_create(&policy), DRAGON_OK);
    return policy;
}

Test(client_asked, a_policy_takes_lists)
{
    dragon_policy_t *policy = make_policy();
    cr_expect_eq(dragon_policy_set_hosts(policy, "node1,2,host-7"), DRAGON_OK);
    cr_expect_eq(strv_count(policy->policy.hosts), 3);
    cr_expect_str_eq(policy->policy.hosts[2], "host-7");
    cr_expect_eq(dragon_policy_set_core_list(policy, "0-3,8:4-7"), DRAGON_OK);
    cr_expect_str_eq(policy->policy.core_lists[0], "0-3,8");
    cr_expect_str_eq(policy->policy.core_lists[1], "4-7");
    cr_expect_eq(dragon_policy_set_gpu_list(policy, "0,1.1:2"), DRAGON_OK);
    cr_expect_str_eq(policy->policy.gpu_lists[1], "2");
    cr_expect_eq(dragon_policy_set_hosts(policy, ""), DRAGON_OK);
    cr_expect_eq(dragon_policy_set_core_list(policy, NULL), DRAGON_OK);
    cr_expect_null(policy->policy.hosts);
    cr_expect_null(policy->policy.core_lists);
    dragon_policy_destroy(policy);
}

Test(client_asked, a_policy_refuses_what_makes_no_sense)
{
    static const char *const cores[] = {":",  "0:",  ":0",  "0,,1", "a",
                                        "-1", "3-1", "0,0", "4096", "1.0"};
    static const char *const gpus[] = {":", "0:", ",", "x", "-1", "0.9", "0.", "1,1", "256"};
    static const char *const hosts[] = {",", "a,", ",a", "a,,b"};
    dragon_policy_t *policy = make_policy();
    dragon_policy_set_hosts(policy, "a");
    dragon_policy_set_core_list(policy, "1");
    dragon_policy_set_gpu_list(policy, "1");
    for (size_t i = 0; i < sizeof cores / sizeof *cores; i++)
        cr_expect_eq(dragon_policy_set_core_list(policy, cores[i]), DRAGON_ERR_INVAL, "%s",
                     cores[i]);
    for (size_t i = 0; i < sizeof gpus / sizeof *gpus; i++)
        cr_expect_eq(dragon_policy_set_gpu_list(policy, gpus[i]), DRAGON_ERR_INVAL, "%s", gpus[i]);
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        cr_expect_eq(dragon_policy_set_hosts(policy, hosts[i]), DRAGON_ERR_INVAL, "%s", hosts[i]);
    cr_expect_str_eq(policy->policy.hosts[0], "a");
    cr_expect_str_eq(policy->policy.core_lists[0], "1");
    cr_expect_str_eq(policy->policy.gpu_lists[0], "1");
    cr_expect_eq(dragon_policy_set_map(policy, (dragon_map_t)3), DRAGON_ERR_INVAL);
    cr_expect_eq(dragon_policy_set_bind(policy, (dragon_bind_t)6), DRAGON_ERR_INVAL);
    cr_expect_eq(dragon_policy_set_ppn(policy, UINT32_MAX), DRAGON_ERR_INVAL);
    cr_expect_eq(dragon_policy_set_cores(policy, MACHINE_CORES_LIMIT + 1), DRAGON_ERR_INVAL);
    cr_expect_eq(dragon_policy_set_gpus(policy, -2), DRAGON_ERR_INVAL);
    cr_expect_eq(dragon_policy_set_env(policy, "A=B", "c"), DRAGON_ERR_INVAL);
    cr_expect_eq(dragon_policy_set_env(policy, "", "c"), DRAGON_ERR_INVAL);
    cr_expect_eq(dragon_policy_set_env(policy, NULL, "c"), DRAGON_ERR_INVAL);
    dragon_policy_destroy(policy);
}

Test(client_asked, no_gpu_is_not_the_same_as_nothing_said)
{
    dragon_policy_t *policy = make_policy();
    cr_expect_eq(dragon_policy_set_gpus(policy, 0), DRAGON_OK);
    cr_expect(policy->policy.gpus_said && policy->policy.gpus == 0);
    cr_expect_eq(dragon_policy_set_gpus(policy, -1), DRAGON_OK);
    cr_expect_not(policy->policy.gpus_said);
    dragon_policy_destroy(policy);
    dragon_policy_destroy(NULL);
}

static dragon_template_t *make_template(void)
{
    char *argv[] = {(char *)"true", NULL};
    dragon_template_t *made = NULL;
    cr_assert_eq(dragon_template_create(argv, &made, NULL), DRAGON_OK);
    return made;
}

Test(client_asked, a_template_needs_a_program)
{
    char *nothing[] = {NULL};
    dragon_error_t error;
    dragon_template_t *made = (dragon_template_t *)nothing, *before = made;
    cr_expect_eq(dragon_template_create(nothing, &made, &error), DRAGON_ERR_INVAL);
    cr_expect_eq(dragon_template_create(NULL, &made, &error), DRAGON_ERR_INVAL);
    cr_expect_eq(error.code, DRAGON_ERR_INVAL);
    cr_expect_eq(made, before);
    dragon_template_destroy(NULL);
}

Test(client_asked, streams_have_one_meaning_each)
{
    static const char *const wrong[] = {"&2", "&",  "&1x",   "|cat", "{ranks}",
                                        "a{", "a}", "{rank", "{}"};
    dragon_template_t *made = make_template();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_eq(dragon_template_set_output(made, wrong[i]), DRAGON_ERR_INVAL, "%s", wrong[i]);
        cr_expect_eq(dragon_template_set_error(made, wrong[i]), DRAGON_ERR_INVAL, "%s", wrong[i]);
        cr_expect_eq(dragon_template_set_input(made, wrong[i]), DRAGON_ERR_INVAL, "%s", wrong[i]);
    }
    cr_expect_eq(dragon_template_set_output(made, NULL), DRAGON_ERR_INVAL);
    cr_expect_eq(dragon_template_set_output(made, DRAGON_STREAM_MERGE), DRAGON_ERR_INVAL);
    cr_expect_eq(dragon_template_set_input(made, DRAGON_STREAM_MERGE), DRAGON_ERR_INVAL);
    cr_expect_eq(made->out.kind, STREAM_CLIENT);
    cr_expect_eq(dragon_template_set_output(made, "{rank}-{node}/{host}{group}.{template}"),
                 DRAGON_OK);
    cr_expect_eq(made->out.kind, STREAM_FILE);
    cr_expect_eq(dragon_template_set_output(made, DRAGON_STREAM_PIPE), DRAGON_OK);
    cr_expect(made->out.kind == STREAM_PIPE && !*made->out.path);
    cr_expect_eq(dragon_template_set_output(made, DRAGON_STREAM_INHERIT), DRAGON_OK);
    cr_expect(made->out.kind == STREAM_CLIENT);
    cr_expect_eq(dragon_template_set_input(made, DRAGON_STREAM_PIPE), DRAGON_OK);
    cr_expect_eq(made->in.kind, STREAM_PIPE);
    cr_expect_eq(dragon_template_set_input(made, DRAGON_STREAM_DISCARD), DRAGON_OK);
    cr_expect_eq(made->in.kind, STREAM_DISCARD);
    dragon_template_destroy(made);
}

Test(client_asked, a_relative_directory_is_from_ours)
{
    char *here = getcwd(NULL, 0), wanted[5000];
    dragon_template_t *made = make_template();
    cr_expect_str_eq(made->cwd, here);
    cr_expect_eq(dragon_template_set_cwd(made, "first"), DRAGON_OK);
    cr_expect_eq(dragon_template_set_cwd(made, "second"), DRAGON_OK);
    snprintf(wanted, sizeof wanted, "%s/second", here);
    cr_expect_str_eq(made->cwd, wanted);
    cr_expect_eq(dragon_template_set_cwd(made, ""), DRAGON_ERR_INVAL);
    cr_expect_eq(dragon_template_set_cwd(made, "/abs"), DRAGON_OK);
    cr_expect_str_eq(made->cwd, "/abs");
    dragon_template_destroy(made);
    free(here);
}

Test(client_asked, a_copy_has_everything)
{
    dragon_template_t *made = make_template();
    dragon_policy_t *policy = make_policy();
    dragon_policy_set_cores(policy, 7);
    dragon_template_set_policy(made, policy);
    dragon_template_set_env(made, "A", "1");
    dragon_template_set_env(made, "B", NULL);
    dragon_template_set_error(made, DRAGON_STREAM_PIPE);
    struct dragon_template *copy = template_copy(made);
    dragon_template_destroy(made);
    dragon_policy_destroy(policy);
    cr_expect_str_eq(copy->argv[0], "true");
    cr_expect_eq(copy->policy.cores, 7);
    cr_expect_str_eq(copy->env[0], "A=1");
    cr_expect_str_eq(copy->env[1], "B");
    cr_expect(copy->err.kind == STREAM_PIPE && copy->out.kind == STREAM_CLIENT);
    dragon_template_destroy(copy);
}
