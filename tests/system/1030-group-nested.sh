# SPDX-License-Identifier: BSD-3-Clause
#
# Groups that are started by ranks, from any node, and clients that die.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 15

check_output '^inner$' "a rank starts a group" dragon-run dragon-pg dragon-pg echo inner
is "each of three ranks starts one" \
    "$(dragon-run dragon-pg -n 3 dragon-pg -n 2 echo x | grep -c x)" 6
check_status 7 "three levels, and the code comes up" dragon-run dragon-pg dragon-pg dragon-pg sh -c 'exit 7'
is "from a rank on another node, over all nodes" "$(
    dragon-run --test-hosts 4 dragon-pg --ppn 1 sh -c \
        '[ $DRAGON_NODE != 3 ] || exec dragon-pg --ppn 1 sh -c "echo \$DRAGON_NODE"' | sort | tr '\n' ' '
)" "0 1 2 3 "
is "from every node at once" "$(
    dragon-run --test-hosts 4 dragon-pg --ppn 1 dragon-pg --ppn 1 sh -c 'echo $DRAGON_NODE' |
        sort | uniq -c | awk '{ print $1 }' | tr '\n' ' '
)" "4 4 4 4 "
check_status 5 "the code of a group from another node" dragon-run --test-hosts 3 dragon-pg --ppn 1 sh -c \
    '[ $DRAGON_NODE != 2 ] || exec dragon-pg --ppn 1 sh -c "[ \$DRAGON_NODE != 1 ] || exit 5"'
like "its message names the inner rank, and the outer one follows" \
    'rank 1 on .*code 5.*rank 2 on .*code 5' "$(tr '\n' ' ' <"$err")"
is "input goes down two levels" \
    "$(seq 1 5 | dragon-run --test-hosts 2 dragon-pg dragon-pg cat | tr '\n' ' ')" "1 2 3 4 5 "
check_status 124 "a time limit takes the inner group along" dragon-run dragon-pg --timeout 500ms \
    dragon-pg sh -c 'echo $$ >inner.pid; exec sleep 600'
check "its rank is gone" sh -c '! kill -0 $(cat inner.pid) 2>/dev/null'

gone_with_client()
{
    rm -f pid.* killed
    dragon-run --test-hosts 3 sh -c '
        '"$1"' dragon-pg --ppn 1 sh -c "echo \$\$ >new.\$DRAGON_RANK; mv new.\$DRAGON_RANK pid.\$DRAGON_RANK
            exec sleep 600" 2>/dev/null &
        until [ -e pid.0 ] && [ -e pid.1 ] && [ -e pid.2 ]; do sleep 0.05; done
        kill -KILL $!
        # The runtime lives on until we have looked.
        until [ -e looked ]; do sleep 0.05; done' &
    runtime=$!
    wait_until 30 test -s pid.2 && wait_until 30 test -s pid.1 && wait_until 30 test -s pid.0
    wait_until 20 sh -c '! kill -0 $(cat pid.0) && ! kill -0 $(cat pid.1) && ! kill -0 $(cat pid.2)'
    gone=$?
    : >looked
    wait "$runtime"
    rm -f looked
    return "$gone"
}
check "a group of a client that was killed ends, on all nodes" gone_with_client ''
# What is above dragon-pg dies: it loses its reader and its parent, not its connection.
check "a client that leaves without waiting stops its group" dragon-run sh -c '
    dragon-pg sh -c "echo \$\$ >left.pid; exec sleep 600" & until [ -s left.pid ]; do sleep 0.05; done
    kill -TERM $!; wait $!; ! kill -0 $(cat left.pid) 2>/dev/null'
check_status 125 "DRAGON_RUNTIME of a runtime that has ended" env DRAGON_RUNTIME=/nowhere/agent.sock dragon-pg true
like "says what to do" 'unset DRAGON_RUNTIME' "$(cat "$err")"
no_leftovers "nothing is left"
finish
