# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-dict: wrong calls, what is not there, what takes too long, input and output that fail, and no room.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/info.sh"
. "$DRAGON_SRCDIR/tests/lib/chan.sh"
. "$DRAGON_SRCDIR/tests/lib/dict.sh"
plan 77

# Wrong calls need no runtime.
check_failure 'say what is to be done' "no word" dragon-dict
check_failure '"gte".*did you mean get' "a word that it does not know" dragon-dict gte x y
check_failure 'get what' "no name" dragon-dict get
check_failure 'get what.*NAME and KEY' "no key" dragon-dict get d
check_failure 'swap what' "no value" dragon-dict swap d k old
check_failure 'too many words: "b"' "two keys" dragon-dict get d a b
check_failure 'too many words: "x"' "two values" dragon-dict put d a b x
check_failure 'too many words: "x"' "a key where there is none" dragon-dict length d x
check_failure 'get takes no --absent' "an option of another word" dragon-dict get d a --absent
check_failure 'put takes no --json' "another one" dragon-dict put --json d a
check_failure 'destroy takes no --managers' "one of create" dragon-dict destroy d --managers 2
check_failure '--absent and --wait' "two ways to put" dragon-dict put d a b --absent --wait
check_failure '--null and --escapes' "two ways to print" dragon-dict keys d -0 -e
check_failure '--managers and --managers-per-node' "two numbers of managers" \
    dragon-dict create d --managers 2 --managers-per-node 3
check_failure 'whole number from 1 to 4096' "no managers" dragon-dict create d --managers 0
check_failure 'whole number from 1 to 4096' "too many" dragon-dict create d --managers 5000
check_failure 'give a size' "no memory" dragon-dict create d --bytes little
check_failure 'there are try and require' "huge what" dragon-dict create d --huge yes
check_failure 'whole number from 1' "no nodes" dragon-dict create d --nodes 0
check_failure 'makes no sense' "a dictionary without time" dragon-dict create d --timeout 0
check_failure 'give a time' "a time that is none" dragon-dict get d a --timeout soon
check_failure 'no option --no-such' "no such option" dragon-dict get --no-such d a
check_failure 'at most 65536 bytes' "a long key" dragon-dict get d "$(head -c 66000 /dev/zero | tr '\0' k)"
check_output '^usage: dragon-dict' "--help" dragon-dict --help

if no_other_runtime >/dev/null; then
    run run_alone dragon-dict get d a
    is "without a runtime the code is 125" "$status" 125
    like "  and it is said" '^dragon-dict: .*no runtime of this user runs on this host' "$(cat "$err")"
else
    skip "without a runtime the code is 125" "there are runtimes in /tmp"
    skip "  and it is said" "there are runtimes in /tmp"
fi
check_failure 'no runtime at /no/such' "not there" dragon-dict get d a --runtime /no/such

start_nodes || { comment "no runtime"; exit 1; }
for word in "get d a" "pop d a" "put d a b" "exists d a" "erase d a" "keys d" "length d" "stat d" "clear d" \
    "freeze d" "prompt d" "destroy d"; do
    # shellcheck disable=SC2086
    check_status 1 "there is no dictionary: $word" dict 0 $word
done
like "  which is said" '^dragon-dict: error: there is no dictionary "d"$' "$(cat "$err")"
check_status 124 "nor in time" dict 1 get d a --wait -t 100ms
like "  with how to make one" 'dragon-dict create d' "$(cat "$err")"
dragon-chan create c --runtime "$node0"
check_failure '"c" is no dictionary, but dragon-channel:' "a name of something else" dict 1 get c a
check_failure 'no dictionary' "that is not destroyed" dict 0 destroy c
check_status 1 "nor made" dict 0 create c
check_failure 'no-such-host' "a host that is not there" dict 1 create x --host no-such-host
check_failure '' "a NUMA node that is not there" dict 1 create x --numa 77
check_failure 'memory' "more than there is" dict 0 create x --bytes 10T
check_failure '' "less than makes sense" dict 0 create x --bytes 1000
check_status 1 "nothing is left of them" dict 0 stat x

check "a dictionary" dict 0 create d --managers 1 --bytes 8M --host 1
check_status 1 "a key that is not there" dict 0 get d 'no
key'
like "  is told of, as one line" '^dragon-dict: error: there is no "no\\nkey" in "d"$' "$(cat "$err")"
check_status 124 "a key that does not come" dict 0 get d a --wait -t 200ms
check_status 124 "not at once" dict 1 pop d a --wait -t 0

# No room.
head -c 7M /dev/zero >seven
check "most of it" dict 0 put d most <seven
check_failure 'no room' "then it is full" dict 0 put d more <seven
like "  which is said with figures" 'of [0-9]+ bytes [0-9]+ are used' "$(cat "$err")"
check_failure 'no room' "through a pipe" sh -c "cat seven | DRAGON_RUNTIME=$node1 dragon-dict put d more"
check_status 124 "nor in time" dict 0 put d more --wait -t 200ms <seven
dict 0 put d more --wait <seven &
waiting=$!
check "erasing makes room" dict 1 erase d most
ends_with 0 "  for who waited" "$waiting"
is "  all of it" "$(dict 1 get d more | cmp - seven)" ""

# Input and output.
check_failure 'cannot read standard input: Bad file' "closed input is no empty value" sh -c "DRAGON_RUNTIME=$node0 dragon-dict put d more <&-"
check_failure 'cannot read standard input: Is a dir' "nor a folder" sh -c "DRAGON_RUNTIME=$node0 dragon-dict put d more </"
check_failure 'cannot read standard input: ' "an input that fails" sh -c "DRAGON_RUNTIME=$node0 dragon-dict put d more </proc/self/mem"
check_failure 'cannot read standard input: ' "  in another way" sh -c "DRAGON_RUNTIME=$node0 dragon-dict put d more --absent </proc/self/mem"
is "has changed nothing" "$(dict 1 get d more | cmp - seven)" ""
check_failure 'cannot write to standard output: No space' "a full disk" sh -c "DRAGON_RUNTIME=$node0 dragon-dict get d more >/dev/full"
for word in "get d more" "pop d more" "keys d" "stat d"; do
    check_failure 'cannot write to standard output: Bad file' "closed output of $word" \
        sh -c "DRAGON_RUNTIME=$node0 dragon-dict $word >&-"
done
check "nothing was taken" dict 0 exists d more
# shellcheck disable=SC2016
DRAGON_RUNTIME=$node0 bash -c 'dragon-dict get d more | head -c 10 >head.got; echo "${PIPESTATUS[0]}" >head.code'
is "a consumer that has enough ends it by SIGPIPE" "$(cat head.code)" 141
DRAGON_RUNTIME=$node0 bash -c 'trap "" PIPE; { dragon-dict get d more; echo $? >head.code; } 2>head.err | head -c 10 >head.got'
is "without SIGPIPE it is an error" "$(cat head.code) $(grep -c 'Broken pipe' head.err)" "1 1"

end_nodes
no_leftovers "nothing is left"
finish
