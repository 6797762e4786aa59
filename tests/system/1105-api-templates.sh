# SPDX-License-Identifier: BSD-3-Clause
#
# The C API: groups of several templates, and the streams of their ranks.
exec dragon-run --test-hosts 2 "$DRAGON_BUILDDIR/tests/api/group_templates"
