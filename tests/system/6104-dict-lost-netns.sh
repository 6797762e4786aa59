# SPDX-License-Identifier: BSD-3-Clause
#
# Dictionaries over two hosts with a network of their own: a manager is killed, then a whole host goes away, without a word on the
# network. A runtime that has lost a node ends, and everybody who waits is told.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/chan.sh"
. "$DRAGON_SRCDIR/tests/lib/dict_lost.sh"
netns_up 2 || skip_all "$netns_why"
plan 19
LIMIT=120
SOON_MS=1000
# A host that is gone is found out after the node time-out.
NODE_TIMEOUT_MS=2000

head -c 32 /dev/urandom >secret
chmod 600 secret
port=7100

# start_hosts: a runtime on h0 and h1, without a launcher, which would end with a host; their sockets are in $node0 and $node1
start_hosts()
{
    port=$((port + 1))
    rm -f node.?
    local common=(env TMPDIR=/tmp LSAN_OPTIONS="${LSAN_OPTIONS:-}" ASAN_OPTIONS="${ASAN_OPTIONS:-}" "$DRAGON_BUILDDIR/dragon-run" --size 2 --address "10.211.0.1:$port"
        --secret-file "$PWD/secret" --node-timeout 2s)
    timeout -k 5 "$LIMIT" "$NETNS_HOSTS" --set "$netns_set" run h1 "${common[@]}" --rank 1 </dev/null >peer.out 2>&1 &
    peer=$!
    # shellcheck disable=SC2016
    timeout -k 5 "$LIMIT" "$NETNS_HOSTS" --set "$netns_set" run h0 "${common[@]}" --rank 0 sh -c 'cd "$0"
        echo "$DRAGON_RUNTIME" >node.0.new; mv node.0.new node.0
        "$1" -n 1 -H 1 sh -c "echo \$DRAGON_RUNTIME" >node.1.new </dev/null && mv node.1.new node.1
        until [ -e go ]; do sleep 0.05; done' "$PWD" "$DRAGON_BUILDDIR/dragon-pg" </dev/null >head.out 2>&1 &
    runtime=$!
    wait_until 60 test -s node.1 -o ! -d "/proc/$runtime"
    node0=$(cat node.0) node1=$(cat node.1)
    [ -n "$node1" ]
}

# on N CMD...: in the runtime
on()
{
    local host=h$1 socket=node$1
    shift
    netns run "$host" env DRAGON_RUNTIME="${!socket}" LSAN_OPTIONS="${LSAN_OPTIONS:-}" ASAN_OPTIONS="${ASAN_OPTIONS:-}" "$@"
}

# kill_manager HOST RANK: of the dictionary of $descriptor
kill_manager()
{
    # shellcheck disable=SC2016
    killed=$(netns run "$1" sh -c 'for pid in $(pgrep -f "^dragon-dict-manager $0 "); do
            grep -qzx "DRAGON_RANK=$1" /proc/$pid/environ && date +%s%6N && kill -KILL $pid && exit 0
        done
        exit 1' "$descriptor" "$2")
}

check "a runtime on two hosts" start_hosts
check "a dictionary with three managers" make_dict first 3
check "processes of both hosts are in the middle of something" hold_all first 1 key view cursor room busy
check "a manager of the other host is killed" kill_manager h1 1
told "all are told at once who it was, and the others go on" $SOON_MS "lost manager 1 of node 1" \
    "manager 0 goes on" "manager 2 goes on"
check "who comes later is told, too" on 0 "$lost" use first 1
check "  on both hosts" on 1 "$lost" use first 1
check "it is destroyed from there" on 1 "$lost" destroy first
check "another one can be made" make_dict second 2
check "  and used" on 1 "$lost" use second

check "others wait for a manager of the other host" hold_all second 1 key busy
killed=$(date +%s%6N)
"$NETNS_HOSTS" --set "$netns_set" cut h1
told "the wire is cut: all are told, on both sides" $((NODE_TIMEOUT_MS * 4))
wait "$runtime" "$peer"
"$NETNS_HOSTS" --set "$netns_set" heal h1

rm -f held.*
check "another runtime" start_hosts
check "a dictionary" make_dict first 2
check "somebody waits for a manager of the other host" hold_dict 0 key first 1
check "somebody waits for one of this host" hold_dict 0 view first 0
killed=$(date +%s%6N)
"$NETNS_HOSTS" --set "$netns_set" kill h1
told "the other host is powered off: they are told" $((NODE_TIMEOUT_MS * 4))
wait "$runtime" "$peer"
"$NETNS_HOSTS" --set "$netns_set" boot h1 >/dev/null
netns run h1 sh -c 'rm -rf /tmp/dragon-??????'
like "the runtime has said why it ended" 'node 1 \(h1\) is lost' "$(cat head.out)"
no_leftovers "nothing is left"
finish
