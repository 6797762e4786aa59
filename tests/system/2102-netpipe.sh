# SPDX-License-Identifier: BSD-3-Clause
#
# NetPIPE as Debian builds it with MPICH: two ranks on one host and on two.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
command -v NPmpich2 >/dev/null || skip_all "there is no NPmpich2 (package netpipe-mpich2)"
plan 4
LIMIT=150

# measures CMD...: CMD runs NetPIPE up to 100 bytes, and it has its table.
measures()
{
    rm -f np.out
    timeout -k 5 "$LIMIT" "$@" >np.txt 2>&1 && [ "$(wc -l <np.out)" -ge 8 ] &&
        awk 'NF < 2 || $2 <= 0 { exit 1 }' np.out && return 0
    tail -n 20 np.txt
    return 1
}

check "two ranks on one host" measures dragon-run dragon-pg --pmi -n 2 NPmpich2 -u 100 -n 20
check "on two nodes of this machine" measures dragon-run --test-hosts 2 dragon-pg --pmi --ppn 1 NPmpich2 -u 100 -n 20
if ! command -v mpiexec.openmpi >/dev/null; then
    skip "over two hosts" "there is no mpiexec of Open MPI"
elif netns_up 2; then
    check "over two hosts" measures "$NETNS_HOSTS" --set "$netns_set" mpiexec -n 2 --map-by ppr:1:node \
        "$DRAGON_BUILDDIR/dragon-run" dragon-pg --pmi --ppn 1 NPmpich2 -u 100 -n 20
else
    skip "over two hosts" "$netns_why"
fi
no_leftovers "nothing is left"
finish
