# SPDX-License-Identifier: BSD-3-Clause
#
# The job scripts of the examples for PBS, run as its mom would, on this machine and over two hosts.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
command -v mpiexec.openmpi >/dev/null || skip_all "there is no mpiexec of Open MPI"
plan 37
unset CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES ZE_AFFINITY_MASK
LIMIT=120
eight="core:8 pu:1" # whatever this machine has
jobs=$DRAGON_SRCDIR/examples/jobs
mpi=$DRAGON_BUILDDIR/examples/mpi_hello.openmpi
pbs=("$DRAGON_SRCDIR/tests/lib/pbs-job" -v MPIEXEC=mpiexec.openmpi -v DRAGON_BUILD="$DRAGON_BUILDDIR")
for variable in OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM ASAN_OPTIONS LSAN_OPTIONS OMPI_MCA_memory; do
    [ -z "${!variable:-}" ] || pbs+=(-v "$variable=${!variable}")
done

# submit ARG...: what the job wrote becomes our output.
submit()
{
    local code=0
    rm -f job.out
    timeout -k 5 "$LIMIT" "${pbs[@]}" -o job.out "$@" || code=$?
    cat job.out
    return "$code"
}
nodes_in_table()
{
    grep -E '^ *[0-9]+  ' "$out" | awk -v column="$1" '{ print $column }' | sort -u | wc -l
}

# ---- what the stand-in does, for otherwise the rest says nothing
cat >look.pbs <<'TXT'
#!/bin/sh
#PBS -N look
#PBS -l select=2:ncpus=4:mpiprocs=2,walltime=00:01:00
echo "$PBS_ENVIRONMENT|$PATH|$(cat "$PBS_NODEFILE" | paste -sd' ')|$NCPUS|$FOO"
[ "$PWD" = "$HOME" ] && [ "$PWD" != "$PBS_O_WORKDIR" ] && [ -d "$TMPDIR" ] && ! tty -s
exit $((3 + $?))
TXT
check_status 2 "PBS does not take any option" submit -l colour=red look.pbs
check_status 3 "a job starts at home, without a terminal" submit -v FOO=bar look.pbs
is "with what PBS sets" "$(cat "$out")" "PBS_BATCH|/bin:/usr/bin|localhost localhost localhost localhost|4|bar"

# ---- on this machine: one node, which the node file names twice
check "policies, with GPUs" submit -v DRAGON_GPUS=nvidia:2 "$jobs/policies.pbs"
is "a process for each GPU" "$(grep -c 'CUDA_VISIBLE_DEVICES=[01]$' "$out")" 2
is "on one node" "$(nodes_in_table 2)" 1
check "policies, without" submit -v DRAGON_GPUS=none "$jobs/policies.pbs"
check "policies, four lines in the node file" submit -l select=2:ncpus=2:mpiprocs=2 -v DRAGON_GPUS=none \
    "$jobs/policies.pbs"
is "on one node" "$(nodes_in_table 2)" 1
check "watched" submit "$jobs/watched.pbs"
is "every rank was seen to its end" "$(grep -c '^summary: rank' "$out")" 4
check "pool_hello, with GPUs" submit -v DRAGON_GPUS=nvidia:2 -v HWLOC_SYNTHETIC="$eight" "$jobs/pool_hello.pbs"
is "a worker for each GPU" "$(grep -c '^hello from worker [01] .*CUDA_VISIBLE_DEVICES=[01]$' "$out")" 2
check "pool_hello, without" submit -v DRAGON_GPUS=none "$jobs/pool_hello.pbs"
check_output '^of 4000 points the best is 46 degrees at 44 m/s' "pool_study" submit "$jobs/pool_study.pbs"
check_output '^77031 takes 350 steps$' "pool_dict" submit "$jobs/pool_dict.pbs"
if [ -x "$mpi" ]; then
    check "pool_commands" submit -v HWLOC_SYNTHETIC="$eight" "$jobs/pool_commands.pbs"
    is "each run of its MPI program" "$(grep -oE '[01] of 2 on .*: run-[0-2]' "$out" | wc -l)" 6
else
    skip "pool_commands" "there is no compiler of Open MPI"
    skip "each run of its MPI program" "there is no compiler of Open MPI"
fi
printf '#!/bin/sh\nexec "%s" 7\n' "$mpi" >seven
chmod +x seven
if [ -x "$mpi" ]; then
    check "mpi_policies" submit "$jobs/mpi_policies.pbs"
    check_status 7 "the job ends with the workflow's code" submit -v MPI_PROGRAM=./seven "$jobs/mpi_policies.pbs"
