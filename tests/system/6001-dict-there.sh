# SPDX-License-Identifier: BSD-3-Clause
#
# The same with the managers on another node.
exec dragon-run --test-hosts 2 "$DRAGON_BUILDDIR/tests/api/dict_calls" 1
