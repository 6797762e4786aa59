# SPDX-License-Identifier: BSD-3-Clause
#
# MPICH programs as groups. Over several nodes one rank on each: with more, the MPI_Finalize of MPICH
# 4.0.2 hangs in half of the runs under its own launcher, too.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
prog=$DRAGON_BUILDDIR/tests/mpi/mpi_check.mpich
[ -x "$prog" ] || skip_all "mpi_check was not built with MPICH"
plan 9
LIMIT=120

world()
{
    local ranks=$1 nodes=$2
    shift 2
    timeout -k 5 "$LIMIT" dragon-run "$@" "$prog" all >world.out &&
        grep -q "^mpi_check: $ranks ranks, .*all ok" world.out &&
        [ "$(grep -c ' ok$' world.out)" = $((ranks + 1)) ]
}

check "one rank" world 1 1 dragon-pg --pmi -n 1
check "two ranks" world 2 1 dragon-pg --pmi -n 2
check "three ranks" world 3 1 dragon-pg --pmi -n 3
check "two nodes, one rank each" world 2 2 --test-hosts 2 dragon-pg --pmi --ppn 1
check "three nodes, one rank each" world 3 3 --test-hosts 3 dragon-pg --pmi --ppn 1
check "cyclic" world 2 2 --test-hosts 2 dragon-pg --pmi -n 2 --map-by node
check "without a runtime around" sh -c 'dragon-pg --pmi -n 2 "$0" all | grep -q "2 ranks"' "$prog"
both()
{
    [ -x "${prog%.mpich}.openmpi" ] || return 0
    dragon-run sh -c 'dragon-pg --pmi -n 2 "$0" all >a & dragon-pg --pmi -n 2 "$1" all >b; x=$?
        wait $! && [ $x = 0 ] && grep -q "all ok" a && grep -q "all ok" b' "$prog" "${prog%.mpich}.openmpi"
}
check "beside an Open MPI group" both
no_leftovers "nothing is left"
finish
