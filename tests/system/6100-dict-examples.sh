# SPDX-License-Identifier: BSD-3-Clause
#
# The examples of dictionaries, as their first lines say they are compiled and run: on one node, on two, and on two hosts with a
# network of their own.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 26
examples=$DRAGON_BUILDDIR/examples
export OMPI_MCA_pml=ob1
hosts=''
netns_up 2 && command -v mpiexec.openmpi >/dev/null && hosts=yes

# on_hosts CMD...: a runtime on both hosts
on_hosts()
{
    timeout -k 5 "$LIMIT" "$NETNS_HOSTS" --set "$netns_set" mpiexec -n 2 --map-by ppr:1:node \
        env LSAN_OPTIONS="${LSAN_OPTIONS:-}" ASAN_OPTIONS="${ASAN_OPTIONS:-}" "$DRAGON_BUILDDIR/dragon-run" "$@"
}
on_one()
{
    timeout -k 5 "$LIMIT" dragon-run "$@"
}
on_two()
{
    timeout -k 5 "$LIMIT" dragon-run --test-hosts 2 "$@"
}
declare -A where=([on_one]="one node" [on_two]="two nodes" [on_hosts]="two hosts")
declare -A nodes=([on_one]=1 [on_two]=2 [on_hosts]=2)

compiled_by()
{
    local file
    for file in dict_loader dict_workers; do
        $1 -I"$DRAGON_SRCDIR/include" -Wall -Wextra -pedantic -Werror -fsyntax-only \
            "$DRAGON_SRCDIR/examples/$file.c" || return
    done
}
check "they are compiled without a warning" compiled_by "$CC"
if command -v clang >/dev/null; then
    check "by clang too" compiled_by clang
else
    skip "by clang too" "there is no clang"
fi
check_status 2 "dict_workers: says how it is called" "$examples/dict_workers"
check_status 2 "dict_loader: says how it is called" "$examples/dict_loader"

# skipped_hosts FUNCTION TEXT...: true when there are no such hosts, and then these are skipped
skipped_hosts()
{
    local text
    [ "$1" = on_hosts ] && [ -z "$hosts" ] || return 1
    shift
    for text in "$@"; do
        skip "$text" "${netns_why:-there is no mpiexec of Open MPI}"
    done
}

# ---- dict_workers
workers_wanted()
{
    local rank
    for rank in 0 1 2 3 4; do
        echo "rank $rank: $((1000 * (rank + 1) * (1000 * (rank + 1) + 1) / 2))"
    done
    echo "5 results of $1 managers"
}
for on in on_one on_two on_hosts; do
    one="dict_workers: ${where[$on]}" two="dict_workers: ${where[$on]}: all is listed, in order"
    skipped_hosts $on "$one" "$two" && continue
    check "$one" "$on" "$examples/dict_workers" 5
    is "$two" "$(sed 's/ on .*, node .*: /: /' "$out")" "$(workers_wanted "${nodes[$on]}")"
done

# ---- dict_loader
for on in on_one on_two on_hosts; do
    one="dict_loader: ${where[$on]}" two="dict_loader: ${where[$on]}: each trainer saw all, and right"
    three="dict_loader: ${where[$on]}: each sample without a copy on one node"
    skipped_hosts $on "$one" "$two" "$three" && continue
    check "$one" "$on" "$examples/dict_loader" 1000
    is "$two" "$(grep -cE '^trainer .*: 1000 samples, .* mean 4\.50$' "$out"),$(head -n 1 "$out")" \
        "4,1000 samples are loaded"
    # Of each node's trainers one here.
    is "$three" "$(sed -nE 's/^trainer .* (node [0-9]+): .*, ([0-9]+) of them.*/\1 \2/p' "$out" |
        sort -u | awk '{ all += $3 } END { print NR, all }')" "${nodes[$on]} 1000"
done

# ---- dict_simulation. MPICH 4.0 over UCX hangs in MPI_Finalize now and then: see 5031-chan-mpi.sh.
# simulated STEPS CMD...: what was seen is right
simulated()
{
    local steps=$1 tries=1 code
    shift
    [ "$mpi" != mpich ] || tries=3
    # The first step is 0 + 1; later each rank has 1 more from its left, and the number of the step.
    seq 0 $((steps - 1)) | awk '{ print "step " $1 ": " ($1 ? 3 + 2 * $1 : 1) }' >wanted.out
    while true; do
        code=0
        "$@" >seen.out 2>seen.err || code=$?
        tries=$((tries - 1))
        if [ "$code" = 0 ] || [ "$tries" = 0 ] || ! cmp -s wanted.out seen.out; then break; fi
    done
    cat seen.err >&2
    [ "$code" = 0 ] && diff wanted.out seen.out
}
LIMIT=40
for mpi in openmpi mpich; do
    for on in on_one on_two on_hosts; do
        text="dict_simulation: with $mpi, ${where[$on]}"
        if [ ! -x "$examples/dict_simulation.dragon-$mpi" ]; then
            skip "$text" "there is no compiler of it"
        elif ! skipped_hosts $on "$text"; then
            check "$text" simulated 60 "$on" "$examples/dict_simulation.dragon-$mpi" 2 60
        fi
    done
done
no_leftovers "nothing is left"
finish
