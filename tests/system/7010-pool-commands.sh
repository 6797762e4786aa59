# SPDX-License-Identifier: BSD-3-Clause
#
# Commands as tasks of a pool: their streams, files, directories, ends, and what is said of those that cannot be run.
exec dragon-run "$DRAGON_BUILDDIR/tests/api/pool_commands" plain
