# SPDX-License-Identifier: BSD-3-Clause
#
# What a PMIx client gets: every key with its type, values of other ranks over a fence that carries
# data, by direct modex where none did, and an abort. (Open MPI's pmix_base_async_modex=1 is not tried:
# it fails now and then under mpiexec as well.)
. "$DRAGON_SRCDIR/tests/lib/system.sh"
probe=$DRAGON_BUILDDIR/tests/mpi/pmix_probe
prog=$DRAGON_BUILDDIR/tests/mpi/mpi_check.openmpi
[ -x "$probe" ] || skip_all "pmix_probe was not built"
plan 16

for how in '' nodata; do
    what="keys and a fence with data"
    [ -z "$how" ] || what="keys and direct modex"
    for layout in "-n 1" "-n 4" "--test-hosts 2 -n 4 --ppn 2" "--test-hosts 3 -n 5 --map-by node"; do
        run=()
        case $layout in --test-hosts*) run=(--test-hosts "$(cut -d' ' -f2 <<<"$layout")")
            layout=${layout#--test-hosts ? } ;; esac
        # shellcheck disable=SC2086
        check_output '^pmix_probe: [0-9]+ keys ok$' "$what: ${run[*]} $layout" \
            dragon-run "${run[@]}" dragon-pg --pmi $layout "$probe" $how
    done
done
check_status 9 "PMIx_Abort ends the group with its code" dragon-run dragon-pg --pmi -n 3 "$probe" abort 9
like "and its text" 'rank 0 on .* MPI_Abort with code 9: pmix_probe: asked to abort' "$(cat "$err")"
check_status 9 "also over nodes" dragon-run --test-hosts 3 dragon-pg --pmi --ppn 1 "$probe" abort 9
check_status 1 "PMIx_Abort(0) is a failure, too" dragon-run dragon-pg --pmi -n 2 "$probe" abort 0

if [ -x "$prog" ]; then
    export OMPI_MCA_pml=ob1
    modex()
    {
        OMPI_MCA_pmix_base_collect_data=0 dragon-run --test-hosts 2 dragon-pg --pmi -n 4 "$1" "$2" \
            "$prog" all | grep -q "4 ranks, 2 nodes, all ok"
    }
    check "Open MPI without data in its fences, block" modex --ppn 2
    check "the same, cyclic" modex --map-by node
    nspaces()
    {
        for i in 1 2; do
            dragon-run sh -c 'for i in 1 2; do dragon-pg --pmi -n 1 sh -c "echo \$PMIX_NAMESPACE; \$0 hello >/dev/null" "$0"; done' "$prog"
        done >nspaces
        [ "$(sort -u nspaces | wc -l)" = 4 ] && ! grep -Evq '^[A-Za-z0-9._-]{20,}$' nspaces
    }
    check "each group has a name space of its own that nobody guesses" nspaces
else
    for text in block cyclic names; do skip "Open MPI: $text" "not built"; done
fi
no_leftovers "nothing is left"
finish
