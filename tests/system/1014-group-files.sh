# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# Output into files, to nowhere, and merged; the last lines of a rank that fails; input from files.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 27

host=$(hostname)
mkdir o
both='echo "out $DRAGON_RANK"; echo "err $DRAGON_RANK" >&2'

check "a file for each rank" dragon-run --test-hosts 2 dragon-pg -n 2 --ppn 1 --output 'o/{rank}.{node}.{host}.{template}' sh -c "$both"
is "their names" "$(ls o | tr '\n' ' ')" "0.0.$host.0 1.1.$host.0 "
is "what is in them" "$(cat o/0.* o/1.* | tr '\n' ' ')" "out 0 out 1 "
is "standard output gets nothing" "$(cat "$out")" ""
is "standard error gets its own" "$(sort "$err" | tr '\n' ' ')" "err 0 err 1 "
rm o/*
check "errors go where output goes" dragon-run dragon-pg -n 2 --output 'o/%t' --error merge sh -c "$both"
is "merged" "$(cat o/0 o/1 | tr '\n' ' ')" "out 0 err 0 out 1 err 1 "
is "and nowhere else" "$(cat "$out" "$err")" ""
check "errors in a file of their own" dragon-run dragon-pg --output o/out --error o/err sh -c "$both"
is "both files" "$(cat o/out o/err | tr '\n' ' ')" "out 0 err 0 "
check "none" dragon-run dragon-pg --output none --error=none sh -c "$both"
is "is nothing" "$(cat "$out" "$err")" ""
is "errors merged into what we print" "$(dragon-run dragon-pg --error merge sh -c "$both" 2>/dev/null | tr '\n' ' ')" \
    "out 0 err 0 "
is "one file for all ranks" "$(dragon-run dragon-pg -n 3 --output o/all sh -c 'echo $DRAGON_RANK'; sort o/all | tr '\n' ' ')" \
    "0 1 2 "
is "relative to the ranks' directory" "$(dragon-run dragon-pg --cwd o --output here echo x; cat o/here)" x
is "each program its own" "$(dragon-run dragon-pg --output o/a echo a : --output o/b echo b; cat o/a o/b | tr '\n' ' ')" \
    "a b "

check_status 125 "a directory that is not there" dragon-run dragon-pg -n 2 --output 'no/such/{rank}' touch ran
like "is named, with the host" "^dragon-pg: error: .*$host.*no/such" "$(cat "$err")"
is "and nothing was started" "$(ls ran 2>/dev/null)" ""
check_status 7 "a rank that fails" dragon-run dragon-pg --output o/x --error merge sh -c 'seq 1 100; echo last words; exit 7'
like "shows its last lines" '^    last words$' "$(cat "$err")"
is "after one message" "$(grep -c '^dragon-pg: error: ' "$err")" 1
check_status 7 "one whose output was seen" dragon-run dragon-pg sh -c 'echo last words; exit 7'
is "does not" "$(grep -c 'last' "$err")" 0

seq 1 9 >in
is "input from a file" "$(dragon-run dragon-pg -n 2 --stdin ./in wc -l | tr '\n' ' ')" "9 9 "
is "the same" "$(dragon-run dragon-pg --stdin file:in wc -l)" 9
no_leftovers "nothing is left"
finish
