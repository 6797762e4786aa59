# SPDX-License-Identifier: BSD-3-Clause
#
# Nothing stays behind of a runtime of three nodes, whatever ends it on any of them.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/ends.sh"
plan 17
host=$(hostname)

ends_start 3 hold dragon-run --test-hosts 3
: >go
ends_check "the head ends" 0 0 ''
ends_start 3 wait dragon-run --test-hosts 3
kill -TERM "$ends_run"
ends_check "TERM to dragon-run" 143 any ''
ends_start 3 wait dragon-run --test-hosts 3
kill -KILL "-$ends_run"
ends_check "kill -9 of the process group of dragon-run" 137 1 'dragon-run on .* is gone'
for node in 0 2; do
    code=125
    [ $node != 0 ] || code=137
    ends_start 3 wait dragon-run --test-hosts 3
    kill -KILL "$(ends_pid run $node)"
    ends_check "kill -9 of dragon-run of node $node" $code 1 "dragon-run on $host-$node is gone"
    ends_start 3 wait dragon-run --test-hosts 3
    kill -KILL "$(ends_pid agent $node)"
    ends_check "kill -9 of the agent of node $node" 125 1 \
        "dragon-agent on $host.* killed by signal 9|node $node \($host-$node\) is lost"
    ends_start 3 wait dragon-run --test-hosts 3
    kill -KILL "$(ends_pid rank $node)"
    ends_check "kill -9 of a rank on node $node" 137 1 "rank $node on $host-$node .* killed by signal 9"
    if [ -n "$ends_prog" ]; then
        ends_start 3 wait dragon-run --test-hosts 3
        kill -KILL "$(ends_pid pmix $node)"
        ends_check "kill -9 of dragon-pmix of node $node" 125 1 "dragon-pmix\) on $host-$node is gone"
    else
        skip "kill -9 of dragon-pmix of node $node" "no Open MPI"
    fi
done
ends_start 3 wait dragon-run --test-hosts 3
kill -KILL "$(ends_pid head 0)"
ends_check "kill -9 of the head" 137 1 'sh was killed by signal 9'
# A node below another one: fanout 1 makes a chain.
ends_start 3 wait dragon-run --test-hosts 3 --fanout 1
kill -KILL "$(ends_pid agent 1)"
ends_check "kill -9 of the agent in the middle of a chain" 125 1 "node 1 \($host-1\) is lost"
# The kernel of a host that is well answers for an agent that hangs, so nobody notices; an end does.
ends_start 3 wait dragon-run --test-hosts 3
kill -STOP "$(ends_pid agent 2)"
kill -TERM "$ends_run"
ends_seconds=10 ends_check "TERM to dragon-run with an agent that hangs (SIGSTOP)" 143 any ''

# Two side by side: the end of one is nothing to the other.
dragon-run --test-hosts 2 dragon-pg --ppn 1 sh -c \
    'until [ -e others.end ]; do sleep 0.05; done; echo "$DRAGON_RANK ends well"' >others.out 2>others.err &
other=$!
neighbour()
{
    local pid
    for pid in run agent; do
        ends_start 2 wait dragon-run --test-hosts 2 || return 1
        kill -KILL "$(ends_pid "$pid" 0)" "$(ends_pid rank 1)"
        wait "$ends_run"
    done
    : >others.end
    wait "$other"
    [ $? = 0 ] && [ "$(sort others.out | tr '\n' ' ')" = "0 ends well 1 ends well " ] && [ ! -s others.err ]
}
check "of two runtimes side by side one dies, the other does not notice" neighbour

began=$EPOCHREALTIME
check "an orderly end of four nodes, ten times" sh -c \
    'for i in 1 2 3 4 5 6 7 8 9 10; do dragon-run --test-hosts 4 dragon-pg --ppn 1 true || exit 1; done'
comment "one took $(((${EPOCHREALTIME/./} - ${began/./}) / 10000)) ms"
no_leftovers "nothing is left"
finish
