# SPDX-License-Identifier: BSD-3-Clause
#
# Every call of dictionaries, with the managers on this node.
exec dragon-run "$DRAGON_BUILDDIR/tests/api/dict_calls" 0
