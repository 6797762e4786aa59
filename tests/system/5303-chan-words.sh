# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-chan: making, looking at, closing and destroying channels; wrong calls; and which runtime is meant.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/info.sh"
. "$DRAGON_SRCDIR/tests/lib/chan.sh"
plan 71

# Wrong calls need no runtime.
check_failure 'say what is to be done' "no word" dragon-chan
check_failure '"sned".*did you mean send' "a word that it does not know" dragon-chan sned x
check_failure 'send what' "no name" dragon-chan send
check_failure 'too many words: "b"' "two names" dragon-chan recv a b
check_failure 'recv takes no --tag' "an option of another word" dragon-chan recv a --tag 3
check_failure 'stat takes no --lines' "another one" dragon-chan stat --lines a
check_failure 'give --create too' "how to make it, without making it" dragon-chan send a --capacity 3
check_failure 'exclude each other' "two forms" dragon-chan send a --lines --null
check_failure 'exclude each other' "two places" dragon-chan create a --node 1 --host x
check_failure '--message is all' "a message and files" dragon-chan send a --message x file
check_failure '--message is all' "a message and lines" dragon-chan send a -m x --lines
check_failure '--tag is of messages' "a tag of a stream" dragon-chan send a --tag 3
check_failure '--follow is of streams' "following messages" dragon-chan recv a --follow -n 1
check_failure 'whole number from 1 to' "a count of nothing" dragon-chan recv a -n 0
check_failure 'whole number from 1 to 1048576' "a capacity of nothing" dragon-chan create a --capacity 0
check_failure 'at most 4064' "a large inline size" dragon-chan create a --inline 1M
check_failure 'give a time' "a time that is none" dragon-chan recv a --timeout soon
check_failure 'no option --no-such' "no such option" dragon-chan create --no-such a
check_output '^usage: dragon-chan' "--help" dragon-chan --help

if no_other_runtime >/dev/null; then
    run run_alone dragon-chan stat a
    is "without a runtime the code is 125" "$status" 125
    like "  and it is said" '^dragon-chan: .*no runtime of this user runs on this host' "$(cat "$err")"
else
    skip "without a runtime the code is 125" "there are runtimes in /tmp"
    skip "  and it is said" "there are runtimes in /tmp"
fi

start_nodes || { comment "no runtime"; exit 1; }
check_status 1 "a channel that is not there" on 0 dragon-chan stat a
like "  is told of" '^dragon-chan: .*there is no "a"' "$(cat "$err")"
check_status 1 "it cannot be closed" on 0 dragon-chan close a
check_status 1 "nor destroyed" on 1 dragon-chan destroy a
check_status 124 "nor sent to" on 1 dragon-chan send a -m x --timeout 100ms
like "  which says how to make one" 'dragon-chan create a' "$(cat "$err")"
check_status 124 "nor received from, without waiting" on 0 dragon-chan recv a --timeout 0

check "a channel" on 0 dragon-chan create a
check_status 1 "not a second one of that name" on 1 dragon-chan create a
like "  which is told" '^dragon-chan: .*there is a "a" already' "$(cat "$err")"
check "another one, elsewhere" on 0 dragon-chan create 'b c' --node 1 --capacity 5 --inline 1k --single-receiver
check_json dragon-chan-stat "both as JSON" on 1 dragon-chan stat --json a 'b c'
json_is "names" '[c["name"] for c in it["channels"]]' "['a', 'b c']"
json_is "homes" '[c["node"] for c in it["channels"]]' "[0, 1]"
json_is "capacities" '[c["capacity"] for c in it["channels"]]' "[128, 5]"
json_is "inline sizes" '[c["inline_bytes"] >= n for c, n in zip(it["channels"], [224, 1024])]' "[True, True]"
json_is "receivers" '[c["single_receiver"] for c in it["channels"]]' "[False, True]"
json_is "nothing was sent" '[(c["sent"], c["waiting"], c["closed"]) for c in it["channels"]]' "[(0, 0, False), (0, 0, False)]"
on 1 dragon-chan send 'b c' --lines <<<"$(seq 3)"
check "one of them is received" on 0 dragon-chan recv 'b c' -n 1
is "  the first" "$(cat "$out")" 1
check_json dragon-chan-stat "then" on 0 dragon-chan stat --json 'b c'
json_is "it has two of three" '[(c["sent"], c["received"], c["waiting"]) for c in it["channels"]]' "[(3, 1, 2)]"
check "a table" on 0 dragon-chan stat a 'b c'
is "  with a heading and a line for each" "$(wc -l <"$out")" 3
like "  which says what is in it" '^b c +1 +open, single +2/5 +3 +1 +0 ' "$(cat "$out")"
check_status 1 "one that is there and one that is not" on 0 dragon-chan stat --json a z
json_is "the first is shown" '[c["name"] for c in it["channels"]]' "['a']"
check_status 1 "as a table" on 0 dragon-chan stat a z
like "  the first is shown, too" '^a +0 +open ' "$(cat "$out")"
check_status 125 "over a network that cannot be used" on 1 env UCX_TLS=nonsense dragon-chan send a -m x
like "  what is the matter is told" 'cannot be sent to "a": .*UCX' "$(cat "$err")"
check_status 125 "of a folder" sh -c "DRAGON_RUNTIME=$node0 dragon-chan send a </"
like "  which is told at once" 'cannot read standard input: Is a directory' "$(cat "$err")"
check_status 125 "nor a stream" on 1 env UCX_TLS=nonsense dragon-chan send a </dev/null
like "  which is told" 'node 0: .*UCX' "$(cat "$err")"
check_status 125 "a full disk is an error" sh -c "DRAGON_RUNTIME=$node0 dragon-chan stat a >/dev/full"

host=$(hostname)
check "what is done is said" on 0 dragon-chan create -v told
like "  with the descriptor" '"told" was made: dragon-channel:' "$(cat "$err")"
check "by the name of the host" on 1 dragon-chan create byhost --host "$host"
check_failure 'no-such-host' "a host that is not there" on 1 dragon-chan create nohost --host no-such-host
check_failure '7' "a node that is not there" on 1 dragon-chan create nonode --node 7
check "closing two" on 1 dragon-chan close a 'b c'
check_json dragon-chan-stat "  which is seen" on 0 dragon-chan stat --json a 'b c'
json_is "  of both" '[c["closed"] for c in it["channels"]]' "[True, True]"
check "destroying them" on 0 dragon-chan destroy a 'b c' byhost
check "their names are free again" on 1 dragon-chan create a

# The runtime is found.
if no_other_runtime >/dev/null; then
    check "without being told of a runtime" run_alone dragon-chan stat a
else
    skip "without being told of a runtime" "there are runtimes in /tmp"
fi
check "by its directory" dragon-chan stat a --runtime "${node0%/*}"
check_failure 'no runtime at /no/such' "not there" dragon-chan stat a --runtime /no/such

end_nodes
no_leftovers "nothing is left"
finish
