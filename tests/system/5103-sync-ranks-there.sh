# SPDX-License-Identifier: BSD-3-Clause
#
# The same with objects of the last node.
exec dragon-run --test-hosts 3 "$DRAGON_BUILDDIR/tests/api/sync_ranks" 2 6 200
