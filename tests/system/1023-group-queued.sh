# SPDX-License-Identifier: BSD-3-Clause
#
# Groups that wait for room: what is said, how they leave the queue, and Ctrl-C meanwhile.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 28

# A shell starts what runs in the background with INT and QUIT ignored, hence env below.
# Holds every core until "go" is there; meanwhile dragon-pg is called with the arguments. Its process is in
# "pid", its code in "code".
cat >queued <<'END'
#!/bin/bash
dragon-pg -c "$(nproc)" sh -c 'echo >held; until [ -e go ]; do sleep 0.02; done' &
until [ -e held ]; do sleep 0.02; done
(echo $BASHPID >pid.new; mv pid.new pid; exec dragon-pg "$@")
echo $? >code
: >go
wait
END
chmod +x queued

# start ARGS: in the background, until it waits.
start_queued()
{
    rm -f go held pid code ran queued.err
    env --default-signal=INT,QUIT dragon-run ./queued "$@" >queued.out 2>queued.err &
    run=$!
    wait_until 30 grep -q 'waiting for room' queued.err
}

# Waits for its end: the code is in $ended.
end_queued()
{
    wait "$run"
    ended=$(cat code)
}

said()
{
    wait_until 30 grep -q "$1" queued.err
}

start_queued -c 1 touch ran
is "a group that has to wait says so, once" "$(grep -c '^dragon-pg: waiting for room: .' queued.err)" 1
is "and what to do about it" "$(grep -c 'dragon-info shows who has it' queued.err)" 1
is "and does not run" "$(ls ran 2>/dev/null)" ""
: >go
end_queued
is "until there is room" "$ended" 0
check "then it does" test -e ran

start_queued -c 1 touch ran
kill -INT "$(cat pid)"
check "Ctrl-C while it waits" said 'interrupted; once more stops the group'
is "does not end it" "$(cat code 2>/dev/null)" ""
kill -INT "$(cat pid)"
end_queued
is "a second one does" "$ended" 143
check "with a word" said 'interrupted twice'
is "and it never ran" "$(ls ran 2>/dev/null)" ""

start_queued -c 1 sleep 600
kill -INT "$(cat pid)"
said 'once more'
: >go
end_queued
is "one that came early reaches the ranks" "$ended" 130

start_queued -c 1 --status-file status touch ran
kill -TERM "$(cat pid)"
end_queued
is "TERM ends it" "$ended" 143
is "without a word" "$(grep -vc 'waiting for room' queued.err)" 0
like "with a status" '"exit_code": 143' "$(cat status)"

rm -f go held pid code ran
dragon-run ./queued -q -c 1 --wait 300ms touch ran 2>queued.err
is "-q: no notice" "$(grep -c 'waiting for room' queued.err)" 0

start_queued -c 1 --wait 300ms touch ran
end_queued
is "--wait ends the waiting" "$ended" 125
is "with one message" "$(grep -c '^dragon-pg: error: .' queued.err)" 1
is "it never ran" "$(ls ran 2>/dev/null)" ""

# Those that do not wait end the holder too.
direct()
{
    rm -f go held pid code ran queued.err
    run dragon-run ./queued "$@"
    is_code=$(cat code)
}
direct -c 1 --on-full fail touch ran
is "--on-full fail: 125" "$is_code" 125
like "with the reason" '^dragon-pg: error: .' "$(cat "$err")"
is "it never ran" "$(ls ran 2>/dev/null)" ""
direct -c 1 --on-full share touch ran
is "--on-full share runs at once" "$is_code $(ls ran)" "0 ran"
like "with a notice" 'shares? .*without --on-full share the group waits' "$(cat "$err")"
direct -c 1 --oversubscribe touch ran
is "--oversubscribe is the same" "$is_code $(ls ran)" "0 ran"
direct touch ran
is "who asks for no cores does not wait" "$is_code $(ls ran)" "0 ran"
is "nor is told" "$(cat "$err")" ""
direct -c 1 --on-full fail --dry-run touch ran
is "a dry run that does not fit now: 125" "$is_code" 125
no_leftovers "nothing is left"
finish
