# SPDX-License-Identifier: BSD-3-Clause
#
# Messages between nodes while one after the other is killed: who sent or received hears of what may be lost, nothing
# comes twice, nothing that is not told is lost, and all goes on. Channels of different ways are used side by side.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/chan.sh"
. "$DRAGON_SRCDIR/tests/lib/far.sh"
plan 9
start_nodes || { comment "no runtime"; exit 1; }
declare -A receiver sender other

# The transport of the home node: receivers at home, on another node, and a single one.
for way in "home 0" "away 1" "single 0 --single-receiver"; do
    set -- $way
    new_channel "$1" ${3:+"$3"}
    receives "$2" "$1" 2
    receiver[$1]=$!
    sends 1 "$1" 1 4000
    sender[$1]=$!
    sends 1 "$1" 2 4000
    other[$1]=$!
done
kill_transports 8
for name in home away single; do
    all_well "its transport: $name" "$name" ${receiver[$name]} ${sender[$name]} ${other[$name]}
done

# A sender; another one is in its place at once.
for way in "plain" "direct --single-receiver"; do
    set -- $way
    new_channel "sender-$1" ${2:+"$2"}
    receives 0 "sender-$1" 2
    receiver[$1]=$!
    sends 1 "sender-$1" 2 5000
    other[$1]=$!
done
begin_sender()
{
    sends 1 "sender-$1" 1 2000
}
kill_again 6 sender begin_sender plain direct
for name in plain direct; do
    all_well "a sender: $name" "sender-$name" ${receiver[$name]} ${sender[$name]} ${other[$name]}
done

# A receiver, likewise: what it took is gone with it.
for way in "plain" "away" "direct --single-receiver"; do
    set -- $way
    new_channel "receiver-$1" ${2:+"$2"}
    sends 1 "receiver-$1" 1 6000
    sender[$1]=$!
    sends 1 "receiver-$1" 2 6000
    other[$1]=$!
done
begin_receiver()
{
    local node=0
    [ "$1" != away ] || node=1
    receives $node "receiver-$1" 2 late
}
kill_again 6 receiver begin_receiver plain away direct
for name in plain away direct; do
    all_well "a receiver: $name" "receiver-$name" ${receiver[$name]} ${sender[$name]} ${other[$name]}
done

end_nodes
no_leftovers "nothing is left"
finish
