# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-dict when a manager is killed, and when dragon-dict itself is in the middle of something.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/info.sh"
. "$DRAGON_SRCDIR/tests/lib/chan.sh"
. "$DRAGON_SRCDIR/tests/lib/dict.sh"
plan 26
start_nodes || { comment "no runtime"; exit 1; }

# The managers of our runtime, whoever else has some.
manager_pids()
{
    runtime_processes | awk '$3 ~ /^dragon-dict-man/ { print $2 }'
}

keys_of()
{
    dict 0 keys --long d 2>/dev/null | awk -v manager="$1" '$2 == manager { print $3 }'
}

# A writer that dies leaves nothing.
check "a dictionary" dict 0 create d --managers 2 --bytes 40M
check "a value" dict 0 put d whole old
mkfifo slow
sleep 1000 >slow &
feeder=$!
for node in 0 1; do
    socket=node$node
    DRAGON_RUNTIME=${!socket} dragon-dict put d whole <slow &
    writer=$!
    check "somebody who puts it on node $node" wait_until 30 grep -q 'pipe\|^0' "/proc/$writer/wchan"
    kill -KILL "$writer"
    wait "$writer" 2>/dev/null
    is "  and is killed has changed nothing" "$(dict $node get d whole)" old
done
kill "$feeder"
wait "$feeder" 2>/dev/null

for i in $(seq 20); do echo "put key$i $i"; done | prompt_of 0 d
dead_key=$(keys_of 1 | head -n 1) live_key=$(keys_of 0 | head -n 1)
check "each manager has keys" test -n "$dead_key" -a -n "$live_key"
dead_count=$(keys_of 1 | wc -l)

# A key that is not there, and would be at the manager that is to die: found by its number in what is said of it.
for i in $(seq 100); do
    dict 0 get d "wait$i" --wait -t 0 2>&1 | grep -q 'manager 1 ' && break
done
dict 0 get d "wait$i" --wait >wait.out 2>wait.err &
here=$!
dict 1 get d "wait$i" --wait >wait.out 2>wait1.err &
there=$!
check "two wait for a key" wait_until 30 sh -c \
    "DRAGON_RUNTIME=$node0 dragon-dict stat --json d | grep -c '\"waiting\": [12]' | grep -q . && DRAGON_RUNTIME=$node0 dragon-dict stat --json d | grep -q '\"waiting\": 2'"
victim=
for pid in $(manager_pids); do
    # the manager of node 1 has that node's directory
    tr '\0' '\n' <"/proc/$pid/environ" | grep -qxF "DRAGON_RUNTIME=$node1" && victim=$pid
done
check "the manager of node 1 is killed" kill -KILL "${victim:-0}"
ends_with 1 "who waits for its key ends" "$here"
like "  and is told" 'manager 1 on node 1 .*is gone' "$(cat wait.err)"
ends_with 1 "on its node, too" "$there"
like "  and is told" 'manager 1 on node 1 .*is gone' "$(cat wait1.err)"
check_status 1 "its keys are gone" dict 0 get d "$dead_key"
like "  which is said" "get \"$dead_key\" in \"d\": manager 1 on node 1 .*is gone" "$(cat "$err")"
check_status 1 "nothing can be put there" dict 1 put d "$dead_key" x
check_status 1 "nor taken" dict 1 pop d "$dead_key" --wait
check "those of the other are there" dict 1 get d "$live_key"
check_status 1 "not all keys can be listed" dict 0 keys d
is "  but those that there are" "$(wc -l <"$out")" "$((21 - dead_count))"
check_status 1 "the figures" dict 1 stat --json d
json_is "  are of the one that is left" '[m["state"] for m in it["dictionaries"][0]["managers"]]' "['up', 'gone']"
check_status 1 "as a table" dict 0 stat d
like "  the other is shown as gone" '^d +1 +1 +[^ ]+ +gone +- ' "$(cat "$out")"
check "the dictionary can be destroyed" dict 1 destroy d

end_nodes
no_leftovers "nothing is left"
finish
