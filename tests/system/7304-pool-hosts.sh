# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-pool over two hosts: tasks run on both, MPI programs over both, and one that loses its worker is run again.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 14
export HWLOC_SYNTHETIC="core:4 pu:1"

hosts()
{
    dragon-run --test-hosts 2 "$@"
}

# Tasks that wait for each other are run at the same time: four on four cores, two on each host.
check "as many as there are cores" hosts dragon-pool --joblog log 'mkdir -p at; : >at/{}; n=0; while [ $(ls at | wc -l) -lt 4 ] && [ $n -lt 300 ]; do sleep 0.1; n=$((n + 1)); done; [ $n -lt 300 ]' ::: 1 2 3 4
is "on both hosts" "$(tail -n +2 log | cut -f 2 | sort | uniq -c | awk '{print $1}' | tr '\n' ' ')" "2 2 "
check "on one of them" hosts dragon-pool --host 1 --joblog log true ::: 1 2 3 4
is "  alone" "$(tail -n +2 log | cut -f 2 | sort -u | wc -l)" 1
check "with two cores each" hosts dragon-pool -k -c 2 'taskset -cp $$ >/dev/null; echo {}' ::: 1 2 3 4
is "  all are done" "$(tr '\n' ' ' <"$out")" "1 2 3 4 "
# shellcheck disable=SC2016
check "a worker that is killed" hosts dragon-pool --joblog log ': {}; if mkdir begun 2>/dev/null; then kill -9 $PPID; sleep 60; fi; echo well' ::: 1
like "  is told of" 'task 1 was run again on .*: its worker was lost' "$(cat "$err")"
is "  and the task was run again" "$(cat "$out") $(tail -n +2 log | cut -f 7)" "well 0"
run hosts dragon-pool ': {}; kill -9 $PPID; sleep 60' ::: 1
is "one that is killed each time" "$status" 1
like "  with the cause" 'error: task 1 .*worker.*killed by signal 9' "$(cat "$err")"
program=$DRAGON_BUILDDIR/tests/mpi/mpi_check.openmpi
if [ -x "$program" ]; then
    check "MPI programs of as many ranks as there are cores" hosts dragon-pool --mpi 4 "exec $program hello #{}" ::: 1 2 3
    is "  say so" "$(wc -l <"$out")" 12
else
    skip "  say so" "mpi_check was not built"
    skip "MPI programs of as many ranks as there are cores" "mpi_check was not built"
fi
no_leftovers "nothing is left"
finish
