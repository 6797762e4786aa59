# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-chan send and recv: messages, as lines, ended by zero bytes, raw, and one by one.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/chan.sh"
plan 34
start_nodes || { comment "no runtime"; exit 1; }

seq 1 2000 >lines
check "a channel on node 1" on 0 dragon-chan create jobs --node 1 --capacity 16
for way in "0 0" "0 1" "1 0" "1 1"; do
    read -r from to <<<"$way"
    on "$from" dragon-chan send jobs --lines <lines &
    sender=$!
    check "2000 lines from node $from to node $to" on "$to" dragon-chan recv jobs -n 2000
    same "  in their order" lines "$out"
    ends_with 0 "  and the sender ends" "$sender"
done

check "an empty message" on 0 dragon-chan send jobs --message ''
check "one with a tag" on 1 dragon-chan send jobs --message 'two words' --tag 7
check "both are received" on 0 dragon-chan recv jobs -n 2
is "  as they are" "$(cat "$out")" "$(printf '\ntwo words')"

printf 'one\ntwo\0three\0\0end' >zeros
check "messages with lines in them" on 0 dragon-chan send jobs --null <zeros
check "  are ended by zero bytes" on 1 dragon-chan recv jobs --null -n 4
printf 'one\ntwo\0three\0\0end\0' >wanted
same "  all of them" wanted "$out"

head -c 3000000 /dev/urandom >random
check "the input as one message" on 0 dragon-chan send jobs --raw random
check "  comes as it is" on 1 dragon-chan recv jobs --raw -n 1
same "  all of it" random "$out"
head -c 3000000 random | tr -d '\n' >longline
check "a line of 3 MB" on 1 dragon-chan send jobs --lines longline
check "  is one message" on 0 dragon-chan recv jobs -n 1
is "  and a line" "$(head -c -1 "$out" | cmp - longline 2>&1)" ""

# Full: the sender waits, and goes on when there is room.
on 0 dragon-chan send jobs --lines <lines &
sender=$!
check "a full channel makes its sender wait" wait_until 30 stat_is jobs waiting 16
check_status 124 "  which has an end" on 1 dragon-chan send jobs --message more --timeout 200ms
like "  and says so" '^dragon-chan: .*"jobs" is full' "$(cat "$err")"
check "and to go on" on 1 dragon-chan recv jobs -n 2000
same "nothing is lost by it" lines "$out"
wait "$sender"
check_status 124 "nothing to receive" on 0 dragon-chan recv jobs -n 1 --timeout 100ms
like "  is told of" '^dragon-chan: .*nobody has sent a message to "jobs"' "$(cat "$err")"

end_nodes
no_leftovers "nothing is left"
finish
