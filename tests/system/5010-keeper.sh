# SPDX-License-Identifier: BSD-3-Clause
#
# What a node and a runtime may have of shared memory, and a dragon-transport that is killed.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/chan.sh"
plan 15

# start_nodes with limits: 32 MiB a node, 48 MiB together.
dragon-run()
{
    command dragon-run --memory 32M --memory-total 48M "$@"
}
start_nodes || { comment "no runtime"; exit 1; }

run on 0 dragon-chan create big --capacity 10000 --inline 4000
is "a channel larger than the node may have is refused" "$status" 125
like "  with the figures" '3.\.. MiB more of shared memory: .* of its 32\.0 MiB are in use.*--memory' "$(cat "$err")"
check "a smaller one is not" on 0 dragon-chan create small --capacity 7000 --inline 4000
run on 1 dragon-chan create second --capacity 7000 --inline 4000
is "nor does another fit into what all may have" "$status" 125
like "  which is said with the figures" 'of its 48\.0 MiB are in use.*--memory-total' "$(cat "$err")"
check "the first one ends" on 0 dragon-chan destroy small
fits()
{
    on 1 dragon-chan create second --capacity 7000 --inline 4000 2>/dev/null
}
check "what it had is given back, to the other node" wait_until 30 fits

check "a channel on the other node" on 0 dragon-chan create far --node 1
check "  is sent to" on 0 dragon-chan send far -m one
transport=$(pgrep -f "^dragon-transport $node1\$")
check "  by way of a process of its own" test -n "$transport"
kill -KILL "$transport"
check "  which may die" wait_until 30 is_over "$transport"
check "  and another takes its place" on 0 dragon-chan send far -m two
is "nothing is lost" "$(on 1 dragon-chan recv far -n 2 | tr '\n' ' ')" "one two "
end_nodes
is "the runtime ends" "$?" 0
no_leftovers "nothing is left"
finish
