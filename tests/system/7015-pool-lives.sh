# SPDX-License-Identifier: BSD-3-Clause
#
# The next life of a worker.
# quick
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 3
LIMIT=60
check "one node" passes pool_lives
check "two nodes" passes --test-hosts 2 pool_lives
no_leftovers "nothing is left"
finish
