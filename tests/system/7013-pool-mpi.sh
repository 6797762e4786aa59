# SPDX-License-Identifier: BSD-3-Clause
#
# MPI programs as tasks of a pool, of both MPI libraries side by side: their cores, their order and their ends. The runtime believes
# in eight cores, and binds nothing.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
programs=()
for mpi in openmpi mpich; do
    [ ! -x "$DRAGON_BUILDDIR/tests/mpi/mpi_check.$mpi" ] || programs+=("$DRAGON_BUILDDIR/tests/mpi/mpi_check.$mpi")
done
[ ${#programs[@]} -gt 0 ] || skip_all "mpi_check was not built with any MPI"
plan 2
LIMIT=200
export HWLOC_SYNTHETIC="core:8 pu:1"
check "programs, cores and ends" passes pool_commands mpi "${programs[@]}"
no_leftovers "nothing is left"
finish
