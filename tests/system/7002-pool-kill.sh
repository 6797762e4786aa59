# SPDX-License-Identifier: BSD-3-Clause
#
# Workers that are killed under load, and tasks that kill them.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 3
LIMIT=140
check "one node" passes pool_kill
check "two nodes" passes --test-hosts 2 pool_kill
no_leftovers "nothing is left"
finish
