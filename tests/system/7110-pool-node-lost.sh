# SPDX-License-Identifier: BSD-3-Clause
#
# A node that dies takes only its tasks with it, and they are done elsewhere: functions, and MPI programs.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 4
LIMIT=60
# Cores for the worker and the program on two of three nodes; nothing is bound.
export HWLOC_SYNTHETIC="core:12 pu:1"
check "functions" passes --test-hosts 3 --node-failure=continue pool_node
for mpi in openmpi mpich; do
    program=$DRAGON_BUILDDIR/tests/mpi/mpi_check.$mpi
    if [ -x "$program" ]; then
        rm -rf first
        check "MPI programs of $mpi" passes --test-hosts 3 --node-failure=continue pool_node "$program"
    else
        skip "MPI programs of $mpi" "there is no compiler of it"
    fi
done
no_leftovers "nothing is left"
finish
