# SPDX-License-Identifier: BSD-3-Clause
#
# Messages of all sizes between nodes: every one once, whole, and in the order of its sender.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/chan.sh"
. "$DRAGON_SRCDIR/tests/lib/far.sh"
plan 7
start_nodes || { comment "no runtime"; exit 1; }

# flow TEXT NAME NODE-OF-RECEIVER OPTION...: from both nodes
flow()
{
    local text=$1 name=$2 node=$3 receiver one two three
    shift 3
    new_channel "$name" "$@"
    receives "$node" "$name" 3
    receiver=$!
    sends 1 "$name" 1 1500
    one=$!
    sends 1 "$name" 2 1500
    two=$!
    sends 0 "$name" 3 1500
    three=$!
    all_well "$text" "$name" $receiver $one $two $three
}

flow "received at home" home 0
flow "received on another node" away 1
flow "with room for one message" narrow 0 --capacity 1
flow "a single receiver at home" single 0 --single-receiver
flow "a single receiver with room for two" single-narrow 0 --single-receiver --capacity 2
flow "a single receiver on another node" single-away 1 --single-receiver

end_nodes
no_leftovers "nothing is left"
finish
