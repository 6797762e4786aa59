# SPDX-License-Identifier: BSD-3-Clause
#
# The C API: what a client sees when the runtime dies under it. The client is none of the runtime's
# processes; it has the variable only.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 6

# client_of VICTIM: a runtime, and a client outside of it that kills the VICTIM of its processes.
client_of()
{
    local run victim
    rm -f where
    dragon-run sh -c 'echo "$DRAGON_RUNTIME" >where.new; mv where.new where; exec sleep 600' \
        2>run.err &
    run=$!
    wait_until "$LIMIT" test -s where || return 1
    case $1 in
    run) victim=$run ;;
    agent) victim=$(pgrep -P "$run" -x dragon-agent) ;;
    esac
    DRAGON_RUNTIME=$(cat where) timeout -k 5 "$LIMIT" "$DRAGON_BUILDDIR/tests/api/group_lost" "$victim"
    code=$?
    wait "$run"
    run_code=$?
    return "$code"
}

check "the agent is killed: each call says so" client_of agent
is "dragon-run returns 125" "$run_code" 125
like "and says why, once" '^1$' "$(grep -c '^dragon-' run.err)"
check "dragon-run is killed: each call says so" client_of run
wait_until "$LIMIT" grep -q '^dragon-' run.err # the agent is not our child
like "the agent says why, once" '^1$' "$(grep -c '^dragon-' run.err)"
no_leftovers "nothing is left"
finish
