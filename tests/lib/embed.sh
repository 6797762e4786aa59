# SPDX-License-Identifier: BSD-3-Clause
#
# MPI programs of tests/embed that use the library beside their own messages, with each MPI library. MPICH over several nodes has
# one rank on each, see 2001-pmi-mpich.sh. Read after system.sh.

# world RANKS NODES COMMAND...: all are content, and nobody says anything else. MPICH 4.0 over UCX hangs in MPI_Finalize now and
# then, under its own mpiexec too (2 of 120): a run of it that has said all is tried again.
world()
{
    local ranks=$1 nodes=$2 tries=1 code said
    shift 2
    said="$name: $ranks ranks, $nodes nodes, all ok"
    [ "$mpi" != mpich ] || tries=3
    while true; do
        code=0
        timeout -k 5 "$LIMIT" "$@" >world.out 2>world.err || code=$?
        tries=$((tries - 1))
        if [ "$code" = 0 ] || [ "$tries" = 0 ] || ! grep -qx "$said" world.out; then break; fi
    done
    [ "$code" = 0 ] && grep -qx "$said" world.out && ! grep -q UCX world.out world.err
}

# embed NAME: all of the tests, of the program of that name
embed()
{
    local family text most
    name=$1
    prog=$DRAGON_BUILDDIR/tests/embed/$name
    [ -x "$prog.dragon-openmpi" ] || [ -x "$prog.dragon-mpich" ] || skip_all "$name was not built with any MPI"
    plan 15
    LIMIT=40
    export OMPI_MCA_pml=ob1
    hosts=''
    netns_up 2 && command -v mpiexec.openmpi >/dev/null && hosts=yes
    for mpi in openmpi mpich; do
        family="$mpi:"
        if [ ! -x "$prog.dragon-$mpi" ]; then
            for text in "one rank" "two ranks" "four ranks" "which leave after MPI_Finalize" "two nodes" \
                "two nodes, leaving late" "two hosts"; do
                skip "$family $text" "there is no compiler of it"
            done
            continue
        fi
        most=4
        [ $mpi = openmpi ] || most=2
        check "$family one rank" world 1 1 dragon-run dragon-pg --pmi -n 1 "$prog.dragon-$mpi"
        check "$family two ranks" world 2 1 dragon-run dragon-pg --pmi -n 2 "$prog.dragon-$mpi"
        check "$family four ranks" world 4 1 dragon-run dragon-pg --pmi -n 4 "$prog.dragon-$mpi"
        check "$family which leave after MPI_Finalize" world 2 1 \
            dragon-run dragon-pg --pmi -n 2 "$prog.dragon-$mpi" late
        check "$family two nodes" world $most 2 \
            dragon-run --test-hosts 2 dragon-pg --pmi -n $most --map-by node "$prog.dragon-$mpi"
        check "$family two nodes, leaving late" world $most 2 \
            dragon-run --test-hosts 2 dragon-pg --pmi -n $most --map-by node "$prog.dragon-$mpi" late
        if [ -n "$hosts" ]; then
            check "$family two hosts" world $most 2 "$NETNS_HOSTS" --set "$netns_set" mpiexec -n 2 \
                --map-by ppr:1:node "$DRAGON_BUILDDIR/dragon-run" "$DRAGON_BUILDDIR/dragon-pg" --pmi -n $most --map-by node "$prog.dragon-$mpi"
        else
            skip "$family two hosts" "${netns_why:-there is no mpiexec of Open MPI}"
        fi
    done
    no_leftovers "nothing is left"
    finish
}
