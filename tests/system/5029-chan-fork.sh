# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# A child made by fork has nothing of its parent's channels, and is told so.
exec dragon-run "$DRAGON_BUILDDIR/tests/api/chan_fork"
