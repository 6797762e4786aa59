# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-bench pool: it measures every part, with and without the peers, and its report can be read by a program. What the
# figures are is not looked at, but that a pool does not take ten times what it may.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 15
LIMIT=200

# Every figure is there once, and has a value, also when its peer is not installed.
read_report()
{
    python3 - "$1" <<'END_OF_PROGRAM'
import json, sys
report = json.load(open(sys.argv[1]))
figures = {figure["name"]: figure for figure in report["figures"]}
wanted = """python-map-1 python-map-100 python-map python-apply task commands-2 commands-2-parallel commands-8
    commands-8-parallel mpi-series mpi-side steady-map steady-map-head-memory steady-map-worker-memory steady-apply
    steady-apply-head-memory steady-apply-worker-memory
    steady-many steady-many-head-memory steady-many-worker-memory crowd-start crowd-task crowd-group crowd-look crowd-memory""".split()
wanted += [f"sleep-{workers}{kind}{where}" for workers in (2, 8, 32) for kind in ("", "-unlike")
           for where in ("", "-nodes")]
least = {"python-map-1": 1, "commands-2": 0.08, "commands-8": 0.08, "sleep-2": 0.095,
         "sleep-8-unlike": 0.095, "steady-map": 0.095, "steady-apply": 0.095}
wrong = sorted(set(wanted) ^ set(figures))
if len(figures) != len(report["figures"]):
    wrong.append("a name comes twice")
for name, figure in figures.items():
    ours, note = figure.get("ours"), figure.get("note", "")
    if not ours and not (name.startswith("mpi") and note.startswith("not measured: ")):
        wrong.append(name + " has no value: " + note)
    if ours and not 0 < ours["low"] <= ours["median"] <= ours["high"]:
        wrong.append(name + " has a median outside its range")
for name, ratio in least.items():
    if figures.get(name, {}).get("ratio", {"median": ratio})["median"] < ratio:
        wrong.append(name + " is less than a tenth of what it is to be")
if report["bench"] != "pool" or "cores" not in report["machine"]:
    wrong.append("the head")
sys.exit(str(wrong) if wrong else 0)
END_OF_PROGRAM
}

check "pool --quick --json ends well" dragon-bench pool --quick --json
cp "$out" report.json
if command -v python3 >/dev/null; then
    check "its report has every figure" read_report report.json
else
    skip "its report has every figure" "there is no python3"
fi

check "one part alone, for people" dragon-bench pool --quick --only crowd
like "  has that part" '^crowd-task ' "$(cat "$out")"
like "  and says which node that is" 'the worker is on (this|another) node' "$(cat "$out")"
is "  and no other" "$(grep -c '^sleep' "$out")" 0

# In a runtime of one node there is no other to take workers from.
check "in a runtime of one node" dragon-run dragon-bench pool --quick --only sleep
is "  its own workers alone" "$(grep -c '^sleep-[0-9a-z-]*-nodes' "$out")" 0
is "  in all their numbers" "$(grep -c '^sleep-' "$out")" 6

# Without the other programs.
run=$(command -v dragon-run) bench=$(command -v dragon-bench)
check "without GNU parallel" env PATH=/nowhere "$run" "$bench" pool --quick --only commands
is "  it is named as what to install" "$(grep -c 'the peer was not measured: install parallel' "$out")" 2

# It ends with the runtime, and the workers and Python's with it: see the end.
check_status 137 "killed while it measures" timeout -s KILL 2 dragon-bench pool --only python

check_output 'dragon-bench pool' "--help has it" dragon-bench --help

check_failure 'pool has no part "spawn"' "a part of another word" dragon-bench pool --only spawn

no_leftovers "nothing is left"
finish
