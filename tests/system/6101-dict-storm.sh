# SPDX-License-Identifier: BSD-3-Clause
#
# What the header says of consistency, with readers, writers and processes that are killed on all nodes at once.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 3
LIMIT=240
seconds=5
[ -z "${DRAGON_LONG:-}" ] || seconds=60
check "one node" passes dict_storm $seconds
grep '^#' "$out"
check "two nodes" passes --test-hosts 2 dict_storm $seconds
grep '^#' "$out"
no_leftovers "nothing is left"
finish
