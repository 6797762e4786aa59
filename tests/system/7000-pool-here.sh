# SPDX-License-Identifier: BSD-3-Clause
#
# Every call of pools, with the workers on this node.
exec dragon-run "$DRAGON_BUILDDIR/tests/api/pool_calls"
