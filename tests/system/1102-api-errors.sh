# SPDX-License-Identifier: BSD-3-Clause
#
# The C API: every error code that the headers speak of, and what the texts say.
exec dragon-run "$DRAGON_BUILDDIR/tests/api/group_errors"
