# SPDX-License-Identifier: BSD-3-Clause
#
# What the tests of dragon-chan share: a runtime of two nodes that waits until it is told to end. Read after
# system.sh. Commands are run as on node N with `on N CMD...`.
unset XDG_RUNTIME_DIR DRAGON_RUNTIME

# start_nodes: the sockets of the two agents are then in $node0 and $node1
start_nodes()
{
    mkfifo go
    # shellcheck disable=SC2016
    dragon-run --test-hosts 2 sh -c 'echo "$DRAGON_RUNTIME" >node.0.new; mv node.0.new node.0
        dragon-pg -n 1 -H 1 sh -c "echo \$DRAGON_RUNTIME" >node.1.new </dev/null && mv node.1.new node.1
        read -r _ <go' &
    runtime=$!
    wait_until 60 test -s node.1 -o ! -d "/proc/$runtime"
    node0=$(cat node.0) node1=$(cat node.1)
    [ -S "$node1" ]
}

end_nodes()
{
    echo >go
    wait "$runtime"
}

on()
{
    local socket=node$1
    shift
    DRAGON_RUNTIME=${!socket} timeout -k 5 "$LIMIT" "$@"
}

# same TEXT FILE FILE
same()
{
    if cmp "$2" "$3" >cmp.out 2>&1; then
        ok "$1"
    else
        not_ok "$1"
        comment "$(cat cmp.out)"
        ls -l "$2" "$3" | sed 's/^/# /'
    fi
}

# stat_of NAME MEMBER: of dragon-chan stat
stat_of()
{
    on 0 dragon-chan stat --json "$1" 2>/dev/null |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["channels"][0][sys.argv[1]])' "$2" 2>/dev/null
}

stat_is()
{
    [ "$(stat_of "$1" "$2")" = "$3" ]
}

# ends_with CODE TEXT PID: a command in the background, within LIMIT seconds
ends_with()
{
    local code=0
    if ! wait_until "$LIMIT" is_over "$3"; then
        not_ok "$2"
        comment "it still runs"
        kill -KILL "$3"
        return
    fi
    wait "$3" || code=$?
    is "$2" "$code" "$1"
}

is_over()
{
    ! kill -0 "$1" 2>/dev/null || grep -qs '^State:.Z' "/proc/$1/status"
}
