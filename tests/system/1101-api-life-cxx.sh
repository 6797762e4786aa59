# SPDX-License-Identifier: BSD-3-Clause
#
# The C API: the life of a group, in C++.
exec dragon-run "$DRAGON_BUILDDIR/tests/api/group_life_cxx"
