# SPDX-License-Identifier: BSD-3-Clause
#
# The job scripts of the examples for Slurm, by sbatch.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
cluster=$DRAGON_TEST_DIR/slurm
slurm()
{
    timeout -k 5 "$LIMIT" "$DRAGON_SRCDIR/tests/lib/slurm-cluster" "$@"
}
trap 'slurm down "$cluster"' EXIT
trap 'exit 143' TERM INT HUP
command -v sbatch >/dev/null || skip_all "Slurm is not installed (no sbatch)"
run slurm up "$cluster" 2
[ "$status" != 77 ] || skip_all "$(tail -n 1 "$err")"
plan 22
LIMIT=150
is "a cluster comes up" "$status" 0
unset CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES ZE_AFFINITY_MASK
slurm run "$cluster" srun --mpi=list 2>&1 | grep -q pmix || export SRUN_MPI=pmi2
export DRAGON_BUILD=$DRAGON_BUILDDIR
mpi=$DRAGON_BUILDDIR/examples/mpi_hello.openmpi

# submit NAME: what the job wrote becomes our output. It leaves the directory of submission first.
submit()
{
    local code=0
    slurm batch "$cluster" --output="$PWD/$1.out" "$DRAGON_SRCDIR/examples/jobs/$1.slurm" || code=$?
    cat "$1.out"
    return "$code"
}
# That many nodes stand in the table.
nodes_in_table()
{
    grep -E '^ *[0-9]+  ' "$out" | awk -v column="$1" '{ print $column }' | sort -u | wc -l
}

export DRAGON_GPUS=nvidia:4
check "policies, with GPUs" submit policies
is "on two nodes" "$(nodes_in_table 2)" 2
is "a process for each GPU" "$(grep -c 'CUDA_VISIBLE_DEVICES=[0-3]$' "$out")" 4
DRAGON_GPUS=none
check "policies, without" submit policies
is "on two nodes" "$(nodes_in_table 2)" 2
check "watched" submit watched
is "every rank was seen to its end" "$(grep -c '^summary: rank' "$out")" 4
DRAGON_GPUS=nvidia:4
export HWLOC_SYNTHETIC="core:8 pu:1" # whatever this machine has
check "pool_hello, with GPUs" submit pool_hello
is "a worker for each GPU" "$(grep -c '^hello from worker [0-3] .*CUDA_VISIBLE_DEVICES=[0-3]$' "$out")" 4
DRAGON_GPUS=none
check "pool_hello, without" submit pool_hello
is "on two nodes" "$(grep -o 'node [01]' "$out" | sort -u | wc -l)" 2
check_output '^of 4000 points the best is 46 degrees at 44 m/s' "pool_study" submit pool_study
check_output '^77031 takes 350 steps$' "pool_dict" submit pool_dict
if [ -x "$mpi" ]; then
    check "pool_commands" submit pool_commands
    is "each run of its MPI program" "$(grep -oE '[01] of 2 on .*: run-[0-2]' "$out" | wc -l)" 6
else
    skip "pool_commands" "there is no compiler of Open MPI"
    skip "each run of its MPI program" "there is no compiler of Open MPI"
fi
unset HWLOC_SYNTHETIC
if [ -x "$mpi" ]; then
    check "mpi_policies" submit mpi_policies
    is "on two nodes" "$(nodes_in_table 3)" 2
    printf '#!/bin/sh\nexec "%s" 7\n' "$mpi" >seven
    chmod +x seven
    export MPI_PROGRAM=./seven
    check_status 7 "the job ends with the workflow's code" submit mpi_policies
else
    for text in "mpi_policies" "on two nodes" "the job ends with the workflow's code"; do
        skip "$text" "there is no compiler of Open MPI"
    done
fi
export DRAGON_BUILD=/nowhere
check_status 2 "a build that is not there" submit policies
is "the cluster is idle afterwards" "$(slurm run "$cluster" squeue -h)" ""
slurm down "$cluster"
no_leftovers "nothing is left"
finish
