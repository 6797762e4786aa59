# SPDX-License-Identifier: BSD-3-Clause
#
# MPI groups at once, one after another, on more ranks than cores, and after the PMI service died.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
prog=$DRAGON_BUILDDIR/tests/mpi/mpi_check.openmpi
[ -x "$prog" ] || skip_all "mpi_check was not built with Open MPI"
plan 10
LIMIT=150
export OMPI_MCA_pml=ob1 prog

at_once()
{
    dragon-run --test-hosts 2 bash -c '
        for i in 1 2 3 4 5; do dragon-pg --pmi -n 2 --map-by node "$prog" all >many.$i & pids[i]=$!; done
        for i in 1 2 3 4 5; do wait ${pids[i]} || exit 1; done
        [ $(grep -l "2 ranks, 2 nodes, all ok" many.* | wc -l) = 5 ]'
}
check "five MPI groups at once over two nodes" at_once
one_fails()
{
    dragon-run bash -c '
        dragon-pg --pmi -n 2 "$prog" all >good & good=$!
        dragon-pg --pmi -n 2 "$prog" abort 1 7 2>/dev/null
        [ $? = 7 ] && wait $good && grep -q "all ok" good'
}
check "one of two aborts, the other does not notice" one_fails
count=50
one_after_another()
{
    count=$count dragon-run bash -c '
        agent=$PPID
        rss() { awk "/^VmRSS/ { print \$2 }" /proc/$agent/status; ls /proc/$agent/fd | wc -l; }
        for ((i = 0; i < 3; i++)); do dragon-pg --pmi -n 2 "$prog" hello >/dev/null || exit 1; done
        rss >first
        for ((i = 0; i < count; i++)); do dragon-pg --pmi -n 2 "$prog" hello >/dev/null || exit 1; done
        rss >last
        ls "${DRAGON_RUNTIME%/*}" | wc -l >entries'
}
[ -z "${DRAGON_LONG:-}" ] || count=1000 LIMIT=1000
check "$count MPI groups one after another" one_after_another
grown=$(($(head -n 1 last) - $(head -n 1 first)))
check "the agent has not grown ($grown KB)" test "$grown" -le 1024
check "nor its descriptors ($(tail -n 1 first), $(tail -n 1 last))" \
    test "$(tail -n 1 last)" -le "$(($(tail -n 1 first) + 2))"
check "and nothing of them stays in the runtime's directory ($(cat entries))" test "$(cat entries)" -le 6
service_dies()
{
    dragon-run bash -c '
        agent=$PPID
        dragon-pg --pmi -n 2 "$prog" hello >/dev/null || exit 1
        kill -KILL $(pgrep -P $agent -x dragon-pmix) || exit 2
        dragon-pg --pmi -n 2 "$prog" all | grep -q "2 ranks, 1 nodes, all ok"'
}
check "the PMI service dies between groups: the next has a new one" service_dies
service_dies_in_use()
{
    dragon-run bash -c '
        agent=$PPID
        dragon-pg --pmi -n 2 "$prog" wait >use & group=$!
        until [ $(grep -c waiting use) = 2 ]; do sleep 0.05; done
        kill -KILL $(pgrep -P $agent -x dragon-pmix)
        wait $group
        [ $? = 125 ] && dragon-pg --pmi -n 2 "$prog" all | grep -q "2 ranks, 1 nodes, all ok"' 2>use.err
    [ $? = 0 ] && [ "$(grep -c '^dragon-pg: .*PMI service' use.err)" = 1 ]
}
check "the PMI service dies under a group: that ends, with one message, the next is well" service_dies_in_use
check "8 ranks share the cores of this machine" dragon-run dragon-pg --pmi -n 8 "$prog" all
no_leftovers "nothing is left"
finish
