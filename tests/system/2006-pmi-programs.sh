# SPDX-License-Identifier: BSD-3-Clause
#
# MPI groups of several programs, each with a policy of its own, and what bound ranks are told.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
openmpi=$DRAGON_BUILDDIR/tests/mpi/mpi_check.openmpi
mpich=$DRAGON_BUILDDIR/tests/mpi/mpi_check.mpich
probe=$DRAGON_BUILDDIR/tests/mpi/pmix_probe
[ -x "$openmpi" ] && [ -x "$mpich" ] && [ -x "$probe" ] || skip_all "not all MPI programs were built"
plan 47
LIMIT=120
export OMPI_MCA_pml=ob1
unset HWLOC_SYNTHETIC CUDA_VISIBLE_DEVICES

# layout: "rank:program.rank in it" of each rank.
layout()
{
    sed -n 's/^rank \([0-9]*\) of [0-9]* on .* app \([0-9]*\) rank \([0-9]*\) .*/\1:\2.\3/p' "$out" | paste -sd' '
}

for prog in "$openmpi" "$mpich"; do
    name=${prog##*.}
    check "$name: two programs" dragon-pg --pmi -n 1 "$prog" apps : -n 2 "$prog" apps
    is "$name: ranks in their order" "$(layout)" "0:0.0 1:1.0 2:1.1"
    check "$name: three on three nodes" dragon-run --test-hosts 3 dragon-pg --pmi -n 1 -H 2 "$prog" apps : \
        -n 1 -H 0 "$prog" apps : -n 1 -H 1 "$prog" apps
    is "$name: ranks in their order" "$(layout)" "0:0.0 1:1.0 2:2.0"
    check_status 7 "$name: MPI_Abort of the second program" \
        dragon-run --test-hosts 2 dragon-pg --pmi -n 1 -H 0 "$prog" abort 1 7 : -n 1 -H 1 "$prog" abort 1 7
    like "$name: is told once" '^dragon-pg: error: rank 1 .* called MPI_Abort with code 7' \
        "$(grep '^dragon-' "$err")"
    check_status 4 "$name: a rank of the second program leaves without MPI_Finalize" \
        dragon-pg --pmi -n 1 "$prog" exit 1 4 : -n 1 "$prog" exit 1 4
    # shellcheck disable=SC2016
    check_status 137 "$name: a rank of the second program is killed" \
        dragon-pg --pmi -n 1 "$prog" wait : -n 1 sh -c '(sleep 0.2; kill -9 $$) & exec "$0" wait' "$prog"
    check_status 125 "$name: one that is no MPI program" dragon-pg --pmi -n 1 "$prog" apps : -n 1 true
    like "$name: is named" 'rank 1 .*exited without ever connecting' "$(cat "$err")"
    check_status 124 "$name: a time limit" dragon-pg --pmi -t 1s -n 1 "$prog" wait : -n 1 "$prog" wait
    check "$name: directories and variables of each" dragon-pg --pmi -n 1 --cwd / --env A=1 \
        sh -c '[ $PWD$A = /1 ] && exec "$0" apps' "$prog" : -n 1 --cwd /usr --env A=2 \
        sh -c '[ $PWD$A = /usr2 ] && exec "$0" apps' "$prog"
done
check_failure 'rank 0 speaks .*PMI.* rank 1 .*PMI.*same library|rank 1 speaks .*PMI.* rank 0 .*PMI.*same library' \
    "programs of two MPI libraries" dragon-pg --pmi -n 1 "$openmpi" hello : -n 1 "$mpich" hello
check_failure 'rank [01] speaks .*PMI.*rank [01] .*PMI.*same library' "on two nodes, too" dragon-run --test-hosts 2 \
    dragon-pg --pmi -n 1 -H 0 "$openmpi" hello : -n 1 -H 1 "$mpich" hello
for option in "--restart 2" "--on-failure restart:2"; do
    # shellcheck disable=SC2086
    check_failure 'a rank of an MPI program cannot be started again' "$option" \
        dragon-pg --pmi -n 1 $option "$openmpi" hello
done
check_status 3 "--on-failure continue: after MPI_Finalize the others are not missed" \
    dragon-pg --pmi -n 2 --on-failure continue "$openmpi" after 1 3
check "ranks of programs that lie across nodes" dragon-run --test-hosts 3 dragon-pg --pmi \
    -n 2 --map-by cyclic "$openmpi" apps : -n 3 --map-by cyclic "$openmpi" apps : -n 1 -H 1 "$openmpi" apps
is "in their order" "$(layout)" "0:0.0 1:0.1 2:1.0 3:1.1 4:1.2 5:2.0"

# ---- keys

check_output '^pmix_probe: [0-9]+ keys ok$' "keys of several programs" dragon-run --test-hosts 2 \
    dragon-pg --pmi -n 2 -H 1 "$probe" : -n 1 -H 0 "$probe" : -n 2 --map-by cyclic "$probe"
run dragon-run --test-hosts 2 dragon-pg --pmi -n 2 -H 1 --cwd / "$probe" show : -n 1 -H 0 --cwd /usr "$probe" show
# value KEY "rank 1", as rank 0 is told
value()
{
    sed -n "s/^0: $1 of $2: //p" "$out"
}
for row in "PMIX_APPNUM|rank 1|0" "PMIX_APPNUM|rank 2|1" "PMIX_APP_RANK|rank 2|0" "PMIX_APP_SIZE|application 0|2" \
    "PMIX_APPLDR|application 1|2" "PMIX_WDIR|application 1|/usr" "PMIX_LOCAL_PEERS|the job|0,1"; do
    IFS='|' read -r key about wanted <<<"$row"
    is "$key of $about" "$(value "$key" "$about")" "$wanted"
done

# ---- what a rank is bound to

if [ "$(nproc)" -ge 2 ]; then
    run dragon-pg --pmi -n 1 --bind core "$probe" show : -n 1 -c 1 "$probe" show
    bound=$(value PMIX_CPUSET 'rank 0')/$(value PMIX_CPUSET 'rank 1')
    places=$(value PMIX_LOCALITY_STRING 'rank 0' | grep -o 'CR[0-9]*')
    run dragon-pg --pmi -n 1 --bind core "$openmpi" apps : -n 1 -c 1 "$openmpi" apps
    is "PMIX_CPUSET is what each rank is bound to" "$bound" "$(awk '/ cores / { print $NF }' "$out" | paste -sd/)"
    like "and PMIX_LOCALITY_STRING" '^CR[0-9]+$' "$places"
else
    skip "PMIX_CPUSET is what each rank is bound to" "one core"
    skip "and PMIX_LOCALITY_STRING" "one core"
fi
run env HWLOC_SYNTHETIC="pack:2 numa:2 core:4 pu:2" dragon-pg --pmi -n 2 -c 1 "$probe" show
is "on a made-up machine nobody is bound" "$(value PMIX_CPUSET 'rank 0')" NOT-FOUND

# ---- cores that others use

# shellcheck disable=SC2016
yields='printf "%s " ${OMPI_MCA_mpi_yield_when_idle:-0}; exec "$0" hello >/dev/null'
is "a rank for each core spins" "$(dragon-pg --pmi -n 1 -c 1 sh -c "$yields" "$openmpi")" "0 "
is "one on a core of another group does not" "$(timeout 20 dragon-pg -n 1 -c "$(nproc)" \
    dragon-pg -q --pmi -n 1 -c 1 --on-full share sh -c "$yields" "$openmpi")" "1 "
is "nor do those of a made-up machine" "$(HWLOC_SYNTHETIC="core:64 pu:1" \
    dragon-pg --pmi -n 1 -c 1 sh -c "$yields" "$openmpi")" "1 "
is "and those of more nodes than cores" "$(dragon-run --test-hosts $(($(nproc) + 1)) \
    dragon-pg --pmi -n 1 -c 1 sh -c "$yields" "$openmpi")" "1 "
no_leftovers "nothing is left"
finish
