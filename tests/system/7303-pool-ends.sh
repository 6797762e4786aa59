# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-pool: when it stops, tries again, is interrupted, or is called wrongly.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 35

wrong()
{
    local regex=$1
    shift
    check_failure "$regex" "wrong: $*" dragon-pool "$@"
}
wrong 'no option --joblo; did you mean --joblog' --joblo x echo ::: 1
wrong 'no option --shuf' --shuf echo ::: 1
wrong 'give never, or soon or now' --halt sometimes echo ::: 1
wrong 'give never, or soon or now' --halt now,fail=101% echo ::: 1
wrong 'give a number for each node' -j many echo ::: 1
wrong 'give a time' --timeout long echo ::: 1
wrong 'nothing can be done in that time' --timeout 0 echo ::: 1
wrong 'cannot read /no/such: No such file' -a /no/such echo
wrong 'cannot read /: Is a directory' echo :::: /
wrong 'which file' echo ::::
wrong 'there are none' echo :::+ 1
wrong 'only once' echo :::: - -
wrong 'takes arguments of one source' -n 2 echo ::: 1 ::: 2
wrong 'no regular expression' --colsep '(' echo ::: 1
wrong 'cannot open the job log /no/such/log' --joblog /no/such/log echo ::: 1
wrong 'there are auto, always, never and plain' --progress=fast echo ::: 1
wrong 'cannot write the results in /dev/null/x' --results /dev/null/x echo ::: 1
check_status 125 "a zero byte" sh -c 'printf "a\0b\n" | dragon-pool echo'
like "  is told of" 'line 1: there is a zero byte.*--null' "$(cat "$err")"

run dragon-pool -j 4 --halt now,fail=1 '[ {} = 3 ] && exit 7; sleep 60' ::: 1 2 3 4
is "now, when one fails: its code" "$status" 7
like "  and why" 'task 3 ended with code 7: stopping' "$(cat "$err")"
run sh -c 'seq 1000 | dragon-pool -j 1 --halt soon,fail=2 --joblog log "exit 3; {}"'
is "soon, when two fail" "$status $(wc -l <log)" "3 3"
run sh -c 'seq 1000 | dragon-pool -j 2 --halt now,success=1 "[ {} -ge 2 ] || sleep 60"'
is "when one is well" "$status" 0
run dragon-pool -j 1 --halt soon,fail=50% --joblog log '[ {} -gt 2 ]' ::: 1 2 3 4
is "when half of them fail" "$status $(wc -l <log)" "1 3"
run dragon-pool --retries 3 ': {}; echo >>tries; [ "$(wc -l <tries)" = 3 ]' ::: 1
is "tried three times" "$status $(wc -l <tries)" "0 3"
run dragon-pool --timeout 300ms 'sleep {}' ::: 0 60
is "one is too long" "$status" 1
begun=$(date +%s%N)
check "delays" dragon-pool --delay 200ms -j 4 true ::: 1 2 3
is "are kept" "$(($(date +%s%N) - begun >= 400000000))" 1
like "many with one error" 'the same happened to [0-9] more tasks' "$(dragon-pool /no/such ::: $(seq 10) 2>&1)"

# On a terminal: the first Ctrl-C ends what runs, the second kills what does not want to.
play()
{
    env TERM=xterm timeout -k 5 60 python3 "$DRAGON_SRCDIR/tests/lib/terminal.py" "$@"
}
check "Ctrl-C" play "until test -e began" "key C" "expect interrupted: ending 1 task" "code 130" -- \
    dragon-pool ': {}; trap "echo >told; exit" TERM; : >began; sleep 60 & wait $!; exit 1' ::: 1
check "  the task was told" wait_until 5 test -s told
check "Ctrl-C twice" play "until test -e stubborn" "key C" "expect interrupted" "key C" "code 130" -- \
    dragon-pool 'trap "" TERM; : >stubborn; sleep 61; sleep 61; : {}' ::: 1
check "nothing of it runs" wait_until 10 sh -c '! pgrep -f "^sleep 6[01]"'
check "arguments from the terminal" play "expect Ctrl-D ends them" "type one" "expect got one" "key D" "code 0" -- \
    dragon-pool echo got
no_leftovers "nothing is left"
finish
