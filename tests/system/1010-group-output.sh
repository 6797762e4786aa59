# SPDX-License-Identifier: BSD-3-Clause
#
# Output of many ranks: by line, never mixed, nothing lost.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
command -v python3 >/dev/null || skip_all "there is no python3"
plan 13

lines=$DRAGON_SRCDIR/tests/lib/lines.py
count=3000
# collected RUNTIME-ARGS -- PG-ARGS: the output of writers, checked.
collected()
{
    local run=()
    while [ "$1" != -- ]; do
        run+=("$1")
        shift
    done
    shift
    dragon-run "${run[@]}" dragon-pg "$@" "$lines" write $count 60000 | "$lines" check 8 $count
    [ "${PIPESTATUS[*]}" = "0 0" ]
}

check "8 ranks, lines of 1 to 60000 bytes into a pipe" collected -- -n 8
check "the same over 4 nodes" collected --test-hosts 4 -- -n 8 --map-by node
to_file()
{
    dragon-run dragon-pg -n 8 "$lines" write $count 60000 >lines.out && "$lines" check 8 $count <lines.out
}
check "into a file" to_file
labelled()
{
    dragon-run dragon-pg -n 8 -l "$lines" write $count 60000 |
        awk '{ split($0, label, ":"); split($2, number, " "); if (label[1] != $2) exit 1; print }' |
        sed 's/^[0-9]*: //' | "$lines" check 8 $count
    [ "${PIPESTATUS[*]}" = "0 0 0 0" ]
}
check "labelled: each line has its own rank" labelled
on_stderr()
{
    dragon-run dragon-pg -n 8 sh -c '"$0" write 500 60000 >&2' "$lines" 2>&1 >out.empty |
        "$lines" check 8 500 && [ ! -s out.empty ]
}
check "on standard error" on_stderr
together()
{
    dragon-run dragon-pg -n 4 sh -c 'echo "out $DRAGON_RANK"; echo "err $DRAGON_RANK" >&2' \
        >only.out 2>only.err
    [ "$(sort only.out | tr '\n' ' ')" = "out 0 out 1 out 2 out 3 " ] &&
        [ "$(sort only.err | tr '\n' ' ')" = "err 0 err 1 err 2 err 3 " ]
}
check "the two streams stay apart" together

is "a line of a megabyte comes whole from one rank" \
    "$(dragon-run dragon-pg sh -c 'head -c 1000000 /dev/zero | tr "\0" x; echo' | wc -c)" 1000001
is "what is written without an end of line comes at the end" \
    "$(dragon-run dragon-pg -n 3 printf x | tr -d '\n')" xxx
is "a prompt without an end of line is seen at once from a group of one" "$(
    dragon-run dragon-pg sh -c 'printf prompt; until [ -e seen ]; do sleep 0.02; done' | {
        head -c 6
        : >seen
    }
)" prompt
is "output of a rank that is killed is not lost" \
    "$(dragon-run dragon-pg sh -c 'seq 1 20000; kill -9 $$' 2>/dev/null | tail -n 1)" 20000
is "output on a closed descriptor does no harm" \
    "$(dragon-run dragon-pg sh -c 'echo gone; exit 3' >&- 2>/dev/null; echo $?)" 3
is "nor a full disk" "$([ -c /dev/full ] && dragon-run dragon-pg sh -c 'echo full' >/dev/full 2>/dev/null
    echo $?)" 141
no_leftovers "nothing is left"
finish
