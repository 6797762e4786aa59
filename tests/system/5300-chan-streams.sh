# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-chan send and recv: streams, from each node to each, of any bytes and length.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/chan.sh"
plan 34
start_nodes || { comment "no runtime"; exit 1; }

head -c 5000000 /dev/urandom >random
: >empty
printf x >byte
printf 'no\0zero\n\n' >odd
head -c $((96 << 20)) /dev/zero | tr '\0' z >large

# carry FILE FROM TO HOME: the file through a channel on HOME is what comes out
carry_file()
{
    local file=$1 from=$2 to=$3 home=$4 name=carry.$1.$2$3$4 sender
    on 0 dragon-chan create "$name" --node "$home" || return
    on "$from" dragon-chan send "$name" <"$file" &
    sender=$!
    on "$to" dragon-chan recv "$name" >got || return
    wait "$sender" || return
    on 0 dragon-chan destroy "$name" || return
    cmp "$file" got
}

for way in "0 0 0" "0 1 0" "1 0 0" "1 1 0" "0 1 1"; do
    for file in empty byte odd random; do
        # shellcheck disable=SC2086
        check "$file, from, to, by node $way" carry_file $file $way
    done
done
check "96 MiB on one node" carry_file large 0 0 0
check "96 MiB to the other" carry_file large 0 1 1

# Whoever comes first waits.
on 1 dragon-chan recv later --timeout 30s >got &
receiver=$!
check "the receiver was there before the channel" on 0 dragon-chan send --create later random
ends_with 0 "it ends with the stream" "$receiver"
same "and has all of it" random got

cat byte odd random >several
on 0 dragon-chan send later byte - random <odd &
sender=$!
check "several files, and the standard input among them" on 1 dragon-chan recv later
ends_with 0 "  are sent" "$sender"
same "  as one stream" several "$out"

# Each receiver has a stream of its own.
for i in 1 2 3 4; do
    yes "$i" 2>/dev/null | head -c 300000 >part.$i
    on $((i % 2)) dragon-chan send later part.$i &
done
for i in 1 2 3 4; do
    on $((i / 2 % 2)) dragon-chan recv later >whole.$i &
done
wait $(jobs -p | grep -vx "$runtime")
is "four streams at once are not mixed" "$(cat whole.? | sort -u | tr '\n' ' ')" "1 2 3 4 "
is "  and each is whole" "$(for i in 1 2 3 4; do wc -c <whole.$i; done | sort -u)" 300000

on 1 dragon-chan recv --follow later >followed &
follower=$!
for i in 1 2 3; do
    on 0 dragon-chan send later part.$i
done
check "closing the channel" on 0 dragon-chan close later
ends_with 0 "  ends who follows" "$follower"
cat part.1 part.2 part.3 >parts
same "  who has one stream after the other" parts followed

end_nodes
no_leftovers "nothing is left"
finish
