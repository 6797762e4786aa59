# SPDX-License-Identifier: BSD-3-Clause
#
# Under Open MPI's mpiexec on one host: each copy becomes a node.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
command -v mpiexec.openmpi >/dev/null || skip_all "there is no mpiexec of Open MPI"
plan 22

outer()
{
    timeout -k 5 "$LIMIT" mpiexec.openmpi --oversubscribe --mca btl_base_warn_component_unused 0 "$@"
}
own_lines()
{
    grep '^dragon-' "$err"
}
all_cores=$(nproc)
mpi=$DRAGON_BUILDDIR/tests/mpi/mpi_check.openmpi

check "one copy is a runtime of one node" outer -n 1 dragon-run dragon-pg -n 1 true
is "without a word" "$(own_lines)" ""
for copies in 2 4; do
    check "$copies copies are a runtime of $copies nodes" \
        outer -n "$copies" dragon-run dragon-pg -n "$copies" --ppn 1 sh -c 'echo "node $DRAGON_NODE"'
    is "each with a rank" "$(sort "$out" | uniq -c | grep -c ' 1 node')" "$copies"
    is "and one notice" "$(own_lines | grep -c "$copies runtime ranks were started on")" 1
    is "and nothing else" "$(own_lines | wc -l)" 1
done
if [ "$all_cores" -ge 2 ] && [ -x "$mpi" ]; then
    check "two copies divide the cores: one MPI rank a core" outer -n 2 dragon-run dragon-pg --pmi "$mpi" hello
    is "of all cores together" "$(grep -c "of $all_cores on" "$out")" "$all_cores"
    cores_of_ranks()
    {
        outer -n 2 dragon-run dragon-pg -n 2 --ppn 1 sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status
    }
    check "each copy has its own cores" cores_of_ranks
    is "not those of the other" "$(sort -u "$out" | grep -c .)" 2
else
    skip "two copies divide the cores: one MPI rank a core" "this needs two cores and Open MPI's compiler"
    skip "of all cores together" "this needs two cores and Open MPI's compiler"
    skip "each copy has its own cores" "this needs two cores"
    skip "not those of the other" "this needs two cores"
fi
own_cores=$(sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status)
bound()
{
    outer --bind-to core -n 1 dragon-run dragon-pg -n 2 \
        sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status
}
check "ranks under mpiexec --bind-to core" bound
is "may use all cores" "$(sort -u "$out")" "$own_cores"

check_status 7 "the exit code comes through mpiexec" outer -n 2 dragon-run sh -c 'exit 7'
is "without words of ours but the notice" "$(own_lines | wc -l)" 1
check_status 137 "128+n too" outer -n 1 dragon-run sh -c 'kill -KILL $$'
check "standard input reaches the head" bash -c 'echo typed | mpiexec.openmpi -n 2 --oversubscribe dragon-run \
    sh -c "read -r line; test \"\$line\" = typed"'
launcher_variables()
{
    outer -n 2 dragon-run dragon-pg -n 2 --ppn 1 env
}
run launcher_variables
is "the outer launcher's variables reach no rank" \
    "$(grep -E '^(PMIX_|PMI_|OMPI_COMM|OMPI_MCA_orte|OMPI_UNIVERSE)' "$out")" ""
no_leftovers "nothing is left"
finish
