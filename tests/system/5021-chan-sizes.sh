# SPDX-License-Identifier: BSD-3-Clause
#
# Messages of all sizes, on one node and between two.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 5
LIMIT=140
check "one node" passes chan_sizes here
check "a channel of another node" passes --test-hosts 2 chan_sizes 1
check "to one receiver on this node" passes --test-hosts 2 chan_sizes 0 single
check "to one receiver on another node" passes --test-hosts 2 chan_sizes 1 single
no_leftovers "nothing is left"
finish
