# SPDX-License-Identifier: BSD-3-Clause
#
# Streams, and writers and readers that leave before their time.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 4
LIMIT=140
check "one node" passes chan_streams 0
check "two nodes, a channel of the head's" passes --test-hosts 2 chan_streams 0
check "two nodes, a channel of the other" passes --test-hosts 2 chan_streams 1
no_leftovers "nothing is left"
finish
