# SPDX-License-Identifier: BSD-3-Clause
#
# Many senders and receivers on several nodes: every message once, in order, whoever is the slower side.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 8
LIMIT=140
check "one node, 4 to 4" passes chan_many 0 4 4 8 1000
check "one node, 6 to 1, room for one message" passes chan_many 0 6 1 1 500
check "one node, 1 to 6" passes chan_many 0 1 6 128 2000
check "three nodes, 6 to 6" passes --test-hosts 3 chan_many 0 6 6 8 300
check "three nodes, 6 to 1, which serves itself" passes --test-hosts 3 chan_many 0 6 1 4 300
check "three nodes, 6 to 1, on another node than the channel's" passes --test-hosts 3 chan_many 2 6 1 3 300
check "three nodes, 1 to 6" passes --test-hosts 3 chan_many 1 1 6 2 600
no_leftovers "nothing is left"
finish
