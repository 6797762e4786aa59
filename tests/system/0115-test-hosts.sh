# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# --test-hosts N: a runtime of N nodes on this machine.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 17

for nodes in 1 2 4 16 64; do
    run dragon-run --test-hosts "$nodes" dragon-pg -n "$nodes" --ppn 1 sh -c 'echo "node $DRAGON_NODE"'
    is "$nodes nodes, each with a rank" "$(sort "$out" | uniq -c | grep -c '^ *1 node')" "$nodes"
    is "without a word" "$status $(cat "$err")" "0 "
done
# shellcheck disable=SC2016
check "64 nodes below each other by twos" dragon-run --fanout 2 --test-hosts 64 dragon-pg -n 64 --ppn 1 \
    sh -c 'test "$DRAGON_RANK" = "$DRAGON_NODE"'
check "in a row" dragon-run --fanout 1 --test-hosts 8 dragon-pg -n 8 --ppn 1 true
check_status 9 "the exit code is the head's" dragon-run --test-hosts 4 sh -c 'exit 9'
check_status 127 "a head that is not there" dragon-run --test-hosts 4 no-such-program
mpi=$DRAGON_BUILDDIR/tests/mpi/mpi_check
for family in openmpi mpich; do
    if [ -x "$mpi.$family" ]; then
        # MPICH's own MPI_Finalize may hang with several ranks a node.
        check "an MPI program of $family over 2 of them" \
            dragon-run --test-hosts 2 dragon-pg --pmi -n 2 --ppn 1 "$mpi.$family"
    else
        skip "an MPI program of $family over 2 of them" "there is no compiler of it"
    fi
done
no_leftovers "nothing is left"
finish
