# SPDX-License-Identifier: BSD-3-Clause
#
# Every call and error of locks, semaphores, barriers, events and shared values, of this node.
# quick
exec dragon-run --test-hosts 1 "$DRAGON_BUILDDIR/tests/api/sync_calls" 0
