# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# How many ranks, and where: -n, --ppn, --map-by, -l, and what a rank is told about itself.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 26

cores=$(nproc)

# nodes_of RUNTIME-ARGS -- PG-ARGS: the node of each rank, in the order of ranks.
nodes_of()
{
    local run=()
    while [ "$1" != -- ]; do
        run+=("$1")
        shift
    done
    shift
    dragon-run "${run[@]}" dragon-pg "$@" sh -c 'echo "$DRAGON_RANK $DRAGON_NODE"' 2>err.nodes |
        sort -n | cut -d' ' -f2 | tr '\n' ' '
}

is "without -n: one rank" "$(nodes_of -- )" "0 "
is "-n 3 on one node" "$(nodes_of -- -n 3)" "0 0 0 "
is "--ppn 2 without -n: two on each node" "$(nodes_of --test-hosts 3 -- --ppn 2)" "0 0 1 1 2 2 "
is "--map-by node: turns" "$(nodes_of --test-hosts 3 -- -n 7 --map-by node)" "0 1 2 0 1 2 0 "
is "--ppn 1 -n 2: the first two" "$(nodes_of --test-hosts 3 -- -n 2 --ppn 1)" "0 1 "
is "--ppn 2 -n 5 by block" "$(nodes_of --test-hosts 3 -- -n 5 --ppn 2)" "0 0 1 1 2 "
is "--ppn 2 -n 5 by turns" "$(nodes_of --test-hosts 3 -- -n 5 --ppn 2 --map-by node)" "0 1 2 0 1 "
# Two nodes on one machine have half of its cores each, at least one.
half=$((cores / 2 > 0 ? cores / 2 : 1))
rest=$((cores - cores / 2 > 0 ? cores - cores / 2 : 1))
filled()
{
    local i
    for ((i = 0; i < half; i++)); do printf '0 '; done
    for ((i = 0; i < rest; i++)); do printf '1 '; done
}
is "as many ranks as cores: each node its cores' worth" \
    "$(nodes_of --test-hosts 2 -- -n $((half + rest)))" "$(filled)"
count=$(nodes_of --test-hosts 2 -- -n $((4 * (half + rest))) | tr ' ' '\n' | grep -c 0)
is "more ranks than cores: no node gets more than its share" "$count" "$((4 * half))"

# told ARGS: what ranks are told, sorted.
told()
{
    dragon-run --test-hosts 2 dragon-pg "$@" sh -c \
        'echo "$DRAGON_RANK/$DRAGON_SIZE $DRAGON_LOCAL_RANK/$DRAGON_LOCAL_SIZE"' | sort -n | tr '\n' ' '
}
is "ranks know their numbers, block" "$(told -n 4 --ppn 2)" "0/4 0/2 1/4 1/2 2/4 0/2 3/4 1/2 "
is "ranks know their numbers, turns" "$(told -n 3 --map-by node)" "0/3 0/2 1/3 0/1 2/3 1/2 "

labels()
{
    dragon-run dragon-pg -l -n "$1" sh -c 'echo "x $DRAGON_RANK"; echo "e $DRAGON_RANK" >&2' 2>&1
}
is "labels" "$(labels 2 | sort | tr '\n' '|')" "0: e 0|0: x 0|1: e 1|1: x 1|"
labels 11 >labels.out
is "labels are padded to one width" "$(grep -cE '^( [0-9]|1[0-9]): [ex] [0-9]+$' labels.out)" 22
is "and are those of their lines" \
    "$(sed 's/^ *\([0-9]*\): [ex] //; t; d' labels.out | sort -n | uniq -c | awk '$1 != 2' | wc -l)" 0
is "a line without an end gets one under -l" \
    "$(dragon-run dragon-pg -l -n 1 printf 'a\nb' | od -An -c | tr -d ' ')" '0:a\n0:b\n'
is "an empty line keeps its label" "$(dragon-run dragon-pg -l printf '\n\n' | tr '\n' '|')" "0: |0: |"
is "without -l the output is as it was" \
    "$(dragon-run dragon-pg printf 'a\0b\nc' | od -An -c | tr -d ' ')" 'a\0b\nc'

check_status 125 "more ranks than --ppn has room for" dragon-run dragon-pg --ppn 1 -n 2 true
like "and the message has the figures" '^dragon-pg: .*2 ranks.*1 on a node.*has 1' "$(cat "$err")"
for wrong in "-n 0" "-n x" "-n -3" "--ppn 0" "--map-by core,node" "--no-such-option"; do
    # shellcheck disable=SC2086
    check_status 125 "wrong use is 125: $wrong" dragon-run dragon-pg $wrong true
done
no_leftovers "nothing is left"
finish
