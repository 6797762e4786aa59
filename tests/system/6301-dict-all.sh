# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-dict's words for dictionaries: making them, their keys and figures, freezing, clearing and ending them.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/info.sh"
. "$DRAGON_SRCDIR/tests/lib/chan.sh"
. "$DRAGON_SRCDIR/tests/lib/dict.sh"
plan 58
start_nodes || { comment "no runtime"; exit 1; }

check "a dictionary" dict 0 create -v 'a b'
like "  with the descriptor" '"a b" with 2 managers was made: dragon-dict:' "$(cat "$err")"
check_status 1 "not a second one of that name" dict 1 create 'a b'
like "  which is told" 'there is a "a b" already' "$(cat "$err")"
check "three managers" dict 1 create three --managers 3 --bytes 12M
check "two on each node" dict 1 create pairs --managers-per-node 2 --huge try --timeout 5s
check "on one node" dict 0 create one --nodes 1 -b 8M
check "on that one" dict 0 create other --host 1
check "on this host" dict 0 create byhost -H "$(hostname)" --managers 1
check_json dragon-dict-stat "all as JSON" dict 1 stat --json 'a b' three pairs one other byhost
json_is "names" '[d["name"] for d in it["dictionaries"]]' "['a b', 'three', 'pairs', 'one', 'other', 'byhost']"
json_is "nodes" '[sorted(m["node"] for m in d["managers"]) for d in it["dictionaries"]][:5]' \
    "[[0, 1], [0, 0, 1], [0, 0, 1, 1], [0], [1]]"
json_is "numbers" '[[m["manager"] for m in d["managers"]] for d in it["dictionaries"]][2:]' \
    "[[0, 1, 2, 3], [0], [0], [0]]"
json_is "hosts" 'len({m["host"] for d in it["dictionaries"] for m in d["managers"]})' 1
json_is "memory" '[0.9 * w < sum(m["total_bytes"] for m in d["managers"]) / 2**20 <= w for d, w in zip(it["dictionaries"], [128, 12, 256, 8])]' \
    "[True, True, True, True]"
json_is "nothing is in them" '{(m["keys"], m["puts"], m["waiting"], m["state"]) for d in it["dictionaries"] for m in d["managers"]}' \
    "{(0, 0, 0, 'up')}"

prompt_of 0 three >put.out < <(for i in $(seq 300); do echo "put \"key $((i % 3)) $i\" $i"; done)
is "300 keys" "$(dict 1 length three)" 300
dict 1 keys three | sort >got
for i in $(seq 300); do echo "key $((i % 3)) $i"; done | sort >wanted
same "  are listed" wanted got
dict 0 keys three 'key 2 ' | sort >got
grep '^key 2 ' wanted >wanted.2
same "  those that begin so" wanted.2 got
is "  or with nothing there is" "$(dict 0 keys three nix)" ""
is "each node has some, and both all" "$({ dict 0 keys --local three; dict 1 keys --local three; } | sort | cmp - wanted)" ""
check "neither has none" sh -c "[ -n \"\$(DRAGON_RUNTIME=$node0 dragon-dict keys --local three)\" ] && [ -n \"\$(DRAGON_RUNTIME=$node1 dragon-dict keys --local three)\" ]"
check "with sizes" dict 0 keys -l three 'key 0 300'
like "  and managers" '^ +3 +[012]  key 0 300$' "$(cat "$out")"
dict 0 put -e one 'new\nline\x00' x
is "of any bytes" "$(dict 1 keys one --null | od -An -c | tr -d ' \n')" 'new\nline\0\0'
is "  or escaped" "$(dict 1 keys one -e)" 'new\nline\x00'
check "  which is understood again" sh -c "DRAGON_RUNTIME=$node1 dragon-dict get one -e \"\$(DRAGON_RUNTIME=$node1 dragon-dict keys one -e)\""

check_json dragon-dict-stat "the figures" dict 1 stat --json three one
json_is "keys" '[sum(m["keys"] for m in d["managers"]) for d in it["dictionaries"]]' "[300, 1]"
json_is "puts" 'sum(m["puts"] for m in it["dictionaries"][0]["managers"])' 300
json_is "used" 'all(m["used_bytes"] > 0 and m["used_bytes"] + m["free_bytes"] == m["total_bytes"] for m in it["dictionaries"][0]["managers"])' True
json_is "fragmentation" 'all(0 <= m["fragmentation"] <= 1 for d in it["dictionaries"] for m in d["managers"])' True
check "a table" dict 0 stat three one
is "  with a heading and a line for each manager" "$(wc -l <"$out")" 5
like "  which says what there is" '^one +0 +0 +[^ ]+ +up +1 +[0-9.]+ [KMi]*B +' "$(cat "$out")"
check_status 1 "one that is there and one that is not" dict 0 stat one nix
like "  the first is shown" '^one +0 ' "$(cat "$out")"
like "  and the other told of" 'there is no dictionary "nix"' "$(cat "$err")"

dict 1 get one nokey --wait >/dev/null 2>&1 &
waiting=$!
check "who waits is counted" wait_until 30 sh -c "DRAGON_RUNTIME=$node0 dragon-dict stat --json one | grep '\"waiting\": 1'"
check "freezing" dict 0 freeze one
check_status 125 "nothing can be changed" dict 1 put one x y
like "  which is said" 'frozen.*' "$(cat "$err")"
like "  with what to do" 'dragon-dict unfreeze one' "$(cat "$err")"
check_output '^one .* frozen ' "  and seen" dict 1 stat one
check "what is there is read" dict 1 get -e one 'new\nline\x00'
check "until" dict 1 unfreeze one
check "it is put again" dict 0 put one nokey y
ends_with 0 "  which ends the wait" "$waiting"
check "clearing" dict 1 clear three
is "  leaves nothing" "$(dict 0 length three)" 0
is "  but what is elsewhere" "$(dict 0 length one)" 2

dict 0 get one never --wait 2>never.err &
waiting=$!
wait_until 30 sh -c "DRAGON_RUNTIME=$node0 dragon-dict stat --json one | grep '\"waiting\": 1'"
check "ending all" dict 0 destroy 'a b' three pairs one other byhost
ends_with 1 "  ends who waits" "$waiting"
like "  who is told" 'was destroyed' "$(cat never.err)"
check_status 1 "they are gone" dict 1 destroy one three
is "  which is said of each" "$(grep -c 'there is no dictionary' "$err")" 2
check "their names are free again" dict 1 create one

end_nodes
no_leftovers "nothing is left"
finish
