# SPDX-License-Identifier: BSD-3-Clause
#
# The C API: groups that several processes know.
exec dragon-run --test-hosts 2 "$DRAGON_BUILDDIR/tests/api/group_share"
