# SPDX-License-Identifier: BSD-3-Clause
#
# Processes that wait at a channel when it is closed or destroyed, or their message received.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 4
LIMIT=140
check "one node" passes chan_waiters 0
check "three nodes, a channel of the head's" passes --test-hosts 3 chan_waiters 0
check "three nodes, a channel of another" passes --test-hosts 3 chan_waiters 2
no_leftovers "nothing is left"
finish
