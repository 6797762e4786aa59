# SPDX-License-Identifier: BSD-3-Clause
#
# Each example as its first lines say it is compiled and run, with GPUs that are declared and without.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 43
unset CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES ZE_AFFINITY_MASK
examples=$DRAGON_BUILDDIR/examples
# Eight cores on every machine; nothing can be bound to them.
eight="numa:2 core:4 pu:1"
gpus='' made_up=''
on_two()
{
    env HWLOC_SYNTHETIC="$made_up" DRAGON_GPUS="$gpus" dragon-run --test-hosts 2 "$@"
}

# The rows of the tables that the programs print begin with a number.
table()
{
    grep -E '^ *[0-9]+  ' "$out"
}
told()
{
    grep -E '^rank [0-9]+ on ' "$out" | sort -n -k 2
}
# What the table says of cores, and what the processes say.
same_cores()
{
    diff <(table | awk '{ print $1, $3 }') \
        <(told | sed -E 's/rank ([0-9]+) on [^ ]+ cores ([^ ]*), .*/\1 \2/')
}

compiled_by()
{
    local file
    for file in group mpi_policies pipeline policies watched work_queue; do
        $1 -I"$DRAGON_SRCDIR/include" -Wall -Wextra -pedantic -Werror -fsyntax-only \
            "$DRAGON_SRCDIR/examples/$file.c" || return
    done
}
check "they are compiled without a warning" compiled_by "$CC"
if command -v clang >/dev/null; then
    check "by clang too" compiled_by clang
else
    skip "by clang too" "there is no clang"
fi

# ---- policies
check_status 1 "policies: outside a runtime it fails" "$examples/policies"
like "policies: and says why" '^policies: .*DRAGON_RUNTIME|^policies: .*runtime' "$(cat "$err")"
made_up=$eight gpus=none
check "policies: two nodes without GPUs" on_two "$examples/policies"
is "policies: half of a node's cores each" "$(table | awk '{ print $1, $3, $4, $5 }' | paste -sd,)" \
    "0 0-1 - core,1 2-3 - core,2 0-1 - core,3 2-3 - core"
is "policies: on both nodes" "$(table | awk '{ print $2 }' | uniq -c | awk '{ print $1 }' | paste -sd' ')" "2 2"
is "policies: each process sees them" "$(same_cores)" ""
is "policies: and no mask of GPUs" "$(told | grep -cE 'DEVICES|AFFINITY')" 0
gpus=nvidia:4
check "policies: two nodes with two GPUs each" on_two "$examples/policies"
is "policies: each its GPU of its node" "$(table | awk '{ print $1, $4 }' | paste -sd,)" "0 0,1 1,2 0,3 1"
is "policies: and a share of the cores" "$(table | awk '{ print $2, $3 }' | sort -u | wc -l)" 4
is "policies: which each process sees" "$(same_cores)" ""
is "policies: and nobody sees another one's GPU" \
    "$(told | grep -o 'CUDA_VISIBLE_DEVICES=.*' | sort | paste -sd' ' | sed 's/CUDA_VISIBLE_DEVICES=//g')" "0 1 2 3"
made_up="core:2 pu:1"
check "policies: more GPUs than cores" on_two "$examples/policies"
is "policies: the cores are shared, and the table says so" "$(table | grep -c ', shared$')" 4
check "policies: on the cores that are there" env DRAGON_GPUS=none dragon-run "$examples/policies"
is "policies: each process may use its part of them" \
    "$(told | sed 's/.*may use \([0-9]*\) .*/\1/' | awk '{ all += $1 } END { print all }')" "$(nproc)"
made_up=''

