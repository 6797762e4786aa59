# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# What follows when a rank ends: --on-failure, --restart; the warning before the limit; suspension.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 25

starts()
{
    wc -l <starts
}

rm -f starts
check "a rank that fails twice, then not" dragon-run dragon-pg --on-failure restart --status-file status \
    sh -c 'echo x >>starts; [ $(wc -l <starts) -ge 3 ]'
is "is started three times" "$(starts)" 3
is "which is said once" "$(grep -c 'is started again' "$err")" 1
like "and counted" '"restarts": 2' "$(cat status)"
rm -f starts
check_status 4 "one that always fails" dragon-run dragon-pg --on-failure restart:1 sh -c 'echo x >>starts; exit 4'
is "has its restarts and no more" "$(starts)" 2
rm -f starts
check_status 4 "restart:0" dragon-run dragon-pg --on-failure restart:0 sh -c 'echo x >>starts; exit 4'
is "is none" "$(starts)" 1
rm -f starts
check "--restart" dragon-run dragon-pg --restart 2 sh -c 'echo x >>starts'
is "starts what went well too" "$(starts)" 3
rm -f starts
check_status 143 "killed ranks are started again" dragon-run dragon-pg --on-failure restart:2 sh -c 'echo x >>starts; kill -TERM $$'
is "as often" "$(starts)" 3

check_status 3 "--on-failure stop" dragon-run dragon-pg --on-failure stop -n 2 sh -c \
    '[ $DRAGON_RANK = 0 ] || exit 3; sleep 600'
check_status 3 "--on-failure continue" dragon-run dragon-pg --on-failure continue -n 2 sh -c \
    '[ $DRAGON_RANK = 0 ] || exit 3; sleep 0.3; touch went.on'
check "goes on" test -e went.on

warned='trap "echo warned; exit 5" USR1; while :; do sleep 0.02; done'
check_status 5 "--signal comes before the limit" dragon-run dragon-pg -t 30s --signal USR1@29s sh -c "$warned"
is "and reaches the rank" "$(cat "$out")" warned
check_status 5 "without a limit before the end of the allocation" \
    dragon-run --walltime 60s dragon-pg --signal SIGUSR1@59s sh -c "$warned"
check_failure 'needs --timeout' "which has to be known" dragon-run dragon-pg --signal USR1@1s true

# Suspended and continued: whoever stops, all go on.
of_test()
{
    runtime_processes | awk -v name="$1" '$3 == name { print $2; exit }'
}
dragon-run dragon-pg sh -c 'touch up; until [ -e go ]; do sleep 0.02; done' &
run=$!
check "a group is up" wait_until 30 test -e up
pg=$(of_test dragon-pg)
kill -TSTP "$pg"
# It does not stop where no shell would continue it.
wait_until 2 grep -q '^State:.T' "/proc/$pg/status"
kill -CONT "$pg"
touch go
wait "$run"
is "after TSTP and CONT it ends well" "$?" 0

# --detach
check "a group that is left" dragon-run bash -c '
    text=$(dragon-pg --detach sh -c "until [ -e leave ]; do sleep 0.02; done; touch done.$$")
    code=$?
    echo "$text" >descriptor
    [ ! -e done.$$ ] || exit 1
    touch leave
    until [ -e done.$$ ]; do sleep 0.02; done
    exit $code'
is "prints one line" "$(grep -c . descriptor)" 1
check_status 127 "one that cannot be started says so" dragon-run dragon-pg --detach no-such-program
no_leftovers "nothing is left"
finish
