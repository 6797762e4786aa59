# SPDX-License-Identifier: BSD-3-Clause
#
# Commands that are ended before their time, by a limit, by the pool, or because their worker is killed: nothing of them stays, in
# whatever session it is and whatever environment it has.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 3
LIMIT=100
check "one node" passes pool_commands limits
check "two nodes" passes --test-hosts 2 pool_commands limits
no_leftovers "nothing is left"
finish
