// SPDX-License-Identifier: BSD-3-Clause
//
// Groups as JSON: what is read, what is refused and where, and that what is written is read again.
#include "config.h"

#include "cli/pg.h"

#include <criterion/criterion.h>

static struct pg_command command;
static dragon_error_t error;

static bool read_text(const char *text)
{
    error = (dragon_error_t){0};
    pg_command_init(&command);
    return pg_spec_read(&command, text, strlen(text), &error);
}

static const char everything[] =
    "{\"schema\":\"dragon-pg-spec\",\"version\":1,\"name\":\"two\",\"label\":true,\"pmi\":false,"
    "\"timeout\":90,\"signal\":\"USR1@10s\",\"grace\":2.5,\"on_failure\":\"restart:5\","
    "\"on_full\":\"wait\",\"wait\":\"5m\",\"stdin\":\"all\",\"policy\":{\"hosts\":\"n0,n1\","
    "\"env\":{\"G\":\"1\"}},"
    "\"templates\":[{\"program\":[\"./a\",\"an arg\",\"\"],\"ranks\":4,\"cwd\":\"..\","
    "\"env\":{\"A\":\"1\",\"B\":null},\"output\":\"o/%t.%%\",\"error\":\"merge\",\"input\":\"in\","
    "\"policy\":{\"hosts\":[\"n0\",1],\"map\":\"cyclic\",\"ppn\":2,\"cores\":4,"
    "\"core_list\":\"0-3\",\"bind\":\"numa\",\"gpus\":0,\"gpu_list\":\"0.1\",\"memory\":\"4G\"}},"
    "{\"program\":[\":\"],\"input\":\"none\"}]}";

static void expect_everything(void)
{
    cr_assert_eq(command.count, 2);
    const struct pg_part *part = &command.parts[0];
    cr_expect_str_eq(command.name, "two");
    cr_expect(command.label && !command.pmi);
    cr_expect_eq(command.limit_ms, 90000);
    cr_expect_eq(command.warn_ms, 10000);
    cr_expect_eq(command.grace_ms, 2500);
    cr_expect_eq(command.failure_restarts, 5);
    cr_expect_eq(command.full, DRAGON_FULL_WAIT);
    cr_expect_eq(command.wait_ms, 300000);
    cr_expect(command.input_said);
    cr_expect_eq(command.input_rank, DRAGON_ALL_RANKS);
    cr_expect_str_eq(command.all.policy.hosts, "n0,n1");
    cr_expect_str_eq(command.all.env[0], "G=1");
    cr_expect_eq(strv_count(part->program), 3);
    cr_expect_eq(part->ranks, 4);
    cr_expect_str_eq(part->cwd, "..");
    cr_expect_str_eq(part->env[0], "A=1");
    cr_expect_str_eq(part->env[1], "B");
    cr_expect_str_eq(part->output, "o/{rank}.%");
    cr_expect_str_eq(part->error, "merge");
    cr_expect_str_eq(part->input, "./in");
    cr_expect_str_eq(part->policy.hosts, "n0,1");
    cr_expect_eq(part->policy.map, DRAGON_MAP_CYCLIC);
    cr_expect_eq(part->policy.ppn, 2);
    cr_expect_eq(part->policy.cores, 4);
    cr_expect_str_eq(part->policy.core_list, "0-3");
    cr_expect_eq(part->policy.bind, DRAGON_BIND_NUMA);
    cr_expect_eq(part->policy.gpus, 0);
    cr_expect_str_eq(part->policy.gpu_list, "0.1");
    cr_expect_eq(part->policy.memory_bytes, UINT64_C(4) << 30);
    cr_expect_str_eq(command.parts[1].program[0], ":");
    cr_expect_str_eq(command.parts[1].input, "none");
    cr_expect_eq(command.parts[1].policy.gpus, -1);
}

Test(cli_spec, everything_is_read)
{
    cr_assert(read_text(everything), "%s", error.text);
    expect_everything();
    cr_expect(command.is_first);
    cr_expect_eq(command.at, &command.all);
    pg_command_fini(&command);
}

Test(cli_spec, what_is_written_is_read_again)
{
    cr_assert(read_text(everything), "%s", error.text);
    char *text = pg_spec_format(&command);
    cr_assert_not_null(text);
    pg_command_fini(&command);
    cr_assert(read_text(text), "%s in %s", error.text, text);
    expect_everything();
    char *again = pg_spec_format(&command);
    cr_expect_str_eq(again, text);
    free(again);
    free(text);
    pg_command_fini(&command);
}

Test(cli_spec, little_is_enough_and_zero_is_said)
{
    cr_assert(read_text("{\"grace\":0,\"restart\":0,\"templates\":[{\"program\":[\"a\"]}]}"));
    cr_expect_eq(command.grace_ms, 0);
    cr_expect_eq(command.restarts, 0);
    char *text = pg_spec_format(&command);
    pg_command_fini(&command);
    cr_assert(read_text(text), "%s in %s", error.text, text);
    cr_expect_eq(command.grace_ms, 0);
    cr_expect_eq(command.restarts, 0);
    free(text);
    pg_command_fini(&command);
}

