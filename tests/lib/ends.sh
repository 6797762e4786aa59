# SPDX-License-Identifier: BSD-3-Clause
#
# What the tests of "nothing stays behind" share (tests/system/12*): one busy runtime, and the ways in
# which it comes to its end. Read after system.sh.
#
# The runtime: a head that has a dragon-pg, which has a rank on each node; with Open MPI these are the
# ranks of an MPI program. Head and ranks each leave a process behind that is hard to get rid of: twice
# forked, in a session of its own, and deaf to every signal that can be ignored.
ends_prog=$DRAGON_BUILDDIR/tests/mpi/mpi_check.openmpi
ends_pmi=--pmi
[ -x "$ends_prog" ] || ends_prog='' ends_pmi=''
export OMPI_MCA_pml=ob1

cat >stay.sh <<'END'
# stay NAME: whoever calls this leaves such a process, whose number comes to pid.NAME.
(setsid sh -c 'trap "" TERM HUP INT QUIT PIPE USR1 USR2
    (setsid sh -c "echo \$\$ >new.$0; mv new.$0 pid.$0; while :; do sleep 1; done" &)
    while :; do sleep 1; done' "$1" </dev/null >/dev/null 2>&1 &)
END
cat >rank.sh <<'END'
sh ./stay.sh stay.$DRAGON_RANK
echo $$ >new.$DRAGON_RANK
mv new.$DRAGON_RANK pid.rank.$DRAGON_RANK
[ -z "$1" ] || exec "$1" wait
exec sleep 600
END
cat >head.sh <<'END'
sh ./stay.sh stay.head
dragon-pg $2 --ppn 1 sh ./rank.sh "$1" &
echo $$ >new.head
mv new.head pid.head
[ "$3" = wait ] && wait $! && exit 0
[ "$3" = wait ] && exit $?
until [ -e go ]; do sleep 0.05; done
exit 0
END
# The last word on the code is dragon-pg's.
sed -i 's/^\[ "\$3" = wait \] && wait.*$/if [ "$3" = wait ]; then wait $!; exit $?; fi/; /&& exit \$?$/d' head.sh

# ends_start NODES WAIT CMD...: CMD starts dragon-run with the head; returns when all of it runs.
ends_start()
{
    local nodes=$1 mode=$2 i
    shift 2
    rm -f pid.* new.* go ends.out ends.err
    # A shell starts what runs in the background with INT and QUIT ignored.
    env --default-signal=INT,QUIT setsid "$@" \
        sh ./head.sh "$ends_prog" "$ends_pmi" "$mode" </dev/null >ends.out 2>ends.err &
    ends_run=$!
    for i in $(seq 0 $((nodes - 1))); do
        wait_until 30 test -s pid.stay.$i || return 1
        wait_until 30 test -s pid.rank.$i || return 1
    done
    wait_until 30 test -s pid.stay.head && wait_until 30 test -s pid.head || return 1
    [ -z "$ends_prog" ] || wait_until 60 sh -c "[ \$(grep -c ^waiting ends.out) = $nodes ]"
}

# ends_pid WHAT NODE, of a runtime of this host
ends_pid()
{
    local run=$ends_run agent
    [ "$2" = 0 ] || run=$(pgrep -P "$ends_run" -f -- "--rank=$2 ")
    agent=$(pgrep -P "$run" -x dragon-agent)
    case $1 in
    run) echo "$run" ;;
    agent) echo "$agent" ;;
    pmix) pgrep -P "$agent" -x dragon-pmix ;;
    head) cat pid.head ;;
    rank) cat "pid.rank.$2" ;;
    esac
}

# What is left of the runtime, on any host. The launcher takes its own time, so it does not count here.
ends_left()
{
    if [ -n "$netns_set" ]; then
        runtime_processes
        netns_left_overs | grep -v '^processes on'
    else
        left_overs
    fi
}

ends_clean()
{
    [ -z "$(ends_left)" ]
}

# ends_check TEXT CODE MESSAGES REGEX: the runtime of ends_start ends now: within 5 seconds nothing is
# left, its code is CODE, it said MESSAGES lines, and what it said has the expression.
ends_check()
{
    local text=$1 code=$2 messages=$3 regex=$4 began=$EPOCHREALTIME left='' got=0 said why=''
    wait_until "${ends_seconds:-5}" ends_clean || left=$(ends_left)
    ends_ms=$(((${EPOCHREALTIME/./} - ${began/./}) / 1000))
    [ -z "$left" ] || why="left after $ends_ms ms: $left"
    if [ -n "$left" ]; then
        for pid in $(runtime_processes | cut -d' ' -f2); do kill -KILL "$pid" 2>/dev/null; done
    fi
    wait "$ends_run"
    got=$?
    said=$(grep -c '^dragon-' ends.err)
    [ "$code" = any ] || [ "$got" = "$code" ] || why="$why; code $got, expected $code"
    [ "$messages" = any ] || [ "$said" = "$messages" ] || why="$why; $said messages, expected $messages"
    [ "$messages" = 0 ] || [ "$messages" = any ] || grep '^dragon-' ends.err | grep -Eq -- "$regex" || why="$why; no /$regex/"
    if [ -z "$why" ]; then
        ok "$text ($ends_ms ms)"
    else
        not_ok "$text"
        comment "$why"
        sed 's/^/# err: /' ends.err
    fi
}
