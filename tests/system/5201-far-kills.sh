# SPDX-License-Identifier: BSD-3-Clause
#
# Messages between nodes while one after the other is killed: who sent or received hears of what may be lost, nothing
# comes twice, nothing that is not told is lost, and all goes on.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/chan.sh"
. "$DRAGON_SRCDIR/tests/lib/far.sh"
plan 9
start_nodes || { comment "no runtime"; exit 1; }

# The transport of the home node.
transports_die()
{
    local text=$1 name=$2 node=$3 receiver one two
    shift 3
    new_channel "$name" "$@"
    receives "$node" "$name" 2
    receiver=$!
    sends 1 "$name" 1 4000
    one=$!
    sends 1 "$name" 2 4000
    two=$!
    kill_transports 6
    all_well "$text" "$name" $receiver $one $two
}
transports_die "its transport, a receiver at home" home 0
transports_die "its transport, a receiver on another node" away 1
transports_die "its transport, a single receiver" single 0 --single-receiver

# A sender; another one is in its place at once.
for way in "plain" "direct --single-receiver"; do
    set -- $way
    new_channel "sender-$1" ${2:+"$2"}
    receives 0 "sender-$1" 2
    receiver=$!
    sends 1 "sender-$1" 2 5000
    other=$!
    kill_again 6 sender sends 1 "sender-$1" 1 1000
    all_well "a sender: $1" "sender-$1" $receiver $sender $other
done

# A receiver, likewise: what it took is gone with it.
for way in "plain 0" "away 1" "direct 0 --single-receiver"; do
    set -- $way
    new_channel "receiver-$1" ${3:+"$3"}
    sends 1 "receiver-$1" 1 5000
    one=$!
    sends 1 "receiver-$1" 2 5000
    two=$!
    kill_again 6 receiver receives "$2" "receiver-$1" 2 late
    all_well "a receiver: $1" "receiver-$1" $receiver $one $two
done

end_nodes
no_leftovers "nothing is left"
finish
