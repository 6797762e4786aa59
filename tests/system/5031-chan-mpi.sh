# SPDX-License-Identifier: BSD-3-Clause
#
# MPI programs that use channels beside their own messages.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/embed.sh"
embed mpi_chan
