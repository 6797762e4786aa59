# SPDX-License-Identifier: BSD-3-Clause
#
# MPI programs that do what no MPI program should: the group ends, says something, and the next is well.
# Open MPI reports its own errors through the PMIx server, so that has to live through this, too.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
prog=$DRAGON_BUILDDIR/tests/mpi/mpi_check.openmpi
[ -x "$prog" ] || skip_all "mpi_check was not built with Open MPI"
plan 10
export OMPI_MCA_pml=ob1 prog
LIMIT=25

# ends_badly NODES CMD...: it fails, and in the same runtime an MPI group is well afterwards.
ends_badly()
{
    timeout -k 5 "$LIMIT" dragon-run --test-hosts "$1" sh -c '
        dragon-pg --pmi --ppn 2 --timeout 15s "$@"
        code=$?
        dragon-pg --pmi --ppn 1 "$prog" all >after || exit 70
        exit $code' sh "${@:2}"
}
is_told()
{
    [ "$status" != 0 ] && [ "$status" != 124 ] && [ "$status" != 70 ] &&
        [ "$(grep -c '^dragon-pg: error: rank ' "$err")" = 1 ]
}
check_bad()
{
    local text=$1
    shift
    run ends_badly "$@"
    if is_told; then
        ok "$text"
    else
        not_ok "$text"
        show_run "$@"
    fi
}

for nodes in 1 2; do
    check_bad "MPI_Init fails in every rank, $nodes nodes" $nodes env OMPI_MCA_btl=no_such_transport "$prog" all
    check_bad "MPI_Init fails in one rank, $nodes nodes" $nodes sh -c \
        '[ $DRAGON_RANK != 1 ] || export OMPI_MCA_pml=no_such_layer; exec "$prog" all'
    check_bad "MPI is started twice in a rank, $nodes nodes" $nodes sh -c '"$prog" hello; "$prog" hello'
done
# After a rank that was killed in MPI the next group gets a PMIx server of its own.
cat >servers <<'END'
#!/bin/sh
hello='echo "$PMIX_SERVER_URI4"; exec "$prog" hello >/dev/null'
dragon-pg --pmi -n 1 sh -c "$hello"
dragon-pg --pmi -n 1 sh -c "$hello"
dragon-pg -q --pmi -n 1 sh -c '(sleep 0.2; kill -9 $$) & exec "$prog" wait' >/dev/null
dragon-pg --pmi -n 1 sh -c "$hello"
END
is "a PMIx server that lost a rank is not used again" \
    "$(timeout "$LIMIT" dragon-run sh ./servers 2>/dev/null | uniq -c | awk '{ print $1 }' | paste -sd' ')" "2 1"
check_status 124 "ranks that hang in MPI end by the time limit" dragon-run dragon-pg --pmi -n 2 \
    --timeout 3s --grace 300ms sh -c 'trap "" TERM; "$prog" wait; sleep 600'
# A group in a group: the inner one gets a world of its own.
is "an MPI rank starts an MPI group" "$(
    dragon-run dragon-pg --pmi -n 1 sh -c 'dragon-pg --pmi -n 2 "$prog" hello; exec "$prog" hello' |
        sed 's/ on .*//' | sort | tr '\n' '|'
)" "rank 0 of 1|rank 0 of 2|rank 1 of 2|"
no_leftovers "nothing is left"
finish
