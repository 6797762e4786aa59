# SPDX-License-Identifier: BSD-3-Clause
#
# With --node-failure=continue, hosts with a network of their own: one is cut off without a word, one is powered off. Node 0
# finds out after --node-timeout and goes on; a host that was cut off ends its part by itself. See 1203 for why
# there is no launcher.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
netns_up 3 || skip_all "$netns_why"
plan 14

head -c 32 /dev/urandom >secret
chmod 600 secret
port=7101
declare -A peers

# on_hosts PROGRAM...: as the head of a runtime on three hosts, in the background.
on_hosts()
{
    local host
    port=$((port + 1))
    for host in 1 2; do
        timeout -k 5 120 "$NETNS_HOSTS" --set "$netns_set" run h$host env TMPDIR=/tmp "$DRAGON_BUILDDIR/dragon-run" \
            --rank $host --size 3 --address "10.211.0.1:$port" --secret-file "$PWD/secret" </dev/null >"peer.$host" 2>&1 &
        peers[$host]=$!
    done
    timeout -k 5 120 "$NETNS_HOSTS" --set "$netns_set" run h0 env TMPDIR=/tmp PATH="$DRAGON_BUILDDIR:$PATH" \
        "$DRAGON_BUILDDIR/dragon-run" --rank 0 --size 3 --address "10.211.0.1:$port" --secret-file "$PWD/secret" \
        --node-timeout 2s --node-failure=continue "$@" </dev/null >head.out 2>head.err &
    head_pid=$!
}

# ends TEXT PID CODE
ends()
{
    local code=0
    wait "$2" || code=$?
    is "$1" "$code" "$3"
}

on_hosts "$DRAGON_BUILDDIR/tests/api/node_lost" "$PWD/ready"
check "all is ready" wait_until 60 test -e ready
"$NETNS_HOSTS" --set "$netns_set" cut h1
ends "a host is cut off: the head ends well" "$head_pid" 0
is "all that it looked at is so" "$(grep -v '^ok\|^1\.\.' head.out)" ""
is "one line says why" "$(grep -c 'node 1 (h1) is lost: .*; the runtime goes on with the 2 nodes left' head.err)" 1
ends "the host that was cut off returns 125" "${peers[1]}" 125
ends "the other one 0" "${peers[2]}" 0
"$NETNS_HOSTS" --set "$netns_set" heal h1
no_leftovers "nothing is left, on both sides of the cut"

# shellcheck disable=SC2016
rm -f up.*
# shellcheck disable=SC2016
on_hosts sh -c 'dragon-pg --ppn 1 --on-failure=continue sh -c ": >up.\$DRAGON_RANK; [ \$DRAGON_RANK = 2 ] && exec sleep 600
        until [ -e go ]; do sleep 0.1; done; echo done \$DRAGON_RANK" & pg=$!
    until dragon-info nodes | grep -q lost; do sleep 0.2; done
    dragon-pg --ppn 1 sh -c "echo again \$DRAGON_NODE"
    : >go; wait $pg; exit $?'
check "another runtime" wait_until 60 eval '[ -e up.0 ] && [ -e up.1 ] && [ -e up.2 ]'
"$NETNS_HOSTS" --set "$netns_set" kill h2
ends "a host is powered off: the head goes on" "$head_pid" 137
is "and all but that host" "$(sort head.out | paste -sd' ')" "again 0 again 1 done 0 done 1"
is "one line says why" "$(grep -c '^dragon-agent: warning: node 2 (h2) is lost' head.err)" 1
ends "the other one returns 0" "${peers[1]}" 0
wait "${peers[2]}"
"$NETNS_HOSTS" --set "$netns_set" boot h2 >/dev/null
netns run h2 sh -c 'rm -rf /tmp/dragon-??????'
is "nothing was said by the others" "$(cat peer.1)" ""
no_leftovers "nothing is left"
finish
