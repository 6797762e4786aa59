# SPDX-License-Identifier: BSD-3-Clause
#
# Functions and commands that do to their worker what they should not: stop it, end it, fork, close its descriptors.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 7
LIMIT=100
check "workers that are stopped have limits, too" passes pool_odd stopped
check "on two nodes" passes --test-hosts 2 pool_odd stopped
check "workers that end" passes pool_odd ends
check "functions that fork" passes pool_odd forks
check "output, directories and descriptors" passes pool_odd around
is "what was written comes, once" "$(tr -cd + <tap.out | wc -c)" 400
no_leftovers "nothing is left"
finish
