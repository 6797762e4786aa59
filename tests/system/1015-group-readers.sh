# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# Who reads standard input: one rank, all, none.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 10

# readers ARGS: how many lines each rank of three gets of nine.
readers()
{
    seq 1 9 | dragon-run --test-hosts 2 dragon-pg -n 3 --map-by node "$@" sh -c 'echo "$DRAGON_RANK $(wc -l)"' |
        sort -n | cut -d' ' -f2 | tr '\n' ' '
}
is "rank 0 unless something is said" "$(readers)" "9 0 0 "
is "another one" "$(readers --stdin 1)" "0 9 0 "
is "all" "$(readers --stdin all)" "9 9 9 "
is "none" "$(readers --stdin none)" "0 0 0 "
is "a rank of the second program" \
    "$(echo hello | dragon-run dragon-pg --stdin 1 cat : cat)" hello
is "the second program reads a file, the first ours" "$(
    echo "of a file" >in
    echo ours | dragon-run dragon-pg -l cat : --stdin ./in cat | sort | tr '\n' '|'
)" "0: ours|1: of a file|"
head -c 3000000 /dev/urandom | od -An -tx1 >large
is "all ranks get all of much" "$(
    dragon-run dragon-pg -n 3 --stdin all md5sum <large | sort -u
)" "$(md5sum <large)"
one_ends()
{
    seq 1 200000 | dragon-run dragon-pg -n 2 --stdin all sh -c '[ $DRAGON_RANK = 0 ] || exit 0; wc -l' >counted
    [ "$(cat counted)" = 200000 ]
}
check "one that does not read does not keep the others waiting" one_ends
check_failure 'the last rank is 2' "a rank that is not there" dragon-run dragon-pg -n 3 --stdin 3 true
no_leftovers "nothing is left"
finish