Test(cli_spec, a_text_that_is_no_utf_8_cannot_be_written)
{
    cr_assert(read_text("{\"templates\":[{\"program\":[\"a\"]}]}"));
    cr_assert(strv_push(&command.parts[0].program, "\xff"));
    cr_expect_null(pg_spec_format(&command));
    pg_command_fini(&command);
}

Test(cli_spec, what_is_wrong_is_refused_with_its_place)
{
    static const char *const wrong[][2] = {
        {"", "line 1"},
        {"{", "line 1"},
        {"{}{}", "line 1"},
        {"[]", "a group is an object"},
        {"null", "line 1"},
        {"{}", "templates: "},
        {"{\"templates\":[]}", "templates: there is none"},
        {"{\"templates\":{}}", "templates: it is to be a list"},
        {"{\"templates\":[[]]}", "templates[0]: it is to be an object"},
        {"{\"templates\":[{}]}", "templates[0]: it has no program"},
        {"{\"templates\":[{\"program\":\"a\"}]}", "templates[0].program: it is to be a list"},
        {"{\"templates\":[{\"program\":[]}]}", "templates[0].program: "},
        {"{\"templates\":[{\"program\":[\"\"]}]}", "templates[0].program: "},
        {"{\"templates\":[{\"program\":[\"a\",1]}]}", "templates[0].program: "},
        {"{\"templates\":[{\"program\":[\"a\\u0000b\"]}]}", "line 1"},
        {"{\"templates\":[{\"program\":[\"a\"]},{\"program\":[\"b\"],\"policy\":{\"bnd\":\"x\"}}]}",
         "templates[1].policy.bnd: no such key; did you mean bind?"},
        {"{\"templates\":[{\"policy\":{\"bind\":\"nma\"}}]}",
         "templates[0].policy.bind: \"nma\": there are none, core, l3, numa and socket; did you "
         "mean numa?"},
        {"{\"templates\":[{\"policy\":{\"gpus\":-1}}]}", "templates[0].policy.gpus: \"-1\": "},
        {"{\"templates\":[{\"policy\":{\"hosts\":[[]]}}]}", "templates[0].policy.hosts: "},
        {"{\"templates\":[{\"policy\":{\"memory\":1.5}}]}",
         "templates[0].policy.memory: it is to be a string or a whole number"},
        {"{\"templates\":[{\"ranks\":\"4\"}]}", "templates[0].ranks: it is to be a whole number"},
        {"{\"templates\":[{\"ranks\":0}]}", "templates[0].ranks: \"0\": "},
        {"{\"templates\":[{\"ranks\":99999999999}]}", "templates[0].ranks: "},
        {"{\"templates\":[{\"env\":{\"A\":1}}]}", "templates[0].env: \"A\" "},
        {"{\"templates\":[{\"env\":{\"A=B\":\"\"}}]}", "templates[0].env: \"A=B\" "},
        {"{\"templates\":[{\"env\":{\"\":\"\"}}]}", "templates[0].env: "},
        {"{\"templates\":[{\"output\":\"{rnk}\"}]}", "templates[0].output: "},
        {"{\"templates\":[{\"input\":\"\"}]}", "templates[0].input: "},
        {"{\"templates\":[{\"stdin\":0}]}", "templates[0].stdin: no such key"},
        {"{\"templates\":[{\"pmi\":true}]}", "templates[0].pmi: no such key"},
        {"{\"tmeout\":3}", "tmeout: no such key; did you mean timeout?"},
        {"{\"pmi\":1}", "pmi: it is to be true or false"},
        {"{\"pmi\":null}", "pmi: it is to be true or false"},
        {"{\"pmi\":true,\"pmi\":true}", "line 1"},
        {"{\"timeout\":-3}", "timeout: "},
        {"{\"timeout\":true}", "timeout: it is to be a string or a number"},
        {"{\"stdin\":\"./file\"}", "stdin: "},
        {"{\"version\":2}", "version: "},
        {"{\"schema\":\"other\"}", "schema: "},
        {"{\"policy\":[]}", "policy: it is to be an object"},
        {"{\"policy\":{\"env\":[]}}", "policy.env: it is to be an object"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect(!read_text(wrong[i][0]), "%s", wrong[i][0]);
        cr_expect(strncmp(error.text, wrong[i][1], strlen(wrong[i][1])) == 0, "%s: \"%s\"",
                  wrong[i][0], error.text);
        pg_command_fini(&command);
    }
}

Test(cli_spec, the_env_of_a_template_wins_over_that_of_its_policy)
{
    cr_assert(read_text("{\"templates\":[{\"program\":[\"a\"],\"env\":{\"A\":\"t\"},"
                        "\"policy\":{\"env\":{\"A\":\"p\",\"AB\":\"p\"}}},"
                        "{\"program\":[\"b\"],\"policy\":{\"env\":{\"A\":\"p\"}},"
                        "\"env\":{\"A\":\"t\"}}]}"));
    cr_expect_str_eq(command.parts[0].env[0], "A=t");
    cr_expect_str_eq(command.parts[0].env[1], "AB=p");
    cr_expect_str_eq(command.parts[1].env[0], "A=t");
    pg_command_fini(&command);
}
