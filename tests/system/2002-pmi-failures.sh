# SPDX-License-Identifier: BSD-3-Clause
#
# MPI programs that end badly: the others are stopped, and code and message are those of the rank that
# began it. Each case with Open MPI and MPICH, on one node and over two.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
programs=()
for family in openmpi mpich; do
    [ ! -x "$DRAGON_BUILDDIR/tests/mpi/mpi_check.$family" ] || programs+=("$family")
done
[ ${#programs[@]} -gt 0 ] || skip_all "mpi_check was not built"
export OMPI_MCA_pml=ob1
host=$(hostname)

# fails CODE REGEX WHAT ARGS...: mpi_check with ARGS ends with CODE and one message of dragon-pg.
fails()
{
    local code=$1 regex=$2 what=$3 lines
    shift 3
    run dragon-run "${nodes[@]}" dragon-pg --pmi "${ranks[@]}" "$prog" "$@"
    lines=$(grep -c '^dragon-' "$err")
    if [ "$status" = "$code" ] && [ "$lines" = 1 ] && grep '^dragon-pg: error: ' "$err" | grep -Eq "$regex" &&
        ! grep -q 'left a barrier\|left MPI_Init' "$err"; then
        ok "$family, $where: $what"
    else
        not_ok "$family, $where: $what"
        echo "# code $code and one message with /$regex/ were expected"
        show_run "$@"
    fi
}

killed_rank()
{
    local group code
    rm -f wait.out
    dragon-run "${nodes[@]}" dragon-pg --pmi "${ranks[@]}" "$prog" wait >wait.out 2>wait.err &
    group=$!
    wait_until 60 sh -c '[ $(grep -c "^waiting" wait.out) = 2 ]'
    kill "-$1" "$(awk '$3 == 1 { print $7 }' wait.out)"
    wait "$group"
    code=$?
    [ "$code" = "$2" ] && [ "$(grep -c '^dragon-' wait.err)" = 1 ] &&
        grep -q "rank 1 on $name (pid [0-9]*) was killed by signal $(kill -l "$1")" wait.err && return 0
    echo "code $code"
    cat wait.err
    return 1
}

plan $((${#programs[@]} * 2 * 11 + 3))
for family in "${programs[@]}"; do
    prog=$DRAGON_BUILDDIR/tests/mpi/mpi_check.$family
    for where in "one node" "two nodes"; do
        nodes=() ranks=(-n 2) name=$host
        [ "$where" = "one node" ] || nodes=(--test-hosts 2) ranks=(--ppn 1) name=$host-1
        fails 42 "rank 1 on $name \\(pid [1-9][0-9]*\\) called MPI_Abort with code 42" "MPI_Abort(42)" abort 1 42
        fails 1 "rank 0 on $host[-0]* \\(pid [1-9][0-9]*\\) called MPI_Abort with code 0" "MPI_Abort(0) is a failure" abort 0 0
        fails 4 "rank 1 on $name \(pid [0-9]+\) exited with code 4 after MPI_Init and without MPI_Finalize" \
            "_exit(4) without MPI_Finalize" exit 1 4
        fails 1 "rank 1 on $name \(pid [0-9]+\) exited with code 0 after MPI_Init and without MPI_Finalize" \
            "_exit(0) without MPI_Finalize" exit 1 0
        fails 125 "rank 1 on $name \(pid [0-9]+\) exited without ever connecting to PMI" \
            "exit before MPI_Init" early 1
        fails 125 "rank 0 on $host[-0]* \(pid [0-9]+\) exited without ever connecting to PMI" \
            "exit of rank 0 before MPI_Init" early 0
        fails 6 "rank 1 on $name \(pid [0-9]+\) exited with code 6$" "exit(6) after MPI_Finalize" after 1 6
        fails 6 "rank 0 on $host[-0]* \(pid [0-9]+\) exited with code 6$" "the same of rank 0" after 0 6
        check "$family, $where: a rank is killed by KILL" killed_rank KILL 137
        check "$family, $where: a rank is killed by TERM" killed_rank TERM 143
        check "$family, $where: and the next group is well" dragon-run "${nodes[@]}" sh -c \
            'dragon-pg --pmi "$1" "$2" "$0" abort 0 3 2>/dev/null; dragon-pg --pmi "$1" "$2" "$0" all >/dev/null' \
            "$prog" "${ranks[@]}"
    done
done

nodes=()
check_status 125 "--pmi with a program that is not MPI" dragon-run dragon-pg --pmi -n 2 true
like "says so, once" '^1$' "$(grep -c '^dragon-pg: error: rank [01] .*without ever connecting.*leave --pmi out' "$err")"
no_leftovers "nothing is left"
finish
