# SPDX-License-Identifier: BSD-3-Clause
#
# HPCC as Debian packages it (Open MPI): its own checks pass, on one host and over two.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
command -v hpcc >/dev/null || skip_all "there is no hpcc (package hpcc)"
plan 4
LIMIT=200
export OMPI_MCA_pml=ob1 OMPI_MCA_mpi_yield_when_idle=1

# passes CMD...: CMD runs hpcc with 4 ranks here, and it is content with itself.
passes()
{
    rm -f hpccoutf.txt
    cp "$DRAGON_SRCDIR/tests/data/hpccinf.txt" .
    timeout -k 5 "$LIMIT" "$@" >hpcc.txt 2>&1 && grep -qx 'Success=1' hpccoutf.txt &&
        grep -qx 'CommWorldProcs=4' hpccoutf.txt && grep -q '^PTRANS_residual=0' hpccoutf.txt &&
        grep -q '^MPIRandomAccess_ErrorsFraction=0' hpccoutf.txt &&
        ! grep -q 'FAILED' hpccoutf.txt && return 0
    tail -n 20 hpcc.txt
    grep -E '^(Success|CommWorldProcs|PTRANS_residual|MPIRandomAccess_Err)|FAILED' hpccoutf.txt
    return 1
}

check "on one host" passes dragon-run dragon-pg --pmi -n 4 hpcc
check "on two nodes of this machine" passes dragon-run --test-hosts 2 dragon-pg --pmi -n 4 --map-by node hpcc
if ! command -v mpiexec.openmpi >/dev/null; then
    skip "over two hosts" "there is no mpiexec of Open MPI"
elif netns_up 2; then
    check "over two hosts" passes "$NETNS_HOSTS" --set "$netns_set" mpiexec -n 2 --map-by ppr:1:node \
        "$DRAGON_BUILDDIR/dragon-run" dragon-pg --pmi -n 4 --ppn 2 hpcc
else
    skip "over two hosts" "$netns_why"
fi
no_leftovers "nothing is left"
finish
