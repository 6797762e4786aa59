/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Runs a program as a process group and tells how it went.
 *
 *     cc group.c $(pkg-config --cflags --libs dragon) -o group
 *     dragon-run ./group 4 hostname
 *     dragon-run ./group --pmi 4 ./mpi_app
 */
#include <dragon/dragon.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    dragon_runtime_t *runtime;
    dragon_template_t *program;
    dragon_group_t *group;
    dragon_error_t error;
    int pmi = argc > 1 && strcmp(argv[1], "--pmi") == 0;

    if (argc < pmi + 3) {
        fprintf(stderr, "usage: group [--pmi] RANKS PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    uint32_t ranks = (uint32_t)strtoul(argv[pmi + 1], NULL, 10);
    if (dragon_runtime_attach(&runtime, &error) != DRAGON_OK ||
        dragon_template_create(argv + pmi + 2, &program, &error) != DRAGON_OK ||
        dragon_group_create(runtime, &group, &error) != DRAGON_OK ||
        dragon_group_set_pmi(group, pmi) != DRAGON_OK ||
        dragon_group_add(group, program, ranks, &error) != DRAGON_OK ||
        dragon_group_start(group, &error) != DRAGON_OK) {
        fprintf(stderr, "group: %s\n", error.text);
        return 1;
    }
    dragon_group_wait(group, DRAGON_FOREVER);
    printf("%u ranks on %u nodes ended with code %d %s\n", dragon_group_size(group),
           dragon_runtime_nodes(runtime), dragon_group_exit_code(group), dragon_group_cause(group));
    int code = dragon_group_exit_code(group);
    dragon_group_destroy(group);
    dragon_template_destroy(program);
    dragon_runtime_detach(runtime);
    return code;
}
