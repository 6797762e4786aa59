# SPDX-License-Identifier: BSD-3-Clause
#
# The same with workers on two nodes.
exec dragon-run --test-hosts 2 "$DRAGON_BUILDDIR/tests/api/pool_commands" plain
