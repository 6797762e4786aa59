# SPDX-License-Identifier: BSD-3-Clause
#
# The same with managers on this node and on another one.
exec dragon-run --test-hosts 2 "$DRAGON_BUILDDIR/tests/api/dict_many" 0,1
