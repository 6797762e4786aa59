# SPDX-License-Identifier: BSD-3-Clause
#
# The same, of another node.
exec dragon-run --test-hosts 2 "$DRAGON_BUILDDIR/tests/api/queue_calls" 1
