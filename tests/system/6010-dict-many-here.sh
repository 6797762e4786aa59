# SPDX-License-Identifier: BSD-3-Clause
#
# Many pairs at once, and pairs for all, with the managers on this node.
exec dragon-run "$DRAGON_BUILDDIR/tests/api/dict_many" 0
