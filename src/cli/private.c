// SPDX-License-Identifier: BSD-3-Clause
//
// Private runtimes: see private.h.
#include "config.h"

#include "cli/private.h"

#include "base/base.h"

#include <errno.h>
#include <unistd.h>

enum { EXIT_OURS = 125 };

bool is_inside_runtime(void)
{
    const char *path = getenv("DRAGON_RUNTIME");
    return path && *path;
}

int run_privately(char **argv, int nodes)
{
    char *self = self_path(), *program = self_beside("dragon-run"), **words = NULL;
    bool good = self && strv_push(&words, "dragon-run");
    if (good && nodes > 1)
        good = strv_push(&words, "--test-hosts") && strv_pushf(&words, "%d", nodes);
    good = good && strv_push(&words, "--") && strv_push(&words, self);
    for (int i = 1; good && argv[i]; i++)
        good = strv_push(&words, argv[i]);
    if (good)
        execvp(program ? program : "dragon-run", words);
    log_error("cannot start a runtime with dragon-run: %s", strerror(errno));
    strv_free(words);
    free(program);
    free(self);
    return EXIT_OURS;
}