else
    skip "mpi_policies" "there is no compiler of Open MPI"
    skip "the job ends with the workflow's code" "there is no compiler of Open MPI"
fi

# A workflow that needs longer than it has: the mom signals the whole session.
cat >endless.pbs <<'TXT'
#PBS -l walltime=00:00:05
cd "$PBS_O_WORKDIR"
exec mpiexec.openmpi -n 1 --hostfile "$PBS_NODEFILE" "$DRAGON_BUILD/dragon-run" \
    "$DRAGON_BUILD/dragon-pg" -n 2 sh -c 'echo up >up.$DRAGON_RANK; sleep 600'
TXT
run submit endless.pbs
is "at its walltime a job ends" "$((status > 0))$(grep -c 'PBS: job killed' "$out")" 11
is "which had been running" "$(cat up.0 up.1 | paste -sd' ')" "up up"
no_leftovers "nothing is left on this machine"

# ---- over two hosts
rest=("policies over two hosts, with GPUs" "a process for each GPU" "on two nodes"
    "policies over two hosts, without" "on two nodes"
    "pool_hello over two hosts" "a worker of each"
    "watched over two hosts" "every rank was seen to its end, on two nodes"
    "mpi_policies over two hosts" "on two nodes" "the job ends with the workflow's code"
    "at its walltime a job of two hosts ends" "nothing is left on any host")
skip_rest()
{
    local text
    for text in "${rest[@]}"; do
        skip "$text" "$1"
    done
    finish
}
netns_up 2 || skip_rest "$netns_why"
# mpiexec gives the other host no variable that it was not told of.
pbs+=(-H "h0 h1" -v NETNS_HOSTS_SET="$netns_set" -v OMPI_MCA_plm_rsh_agent="$(readlink -f "$NETNS_HOSTS") agent"
    -v OMPI_MCA_mca_base_env_list="DRAGON_GPUS" -v DRAGON_GPUS)
submit_there()
{
    local code=0
    rm -f job.out
    netns run h0 env DRAGON_GPUS="$gpus" "${pbs[@]}" -o job.out "$@" || code=$?
    cat job.out
    return "$code"
}
gpus=nvidia:2
check "${rest[0]}" submit_there -l select=2:ncpus=2:mpiprocs=2 "$jobs/policies.pbs"
is "${rest[1]}" "$(grep '^rank [0-9]* on' "$out" | sed 's/.* on \(h[01]\): .*DEVICES=/\1 /' | sort | paste -sd,)" "h0 0,h0 1,h1 0,h1 1"
is "${rest[2]}" "$(nodes_in_table 2)" 2
gpus=none
check "${rest[3]}" submit_there "$jobs/policies.pbs"
is "${rest[4]}" "$(nodes_in_table 2)" 2
check "${rest[5]}" submit_there "$jobs/pool_hello.pbs"
is "${rest[6]}" "$(grep -o ' on h[01], node [01]' "$out" | sort -u | awk '{ print $2 }' | paste -sd' ')" "h0, h1,"
check "${rest[7]}" submit_there "$jobs/watched.pbs"
is "${rest[8]}" "$(grep -o '^summary: rank . on node .' "$out" | awk '{ print $NF }' | sort | uniq -c | wc -l)" 2
if [ -x "$mpi" ]; then
    check "${rest[9]}" submit_there "$jobs/mpi_policies.pbs"
    is "${rest[10]}" "$(grep -oE '^[0-9]+ of .* on h[01]:' "$out" | awk '{ print $NF }' | sort -u | paste -sd' ')" "h0: h1:"
    check_status 7 "${rest[11]}" submit_there -v MPI_PROGRAM=./seven "$jobs/mpi_policies.pbs"
else
    for text in "${rest[@]:9:3}"; do
        skip "$text" "there is no compiler of Open MPI"
    done
fi
sed -i 's/-n 1 /-n 2 --map-by ppr:1:node /; s/dragon-pg" -n 2/& --ppn 1/' endless.pbs
rm -f up.*
run submit_there -l select=2 endless.pbs
is "${rest[12]}" "$((status > 0))$(grep -c 'PBS: job killed' "$out") $(cat up.0 up.1 | paste -sd' ')" "11 up up"
no_leftovers "${rest[13]}"
finish
