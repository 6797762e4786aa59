# SPDX-License-Identifier: BSD-3-Clause
#
# Under MPICH's mpiexec, which has PMI-1 only.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
command -v mpiexec.hydra >/dev/null || skip_all "there is no mpiexec of MPICH"
plan 11
mpi=$DRAGON_BUILDDIR/tests/mpi/mpi_check

hydra()
{
    timeout -k 5 "$LIMIT" mpiexec.hydra "$@"
}
check "two copies are two nodes" hydra -n 2 dragon-run dragon-pg -n 2 --ppn 1 sh -c 'echo "node $DRAGON_NODE"'
is "each with a rank" "$(sort "$out" | paste -sd' ')" "node 0 node 1"
check_status 7 "the exit code comes through" hydra -n 2 dragon-run sh -c 'exit 7'
run hydra -n 2 dragon-run dragon-pg -n 2 --ppn 1 env
is "hydra's variables reach no rank" "$(grep -E '^(PMI_|HYD|MPI_LOCAL|PMIX_)' "$out")" ""
for family in openmpi mpich; do
    if [ -x "$mpi.$family" ]; then
        check "an MPI program of $family" hydra -n 2 dragon-run dragon-pg --pmi -n 2 "$mpi.$family" hello
        is "is one world" "$(grep -c 'of 2 on' "$out")" 2
    else
        skip "an MPI program of $family" "there is no compiler of it"
        skip "is one world" "there is no compiler of it"
    fi
done
run hydra -n 2 dragon-run --up-timeout 3s true : -n 1 sleep 60
is "a rank that is no dragon-run: one line" \
    "$(grep '^dragon-' "$err" | sed 's/ (a PMI.*//')" \
    "dragon-run: error: not all of the 3 ranks came within 3 s"
if netns_up 2; then
    check "over two hosts" netns hydra -ppn 1 -n 2 "$DRAGON_BUILDDIR/dragon-run" dragon-pg -n 2 --ppn 1 hostname
else
    skip "over two hosts" "$netns_why"
fi
no_leftovers "nothing is left"
finish
