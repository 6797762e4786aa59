# SPDX-License-Identifier: BSD-3-Clause
#
# Tasks that are functions of a shared object, built as a user does, in workers that have none of their own.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
cat >plugin.c <<'END'
#include <dragon/pool.h>

#include <stdio.h>

int twice(dragon_task_t *task);
int place(dragon_task_t *task);

int twice(dragon_task_t *task)
{
    size_t bytes;
    const long *x = dragon_task_data(task, &bytes);
    long y = 2 * *x;
    return dragon_task_return(task, &y, sizeof y) != DRAGON_OK;
}

int place(dragon_task_t *task)
{
    char text[40];
    int length = snprintf(text, sizeof text, "%u nodes", dragon_runtime_nodes(dragon_task_runtime(task)));
    return dragon_task_return(task, text, (size_t)length) != DRAGON_OK;
}
END
libs=$DRAGON_BUILDDIR/.libs
[ -z "$DRAGON_SANITIZER" ] || skip_all "the compiler's options for sanitizers are not known here"
${CC:-cc} -shared -fPIC -I"$DRAGON_SRCDIR/include" -o plugin.so plugin.c -L"$libs" -ldragon -Wl,-rpath,"$libs" ||
    skip_all "no shared object can be made"
plan 3
LIMIT=60
check "one node" passes pool_commands plugin "$PWD/plugin.so"
check "two nodes" passes --test-hosts 2 pool_commands plugin "$PWD/plugin.so"
no_leftovers "nothing is left"
finish
