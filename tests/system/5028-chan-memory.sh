# SPDX-License-Identifier: BSD-3-Clause
#
# Memory: blocks, sharing, handing over without a copy, and limits.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 5
check "one node" passes chan_memory
check "two nodes" passes --test-hosts 2 chan_memory
check "a limit of 24 MiB" passes --memory 24M chan_memory limit 24
check "a limit of 100 MiB" passes --memory 100M chan_memory limit 100
no_leftovers "nothing is left"
finish
