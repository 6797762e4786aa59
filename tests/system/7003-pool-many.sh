# SPDX-License-Identifier: BSD-3-Clause
#
# A million small tasks with flat memory; with DRAGON_LONG=1 ten million.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 2
LIMIT=140
check "one node" passes pool_many $((${DRAGON_LONG:-0} ? 10000000 : 1000000))
check "two nodes" passes --test-hosts 2 pool_many 200000
finish
