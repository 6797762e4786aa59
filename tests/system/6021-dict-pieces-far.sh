# SPDX-License-Identifier: BSD-3-Clause
#
# The same with the managers on another node.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 3
check "with the managers on another node" passes --test-hosts 2 dict_pieces 1
check "with the managers on the first of three" passes --test-hosts 3 dict_pieces 0
no_leftovers "nothing is left"
finish
