# SPDX-License-Identifier: BSD-3-Clause
#
# The C API inside a program's own event loop.
exec dragon-run "$DRAGON_BUILDDIR/tests/api/group_loop"
