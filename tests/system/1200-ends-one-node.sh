# SPDX-License-Identifier: BSD-3-Clause
#
# Nothing stays behind of a runtime of one node, whatever ends it: within 5 seconds no process, socket,
# directory or shared memory is left, and the cause is told once.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/ends.sh"
plan 14

ends_start 1 hold dragon-run
: >go
ends_check "the head ends" 0 0 ''
for signal in TERM HUP INT QUIT; do
    ends_start 1 wait dragon-run
    kill "-$signal" "$ends_run"
    ends_check "SIG$signal to dragon-run" $((128 + $(kill -l $signal))) any ''
done
ends_start 1 wait dragon-run
kill -KILL "$(ends_pid run 0)"
ends_check "kill -9 of dragon-run" 137 1 'dragon-run on .* is gone'
ends_start 1 wait dragon-run
kill -KILL "$(ends_pid agent 0)"
ends_check "kill -9 of the agent" 125 1 'dragon-agent on .* was killed by signal 9'
ends_start 1 wait dragon-run
kill -KILL "$(ends_pid head 0)"
ends_check "kill -9 of the head" 137 1 'sh was killed by signal 9'
ends_start 1 wait dragon-run
kill -KILL "$(ends_pid rank 0)"
ends_check "kill -9 of a rank" 137 1 'rank 0 on .* was killed by signal 9'
if [ -n "$ends_prog" ]; then
    ends_start 1 wait dragon-run
    kill -KILL "$(ends_pid pmix 0)"
    ends_check "kill -9 of dragon-pmix" 125 1 'dragon-pmix\) on .* is gone'
else
    skip "kill -9 of dragon-pmix" "no Open MPI"
fi
ends_start 1 wait dragon-run
kill -KILL "-$ends_run"
ends_check "kill -9 of the whole process group of dragon-run" 137 1 'dragon-run on .* is gone'
ends_start 1 wait dragon-run
kill -TERM "-$ends_run"
ends_check "TERM to the whole process group of dragon-run" 143 any ''
ends_start 1 wait dragon-run
kill -STOP "$(ends_pid head 0)" "$(ends_pid rank 0)"
kill -TERM "$ends_run"
ends_check "TERM with a head and a rank that were stopped" any any ''
no_leftovers "nothing is left"
finish
