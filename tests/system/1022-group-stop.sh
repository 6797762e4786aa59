# SPDX-License-Identifier: BSD-3-Clause
#
# A stop is bounded: TERM, then KILL; and it takes the children of ranks along.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 12

alive()
{
    local pid
    for pid; do
        [ -n "$pid" ] && [ -d "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" && return 0
    done
    return 1
}
all_gone()
{
    ! alive "$@"
}

check_status 124 "ranks that ignore TERM are killed after --grace" dragon-run dragon-pg -n 2 --timeout 300ms \
    --grace 1s sh -c 'trap "" TERM; while :; do sleep 0.1; done'
check "and it took that long" test "$SECONDS" -ge 1
check_status 124 "ranks that end by TERM need no KILL" dragon-run dragon-pg -n 2 --timeout 100ms --grace 1d sleep 600
check_status 124 "TERM can be used to end well" dragon-run dragon-pg --timeout 300ms --grace 1d sh -c \
    'trap "echo saved >state; exit 0" TERM; while :; do sleep 0.05; done'
is "which it did" "$(cat state)" saved
check_status 124 "a stopped rank (SIGSTOP) is ended, too" dragon-run dragon-pg --timeout 300ms --grace 300ms sh -c \
    'kill -STOP $$'

# Children of ranks: in the background of the same process group.
check "a rank ends and leaves a child behind" dragon-run sh -c \
    'dragon-pg -n 2 sh -c "sleep 600 & echo \$! >child.\$DRAGON_RANK"; echo >over; sleep 0.2'
check "which is killed with it" all_gone "$(cat child.0)" "$(cat child.1)"
children_end()
{
    rm -f child.* asked
    dragon-run sh -c 'dragon-pg -n 2 sh -c "sleep 600 & echo \$! >child.new.\$DRAGON_RANK
            mv child.new.\$DRAGON_RANK child.\$DRAGON_RANK"
        until [ -e asked ]; do sleep 0.05; done' &
    wait_until 30 test -s child.0 && wait_until 30 test -s child.1
    wait_until 20 all_gone "$(cat child.0)" "$(cat child.1)" || alive_after=yes
    : >asked
    wait $!
    [ -z "${alive_after:-}" ]
}
check "at once, while the runtime goes on" children_end
# One that holds the rank's output and is in a session of its own does not hold up the group.
check_output '^over$' "a child that escaped does not hold up the group" dragon-run dragon-pg -n 2 sh -c \
    'setsid sh -c "trap \"\" TERM HUP; sleep 600" & echo over'
escaped()
{
    # shellcheck disable=SC2009
    dragon-run --test-hosts 2 dragon-pg --ppn 1 sh -c \
        '(setsid sh -c "trap \"\" TERM HUP INT; (setsid sleep 600 & echo \$! >deep.\$DRAGON_RANK); sleep 600" &) 
         until [ -s deep.$DRAGON_RANK ]; do sleep 0.05; done' &&
        wait_until 5 all_gone "$(cat deep.0)" "$(cat deep.1)"
}
check "and ends with the runtime" escaped
no_leftovers "nothing is left"
finish
