# SPDX-License-Identifier: BSD-3-Clause
#
# In a Slurm job: srun --mpi=pmix and --mpi=pmi2.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
cluster=$DRAGON_TEST_DIR/slurm
slurm()
{
    timeout -k 5 "$LIMIT" "$DRAGON_SRCDIR/tests/lib/slurm-cluster" "$@"
}
trap 'slurm down "$cluster"' EXIT
trap 'exit 143' TERM INT HUP
run slurm up "$cluster" 2
[ "$status" != 77 ] || skip_all "$(tail -n 1 "$err")"
plan 15
is "a cluster comes up" "$status" 0
mpi=$DRAGON_BUILDDIR/tests/mpi/mpi_check.openmpi

for kind in pmix pmi2; do
    if ! slurm run "$cluster" srun --mpi=list 2>&1 | grep -q "$kind"; then
        for text in "two nodes" "each with a rank" "variables" "exit code" "an MPI program" "a missing rank"; do
            skip "--mpi=$kind: $text" "this Slurm does not have it"
        done
        continue
    fi
    on_nodes()
    {
        slurm run "$cluster" srun --mpi="$kind" -N2 -n2 "$@"
    }
    check "--mpi=$kind: two nodes" on_nodes dragon-run dragon-pg -n 2 --ppn 1 sh -c 'echo "node $DRAGON_NODE"'
    is "--mpi=$kind: each with a rank" "$(sort "$out" | paste -sd' ')" "node 0 node 1"
    run on_nodes dragon-run dragon-pg -n 2 --ppn 1 env
    is "--mpi=$kind: what is the step's reaches no rank" \
        "$(grep -E '^(PMI_|PMIX_|SLURM_PROCID|SLURM_STEP|SLURM_PMI)' "$out")" ""
    check_status 7 "--mpi=$kind: the exit code comes through" on_nodes dragon-run sh -c 'exit 7'
    if [ -x "$mpi" ]; then
        check "--mpi=$kind: an MPI program" on_nodes dragon-run dragon-pg --pmi -n 2 --ppn 1 "$mpi"
    else
        skip "--mpi=$kind: an MPI program" "there is no compiler of Open MPI"
    fi
    # Only the second task is no dragon-run.
    # shellcheck disable=SC2016
    on_one()
    {
        on_nodes -K1 sh -c 'test "$SLURM_PROCID" = 0 || exec sleep 60; exec dragon-run --up-timeout 3s true'
        lines=$(grep -c 'dragon-[a-z]*: ' "$err")
        [ "$lines" = 1 ] && grep -q 'dragon-run: error: .* 2' "$err"
    }
    check "--mpi=$kind: a rank that is no dragon-run: one line" on_one
done
check "the cluster is idle afterwards" wait_until 20 bash -c \
    "test -z \"\$($DRAGON_SRCDIR/tests/lib/slurm-cluster run $cluster squeue -h)\""
slurm down "$cluster"
no_leftovers "nothing is left"
finish
