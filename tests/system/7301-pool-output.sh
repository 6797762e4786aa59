# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-pool: what tasks write, and how many there are at a time. Nothing mixes, nothing is lost, and memory stays flat.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 24

check "outputs of many" sh -c 'seq 2000 | dragon-pool -j 4 "echo {}; echo {}" >all'
is "each is in one piece" "$(uniq -c all | awk '$1 != 2' | wc -l)" 0
is "and all are there" "$(sort -n all | uniq | md5sum)" "$(seq 2000 | md5sum)"
check "in order" sh -c 'seq 300 | dragon-pool -k -j 4 "[ {} != 1 ] || sleep 0.5; echo {}" >all'
is "they are" "$(md5sum <all)" "$(seq 300 | md5sum)"
run dragon-pool -k --tag 'echo out{}; echo err{} >&2; exit {}' ::: 1 2
is "with tags" "$(cat "$out")" $'1\tout1\n2\tout2'
is "errors too" "$(grep -v dragon-pool "$err")" $'1\terr1\n2\terr2'
is "the code is how many failed" "$status" 2
is "another tag" "$(dragon-pool -k --tagstring 'n{#}-{1.}' echo ::: x.y)" $'n1-x\tx.y'
check_status 101 "or 101" sh -c 'seq 120 | dragon-pool -j 4 false'
check "results" dragon-pool --results res 'echo {1}; echo e{2} >&2' ::: a/b . '' ::: c
is "are in files" "$(find res -type f | sort | tr '\n' ' ')" "$(printf '%s ' 'res/1/\.'/2/c/{seq,stderr,stdout} 'res/1/\0'/2/c/{seq,stderr,stdout} 'res/1/a\_b'/2/c/{seq,stderr,stdout} | tr ' ' '\n' | sort | tr '\n' ' ')"
is "as they are" "$(cat 'res/1/a\_b/2/c/stdout' 'res/1/a\_b/2/c/stderr' 'res/1/a\_b/2/c/seq')" $'a/b\nec\n1'
check_failure 'standard output is closed' "a closed output" sh -c 'dragon-pool echo ::: 1 >&-' 
check_status 125 "a full disk" sh -c 'dragon-pool echo ::: 1 >/dev/full'
like "is said" 'cannot write to standard output: No space' "$(cat "$err")"
run bash -c 'yes | dragon-pool echo | head -n 3; echo "${PIPESTATUS[1]}" >code'
is "a reader that has enough" "$(cat "$out") $(cat code)" $'y\ny\ny 141'
# Endless input, and only so much of it in memory.
yes 0123456789012345678901234567890123456789 | timeout -k 5 60 dragon-pool --halt now,done=600 -j 4 true >/dev/null 2>&1
is "endless input" "${PIPESTATUS[1]}" 0
{ echo 1; wait_until 20 test -s first; echo 2; } | dragon-pool 'echo {}; : >>first; echo >first' >all
is "a slow producer" "$(cat all)" $'1\n2'
at_once()
{
    # shellcheck disable=SC2016
    dragon-pool -j "$1" 'mkdir -p at; : >at/{#}; n=0; while [ "$(ls at | wc -l)" -lt '"$2"' ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done; [ $n -lt 100 ]; echo {%}' ::: $(seq "$2") | sort -n | tr '\n' ' '
    rm -r at
}
is "so many at a time, each in its place" "$(at_once 5 5)" "1 2 3 4 5 "
is "more than there are cores" "$(at_once +2 $(($(nproc) + 2)))" "$(seq $(($(nproc) + 2)) | tr '\n' ' ')"
check_output '3/3 done' "progress for a log" dragon-pool --progress=plain true ::: 1 2 3
run env TERM=xterm python3 "$DRAGON_SRCDIR/tests/lib/terminal.py" "expect /3 done" "code 0" -- dragon-pool --progress 'sleep 1; true' ::: 1 2 3
is "progress on a terminal" "$status" 0
no_leftovers "nothing is left"
finish
