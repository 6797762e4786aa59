# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# Groups as JSON: --spec, --print-spec, and that they agree.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 26

cat >spec.json <<'END'
{"name": "two programs", "label": true, "timeout": "60s",
 "policy": {"env": {"SHARED": "s"}},
 "templates": [
   {"program": ["sh", "-c", "echo $DRAGON_RANK $SHARED $MINE ${HOME-none}"], "ranks": 2,
    "env": {"MINE": "a b", "HOME": null}},
   {"program": ["cat"], "ranks": 1, "cwd": "sub", "input": "text", "output": "{rank}.out"}]}
END
mkdir sub
echo "of a file" >sub/text
check "a group of two programs" dragon-run dragon-pg --spec spec.json
is "their output" "$(sort "$out" | tr '\n' '|')" "0: 0 s a b none|1: 1 s a b none|"
is "and their files" "$(cat sub/2.out)" "of a file"
rm sub/2.out
check "outside a runtime" dragon-pg --spec spec.json
is "the same" "$(sort "$out" | tr '\n' '|')$(cat sub/2.out)" "0: 0 s a b none|1: 1 s a b none|of a file"
check "from standard input" sh -c 'dragon-run dragon-pg --spec - <spec.json'
is "the same again" "$(sort "$out" | tr '\n' '|')" "0: 0 s a b none|1: 1 s a b none|"
check "and outside a runtime" sh -c 'dragon-pg --spec - <spec.json'
is "once more" "$(sort "$out" | tr '\n' '|')" "0: 0 s a b none|1: 1 s a b none|"

line=(--pmi -t 90s --signal USR1@10s --grace 1s --on-full wait --wait 5m --stdin none -n 2 -c 1 --ppn 2
    --map-by cyclic --bind numa --memory 1G --env A=1 --output 'o/%t' --error merge ./a x : -g 0 -H a,b ./b)
dragon-pg --print-spec "${line[@]}" >one
dragon-pg --spec one --print-spec >two
check "what is printed stands for the same" cmp one two
is "without a word of complaint" "$(dragon-pg --print-spec "${line[@]}" 2>&1 >/dev/null)" ""
like "it has what was said" '"map": "(node|cyclic)"' "$(cat one)"
like "in our words" '"output": "o/\{rank\}"' "$(cat one)"
is "and nothing that was not" "$(dragon-pg --print-spec true | tr -d ' \n')" \
    '{"schema":"dragon-pg-spec","version":1,"templates":[{"program":["true"]}]}'
like "what is given beside it wins" '"timeout": "50s"' "$(dragon-pg --spec one -t 50s --print-spec)"
check_status 124 "also when it runs" dragon-run dragon-pg -t 200ms --spec - <<'END'
{"timeout": "1h", "templates": [{"program": ["sleep", "600"]}]}
END

# refused JSON REGEX
refused()
{
    echo "$1" >wrong.json
    check_failure "$2" "refused: $2" dragon-pg --spec wrong.json
}
refused '{"templates": [{"program": ["a"]}, {"program": ["b"], "policy": {"bnd": "core"}}]}' \
    'templates\[1\]\.policy\.bnd: no such key; did you mean bind\?'
refused '{"templates": [{"program": ["a"], "ranks": "2"}]}' 'templates\[0\]\.ranks: it is to be a whole number'
refused '{"templates": [{"program": ["a"]}]' 'line 2, column 0'
check_failure 'cannot read' "a file that is not there" dragon-pg --spec no.json
check_failure 'said in the spec' "ranks beside a spec" dragon-pg --spec one -n 3
check_failure 'not "true"' "a program beside a spec" dragon-pg --spec one true
check_failure 'only once' "a pipe, outside a runtime" dragon-pg --spec <(cat spec.json)
sed -n '/^{"name"/,/]}$/p' "$DRAGON_SRCDIR/doc/man/dragon-pg.in" >manual.json
HWLOC_SYNTHETIC='pack:2 numa:2 core:8 pu:2' check "the manual's example is one" \
    dragon-run --gpus nvidia:8 dragon-pg --spec manual.json --dry-run
is "of nine ranks" "$(tail -n +2 "$out" | wc -l)" 9
no_leftovers "nothing is left"
finish
