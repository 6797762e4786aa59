# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-chan when something ends too early: a sender or receiver that dies, a consumer that leaves, input or output that
# fails, a channel that is closed or destroyed; and streams where messages are expected.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/chan.sh"
plan 46
start_nodes || { comment "no runtime"; exit 1; }
check "a channel" on 0 dragon-chan create ends

# endless NODE: a stream without an end; $sender is dragon-chan itself
endless()
{
    DRAGON_RUNTIME=$1 dragon-chan send ends </dev/zero 2>sender.err &
    sender=$!
}

has_bytes()
{
    [ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -ge "$2" ]
}

for node in "$node0" "$node1"; do
    where=${node/"$node0"/here} where=${where/"$node1"/elsewhere}
    endless "$node"
    on 0 dragon-chan recv ends >got 2>receiver.err &
    receiver=$!
    check "a stream is received from $where" wait_until 30 has_bytes got 3000000
    kill -KILL "$sender"
    ends_with 1 "  its receiver ends when the sender is killed" "$receiver"
    like "  and says so" '^dragon-chan: .*the sender of the stream on "ends" is gone before its end' "$(cat receiver.err)"
    wait "$sender" 2>/dev/null

    endless "$node"
    DRAGON_RUNTIME=$node0 dragon-chan recv ends >got &
    receiver=$!
    check "another one" wait_until 30 has_bytes got 3000000
    kill -KILL "$receiver"
    ends_with 1 "  its sender ends when the receiver is killed" "$sender"
    like "  and says so" '^dragon-chan: .*the receiver of the stream on "ends" has left' "$(cat sender.err)"
    wait "$receiver" 2>/dev/null

    endless "$node"
    # shellcheck disable=SC2016
    on 0 bash -c 'dragon-chan recv ends | head -c 100000 >head.got; echo "${PIPESTATUS[0]}" >head.code'
    is "a consumer that has enough ends recv by SIGPIPE" "$(cat head.code)" 141
    is "  having had what it wanted" "$(wc -c <head.got)" 100000
    ends_with 1 "  and the sender ends" "$sender"

    endless "$node"
    DRAGON_RUNTIME=$node0 dragon-chan recv ends >got 2>receiver.err &
    receiver=$!
    wait_until 30 has_bytes got 1
    kill -INT "$sender"
    ends_with 130 "Ctrl-C ends a sender" "$sender"
    ends_with 1 "  and its receiver does not take it for the end" "$receiver"
done

# Signals that the test was started with ignored stay so: bash ignores INT in the background.
endless "$node0"
run on 0 sh -c 'trap "" PIPE; dragon-chan recv ends | head -c 10 >head.got'
ends_with 1 "without SIGPIPE a consumer that leaves is an error" "$sender"

endless "$node0"
check_status 125 "a full disk" on 1 sh -c 'dragon-chan recv ends >/dev/full'
like "  is told of" '^dragon-chan: .*cannot write to standard output: No space left' "$(cat "$err")"
ends_with 1 "  and ends the sender" "$sender"

on 1 dragon-chan recv ends >got 2>receiver.err &
receiver=$!
check_failure 'cannot read no-such-file' "a file that is not there" on 0 dragon-chan send ends /dev/null no-such-file
ends_with 1 "  is no whole stream for the receiver" "$receiver"
check_failure 'cannot read /: ' "a directory, before anybody is troubled" on 0 dragon-chan send ends no-such-file/ /

check_status 124 "nobody receives" on 0 dragon-chan send ends --timeout 100ms </dev/null
like "  is told of" '^dragon-chan: .*nobody has received from "ends" in time; dragon-chan recv ends does' "$(cat "$err")"

end_nodes
no_leftovers "nothing is left"
finish
