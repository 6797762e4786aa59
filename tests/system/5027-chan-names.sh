# SPDX-License-Identifier: BSD-3-Clause
#
# Names in the runtime.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 3
check "one node" passes chan_names
check "three nodes" passes --test-hosts 3 chan_names
no_leftovers "nothing is left"
finish
