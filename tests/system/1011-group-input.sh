# SPDX-License-Identifier: BSD-3-Clause
#
# Standard input goes to rank 0, all of it, and to nobody else.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
command -v python3 >/dev/null || skip_all "there is no python3"
plan 14

"$DRAGON_SRCDIR/tests/lib/lines.py" bytes 10000000 >data
sum=$(md5sum <data)
is "10 MB from a file" "$(dragon-run dragon-pg -n 3 sh -c '[ $DRAGON_RANK != 0 ] || md5sum' <data)" "$sum"
is "10 MB from a pipe" "$(cat data | dragon-run dragon-pg md5sum)" "$sum"
is "10 MB there and back" "$(dragon-run dragon-pg cat <data | md5sum)" "$sum"
is "10 MB to another node and back" "$(
    dragon-run --test-hosts 2 dragon-pg --ppn 1 sh -c \
        '[ $DRAGON_NODE = 0 ] || exec dragon-pg -n 2 sh -c "[ \$DRAGON_RANK != 0 ] || cat"
         [ $DRAGON_RANK != 0 ] || cat' <data | md5sum
)" "$sum"
is "the end of the input is seen" "$(printf 'one\ntwo' | dragon-run dragon-pg sh -c 'cat; echo; echo end')" \
    "$(printf 'one\ntwo\nend')"
is "other ranks read nothing" \
    "$(seq 1 9 | dragon-run dragon-pg -n 4 sh -c 'echo "$DRAGON_RANK $(wc -c)"' | sort | tr '\n' ' ')" \
    "0 18 1 0 2 0 3 0 "
is "/dev/null" "$(dragon-run dragon-pg wc -c </dev/null)" 0
is "closed input" "$(dragon-run dragon-pg wc -c <&-)" 0
is "the input of a private runtime" "$(dragon-pg md5sum <data)" "$sum"

unread()
{
    # A writer that never ends by itself: it gets SIGPIPE when all are gone.
    yes | dragon-run dragon-pg -n 2 true
    [ "${PIPESTATUS[1]}" = 0 ]
}
check "a rank that does not read ends all the same" unread
some()
{
    yes | dragon-run dragon-pg sh -c 'head -n 3 >/dev/null; exec <&-; sleep 0.2; exit 6'
    [ "${PIPESTATUS[1]}" = 6 ]
}
check "nor one that reads some and closes it" some
later()
{
    mkfifo slow
    dragon-run dragon-pg cat <slow >got &
    exec 9>slow
    echo first >&9
    wait_until "$LIMIT" grep -q first got || return 1
    echo second >&9
    wait_until "$LIMIT" grep -q second got || return 1
    exec 9>&-
    wait $!
}
check "input comes as it is written, and its end too" later
# Two groups, one after the other, share an input: the first takes what it takes.
is "a second group reads on" "$(
    printf 'one\n' >a
    dragon-run sh -c 'dragon-pg cat <a; dragon-pg cat' <<<two | tr '\n' ' '
)" "one two "
no_leftovers "nothing is left"
finish
