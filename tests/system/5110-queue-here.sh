# SPDX-License-Identifier: BSD-3-Clause
#
# Every call and error of queues, of this node.
# quick
exec dragon-run --test-hosts 1 "$DRAGON_BUILDDIR/tests/api/queue_calls" 0
