# SPDX-License-Identifier: BSD-3-Clause
#
# Channels: their life and every error of their calls.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 5
check "one node" passes chan_life
check "of this node, with another" passes --test-hosts 2 chan_life here
check "of another node" passes --test-hosts 2 chan_life 1
check "of this node, seen from its number" passes --test-hosts 3 chan_life 0
no_leftovers "nothing is left"
finish
