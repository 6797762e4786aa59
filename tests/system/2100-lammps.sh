# SPDX-License-Identifier: BSD-3-Clause
#
# LAMMPS as Debian packages it (Open MPI): on one host, on nodes of one machine and over two hosts, each
# with the same printed thermo as under mpiexec.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
command -v lmp >/dev/null || skip_all "there is no lmp (package lammps)"
command -v mpiexec.openmpi >/dev/null || skip_all "there is no mpiexec of Open MPI"
plan 6
LIMIT=150
export OMPI_MCA_pml=ob1 OMPI_MCA_mpi_yield_when_idle=1
input=$DRAGON_SRCDIR/tests/data/lj.in

# thermo FILE: the table of steps.
thermo()
{
    awk '/^ *Step /{ table = 1 } /^Loop time/{ table = 0 } table { $1 = $1; print }' "$1"
}

# same NAME CMD...: CMD runs LAMMPS with the thermo of the control run.
same()
{
    local name=$1
    shift
    timeout -k 5 "$LIMIT" "$@" >"$name.txt" 2>"$name.err" &&
        grep -q "on $procs procs for 200 steps" "$name.txt" &&
        [ "$(thermo "$name.txt")" = "$(cat control)" ] && return 0
    tail -n 20 "$name.txt" "$name.err"
    return 1
}

procs=2
mpiexec.openmpi --oversubscribe --bind-to none -n 2 lmp -log none -in "$input" >control.txt 2>&1
thermo control.txt >control
is "the control run printed steps 0 to 200" "$(awk '{ print $1 }' control | tr '\n' ' ')" "Step 0 50 100 150 200 "
check "two ranks on one host" same one dragon-run dragon-pg --pmi -n 2 lmp -log none -in "$input"
procs=4
check "four ranks on two nodes, input on standard input" same two \
    sh -c 'dragon-run --test-hosts 2 dragon-pg --pmi -n 4 --map-by node lmp -log none <"$0"' "$input"
if netns_up 2; then
    check "four ranks over two hosts, by mpiexec" same hosts "$NETNS_HOSTS" --set "$netns_set" mpiexec -n 2 \
        --map-by ppr:1:node "$DRAGON_BUILDDIR/dragon-run" dragon-pg --pmi -n 4 --ppn 2 lmp -log none -in "$input"
    check "the same cyclic" same cyclic "$NETNS_HOSTS" --set "$netns_set" mpiexec -n 2 \
        --map-by ppr:1:node "$DRAGON_BUILDDIR/dragon-run" dragon-pg --pmi -n 4 --map-by node \
        lmp -log none -in "$input"
else
    skip "four ranks over two hosts, by mpiexec" "$netns_why"
    skip "the same cyclic" "$netns_why"
fi
no_leftovers "nothing is left"
finish
