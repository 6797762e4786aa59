# SPDX-License-Identifier: BSD-3-Clause
#
# A peer that knows the secret, but is no dragon-run of this release.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 12
(umask 077; head -c 32 /dev/urandom >secret)
port=$((20000 + RANDOM % 10000))
peer=$DRAGON_BUILDDIR/tests/lib/boot_peer

# meet WHAT: dragon-run as rank 0, the peer as rank 1.
meet()
{
    port=$((port + 1))
    timeout -k 5 "$LIMIT" "$peer" "$1" "127.0.0.1:$port" "$PWD/secret" >peer.out 2>&1 &
    local other=$! code=0
    timeout -k 5 "$LIMIT" dragon-run --rank=0 --size=2 --address="127.0.0.1:$port" \
        --secret-file="$PWD/secret" --up-timeout 20s true || code=$?
    wait "$other"
    peer_code=$?
    return "$code"
}
check_failure 'rank 1 on otherhost.*release 99\.1.*install' "another release" meet release
is "the peer was served" "$peer_code $(cat peer.out)" "0 "
check_failure 'rank 1 on otherhost.*release.*install' "another version of the same release" meet version
is "the peer was served" "$peer_code" 0
check_failure 'rank 1 on otherhost.*not understood' "half an offer" meet short
is "the peer was served" "$peer_code" 0
check_failure 'rank 1 .*not understood' "bytes without sense" meet garbage
is "the peer was served" "$peer_code" 0
check_failure 'rank 1 .*not understood' "nothing at all" meet empty
is "the peer was served" "$peer_code" 0
check_status 125 "an agent is not to be called by hand" dragon-agent
no_leftovers "nothing is left"
finish
