# SPDX-License-Identifier: BSD-3-Clause
#
# Whoever waits uses no time and is not woken: ranks, agents and transports.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 2
LIMIT=140
check "28 ranks on two nodes that wait in every way" passes --test-hosts 2 chan_idle
no_leftovers "nothing is left"
finish
