# SPDX-License-Identifier: BSD-3-Clause
#
# Ranks on three nodes agree by objects of the first; some die with what they have.
exec dragon-run --test-hosts 3 "$DRAGON_BUILDDIR/tests/api/sync_ranks" 0 6 200
