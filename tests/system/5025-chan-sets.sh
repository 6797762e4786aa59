# SPDX-License-Identifier: BSD-3-Clause
#
# Channel sets, also in event loops.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 3
check "one node" passes chan_sets
check "channels of two nodes" passes --test-hosts 2 chan_sets
no_leftovers "nothing is left"
finish
