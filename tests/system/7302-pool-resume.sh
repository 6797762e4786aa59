# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-pool: the job log, and going on from it after an end in order, by a signal, and by kill -9.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 24

columns_of()
{
    cut -f "$1" "$2" | tail -n +2 | sort -n | tr '\n' ' '
}

is_over()
{
    ! kill -0 "$1" 2>/dev/null || grep -qs '^State:.Z' "/proc/$1/status"
}

seq 6 >six
run dragon-pool --joblog log 'test {} != 3' <six
is "one fails" "$status" 1
is "the head of the log" "$(head -1 log)" $'Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand'
is "its lines" "$(columns_of 1,7,8 log)" "$(printf '1\t0\t0 2\t0\t0 3\t1\t0 4\t0\t0 5\t0\t0 6\t0\t0 ')"
if command -v parallel >/dev/null && parallel --version 2>/dev/null | grep -q '^GNU'; then
    parallel --will-cite --joblog theirs 'test {} != 3' <six >/dev/null 2>&1
    is "as GNU parallel's" "$(columns_of 1,5,6,7,8,9 log)" "$(columns_of 1,5,6,7,8,9 theirs)"
    is "which goes on from it" "$(parallel --will-cite --joblog log --resume-failed echo again <six)" "again 3"
else
    skip "as GNU parallel's" "it is not installed"
    skip "which goes on from it" "it is not installed"
    dragon-pool --joblog log --resume-failed echo again <six >/dev/null
fi
check "all are done" sh -c 'dragon-pool --joblog log --resume-failed echo again <six'
is "so nothing is run" "$(cat "$out")" ""
printf '7\tcut' >>log
check "further ones, after a line that was cut" sh -c 'seq 8 | dragon-pool -k --joblog log --resume echo'
is "are run" "$(cat "$out")" $'7\n8'
check "a signal and a command that is not there" sh -c 'dragon-pool -k --joblog log ::: "kill -9 \$\$" /no/such; true'
is "have their codes" "$(columns_of 1,7,8 log)" "$(printf '1\t0\t9 2\t127\t0 ')"
run dragon-pool --joblog log --timeout 500ms sleep ::: 60
is "too long" "$status $(columns_of 7 log)" "1 124 "
like "  is said" 'ran longer than 500 ms' "$(cat "$err")"
check_failure 'no line of a job log' "a log that is none" dragon-pool --joblog six --resume echo ::: 1
check_failure 'give --joblog' "no log" dragon-pool --resume echo ::: 1

# The second task waits; what ends the pool leaves the first in the log and the others for later.
start_half()
{
    rm -f log go ran
    dragon-run dragon-pool -j 1 --joblog log 'echo {} >>ran; [ {} = 1 ] || [ -e go ] || sleep 60; echo {}' ::: 1 2 3 >half 2>half.err &
    runner=$!
    wait_until 30 sh -c 'grep -q 2 ran 2>/dev/null'
    head_pid=$(pgrep -P "$(pgrep -P $runner | head -1)" -x dragon-pool || pgrep -nx dragon-pool)
}

go_on()
{
    touch go
    dragon-pool -k --joblog log --resume 'echo {}' ::: 1 2 3
}

for signal in TERM KILL; do
    start_half
    kill -$signal "$head_pid"
    wait_until 20 is_over "$runner"
    code=0
    wait "$runner" || code=$?
    is "after $signal: the code" "$code" "$([ $signal = TERM ] && echo 143 || echo 137)"
    is "  the log has what was done" "$(columns_of 1 log)" "1 "
    is "  and its output was written" "$(cat half)" 1
    is "  the others are run then" "$(go_on)" $'2\n3'
done
no_leftovers "nothing is left"
finish
