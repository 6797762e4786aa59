# SPDX-License-Identifier: BSD-3-Clause
#
# Nothing stays behind on two hosts under Open MPI's mpiexec, whatever dies on either.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/ends.sh"
command -v mpiexec.openmpi >/dev/null || skip_all "there is no mpiexec of Open MPI"
netns_up 2 || skip_all "$netns_why"
plan 13

# on HOST NAME SIGNAL: to the processes of that name there; the hosts are only ours.
on_host()
{
    netns run "$1" sh -c "kill -$3 \$(pgrep -x $2)"
}

netns_start()
{
    ends_start 2 wait "$NETNS_HOSTS" --set "$netns_set" mpiexec -n 2 --map-by ppr:1:node \
        "$DRAGON_BUILDDIR/dragon-run"
}

netns_start
netns run h0 sh -c 'kill -KILL $(pgrep -x mpiexec.openmpi || pgrep -x orterun || pgrep -x mpiexec)'
ends_check "kill -9 of mpiexec" any any ''
netns_start
netns run h0 sh -c 'kill -TERM $(pgrep -x mpiexec.openmpi || pgrep -x orterun || pgrep -x mpiexec)'
ends_check "TERM to mpiexec" any any ''
for host in h0 h1; do
    netns_start
    on_host $host dragon-run KILL
    # mpiexec loses its own process and ends everything at once, so nobody may be left to tell.
    ends_check "kill -9 of dragon-run on $host" 137 any ''
    netns_start
    on_host $host dragon-agent KILL
    ends_check "kill -9 of the agent on $host" 125 1 "dragon-agent on $host .*signal 9|\($host\) is lost"
    netns_start
    netns run $host sh -c "kill -KILL \$(cat $PWD/pid.rank.${host#h})"
    ends_check "kill -9 of a rank on $host" 137 1 "rank ${host#h} on $host .*signal 9"
    if [ -n "$ends_prog" ]; then
        netns_start
        on_host $host dragon-pmix KILL
        ends_check "kill -9 of dragon-pmix on $host" 125 1 "dragon-pmix\) on $host is gone"
    else
        skip "kill -9 of dragon-pmix on $host" "no Open MPI"
    fi
done
netns_start
netns run h0 sh -c "kill -KILL \$(cat $PWD/pid.head)"
ends_check "kill -9 of the head" 137 1 'sh was killed by signal 9'
netns_start
netns run h1 sh -c 'kill -KILL -$(pgrep -x dragon-run)'
ends_check "kill -9 of the process group of dragon-run on h1" any any ''
no_leftovers "nothing is left"
finish
