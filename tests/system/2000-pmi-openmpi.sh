# SPDX-License-Identifier: BSD-3-Clause
#
# Open MPI programs as groups: one world, over nodes, with shared memory inside each.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
prog=$DRAGON_BUILDDIR/tests/mpi/mpi_check.openmpi
[ -x "$prog" ] || skip_all "mpi_check was not built with Open MPI"
plan 18
LIMIT=120

# A quick MPI_Init: Debian's Open MPI looks for PSM2 for 200 ms.
export OMPI_MCA_pml=ob1

# world RANKS NODES ARGS...: mpi_check is content, and found so many ranks and nodes.
world()
{
    local ranks=$1 nodes=$2
    shift 2
    dragon-run "$@" "$prog" all >world.out &&
        grep -qx "mpi_check: $ranks ranks, $nodes nodes, all ok" world.out &&
        [ "$(grep -c ' ok$' world.out)" = $((ranks + 1)) ]
}

check "one rank" world 1 1 dragon-pg --pmi -n 1
check "two ranks" world 2 1 dragon-pg --pmi -n 2
check "without -n: one a core" world "$(nproc)" 1 dragon-pg --pmi
check "8 ranks, more than most machines here have cores" world 8 1 dragon-pg --pmi -n 8
check "two nodes, block" world 4 2 --test-hosts 2 dragon-pg --pmi --ppn 2
is "ranks 0 and 1 share a node" "$(awk '/^rank 0/ { print $8 }' world.out)" 2
check "two nodes, cyclic" world 4 2 --test-hosts 2 dragon-pg --pmi -n 4 --map-by node
check "three nodes, unequal" world 5 3 --test-hosts 3 dragon-pg --pmi -n 5 --ppn 2
check "three nodes, cyclic, unequal" world 5 3 --test-hosts 3 dragon-pg --pmi -n 5 --map-by node
check "a part of the nodes" world 2 2 --test-hosts 4 dragon-pg --pmi -n 2 --ppn 1
check "from a rank on another node, without ranks there" world 2 2 --test-hosts 3 \
    dragon-pg --ppn 1 sh -c '[ $DRAGON_NODE != 2 ] || exec "$@"' sh dragon-pg --pmi -n 2 --ppn 1
check "without a runtime around" sh -c 'dragon-pg --pmi -n 2 "$0" all | grep -q "2 ranks, 1 nodes"' "$prog"

# Only shared memory is allowed inside a node: it works, so it is what is used.
OMPI_MCA_btl=self,vader check "shared memory inside a node" world 3 1 dragon-pg --pmi -n 3
verbose_vader()
{
    OMPI_MCA_btl_base_verbose=100 dragon-run dragon-pg --pmi -n 2 "$prog" all >vader.out 2>&1 &&
        grep -q 'bml: Using vader btl for send to ' vader.out &&
        ! grep -q 'bml: Using tcp btl for send to ' vader.out
}
check "and TCP is not" verbose_vader
default_pml()
{
    env -u OMPI_MCA_pml dragon-run dragon-pg --pmi -n 2 "$prog" all >/dev/null
}
check "with Open MPI's own choice of transport" default_pml

is "ranks see Open MPI's own variables" "$(
    dragon-run dragon-pg --pmi -n 2 sh -c \
        'echo $OMPI_COMM_WORLD_RANK/$OMPI_COMM_WORLD_SIZE; exec "$0" hello >/dev/null' "$prog" |
        sort | tr '\n' ' '
)" "0/2 1/2 "
is "labelled output of MPI ranks" \
    "$(dragon-run dragon-pg --pmi -l -n 2 "$prog" hello | sort | sed 's/ on .*//' | tr '\n' '|')" \
    "0: rank 0 of 2|1: rank 1 of 2|"
no_leftovers "nothing is left"
finish
