# SPDX-License-Identifier: BSD-3-Clause
#
# A whole host goes away, without a word on the network: power off, or the wire cut. Node 0 finds out
# after --node-timeout and ends; a host that was cut off ends by itself. mpiexec ends with a host, so this
# runtime is started without a launcher. Directories are in the hosts' own /tmp: a dead host sweeps nothing.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/ends.sh"
netns_up 3 || skip_all "$netns_why"
plan 7

head -c 32 /dev/urandom >secret
chmod 600 secret
port=7001
declare -A peers

# lost_start [OPTION...]: dragon-run on three hosts, by hand.
lost_start()
{
    local host
    port=$((port + 1))
    for host in 1 2; do
        timeout -k 5 120 "$NETNS_HOSTS" --set "$netns_set" run h$host env TMPDIR=/tmp "$DRAGON_BUILDDIR/dragon-run" \
            --rank $host --size 3 --address "10.211.0.1:$port" --secret-file "$PWD/secret" \
            --node-timeout 2s </dev/null >"peer.$host" 2>&1 &
        peers[$host]=$!
    done
    ends_start 3 wait "$NETNS_HOSTS" --set "$netns_set" run h0 env TMPDIR=/tmp "$DRAGON_BUILDDIR/dragon-run" \
        --rank 0 --size 3 --address "10.211.0.1:$port" --secret-file "$PWD/secret" --node-timeout 2s "$@"
}

on_h0_ended()
{
    ! netns run h0 pgrep -x 'dragon-run|dragon-agent' >/dev/null
}
lost_start
"$NETNS_HOSTS" --set "$netns_set" kill h1
check "a host is powered off: node 0 ends after the node time-out" wait_until 10 on_h0_ended
ends_check "code, one message that names it, and nothing left" 125 1 'node 1 \(h1\) is lost.*'
wait "${peers[1]}" "${peers[2]}"
"$NETNS_HOSTS" --set "$netns_set" boot h1 >/dev/null
netns run h1 sh -c 'rm -rf /tmp/dragon-??????'

lost_start
"$NETNS_HOSTS" --set "$netns_set" cut h2
ends_seconds=10 ends_check "a host is cut off: all ends, on both sides of the cut" 125 1 'node 2 \(h2\) is lost'
wait "${peers[2]}"
is "the host that was cut off returns 125" "$?" 125
"$NETNS_HOSTS" --set "$netns_set" heal h2
wait "${peers[1]}"

# Quiet is not dead: three times the node time-out without a message of ours.
quiet()
{
    rm -f pid.* new.*
    lost_start || return 1
    sleep 5
    [ "$(runtime_processes | grep -c dragon-agent)" = 3 ]
}
if [ -n "${DRAGON_LONG:-}" ]; then
    check "a runtime that is idle for longer lives on" quiet
else
    lost_start
    ok "it comes up again"
fi
kill -TERM "$(runtime_processes | awk '$3 == "dragon-run" { print $2 }' | head -n 1)"
ends_check "and ends when it is told to" any any ''
wait "${peers[1]}" "${peers[2]}"
no_leftovers "nothing is left"
finish
