# SPDX-License-Identifier: BSD-3-Clause
#
# Managers and clients of dictionaries that are killed; dictionaries that nobody destroys; no dragon-dict-manager.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 6
LIMIT=140
check "one node" passes dict_kill
check "three nodes" passes --test-hosts 3 dict_kill
check "one that nobody destroys ends with the runtime" \
    dragon-run --test-hosts 2 "$DRAGON_BUILDDIR/tests/api/dict_kill" leave
no_leftovers "nothing is left"

# An installation without it.
mkdir bin
for program in dragon-run dragon-agent dragon-transport; do
    cp "$DRAGON_BUILDDIR/$program" bin/
done
without_manager()
{
    PATH="$PWD/bin:/usr/bin:/bin" bin/dragon-run "$DRAGON_BUILDDIR/tests/api/dict_kill" missing >missing.out 2>&1 &&
        ! grep -q '^not ok' missing.out
}
check "without dragon-dict-manager" without_manager
no_leftovers "nothing is left"
finish
