# SPDX-License-Identifier: BSD-3-Clause
#
# Another user of the host holds connections to the PMIx service, which are to cost an MPI program nothing:
# libpmix would wait for each of them to say who it is.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
python=$(PATH=/usr/bin:/bin command -v python3) || skip_all "there is no python3 for everybody"
[ "$(id -u)" = 0 ] || skip_all "only root can be another user"
mpi=$DRAGON_BUILDDIR/tests/mpi/mpi_check.openmpi
[ -x "$mpi" ] || skip_all "there is no compiler of Open MPI"
plan 5
hostile=$DRAGON_SRCDIR/tests/lib/hostile.py

mkfifo again hold
# shellcheck disable=SC2016
timeout -k 5 200 dragon-run sh -c '"$0" --pmi -n 2 "$1" hello; read -r _ <again
    "$0" --pmi -n 2 "$1" hello' dragon-pg "$mpi" >mpi.out 2>mpi.err &
runtime=$!
check "an MPI program has run" wait_until 60 bash -c "test \"\$(grep -c 'of 2 on' mpi.out)\" = 2"
# The program's text as an argument: another user may not be able to read it from here.
doors=$("$python" "$hostile" ports $(runtime_processes | awk '$3 == "dragon-pmix" { print $2 }'))
# shellcheck disable=SC2086
setpriv --reuid 65534 --regid 65534 --clear-groups \
    "$python" -c "$(cat "$hostile")" attack $doors <hold >attack.out 2>attack.err &
attacker=$!
exec 8>hold
check "another user has made 200 connections" wait_until 60 grep -q ready attack.out
begin=$SECONDS
echo >again
wait "$runtime"
is "the next MPI program runs" "$? $(grep -c 'of 2 on' mpi.out)" "0 4"
# Each of them could have held it up for two seconds.
check "and was not held up" test $((SECONDS - begin)) -lt 60
exec 8>&-
wait "$attacker"
no_leftovers "nothing is left"
finish
