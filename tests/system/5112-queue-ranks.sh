# SPDX-License-Identifier: BSD-3-Clause
#
# Workers on three nodes at a queue of the first; some die with what they took.
exec dragon-run --test-hosts 3 "$DRAGON_BUILDDIR/tests/api/queue_ranks" 0 6 3000
