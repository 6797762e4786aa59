# SPDX-License-Identifier: BSD-3-Clause
#
# The same with a queue of the last node.
exec dragon-run --test-hosts 3 "$DRAGON_BUILDDIR/tests/api/queue_ranks" 2 6 3000
