# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# The C API: the life of a group, in C. The program prints the results.
exec dragon-run "$DRAGON_BUILDDIR/tests/api/group_life"
