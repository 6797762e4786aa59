# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# What a runtime is told: when its allocation ends, which GPUs its hosts have; and machines made up by hwloc.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 30
unset SLURM_JOB_END_TIME DRAGON_WALLTIME DRAGON_GPUS HWLOC_SYNTHETIC HWLOC_XMLFILE
unset CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES ZE_AFFINITY_MASK ZE_FLAT_DEVICE_HIERARCHY

# What `dragon-info` says of the time left, in a runtime started with these words.
time_left()
{
    dragon-run "$@" dragon-info 2>&1 | sed -n 's/^time left *//p'
}

# "vendor visible" of each GPU on each node, as one line.
all_gpus()
{
    dragon-run "$@" dragon-info gpus --json | tr -d ' \n' |
        grep -o '"node":[0-9]*,"gpu":[0-9]*,\|"visible":"[^"]*"' | tr -d '"' |
        sed 's/node:\([0-9]*\),gpu:\([0-9]*\),/ \1.\2/; s/visible:/=/' | tr -d '\n' | cut -c2-
}

is "nobody said when the allocation ends" "$(time_left)" ""
like "--walltime" '^59m 5[0-9]s' "$(time_left --walltime 1h)"
like "DRAGON_WALLTIME" '^1h 59m' "$(DRAGON_WALLTIME=2h time_left)"
like "the option counts" '^59m' "$(DRAGON_WALLTIME=2h time_left --walltime 60m)"
like "the end of a Slurm job" '^9m 5[0-9]s' "$(SLURM_JOB_END_TIME=$(($(date +%s) + 600)) time_left)"
like "--walltime counts before it" '^4m' \
    "$(SLURM_JOB_END_TIME=$(($(date +%s) + 600)) time_left --walltime 5m)"
is "an end that is over is none" "$(SLURM_JOB_END_TIME=1000000 time_left)" ""
is "nor is one that is no number" "$(SLURM_JOB_END_TIME=soon time_left)" ""
# shellcheck disable=SC2016
run dragon-run --test-hosts 3 --walltime 1h dragon-pg -n 3 --ppn 1 \
    sh -c 'dragon-info | sed -n "s/^time left *\(..\).*/$DRAGON_NODE \1/p"'
is "every node knows it" "$(sort "$out" | tr '\n' ,)" "0 59,1 59,2 59,"
for value in 0 -1 soon 100ms 99999d; do
    check_failure '^dragon-run: error: --walltime: ' "--walltime $value" \
        dragon-run --walltime "$value" true
done

is "declared GPUs" "$(all_gpus --gpus 'nvidia:2;intel:1.2')" "0.0=0 0.1=1 0.2=0"
is "divided among the nodes of a host" "$(all_gpus --test-hosts 3 --gpus amd:4)" \
    "0.0=0 1.0=1 2.0=2 2.1=3"
is "DRAGON_GPUS" "$(DRAGON_GPUS=amd:1 all_gpus)" "0.0=0"
is "the option counts, GPUs too" "$(DRAGON_GPUS=amd:1 all_gpus --gpus none)" ""
is "a mask in force" "$(CUDA_VISIBLE_DEVICES=3,1 all_gpus --gpus nvidia:4)" "0.0=3 0.1=1"
is "an empty one" "$(CUDA_VISIBLE_DEVICES='' all_gpus --gpus nvidia:4)" ""
# shellcheck disable=SC2016
is "a runtime in a rank has the GPUs of that rank" "$(dragon-run --gpus nvidia:4 dragon-pg -n 1 --gpu-list 1,2 \
    dragon-run dragon-pg -n 2 -g 1 sh -c 'echo $CUDA_VISIBLE_DEVICES' | sort | tr '\n' ' ')" "1 2 "
is "and does not count the allocation from its own start" \
    "$(DRAGON_WALLTIME=1h dragon-run dragon-run dragon-info | grep -c '^time left')" 0
for value in nvidea:4 nvidia nvidia:0 nvidia:2@0 amd:1.2; do
    check_failure '^dragon-run: error: --gpus: ' "--gpus $value" dragon-run --gpus "$value" true
done
check_failure 'no NUMA node 64999' "a NUMA node that the host does not have" \
    dragon-run --gpus nvidia:1@64999 true

export HWLOC_SYNTHETIC='pack:2 numa:2 l3:2 core:4 pu:2'
run dragon-run dragon-info nodes --json
is "a machine made up by hwloc" "$(tr -d ' \n' <"$out" |
    grep -o '"cores":32,"free_cores":32,"threads":64,"sockets":2,"numa":4,"l3":8')" \
    '"cores":32,"free_cores":32,"threads":64,"sockets":2,"numa":4,"l3":8'
unset HWLOC_SYNTHETIC
no_leftovers "nothing is left"
finish
