# SPDX-License-Identifier: BSD-3-Clause
#
# With --node-failure=continue a node that is lost takes only its ranks with it: groups, restarts, starts, room, output,
# input and MPI on test hosts, of which the agent or dragon-run of one is killed.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
. "$DRAGON_SRCDIR/tests/lib/ends.sh"
plan 23
LIMIT=30
host=$(hostname)

# A rank's parent is its agent, whose parent is dragon-run.
cat >lose.sh <<'END'
# lose.sh agent|run NODE: on that node, and waits until the runtime has noticed
case $1 in
agent) script='kill -KILL $PPID' ;;
run) script='kill -KILL $(ps -o ppid= -p $PPID)' ;;
esac
dragon-pg --hosts "$2" sh -c "$script; exec sleep 600" >/dev/null 2>lose.err
[ $? = 137 ] && grep -q "is gone with its node $2 (host " lose.err
END
chmod +x lose.sh

going_on()
{
    run dragon-run --test-hosts 3 --node-failure=continue "$@"
}

check "the API" passes --test-hosts=3 --node-failure=continue node_lost

for what in agent run; do
    going_on sh -c "
        dragon-pg --ppn 1 --on-failure=continue sh -c ': >up.$what.\$DRAGON_NODE
            [ \$DRAGON_NODE = 1 ] && exec sleep 600
            until [ -e go.$what ]; do sleep 0.05; done; echo done \$DRAGON_RANK' &
        pg=\$!
        until [ -e up.$what.0 ] && [ -e up.$what.1 ] && [ -e up.$what.2 ]; do sleep 0.05; done
        sh ./lose.sh $what 1 || { echo lose.sh; cat lose.err; }
        dragon-pg --ppn 1 sh -c 'echo again \$DRAGON_NODE'
        dragon-info nodes | awk '\$1 == 1 { print \"info\", \$4 }'
        dragon-info --json nodes | grep -c '\"lost\": true'
        : >go.$what
        wait \$pg
        echo code \$?
        exit 7"
    is "$what of a node is killed: the head's code" "$status" 7
    is "the others go on, and new ranks go there" "$(sort "$out" | paste -sd' ')" \
        "1 again 0 again 2 code 137 done 0 done 2 info lost"
    is "one line says so" "$(grep -c '^dragon-agent: ' "$err")" 1
    like "which names the node, and what goes on" \
        "warning: node 1 \\($host-1\\) is lost: .*; the runtime goes on with the 2 nodes left" "$(cat "$err")"
    like "and the group's cause names it" "dragon-pg: error: rank 1 on $host-1 .*node 1 \\(host $host\\)" "$(cat "$err")"
done

# One after the other, up to the first.
going_on sh -c 'sh ./lose.sh agent 2 && sh ./lose.sh agent 1 && dragon-pg --ppn 1 sh -c "echo left \$DRAGON_NODE"'
is "all but the first may be lost" "$status $(cat "$out")" "0 left 0"
going_on sh -c 'dragon-pg --hosts 0 sh -c "kill -KILL \$PPID"; sleep 20'
is "the first may not" "$status" 125

# A group that stops for failures, and one that is restarted.
going_on sh -c 'dragon-pg --ppn 1 --on-failure=stop sh -c ": >stops.\$DRAGON_NODE; exec sleep 600" & pg=$!
    until [ -e stops.0 ] && [ -e stops.1 ] && [ -e stops.2 ]; do sleep 0.05; done
    sh ./lose.sh agent 1; wait $pg; echo $?'
is "a group that stops for failures is stopped" "$(cat "$out")" 137

# Who waits for cores that will not be there any more is told, who waits for others gets them.
going_on sh -c 'all=$(dragon-info --json nodes | grep -c "\"free_cores\": 1,")
    [ "$all" = 3 ] || echo "SKIP $all"
    dragon-pg -n 1 --hosts 0 -c 1 sh -c "until [ -e room ]; do sleep 0.05; done" & first=$!
    until dragon-info groups | grep -q running; do sleep 0.05; done
    dragon-pg -n 3 -c 1 true 2>three.err & three=$!
    until dragon-info groups | grep -q queued; do sleep 0.05; done
    dragon-pg -n 2 -c 1 sh -c "echo two" & two=$!
    until [ "$(dragon-info groups | grep -c queued)" = 2 ]; do sleep 0.05; done
    sh ./lose.sh agent 1
    wait $three; echo three $?
    : >room; wait $first; wait $two; echo two $?'
if grep -q SKIP "$out"; then
    skip "who waits for room that will not be is told" "this machine has other cores"
    skip "with the reason" "this machine has other cores"
else
    is "who waits for room that will not be is told" "$(paste -sd' ' "$out")" "three 125 two two two 0"
    like "with the reason" "nodes left" "$(cat three.err 2>/dev/null)"
fi

# Output of the others, and input that all read.
going_on sh -c 'yes | head -c 20000000 | { sleep 1; cat; } | dragon-pg --ppn 1 --stdin all --on-failure=continue sh -c "
        [ \$DRAGON_NODE = 1 ] && { : >reads; exec sleep 600; }; wc -c" & pg=$!
    until [ -e reads ]; do sleep 0.05; done
    sh ./lose.sh agent 1; wait $pg; echo $?'
is "input goes on without a reader that was slow" "$(sort "$out" | paste -sd' ')" "137 20000000 20000000"
going_on sh -c 'dragon-pg --ppn 1 --on-failure=continue sh -c "
        [ \$DRAGON_NODE = 1 ] && exec yes; until [ -e go.out ]; do sleep 0.05; done
        yes all | head -c 4000000" | grep -c all >all.count & pg=$!
    sh ./lose.sh agent 1; : >go.out; wait $pg; cat all.count'
is "output of the others comes" "$(cat "$out")" 2000000

# An MPI job has none of its ranks left.
if [ -n "$ends_prog" ]; then
    going_on sh -c "dragon-pg --pmi --ppn 1 $ends_prog wait >mpi.out & pg=\$!
        until [ \"\$(grep -c ^waiting mpi.out)\" = 3 ]; do sleep 0.05; done
        sh ./lose.sh agent 1; wait \$pg; echo \$?
        dragon-pg --pmi --ppn 1 $ends_prog; echo \$?"
    is "an MPI job with a rank there is stopped, the next is elsewhere" "$(tail -n 1 "$out") $(grep -c '^137$' "$out")" "0 1"
    like "its cause is the loss" "rank 1 on $host-1 .* is gone with its node 1" "$(cat "$err")"
else
    skip "an MPI job with a rank there is stopped, the next is elsewhere" "no Open MPI"
    skip "its cause is the loss" "no Open MPI"
fi

# Detached groups, and clients that are lost.
going_on sh -c 'dragon-pg --detach --ppn 1 --on-failure=continue sleep 600 >where
    dragon-pg --hosts 1 sh -c "dragon-pg --hosts 2 sleep 600" 2>/dev/null & pg=$!
    until [ "$(dragon-info groups | grep -c running)" = 3 ]; do sleep 0.05; done
    sh ./lose.sh agent 1; wait $pg
    until [ "$(dragon-info groups | grep -c running)" = 1 ]; do sleep 0.05; done
    dragon-info ranks | awk "\$5 == \"lost\" { n++ } END { print n + 0 }"'
is "a detached group goes on, and that of a lost client is stopped" "$status $(cat "$out")" "0 1"
check_failure 'end.*continue|node-failure' "anything else is refused" dragon-run --node-failure=maybe true
no_leftovers "nothing is left"
finish
