# SPDX-License-Identifier: BSD-3-Clause
#
# Signals to dragon-pg reach the ranks; Ctrl-C once, twice and three times.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 22

# Prints what it gets and goes on; ends with 10 + how many on USR2.
cat >catcher <<'END'
#!/bin/bash
n=0
trap 'n=$((n + 1)); echo "$DRAGON_RANK got USR1"' USR1
trap 'n=$((n + 1)); echo "$DRAGON_RANK got INT"' INT
trap 'exit $((10 + n))' USR2
echo "$DRAGON_RANK ready"
while :; do sleep 0.05; done
END
chmod +x catcher

# of_test NAME: the process of this test of that name.
of_test()
{
    runtime_processes | awk -v name="$1" '$3 == name { print $2; exit }'
}

lines_are()
{
    [ "$(grep -c "$1" "$2")" = "$3" ]
}

# A shell starts what runs in the background with INT and QUIT ignored.
env --default-signal=INT,QUIT dragon-run --test-hosts 2 dragon-pg -n 4 --map-by node ./catcher >caught 2>caught.err &
run=$!
check "four ranks are ready" wait_until 30 lines_are ready caught 4
pg=$(of_test dragon-pg)
kill -USR1 "$pg"
check "USR1 to dragon-pg reaches all ranks" wait_until 30 lines_are "got USR1" caught 4
kill -USR1 "$run"
check "USR1 to dragon-run reaches them through the head" wait_until 30 lines_are "got USR1" caught 8
kill -INT "$pg"
check "INT to dragon-pg reaches them" wait_until 30 lines_are "got INT" caught 4
kill -USR2 "$pg"
wait "$run"
is "USR2 ends them, each with its own code" "$?" 13
is "the message names one" "$(grep -c 'exited with code 13' caught.err)" 1

# end_of SIGNAL TARGET: code and time of a group of sleepers that gets it.
end_of()
{
    local target run
    rm -f started
    env --default-signal=INT,QUIT dragon-run dragon-pg -n 2 sh -c 'echo x >>started; exec sleep 600' 2>end.err &
    run=$!
    wait_until 30 lines_are x started 2
    target=$run
    [ "$2" = dragon-run ] || target=$(of_test dragon-pg)
    kill "-$1" "$target"
    wait "$run"
    echo $?
}
is "TERM to dragon-pg: 143" "$(end_of TERM dragon-pg)" 143
is "without a word" "$(cat end.err)" ""
is "TERM to dragon-run: 143" "$(end_of TERM dragon-run)" 143
is "HUP to dragon-pg: 143" "$(end_of HUP dragon-pg)" 143
is "INT to dragon-pg, passed on: 130" "$(end_of INT dragon-pg)" 130
is "QUIT to dragon-pg, passed on: 131" "$(ulimit -c 0; end_of QUIT dragon-pg)" 131
like "KILL of dragon-pg: 137" '^137$' "$(end_of KILL dragon-pg)"
is "and one message" "$(grep -c '^dragon-' end.err)" 1

terminal()
{
    timeout -k 5 "$LIMIT" python3 "$DRAGON_SRCDIR/tests/lib/terminal.py" "$@"
}
if command -v python3 >/dev/null; then
    check "Ctrl-C once is passed on, and ends what does not care" terminal \
        "expect ready" "expect ready" "key C" "code 130" -- \
        dragon-run dragon-pg -n 2 sh -c 'echo ready; exec sleep 600'
    check "ranks that catch it see it once" terminal \
        "expect 0 ready" "key C" "expect 0 got INT" "key C" "expect interrupted twice" "code 143" -- \
        dragon-run dragon-pg ./catcher
    check "twice stops ranks that do not care, after the grace time" terminal \
        "expect ready" "expect ready" "key C" "expect INT" "key C" "expect interrupted twice" "code 143" -- \
        dragon-run dragon-pg -n 2 --grace 300ms sh -c \
        'trap "echo INT" INT; trap "" TERM; echo ready; while :; do sleep 0.1; done'
    check "a third time leaves at once" terminal \
        "expect ready" "key C" "expect INT" "key C" "expect interrupted twice" "key C" "code 130" -- \
        dragon-run dragon-pg --grace 100s sh -c \
        'trap "echo INT" INT; trap "" TERM; echo ready; while :; do sleep 0.1; done'
    check "the same in a private runtime" terminal \
        "expect ready" "key C" "expect INT" "key C" "expect interrupted twice" "key C" "code 130" -- \
        dragon-pg --grace 100s sh -c 'trap "echo INT" INT; trap "" TERM; echo ready; while :; do sleep 0.1; done'
    check "input typed on a terminal goes to rank 0" terminal \
        "expect name?" "type you" "expect hello you" "code 0" -- \
        dragon-run dragon-pg -n 2 sh -c \
        '[ $DRAGON_RANK = 0 ] || exit 0; echo name?; read name; echo hello $name'
    check "and its end" terminal "expect ready" "key D" "expect 0 bytes" "code 0" -- \
        dragon-run dragon-pg sh -c 'echo ready; echo $(wc -c) bytes'
else
    for text in once caught twice third private typed end; do
        skip "Ctrl-C: $text" "there is no python3"
    done
fi
no_leftovers "nothing is left"
finish