# ---- mpi_policies
mpi=$examples/mpi_hello.openmpi
check_status 2 "mpi_policies: says how it is called" dragon-run "$examples/mpi_policies"
check_status 1 "mpi_policies: a program that is not there" dragon-run "$examples/mpi_policies" ./nowhere
if [ -x "$mpi" ]; then
    ranks()
    {
        grep -E '^[0-9]+ of ' "$out" | sed -E 's/ on [^ ]+:/:/; s/, cores .*, GPU /, /; s/, -1$/, /'
    }
    gpus=nvidia:4
    check "mpi_policies: one MPI program of two templates" on_two "$examples/mpi_policies" "$mpi"
    is "mpi_policies: the writer sees no GPU, each worker one" "$(ranks | paste -sd'|')" \
        "0 of 5: writer, |1 of 5: worker, 0|2 of 5: worker, 1|3 of 5: worker, 2|4 of 5: worker, 3"
    gpus=none
    check "mpi_policies: without GPUs" on_two "$examples/mpi_policies" "$mpi"
    is "mpi_policies: a worker on each node" \
        "$(table | awk '{ print $2, $3 }' | sort | uniq -c | awk '{ print $1, $2 }' | paste -sd,)" "1 0,1 1,1 1"
    check_status 7 "mpi_policies: the exit code is the MPI program's" on_two "$examples/mpi_policies" "$mpi" 7
else
    for text in "one MPI program of two templates" "the writer sees no GPU, each worker one" "without GPUs" \
        "a worker on each node" "the exit code is the MPI program's"; do
        skip "mpi_policies: $text" "there is no compiler of Open MPI"
    done
fi
# With MPICH on one node: see 2001-pmi-mpich.sh.
if [ -x "${mpi%.openmpi}.mpich" ]; then
    check_output '^1 of 2 on .*: worker' "mpi_policies: with MPICH" \
        dragon-run "$examples/mpi_policies" "${mpi%.openmpi}.mpich"
else
    skip "mpi_policies: with MPICH" "there is no compiler of MPICH"
fi

# ---- watched
check "watched: two nodes" on_two "$examples/watched"
is "watched: every answer came, in order" "$(grep ' says: ' "$out" | sort -s -n -k 2,2 | paste -sd,)" \
    "$(for rank in 0 1 2 3; do
        echo "rank $rank says: ready"
        case $rank in
            0) numbers=1 ;;
            1) numbers='' && echo "rank $rank says: ready" ;;
            *) numbers="${rank}1 ${rank}2 ${rank}3" ;;
        esac
        for number in $numbers; do
            echo "rank $rank says: $number squared is $((number * number))"
        done
    done | paste -sd,)"
is "watched: the failure, the removal and the end are seen" \
    "$(grep -E '^rank . ended|^the group' "$out" | sort | paste -sd,)" \
    "rank 0 ended with 143,rank 1 ended with 0,rank 1 ended with 3, it is started again,rank 2 ended with 0,\
rank 3 ended with 0,the group ended with 0"
# shellcheck disable=SC2016
check_status 143 "watched: it can be stopped" sh -c 'echo stop | dragon-run "$0"' "$examples/watched"

# ---- pipeline
check_status 2 "pipeline: says how it is called" "$examples/pipeline"
check_output '^the squares of 1 to 30000 add up to 9000450005000$' "pipeline: one node" \
    dragon-run "$examples/pipeline" 30000
check_output '^the squares of 1 to 3000 add up to 9004500500$' "pipeline: three nodes" \
    dragon-run --test-hosts 3 "$examples/pipeline" 3000
check_output '^the squares of 1 to 1 add up to 1$' "pipeline: one number" \
    dragon-run --test-hosts 2 "$examples/pipeline" 1

# ---- work_queue
check_status 2 "work_queue: says how it is called" "$examples/work_queue"
check_output '^there are 9592 primes below 100000$' "work_queue: one node" dragon-run "$examples/work_queue" 100000
is "work_queue: every task was done once" "$(awk '/^worker/ { all += $4 } END { print all }' "$out")" 64
check_output '^there are 9592 primes below 100000$' "work_queue: two nodes" \
    dragon-run --test-hosts 2 "$examples/work_queue" 100000

# ---- mpi_channel
for mpi in openmpi mpich; do
    steps="step 0: 1,step 1: 5,step 2: 7"
    if [ -x "$examples/mpi_channel.dragon-$mpi" ]; then
        check "mpi_channel: with $mpi" dragon-run "$examples/mpi_channel.dragon-$mpi" 2 3
        is "mpi_channel: with $mpi, what was seen" "$(paste -sd, "$out")" "$steps"
    else
        skip "mpi_channel: with $mpi" "there is no compiler of it"
        skip "mpi_channel: with $mpi, what was seen" "there is no compiler of it"
    fi
done
no_leftovers "nothing is left"
finish
