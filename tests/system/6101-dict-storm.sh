# SPDX-License-Identifier: BSD-3-Clause
#
# What the header says of consistency, with readers, writers and processes that are killed on all nodes at once.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 4
LIMIT=240
seconds=5
[ -z "${DRAGON_LONG:-}" ] || seconds=60
check "one node" passes dict_storm $seconds
grep '^#' "$out"
check "two nodes" passes --test-hosts 2 dict_storm $seconds
grep '^#' "$out"
# on_hosts SECONDS: on two hosts with a network of their own
on_hosts()
{
    local code=0
    timeout -k 5 "$LIMIT" "$NETNS_HOSTS" --set "$netns_set" mpiexec -n 2 --map-by ppr:1:node \
        env LSAN_OPTIONS="${LSAN_OPTIONS:-}" ASAN_OPTIONS="${ASAN_OPTIONS:-}" "$DRAGON_BUILDDIR/dragon-run" "$DRAGON_BUILDDIR/tests/api/dict_storm" "$1" >tap.out || code=$?
    grep -v '^ok ' tap.out
    return $code
}
if netns_up 2 && command -v mpiexec.openmpi >/dev/null; then
    check "two hosts" on_hosts $seconds
    grep '^#' "$out"
else
    skip "two hosts" "${netns_why:-there is no mpiexec of Open MPI}"
fi
no_leftovers "nothing is left"
finish
