# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-chan when something ends too early: a sender or receiver that dies, a consumer that leaves, input or output that
# fails, a channel that is closed or destroyed; and streams where messages are expected.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/chan.sh"
plan 61
start_nodes || { comment "no runtime"; exit 1; }
check "a channel" on 0 dragon-chan create ends

# endless NODE: a stream without an end; $sender is dragon-chan itself. Bash starts it with INT ignored.
endless()
{
    rm -f got # of the one before
    DRAGON_RUNTIME=$1 env --default-signal=INT dragon-chan send ends </dev/zero 2>sender.err &
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

endless "$node0"
run on 0 sh -c 'trap "" PIPE; dragon-chan recv ends | head -c 10 >head.got'
ends_with 1 "without SIGPIPE a consumer that leaves is an error" "$sender"

endless "$node0"
check_status 125 "a full disk" on 1 sh -c 'dragon-chan recv ends >/dev/full'
like "  is told of" '^dragon-chan: .*cannot write to standard output: No space left' "$(cat "$err")"
ends_with 1 "  and ends the sender" "$sender"

# What is closed is opened as /dev/null, which must not swallow anything.
endless "$node0"
check_status 125 "closed output" on 1 sh -c 'dragon-chan recv ends >&-'
like "  is told of" '^dragon-chan: .*cannot write to standard output: Bad file' "$(cat "$err")"
check "  before anything is taken" on 1 sh -c 'dragon-chan recv ends | head -c 5 >head.got; [ -s head.got ]'
ends_with 1 "  so the stream is whole" "$sender"
check_failure 'cannot read -: Bad file' "closed input is no empty stream" on 0 sh -c 'dragon-chan send ends <&-'

head -c 5000000 /dev/zero >file
on 1 dragon-chan recv ends >got 2>receiver.err &
receiver=$!
check_failure 'cannot read /proc/self/mem: ' "an input that fails" on 0 dragon-chan send ends file /proc/self/mem
ends_with 1 "  is no whole stream for the receiver" "$receiver"
check_failure 'cannot read no-such-file: No such file' "a file that is not there troubles nobody" \
    on 0 dragon-chan send ends file no-such-file
check_failure 'cannot read /: Is a directory' "nor does a directory" on 0 dragon-chan send ends file /

check_status 124 "nobody receives" on 0 dragon-chan send ends --timeout 100ms </dev/null
like "  is told of" '^dragon-chan: .*nobody has received from "ends" in time; dragon-chan recv ends does' "$(cat "$err")"

# Streams where messages are, and the other way round.
check "a channel of messages" on 0 dragon-chan send mixed --create --message hello
check_failure 'is a message, and no stream.*--lines' "is none of streams" on 1 dragon-chan recv mixed
on 0 dragon-chan send mixed </dev/null 2>sender.err &
sender=$!
check_failure 'is a stream, and no message' "nor the other way round" on 1 dragon-chan recv mixed -n 1
ends_with 1 "  and the sender is told" "$sender"

# Closed and destroyed.
on 0 dragon-chan recv mixed >got 2>receiver.err &
receiver=$!
check "a channel is destroyed while somebody waits" wait_until 30 stat_is mixed waiting_receivers 1
check "  by another" on 1 dragon-chan destroy mixed
ends_with 1 "  who is told" "$receiver"
check_status 1 "there is no such channel then" on 0 dragon-chan stat mixed
like "  which is said" '^dragon-chan: .*there is no "mixed"' "$(cat "$err")"
check "closing a channel" on 0 dragon-chan close ends
check_status 1 "nothing can be sent" on 1 dragon-chan send ends --message x
like "  which is said" '^dragon-chan: .*"ends": the channel is closed' "$(cat "$err")"
check_status 1 "no stream either" on 1 dragon-chan send ends </dev/null
check "messages until it is closed are none" on 0 dragon-chan recv ends --lines
is "  indeed" "$(wc -c <"$out")" 0
check_status 1 "but one was wanted" on 0 dragon-chan recv ends -n 1
like "  which is said" '"ends" was closed, and nothing is left' "$(cat "$err")"
check_status 1 "quietly, in a loop" on 0 dragon-chan recv ends -q -n 1
is "  indeed" "$(cat "$err")" ""

dragon-chan recv lost --create --lines --runtime "$node0" 2>lost.err &
pid=$!
check "until a channel is destroyed" wait_until 30 stat_is lost waiting_receivers 1
on 1 dragon-chan destroy lost
ends_with 1 "messages are not all" "$pid"
like "  which is said" '"lost" was destroyed' "$(cat lost.err)"

end_nodes
no_leftovers "nothing is left"
finish
