# SPDX-License-Identifier: BSD-3-Clause
#
# The examples of pools, as their first lines say they are compiled and run: on one node, on two, and on two hosts with a network
# of their own.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 32
unset CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES ZE_AFFINITY_MASK
examples=$DRAGON_BUILDDIR/examples
export OMPI_MCA_pml=ob1
# Eight cores on every machine; nothing is bound to them.
export HWLOC_SYNTHETIC="core:8 pu:1" DRAGON_GPUS=none
hosts=''
netns_up 2 && command -v mpiexec.openmpi >/dev/null && hosts=yes

on_one()
{
    timeout -k 5 "$LIMIT" dragon-run "$@"
}
on_two()
{
    timeout -k 5 "$LIMIT" dragon-run --test-hosts 2 "$@"
}
on_hosts()
{
    timeout -k 5 "$LIMIT" "$NETNS_HOSTS" --set "$netns_set" mpiexec -n 2 --map-by ppr:1:node \
        env LSAN_OPTIONS="${LSAN_OPTIONS:-}" ASAN_OPTIONS="${ASAN_OPTIONS:-}" \
        HWLOC_SYNTHETIC="$HWLOC_SYNTHETIC" DRAGON_GPUS="$DRAGON_GPUS" "$DRAGON_BUILDDIR/dragon-run" "$@"
}
declare -A where=([on_one]="one node" [on_two]="two nodes" [on_hosts]="two hosts")

# skipped_hosts FUNCTION TEXT...: true when there are no such hosts, and then these are skipped
skipped_hosts()
{
    local text
    [ "$1" = on_hosts ] && [ -z "$hosts" ] || return 1
    shift
    for text in "$@"; do
        skip "$text" "${netns_why:-there is no mpiexec of Open MPI}"
    done
}

compiled_by()
{
    local name
    for name in commands dict hello study; do
        $1 -I"$DRAGON_SRCDIR/include" -Wall -Wextra -pedantic -Werror -fsyntax-only \
            "$DRAGON_SRCDIR/examples/pool_$name.c" || return
    done
}
check "they are compiled without a warning" compiled_by "$CC"
if command -v clang >/dev/null; then
    check "by clang too" compiled_by clang
else
    skip "by clang too" "there is no clang"
fi
check_status 2 "pool_hello: says how it is called" "$examples/pool_hello" x
check_status 2 "pool_study: says how it is called" "$examples/pool_study"
check_status 2 "pool_dict: says how it is called" "$examples/pool_dict" 0

for on in on_one on_two on_hosts; do
    at=${where[$on]}
    texts=("pool_hello: $at" "pool_hello: $at: each worker, in order" "pool_study: $at" "pool_dict: $at")
    skipped_hosts $on "${texts[@]}" && continue
    check "${texts[0]}" $on "$examples/pool_hello"
    workers=$(wc -l <"$out")
    is "${texts[1]}" "$(sed 's/ on .*, no GPU$//' "$out" | paste -sd,)" \
        "$(seq -f "hello from worker %g of $workers" 0 $((workers - 1)) | paste -sd,)"
    check_output '^of 4000 points the best is 46 degrees at 44 m/s, which misses by 0.00 m$' "${texts[2]}" \
        $on "$examples/pool_study" 150
    check_output '^77031 takes 350 steps$' "${texts[3]}" $on "$examples/pool_dict" 100000
done
export DRAGON_GPUS=nvidia:4
check "pool_hello: with GPUs" on_two "$examples/pool_hello"
is "pool_hello: a worker for each, which sees it" "$(sed -E 's/.* worker ([0-9]+) .*=([0-9]+)$/\1 \2/' "$out" | paste -sd,)" \
    "0 0,1 1,2 2,3 3"
is "pool_hello: on both nodes" "$(grep -o 'node [01]' "$out" | sort | uniq -c | awk '{ print $1 }' | paste -sd' ')" "2 2"
export DRAGON_GPUS=none

# ---- pool_commands
check "pool_commands: commands alone" on_one "$examples/pool_commands"
is "pool_commands: all kinds of ends" "$(grep -E '^    (exit|signal)|longer than|it wrote: [0-9]' "$out" |
    sed 's/.*it ran longer/    longer/; s/ on .*//' | sort | paste -sd,)" \
    "    exit code 0,    exit code 0,    exit code 3,    it wrote: 5050,    longer than 1000 ms,    signal 9"
check_status 1 "pool_commands: too few cores for an MPI program" \
    env HWLOC_SYNTHETIC="core:3 pu:1" dragon-run "$examples/pool_commands" true
for mpi in openmpi mpich; do
    for on in on_one on_two; do
        text="pool_commands: with $mpi, ${where[$on]}"
        if [ ! -x "$examples/mpi_hello.$mpi" ]; then
            skip "$text" "there is no compiler of it"
            skip "$text: each run of two ranks" "there is no compiler of it"
            continue
        fi
        check "$text" $on "$examples/pool_commands" "$examples/mpi_hello.$mpi"
        is "$text: each run of two ranks" "$(grep -oE '[01] of 2 on .*: run-[0-2]' "$out" | sed 's/ on .*:/:/' | sort | paste -sd,)" \
            "0 of 2: run-0,0 of 2: run-1,0 of 2: run-2,1 of 2: run-0,1 of 2: run-1,1 of 2: run-2"
    done
done
no_leftovers "nothing is left"
finish
