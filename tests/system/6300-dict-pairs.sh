# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-dict's words for keys, from each of two nodes: values of any size and bytes, through files, pipes and arguments.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/chan.sh"
. "$DRAGON_SRCDIR/tests/lib/dict.sh"
plan 89
start_nodes || { comment "no runtime"; exit 1; }

head -c 5000000 /dev/urandom >random
: >empty
printf x >byte
printf 'no\0zero\n\n' >odd
head -c $((64 << 20)) /dev/zero | tr '\0' z >large

check "a dictionary" dict 0 create d --bytes 600M

# On which node a key is follows from its hash, so of several each node has some.
for from in 0 1; do
    for file in empty byte odd random; do
        check "$file from a file of node $from" dict "$from" put d "$file" <"$file"
        check "  is read on the other" dict $((1 - from)) get d "$file"
        same "  as it was" "$file" "$out"
        # shellcheck disable=SC2002
        cat "$file" | dict "$from" put d "pipe $file"
        dict "$from" get d "pipe $file" | cat >got
        same "  and through pipes" "$file" got
    done
    for key in large1 large2; do
        dict "$from" put d "$key" <large
        dict $((1 - from)) get d "$key" | cat >got
        same "64 MiB from node $from, $key" large got
        # shellcheck disable=SC2002
        cat large | dict "$from" put d "$key"
        dict "$from" get d "$key" >got
        same "  through a pipe" large got
    done
done
check "part of a file" sh -c "{ head -c 2 >/dev/null; DRAGON_RUNTIME=$node0 dragon-dict put d part; } <odd"
is "  from where it stands" "$(dict 1 get d part | tr '\0' 0)" "$(tail -c +3 odd | tr '\0' 0)"
check "a file that does not say how large it is" sh -c "DRAGON_RUNTIME=$node0 dragon-dict put d version </proc/version"
is "  as a whole" "$(dict 1 get d version)" "$(cat /proc/version)"

check "a word" dict 0 put d word "one two"
is "  is the value" "$(dict 1 get d word)" "one two"
check "an empty one" dict 0 put d word ''
is "  too" "$(dict 1 get d word | wc -c)" 0
check "an empty key" dict 1 put d '' nothing
is "  is one" "$(dict 0 get d '')" nothing
check "what begins with a -" dict 1 put --wait d -- -k -v
is "  behind --" "$(dict 0 get d -- -k)" -v
check "any bytes as a key" dict 0 put -e d 'a\x00\n\\b\xff' '\x01\t'
dict 1 get d --escapes 'a\x00\n\\b\xff' | od -An -tx1 >got
is "  and as a value" "$(cat got)" " 01 09"
check_failure 'no escape' "what is no escape" dict 0 put -e d 'a\q' x
check_failure 'no escape' "nor that" dict 0 put -e d 'a\x0' x

check "only if it is not there" dict 0 put d new first --absent
check_status 1 "  it is" dict 1 put d new second --absent
like "  which is said" 'error: there is a "new" in "d" already' "$(cat "$err")"
is "  and nothing has changed" "$(dict 0 get d new)" first
check_status 1 "nor from the input" dict 1 put d new --absent <odd

check "some more" dict 0 append d log one
dict 1 append d log <<<" two"
is "  behind" "$(dict 0 get d log)" "one two"
check "swapping" dict 0 swap d new first second
check_status 1 "  only what is there" dict 1 swap d new first third
like "  which is said" '"new" in "d" has another value' "$(cat "$err")"
is "  has swapped" "$(dict 0 get d new)" second
check_status 1 "swapping what is not there" dict 0 swap d no x y

is "counting" "$(dict 0 add d n; dict 1 add d n; dict 0 add d n 40; dict 1 add d n -- -2; dict 0 add d n 0)" \
    "$(printf '0\n1\n2\n42\n40')"
check_failure 'is no number' "what is none" dict 0 add d new
check_failure 'no whole number' "by what is none" dict 0 add d n one
for i in $(seq 20); do dict $((i % 2)) add d all >>numbers & done
wait $(jobs -p | grep -vx "$runtime")
is "twenty at once" "$(sort -n numbers | tr '\n' ' ')" "$(seq 0 19 | tr '\n' ' ')"

check "all are there" dict 0 exists d new n log
check_status 1 "one is not" dict 1 contains d new no log
is "  which the code says alone" "$(cat "$out" "$err")" ""
check "taking one" dict 1 pop d new
is "  has it" "$(cat "$out")" second
check_status 1 "  and it is gone" dict 0 pop d new
check "erasing two" dict 0 erase d n log
check_status 1 "  which are gone, and others are not" dict 1 erase d n byte log
is "  each is told" "$(grep -c 'there is no "' "$err")" 2
check_status 1 "  but the third is erased" dict 0 exists d byte

# Waiting.
dict 0 get d late --wait >got &
waiting=$!
dict 1 pop d late --wait --timeout 50s >popped &
popping=$!
dict 1 exists d later --wait &
exists=$!
check "what is waited for" dict 1 put d later x
ends_with 0 "  ends the wait" "$exists"
dict 0 put d late again
ends_with 0 "  and is taken" "$popping"
dict 0 put d late again
ends_with 0 "  or read" "$waiting"
is "  both as they are" "$(cat got popped)" againagain

end_nodes
no_leftovers "nothing is left"
finish
