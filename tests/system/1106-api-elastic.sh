# SPDX-License-Identifier: BSD-3-Clause
#
# The C API: ranks that are added, removed and started again, and groups that run twice.
exec dragon-run --test-hosts 2 "$DRAGON_BUILDDIR/tests/api/group_elastic"
