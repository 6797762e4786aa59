# SPDX-License-Identifier: BSD-3-Clause
#
# Channels between two hosts with a network of their own.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/chan.sh"
. "$DRAGON_SRCDIR/tests/lib/far.sh"
command -v mpiexec.openmpi >/dev/null || skip_all "there is no mpiexec of Open MPI"
netns_up 2 || skip_all "$netns_why"
plan 9

# start_hosts: a runtime on h0 and h1 whose sockets there are in $node0 and $node1
start_hosts()
{
    rm -f go node.?
    mkfifo go
    # shellcheck disable=SC2016
    "$NETNS_HOSTS" --set "$netns_set" mpiexec -n 2 --map-by ppr:1:node "$DRAGON_BUILDDIR/dragon-run" \
        sh -c 'echo "$DRAGON_RUNTIME" >node.0.new; mv node.0.new node.0
        dragon-pg -n 1 -H 1 sh -c "echo \$DRAGON_RUNTIME" >node.1.new </dev/null && mv node.1.new node.1
        read -r _ <go' </dev/null >mpiexec.out 2>&1 &
    runtime=$!
    wait_until 60 test -s node.1 -o ! -d "/proc/$runtime"
    node0=$(cat node.0) node1=$(cat node.1)
}

# on_host N CMD...: in the runtime
on_host()
{
    local host=h$1 socket=node$1
    shift
    netns run "$host" env DRAGON_RUNTIME="${!socket}" "$@"
}

# flow TEXT NAME OPTION...: from h1 to h0
flow()
{
    local text=$1 name=$2 receiver one two
    shift 2
    on_host 0 "$DRAGON_BUILDDIR/dragon-chan" create "$name" "$@" >/dev/null
    on_host 0 "$traffic" receive "$name" 2 >>"said.$name.r" 2>&1 &
    receiver=$!
    on_host 1 "$traffic" send "$name" 1 2000 >>"said.$name.1" 2>&1 &
    one=$!
    on_host 1 "$traffic" send "$name" 2 2000 >>"said.$name.2" 2>&1 &
    two=$!
    all_well "$text" "$name" $receiver $one $two
}

check "a runtime on two hosts" start_hosts
flow "messages from one to the other" plain
flow "to a single receiver" direct --single-receiver

# waits FILE: h1 waits for a message on h0
waits()
{
    on_host 1 "$traffic" wait plain >"$1" 2>&1 &
    waiter=$!
    wait_until 30 grep -q waiting "$1"
}

# told TEXT FILE SECONDS: the waiter got PEER so soon after $killed
told()
{
    local us
    if ! wait_until 30 is_over "$waiter"; then
        not_ok "$1: it still waits"
        kill "$waiter"
        return
    fi
    us=$(($(sed -n 's/^DRAGON_ERR_PEER at //p' "$2" | head -n 1) - killed))
    comment "after $us us"
    check "$1" test "$us" -gt 0 -a "$us" -lt "$3"000000
}

waits transport
killed=$(date +%s%6N)
netns run h0 sh -c 'kill -KILL $(pgrep -x dragon-transpor)'
told "the transport there is killed: who waits hears of it" transport 5
flow "and another one serves" again

waits agent
killed=$(date +%s%6N)
netns run h0 sh -c 'kill -KILL $(pgrep -x dragon-agent)'
told "the agent there is killed: who waits hears of it" agent 5
wait "$runtime" 2>/dev/null

check "another runtime" start_hosts
check "  with a channel" on_host 0 "$DRAGON_BUILDDIR/dragon-chan" create plain
echo >go
wait "$runtime"
no_leftovers "nothing is left"
finish
