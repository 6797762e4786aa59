# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# Channels and what is built on them, dictionaries and pools, in C++.
exec dragon-run "$DRAGON_BUILDDIR/tests/api/chan_cxx"
